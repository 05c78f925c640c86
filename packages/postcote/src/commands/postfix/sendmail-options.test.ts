import { describe, expect, it } from 'vitest';
import { type SendmailOptions, readSendmailOptions, recipientsOf } from './sendmail-options.ts';

describe('readSendmailOptions', () => {
  it.each<[args: string[], expected: Partial<SendmailOptions>]>([
    [['-t'], { mode: 'deliver', extract: true }],
    [['-i', '-f', 'a@b', 'x@y', 'z'], { dotIsText: true, sender: 'a@b', recipients: ['x@y', 'z'] }],
    [
      ['-oi', '-oem', '-odb', '-om', '-fA B <a@b>', '--', '-x@y'],
      { dotIsText: true, sender: 'a@b', recipients: ['-x@y'] },
    ],
    [['-f', '', 'x'], { sender: '' }],
    [['-f', '<>', 'x'], { sender: '' }],
    [['-r', 'bob', '-F', 'Bob B', 'x'], { sender: 'bob', fullName: 'Bob B' }],
    [['-ti'], { extract: true, dotIsText: true }],
    [['-bp'], { mode: 'mailq' }],
    [['-bs'], { mode: 'smtp' }],
    [['-bi'], { mode: 'newaliases' }],
    [['-bv', 'root'], { mode: 'verify', recipients: ['root'] }],
    [['-bm', 'root'], { mode: 'deliver' }],
    [['-q'], { mode: 'flush' }],
    [['-q30m', '-bd'], { mode: 'start' }],
    [['-qI4A'], { mode: 'flushMessage', flushed: '4A' }],
    [['-qRexample.org'], { mode: 'flushSite', flushed: 'example.org' }],
    [
      ['-B8BITMIME', '-N', 'failure,delay', '-R', 'hdrs', '-V', 'id', 'x'],
      {
        dsn: { bodyType: '8BITMIME', notify: ['FAILURE', 'DELAY'], ret: 'HDRS', envelopeId: 'id' },
      },
    ],
    [['-A', 'c', '-hops', '-L', 'tag', '-G', '-n', '-m', 'x'], { recipients: ['x'] }],
    [['a, "b c" <d@e>', 'f g'], { recipients: ['a', 'd@e', 'f', 'g'] }],
  ])('%j', (args, expected) => {
    expect(readSendmailOptions(args, 'sendmail')).toMatchObject(expected);
  });

  it.each([
    [['-Z']],
    [['-f']],
    [['-bz']],
    [['-X', 'log', 'x']],
    [['-N', 'always', 'x']],
    [['-N', 'never,delay']],
    [['-R', 'x']],
  ])('refuses %j', (args) => {
    expect(readSendmailOptions(args, 'sendmail')).toHaveProperty('complaint');
  });

  it('goes by its name', () => {
    expect(readSendmailOptions([], 'mailq')).toMatchObject({ mode: 'mailq' });
    expect(readSendmailOptions([], 'newaliases')).toMatchObject({ mode: 'newaliases' });
  });
});

describe('recipientsOf', () => {
  it.each([
    ['To: a@b, "c, d" <e@f>\nCc: g\n\th\nBcc: i\nSubject: To: x\n', ['a@b', 'e@f', 'g', 'h', 'i']],
    ['To: a\nResent-To: b\nResent-Bcc: c\n', ['b', 'c']],
    ['To: a\nResent-From: b\n', []],
    ['TO : a (x, y)\nTo: a\n', ['a']],
    ['Subject: x\n', []],
    ['To: undisclosed-recipients:;\n', []],
  ])('%j', (header, expected) => {
    expect(recipientsOf(header)).toEqual(expected);
  });
});

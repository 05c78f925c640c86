// The pure parts of local delivery: names in settings, environments, texts, exits, pipe rows.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commandEnvironment } from './command-environment.ts';
import { formatHead, MessageCopy, type CopyRules } from './message-text.ts';
import { readCommandEnd } from './outcome.ts';
import { expandArgv, parsePipeService, type PipeService } from './pipe-service.ts';
import { expandDelivery, readLocalRecipient } from './recipient.ts';
import { DEFAULT_LOCAL_SETTINGS, EXPANSION_FILTER } from './settings.ts';

const RULES = { recipientDelimiter: '+', ownerRequestSpecial: true };
const at = (address: string) => ({
  ...readLocalRecipient(address, RULES),
  home: '/home/bob',
  shell: '/bin/sh',
});

describe('readLocalRecipient', () => {
  it.each<[string, object]>([
    [
      'Bob@Example.COM',
      { user: 'bob', local: 'bob', domain: 'example.com', extension: undefined, delimiter: '+' },
    ],
    ['bob+x+y@h', { user: 'bob', local: 'bob+x+y', extension: 'x+y', delimiter: '+' }],
    ['bob+../../etc@h', { user: 'bob', extension: undefined }],
    ['postmaster@h', { user: 'postmaster', extension: undefined }],
    ['bob', { user: 'bob', domain: '' }],
  ])('%s', (address, expected) => {
    expect(readLocalRecipient(address, RULES)).toMatchObject(expected);
  });
});

describe('expandDelivery', () => {
  it.each<[string, string, string | undefined, string, boolean]>([
    [
      '$home/.forward${recipient_delimiter}${extension}',
      'bob+x@h',
      EXPANSION_FILTER,
      '/home/bob/.forward+x',
      false,
    ],
    [
      '$home/.forward${recipient_delimiter}${extension}',
      'bob@h',
      EXPANSION_FILTER,
      '/home/bob/.forward+',
      true,
    ],
    ['$home/${extension?{ext/$extension}:{none}}', 'bob@h', EXPANSION_FILTER, '/home/bob/none', true],
    ['/x/$user/$local/$domain/$mailbox', 'bob+x@h', EXPANSION_FILTER, '/x/bob/bob+x/h/bob+x', false],
    ['$user $recipient', "bob+$(id)'@h", EXPANSION_FILTER, 'bob bob+__id__@h', false],
    ['$nothing', 'bob@h', undefined, '', true],
    ['$constructor$__proto__', 'bob@h', undefined, '', true],
  ])('%s for %s', (text, address, filter, value, isUndefined) => {
    const found = expandDelivery(text, at(address), filter);
    expect(found.expansion).toEqual({ ok: true, value });
    expect(found.isUndefined).toBe(isUndefined);
  });
});

describe('commandEnvironment', () => {
  it('lets nothing through that a shell would read', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (sender, helo) => {
        const facts = { sender, originalRecipient: sender, client: { helo, saslUsername: sender } };
        const values = Object.values(
          commandEnvironment(at('bob+x@h'), facts, DEFAULT_LOCAL_SETTINGS.command),
        );
        for (const value of values) expect(value).toMatch(/^[1234567890!@%\-_=+:,./a-zA-Z]*$/);
      }),
    );
  });

  it('has what export_environment says, and no empty names but the sender’s', () => {
    const facts = { sender: '', originalRecipient: '', client: {} };
    const settings = { ...DEFAULT_LOCAL_SETTINGS.command, environment: { TZ: ':/etc/localtime (x)' } };
    expect(commandEnvironment(readLocalRecipient('list@h', RULES), facts, settings)).toEqual({
      TZ: ':/etc/localtime (x)',
      LOGNAME: 'list',
      USER: 'list',
      SENDER: '',
      RECIPIENT: 'list@h',
      LOCAL: 'list',
      DOMAIN: 'h',
    });
  });
});

describe('MessageCopy', () => {
  const copy = (input: string, rules: CopyRules, step: number): string => {
    const made = new MessageCopy(rules);
    let out = '';
    for (let i = 0; i < input.length; i += step)
      out += made.push(Buffer.from(input.slice(i, i + step), 'latin1')).toString('latin1');
    return out + made.end().toString('latin1');
  };
  const MBOX = { quoteFrom: true, blankLine: true };

  it.each<[string, CopyRules, string]>([
    ['a\r\nFrom b\r\n', MBOX, 'a\n>From b\n\n'],
    ['From the top', MBOX, '>From the top\n\n'],
    ['a\rFrom b\r\n>From c\r\n', MBOX, 'a\rFrom b\n>From c\n\n'],
    ['.\r\n..\r\nx.\r\n', { quoteDots: true }, '..\n...\nx.\n'],
    ['a\r\nb\nc', {}, 'a\nb\nc\n'],
    ['a\r\nb\r\n', { lineEnd: '\r\n' }, 'a\r\nb\r\n'],
    ['', MBOX, '\n'],
  ])('%j', (input, rules, expected) => {
    for (const step of [1, 2, 3, 1000]) expect(copy(input, rules, step)).toBe(expected);
  });

  it('passes a line of megabytes on, and knows where lines begin after it', () => {
    const long = 'x'.repeat(3_000_000);
    expect(copy(`${long}From y\r\nFrom z`, MBOX, 65_536)).toBe(`${long}From y\n>From z\n\n`);
  });

  it('writes the lines on top', () => {
    const facts = { sender: '', originalRecipient: 'a@b', deliveredTo: ['new@b', 'old@b'] };
    const rules = { fromLine: true, returnPath: true, originalTo: true, deliveredTo: true };
    expect(formatHead(facts, rules, new Date(2026, 10, 4, 1, 2, 3))).toBe(
      'From MAILER-DAEMON  Wed Nov  4 01:02:03 2026\r\nReturn-Path: <>\r\nX-Original-To: a@b\r\n' +
        'Delivered-To: new@b\r\nDelivered-To: old@b\r\n',
    );
  });
});

describe('readCommandEnd', () => {
  it.each<[Parameters<typeof readCommandEnd>[0], string, string, string]>([
    [{ kind: 'exit', status: 64 }, '', '5.3.0', 'command line usage error'],
    [{ kind: 'exit', status: 75 }, 'later\n', '4.3.0', 'temporary failure. Command output: later'],
    [{ kind: 'exit', status: 1 }, '5.7.9 go\taway', '5.7.9', 'go away'],
    [{ kind: 'exit', status: 1 }, '2.0.0 fine', '5.0.0', 'fine'],
    [
      { kind: 'exit', status: 1 },
      '9.9.9 what',
      '5.3.0',
      'Command died with status 1: "c". Command output: 9.9.9 what',
    ],
    [{ kind: 'signal', signal: 9 }, '', '4.3.0', 'Command died with signal 9: "c"'],
    [{ kind: 'timeLimit' }, 'x\u0007', '5.3.0', 'Command time limit exceeded: "c". Command output: x_'],
  ])('%j %j', (end, output, dsn, text) => {
    const status = dsn.startsWith('4') ? 'deferred' : 'bounced';
    expect(readCommandEnd(end, 'c', output)).toEqual({ dsn, text, status });
  });

  it('is silent about success', () => {
    expect(readCommandEnd({ kind: 'exit', status: 0 }, 'c', '5.1.1 noise')).toBeUndefined();
  });
});

describe('pipe(8)', () => {
  const words = (text: string): string[] => text.split(' ');
  const service = (text: string): PipeService => {
    const parsed = parsePipeService('p', words(text));
    if (typeof parsed === 'string') throw new Error(parsed);
    return parsed;
  };
  const envelope = {
    sender: 'S@From.Example',
    nexthop: 'Hop',
    size: 12,
    queueId: 'ABC',
    recipients: [
      { address: 'One+x@H.Example', original: 'o1@x' },
      { address: '"odd name"@h', original: 'o2@x' },
    ],
    client: { address: '192.0.2.1', helo: '$(id)' },
  };

  it.each<[string, string[]]>([
    [
      'user=u argv=p -f ${sender} ${recipient}',
      ['p', '-f', 'S@From.Example', 'One+x@H.Example', 'odd name@h'],
    ],
    ['flags=hu user=u argv=p $user/$extension', ['p', 'one/x', 'odd name/']],
    ['flags=q user=u argv=p ${recipient}', ['p', 'One+x@H.Example', '"odd name"@h']],
    ['user=u argv=p $(nexthop) $size $$x ${client_helo} $queue_id', ['p', 'Hop', '12', '$x', '$(id)', 'ABC']],
    ['user=u argv=p $mailbox@$domain -x', ['p', 'One+x@H.Example', 'odd name@h', '-x']],
  ])('%s', (row, expected) => {
    expect(expandArgv(service(row), envelope, '+')).toEqual(expected);
  });

  it('names a null sender as the row says', () => {
    const from = { ...envelope, sender: '' };
    expect(expandArgv(service('user=u argv=p ${sender}'), from, '')).toEqual(['p', 'MAILER-DAEMON']);
    expect(expandArgv(service('user=u null_sender= argv=p ${sender}'), from, '')).toEqual(['p', '']);
  });

  it.each([
    ['argv=p', 'no user='],
    ['user=u', 'no argv='],
    ['user=u flags=Z argv=p', '"Z"'],
    ['user=u chroot=/x argv=p', 'chroot='],
    ['user=u size=big argv=p', 'size='],
    ['user=u argv=p ${nope}', 'nope'],
    ['user=u nonsense argv=p', 'nonsense'],
  ])('refuses %s', (row, complaint) => {
    expect(parsePipeService('p', words(row))).toContain(complaint);
  });
});

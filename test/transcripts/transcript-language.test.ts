import fs from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readTranscripts } from '../support/transcript-files.ts';
import { TranscriptError, compilePattern, expandTemplate, parseTranscript } from '../support/transcript.ts';

const parse = (...lines: string[]): ReturnType<typeof parseTranscript> =>
  parseTranscript('t.txt', lines.join('\n'));
const values = new Map([
  ['alice', 'pctest1'],
  ['alice.password', 's3{cret}'],
]);
const lookup = (name: string): string => values.get(name) ?? `?${name}`;

describe('parseTranscript', () => {
  it('reads what must be there', () => {
    const transcript = parse(
      '# why',
      'user: alice',
      'mail: alice INBOX new',
      '| From: a',
      '|',
      '|  indented',
      'mail: alice Archive/2024 \\Seen $label1',
      '| x',
      'folder: alice Sent',
      'subscribed: alice Sent',
      'main: smtpd_recipient_limit = 3',
      '1 connect smtp',
    );
    expect(transcript).toMatchObject({
      why: 'why',
      users: ['alice'],
      mails: [
        { user: 'alice', folder: 'INBOX', flags: [], fresh: true, text: 'From: a\n\n indented\n' },
        { user: 'alice', folder: 'Archive/2024', flags: ['\\Seen', '$label1'], fresh: false, text: 'x\n' },
      ],
      folders: [{ user: 'alice', folder: 'Sent' }],
      subscriptions: [{ user: 'alice', folder: 'Sent' }],
      settings: { main: ['smtpd_recipient_limit = 3'], dovecot: [], aliases: [], virtual: [] },
    });
  });

  it('reads steps', () => {
    const { steps } = parse(
      '# why',
      'user: alice',
      '1 connect smtp from 127.0.0.2',
      '1 < 220 …',
      '1 > EHLO x',
      '1 >| half',
      '1 >>',
      '| a',
      '| b',
      '1 <* 250 x',
      '1 <& a',
      '1 <&? b',
      '1 < c',
      '1 <? d',
      '1 <? e',
      'wait: 10ms',
      '1 silent 300ms',
      'arrived: alice INBOX 2',
      '1 starttls',
      '1 closed',
    );
    expect(steps.map(({ line: _line, ...step }) => step)).toEqual([
      { kind: 'connect', connection: 1, service: 'smtp', from: '127.0.0.2' },
      { kind: 'expect', connection: 1, group: [{ line: 4, pattern: '220 …', optional: false }] },
      { kind: 'send', connection: 1, text: 'EHLO x', crlf: true },
      { kind: 'send', connection: 1, text: 'half', crlf: false },
      { kind: 'send', connection: 1, text: String.raw`a\x0d\x0ab\x0d\x0a`, crlf: false },
      { kind: 'find', connection: 1, pattern: '250 x' },
      {
        kind: 'expect',
        connection: 1,
        group: [
          { line: 11, pattern: 'a', optional: false },
          { line: 12, pattern: 'b', optional: true },
        ],
      },
      { kind: 'expect', connection: 1, group: [{ line: 13, pattern: 'c', optional: false }] },
      { kind: 'expect', connection: 1, group: [{ line: 14, pattern: 'd', optional: true }] },
      { kind: 'expect', connection: 1, group: [{ line: 15, pattern: 'e', optional: true }] },
      { kind: 'wait', ms: 10 },
      { kind: 'silent', connection: 1, ms: 300 },
      { kind: 'arrived', user: 'alice', folder: 'INBOX', count: 2 },
      { kind: 'starttls', connection: 1 },
      { kind: 'closed', connection: 1 },
    ]);
  });

  it('keeps the side of a difference', () => {
    const transcript = parse('# why', 'differs: some-entry', '1 connect smtp', '1 ours< a', '1 real< b');
    expect(transcript.differs).toEqual(['some-entry']);
    expect(transcript.steps.map((step) => step.side)).toEqual([undefined, 'ours', 'real']);
  });

  it.each([
    ['no reason', ['user: alice'], 1],
    ['no steps', ['# why', 'user: alice'], 3],
    ['unknown directive', ['# why', 'usr: alice'], 2],
    ['unknown mark', ['# why', '1 connect smtp', '1 !! x'], 3],
    ['not connected', ['# why', '1 > x'], 2],
    ['unknown service', ['# why', '1 connect lmtp'], 2],
    ['unknown user', ['# why', 'mail: bob INBOX', '| x'], 2],
    ['no text', ['# why', 'user: bob', 'mail: bob INBOX', '1 connect smtp'], 3],
    ['a side without a difference', ['# why', '1 connect smtp', '1 ours< x'], 3],
    ['a bad pattern', ['# why', '1 connect smtp', '1 < ${=(}'], 3],
  ])('refuses: %s', (_name, lines, at) => {
    expect(() => parse(...lines)).toThrow(TranscriptError);
    expect(() => parse(...lines)).toThrow(new RegExp(`^t\\.txt:${at}: `));
  });
});

describe('expandTemplate', () => {
  it.each([
    ['plain', 'plain'],
    [String.raw`a\x00b\Seen`, 'a\0b\\Seen'],
    ['${alice}@x', 'pctest1@x'],
    [
      String.raw`$base64{\x00${'${alice}'}\x00${'${alice.password}'}}`,
      Buffer.from('\0pctest1\0s3{cret}').toString('base64'),
    ],
    ['$repeat{3,ab}!', 'ababab!'],
    ['$label1 $ ${', '$label1 $ ${'],
  ])('expands %j', (text, expected) => {
    expect(expandTemplate(text, lookup).toString('latin1')).toBe(expected);
  });
});

describe('compilePattern', () => {
  const match = (pattern: string, line: string): Record<string, string> | undefined => {
    const { regex, captures } = compilePattern(pattern, lookup);
    const found = regex.exec(line);
    if (found === null) return undefined;
    return Object.fromEntries(captures.map((name, i) => [name, found.groups?.[`g${i + 1}`] ?? '']));
  };
  it.each([
    ['250 2.1.0 Ok', '250 2.1.0 Ok', {}],
    ['250 2.1.0 Ok', '250 2x1.0 Ok', undefined],
    ['250 2.1.0 Ok', '250 2.1.0 Ok ', undefined],
    ['* OK [UIDVALIDITY ${v=\\d+}] …', '* OK [UIDVALIDITY 12] UIDs valid', { v: '12' }],
    ['${a=\\w{2}}${b.c=\\w}', 'xyz', { a: 'xy', 'b.c': 'z' }],
    ['${=[0-9]+}|${alice}', '42|pctest1', {}],
    [String.raw`* FLAGS (\Seen)`, '* FLAGS (\\Seen)', {}],
    ['a…z', 'a\x80\nz', {}],
  ])('%j on %j', (pattern, line, expected) => {
    expect(match(pattern, line)).toEqual(expected);
  });
});

describe('the transcripts', () => {
  const transcripts = readTranscripts();

  it('can all be read', () => {
    expect(transcripts.length).toBeGreaterThan(30);
  });

  it('name differences that docs/differences.md describes', () => {
    const file = new URL('../../docs/differences.md', import.meta.url);
    const differences = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
    const unknown = transcripts.flatMap(({ name, differs }) =>
      differs.filter((entry) => !differences.includes(`\`${entry}\``)).map((entry) => `${name}: ${entry}`),
    );
    expect(unknown).toEqual([]);
  });
});

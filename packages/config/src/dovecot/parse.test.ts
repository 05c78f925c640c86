import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeMemorySystem } from '../testing/index.ts';
import { parseDovecot, readValues, type DovecotNode, type DovecotTree } from './parse.ts';

const parse = (text: string, files: Record<string, string> = {}): DovecotTree =>
  parseDovecot('/d/dovecot.conf', text, makeMemorySystem({ files }));

/** `name=value` and `name label{…}`, for a short look. */
function show(nodes: readonly DovecotNode[]): string {
  return nodes
    .map((node) => {
      if (node.kind === 'section') return `${`${node.name} ${node.label}`.trim()}{${show(node.children)}}`;
      return `${node.name}${node.isAppended ? '+=' : '='}${node.isFile ? '<' : ''}${node.value}`;
    })
    .join(';');
}

describe('parseDovecot', () => {
  it.each([
    ['a = b', 'a=b'],
    ['a=b # c', 'a=b'],
    ['a = b#c', 'a=b'],
    ['# a = b', ''],
    ['a = "b # c"', 'a=b # c'],
    ['a = \'b "c"\'', 'a=b "c"'],
    ['a = "b \\"c\\""', 'a=b "c"'],
    ['a = b \\\n  c', 'a=b c'],
    ['a = x\na += y', 'a=x;a+=y'],
    ['ssl_cert = </etc/x.pem', 'ssl_cert=</etc/x.pem'],
    ['a {\n b = c\n d e {\n }\n}\nf = g', 'a{b=c;d e{}};f=g'],
    ['passdb pam {\n}', 'passdb pam{}'],
    ['mailbox "Sent Messages" {\n special_use = \\Sent\n}', 'mailbox Sent Messages{special_use=\\Sent}'],
    ['inet_listener imap { port = 0 }', 'inet_listener imap{port=0}'],
    ['a { }', 'a{}'],
    ['unix_listener /var/run/auth {\n mode = 0660\n}', 'unix_listener /var/run/auth{mode=0660}'],
    ['protocol !indexer-worker {\n}', 'protocol !indexer-worker{}'],
    ['protocols = imap\nprotocols = $protocols pop3', 'protocols=imap;protocols=imap pop3'],
    [
      'mail_plugins = a\nprotocol imap {\n mail_plugins = $mail_plugins b\n}',
      'mail_plugins=a;protocol imap{mail_plugins=a b}',
    ],
    ['protocols = $protocols imap', 'protocols=imap'],
    ['a = $nobody x', 'a=$nobody x'],
    ['login_log_format = %$: %s', 'login_log_format=%$: %s'],
    ['mail_path = %{home}/mail', 'mail_path=%{home}/mail'],
    ['', ''],
  ])('%j', (text, expected) => {
    const tree = parse(text);
    expect(tree.problems).toEqual([]);
    expect(show(tree.nodes)).toBe(expected);
  });

  it('includes files, relative and by pattern, with their own lines', () => {
    const tree = parse('!include conf.d/*.conf\n!include_try missing.conf\nz = 1\n', {
      '/d/conf.d/10-a.conf': 'a = 1\n',
      '/d/conf.d/20-b.conf': '\nb = 2\n!include sub.ext\n',
      '/d/conf.d/sub.ext': 'c = 3\n',
      '/d/conf.d/other.txt': 'x = 1\n',
    });
    expect(show(tree.nodes)).toBe('a=1;b=2;c=3;z=1');
    expect(tree.nodes.map(({ origin }) => `${origin.file}:${origin.line}`)).toEqual([
      '/d/conf.d/10-a.conf:1',
      '/d/conf.d/20-b.conf:2',
      '/d/conf.d/sub.ext:1',
      '/d/dovecot.conf:3',
    ]);
  });

  it('reads values from files', () => {
    expect(show(parse('login_greeting = <greeting', { '/d/greeting': 'hello\n' }).nodes)).toBe(
      'login_greeting=hello',
    );
  });

  it.each([
    ['}', 1],
    ['a {\n b = c', 1],
    ['x = 1\nnonsense', 2],
    ['= x', 1],
    ['!include /missing', 1],
    ['!include dovecot.conf', 1],
    ['!other x', 1],
    ['login_greeting = </missing', 1],
    ['a {\n'.repeat(40), 33],
  ])('refuses %j in line %i', (text, line) => {
    const { problems } = parse(text, { '/d/dovecot.conf': text });
    expect(problems[0]).toMatchObject({ severity: 'refuse', line });
  });

  it('joins what is appended', () => {
    expect(readValues(parse('a = x\na += y\na += z').nodes).get('a')?.value).toBe('x y z');
  });

  it('never throws', () => {
    const piece = fc.constantFrom(
      'a',
      ' ',
      '=',
      '{',
      '}',
      '\n',
      '"',
      '#',
      '$a',
      '<',
      '!include ',
      '\\',
      '+=',
      "'",
      '%{x}',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        parse(pieces.join(''));
      }),
      { numRuns: 300 },
    );
  });
});

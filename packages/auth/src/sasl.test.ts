import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseBase64 } from './base64.ts';
import { MAX_PASSWORD, MAX_RESPONSE, MAX_USER, type SaslStep, startSasl } from './sasl.ts';

const b64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');

/** Runs an exchange; `>` lines are answers to challenges, the result shows every step. */
function run(mechanism: string, initial: string | undefined, lines: readonly string[]): string[] {
  const shown: string[] = [];
  let step: SaslStep = startSasl(mechanism, initial);
  const rest = [...lines];
  for (;;) {
    shown.push(show(step));
    if (step.kind !== 'challenge') return shown;
    const line = rest.shift();
    if (line === undefined) return shown;
    step = step.next(line);
  }
}

function show(step: SaslStep): string {
  switch (step.kind) {
    case 'challenge':
      return `challenge ${Buffer.from(step.text, 'base64').toString()}`;
    case 'credentials':
      return `credentials ${step.authzid}|${step.user}|${step.password}`;
    case 'malformed':
      return `malformed ${step.reason}`;
    default:
      return step.kind;
  }
}

const cases: [
  name: string,
  mechanism: string,
  initial: string | undefined,
  lines: string[],
  shown: string[],
][] = [
  ['PLAIN at once', 'PLAIN', b64('\0bob\0secret'), [], ['credentials |bob|secret']],
  ['PLAIN in small letters', 'plain', b64('\0bob\0secret'), [], ['credentials |bob|secret']],
  ['PLAIN asked for', 'PLAIN', undefined, [b64('\0bob\0secret')], ['challenge ', 'credentials |bob|secret']],
  ['equal authzid', 'PLAIN', b64('bob\0bob\0secret'), [], ['credentials bob|bob|secret']],
  [
    'other authzid',
    'PLAIN',
    b64('root\0bob\0secret'),
    [],
    ['malformed authorization identity differs from user name'],
  ],
  ['UTF-8', 'PLAIN', b64('\0bøb\0pässwörd €'), [], ['credentials |bøb|pässwörd €']],
  ['blanks in a password', 'PLAIN', b64('\0bob\0 a b '), [], ['credentials |bob| a b ']],
  ['one NUL', 'PLAIN', b64('bob\0secret'), [], ['malformed too few fields']],
  ['no NUL', 'PLAIN', b64('bob'), [], ['malformed too few fields']],
  ['three NULs', 'PLAIN', b64('\0bob\0sec\0ret'), [], ['malformed too many fields']],
  ['NUL at the end', 'PLAIN', b64('\0bob\0secret\0'), [], ['malformed too many fields']],
  ['no user', 'PLAIN', b64('\0\0secret'), [], ['malformed empty user name']],
  ['no password', 'PLAIN', b64('\0bob\0'), [], ['malformed empty password']],
  ['empty initial response', 'PLAIN', '=', [], ['malformed too few fields']],
  ['empty response', 'PLAIN', undefined, [''], ['challenge ', 'malformed too few fields']],
  ['= is no base64 later', 'PLAIN', undefined, ['='], ['challenge ', 'malformed invalid base64']],
  ['control character', 'PLAIN', b64('\0bo\tb\0secret'), [], ['malformed invalid characters in user name']],
  [
    'control character in a password',
    'PLAIN',
    b64('\0bob\0sec\rret'),
    [],
    ['malformed invalid characters in password'],
  ],
  ['C1 control', 'PLAIN', b64('\0b\u0085\0secret'), [], ['malformed invalid characters in user name']],
  [
    'bad UTF-8',
    'PLAIN',
    Buffer.from([0, 0xff, 0, 0x61]).toString('base64'),
    [],
    ['malformed invalid characters in user name'],
  ],
  [
    'overlong UTF-8',
    'PLAIN',
    Buffer.from([0, 0x61, 0, 0xc0, 0x80]).toString('base64'),
    [],
    ['malformed invalid characters in password'],
  ],
  [
    'longest user',
    'PLAIN',
    b64(`\0${'u'.repeat(MAX_USER)}\0p`),
    [],
    [`credentials |${'u'.repeat(MAX_USER)}|p`],
  ],
  ['user too long', 'PLAIN', b64(`\0${'u'.repeat(MAX_USER + 1)}\0p`), [], ['malformed user name too long']],
  [
    'password too long',
    'PLAIN',
    b64(`\0u\0${'p'.repeat(MAX_PASSWORD + 1)}`),
    [],
    ['malformed password too long'],
  ],
  [
    'authzid too long',
    'PLAIN',
    b64(`${'a'.repeat(MAX_USER + 1)}\0u\0p`),
    [],
    ['malformed authorization identity too long'],
  ],
  ['response too long', 'PLAIN', 'A'.repeat(MAX_RESPONSE + 4), [], ['malformed response too long']],
  ['not base64', 'PLAIN', 'AGJvYgBzZWNyZXQ', [], ['malformed invalid base64']],
  ['blank in base64', 'PLAIN', 'AGJv YgBz', [], ['malformed invalid base64']],
  ['cancel', 'PLAIN', undefined, ['*'], ['challenge ', 'cancelled']],
  ['* as initial response', 'PLAIN', '*', [], ['malformed invalid base64']],
  [
    'LOGIN',
    'LOGIN',
    undefined,
    [b64('bob'), b64('secret')],
    ['challenge Username:', 'challenge Password:', 'credentials |bob|secret'],
  ],
  [
    'LOGIN with a name',
    'LOGIN',
    b64('bob'),
    [b64('secret')],
    ['challenge Password:', 'credentials |bob|secret'],
  ],
  [
    'LOGIN with =',
    'LOGIN',
    '=',
    [b64('bob'), b64('x')],
    ['challenge Username:', 'challenge Password:', 'credentials |bob|x'],
  ],
  [
    'LOGIN without a name',
    'LOGIN',
    undefined,
    ['', b64('x')],
    ['challenge Username:', 'challenge Password:', 'malformed empty user name'],
  ],
  [
    'LOGIN without a password',
    'LOGIN',
    b64('bob'),
    [''],
    ['challenge Password:', 'malformed empty password'],
  ],
  [
    'LOGIN cancelled late',
    'LOGIN',
    undefined,
    [b64('bob'), '*'],
    ['challenge Username:', 'challenge Password:', 'cancelled'],
  ],
  [
    'LOGIN with a NUL',
    'LOGIN',
    b64('bob\0x'),
    [b64('secret')],
    ['challenge Password:', 'malformed invalid characters in user name'],
  ],
  ['unknown', 'CRAM-MD5', undefined, [], ['unknownMechanism']],
  ['a name of Object', 'constructor', undefined, [], ['unknownMechanism']],
];

describe('startSasl', () => {
  it.each(cases)('%s', (_name, mechanism, initial, lines, shown) => {
    expect(run(mechanism, initial, lines)).toEqual(shown);
  });

  it('can be asked the same step twice', () => {
    const step = startSasl('LOGIN');
    if (step.kind !== 'challenge') throw new Error('no challenge');
    expect(show(step.next('*'))).toBe('cancelled');
    expect(show(step.next(b64('bob')))).toBe('challenge Password:');
  });

  it('never throws, whatever comes', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('PLAIN', 'LOGIN'),
        fc.option(fc.string(), { nil: undefined }),
        fc.array(fc.string()),
        (mechanism, initial, lines) => {
          expect(run(mechanism, initial, lines).length).toBeGreaterThan(0);
        },
      ),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (octets) => {
        const step = startSasl('PLAIN', Buffer.from(octets).toString('base64'));
        if (step.kind === 'credentials') expect(step.password).not.toBe('');
      }),
    );
  });
});

describe('parseBase64', () => {
  it.each([
    'A',
    'AA',
    'AAA',
    'AA=',
    'A===',
    '====',
    'AB==',
    'AAB=',
    'AA==AAAA',
    'AA-_',
    'AAAA\n',
    ' AAAA',
    'ÄÄÄÄ',
  ])('refuses %j', (text) => {
    expect(parseBase64(text)).toBeUndefined();
  });

  it('reads what it should and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (octets) => {
        const text = Buffer.from(octets).toString('base64');
        expect(parseBase64(text)).toEqual(Buffer.from(octets));
      }),
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  MAX_LOCAL_PART,
  formatMailbox,
  isAddressLiteral,
  isHostname,
  parseMailbox,
  parsePath,
} from './address.ts';

const LENIENT = { strict: false };

describe('parsePath', () => {
  it.each<[string, string, string]>([
    // given, as the envelope has it, as replies show it
    ['<bob@sender.example>', 'bob@sender.example', 'bob@sender.example'],
    ['bob@sender.example', 'bob@sender.example', 'bob@sender.example'],
    ['<<bob@sender.example>>', 'bob@sender.example', 'bob@sender.example'],
    ['< bob@sender.example >', 'bob@sender.example', 'bob@sender.example'],
    ['<>', '', ''],
    ['<"bob"@sender.example>', 'bob@sender.example', 'bob@sender.example'],
    ['<"b o b"@sender.example>', '"b o b"@sender.example', 'b o b@sender.example'],
    ['<b\\ ob@sender.example>', '"b ob"@sender.example', 'b ob@sender.example'],
    ['<@a.example,@b.example:bob@sender.example>', 'bob@sender.example', 'bob@sender.example'],
    ['<bob@[192.0.2.1]>', 'bob@[192.0.2.1]', 'bob@[192.0.2.1]'],
    ['<bob@[IPv6:2001:db8::1]>', 'bob@[IPv6:2001:db8::1]', 'bob@[IPv6:2001:db8::1]'],
    ['<root>', 'root', 'root'],
    ['<bob@sender.example.>', 'bob@sender.example', 'bob@sender.example.'],
    ['<a@b@sender.example>', '"a@b"@sender.example', 'a@b@sender.example'],
    ['<"a@b"@sender.example>', '"a@b"@sender.example', 'a@b@sender.example'],
    ['<bü@sender.example>', 'bü@sender.example', 'bü@sender.example'],
    ['<bob@my_host.example>', 'bob@my_host.example', 'bob@my_host.example'],
  ])('reads %s', (text, address, display) => {
    expect(parsePath(text, LENIENT)).toMatchObject({ address, display });
  });

  it.each([
    '<bob@sender.example',
    'bob@sender.example>',
    '<bob@>',
    '<@sender.example>',
    '<bob@@sender.example>',
    '<bob@192.0.2.1>',
    '<bob@[192.0.2]>',
    '<bob@[IPv6:12345::]>',
    '<bob@-x.example>',
    '<bob@x..example>',
    '<bob@sender.example..>',
    '<bo b@sender.example>',
    '<bob(c)@sender.example>',
    '<"bob@sender.example>',
    '<bob\\>',
    '<bob\u0000@sender.example>',
    '<"a\u0001"@sender.example>',
    `<bob@${'x'.repeat(64)}.example>`,
    `<${'y'.repeat(MAX_LOCAL_PART + 1)}@sender.example>`,
    `<bob@${'x.'.repeat(150)}example>`,
  ])('refuses %s', (text) => {
    expect(parsePath(text, LENIENT)).toBeUndefined();
  });

  it('wants exactly one pair of brackets when strict', () => {
    expect(parsePath('bob@sender.example', { strict: true })).toBeUndefined();
    expect(parsePath('<bob@sender.example>', { strict: true })).toMatchObject({
      address: 'bob@sender.example',
    });
  });

  it('never throws, and what it gives has no control character', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(0x2fff), { maxLength: 60 }).map((codes) => String.fromCodePoint(...codes)),
        (text) => {
          const path = parsePath(text, LENIENT);
          if (path !== undefined) expect(path.address).not.toMatch(/\p{Cc}/u);
        },
      ),
    );
  });

  it('reads a hostile line in linear time', () => {
    const started = performance.now();
    for (const text of [
      '"'.repeat(100_001),
      '\\'.repeat(100_000),
      `<${'@'.repeat(100_000)}>`,
      `a${'.a'.repeat(50_000)}@b`,
    ])
      parsePath(text, LENIENT);
    expect(performance.now() - started).toBeLessThan(500);
  });
});

describe('formatMailbox', () => {
  const local = fc.string({
    unit: fc.constantFrom(...'abcXYZ019.@!%"\\ <>+-_=,;:()[]é'),
    minLength: 1,
    maxLength: 40,
  });
  const label = fc.stringMatching(/^[a-z0-9_]{1,10}$/);
  const domain = fc
    .tuple(label, fc.constantFrom('example', 'example.com', 'x-y.net'))
    .map(([host, rest]) => `${host}.${rest}`);

  it('is undone by parseMailbox', () => {
    fc.assert(
      fc.property(local, fc.option(domain, { nil: undefined }), (name, at) => {
        const mailbox = at === undefined ? { local: name } : { local: name, domain: at };
        // A bare local part with an `@` is a mailbox with a domain to whoever reads it unquoted; it is quoted here.
        expect(parseMailbox(formatMailbox(mailbox))).toEqual(mailbox);
      }),
    );
  });
});

describe('host names and literals', () => {
  it.each([
    ['mail.example.com', true],
    ['localhost', true],
    ['a_b.example', true],
    ['xn--bcher-kva.example', true],
    ['bücher.example', true],
    ['', false],
    ['1.2.3.4', false],
    ['12345', false],
    ['-a.example', false],
    ['a-.example', false],
    ['a b', false],
    ['a..b', false],
  ])('isHostname(%s) is %s', (name, expected) => {
    expect(isHostname(name)).toBe(expected);
  });

  it.each([
    ['[127.0.0.1]', true],
    ['[IPv6:::1]', true],
    ['[ipv6:2001:db8::1]', true],
    ['[::1]', false],
    ['[127.0.0.256]', false],
    ['[127.0.0.1', false],
    ['[]', false],
  ])('isAddressLiteral(%s) is %s', (text, expected) => {
    expect(isAddressLiteral(text)).toBe(expected);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddressList } from './address-list.ts';
import { parseAliasTargets } from './alias-targets.ts';
import { splitExtension } from './delimiter.ts';
import { formatMailbox, parseMailbox } from './mailbox-address.ts';

const lists: [text: string, addresses: string[]][] = [
  ['', []],
  [' , ;, ', []],
  ['bob', ['bob']],
  ['bob carol', ['bob', 'carol']],
  ['bob, carol', ['bob', 'carol']],
  ['a@x.net b@y.net', ['a@x.net', 'b@y.net']],
  ['a @ x . net', ['a@x.net']],
  ['Joe User <joe@x.net>', ['joe@x.net']],
  ['"Joe, User" <joe@x.net>, bob', ['joe@x.net', 'bob']],
  ['<@a,@b:joe@x.net>', ['joe@x.net']],
  ['<>', []],
  ['<joe@x.net', ['joe@x.net']],
  ['joe (the (other) one) @x.net', ['joe@x.net']],
  ['friends: a, b@x.net;', ['a', 'b@x.net']],
  ['"a b"@x.net', ['"a b"@x.net']],
  ['"unclosed', ['unclosed']],
  ['(unclosed', []],
  ['u@[1.2.3.4]', ['u@[1.2.3.4]']],
  ['\\bob', ['bob']],
  ['@x.net', ['""@x.net']],
];

const aliases: [text: string, targets: unknown[]][] = [
  ['bob', [{ kind: 'address', mailbox: { local: 'bob' } }]],
  ['\\bob', [{ kind: 'user', name: 'bob' }]],
  ['"\\\\bob"', [{ kind: 'user', name: 'bob' }]],
  ['|/bin/cat', [{ kind: 'command', target: '/bin/cat' }]],
  ['"|/bin/sh -c \\"x, y\\""', [{ kind: 'command', target: '/bin/sh -c "x, y"' }]],
  ['/var/mail/box', [{ kind: 'file', target: '/var/mail/box' }]],
  ['"/tmp/a b"', [{ kind: 'file', target: '/tmp/a b' }]],
  [':include:/etc/list', [{ kind: 'include', target: '/etc/list' }]],
  ['":include:/etc/my list"', [{ kind: 'include', target: '/etc/my list' }]],
  [':include:"/etc/my list"', [{ kind: 'include', target: '/etc/my list' }]],
  [
    'a, "|b, c", /d, e@f.net',
    [
      { kind: 'address', mailbox: { local: 'a' } },
      { kind: 'command', target: 'b, c' },
      { kind: 'file', target: '/d' },
      { kind: 'address', mailbox: { local: 'e', domain: 'f.net' } },
    ],
  ],
  ['', []],
];

describe('parseAddressList', () => {
  it.each(lists)('%j', (text, expected) => {
    expect(parseAddressList(text).map(formatMailbox)).toEqual(expected);
  });

  it('ends on any text, in time linear to it', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...'ab"\\<>()[]@.,:; ')), (chars) => {
        const text = chars.join('');
        expect(parseAddressList(text).length).toBeLessThanOrEqual(text.length);
        expect(parseAliasTargets(text).length).toBeLessThanOrEqual(text.length + 1);
      }),
    );
    const began = performance.now();
    for (const piece of ['(', '<', '"', '@', 'a ', 'a<', '. ', ' ', ':', '\\'])
      parseAddressList(piece.repeat(50_000));
    expect(performance.now() - began).toBeLessThan(3000);
  });
});

describe('parseAliasTargets', () => {
  it.each(aliases)('%j', (text, expected) => {
    expect(parseAliasTargets(text)).toEqual(expected);
  });
});

describe('mailbox addresses', () => {
  it('are the same after they were written and read', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }),
        fc.constantFrom('example.org', '[127.0.0.1]', undefined),
        (local, domain) => {
          const mailbox = domain === undefined ? { local } : { local, domain };
          expect(parseMailbox(formatMailbox(mailbox))).toEqual(mailbox);
        },
      ),
    );
  });
});

describe('splitExtension', () => {
  const split: [local: string, delimiter: string, parts: unknown][] = [
    ['a+b', '+', { user: 'a', extension: '+b' }],
    ['a+b+c', '+', { user: 'a', extension: '+b+c' }],
    ['a-b+c', '+-', { user: 'a', extension: '-b+c' }],
    ['a+', '+', { user: 'a', extension: '+' }],
    ['+a', '+', undefined],
    ['a', '+', undefined],
    ['a+b', '', undefined],
    ['owner-list', '-', undefined],
    ['list-request', '-', undefined],
    ['owner-list', '+-', undefined],
    ['postmaster+a', '+', { user: 'postmaster', extension: '+a' }],
    ['mailer-daemon', '-', undefined],
    ['double-bounce', '-', undefined],
  ];
  it.each(split)('%s by %j', (local, recipientDelimiter, expected) => {
    expect(splitExtension(local, { recipientDelimiter, ownerRequestSpecial: true })).toEqual(expected);
  });
});

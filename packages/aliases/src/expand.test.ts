import { describe, expect, it } from 'vitest';
import { createAddresses } from './addresses.ts';
import type { Destination } from './destinations.ts';
import type { Expansion } from './expand.ts';
import { formatStep } from './steps.ts';
import { failingTable, fixedTable, patternTable, type TestMachine, testMachine } from './testing/index.ts';

const USERS = [
  'bob',
  'carol',
  'dan',
  'dan2',
  'dave',
  'self',
  'username',
  'root',
  'x',
  'beta',
  'alpha',
  'a',
  'b',
  'c',
  'oo',
  'cj',
  'ck',
  'ck2',
  'zed',
];

// What Postfix 3.7 does with these tables was asked of it, entry by entry; see docs/addresses.md.
const VIRTUAL = {
  'plain@example.com': 'bob',
  'ext@example.com': 'bob, carol@remote.net',
  'full+x@example.com': 'dan',
  '@catch.net': 'bob',
  'catch.net': 'x',
  '@dom.net': '@example.org',
  '@two.net': '@example.org, dave',
  bare: 'bob',
  'odd@example.com': 'username <foo@example.net> username',
  'odd2@example.com': '<foo@example.net> username',
  'odd3@example.com': '"Joe Doe" <foo@example.net>, bar (comment), grp: a, b;',
  'odd4@example.com': 'bob carol',
  'odd5@example.com': '"a b"@remote.net',
  'self@example.com': 'self@example.com, bob',
  'loop1@example.com': 'loop2@example.com',
  'loop2@example.com': 'loop1@example.com',
  '<angle@example.com>': 'bob',
  'UPPER@example.com': 'Bob',
  'example.com': 'x',
  'dup@example.com': 'bob, BOB, bob@example.org, carol@remote.net, Carol@REMOTE.net',
  'chain@example.com': 'plain@example.com',
  'toalias@example.com': 'alist',
  'pct@example.com': 'u%remote.net, s!u, h@short',
  'p1@example.com': 'alpha <foo@example.net> beta',
  'p2@example.com': 'alpha beta <foo@example.net>',
  'p3@example.com': 'alpha@a.net beta@b.net',
  'p4@example.com': '<a@x.net>,<b@x.net>; c',
  'p6@example.com': ',, a@x.net ,,',
  'p8@example.com': 'a @ x.net, b . c@x.net',
  'p9@example.com': 'dan@[127.0.0.1], u@[9.9.9.9]',
  'p10@example.com': '"a+b"@x.net, plain+y@example.com',
  'p11@example.com': 'x@y@z.net',
  'p15@example.com': 'Full Name <foo@example.net> (c), "Q P" <g@x.net> h@x.net',
};
const ALIASES = {
  alist: 'bob, carol, dave@remote.net',
  al2: 'bob, al3',
  al3: 'bob, carol',
  self: 'self, bob',
  bob: '\\bob, carol',
  l1: 'l2',
  l2: 'l1',
  'quoted name': 'dan',
  cmd: '"|/bin/true arg"',
  file: '/var/tmp/box',
  inc: ':include:/etc/list',
  ext: 'dan',
  olist: 'bob, carol',
  'owner-olist': 'dan',
  cc: 'remote@far.net, dan',
  ca: 'carol dan, dan2',
  ce: 'plain@example.com',
  cj: 'cj@example.org',
  ck: 'ck@host.example.org, ck2',
  cl: 'dan (comment) , Joe <dan2>, "q p"@far.net',
  'list-a+b': 'dan',
  stop: '\\bob',
  ghost: 'nobody-here, dan',
  nothing: '()',
  root: 'dan',
};

const machine: TestMachine = { virtual: VIRTUAL, aliases: ALIASES, users: USERS };

function show(destination: Destination): string {
  switch (destination.kind) {
    case 'local':
      return `${destination.user}${destination.extension === undefined ? '' : `+${destination.extension}`}`;
    case 'remote':
      return destination.address;
    case 'undeliverable':
      return `!${destination.status} ${destination.address}`;
    default:
      return `${destination.kind} ${destination.target}`;
  }
}

async function expandOn(on: TestMachine, recipient: string): Promise<Expansion> {
  const { rules, ports } = testMachine(on);
  return await createAddresses(rules, ports).expand(recipient);
}

const cases: [recipient: string, destinations: string[]][] = [
  ['dan@example.org', ['dan']],
  ['dan', ['dan']],
  ['DAN+Lists@Example.ORG', ['dan+lists']],
  ['dan@localhost', ['dan']],
  ['dan@[127.0.0.1]', ['dan']],
  ['dan@[IPv6:::1]', ['dan']],
  ['dan@example.org.', ['dan']],
  ['plain@example.com', ['bob', 'carol']],
  ['ext+foo@example.com', ['bob', 'carol', 'carol+foo@remote.net']],
  ['full+x@example.com', ['dan']],
  ['full+y@example.com', ['!5.1.1 full+y@example.com']],
  ['zed+e@catch.net', ['bob', 'carol']],
  ['zed+e@dom.net', ['zed+e']],
  ['zed+e@two.net', ['zed+e', 'dave']],
  ['bare+q@example.org', ['bob', 'carol']],
  ['bare+q@host.example.org', ['bob', 'carol']],
  ['bare@elsewhere.net', ['bare@elsewhere.net']],
  ['odd@example.com', ['foo@example.net', 'username']],
  ['odd2@example.com', ['foo@example.net', 'username']],
  ['odd3@example.com', ['foo@example.net', '!5.1.1 bar@example.org', 'a', 'b']],
  ['odd4@example.com', ['bob', 'carol', 'carol']],
  ['odd5@example.com', ['"a b"@remote.net']],
  ['self@example.com', ['!5.1.1 self@example.com', 'bob', 'carol']],
  ['angle@example.com', ['!5.1.1 angle@example.com']],
  ['upper@example.com', ['bob', 'carol']],
  ['dup@example.com', ['bob', 'carol', 'carol@remote.net']],
  ['chain@example.com', ['bob', 'carol']],
  ['nosuch@example.com', ['!5.1.1 nosuch@example.com']],
  ['toalias@example.com', ['bob', 'carol', 'dave@remote.net']],
  ['toalias+e@example.com', ['bob', 'carol', 'dave@remote.net']],
  ['pct@example.com', ['u@remote.net', 'u@s', 'h@short']],
  ['p1@example.com', ['foo@example.net', 'beta']],
  ['p2@example.com', ['foo@example.net']],
  ['p3@example.com', ['alpha@a.net', 'beta@b.net']],
  ['p4@example.com', ['a@x.net', 'b@x.net', 'c']],
  ['p6@example.com', ['a@x.net']],
  ['p8@example.com', ['a@x.net', 'b.c@x.net']],
  ['p9@example.com', ['dan', 'u@[9.9.9.9]']],
  ['p10+z@example.com', ['a+b+z@x.net', 'bob', 'carol']],
  ['p11@example.com', ['"x@y"@z.net']],
  ['p15+e@example.com', ['foo+e@example.net', 'g+e@x.net', 'h+e@x.net']],
  ['alist+e', ['bob', 'carol', 'dave@remote.net']],
  ['al2', ['bob', 'carol']],
  ['self', ['self', 'bob', 'carol']],
  ['bob', ['bob', 'carol']],
  ['Bob+Ext', ['bob', 'carol']],
  ['"quoted name"@example.org', ['dan']],
  ['cmd', ['command /bin/true arg']],
  ['file', ['file /var/tmp/box']],
  ['inc', ['include /etc/list']],
  ['ext+foo', ['dan']],
  ['carol@sub.example.org', ['carol@sub.example.org']],
  ['u%remote.net@example.org', ['u@remote.net']],
  ['remote.net!u@example.org', ['u@remote.net']],
  ['"u@remote.net"@example.org', ['u@remote.net']],
  ['dan%example.org@host.example.org', ['dan']],
  ['cc', ['dan', 'remote@far.net']],
  ['ca', ['carol', 'dan', 'dan2']],
  ['ce', ['bob', 'carol']],
  ['cj', ['cj']],
  ['ck', ['ck', 'ck2']],
  ['cl', ['dan', 'dan2', '"q p"@far.net']],
  ['list-a+b', ['dan']],
  ['stop', ['bob']],
  ['root', ['dan']],
  ['ghost', ['!5.1.1 nobody-here@example.org', 'dan']],
  ['nothing', ['!4.3.5 nothing@example.org']],
  ['nobody-here@example.org', ['!5.1.1 nobody-here@example.org']],
  ['l1', ['!5.4.6 l1@example.org']],
];

describe('expand', () => {
  it.each(cases)('%s', async (recipient, expected) => {
    const { destinations, problem } = await expandOn(machine, recipient);
    expect(problem).toBeUndefined();
    expect(destinations.map(show).sort()).toEqual(expected.toSorted());
  });

  it('keeps what the headers need', async () => {
    const { destinations } = await expandOn(machine, 'toalias@example.com');
    expect(destinations[0]).toEqual({
      kind: 'local',
      user: 'bob',
      deliveredTo: 'alist@example.org',
      original: 'toalias@example.com',
    });
  });

  it('lets an owner alias take the bounces', async () => {
    const { destinations } = await expandOn(machine, 'olist');
    expect(destinations.map((d) => [show(d), d.sender, d.kind === 'local' ? d.deliveredTo : ''])).toEqual([
      ['bob', 'owner-olist@example.org', 'bob@example.org'],
      ['carol', 'owner-olist@example.org', 'bob@example.org'],
      ['carol', 'owner-olist@example.org', 'carol@example.org'],
    ]);
    const expanded = await expandOn({ ...machine, rules: { expandOwnerAlias: true } }, 'olist');
    expect(expanded.destinations[0]?.sender).toBe('dan@example.org');
  });

  it('makes a loop of two a temporary failure of the whole', async () => {
    const { destinations, problem } = await expandOn(machine, 'loop1@example.com');
    expect(destinations).toEqual([]);
    expect(problem).toMatchObject({ kind: 'loop', status: '4.6.0' });
  });

  it('breaks mail forwarding loops between lists', async () => {
    const virtual = { 'x@virt.net': 'one', 'virt.net': 'x' };
    const { destinations } = await expandOn(
      { aliases: { one: 'x@virt.net, dan' }, virtual, users: ['dan'] },
      'one',
    );
    expect(destinations.map(show)).toEqual(['dan', '!5.4.6 one@example.org']);
    expect(destinations[1]).toMatchObject({ reason: 'mail forwarding loop for one@example.org' });
  });

  it('holds the limits', async () => {
    const many = Array.from({ length: 1000 }, (_, i) => `u${i}@remote.net`).join(', ');
    const atLimit = await expandOn({ virtual: { 'm@v.net': many } }, 'm@v.net');
    expect(atLimit.destinations).toHaveLength(1000);
    const beyond = await expandOn({ virtual: { 'm@v.net': `${many}, one@more.net` } }, 'm@v.net');
    expect(beyond.problem).toMatchObject({ kind: 'limit', status: '4.6.0' });
    const long = await expandOn({ virtual: { 'm@v.net': `${'x'.repeat(1000)}@a.net` } }, 'm@v.net');
    expect(long.problem).toMatchObject({ kind: 'limit', status: '4.6.0' });
  });

  it('is not blown up by aliases that fan out', async () => {
    const fan = Object.fromEntries(
      Array.from({ length: 90 }, (_, i) => [`n${i}`, `n${i + 1}, n${i + 1}+a, n${i + 1}+b`]),
    );
    const { destinations } = await expandOn({ aliases: fan, users: ['n90'] }, 'n0');
    expect(destinations.map(show)).toEqual(['n90', 'n90+a', 'n90+b']);
    const wide = Object.fromEntries(
      Array.from({ length: 300 }, (_, i) => [
        `@d${i}.net`,
        Array.from({ length: 300 }, (_, j) => `u${j}@d${i + 1}.net`).join(),
      ]),
    );
    expect((await expandOn({ virtual: wide }, 'x@d0.net')).problem).toMatchObject({ kind: 'limit' });
  });

  it('asks pattern tables for whole addresses only', async () => {
    const pattern = patternTable('regexp:/etc/postfix/v', /^[^@]*$/, 'dan');
    const on: TestMachine = { users: ['dan', 'x'], ports: { virtualAliasMaps: [pattern] } };
    expect((await expandOn(on, 'x@example.org')).destinations.map(show)).toEqual(['x']);
  });

  it('waits for a table that fails', async () => {
    const on = { ports: { virtualAliasMaps: [failingTable('hash:/gone')] } };
    expect(await expandOn(on, 'x@example.org')).toMatchObject({
      destinations: [],
      problem: { kind: 'unavailable', status: '4.3.0', reason: 'hash:/gone cannot be read' },
    });
    const later = { ...machine, ports: { aliasMaps: [failingTable('hash:/gone')] } };
    expect((await expandOn(later, 'dan@example.org')).problem?.kind).toBe('unavailable');
  });

  it('explains each step with table, key and line', async () => {
    const { steps } = await expandOn(
      {
        virtual: { 'team@example.com': 'root', 'example.com': 'x' },
        aliases: { root: 'dan' },
        users: ['dan'],
      },
      'team@example.com',
    );
    expect(steps.map(formatStep)).toEqual([
      'virtual team@example.com: hash:/etc/postfix/virtual key team@example.com (hash:/etc/postfix/virtual:1): root@example.org',
      'class root@example.org: local (mydestination or one of our addresses)',
      'alias root@example.org: hash:/etc/aliases key root (hash:/etc/aliases:1): dan',
      'user dan@example.org: key dan: account found',
    ]);
  });

  it('accepts tables that answer later', async () => {
    const table = fixedTable('proxy:x', { 'a@b.net': 'dan' });
    const slow = { describe: 'proxy:x', find: async (key: string) => table.find(key) };
    const on: TestMachine = { users: ['dan'], ports: { virtualAliasMaps: [slow] } };
    expect((await expandOn(on, 'a@b.net')).destinations.map(show)).toEqual(['dan']);
  });
});

// The guide's sample, as the page shows it and as it is meant.
describe('the guide’s virtual file', () => {
  const rules = { myorigin: 'lollipop.example.com', mydomain: 'example.com', recipientDelimiter: '' };
  const users = ['username', 'foreman'];

  it('as rendered: keys in angle brackets match nothing', async () => {
    const virtual = {
      '<username@example.com>': 'username <username@example.net> username <username@example.com> username',
      '<fore@example.com>':
        '<foreman@example.com> <fore@example.net> <foreman@example.com> <fore@example.com> <foreman@example.com>',
    };
    const { destinations } = await expandOn({ rules, virtual, users }, 'username@example.com');
    expect(destinations.map(show)).toEqual(['username@example.com']);
    expect(destinations[0]?.kind).toBe('remote');
  });

  it('as meant', async () => {
    const virtual = {
      'example.com': 'virtual',
      'username@example.com': 'username',
      'fore@example.com': 'foreman@example.com',
      'foreman@example.com': 'foreman',
      'team@example.com': 'username, foreman@example.com',
    };
    const ports = { mydestination: { matches: ({ name }: { name?: string }) => name === rules.myorigin } };
    const on = { rules, virtual, users, ports };
    expect((await expandOn(on, 'username@example.com')).destinations.map(show)).toEqual(['username']);
    expect((await expandOn(on, 'fore@example.com')).destinations.map(show)).toEqual(['foreman']);
    expect((await expandOn(on, 'team@example.com')).destinations.map(show)).toEqual(['username', 'foreman']);
  });
});

import { describe, expect, it } from 'vitest';
import { createAddresses } from './addresses.ts';
import type { Expansion } from './expand.ts';
import { formatStep } from './steps.ts';
import {
  ALIASES,
  failingTable,
  fixedTable,
  OUR_OWN,
  patternTable,
  SAME_AS_POSTFIX,
  showDestination as show,
  type TestMachine,
  testMachine,
  USERS,
  VIRTUAL,
} from './testing/index.ts';

const machine: TestMachine = { virtual: VIRTUAL, aliases: ALIASES, users: USERS };

async function expandOn(on: TestMachine, recipient: string): Promise<Expansion> {
  const { rules, ports } = testMachine(on);
  return await createAddresses(rules, ports).expand(recipient);
}

describe('expand', () => {
  it.each([...SAME_AS_POSTFIX, ...OUR_OWN])('%s', async (recipient, expected) => {
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
      mailbox: true,
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

  // As the headers of mail that a real Postfix delivered through the same tables.
  it('keeps the way of mail that was passed on', async () => {
    const on: TestMachine = {
      virtual: { 'v@example.com': 'pcx', 'v2@example.com': 'Root', 'example.com': 'x' },
      aliases: { root: 'pcx', lst: 'pcx', 'owner-lst': 'root', fw: 'v@example.com', lst2: 'lst' },
      users: ['pcx'],
    };
    const headers = async (recipient: string): Promise<unknown[]> =>
      (await expandOn(on, recipient)).destinations.map((d) =>
        d.kind === 'local' ? [d.sender, d.original, d.deliveredTo, ...(d.via ?? [])] : d,
      );
    const pcx = 'pcx@example.org';
    expect(await headers('Root')).toEqual([[undefined, 'Root', 'Root@example.org']]);
    expect(await headers('Pcx+E@Example.ORG')).toEqual([
      [undefined, 'Pcx+E@Example.ORG', 'Pcx+E@Example.ORG'],
    ]);
    expect(await headers('v@example.com')).toEqual([[undefined, 'v@example.com', pcx]]);
    expect(await headers('v2@example.com')).toEqual([[undefined, 'v2@example.com', 'Root@example.org']]);
    expect(await headers('fw')).toEqual([[undefined, 'fw', pcx, 'fw@example.org']]);
    expect(await headers('lst')).toEqual([['owner-lst@example.org', pcx, pcx, 'lst@example.org']]);
    expect(await headers('lst2')).toEqual([['owner-lst@example.org', pcx, pcx, 'lst2@example.org']]);
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

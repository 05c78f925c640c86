import { describe, expect, it } from 'vitest';
import { createAddresses } from './addresses.ts';
import { parseMailbox } from './mailbox-address.ts';
import { domains, failingTable, fixedTable, type TestMachine, testMachine } from './testing/index.ts';

const LOCAL = 'User unknown in local recipient table';
const VIRTUAL = 'User unknown in virtual alias table';

const machine: TestMachine = {
  virtual: { 'plain@example.com': 'bob', 'example.com': 'x', bare: 'bob', '@catch.net': 'bob' },
  aliases: { bob: 'dan', 'quoted name': 'dan', 'list+x': 'dan' },
  users: ['root', 'dan'],
  ports: { relayDomains: domains('relay.net'), virtualMailboxDomains: domains('box.net') },
};

async function ask(recipient: string, on: TestMachine = machine): Promise<string> {
  const { rules, ports } = testMachine(on);
  const verdict = await createAddresses(rules, ports).verify(parseMailbox(recipient));
  return verdict.kind === 'known'
    ? verdict.class
    : verdict.kind === 'unknown'
      ? `${verdict.class}: ${verdict.text}`
      : verdict.reason;
}

// As Postfix 3.7's smtpd answered them, from a client that may not relay.
const cases: [recipient: string, verdict: string][] = [
  ['bob@example.org', 'local'],
  ['dan@example.org', 'local'],
  ['DAN@EXAMPLE.ORG', 'local'],
  ['dan', 'local'],
  ['dan+x@example.org', 'local'],
  ['dan@example.org.', 'local'],
  ['dan@[127.0.0.1]', 'local'],
  ['dan@[IPv6:::1]', 'local'],
  ['dan@localhost', 'local'],
  ['dan%example.org@host.example.org', 'local'],
  ['"quoted name"@example.org', 'local'],
  ['list+x@example.org', 'local'],
  ['@example.org', 'local'],
  ['postmaster@example.org', 'local'],
  ['Postmaster', 'local'],
  ['mailer-daemon@example.org', 'local'],
  ['nosuch@example.org', `local: ${LOCAL}`],
  ['nosuch', `local: ${LOCAL}`],
  ['list@example.org', `local: ${LOCAL}`],
  ['postmaster+x@example.org', `local: ${LOCAL}`],
  ['"\\\\dan"@example.org', `local: ${LOCAL}`],
  ['plain@example.com', 'virtualAlias'],
  ['plain+x@example.com', 'virtualAlias'],
  ['nosuch@example.com', `virtualAlias: ${VIRTUAL}`],
  ['postmaster@example.com', `virtualAlias: ${VIRTUAL}`],
  ['bare@example.org', 'local'],
  // An @domain key alone does not make a domain ours.
  ['x@catch.net', 'default'],
  ['bare@far.net', 'default'],
  ['dan@sub.example.org', 'default'],
  ['dan@[127.0.0.2]', 'default'],
  ['dan@[9.9.9.9]', 'default'],
  ['u@relay.net', 'relay'],
  ['u@box.net', 'virtualMailbox'],
  ['u%far.net@example.org', 'default'],
  ['far.net!u@example.org', 'default'],
  ['"u@far.net"@example.org', 'default'],
  ['u@far.net@example.org', 'default'],
  ['u%far.net', 'default'],
  ['far.net!u', 'default'],
  ['dan%example.org@far.net', 'default'],
  ['dan@example.org@far.net', 'default'],
  ['example.org!dan@far.net', 'default'],
  ['dan@example.org..', 'default'],
];

describe('verify', () => {
  it.each(cases)('%s is %s', async (recipient, verdict) => {
    expect(await ask(recipient)).toBe(verdict);
    const { rules, ports } = testMachine(machine);
    const addressClass = createAddresses(rules, ports).classify(parseMailbox(recipient));
    expect(verdict.startsWith(addressClass)).toBe(true);
  });

  it('asks the tables of relay and mailbox domains where there are any', async () => {
    const maps = [fixedTable('hash:/r', { 'known@relay.net': 'x', 'known@box.net': 'x' })];
    const on = {
      ...machine,
      ports: { ...machine.ports, relayRecipientMaps: maps, virtualMailboxMaps: maps },
    };
    expect(await ask('known@relay.net', on)).toBe('relay');
    expect(await ask('u@relay.net', on)).toBe('relay: User unknown in relay recipient table');
    expect(await ask('u@box.net', on)).toBe('virtualMailbox: User unknown in virtual mailbox table');
  });

  it('takes every local part without local_recipient_maps', async () => {
    expect(await ask('nosuch@example.org', { ports: { localRecipientMaps: [] } })).toBe('local');
  });

  it('names no table where it should not', async () => {
    const on = { ...machine, rules: { showUserUnknownTableName: false } };
    expect(await ask('nosuch@example.org', on)).toBe('local: User unknown');
  });

  it('has no answer when a table has none', async () => {
    expect(await ask('x@example.org', { ports: { localRecipientMaps: [failingTable('hash:/gone')] } })).toBe(
      'hash:/gone cannot be read',
    );
    const slow = { matches: async () => true };
    expect(await ask('x@example.org', { ports: { mydestination: slow } })).toMatch(/does not answer at once/);
  });
});

import { describe, expect, it } from 'vitest';
import { createAddresses } from './addresses.ts';
import { parseMailbox } from './mailbox-address.ts';
import {
  failingTable,
  fixedTable,
  RCPT_CASES,
  RCPT_MACHINE,
  type TestMachine,
  testMachine,
} from './testing/index.ts';

async function ask(recipient: string, on: TestMachine = RCPT_MACHINE): Promise<string> {
  const { rules, ports } = testMachine(on);
  const verdict = await createAddresses(rules, ports).verify(parseMailbox(recipient));
  return verdict.kind === 'known'
    ? verdict.class
    : verdict.kind === 'unknown'
      ? `${verdict.class}: ${verdict.text}`
      : verdict.reason;
}

describe('verify', () => {
  it.each(RCPT_CASES)('%s is %s', async (recipient, verdict) => {
    expect(await ask(recipient)).toBe(verdict);
    const { rules, ports } = testMachine(RCPT_MACHINE);
    const addressClass = createAddresses(rules, ports).classify(parseMailbox(recipient));
    expect(verdict.startsWith(addressClass)).toBe(true);
  });

  it('asks the tables of relay and mailbox domains where there are any', async () => {
    const maps = [fixedTable('hash:/r', { 'known@relay.net': 'x', 'known@box.net': 'x' })];
    const on = {
      ...RCPT_MACHINE,
      ports: { ...RCPT_MACHINE.ports, relayRecipientMaps: maps, virtualMailboxMaps: maps },
    };
    expect(await ask('known@relay.net', on)).toBe('relay');
    expect(await ask('u@relay.net', on)).toBe('relay: User unknown in relay recipient table');
    expect(await ask('u@box.net', on)).toBe('virtualMailbox: User unknown in virtual mailbox table');
  });

  it('takes every local part without local_recipient_maps', async () => {
    expect(await ask('nosuch@example.org', { ports: { localRecipientMaps: [] } })).toBe('local');
  });

  it('names no table where it should not', async () => {
    const on = { ...RCPT_MACHINE, rules: { showUserUnknownTableName: false } };
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

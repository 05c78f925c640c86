// What .forward files and lists come to, and who gets mail for nobody.

import { describe, expect, it } from 'vitest';
import { parseAliasTargets } from './alias-targets.ts';
import { expand, expandForwarded, type ForwardedRecipient } from './expand.ts';
import { showDestination, testMachine, type TestMachine } from './testing/index.ts';

const machine: TestMachine = {
  aliases: { staff: 'bob, carol', run: '"|run"', 'owner-olist': 'dan', olist: 'bob, carol' },
  virtual: { 'v@virt.net': 'bob', 'virt.net': 'x' },
  users: ['bob', 'carol', 'dan'],
};

async function forwarded(text: string, extra: Partial<ForwardedRecipient> = {}) {
  const { rules, ports } = testMachine(machine);
  const targets = parseAliasTargets(text).filter((one) => one.kind === 'address' || one.kind === 'user');
  const base = {
    deliveredTo: 'bob@example.org',
    original: 'info@example.com',
    via: [],
    user: 'bob',
    targets,
  };
  return (await expandForwarded({ ...base, ...extra }, { rules, ports })).destinations;
}

describe('expandForwarded', () => {
  it.each<[string, string, string[]]>([
    ['the user himself is his mailbox', 'bob', ['bob!']],
    ['in any spelling', '\\bob, Bob@Example.ORG', ['bob!']],
    ['others are recipients of their own', 'carol, far@away.net', ['carol', 'far@away.net']],
    ['an alias that holds the user', 'staff', ['bob!', 'carol']],
    ['an alias with a command', 'run', ['command run']],
    ['nobody', 'nobody', ['!5.1.1 nobody@example.org']],
    ['round by a virtual address', 'v@virt.net', ['!5.4.6 bob@example.org']],
    ['a list with an owner that holds the user', 'olist', ['carol', '!5.4.6 bob@example.org']],
  ])('%s', async (_title, text, expected) => {
    const shown = (await forwarded(text)).map(
      (one) => showDestination(one) + (one.kind === 'local' && one.mailbox === true ? '!' : ''),
    );
    expect(shown.toSorted()).toEqual(expected.toSorted());
  });

  it('keeps the original and tells who passed it on, the last first', async () => {
    const [carol] = await forwarded('carol', { via: ['first@example.org'] });
    expect(carol).toMatchObject({
      original: 'info@example.com',
      via: ['bob@example.org', 'first@example.org'],
      deliveredTo: 'carol@example.org',
    });
    expect(carol?.sender).toBeUndefined();
  });

  it('adds the extension that is to go on', async () => {
    const found = await forwarded('carol, far@away.net', { extension: '+x' });
    expect(found.map(showDestination).toSorted()).toEqual(['carol+x', 'far+x@away.net']);
  });
});

describe('mail for nobody', () => {
  const unknownOn = (fate: object | undefined) => {
    const world = testMachine({ ...machine, ports: { unknownUser: () => fate as never } });
    return async (address: string) => (await expand(address, world)).destinations.map(showDestination);
  };

  it.each<[string, object | undefined, string[]]>([
    ['comes back', undefined, ['!5.1.1 ghost@example.org']],
    [
      'goes to the fallback transport',
      { kind: 'transport', transport: 'lmtp:x' },
      ['lmtp:x ghost@example.org'],
    ],
    ['goes to luser_relay here', { kind: 'relay', address: 'carol' }, ['carol']],
    ['goes to luser_relay elsewhere', { kind: 'relay', address: 'a@b.net' }, ['a@b.net']],
    ['comes back when luser_relay is it', { kind: 'relay', address: 'ghost' }, ['!5.1.1 ghost@example.org']],
    [
      'comes back when luser_relay is nobody too',
      { kind: 'relay', address: 'spook' },
      ['!5.1.1 spook@example.org'],
    ],
  ])('%s', async (_title, fate, expected) => {
    expect(await unknownOn(fate)('ghost@example.org')).toEqual(expected);
  });
});

// Access tables: the order of keys, every action, and what actions do to the message. `test/integration/
// restrictions.test.ts` plays far more of this beside the real Postfix.

import { describe, expect, it } from 'vitest';
import type { AccessTable } from '../ports.ts';
import type { RestrictionItem, SmtpSettings } from '../settings.ts';
import { Dialog, fakeWorld } from '../testing/index.ts';
import { addressKeys, domainKeys, mailboxAccessKeys, mailboxOwnerKeys } from './access-lookup.ts';

const keysOf = (keys: readonly (readonly [string, string])[]): string =>
  keys.map(([key, scope]) => (scope === 'full' ? key : `~${key}`)).join(' ');

describe('keys', () => {
  it.each([
    ['a.b.example', true, 'a.b.example ~b.example ~example'],
    ['a.b.example', false, 'a.b.example ~.b.example ~.example'],
    ['example', true, 'example'],
    ['192.0.2.1', true, '192.0.2.1'],
    ['a.example.', true, 'a.example. ~example.'],
    ['', true, ''],
  ])('of a name: %s (%s)', (name, parentsMatch, expected) => {
    expect(keysOf(domainKeys(name, { parentsMatch }))).toBe(expected);
  });

  it.each([
    ['192.0.2.1', '192.0.2.1 ~192.0.2 ~192.0 ~192'],
    ['2001:db8::1', '2001:db8::1 ~2001:db8: ~2001:db8 ~2001'],
    ['unknown', 'unknown'],
  ])('of an address: %s', (address, expected) => {
    expect(keysOf(addressKeys(address))).toBe(expected);
  });

  const rules = { parentsMatch: true, myorigin: 'here.example', recipientDelimiter: '+-' };
  it.each([
    [{ local: 'u+x', domain: 'a.example' }, 'u+x@a.example ~u@a.example ~a.example ~example ~u+x@ ~u@'],
    [{ local: 'u' }, 'u@here.example ~here.example ~example ~u@'],
    [{ local: '+x', domain: 'e' }, '+x@e ~e ~+x@'],
    [{ local: 'a b', domain: 'e' }, '"a b"@e a b@e ~e ~"a b"@ ~a b@'],
    [{ local: 'mailer-daemon', domain: 'e' }, 'mailer-daemon@e ~e ~mailer-daemon@'],
  ])('of a mailbox: %j', (mailbox, expected) => {
    expect(keysOf(mailboxAccessKeys(mailbox, rules))).toBe(expected);
  });

  it('of an owner', () => {
    const mailbox = { local: 'u+x', domain: 'a.example' };
    expect(keysOf(mailboxOwnerKeys(mailbox, { ...rules, isLocal: false }))).toBe(
      'u+x@a.example ~u@a.example ~@a.example',
    );
    expect(keysOf(mailboxOwnerKeys(mailbox, { ...rules, isLocal: true }))).toBe(
      'u+x@a.example ~u@a.example ~u+x ~u ~@a.example',
    );
  });
});

function table(entries: Readonly<Record<string, string>>): AccessTable {
  const map = new Map(Object.entries(entries));
  return {
    describe: 'hash:/access',
    find(key) {
      const value = map.get(key.toLowerCase());
      return value === undefined ? undefined : { value };
    },
  };
}

const BROKEN: AccessTable = {
  describe: 'hash:/broken',
  find: () => Promise.reject(new Error('the disk is gone')),
};

const ORIGIN = { file: 'main.cf', line: 1 };
const check = (word: string, answers: AccessTable): RestrictionItem => ({
  word,
  table: answers,
  origin: ORIGIN,
});
const word = (name: string): RestrictionItem => ({ word: name, origin: ORIGIN });

function dialogWith(
  lists: Partial<SmtpSettings['restrictions']>,
  settings: Partial<SmtpSettings> = {},
): Dialog {
  return new Dialog({
    world: fakeWorld(),
    settings: {
      restrictions: {
        client: [],
        helo: [],
        sender: [],
        relay: [word('reject_unauth_destination')],
        recipient: [],
        data: [],
        endOfData: [],
        etrn: [],
        ...lists,
      },
      ...settings,
    },
  });
}

const SENDER = 'bob@sender.example';

async function answerTo(value: string, recipient = 'alice@example.com'): Promise<string> {
  const dialog = dialogWith({ sender: [check('check_sender_access', table({ [SENDER]: value }))] });
  await dialog.say('HELO x', `MAIL FROM:<${SENDER}>`);
  const answer = await dialog.say(`RCPT TO:<${recipient}>`);
  return answer.trimEnd().replace(`<${SENDER}>: Sender address rejected: `, '… ');
}

describe('actions', () => {
  it.each([
    ['OK', '250 2.1.5 Ok'],
    ['DUNNO', '250 2.1.5 Ok'],
    ['1234567890', '250 2.1.5 Ok'],
    ['REJECT', '554 5.7.1 … Access denied'],
    ['REJECT 4.7.2 text', '554 5.7.2 … text'],
    ['REJECT 5.1.1 text', '554 5.1.7 … text'],
    ['REJECT 5.1.99 text', '554 5.1.0 … text'],
    ['defer 4.2.1 text', '450 4.2.1 … text'],
    ['DEFER_IF_PERMIT', '450 4.7.1 … Service unavailable'],
    ['550 no', '550 5.7.1 … no'],
    ['450 4.1.8 no', '450 4.1.8 … no'],
    ['200 fine', '451 4.3.5 Server configuration error'],
    ['frobnicate', '451 4.3.5 Server configuration error'],
    ['permit frobnicate', '250 2.1.5 Ok'],
    ['reject', '554 5.7.1 … Access denied'],
    ['warn_if_reject reject_unauth_destination, defer', '450 4.3.2 … Try again later'],
    ['check_sender_access hash:/x', '451 4.3.5 Server configuration error'],
    ['FILTER smtp:[127.0.0.1]:10025', '250 2.1.5 Ok'],
    ['FILTER nowhere', '250 2.1.5 Ok'],
    ['REDIRECT nobody', '250 2.1.5 Ok'],
    ['PREPEND nothing', '250 2.1.5 Ok'],
    ['', '250 2.1.5 Ok'],
    ['REJECT a\rb', '554 5.7.1 … a?b'],
  ])('%s', async (value, expected) => {
    expect(await answerTo(value)).toBe(expected);
  });

  it('turns a later refusal into a deferral, and only that', async () => {
    expect(await answerTo('DEFER_IF_REJECT')).toBe('250 2.1.5 Ok');
    // POSTFIX: the flag is of its stage: the sender's does not reach the relay list.
    expect(await answerTo('DEFER_IF_REJECT', 'far@away.example')).toMatch(
      /^554 5\.7\.1 .*Relay access denied$/,
    );
  });

  it('stops at lists that name themselves', async () => {
    const entries = table({ [SENDER]: 'again' });
    const dialog = dialogWith(
      { sender: [check('check_sender_access', entries)] },
      { parseRestrictions: () => [check('check_sender_access', entries)] },
    );
    await dialog.say('HELO x', `MAIL FROM:<${SENDER}>`);
    expect(await dialog.say('RCPT TO:<alice@example.com>')).toBe('451 4.3.5 Server configuration error\r\n');
    expect(dialog.world.logLines().join('\n')).toContain('causes unreasonable recursion');
  });

  it('answers 451 when a table cannot', async () => {
    const dialog = dialogWith({ sender: [check('check_sender_access', BROKEN)] });
    await dialog.say('HELO x', `MAIL FROM:<${SENDER}>`);
    expect(await dialog.say('RCPT TO:<alice@example.com>')).toBe(
      `451 4.3.5 <${SENDER}>: Sender address rejected: Server configuration error\r\n`,
    );
    expect(dialog.world.logLines().join('\n')).toContain('hash:/broken lookup error');
  });

  it('never makes a relay of us by a name that strangers choose', async () => {
    const dialog = dialogWith({
      recipient: [check('check_helo_a_access', table({ '192.0.2.9': 'OK' }))],
      relay: [],
    });
    Object.assign(dialog.world.ports.dns, {
      addresses: async () => ({ kind: 'found', records: ['192.0.2.9'] }),
    });
    await dialog.say('HELO evil.example', `MAIL FROM:<${SENDER}>`);
    expect(await dialog.say('RCPT TO:<far@away.example>')).toBe('451 4.3.5 Server configuration error\r\n');
    expect(dialog.world.logLines()).toContain(
      'warning: restriction check_helo_a_access returns OK for evil.example',
    );
  });
});

describe('what actions do to the message', () => {
  type Place = 'sender' | 'data' | 'endOfData';
  async function sent(value: string, place: Place = 'sender'): Promise<Dialog> {
    const dialog = dialogWith({ [place]: [check('check_sender_access', table({ [SENDER]: value }))] });
    await dialog.say('HELO x', `MAIL FROM:<${SENDER}>`, 'RCPT TO:<alice@example.com>', 'DATA');
    expect(await dialog.say('Subject: x', '', 'x', '.')).toMatch(/^250 2\.0\.0 Ok: queued as Q1/);
    return dialog;
  }
  const envelopeOf = (dialog: Dialog): object | undefined => dialog.world.queue.messages[0]?.envelope;
  const ALICE = { address: 'alice@example.com' };

  it.each(['sender', 'data', 'endOfData'] as const)('decided in the %s list', async (place) => {
    expect(envelopeOf(await sent('HOLD', place))).toMatchObject({ hold: true, recipients: [ALICE] });
    expect(envelopeOf(await sent('DISCARD', place))).toMatchObject({ discard: true });
    expect(envelopeOf(await sent('REDIRECT bob@example.com', place))).toMatchObject({
      recipients: [{ address: 'bob@example.com' }],
    });
    expect(envelopeOf(await sent('BCC bob@example.com', place))).toMatchObject({
      recipients: [ALICE, { address: 'bob@example.com', notify: ['NEVER'] }],
    });
    expect(envelopeOf(await sent('FILTER smtp:[127.0.0.1]:10025', place))).toMatchObject({
      filter: 'smtp:[127.0.0.1]:10025',
      recipients: [ALICE],
    });
  });

  it('prepends above our own Received, and not when it is too late', async () => {
    const early = await sent('PREPEND X-Seen: yes');
    expect(early.world.queue.messages[0]?.octets).toMatch(/^X-Seen: yes\r\nReceived: /);
    const late = await sent('PREPEND X-Seen: yes', 'endOfData');
    expect(late.world.queue.messages[0]?.octets).toMatch(/^Received: /);
    expect(late.world.logLines().join('\n')).toContain('action PREPEND must be used before');
  });

  it('asks nothing more once the message is thrown away', async () => {
    const dialog = dialogWith({
      sender: [check('check_sender_access', table({ [SENDER]: 'DISCARD' })), word('reject')],
      recipient: [word('reject')],
      data: [word('reject')],
    });
    await dialog.say('HELO x', `MAIL FROM:<${SENDER}>`);
    expect(await dialog.say('RCPT TO:<far@away.example>')).toBe('250 2.1.5 Ok\r\n');
    expect(await dialog.say('DATA')).toMatch(/^354 /);
    expect(dialog.world.logLines().join('\n')).toContain(
      `NOQUEUE: discard: RCPT from unknown[192.0.2.7]: <${SENDER}>: Sender address triggers DISCARD action; from=<${SENDER}> to=<far@away.example> proto=SMTP helo=<x>`,
    );
  });

  it('forgets it with the transaction', async () => {
    const dialog = dialogWith({ sender: [check('check_sender_access', table({ [SENDER]: 'HOLD' }))] });
    await dialog.say('HELO x', `MAIL FROM:<${SENDER}>`, 'RCPT TO:<alice@example.com>', 'RSET');
    await dialog.say('MAIL FROM:<other@sender.example>', 'RCPT TO:<alice@example.com>', 'DATA', 'x', '.');
    expect(envelopeOf(dialog)).not.toHaveProperty('hold');
  });

  it('asks for no recipient by name who is the postmaster', async () => {
    const dialog = dialogWith({ client: [word('reject')] });
    await dialog.say('HELO x', `MAIL FROM:<${SENDER}>`);
    expect(await dialog.say('RCPT TO:<Postmaster>')).toBe('250 2.1.5 Ok\r\n');
    expect(await dialog.say('RCPT TO:<postmaster@example.com>')).toMatch(/^554 /);
  });
});

describe('codes that end the session', () => {
  it.each(['421 4.7.9 bye', '521 5.7.9 bye'])('%s', async (value) => {
    const dialog = dialogWith({ sender: [check('check_sender_access', table({ [SENDER]: value }))] });
    await dialog.say('HELO x', `MAIL FROM:<${SENDER}>`);
    expect(await dialog.say('RCPT TO:<alice@example.com>')).toMatch(/^[45]21 [45]\.7\.9 .*bye\r\n$/);
    expect(dialog.closed).toBe(true);
  });
});

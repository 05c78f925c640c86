// The restriction words in lists, through the engine: order, codes and texts as Postfix has them.

import { describe, expect, it } from 'vitest';
import { parsePath } from '../address.ts';
import { UNKNOWN_CLIENT } from '../client-name.ts';
import { replyText } from '../reply.ts';
import { type RestrictionItem, type SmtpSettings, defaultSmtpSettings } from '../settings.ts';
import { type FakeZone, FakeAddresses, FakeDns } from '../testing/index.ts';
import { evaluateLists } from './evaluate.ts';
import { unlistedRecipientReply } from './unlisted.ts';
import type { Decision, RestrictionInput } from './types.ts';
import { RESTRICTIONS_WITH_ARGUMENT, SUPPORTED_RESTRICTIONS } from './words.ts';
import { parseZone } from './words-dnsxl.ts';

const ZONE: FakeZone = {
  mx: {
    'sender.example': [{ preference: 10, exchange: 'mx.sender.example' }],
    'null-mx.example': [{ preference: 0, exchange: '' }],
  },
  addresses: {
    'address-only.example': ['192.0.2.9'],
    '7.2.0.192.list.example': ['127.0.0.2'],
    'sender.example.rhs.example': ['127.0.0.4'],
  },
  txt: { '7.2.0.192.list.example': ['see https://list.example'] },
  empty: ['no-data.example'],
  broken: ['servfail.example', '7.2.0.192.broken.example'],
};

interface Scene {
  readonly helo?: string;
  readonly sender?: string;
  readonly recipient?: string;
  readonly input?: Partial<RestrictionInput>;
  readonly settings?: Partial<SmtpSettings>;
}

function items(text: string): RestrictionItem[] {
  const words = text.split(' ');
  const list: RestrictionItem[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    const origin = { file: 'main.cf', line: i + 1 };
    list.push(
      RESTRICTIONS_WITH_ARGUMENT.has(word) ? { word, argument: words[++i] ?? '', origin } : { word, origin },
    );
  }
  return list;
}

const path = (text: string): NonNullable<RestrictionInput['sender']> => {
  const parsed = parsePath(text, { strict: false });
  if (parsed === undefined) throw new Error(`bad address in the test: ${text}`);
  return parsed;
};

function inputOf({
  helo = 'client.example',
  sender = '<bob@sender.example>',
  recipient = '<alice@example.com>',
  input = {},
  settings = {},
}: Scene): RestrictionInput {
  return {
    clientAddress: '192.0.2.7',
    clientName: () => UNKNOWN_CLIENT,
    helo,
    sender: path(sender),
    recipient: path(recipient),
    esmtp: true,
    secured: false,
    authenticated: false,
    improperPipelining: false,
    recipientCount: 0,
    settings: {
      ...defaultSmtpSettings('mail.example.com'),
      isMyNetwork: (address) => address === '127.0.0.1',
      ...settings,
    },
    dns: new FakeDns(ZONE),
    addresses: new FakeAddresses({ 'example.com': 'local', 'relay.example': 'relay' }, ['alice']),
    answers: new Map(),
    ...input,
  };
}

async function decide(list: string, scene: Scene = {}): Promise<Decision> {
  const input = inputOf(scene);
  const subject = { name: input.recipient?.display ?? '', label: 'Recipient address' };
  return evaluateLists([{ list: 'recipient', items: items(list), subject }], input);
}

const answer = async (list: string, scene: Scene = {}): Promise<string> => {
  const { reply } = await decide(list, scene);
  return reply === undefined ? 'permit' : replyText(reply);
};

const LOCAL = { input: { clientAddress: '127.0.0.1' } };
const USER = { input: { authenticated: true } };
const ALICE = '<alice@example.com>: Recipient address rejected:';

describe('words in lists', () => {
  it.each<[string, Scene, string]>([
    ['', {}, 'permit'],
    ['reject', {}, `554 5.7.1 ${ALICE} Access denied`],
    ['defer', {}, `450 4.3.2 ${ALICE} Try again later`],
    ['permit reject', {}, 'permit'],
    ['permit_mynetworks reject', LOCAL, 'permit'],
    ['permit_mynetworks reject', {}, `554 5.7.1 ${ALICE} Access denied`],
    ['permit_sasl_authenticated reject', USER, 'permit'],
    ['permit_sasl_authenticated reject', {}, `554 5.7.1 ${ALICE} Access denied`],
    ['reject_unauth_destination', {}, 'permit'],
    ['reject_unauth_destination', { recipient: '<x@relay.example>' }, 'permit'],
    [
      'reject_unauth_destination',
      { recipient: '<x@remote.example>' },
      '554 5.7.1 <x@remote.example>: Relay access denied',
    ],
    [
      'reject_unauth_destination',
      { ...USER, recipient: '<x@remote.example>' },
      '554 5.7.1 <x@remote.example>: Relay access denied',
    ],
    [
      'defer_unauth_destination',
      { recipient: '<x@remote.example>' },
      '454 4.7.1 <x@remote.example>: Relay access denied',
    ],
    ['permit_auth_destination reject', {}, 'permit'],
    [
      'permit_auth_destination reject',
      { recipient: '<x@remote.example>' },
      '554 5.7.1 <x@remote.example>: Recipient address rejected: Access denied',
    ],
    ['reject_unauth_pipelining', {}, 'permit'],
    [
      'reject_unauth_pipelining',
      { input: { improperPipelining: true } },
      `503 5.5.0 ${ALICE} Improper use of SMTP command pipelining`,
    ],
    ['reject_plaintext_session', {}, '450 4.7.1 Session encryption is required'],
    ['reject_plaintext_session', { input: { secured: true } }, 'permit'],
    [
      'reject_multi_recipient_bounce',
      { sender: '<>', input: { recipientCount: 2 } },
      `550 5.5.3 ${ALICE} Multi-recipient bounce`,
    ],
    ['reject_multi_recipient_bounce', { input: { recipientCount: 2 } }, 'permit'],
    // DNS
    ['reject_unknown_sender_domain', {}, 'permit'],
    ['reject_unknown_sender_domain', { sender: '<>' }, 'permit'],
    ['reject_unknown_sender_domain', { sender: '<a@example.com>' }, 'permit'],
    ['reject_unknown_sender_domain', { sender: '<a@[192.0.2.1]>' }, 'permit'],
    ['reject_unknown_sender_domain', { sender: '<a@address-only.example>' }, 'permit'],
    [
      'reject_unknown_sender_domain',
      { sender: '<a@nowhere.example>' },
      '450 4.1.8 <a@nowhere.example>: Sender address rejected: Domain not found',
    ],
    [
      'reject_unknown_sender_domain',
      {
        sender: '<a@nowhere.example>',
        settings: { codes: { ...defaultSmtpSettings('m').codes, unknownAddress: 550 } },
      },
      '550 5.1.8 <a@nowhere.example>: Sender address rejected: Domain not found',
    ],
    [
      'reject_unknown_sender_domain',
      { sender: '<a@no-data.example>' },
      '450 4.1.8 <a@no-data.example>: Sender address rejected: Domain not found',
    ],
    [
      'reject_unknown_sender_domain',
      { sender: '<a@null-mx.example>' },
      '550 5.7.27 <a@null-mx.example>: Sender address rejected: Domain null-mx.example does not accept mail (nullMX)',
    ],
    [
      'reject_unknown_recipient_domain',
      { recipient: '<a@null-mx.example>' },
      '556 5.1.10 <a@null-mx.example>: Recipient address rejected: Domain null-mx.example does not accept mail (nullMX)',
    ],
    [
      'reject_unknown_recipient_domain',
      { recipient: '<a@nowhere.example>' },
      '450 4.1.2 <a@nowhere.example>: Recipient address rejected: Domain not found',
    ],
    // A failing DNS is temporary, whatever the code says.
    [
      'reject_unknown_sender_domain',
      {
        sender: '<a@servfail.example>',
        settings: { codes: { ...defaultSmtpSettings('m').codes, unknownAddress: 550 } },
      },
      '450 4.1.8 <a@servfail.example>: Sender address rejected: Domain not found',
    ],
    // … and void when something else rejects.
    [
      'reject_unknown_sender_domain reject',
      { sender: '<a@servfail.example>' },
      `554 5.7.1 ${ALICE} Access denied`,
    ],
    [
      'reject_unknown_sender_domain permit',
      { sender: '<a@servfail.example>' },
      '450 4.1.8 <a@servfail.example>: Sender address rejected: Domain not found',
    ],
    // Clients and HELO
    [
      'reject_unknown_client_hostname',
      {},
      '450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.7]',
    ],
    [
      'reject_unknown_reverse_client_hostname',
      { input: { clientName: () => ({ ...UNKNOWN_CLIENT, reverseName: 'a.example' }) } },
      'permit',
    ],
    [
      'reject_invalid_helo_hostname',
      { helo: 'a..b' },
      '501 5.5.2 <a..b>: Helo command rejected: Invalid name',
    ],
    ['reject_invalid_helo_hostname', { helo: '[127.0.0.1]' }, 'permit'],
    [
      'reject_non_fqdn_helo_hostname',
      { helo: 'localhost' },
      '504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname',
    ],
    [
      'reject_unknown_helo_hostname',
      { helo: 'nowhere.example' },
      '450 4.7.1 <nowhere.example>: Helo command rejected: Host not found',
    ],
    [
      'reject_non_fqdn_sender',
      { sender: '<bob>' },
      '504 5.5.2 <bob>: Sender address rejected: need fully-qualified address',
    ],
    ['reject_non_fqdn_sender', { sender: '<>' }, 'permit'],
    ['reject_non_fqdn_recipient', { recipient: '<postmaster>' }, 'permit'],
    // Lists of addresses
    [
      'reject_rbl_client list.example',
      {},
      '554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using list.example; see https://list.example',
    ],
    ['reject_rbl_client list.example=127.0.0.3', {}, 'permit'],
    [
      'reject_rbl_client list.example=127.0.0.[2..4]',
      {},
      '554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using list.example; see https://list.example',
    ],
    ['reject_rbl_client other.example', {}, 'permit'],
    ['reject_rbl_client broken.example', {}, 'permit'],
    [
      'reject_rhsbl_sender rhs.example',
      {},
      '554 5.7.1 Service unavailable; Sender address [bob@sender.example] blocked using rhs.example',
    ],
    // What is remembered
    ['defer_if_permit', {}, `450 4.3.2 ${ALICE} defer_if_permit requested`],
    ['defer_if_permit reject', {}, `554 5.7.1 ${ALICE} Access denied`],
    ['defer_if_reject reject', {}, `450 4.3.2 ${ALICE} defer_if_reject requested`],
    ['defer_if_reject permit', {}, 'permit'],
    ['warn_if_reject reject', {}, 'permit'],
    ['warn_if_reject reject reject', {}, `554 5.7.1 ${ALICE} Access denied`],
    // Not understood: closed.
    ['frobnicate permit', {}, '451 4.3.5 Server configuration error'],
    ['constructor permit', {}, '451 4.3.5 Server configuration error'],
    // The guide's own list
    [
      'reject_unknown_sender_domain reject_unknown_recipient_domain reject_unauth_pipelining permit_mynetworks permit_sasl_authenticated reject_unauth_destination',
      { recipient: '<x@relay.example>' },
      '450 4.1.2 <x@relay.example>: Recipient address rejected: Domain not found',
    ],
    [
      'reject_unknown_sender_domain reject_unknown_recipient_domain reject_unauth_pipelining permit_mynetworks permit_sasl_authenticated reject_unauth_destination',
      { recipient: '<x@address-only.example>' },
      '554 5.7.1 <x@address-only.example>: Relay access denied',
    ],
  ])('%s (case %#)', async (list, scene, expected) => {
    expect(await answer(list === '' ? 'permit' : list, scene)).toBe(expected);
  });

  it('asks the DNS once for a hundred recipients', async () => {
    const input = inputOf({});
    const run = {
      list: 'recipient' as const,
      items: items('reject_unknown_sender_domain'),
      subject: { name: 'x', label: 'y' },
    };
    await Promise.all(Array.from({ length: 100 }, () => evaluateLists([run], input)));
    expect((input.dns as FakeDns).asked).toEqual(['MX sender.example']);
  });

  it('explains itself word by word', async () => {
    const { trace } = await decide(
      'permit_mynetworks warn_if_reject reject_rbl_client list.example reject_unauth_destination',
      { recipient: '<x@remote.example>' },
    );
    expect(
      trace.map(({ word, verdict, origin, warnOnly }) => [word, verdict, origin?.line, warnOnly]),
    ).toEqual([
      ['permit_mynetworks', 'pass', 1, undefined],
      ['reject_rbl_client', 'reject', 3, true],
      ['reject_unauth_destination', 'reject', 5, undefined],
    ]);
  });

  it('ends one list at its permit, not the next', async () => {
    const input = inputOf({ recipient: '<x@remote.example>' });
    const subject = { name: 'x', label: 'y' };
    const decision = await evaluateLists(
      [
        { list: 'relay', items: items('permit'), subject },
        { list: 'recipient', items: items('reject_unauth_destination'), subject },
      ],
      input,
    );
    expect(decision.kind).toBe('reject');
  });
});

describe('the words themselves', () => {
  it("include the guide's", () => {
    for (const word of [
      'reject_unknown_sender_domain',
      'reject_unknown_recipient_domain',
      'reject_unauth_pipelining',
      'permit_mynetworks',
      'permit_sasl_authenticated',
      'reject_unauth_destination',
      'defer_unauth_destination',
      'reject',
      'permit',
    ]) {
      expect(SUPPORTED_RESTRICTIONS).toContain(word);
    }
  });

  it.each(['x', 'a.example=127.0.0', 'a.example=127.0.0.[1', 'a b.example', ''])(
    'refuse the zone %j',
    (zone) => {
      expect(parseZone(zone)).toBeUndefined();
    },
  );
});

describe('unlisted recipients', () => {
  const { codes } = defaultSmtpSettings('m');
  it('are refused, or deferred when nobody can tell', () => {
    expect(unlistedRecipientReply({ kind: 'known', class: 'local' }, 'a', codes)).toBeUndefined();
    const unknown = unlistedRecipientReply(
      { kind: 'unknown', class: 'local', text: 'User unknown in local recipient table' },
      'a@b',
      codes,
    );
    expect(unknown && replyText(unknown)).toBe(
      '550 5.1.1 <a@b>: Recipient address rejected: User unknown in local recipient table',
    );
    const away = unlistedRecipientReply({ kind: 'unavailable', reason: 'x' }, 'a@b', codes);
    expect(away && replyText(away)).toBe('451 4.3.0 <a@b>: Temporary lookup failure');
  });
});

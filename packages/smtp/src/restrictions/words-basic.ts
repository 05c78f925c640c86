// Words that ask nobody: permissions, the relay words, plain verdicts, the shape of names and addresses.

import { isAddressLiteral, isHostname } from '../address.ts';
import { parseIpv4 } from '../networks.ts';
import { STRANGER, relayVerdict } from '../relay.ts';
import { reply } from '../reply.ts';
import type { EnvelopeMailbox } from '../ports.ts';
import type { RestrictionInput, RestrictionWord, Subject, WordVerdict } from './types.ts';

const permit = (saw: string): WordVerdict => ({ kind: 'permit', saw });
const pass = (saw: string): WordVerdict => ({ kind: 'pass', saw });
const reject = (saw: string, code: number, detail: string, text: string): WordVerdict => ({
  kind: 'reject',
  saw,
  reply: reply(code, detail, text),
});

const permitMynetworks: RestrictionWord = {
  word: 'permit_mynetworks',
  cost: 'free',
  needs: 'nothing',
  argument: 'none',
  run: ({ settings, clientAddress }) =>
    settings.isMyNetwork(clientAddress)
      ? permit(`${clientAddress} is in mynetworks`)
      : pass(`${clientAddress} is not in mynetworks`),
};

const permitInetInterfaces: RestrictionWord = {
  word: 'permit_inet_interfaces',
  cost: 'free',
  needs: 'nothing',
  argument: 'none',
  run: ({ settings, clientAddress }) =>
    settings.isOwnAddress(clientAddress)
      ? permit(`${clientAddress} is this machine`)
      : pass(`${clientAddress} is not this machine`),
};

/** Seconds; POSTFIX: the manual knows no limit, one session alone waits. */
const MAX_SLEEP = 600;

const sleepWord: RestrictionWord = {
  word: 'sleep',
  cost: 'dns',
  needs: 'nothing',
  argument: 'required',
  async run({ clock }, _, argument) {
    if (!/^[0-9]+$/.test(argument)) {
      return { kind: 'fault', saw: argument, warnings: ['restriction sleep must be followed by number'] };
    }
    await clock?.sleep?.(Math.min(Number(argument), MAX_SLEEP) * 1000);
    return pass(`slept ${argument} s`);
  },
};

const permitSaslAuthenticated: RestrictionWord = {
  word: 'permit_sasl_authenticated',
  cost: 'free',
  needs: 'nothing',
  argument: 'none',
  run: ({ authenticated }) => (authenticated ? permit('authenticated') : pass('not authenticated')),
};

function destination(input: RestrictionInput): ReturnType<typeof relayVerdict> | undefined {
  const mailbox = input.recipient?.mailbox;
  if (mailbox === undefined) return undefined;
  return relayVerdict(STRANGER, mailbox, {
    classify: (m) => input.addresses.classify(m),
    rules: input.settings,
  });
}

function refuseDestination(input: RestrictionInput, code: number): WordVerdict {
  const verdict = destination(input);
  if (verdict === undefined || verdict.kind === 'allowed')
    return pass(`destination ${verdict?.because ?? 'unknown'}`);
  const display = input.recipient?.display ?? '';
  return reject(`destination ${verdict.because}`, code, '7.1', `<${display}>: Relay access denied`);
}

const rejectUnauthDestination: RestrictionWord = {
  word: 'reject_unauth_destination',
  cost: 'free',
  needs: 'recipient',
  argument: 'none',
  run: (input) => refuseDestination(input, input.settings.codes.relayDomains),
};

const deferUnauthDestination: RestrictionWord = {
  word: 'defer_unauth_destination',
  cost: 'free',
  needs: 'recipient',
  argument: 'none',
  // POSTFIX: the temporary twin of relay_domains_reject_code.
  run: (input) => refuseDestination(input, input.settings.codes.relayDomains - 100),
};

const permitAuthDestination: RestrictionWord = {
  word: 'permit_auth_destination',
  cost: 'free',
  needs: 'recipient',
  argument: 'none',
  run(input) {
    const verdict = destination(input);
    return verdict?.kind === 'allowed'
      ? permit(`destination ${verdict.because}`)
      : pass(`destination ${verdict?.because ?? 'unknown'}`);
  },
};

const permitWord: RestrictionWord = {
  word: 'permit',
  cost: 'free',
  needs: 'nothing',
  argument: 'none',
  run: () => permit('always'),
};

const rejectWord: RestrictionWord = {
  word: 'reject',
  cost: 'free',
  needs: 'nothing',
  argument: 'none',
  run: ({ settings }, { name, label }) =>
    reject('always', settings.codes.reject, '7.1', `<${name}>: ${label} rejected: Access denied`),
};

const deferWord: RestrictionWord = {
  word: 'defer',
  cost: 'free',
  needs: 'nothing',
  argument: 'none',
  run: ({ settings }, { name, label }) =>
    reject('always', settings.codes.defer, '3.2', `<${name}>: ${label} rejected: Try again later`),
};

const deferIfPermit: RestrictionWord = {
  word: 'defer_if_permit',
  cost: 'free',
  needs: 'nothing',
  argument: 'none',
  run: (_, { name, label }) => ({
    kind: 'deferIfPermit',
    saw: 'always',
    reply: reply(450, '3.2', `<${name}>: ${label} rejected: defer_if_permit requested`),
  }),
};

const deferIfReject: RestrictionWord = {
  word: 'defer_if_reject',
  cost: 'free',
  needs: 'nothing',
  argument: 'none',
  run: (_, { name, label }) => ({
    kind: 'deferIfReject',
    saw: 'always',
    reply: reply(450, '3.2', `<${name}>: ${label} rejected: defer_if_reject requested`),
  }),
};

const rejectUnauthPipelining: RestrictionWord = {
  word: 'reject_unauth_pipelining',
  cost: 'free',
  needs: 'nothing',
  argument: 'none',
  run: ({ improperPipelining }, { name, label }) =>
    improperPipelining
      ? reject(
          'input arrived before it was asked for',
          503,
          '5.0',
          `<${name}>: ${label} rejected: Improper use of SMTP command pipelining`,
        )
      : pass('the client waited where it must'),
};

const rejectPlaintextSession: RestrictionWord = {
  word: 'reject_plaintext_session',
  cost: 'free',
  needs: 'nothing',
  argument: 'none',
  run: ({ secured, settings }) =>
    secured
      ? pass('session is encrypted')
      : reject('session is not encrypted', settings.codes.plaintext, '7.1', 'Session encryption is required'),
};

const rejectMultiRecipientBounce: RestrictionWord = {
  word: 'reject_multi_recipient_bounce',
  cost: 'free',
  needs: 'sender',
  argument: 'none',
  run: ({ sender, recipientCount, settings }, { name, label }) =>
    sender?.address === '' && recipientCount > 1
      ? reject(
          'null sender, several recipients',
          settings.codes.multiRecipientBounce,
          '5.3',
          `<${name}>: ${label} rejected: Multi-recipient bounce`,
        )
      : pass('no bounce, or one recipient'),
};

function checkFqdnAddress(
  mailbox: EnvelopeMailbox | undefined,
  subject: Subject,
  input: RestrictionInput,
): WordVerdict {
  // POSTFIX: `<>` and a bare `postmaster` are well formed (RFC 5321 §4.1.1.3).
  if (mailbox === undefined) return pass('null address');
  if (mailbox.domain === undefined && mailbox.local.toLowerCase() === 'postmaster') return pass('postmaster');
  if (mailbox.domain !== undefined && isQualified(mailbox.domain))
    return pass(`${mailbox.domain} is qualified`);
  return reject(
    `${mailbox.domain ?? 'no domain'} is not qualified`,
    input.settings.codes.nonFqdn,
    '5.2',
    `<${subject.name}>: ${subject.label} rejected: need fully-qualified address`,
  );
}

const isQualified = (domain: string): boolean =>
  isAddressLiteral(domain) || (isHostname(domain) && domain.includes('.'));

const rejectNonFqdnSender: RestrictionWord = {
  word: 'reject_non_fqdn_sender',
  cost: 'free',
  needs: 'sender',
  argument: 'none',
  run: (input) =>
    checkFqdnAddress(
      input.sender?.mailbox,
      { name: input.sender?.display ?? '', label: 'Sender address' },
      input,
    ),
};

const rejectNonFqdnRecipient: RestrictionWord = {
  word: 'reject_non_fqdn_recipient',
  cost: 'free',
  needs: 'recipient',
  argument: 'none',
  run: (input) =>
    checkFqdnAddress(
      input.recipient?.mailbox,
      { name: input.recipient?.display ?? '', label: 'Recipient address' },
      input,
    ),
};

const rejectNonFqdnHelo: RestrictionWord = {
  word: 'reject_non_fqdn_helo_hostname',
  cost: 'free',
  needs: 'helo',
  argument: 'none',
  run({ helo = '', settings }) {
    if (isQualified(helo.replace(/\.$/, ''))) return pass(`${helo} is qualified`);
    const text = `<${helo}>: Helo command rejected: need fully-qualified hostname`;
    return reject(`${helo} is not qualified`, settings.codes.nonFqdn, '5.2', text);
  },
};

const rejectInvalidHelo: RestrictionWord = {
  word: 'reject_invalid_helo_hostname',
  cost: 'free',
  needs: 'helo',
  argument: 'none',
  run({ helo = '', settings }) {
    if (isAddressLiteral(helo) || isHostname(helo.replace(/\.$/, ''))) return pass(`${helo} is well formed`);
    const what = helo.startsWith('[') ? 'invalid ip address' : 'Invalid name';
    return reject(
      `${helo} is malformed`,
      settings.codes.invalidHostname,
      '5.2',
      `<${helo}>: Helo command rejected: ${what}`,
    );
  },
};

function judgeNakedIp({ helo = '', settings }: RestrictionInput): WordVerdict {
  // POSTFIX: what is made of digits, dots and colons is meant as an address.
  if (!/^[0-9.:]*$/.test(helo)) return pass(`${helo} is no address`);
  if (parseIpv4(helo) !== undefined) return permit(`${helo} is an address`);
  const text = `<${helo}>: Helo command rejected: invalid ip address`;
  return reject(`${helo} is malformed`, settings.codes.invalidHostname, '5.2', text);
}

/** POSTFIX: before RFC 2821 asked for brackets; anybody can say an address. */
const permitNakedIp: RestrictionWord = {
  word: 'permit_naked_ip_address',
  cost: 'free',
  needs: 'helo',
  argument: 'none',
  run(input) {
    const warnings = [
      'restriction permit_naked_ip_address is deprecated. Use permit_mynetworks or permit_sasl_authenticated instead',
    ];
    return { ...judgeNakedIp(input), warnings };
  },
};

export const BASIC_WORDS: readonly RestrictionWord[] = [
  permitMynetworks,
  permitInetInterfaces,
  permitNakedIp,
  sleepWord,
  permitSaslAuthenticated,
  permitAuthDestination,
  permitWord,
  rejectWord,
  deferWord,
  deferIfPermit,
  deferIfReject,
  rejectUnauthDestination,
  deferUnauthDestination,
  rejectUnauthPipelining,
  rejectPlaintextSession,
  rejectMultiRecipientBounce,
  rejectNonFqdnSender,
  rejectNonFqdnRecipient,
  rejectNonFqdnHelo,
  // POSTFIX: the names of before 2.3 still work.
  { ...rejectNonFqdnHelo, word: 'reject_non_fqdn_hostname' },
  rejectInvalidHelo,
  { ...rejectInvalidHelo, word: 'reject_invalid_hostname' },
];

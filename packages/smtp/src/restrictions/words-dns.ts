// Words that ask the DNS. A failure of the DNS is never a permanent refusal: POSTFIX: it becomes DEFER_IF_PERMIT
// (`unknown_address_tempfail_action` and its kin), and a list that does not answer lists nobody.

import { isAddressLiteral } from '../address.ts';
import type { ClientName } from '../client-name.ts';
import type { TempfailAction } from '../access-settings.ts';
import type { DnsAnswer, MxRecord } from '../ports.ts';
import type { Path } from '../address.ts';
import { type Reply, reply } from '../reply.ts';
import { once, whenReady } from './look-up-once.ts';
import type { RestrictionInput, RestrictionWord, WordVerdict } from './types.ts';

const pass = (saw: string): WordVerdict => ({ kind: 'pass', saw });
const reject = (saw: string, value: Reply): WordVerdict => ({ kind: 'reject', saw, reply: value });
/** POSTFIX: `unknown_…_tempfail_action`. */
const notNow = (action: TempfailAction, saw: string, value: Reply): WordVerdict => ({
  kind: action === 'defer' ? 'reject' : 'deferIfPermit',
  saw,
  reply: value,
});

type DomainState =
  | { readonly kind: 'usable'; readonly saw: string }
  | { readonly kind: 'nullMx' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'failed'; readonly reason: string };

/** Whether mail can be sent to a domain: MX, else A or AAAA (RFC 5321 §5.1); null MX by RFC 7505. */
async function probeDomain(input: RestrictionInput, domain: string): Promise<DomainState> {
  const mx: DnsAnswer<MxRecord> = await input.dns.mx(domain);
  if (mx.kind === 'failed') return { kind: 'failed', reason: mx.reason };
  if (mx.kind === 'found') {
    const isNull = mx.records.length === 1 && ['', '.'].includes(mx.records[0]?.exchange ?? '');
    return isNull ? { kind: 'nullMx' } : { kind: 'usable', saw: `${domain} has MX records` };
  }
  const addresses = await input.dns.addresses(domain);
  if (addresses.kind === 'found') return { kind: 'usable', saw: `${domain} has addresses` };
  return addresses.kind === 'failed' ? { kind: 'failed', reason: addresses.reason } : { kind: 'absent' };
}

function domainState(input: RestrictionInput, domain: string): DomainState | Promise<DomainState> {
  const key = `domain:${domain.toLowerCase()}`;
  return whenReady(
    once<DomainState>(input, key, async () => ({
      kind: 'found',
      records: [await probeDomain(input, domain)],
    })),
    (answer) => (answer.kind === 'found' ? (answer.records[0] ?? { kind: 'absent' }) : { kind: 'absent' }),
  );
}

interface AddressWording {
  readonly label: string;
  readonly notFound: string;
  readonly nullMx: Reply;
}

function checkDomain(
  input: RestrictionInput,
  path: Path | undefined,
  wording: (domain: string) => AddressWording,
): WordVerdict | Promise<WordVerdict> {
  const mailbox = path?.mailbox;
  const domain = mailbox?.domain;
  if (path === undefined || mailbox === undefined || domain === undefined) return pass('no domain');
  if (isAddressLiteral(domain)) return pass(`${domain} is an address`);
  // POSTFIX: only a domain that would be delivered elsewhere has to exist.
  const addressClass = input.addresses.classify(mailbox);
  if (addressClass !== 'default' && addressClass !== 'relay') return pass(`${domain} is ours`);
  return whenReady(domainState(input, domain), (state): WordVerdict => {
    const { label, notFound, nullMx } = wording(domain);
    if (state.kind === 'usable') return pass(state.saw);
    if (state.kind === 'nullMx') return reject(`${domain} has a null MX`, nullMx);
    const text = `<${path.display}>: ${label} rejected: Domain not found`;
    if (state.kind === 'absent') {
      return reject(`${domain} does not exist`, reply(input.settings.codes.unknownAddress, notFound, text));
    }
    const value = reply(450, notFound, text);
    return notNow(input.settings.unknownAddressTempfail, `${domain}: ${state.reason}`, value);
  });
}

const rejectUnknownSenderDomain: RestrictionWord = {
  word: 'reject_unknown_sender_domain',
  cost: 'dns',
  needs: 'sender',
  argument: 'none',
  run: (input) =>
    checkDomain(input, input.sender, (domain) => ({
      label: 'Sender address',
      notFound: '1.8',
      nullMx: reply(
        550,
        '7.27',
        `<${input.sender?.display ?? ''}>: Sender address rejected: Domain ${domain} does not accept mail (nullMX)`,
      ),
    })),
};

const rejectUnknownRecipientDomain: RestrictionWord = {
  word: 'reject_unknown_recipient_domain',
  cost: 'dns',
  needs: 'recipient',
  argument: 'none',
  run: (input) =>
    checkDomain(input, input.recipient, (domain) => ({
      label: 'Recipient address',
      notFound: '1.2',
      nullMx: reply(
        556,
        '1.10',
        `<${input.recipient?.display ?? ''}>: Recipient address rejected: Domain ${domain} does not accept mail (nullMX)`,
      ),
    })),
};

function clientWord(
  word: string,
  judge: (client: ClientName, input: RestrictionInput) => WordVerdict,
): RestrictionWord {
  return {
    word,
    cost: 'dns',
    needs: 'nothing',
    argument: 'none',
    run: (input) => whenReady(input.clientName(), (client) => judge(client, input)),
  };
}

function judgeClientName(client: ClientName, { clientAddress, settings }: RestrictionInput): WordVerdict {
  if (client.name !== 'unknown') return pass(`${clientAddress} is ${client.name}`);
  const code = client.status === 'permanent' ? settings.codes.unknownClient : 450;
  const text = `Client host rejected: cannot find your hostname, [${clientAddress}]`;
  return reject(`${clientAddress} has no verified name`, reply(code, '7.25', text));
}

function judgeReverseName(client: ClientName, { clientAddress, settings }: RestrictionInput): WordVerdict {
  if (client.reverseName !== 'unknown') return pass(`${clientAddress} is called ${client.reverseName}`);
  const code = client.reverseStatus === 'permanent' ? settings.codes.unknownClient : 450;
  const text = `Client host rejected: cannot find your reverse hostname, [${clientAddress}]`;
  return reject(`${clientAddress} has no name`, reply(code, '7.25', text));
}

const rejectUnknownHelo: RestrictionWord = {
  word: 'reject_unknown_helo_hostname',
  cost: 'dns',
  needs: 'helo',
  argument: 'none',
  run(input) {
    const helo = (input.helo ?? '').replace(/\.$/, '');
    if (isAddressLiteral(helo)) return pass(`${helo} is an address`);
    return whenReady(domainState(input, helo), (state): WordVerdict => {
      if (state.kind === 'usable' || state.kind === 'nullMx') return pass(`${helo} exists`);
      const text = `<${input.helo ?? ''}>: Helo command rejected: Host not found`;
      if (state.kind === 'failed') {
        const value = reply(450, '7.1', text);
        return notNow(input.settings.unknownHeloTempfail, `${helo}: ${state.reason}`, value);
      }
      return reject(`${helo} does not exist`, reply(input.settings.codes.unknownHostname, '7.1', text));
    });
  },
};

export const DNS_WORDS: readonly RestrictionWord[] = [
  rejectUnknownSenderDomain,
  { ...rejectUnknownSenderDomain, word: 'reject_unknown_address' },
  rejectUnknownRecipientDomain,
  clientWord('reject_unknown_client_hostname', judgeClientName),
  clientWord('reject_unknown_client', judgeClientName),
  clientWord('reject_unknown_reverse_client_hostname', judgeReverseName),
  rejectUnknownHelo,
  { ...rejectUnknownHelo, word: 'reject_unknown_hostname' },
];

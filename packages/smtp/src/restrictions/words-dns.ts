// Words that ask the DNS. A failure of the DNS is never a permanent refusal: POSTFIX: it becomes DEFER_IF_PERMIT
// (`unknown_address_tempfail_action` and its kin), and a list that does not answer lists nobody.

import { isAddressLiteral } from '../address.ts';
import type { ClientName } from '../client-name.ts';
import { parseIp, parseIpv4 } from '../networks.ts';
import type { DnsAnswer, MxRecord } from '../ports.ts';
import type { Path } from '../address.ts';
import { type Reply, printable, reply } from '../reply.ts';
import type { RestrictionInput, RestrictionWord, Subject, WordVerdict } from './types.ts';

const pass = (saw: string): WordVerdict => ({ kind: 'pass', saw });
const reject = (saw: string, value: Reply): WordVerdict => ({ kind: 'reject', saw, reply: value });

/** Applies `next` at once when the value is here already. */
function then<T, R>(value: T | Promise<T>, next: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

function once<T>(
  input: RestrictionInput,
  key: string,
  ask: () => Promise<DnsAnswer<T>>,
): DnsAnswer<T> | Promise<DnsAnswer<T>> {
  const known = input.answers.get(key);
  if (known !== undefined) return known as DnsAnswer<T> | Promise<DnsAnswer<T>>;
  const answer = ask().then((value) => {
    input.answers.set(key, value);
    return value;
  });
  input.answers.set(key, answer);
  return answer;
}

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
  return then(
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
  return then(domainState(input, domain), (state): WordVerdict => {
    const { label, notFound, nullMx } = wording(domain);
    if (state.kind === 'usable') return pass(state.saw);
    if (state.kind === 'nullMx') return reject(`${domain} has a null MX`, nullMx);
    const text = `<${path.display}>: ${label} rejected: Domain not found`;
    if (state.kind === 'absent') {
      return reject(`${domain} does not exist`, reply(input.settings.codes.unknownAddress, notFound, text));
    }
    return { kind: 'deferIfPermit', saw: `${domain}: ${state.reason}`, reply: reply(450, notFound, text) };
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
    run: (input) => then(input.clientName(), (client) => judge(client, input)),
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
    return then(domainState(input, helo), (state): WordVerdict => {
      if (state.kind === 'usable' || state.kind === 'nullMx') return pass(`${helo} exists`);
      const text = `<${input.helo ?? ''}>: Helo command rejected: Host not found`;
      if (state.kind === 'failed') {
        return { kind: 'deferIfPermit', saw: `${helo}: ${state.reason}`, reply: reply(450, '7.1', text) };
      }
      return reject(`${helo} does not exist`, reply(input.settings.codes.unknownHostname, '7.1', text));
    });
  },
};

/** `list.example=127.0.0.[2..4]`: the zone, and the answers that count. */
interface Zone {
  readonly name: string;
  readonly counts: (address: string) => boolean;
}

/** Undefined when malformed: the composition root checks arguments before it starts (`checkSettings`). */
export function parseZone(argument: string): Zone | undefined {
  const equals = argument.indexOf('=');
  const name = (equals === -1 ? argument : argument.slice(0, equals)).replace(/\.$/, '');
  if (!/^[\w-]+(\.[\w-]+)+$/.test(name)) return undefined;
  if (equals === -1) return { name, counts: (address) => parseIpv4(address) !== undefined };
  const octets = parseOctetPatterns(argument.slice(equals + 1));
  if (octets === undefined) return undefined;
  return {
    name,
    counts(address) {
      const bytes = parseIpv4(address);
      return bytes !== undefined && octets.every((pattern, i) => pattern(bytes[i] ?? -1));
    },
  };
}

type OctetPattern = (octet: number) => boolean;

// octet = number / "[" range *(";" range) "]" ; range = number / number ".." number
function parseOctetPatterns(text: string): OctetPattern[] | undefined {
  const parts = text.match(/\[[0-9.;]+\]|[0-9]+/g) ?? [];
  if (parts.length !== 4 || parts.join('.') !== text) return undefined;
  const patterns: OctetPattern[] = [];
  for (const part of parts) {
    const ranges = part.replace(/[[\]]/g, '').split(';');
    const bounds = ranges.map((range) => /^([0-9]{1,3})(?:\.\.([0-9]{1,3}))?$/.exec(range));
    if (bounds.includes(null)) return undefined;
    patterns.push((octet) =>
      bounds.some((m) => m !== null && octet >= Number(m[1]) && octet <= Number(m[2] ?? m[1])),
    );
  }
  return patterns;
}

/** `192.0.2.1` → `1.2.0.192`; IPv6 by nibbles. */
function reversedAddress(text: string): string | undefined {
  const bytes = parseIp(text);
  if (bytes === undefined) return undefined;
  if (bytes.length === 4) return [...bytes].reverse().join('.');
  return [...bytes]
    .reverse()
    .map((b) => `${(b & 15).toString(16)}.${(b >> 4).toString(16)}`)
    .join('.');
}

interface Listing {
  readonly zone: Zone;
  /** The name asked about, without the zone. */
  readonly label: string;
  readonly subject: Subject;
}

function checkList(
  input: RestrictionInput,
  { zone, label, subject }: Listing,
): WordVerdict | Promise<WordVerdict> {
  const name = `${label}.${zone.name}`;
  return then(
    once<string>(input, `a:${name}`, () => input.dns.addresses(name)),
    async (answer): Promise<WordVerdict> => {
      if (answer.kind === 'failed') return pass(`${zone.name} did not answer: ${answer.reason}`);
      if (answer.kind === 'absent' || !answer.records.some(zone.counts)) return pass(`not on ${zone.name}`);
      const texts = await once<string>(input, `txt:${name}`, () => input.dns.txt(name));
      const reason = texts.kind === 'found' ? `; ${printable(texts.records[0] ?? '').slice(0, 400)}` : '';
      const text = `Service unavailable; ${subject.label} [${subject.name}] blocked using ${zone.name}${reason}`;
      return reject(`on ${zone.name}`, reply(input.settings.codes.mapsRbl, '7.1', text));
    },
  );
}

const rejectRblClient: RestrictionWord = {
  word: 'reject_rbl_client',
  cost: 'dns',
  needs: 'nothing',
  argument: 'required',
  run(input, _, argument) {
    const zone = parseZone(argument);
    const label = reversedAddress(input.clientAddress);
    if (zone === undefined || label === undefined) return pass('nothing to ask');
    return checkList(input, { zone, label, subject: { name: input.clientAddress, label: 'Client host' } });
  },
};

type NameOf = (
  input: RestrictionInput,
) => { name: string | undefined; shown: string } | Promise<{ name: string | undefined; shown: string }>;

function rhsblWord(
  word: string,
  needs: RestrictionWord['needs'],
  label: string,
  nameOf: NameOf,
): RestrictionWord {
  return {
    word,
    cost: 'dns',
    needs,
    argument: 'required',
    run: (input, _, argument) =>
      then(nameOf(input), ({ name, shown }) => {
        const zone = parseZone(argument);
        const asked = name?.replace(/\.$/, '').toLowerCase();
        if (zone === undefined || asked === undefined || asked === '' || asked.startsWith('[')) {
          return pass('nothing to ask');
        }
        return checkList(input, { zone, label: asked, subject: { name: shown, label } });
      }),
  };
}

export const DNS_WORDS: readonly RestrictionWord[] = [
  rejectUnknownSenderDomain,
  { ...rejectUnknownSenderDomain, word: 'reject_unknown_address' },
  rejectUnknownRecipientDomain,
  clientWord('reject_unknown_client_hostname', judgeClientName),
  clientWord('reject_unknown_client', judgeClientName),
  clientWord('reject_unknown_reverse_client_hostname', judgeReverseName),
  rejectUnknownHelo,
  { ...rejectUnknownHelo, word: 'reject_unknown_hostname' },
  rejectRblClient,
  rhsblWord('reject_rhsbl_client', 'nothing', 'Client host', (input) =>
    then(input.clientName(), (client) => ({
      name: client.name === 'unknown' ? undefined : client.name,
      shown: client.name,
    })),
  ),
  rhsblWord('reject_rhsbl_reverse_client', 'nothing', 'Unverified Client host', (input) =>
    then(input.clientName(), (client) => ({
      name: client.reverseName === 'unknown' ? undefined : client.reverseName,
      shown: client.reverseName,
    })),
  ),
  rhsblWord('reject_rhsbl_helo', 'helo', 'Helo command', ({ helo = '' }) => ({ name: helo, shown: helo })),
  rhsblWord('reject_rhsbl_sender', 'sender', 'Sender address', ({ sender }) => ({
    name: sender?.mailbox?.domain,
    shown: sender?.display ?? '',
  })),
  rhsblWord('reject_rhsbl_recipient', 'recipient', 'Recipient address', ({ recipient }) => ({
    name: recipient?.mailbox?.domain,
    shown: recipient?.display ?? '',
  })),
];

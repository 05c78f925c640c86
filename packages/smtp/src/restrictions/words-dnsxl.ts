// Words that ask DNS lists: RBL and RHSBL refuse, DNSWL and RHSWL permit. POSTFIX: a block list that does not answer
// lists nobody; an allow list that does not answer turns a later refusal into a temporary one.

import { isHostname } from '../address.ts';
import { parseIp, parseIpv4 } from '../networks.ts';
import type { DnsAnswer } from '../ports.ts';
import { type Reply, printable, reply } from '../reply.ts';
import { STRANGER, relayVerdict } from '../relay.ts';
import { findFirst } from './access-lookup.ts';
import { splitStatus, statusFor } from './enhanced-status.ts';
import { once, whenReady } from './look-up-once.ts';
import type { RestrictionInput, RestrictionWord, Subject, WordVerdict } from './types.ts';

const pass = (saw: string): WordVerdict => ({ kind: 'pass', saw });

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
export function reversedAddress(text: string): string | undefined {
  const bytes = parseIp(text);
  if (bytes === undefined) return undefined;
  if (bytes.length === 4) return [...bytes].reverse().join('.');
  return [...bytes]
    .reverse()
    .map((b) => `${(b & 15).toString(16)}.${(b >> 4).toString(16)}`)
    .join('.');
}

interface Listing {
  /** As the configuration has it, filter included: also the key of `rbl_reply_maps`. */
  readonly argument: string;
  readonly zone: Zone;
  /** The name asked about, without the zone. */
  readonly label: string;
  readonly subject: Subject;
}

type Listed =
  | { readonly kind: 'listed'; readonly name: string }
  | { readonly kind: 'unlisted' }
  | { readonly kind: 'failed'; readonly reason: string };

function look(input: RestrictionInput, { zone, label }: Listing): Listed | Promise<Listed> {
  const name = `${label}.${zone.name}`;
  return whenReady(
    once<string>(input, `a:${name}`, () => input.dns.addresses(name)),
    (answer: DnsAnswer<string>): Listed => {
      if (answer.kind === 'failed') return answer;
      const isListed = answer.kind === 'found' && answer.records.some(zone.counts);
      return isListed ? { kind: 'listed', name } : { kind: 'unlisted' };
    },
  );
}

function blockIfListed(input: RestrictionInput, listing: Listing): WordVerdict | Promise<WordVerdict> {
  const { zone } = listing;
  return whenReady(look(input, listing), async (listed): Promise<WordVerdict> => {
    if (listed.kind === 'failed') return pass(`${zone.name} did not answer: ${listed.reason}`);
    if (listed.kind === 'unlisted') return pass(`not on ${zone.name}`);
    const texts = await once<string>(input, `txt:${listed.name}`, () => input.dns.txt(listed.name));
    const reason = texts.kind === 'found' ? printable(texts.records[0] ?? '').slice(0, 400) : '';
    return refuseListed(input, listing, reason);
  });
}

/** POSTFIX: rbl_reject_reply: a template of the list's own, or the default one. */
async function refuseListed(
  input: RestrictionInput,
  { argument, zone, subject }: Listing,
  reason: string,
): Promise<WordVerdict> {
  const { settings } = input;
  const client = await input.clientName();
  const attributes = new Map([
    ['rbl_code', String(settings.codes.mapsRbl)],
    ['rbl_domain', zone.name],
    ['rbl_reason', reason],
    ['rbl_txt', reason],
    ['rbl_what', subject.name],
    ['rbl_class', subject.label],
    ['client', `${client.name}[${input.clientAddress}]`],
    ['client_address', input.clientAddress],
    ['client_name', client.name],
    ['reverse_client_name', client.reverseName],
    ['helo_name', input.helo ?? ''],
    ['sender', input.sender?.display ?? ''],
    ['sender_domain', input.sender?.mailbox?.domain ?? ''],
    ['sender_name', input.sender?.mailbox?.local ?? ''],
    ['recipient', input.recipient?.display ?? ''],
    ['recipient_domain', input.recipient?.mailbox?.domain ?? ''],
    ['recipient_name', input.recipient?.mailbox?.local ?? ''],
  ]);
  const warnings: string[] = [];
  let template = settings.defaultRblReply;
  if (settings.rblReplyMaps !== undefined) {
    const own = await findFirst(settings.rblReplyMaps, [
      [argument, 'full'],
      [zone.name, 'full'],
    ]);
    if (own.kind === 'failed') {
      return { kind: 'fault', saw: own.reason, warnings: [`rbl_reply_maps: ${own.reason}`] };
    }
    if (own.kind === 'found') template = own.value;
  }
  let text = settings.expandTemplate(template, attributes);
  if (text === undefined) {
    warnings.push(`bad rbl reply template for domain ${zone.name}: ${template}`);
    text = settings.expandTemplate(settings.defaultRblReply, attributes) ?? '';
  }
  return { kind: 'reject', saw: `on ${zone.name}`, reply: replyOf(text, subject.label, warnings), warnings };
}

const MAX_TEXT = 480;

function replyOf(text: string, label: string, warnings: string[]): Reply {
  const match = /^([45][0-9][0-9]) (.*)$/s.exec(text);
  if (match === null) {
    warnings.push(`rbl response code configuration error: ${printable(text)}`);
    return reply(450, '7.1', 'Service unavailable');
  }
  const { status, text: rest } = splitStatus(match[2] ?? '', 'x.7.1');
  const shown = printable(rest).slice(0, MAX_TEXT);
  return reply(Number(match[1]), statusFor(status, label), shown === '' ? 'Service unavailable' : shown);
}

function permitIfListed(input: RestrictionInput, listing: Listing): WordVerdict | Promise<WordVerdict> {
  const { zone, subject } = listing;
  // POSTFIX: an allow list never makes a relay of us.
  const mailbox = input.recipient?.mailbox;
  if (mailbox !== undefined) {
    const { kind } = relayVerdict(STRANGER, mailbox, {
      classify: (m) => input.addresses.classify(m),
      rules: input.settings,
    });
    if (kind === 'denied') return pass('the recipient is not ours');
  }
  return whenReady(look(input, listing), (listed): WordVerdict => {
    if (listed.kind === 'listed') return { kind: 'permit', saw: `on ${zone.name}` };
    if (listed.kind === 'unlisted') return pass(`not on ${zone.name}`);
    const text = `<${subject.name}>: ${subject.label} rejected: Service unavailable`;
    return { kind: 'deferIfReject', saw: listed.reason, reply: reply(450, '7.1', text) };
  });
}

type Act = (input: RestrictionInput, listing: Listing) => WordVerdict | Promise<WordVerdict>;

function addressWord(word: string, act: Act): RestrictionWord {
  return {
    word,
    cost: 'dns',
    needs: 'nothing',
    argument: 'required',
    run(input, _, argument) {
      const zone = parseZone(argument);
      const label = reversedAddress(input.clientAddress);
      if (zone === undefined || label === undefined) return pass('nothing to ask');
      const subject = { name: input.clientAddress, label: 'Client host' };
      return act(input, { argument, zone, label, subject });
    },
  };
}

interface Named {
  readonly name: string | undefined;
  readonly shown: string;
}

interface NameWord {
  readonly word: string;
  readonly needs: RestrictionWord['needs'];
  readonly label: string;
  readonly act: Act;
  readonly nameOf: (input: RestrictionInput) => Named | Promise<Named>;
}

function nameWord({ word, needs, label, act, nameOf }: NameWord): RestrictionWord {
  return {
    word,
    cost: 'dns',
    needs,
    argument: 'required',
    run: (input, _, argument) =>
      whenReady(nameOf(input), ({ name, shown }) => {
        const zone = parseZone(argument);
        const asked = name?.toLowerCase() ?? '';
        // POSTFIX: lists of names are not asked about what ends like an address.
        if (zone === undefined || !isHostname(asked) || /(^|\.)[0-9]+$/.test(asked)) {
          return pass('nothing to ask');
        }
        return act(input, { argument, zone, label: asked, subject: { name: shown, label } });
      }),
  };
}

const ofClient: NameWord['nameOf'] = (input) =>
  whenReady(input.clientName(), ({ name }) => ({ name: name === 'unknown' ? undefined : name, shown: name }));

/** POSTFIX: the lists of `maps_rbl_domains`, one after the other. */
const rejectMapsRbl: RestrictionWord = {
  word: 'reject_maps_rbl',
  cost: 'dns',
  needs: 'nothing',
  argument: 'none',
  async run(input, subject) {
    const warnings = [
      'support for restriction "reject_maps_rbl" will be removed from Postfix; use "reject_rbl_client domain-name" instead',
    ];
    for (const domain of input.settings.mapsRblDomains) {
      const verdict = await rejectRbl.run(input, subject, domain);
      if (verdict.kind !== 'pass')
        return { ...verdict, warnings: [...warnings, ...(verdict.warnings ?? [])] };
    }
    return { ...pass('on none of maps_rbl_domains'), warnings };
  },
};

const rejectRbl = addressWord('reject_rbl_client', blockIfListed);

export const DNSXL_WORDS: readonly RestrictionWord[] = [
  rejectRbl,
  rejectMapsRbl,
  { ...rejectRbl, word: 'reject_rbl' },
  addressWord('permit_dnswl_client', permitIfListed),
  nameWord({
    word: 'permit_rhswl_client',
    needs: 'nothing',
    label: 'Client host',
    act: permitIfListed,
    nameOf: ofClient,
  }),
  nameWord({
    word: 'reject_rhsbl_client',
    needs: 'nothing',
    label: 'Client host',
    act: blockIfListed,
    nameOf: ofClient,
  }),
  nameWord({
    word: 'reject_rhsbl_reverse_client',
    needs: 'nothing',
    label: 'Unverified Client host',
    act: blockIfListed,
    nameOf: (input) =>
      whenReady(input.clientName(), ({ reverseName }) => ({
        name: reverseName === 'unknown' ? undefined : reverseName,
        shown: reverseName,
      })),
  }),
  nameWord({
    word: 'reject_rhsbl_helo',
    needs: 'helo',
    label: 'Helo command',
    act: blockIfListed,
    nameOf: ({ helo = '' }) => ({ name: helo, shown: helo }),
  }),
  nameWord({
    word: 'reject_rhsbl_sender',
    needs: 'sender',
    label: 'Sender address',
    act: blockIfListed,
    nameOf: ({ sender }) => ({ name: sender?.mailbox?.domain, shown: sender?.display ?? '' }),
  }),
  nameWord({
    word: 'reject_rhsbl_recipient',
    needs: 'recipient',
    label: 'Recipient address',
    act: blockIfListed,
    nameOf: ({ recipient }) => ({ name: recipient?.mailbox?.domain, shown: recipient?.display ?? '' }),
  }),
];

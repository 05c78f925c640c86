// Questions to a name server and their answers as octets (RFC 1035, EDNS0 of RFC 6891, the AD bit of RFC 6840), for the
// records whose DNSSEC state counts when mail is sent. Pure; never throws; bounded against names that point in circles.

export const RECORD_TYPES = { A: 1, CNAME: 5, MX: 15, AAAA: 28, TLSA: 52 } as const;
export type SecureType = Exclude<keyof typeof RECORD_TYPES, 'CNAME'>;

export interface DnsResponse {
  readonly id: number;
  readonly rcode: number;
  /** The resolver says that it validated everything in the answer. */
  readonly authentic: boolean;
  readonly truncated: boolean;
  /** Where the chain of CNAMEs ends, in lower case without the last dot; the name asked for when there is none. */
  readonly name: string;
  /** Of the type asked for, at that name. */
  readonly records: readonly DnsRecord[];
}

export type DnsRecord =
  | { readonly type: 'A' | 'AAAA'; readonly address: string }
  | { readonly type: 'MX'; readonly preference: number; readonly exchange: string }
  | { readonly type: 'TLSA'; readonly tlsa: TlsaRecord };

/** RFC 6698 §2.1. */
export interface TlsaRecord {
  readonly usage: number;
  readonly selector: number;
  readonly matching: number;
  readonly data: Buffer;
}

/** Octets that an answer over UDP may have: no fragments on any path (RFC 9715). */
const UDP_SIZE = 1232;
const MAX_RECORDS = 200;
const MAX_CNAMES = 10;
const MAX_POINTERS = 20;

/** Undefined for what is no name: a label empty or over 63 octets, more than 255 octets altogether. */
export function formatQuestion(id: number, name: string, type: SecureType): Buffer | undefined {
  const labels = name.replace(/\.$/, '').split('.');
  const encoded: Buffer[] = [];
  for (const label of labels) {
    const octets = Buffer.from(label, 'latin1');
    if (octets.length === 0 || octets.length > 63 || /[^\x21-\x7e]/.test(label)) return undefined;
    encoded.push(Buffer.of(octets.length), octets);
  }
  const question = Buffer.concat([...encoded, Buffer.of(0, 0, RECORD_TYPES[type], 0, 1)]);
  if (question.length > 255 + 4) return undefined;
  const head = Buffer.alloc(12);
  head.writeUInt16BE(id, 0);
  // Recursion desired; AD: we understand the bit (RFC 6840 §5.7).
  head.writeUInt16BE(0x0120, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(1, 10);
  // OPT: root, type 41, size, extended rcode 0, version 0, DO.
  const opt = Buffer.of(0, 0, 41, UDP_SIZE >> 8, UDP_SIZE & 0xff, 0, 0, 0x80, 0, 0, 0);
  return Buffer.concat([head, question, opt]);
}

/** Undefined for what is no answer to this question. */
export function parseResponse(
  octets: Buffer,
  asked: { readonly name: string; readonly type: SecureType },
): DnsResponse | undefined {
  if (octets.length < 12) return undefined;
  const flags = octets.readUInt16BE(2);
  if ((flags & 0x8000) === 0 || octets.readUInt16BE(4) !== 1) return undefined;
  const question = readName(octets, 12);
  const wanted = asked.name.toLowerCase().replace(/\.$/, '');
  const type = RECORD_TYPES[asked.type];
  if (question === undefined || question.name !== wanted || octets.length < question.end + 4)
    return undefined;
  if (octets.readUInt16BE(question.end) !== type || octets.readUInt16BE(question.end + 2) !== 1)
    return undefined;
  const head = {
    id: octets.readUInt16BE(0),
    rcode: flags & 0x0f,
    authentic: (flags & 0x0020) !== 0,
    truncated: (flags & 0x0200) !== 0,
  };
  if (head.truncated) return { ...head, name: wanted, records: [] };
  const rows = readRows(octets, question.end + 4, octets.readUInt16BE(6));
  if (rows === undefined) return undefined;
  let name = wanted;
  for (let i = 0; i < MAX_CNAMES; i++) {
    const alias = rows.find((row) => row.type === RECORD_TYPES.CNAME && row.owner === name);
    const next = alias === undefined ? undefined : readName(octets, alias.start)?.name;
    if (next === undefined) break;
    name = next;
  }
  const records = rows
    .filter((row) => row.type === type && row.owner === name)
    .map((row) => readRecord(octets, row, asked.type));
  // One record cut short makes the answer worthless.
  return records.some((record) => record === undefined)
    ? undefined
    : { ...head, name, records: records.filter((record) => record !== undefined) };
}

interface Row {
  readonly owner: string;
  readonly type: number;
  readonly start: number;
  readonly end: number;
}

function readRows(octets: Buffer, from: number, count: number): Row[] | undefined {
  const rows: Row[] = [];
  let at = from;
  for (let i = 0; i < Math.min(count, MAX_RECORDS); i++) {
    const owner = readName(octets, at);
    if (owner === undefined || octets.length < owner.end + 10) return undefined;
    const start = owner.end + 10;
    const end = start + octets.readUInt16BE(owner.end + 8);
    if (end > octets.length) return undefined;
    if (octets.readUInt16BE(owner.end + 2) === 1)
      rows.push({ owner: owner.name, type: octets.readUInt16BE(owner.end), start, end });
    at = end;
  }
  return rows;
}

function readRecord(octets: Buffer, { start, end }: Row, type: SecureType): DnsRecord | undefined {
  const data = octets.subarray(start, end);
  switch (type) {
    case 'A':
      return data.length === 4 ? { type, address: data.join('.') } : undefined;
    case 'AAAA':
      return data.length === 16 ? { type, address: formatIpv6(data) } : undefined;
    case 'MX': {
      const exchange = data.length < 3 ? undefined : readName(octets, start + 2);
      return exchange === undefined
        ? undefined
        : { type, preference: data.readUInt16BE(0), exchange: exchange.name };
    }
    case 'TLSA': {
      const [usage, selector, matching] = data;
      if (usage === undefined || selector === undefined || matching === undefined) return undefined;
      return { type, tlsa: { usage, selector, matching, data: Buffer.from(data.subarray(3)) } };
    }
  }
}

/** Groups in full: they are never shown. */
function formatIpv6(data: Buffer): string {
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(data.readUInt16BE(i).toString(16));
  return groups.join(':');
}

// RFC 1035 §4.1.4.
function readName(octets: Buffer, from: number): { readonly name: string; readonly end: number } | undefined {
  const labels: string[] = [];
  let at = from;
  let end: number | undefined;
  let pointers = 0;
  let size = 0;
  for (;;) {
    const length = octets[at];
    if (length === undefined) return undefined;
    if (length >= 0xc0) {
      const low = octets[at + 1];
      if (low === undefined || ++pointers > MAX_POINTERS) return undefined;
      end ??= at + 2;
      at = ((length & 0x3f) << 8) | low;
      continue;
    }
    if (length > 63 || at + 1 + length > octets.length) return undefined;
    if (length === 0) return { name: labels.join('.').toLowerCase(), end: end ?? at + 1 };
    size += length + 1;
    if (size > 255) return undefined;
    labels.push(octets.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
}

// A small DNS server for tests, over UDP and TCP: A, AAAA, MX, PTR, TXT and TLSA records, NXDOMAIN, SERVFAIL and
// silence. It answers from a plain table and knows no recursion. Every address in the standing zone is loopback,
// so nothing a server under test looks up can lead outside.

import dgram from 'node:dgram';
import net from 'node:net';

export interface NameRecords {
  readonly a?: readonly string[];
  readonly aaaa?: readonly string[];
  /** Preference and exchange; exchange '' is the null MX. */
  readonly mx?: readonly (readonly [number, string])[];
  readonly ptr?: readonly string[];
  readonly ns?: readonly string[];
  readonly txt?: readonly string[];
  /** Hex octets of usage, selector, matching type and data. */
  readonly tlsa?: readonly string[];
  /** The name is another's (RFC 1034 §3.6.2). */
  readonly cname?: string;
  /** Answers carry the AD bit, as a validating resolver's do for a signed zone. */
  readonly secure?: boolean;
  /** Answers SERVFAIL, or nothing at all, to any question. */
  readonly fault?: 'servfail' | 'silence';
}

const CNAME = 5;
const MAX_CNAMES = 8;

export type Zone = Readonly<Record<string, NameRecords>>;

const LOOPBACK = ['127.0.0.1'];

/** What the transcripts rely on; test/transcripts/README.md lists it. */
export const STANDING_ZONE: Zone = {
  'example.com': { a: LOOPBACK, mx: [[10, 'lollipop.example.com']] },
  'lollipop.example.com': { a: LOOPBACK },
  'localhost.example.com': { a: LOOPBACK },
  'sender.example': { a: LOOPBACK, mx: [[10, 'mx.sender.example']] },
  'mx.sender.example': { a: LOOPBACK },
  // Its exchange refuses connections: mail to it stays in the queue.
  'remote.example': { mx: [[10, 'mx.remote.example']] },
  'mx.remote.example': { a: ['127.99.99.99'] },
  'address-only.example': { a: LOOPBACK },
  'null-mx.example': { mx: [[0, '']] },
  'no-data.example': { txt: ['neither address nor exchange'] },
  'servfail.example': { fault: 'servfail' },
  'silent.example': { fault: 'silence' },
  // 127.0.0.2: a stranger whose name verifies; 127.0.0.3: one whose name does not; 127.0.0.4: without a name.
  '2.0.0.127.in-addr.arpa': { ptr: ['stranger.example'] },
  'stranger.example': { a: ['127.0.0.2'] },
  '3.0.0.127.in-addr.arpa': { ptr: ['forged.example'] },
  'forged.example': { a: ['127.0.0.77'] },
};

const TYPES: Readonly<Record<number, keyof NameRecords>> = {
  1: 'a',
  2: 'ns',
  12: 'ptr',
  15: 'mx',
  16: 'txt',
  28: 'aaaa',
  52: 'tlsa',
};
const ANSWER_TTL = 5;
const RCODE = { ok: 0, servfail: 2, nxdomain: 3, notImplemented: 4 } as const;

function encodeName(name: string): Buffer {
  const labels = name.split('.').filter((label) => label !== '');
  return Buffer.concat([
    ...labels.map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label, 'latin1')])),
    Buffer.of(0),
  ]);
}

function encodeIpv6(address: string): Buffer {
  const [head = '', tail] = address.split('::');
  const groups = (text: string | undefined): string[] =>
    (text ?? '').split(':').filter((group) => group !== '');
  const [left, right] = [groups(head), groups(tail)];
  const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

function encodeRecords(records: NameRecords, type: keyof NameRecords): Buffer[] {
  switch (type) {
    case 'a':
      return (records.a ?? []).map((address) => Buffer.from(address.split('.').map(Number)));
    case 'aaaa':
      return (records.aaaa ?? []).map(encodeIpv6);
    case 'ptr':
      return (records.ptr ?? []).map(encodeName);
    case 'ns':
      return (records.ns ?? []).map(encodeName);
    case 'mx':
      return (records.mx ?? []).map(([preference, exchange]) =>
        Buffer.concat([Buffer.of(preference >> 8, preference & 0xff), encodeName(exchange)]),
      );
    case 'txt':
      return (records.txt ?? []).map((text) =>
        Buffer.concat(
          (text.match(/.{1,255}/gs) ?? ['']).map((piece) =>
            Buffer.concat([Buffer.of(piece.length), Buffer.from(piece, 'latin1')]),
          ),
        ),
      );
    case 'tlsa':
      return (records.tlsa ?? []).map((hex) => Buffer.from(hex, 'hex'));
    default:
      return [];
  }
}

export interface Question {
  readonly name: string;
  readonly type: number;
}

function readQuestion(query: Buffer): (Question & { readonly end: number }) | undefined {
  const labels: string[] = [];
  let at = 12;
  for (;;) {
    const length = query[at];
    if (length === undefined || length > 63) return undefined;
    at++;
    if (length === 0) break;
    labels.push(query.toString('latin1', at, at + length));
    at += length;
  }
  if (query.length < at + 4) return undefined;
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at), end: at + 4 };
}

export class DnsServer {
  readonly #zone = new Map<string, NameRecords>();
  readonly #udp = dgram.createSocket('udp4');
  readonly #tcp = net.createServer();
  /** Everything asked so far. */
  readonly questions: Question[] = [];
  readonly address: string;
  port = 0;

  private constructor(zone: Zone, address: string) {
    this.address = address;
    this.set(zone);
  }

  /** Port 0 chooses a high one. Port 53 of an odd loopback address is for servers that know no other port. */
  static async start(
    options: { readonly zone?: Zone; readonly address?: string; readonly port?: number } = {},
  ): Promise<DnsServer> {
    const server = new DnsServer(options.zone ?? STANDING_ZONE, options.address ?? '127.0.0.1');
    server.#udp.on('message', (query, from) => {
      const answer = server.#answer(query);
      if (answer !== undefined)
        server.#udp.send(answer.length > 512 ? truncated(answer) : answer, from.port, from.address);
    });
    server.#tcp.on('connection', (socket) => server.#serveTcp(socket));
    await new Promise<void>((resolve, reject) => {
      server.#udp.once('error', reject);
      server.#udp.bind(options.port ?? 0, server.address, resolve);
    });
    server.port = server.#udp.address().port;
    await new Promise<void>((resolve, reject) => {
      server.#tcp.once('error', reject);
      server.#tcp.listen(server.port, server.address, resolve);
    });
    return server;
  }

  /** Adds or replaces names. */
  set(zone: Zone): void {
    for (const [name, records] of Object.entries(zone)) this.#zone.set(name.toLowerCase(), records);
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => this.#udp.close(() => resolve()));
    await new Promise<void>((resolve) => this.#tcp.close(() => resolve()));
  }

  #serveTcp(socket: net.Socket): void {
    let buffer = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      buffer = Buffer.concat([buffer, chunk]);
      while (buffer.length >= 2 && buffer.length >= 2 + buffer.readUInt16BE(0)) {
        const end = 2 + buffer.readUInt16BE(0);
        const answer = this.#answer(buffer.subarray(2, end));
        buffer = buffer.subarray(end);
        if (answer !== undefined)
          socket.write(Buffer.concat([Buffer.of(answer.length >> 8, answer.length & 0xff), answer]));
      }
    });
  }

  #answer(query: Buffer): Buffer | undefined {
    const question = readQuestion(query);
    if (question === undefined) return undefined;
    this.questions.push({ name: question.name, type: question.type });
    const asked = this.#zone.get(question.name);
    if (asked?.fault === 'silence') return undefined;
    const aliases: string[] = [];
    let owner = question.name;
    let secure = asked?.secure === true;
    let records = asked;
    while (records?.cname !== undefined && aliases.length < MAX_CNAMES) {
      aliases.push(owner);
      owner = records.cname.toLowerCase();
      records = this.#zone.get(owner);
      secure &&= records?.secure === true;
    }
    const type = TYPES[question.type];
    const data = records === undefined || type === undefined ? [] : encodeRecords(records, type);
    // A name exists when it or one below it does (RFC 8020).
    const exists = records !== undefined || [...this.#zone.keys()].some((name) => name.endsWith(`.${owner}`));
    const rcode = records?.fault === 'servfail' ? RCODE.servfail : exists ? RCODE.ok : RCODE.nxdomain;
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    // Response, authoritative, recursion as asked and available; AD for who understands it (RFC 6840 §5.7).
    const authentic = secure && (query.readUInt16BE(2) & 0x0020) !== 0 ? 0x0020 : 0;
    header.writeUInt16BE(0x8480 | (query.readUInt16BE(2) & 0x0100) | authentic | rcode, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(aliases.length + data.length, 6);
    const answers = [
      ...aliases.map((name) => encodeAnswer(name, CNAME, encodeName(this.#zone.get(name)?.cname ?? ''))),
      ...data.map((rdata) => encodeAnswer(owner, question.type, rdata)),
    ];
    return Buffer.concat([header, query.subarray(12, question.end), ...answers]);
  }
}

function encodeAnswer(owner: string, type: number, rdata: Buffer): Buffer {
  const head = Buffer.alloc(10);
  head.writeUInt16BE(type, 0);
  head.writeUInt16BE(1, 2);
  head.writeUInt32BE(ANSWER_TTL, 4);
  head.writeUInt16BE(rdata.length, 8);
  return Buffer.concat([encodeName(owner), head, rdata]);
}

function truncated(answer: Buffer): Buffer {
  const question = readQuestion(answer);
  const short = Buffer.from(answer.subarray(0, question?.end ?? 12));
  short.writeUInt16BE(short.readUInt16BE(2) | 0x0200, 2);
  short.writeUInt16BE(0, 6);
  return short;
}

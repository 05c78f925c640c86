// Questions to the resolver that ask for DNSSEC, for DANE. Whether an answer is secure is what a validating resolver
// says of it (the AD bit), and only a resolver on this machine is believed: on any other way somebody could set the bit.
//
// Never rejects. UDP first, TCP where the answer does not fit; each server in turn.

import dgram from 'node:dgram';
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { SecureAnswer, SecureDns } from '../client/dane.ts';
import { type DnsResponse, formatQuestion, parseResponse, type SecureType } from '../client/dns-message.ts';

interface Server {
  readonly address: string;
  readonly port: number;
}

export interface SecureDnsOptions {
  /** Addresses, with a port after a colon if not 53; those of /etc/resolv.conf when absent. */
  readonly servers?: readonly string[];
  /** Milliseconds for one try. */
  readonly timeout?: number;
  /** Told once when a resolver that is not believed says that it validated. */
  readonly doubt?: (text: string) => void;
}

const TIMEOUT = 5_000;
const ROUNDS = 2;
const KEPT = 60_000;
const KEPT_FAILURE = 5_000;
const MAX_ENTRIES = 2_000;
const OK = 0;
const NXDOMAIN = 3;

interface Question {
  readonly name: string;
  readonly type: SecureType;
}

export function openSecureDns(options: SecureDnsOptions = {}): SecureDns {
  const timeout = options.timeout ?? TIMEOUT;
  let doubted = false;
  const believe = (address: string): boolean => {
    if (isLoopback(address)) return true;
    if (!doubted) {
      options.doubt?.(
        `the resolver ${address} is not on this machine: its word on DNSSEC is not taken, and DANE has no effect. ` +
          'Run a validating resolver on 127.0.0.1',
      );
    }
    doubted = true;
    return false;
  };
  const kept = new Map<string, { readonly answer: Promise<SecureAnswer>; until: number }>();
  return {
    query(name, type) {
      const key = `${type} ${name.toLowerCase()}`;
      const known = kept.get(key);
      if (known !== undefined && known.until > performance.now()) return known.answer;
      const answer = ask({ name, type }, { servers: options.servers ?? systemServers(), timeout, believe });
      const entry = { answer, until: Number.POSITIVE_INFINITY };
      kept.delete(key);
      kept.set(key, entry);
      if (kept.size > MAX_ENTRIES) kept.delete(kept.keys().next().value ?? '');
      void answer.then(({ kind }) => {
        entry.until = performance.now() + (kind === 'failed' ? KEPT_FAILURE : KEPT);
      });
      return answer;
    },
  };
}

/** resolv.conf(5): without one, the resolver of this machine. */
function systemServers(): string[] {
  try {
    const servers = [...readFileSync('/etc/resolv.conf', 'latin1').matchAll(/^nameserver[ \t]+(\S+)/gm)];
    if (servers.length > 0) return servers.map(([, address = '']) => address);
  } catch {
    // As if it were empty.
  }
  return ['127.0.0.1'];
}

interface Asking {
  readonly servers: readonly string[];
  readonly timeout: number;
  believe(address: string): boolean;
}

async function ask(question: Question, { servers, timeout, believe }: Asking): Promise<SecureAnswer> {
  const shown = `${question.name} type=${question.type}`;
  let reason = 'no resolver answers';
  for (let round = 0; round < ROUNDS; round++) {
    for (const text of servers) {
      const server = parseServer(text);
      const response = await askServer(question, server, timeout);
      if (response === 'malformed') return failed(shown, 'the name cannot be asked for');
      if (response === undefined) continue;
      if (response.rcode === OK || response.rcode === NXDOMAIN) {
        const { name, records, authentic } = response;
        return { kind: 'answer', secure: authentic && believe(server.address), name, records };
      }
      reason = `the resolver answers with code ${response.rcode}`;
    }
  }
  return failed(shown, reason);
}

const failed = (shown: string, reason: string): SecureAnswer => ({
  kind: 'failed',
  reason: `Name service error for name=${shown}: ${reason}`,
});

const isLoopback = (address: string): boolean => address.startsWith('127.') || address === '::1';

function parseServer(text: string): Server {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(text);
  if (bracketed !== null) return { address: bracketed[1] ?? '', port: Number(bracketed[2] ?? 53) };
  const plain = /^([^:]+):(\d+)$/.exec(text);
  return plain === null ? { address: text, port: 53 } : { address: plain[1] ?? '', port: Number(plain[2]) };
}

async function askServer(
  question: Question,
  server: Server,
  timeout: number,
): Promise<DnsResponse | 'malformed' | undefined> {
  const id = randomInt(0x10000);
  const octets = formatQuestion(id, question.name, question.type);
  if (octets === undefined) return 'malformed';
  const read = (answer: Buffer): DnsResponse | undefined => {
    const response = parseResponse(answer, question);
    return response?.id === id ? response : undefined;
  };
  const answer = await overUdp(octets, server, { timeout, read });
  return answer?.truncated === true ? await overTcp(octets, server, { timeout, read }) : answer;
}

interface Exchange {
  readonly timeout: number;
  read(answer: Buffer): DnsResponse | undefined;
}

/** Answers that are none of ours are passed over, as if they had not come. */
function overUdp(
  octets: Buffer,
  { address, port }: Server,
  { timeout, read }: Exchange,
): Promise<DnsResponse | undefined> {
  return new Promise((resolve) => {
    const socket = dgram.createSocket(address.includes(':') ? 'udp6' : 'udp4');
    let over = false;
    const end = (answer: DnsResponse | undefined): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      socket.close();
      resolve(answer);
    };
    const timer = setTimeout(() => end(undefined), timeout);
    socket.on('error', () => end(undefined));
    socket.on('message', (message) => {
      const answer = read(message);
      if (answer !== undefined) end(answer);
    });
    // Connected: the kernel lets nobody else's datagrams in, and tells of a port where nobody listens.
    socket.connect(port, address, () => {
      if (!over) socket.send(octets);
    });
  });
}

function overTcp(
  octets: Buffer,
  { address, port }: Server,
  { timeout, read }: Exchange,
): Promise<DnsResponse | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    let received: Buffer = Buffer.alloc(0);
    const end = (answer: DnsResponse | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => end(undefined), timeout);
    socket.on('error', () => end(undefined));
    socket.on('close', () => end(undefined));
    socket.on('connect', () =>
      socket.write(Buffer.concat([Buffer.of(octets.length >> 8, octets.length & 0xff), octets])),
    );
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      // Two octets of length bound it.
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      end(read(received.subarray(2, 2 + received.readUInt16BE(0))));
    });
  });
}

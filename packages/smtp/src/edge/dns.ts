// The DNS port over Node's resolver: every question ends within a time limit, equal questions at the same time are
// asked once, answers are kept for a short while. /etc/hosts comes first for names and addresses of hosts.
//
// Never rejects: what went wrong is an answer of kind `failed`.

import { Resolver } from 'node:dns/promises';
import type { Dns, DnsAnswer } from '../ports.ts';
import { AnswerCache } from './answer-cache.ts';
import { type HostsFile, openHostsFile } from './hosts-file.ts';

export interface DnsOptions {
  /** Addresses, with a port after a colon if not 53; those of the system when absent. */
  readonly servers?: readonly string[];
  readonly hosts?: HostsFile;
  /** Milliseconds for one try; default 5 s. */
  readonly queryTimeout?: number;
  /** Milliseconds for an answer altogether; default 10 s. */
  readonly totalTimeout?: number;
}

const QUERY_TIMEOUT = 5_000;
const TOTAL_TIMEOUT = 10_000;
/**
 * c-ares waits a small multiple of what the server took so far, 250 ms where it is quick, and doubles with each try.
 * With two tries, a resolver that has to ask others for once, or a front that was busy for half a second, would count as
 * silent. The limit for all tries together is ours.
 */
const TRIES = 7;

export function openDns(options: DnsOptions = {}): Dns {
  const resolver = new Resolver({ timeout: options.queryTimeout ?? QUERY_TIMEOUT, tries: TRIES });
  if (options.servers !== undefined) resolver.setServers(options.servers);
  const hosts = options.hosts ?? openHostsFile();
  const limit = options.totalTimeout ?? TOTAL_TIMEOUT;
  const cache = new AnswerCache();

  const ask = <T>(type: string, name: string, query: () => Promise<readonly T[]>): Promise<DnsAnswer<T>> =>
    cache.get(`${type} ${name.toLowerCase()}`, () => answerOf({ type, name, limit }, query));

  return {
    mx: (name) =>
      ask('MX', name, async () => {
        const records = await resolver.resolveMx(name);
        return records.map(({ priority, exchange }) => ({ preference: priority, exchange }));
      }),
    async addresses(name) {
      const listed = await hosts.addresses(name);
      if (listed.length > 0) return { kind: 'found', records: listed };
      return together(
        await Promise.all([
          ask('A', name, () => resolver.resolve4(name)),
          ask('AAAA', name, () => resolver.resolve6(name)),
        ]),
      );
    },
    async reverse(address) {
      // POSTFIX: the name service switch asks the file first.
      const listed = await hosts.names(address);
      if (listed.length > 0) return { kind: 'found', records: listed };
      return ask('PTR', address, () => resolver.reverse(address));
    },
    txt: (name) =>
      ask('TXT', name, async () => {
        const records = await resolver.resolveTxt(name);
        return records.map((strings) => strings.join(''));
      }),
    ns: (name) => ask('NS', name, () => resolver.resolveNs(name)),
  };
}

interface Question {
  readonly type: string;
  readonly name: string;
  readonly limit: number;
}

async function answerOf<T>(
  { type, name, limit }: Question,
  query: () => Promise<readonly T[]>,
): Promise<DnsAnswer<T>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(Object.assign(new Error('no answer in time'), { code: 'ETIMEOUT' })),
      limit,
    );
    timer.unref();
  });
  try {
    const records = await Promise.race([query(), late]);
    return records.length === 0 ? { kind: 'absent', nxdomain: false } : { kind: 'found', records };
  } catch (error) {
    return failureOf(error, `${name} type=${type}`);
  } finally {
    clearTimeout(timer);
  }
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ['ETIMEOUT', 'Host not found, try again'],
  ['ESERVFAIL', 'Host not found, try again'],
  ['EREFUSED', 'Query refused'],
  ['ECONNREFUSED', 'Connection refused by the name server'],
]);

function failureOf(error: unknown, question: string): DnsAnswer<never> {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  // A name that cannot be asked for (a label too long) does not exist either.
  if (code === 'ENOTFOUND' || code === 'EBADNAME' || code === 'EINVAL')
    return { kind: 'absent', nxdomain: true };
  if (code === 'ENODATA') return { kind: 'absent', nxdomain: false };
  return { kind: 'failed', reason: `Name service error for name=${question}: ${REASONS.get(code) ?? code}` };
}

/** A and AAAA as one: failed only when neither could be had. */
function together(answers: readonly DnsAnswer<string>[]): DnsAnswer<string> {
  const records = answers.flatMap((answer) => (answer.kind === 'found' ? answer.records : []));
  if (records.length > 0) return { kind: 'found', records };
  const failed = answers.find((answer) => answer.kind === 'failed');
  if (failed !== undefined) return failed;
  return { kind: 'absent', nxdomain: answers.some((answer) => answer.kind === 'absent' && answer.nxdomain) };
}

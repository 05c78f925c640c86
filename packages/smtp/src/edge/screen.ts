// postscreen: looks at a client before the SMTP session begins. Who is known passes, who is new is tested (does it wait
// for the greeting, is it on DNS lists), and who passed is known for a while. POSTFIX: postscreen(8), with its log lines.
//
// A verdict of `over` means that the client got its answer and the socket is done with. Never rejects.

import type { Socket } from 'node:net';
import type { Log, Peer } from '@postcote/wire';
import type { Dns } from '../ports.ts';
import { type Reply, formatReply, reply } from '../reply.ts';
import { type DnsblScore, scoreClient } from '../screen/dnsbl-score.ts';
import type { ScreenAction, ScreenSettings } from '../screen/screen-settings.ts';
import { escaped } from '../session-log.ts';
import { type GreetResult, greetTest } from './greet-test.ts';

/** When each test has to be made again; milliseconds since the epoch. */
export interface Passed {
  readonly greet: number;
  readonly dnsbl: number;
}

export interface ScreenCache {
  get(address: string): Passed | undefined;
  set(address: string, passed: Passed): void;
}

export type ScreenVerdict =
  | { readonly kind: 'pass' }
  /** The session goes on, and every recipient is refused with this. */
  | { readonly kind: 'enforce'; readonly refusal: Reply; readonly program: string }
  | { readonly kind: 'over' };

export interface ScreenOptions {
  readonly settings: () => ScreenSettings;
  readonly dns: Dns;
  readonly cache: ScreenCache;
  readonly log: Log;
}

const PASS: ScreenVerdict = { kind: 'pass' };
const OVER: ScreenVerdict = { kind: 'over' };
const UNAVAILABLE = reply(550, '3.2', 'Service currently unavailable');
const PROTOCOL = reply(550, '5.1', 'Protocol error');
const BUSY = reply(421, '3.2', 'All server ports are busy');
const QUIET: GreetResult = { kind: 'quiet' };
const NOT_ASKED: DnsblScore = { score: 0, worst: undefined, notes: [] };
/** A list that does not answer in time. */
const LATE = Symbol('late');

export class Screen {
  readonly #options: ScreenOptions;
  readonly #testing = new Set<Socket>();

  constructor(options: ScreenOptions) {
    this.#options = options;
  }

  /** Ends the tests under way. */
  stop(): void {
    for (const socket of this.#testing) socket.destroy();
  }

  async check(socket: Socket, peer: Peer): Promise<ScreenVerdict> {
    const settings = this.#options.settings();
    const client = new ScreenedClient(this.#options.log, settings, peer);
    client.log(`CONNECT from ${client.name} to [${peer.localAddress}]:${peer.localPort}`);
    const access = settings.access(peer.remoteAddress);
    if (access === 'permit') {
      client.log(`ALLOWLISTED ${client.name}`);
      return PASS;
    }
    let refusal: Reply | undefined;
    if (access === 'reject') {
      client.log(`DENYLISTED ${client.name}`);
      if (settings.denylistAction === 'drop') return this.#drop(socket, client, UNAVAILABLE);
      if (settings.denylistAction === 'enforce') refusal = UNAVAILABLE;
    }
    const known = this.#options.cache.get(peer.remoteAddress);
    const now = Date.now();
    // POSTFIX: without a teaser there is no such test.
    const hasGreet = settings.greetWait > 0 && settings.greetBanner !== '';
    const hasDnsbl = settings.dnsblSites.length > 0;
    const needsGreet = hasGreet && (known?.greet ?? 0) <= now;
    const needsDnsbl = hasDnsbl && (known?.dnsbl ?? 0) <= now;
    if (!needsGreet && !needsDnsbl) {
      if (refusal !== undefined) return enforce(settings, refusal);
      if (hasGreet || hasDnsbl) client.log(`PASS OLD ${client.name}`);
      return PASS;
    }
    if (this.#testing.size >= settings.preQueueLimit) {
      client.log(`NOQUEUE: reject: CONNECT from ${client.name}: all screening ports busy`);
      return this.#end(socket, BUSY);
    }
    this.#testing.add(socket);
    try {
      return await this.#test(socket, client, { settings, peer, refusal, needsGreet, needsDnsbl });
    } finally {
      this.#testing.delete(socket);
    }
  }

  async #test(
    socket: Socket,
    client: ScreenedClient,
    { settings, peer, refusal: before, needsGreet, needsDnsbl }: Testing,
  ): Promise<ScreenVerdict> {
    const started = performance.now();
    const [greet, dnsbl] = await Promise.all([
      needsGreet ? greetTest(socket, { teaser: settings.greetBanner, wait: settings.greetWait }) : QUIET,
      needsDnsbl ? this.#score(settings, peer.remoteAddress) : NOT_ASKED,
    ]);
    const after = formatDelay(performance.now() - started);
    if (greet.kind === 'gone') {
      client.log(`HANGUP after ${after} from ${client.name} in tests before SMTP handshake`);
      client.log(`DISCONNECT ${client.name}`);
      return OVER;
    }
    for (const note of dnsbl.notes)
      this.#options.log('info', settings.program.replace(/[^/]*$/, 'dnsblog'), note);
    const failures: Failure[] = [];
    if (greet.kind === 'spoke') failures.push(client.spoke(greet, after));
    const { dnsblThreshold, dnsblAllowlistThreshold } = settings;
    if (needsDnsbl && dnsbl.score >= dnsblThreshold) failures.push(client.listed(dnsbl));
    const isAllowed = dnsblAllowlistThreshold < 0 && dnsbl.score <= dnsblAllowlistThreshold;
    const dropped = failures.find(({ action }) => action === 'drop');
    if (dropped !== undefined) return this.#drop(socket, client, dropped.refusal);
    const enforced = before ?? failures.find(({ action }) => action === 'enforce')?.refusal;
    if (enforced !== undefined && !isAllowed) return enforce(settings, enforced);
    if (failures.length === 0 && settings.mayPassAt(peer.localAddress)) {
      const now = Date.now();
      const known = this.#options.cache.get(peer.remoteAddress);
      // A test that was not made passes nobody: it may be switched on tomorrow.
      this.#options.cache.set(peer.remoteAddress, {
        greet: needsGreet ? now + settings.greetTtl : (known?.greet ?? 0),
        dnsbl: needsDnsbl ? now + settings.dnsblTtl : (known?.dnsbl ?? 0),
      });
      client.log(`PASS NEW ${client.name}`);
    }
    return PASS;
  }

  async #score(settings: ScreenSettings, address: string): Promise<DnsblScore> {
    if (settings.dnsblSites.length === 0) return NOT_ASKED;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<typeof LATE>((resolve) => {
      timer = setTimeout(() => resolve(LATE), settings.dnsblTimeout);
    });
    try {
      const found = await Promise.race([scoreClient(this.#options.dns, address, settings.dnsblSites), late]);
      if (found !== LATE) return found;
      const text = `warning: dnsblog reply timeout ${settings.dnsblTimeout / 1000}s for ${address}`;
      this.#options.log('warn', settings.program, text);
    } catch (error) {
      this.#options.log('warn', settings.program, `warning: dnsblog: ${String(error)}`);
    } finally {
      clearTimeout(timer);
    }
    return NOT_ASKED;
  }

  #drop(socket: Socket, client: ScreenedClient, refusal: Reply): ScreenVerdict {
    client.log(`DISCONNECT ${client.name}`);
    return this.#end(socket, { ...refusal, code: 521 });
  }

  #end(socket: Socket, last: Reply): ScreenVerdict {
    socket.on('error', () => socket.destroy());
    socket.end(formatReply(last), () => socket.destroy());
    return OVER;
  }
}

const enforce = ({ program }: ScreenSettings, refusal: Reply): ScreenVerdict => ({
  kind: 'enforce',
  refusal,
  program,
});

interface Testing {
  readonly settings: ScreenSettings;
  readonly peer: Peer;
  readonly refusal: Reply | undefined;
  readonly needsGreet: boolean;
  readonly needsDnsbl: boolean;
}

interface Failure {
  readonly action: ScreenAction;
  readonly refusal: Reply;
}

/** A client as the log calls it: `[192.0.2.1]:4711`. */
class ScreenedClient {
  readonly name: string;
  readonly #address: string;
  readonly #settings: ScreenSettings;
  readonly #log: Log;

  constructor(log: Log, settings: ScreenSettings, { remoteAddress, remotePort }: Peer) {
    this.#log = log;
    this.#settings = settings;
    this.#address = remoteAddress;
    this.name = `[${remoteAddress}]:${remotePort}`;
  }

  log(text: string): void {
    this.#log('info', this.#settings.program, text);
  }

  spoke({ octets }: Extract<GreetResult, { kind: 'spoke' }>, after: string): Failure {
    const shown = escaped(octets.subarray(0, 100));
    this.log(`PREGREET ${octets.length} after ${after} from ${this.name}: ${shown}`);
    return { action: this.#settings.greetAction, refusal: PROTOCOL };
  }

  listed({ score, worst = '' }: DnsblScore): Failure {
    this.log(`DNSBL rank ${score} for ${this.name}`);
    const name = this.#settings.dnsblName(worst);
    const text = `Service unavailable; client [${this.#address}] blocked using ${name}`;
    return { action: this.#settings.dnsblAction, refusal: reply(550, '7.1', text) };
  }
}

/** POSTFIX: two significant digits and two decimals at most. */
function formatDelay(ms: number): string {
  if (ms >= 10_000) return String(Math.round(ms / 1000));
  return String(ms >= 1000 ? Math.round(ms / 100) / 10 : Math.round(ms / 10) / 100);
}

// Carries a message to its next hop: finds the hosts, tries them in their order, keeps a session for the next message
// when one waits. Never rejects: what went wrong is each recipient's result.

import type { SecureContext } from 'node:tls';
import type { Log } from '@postcote/wire';
import type { ClientSettings } from '../client/client-settings.ts';
import type { OutboundMessage } from '../client/message.ts';
import {
  findHosts,
  LOOPS_BACK,
  type MailHost,
  type NextHop,
  type NextHopPorts,
  parseNextHop,
  type UnixHop,
} from '../client/next-hop.ts';
import { type Failure, resultOf, SendError, type SendResult, temporary } from '../client/outcome.ts';
import type { Credentials } from '../client/sasl-client.ts';
import type { SecureDns } from '../client/dane.ts';
import type { TlsaRecord } from '../client/dns-message.ts';
import { filterStatus } from '../client/status-filter.ts';
import { findTlsPolicy, type TlsPolicy } from '../client/tls-policy.ts';
import type { TlsWish } from '../client/tls-versions.ts';
import type { TransportTable } from '../client/transport.ts';
import { type OpenedSession, openClientSession, type Target } from './client-connection.ts';

/** One service of master.cf that sends: its settings and the tables they name. */
export interface SendService {
  readonly settings: ClientSettings;
  /** The context for a policy's protocols and ciphers, or what is wrong with them. */
  tlsContext(wish: TlsWish): SecureContext | string;
  /** The certificates and keys of a file, as records that say whom to trust. Throws what keeps it from being read. */
  trustAnchors(file: string): readonly TlsaRecord[];
  readonly tlsPolicyMaps?: TransportTable;
  readonly passwordMaps?: TransportTable;
  /** smtp_reply_filter, smtp_delivery_status_filter. */
  readonly replyFilter?: TransportTable;
  readonly statusFilter?: TransportTable;
  /** smtp_generic_maps, smtp_header_checks and kin: the message as the outside gets it. Rejects when a table cannot answer. */
  rewrite?(message: OutboundMessage): Promise<OutboundMessage>;
  /** smtp_connection_cache_destinations: sessions for these are kept whether or not a message waits. */
  cacheAlways?(domain: string): boolean | Promise<boolean>;
  /** `postfix/smtp`. */
  readonly program: string;
}

export interface SendRequest {
  readonly message: OutboundMessage;
  readonly nexthop: string;
  readonly service: SendService;
  /** Whether another message for the same next hop waits now. */
  readonly moreWaiting: () => boolean;
}

export interface SentRecipient extends SendResult {
  /** `mx.example.com[192.0.2.1]:25`, or absent when nobody was reached. */
  readonly relay?: string;
  readonly connectMs?: number;
  /** No host of the destination took a message. */
  readonly destinationDown?: boolean;
  /** By its records we are the best exchange for it. */
  readonly bestMx?: boolean;
}

interface Place {
  readonly target: Target;
  /** For policies, passwords and SNI. */
  readonly host: string;
  /** `mx.example.com[192.0.2.1]` */
  readonly name: string;
  /** With its port. */
  readonly relay: string;
  readonly port: number;
  /** Of smtp_fallback_relay. */
  readonly fallback: boolean;
}

interface Kept {
  readonly opened: OpenedSession;
  readonly place: Place;
  readonly since: number;
  timer: NodeJS.Timeout | undefined;
}

/** In the text of a connection lost when the server may have taken the message already. */
const END_OF_DATA = 'end of data -- message may';
/** Sessions kept for all destinations together. */
const MAX_KEPT = 100;
/** The status of a destination that has no address. */
const HOST_NOT_FOUND = '5.4.4';
/** Destinations may be written by strangers; what they resolve to is tried this often per message at most. */
const MAX_PLACES = 20;

export interface SenderPorts extends NextHopPorts {
  /** For DANE; without it such mail waits. */
  readonly secureDns?: SecureDns;
}

export class MailSender {
  readonly #ports: SenderPorts;
  readonly #log: Log;
  readonly #kept = new Map<string, Kept[]>();
  #keptCount = 0;
  #stopped = false;

  constructor(ports: SenderPorts, log: Log) {
    this.#ports = ports;
    this.#log = log;
  }

  async send(request: SendRequest): Promise<readonly SentRecipient[]> {
    const { statusFilter } = request.service;
    const results = await this.#sendSafely(request);
    return statusFilter === undefined ? results : await filterStatus(results, statusFilter);
  }

  async #sendSafely(request: SendRequest): Promise<readonly SentRecipient[]> {
    try {
      const message = await request.service.rewrite?.(request.message);
      return await this.#send(message === undefined ? request : { ...request, message });
    } catch (error) {
      const failure =
        error instanceof SendError
          ? error.failure
          : temporary('4.3.0', error instanceof Error ? error.message : String(error));
      return request.message.recipients.map(({ index }) => resultOf(index, failure));
    }
  }

  /** Ends the sessions that are kept. */
  stop(): void {
    this.#stopped = true;
    for (const list of this.#kept.values())
      for (const kept of list) {
        clearTimeout(kept.timer);
        void kept.opened.session.quit();
      }
    this.#kept.clear();
  }

  async #send(request: SendRequest): Promise<readonly SentRecipient[]> {
    const { nexthop, service, message } = request;
    const kept = await this.#tryKept(request);
    if (kept !== undefined) return kept;
    const found = await this.#placesOf(nexthop, service.settings);
    if ('failure' in found) {
      const { failure } = found;
      const bestMx = failure.dsn === LOOPS_BACK ? { bestMx: true } : {};
      return message.recipients.map(({ index }) => ({ ...resultOf(index, failure), ...bestMx }));
    }
    return await this.#tryPlaces(request, found.hop, found.places);
  }

  /** Undefined: none is kept, or the one that was had been closed meanwhile. */
  async #tryKept(request: SendRequest): Promise<readonly SentRecipient[] | undefined> {
    const kept = this.#takeKept(cacheKey(request));
    if (kept === undefined) return undefined;
    try {
      const results = await kept.opened.session.send(request.message);
      await this.#keepOrQuit(request, kept);
      return results.map((result) => ({ ...result, relay: kept.place.relay }));
    } catch (error) {
      kept.opened.destroy();
      // Servers end sessions that idle: the message has a fresh one before anybody hears of it. One that went beyond
      // the final dot may have been taken and waits for the next attempt.
      if (error instanceof SendError && !error.failure.text.includes(END_OF_DATA)) return undefined;
      throw error;
    }
  }

  async #placesOf(
    nexthop: string,
    settings: ClientSettings,
  ): Promise<
    { readonly hop: NextHop | UnixHop; readonly places: readonly Place[] } | { readonly failure: Failure }
  > {
    const hop = parseNextHop(nexthop, settings);
    if (hop === undefined) return { failure: temporary('4.3.5', `next hop "${nexthop}" is not understood`) };
    if (hop.kind === 'unix') {
      const place: Place = {
        target: {
          kind: 'unix',
          path: hop.path.startsWith('/') ? hop.path : `${settings.unixBase}/${hop.path}`,
        },
        host: settings.myhostname,
        name: `${settings.myhostname}[${hop.path}]`,
        relay: `${settings.myhostname}[${hop.path}]`,
        port: 0,
        fallback: false,
      };
      return { hop, places: [place] };
    }
    const found = await findHosts(hop, settings, this.#ports);
    const places = found.kind === 'hosts' ? found.hosts.map((host) => makePlace(host, hop, settings)) : [];
    // POSTFIX: for destinations that cannot be found or reached; not for those that refuse mail or would send it back.
    if (found.kind === 'hosts' || !found.failure.permanent || found.failure.dsn === HOST_NOT_FOUND) {
      for (const relay of settings.fallbackRelay) {
        const other = parseNextHop(relay, settings);
        if (other?.kind !== 'inet') continue;
        const more = await findHosts(other, settings, this.#ports);
        if (more.kind !== 'hosts') continue;
        places.push(...more.hosts.map((host) => ({ ...makePlace(host, other, settings), fallback: true })));
      }
    }
    if (found.kind === 'failure' && places.length === 0) return { failure: found.failure };
    const limit = settings.mxAddressLimit > 0 ? settings.mxAddressLimit : MAX_PLACES;
    return { hop, places: places.slice(0, Math.min(limit, MAX_PLACES)) };
  }

  async #tryPlaces(
    request: SendRequest,
    hop: NextHop | UnixHop,
    places: readonly Place[],
  ): Promise<readonly SentRecipient[]> {
    const { settings } = request.service;
    const { message } = request;
    const settled: SentRecipient[] = [];
    let pending = message.recipients.map(({ index }): SentRecipient =>
      resultOf(index, temporary('4.4.4', `no host of ${request.nexthop} could be tried`)),
    );
    let sessions = 0;
    let opened = false;
    for (const place of places) {
      if (settings.mxSessionLimit > 0 && sessions >= settings.mxSessionLimit) break;
      const policy = await this.#policyOf(request, hop, place);
      if (typeof policy === 'string') {
        pending = pending.map(({ index }) => resultOf(index, temporary('4.7.5', policy)));
        continue;
      }
      const open = new Set(pending.map(({ index }) => index));
      const recipients = message.recipients.filter(({ index }) => open.has(index));
      const attempt = await this.#trySession({ ...request, message: { ...message, recipients } }, hop, {
        place,
        policy,
      });
      if ('results' in attempt) {
        sessions++;
        opened = true;
        settled.push(...attempt.results.filter(({ status }) => status !== 'deferred'));
        pending = attempt.results.filter(({ status }) => status === 'deferred');
        // It may have been taken: another host now could only make it two.
        if (pending.length === 0 || attempt.final) break;
        continue;
      }
      const { failure, connected } = attempt;
      if (connected) sessions++;
      if (attempt.opened) opened = true;
      this.#log(
        'info',
        request.service.program,
        connected ? `${message.queueId}: ${failure.text}` : failure.text,
      );
      pending = pending.map(({ index }) => ({
        ...resultOf(index, failure),
        ...(connected ? { relay: place.relay, remoteMta: place.host } : {}),
      }));
    }
    if (opened) return [...settled, ...pending];
    return pending.map((result) => ({ ...result, destinationDown: result.status === 'deferred' }));
  }

  /** One host; a level of `may` gets a second chance without TLS. */
  async #trySession(
    request: SendRequest,
    hop: NextHop | UnixHop,
    { place, policy }: { readonly place: Place; readonly policy: TlsPolicy },
  ): Promise<
    | { readonly results: readonly SentRecipient[]; readonly final: boolean }
    | { readonly failure: Failure; readonly connected: boolean; readonly opened: boolean }
  > {
    let opened: OpenedSession;
    try {
      opened = await this.#open(request, hop, { place, policy });
    } catch (error) {
      if (!(error instanceof SendError)) throw error;
      if (error.tlsFailed && policy.level === 'may')
        return await this.#trySession(request, hop, { place, policy: { ...policy, level: 'none' } });
      return {
        failure: error.failure,
        connected: !error.failure.text.startsWith('connect to '),
        opened: false,
      };
    }
    try {
      const results = await opened.session.send(request.message);
      await this.#keepOrQuit(request, { opened, place, since: performance.now(), timer: undefined });
      const { relay } = place;
      return {
        results: results.map((result) => ({ ...result, relay, connectMs: opened.connectMs })),
        final: results.some(({ text }) => text.includes(END_OF_DATA)),
      };
    } catch (error) {
      opened.destroy();
      if (!(error instanceof SendError)) throw error;
      const { failure } = error;
      if (!failure.text.includes(END_OF_DATA)) return { failure, connected: true, opened: true };
      const { relay, host } = place;
      return {
        results: request.message.recipients.map(({ index }) => ({
          ...resultOf(index, failure),
          relay,
          remoteMta: host,
        })),
        final: true,
      };
    }
  }

  async #open(
    request: SendRequest,
    hop: NextHop | UnixHop,
    { place, policy }: { readonly place: Place; readonly policy: TlsPolicy },
  ): Promise<OpenedSession> {
    const { service, message } = request;
    const { settings } = service;
    const credentials = await this.#credentialsOf(request, place);
    const secureContext = service.tlsContext(policy.wish);
    if (typeof secureContext === 'string') throw new SendError(temporary('4.7.5', secureContext));
    return await openClientSession({
      target: place.target,
      shown: place.relay,
      connectTimeout: settings.timeouts.connect,
      secureContext,
      wrappermode: settings.tlsWrappermode,
      session: {
        settings,
        policy,
        ...(credentials === undefined ? {} : { credentials }),
        ...(service.replyFilter === undefined ? {} : { replyFilter: service.replyFilter }),
        hostName: place.name,
        // POSTFIX: on another port than 25 it is another server of this machine that answers.
        detectLoops: settings.protocol === 'smtp' && hop.kind === 'inet' && hop.port === 25,
        domain: hop.kind === 'inet' ? hop.domain : hop.path,
        note: (text) =>
          this.#log('info', service.program, text.startsWith('SSL_') ? `${message.queueId}: ${text}` : text),
      },
    });
  }

  async #policyOf(
    { nexthop, service }: SendRequest,
    hop: NextHop | UnixHop,
    place: Place,
  ): Promise<TlsPolicy | string> {
    const { settings, tlsPolicyMaps } = service;
    const { secureDns } = this.#ports;
    const inet = hop.kind === 'inet' ? hop : undefined;
    const policy = await findTlsPolicy(
      {
        nexthop,
        domain: inet?.domain ?? settings.myhostname,
        host: place.host,
        port: place.port,
        // A host that stands in for the destination's own was named by main.cf.
        direct: inet === undefined || inet.direct || place.fallback,
      },
      settings,
      {
        ...(tlsPolicyMaps === undefined ? {} : { policies: tlsPolicyMaps }),
        ...(secureDns === undefined ? {} : { secureDns }),
      },
    );
    if (typeof policy === 'string' || policy.anchorFiles.length === 0) return policy;
    try {
      const records = policy.anchorFiles.flatMap((file) => service.trustAnchors(file));
      return { ...policy, check: { kind: 'tlsa', records, names: policy.match } };
    } catch (error) {
      return `trust anchors cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  // POSTFIX: by sender (when asked to), by host, by next hop as it is written.
  async #credentialsOf(
    { service, message, nexthop }: SendRequest,
    place: Place,
  ): Promise<Credentials | undefined> {
    const { settings, passwordMaps } = service;
    if (!settings.saslEnabled || passwordMaps === undefined) return undefined;
    const keys = [place.host, nexthop];
    if (settings.senderDependentAuthentication && message.sender !== '') {
      keys.unshift(message.sender, message.sender.slice(message.sender.lastIndexOf('@')));
    }
    for (const key of keys) {
      const found = await passwordMaps.find(key);
      if (found === undefined) continue;
      const colon = found.value.indexOf(':');
      if (colon <= 0) return undefined;
      return { user: found.value.slice(0, colon).trim(), password: found.value.slice(colon + 1) };
    }
    return undefined;
  }

  async #keepOrQuit(request: SendRequest, kept: Kept): Promise<void> {
    const { session } = kept.opened;
    const { settings } = request.service;
    const age = performance.now() - kept.since;
    const worn =
      age >= settings.reuseTimeLimit ||
      (settings.reuseCountLimit > 0 && session.messages >= settings.reuseCountLimit);
    const wanted = (settings.cacheOnDemand && request.moreWaiting()) || (await this.#isCachedAlways(request));
    if (this.#stopped || !session.usable || worn || !wanted || this.#keptCount >= MAX_KEPT) {
      void session.quit();
      return;
    }
    const key = cacheKey(request);
    const list = this.#kept.get(key) ?? [];
    this.#kept.set(key, list);
    list.push(kept);
    this.#keptCount++;
    kept.timer = setTimeout(() => {
      this.#drop(key, kept);
      void session.quit();
    }, settings.cacheTimeLimit);
    kept.timer.unref();
  }

  async #isCachedAlways({ service, nexthop }: SendRequest): Promise<boolean> {
    if (service.cacheAlways === undefined) return false;
    const hop = parseNextHop(nexthop, service.settings);
    try {
      return await service.cacheAlways(hop?.kind === 'inet' ? hop.domain : nexthop);
    } catch {
      return false;
    }
  }

  #takeKept(key: string): Kept | undefined {
    for (;;) {
      const kept = this.#kept.get(key)?.at(-1);
      if (kept === undefined) return undefined;
      this.#drop(key, kept);
      if (kept.opened.session.usable) return kept;
      kept.opened.destroy();
    }
  }

  #drop(key: string, kept: Kept): void {
    clearTimeout(kept.timer);
    const list = this.#kept.get(key);
    const at = list?.indexOf(kept) ?? -1;
    if (list === undefined || at === -1) return;
    list.splice(at, 1);
    this.#keptCount--;
    if (list.length === 0) this.#kept.delete(key);
  }
}

/** A session is one service's, for one next hop; with passwords by sender, for one sender too. */
function cacheKey({ service, nexthop, message }: SendRequest): string {
  const sender = service.settings.senderDependentAuthentication ? message.sender : '';
  return `${service.program}\0${service.settings.protocol}\0${nexthop.toLowerCase()}\0${sender}`;
}

function makePlace(host: MailHost, hop: NextHop | UnixHop, settings: ClientSettings): Place {
  const port = hop.kind === 'inet' ? hop.port : settings.port;
  const bindAddress = host.address.includes(':') ? settings.bindAddress6 : settings.bindAddress;
  const name = `${host.name}[${host.address}]`;
  return {
    target: { kind: 'inet', address: host.address, port, bindAddress },
    host: host.name,
    name,
    relay: `${name}:${port}`,
    port,
    fallback: false,
  };
}

// Carries a message to its next hop: finds the hosts, tries them in their order, keeps a session for the next message
// when one waits. Never rejects: what went wrong is each recipient's result.

import type { Log } from '@postcote/wire';
import type { SecureDns } from '../client/dane.ts';
import type { OutboundMessage } from '../client/message.ts';
import {
  LOOPS_BACK,
  type NextHop,
  type NextHopPorts,
  parseNextHop,
  type UnixHop,
} from '../client/next-hop.ts';
import { type Failure, resultOf, SendError, type SendResult, temporary } from '../client/outcome.ts';
import { filterStatus } from '../client/status-filter.ts';
import type { TlsPolicy } from '../client/tls-policy.ts';
import { type OpenedSession, openClientSession } from './client-connection.ts';
import { KeptSessions, type OpenSession } from './kept-sessions.ts';
import { findPlaces, type Place } from './places.ts';
import { credentialsOf, policyOf, type SendService } from './send-service.ts';

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

/** In the text of a connection lost when the server may have taken the message already. */
const END_OF_DATA = 'end of data -- message may';
export interface SenderPorts extends NextHopPorts {
  /** For DANE; without it such mail waits. */
  readonly secureDns?: SecureDns;
}

export class MailSender {
  readonly #ports: SenderPorts;
  readonly #log: Log;
  readonly #kept = new KeptSessions();

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
    this.#kept.stop();
  }

  async #send(request: SendRequest): Promise<readonly SentRecipient[]> {
    const { nexthop, service, message } = request;
    const kept = await this.#tryKept(request);
    if (kept !== undefined) return kept;
    const found = await findPlaces(nexthop, service.settings, this.#ports);
    if ('failure' in found) {
      const { failure } = found;
      const bestMx = failure.dsn === LOOPS_BACK ? { bestMx: true } : {};
      return message.recipients.map(({ index }) => ({ ...resultOf(index, failure), ...bestMx }));
    }
    return await this.#tryPlaces(request, found.hop, found.places);
  }

  /** Undefined: none is kept, or the one that was had been closed meanwhile. */
  async #tryKept(request: SendRequest): Promise<readonly SentRecipient[] | undefined> {
    const kept = this.#kept.take(cacheKey(request));
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
      const policy = await policyOf({ ...request, secureDns: this.#ports.secureDns }, hop, place);
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
      await this.#keepOrQuit(request, { opened, place, since: performance.now() });
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
    const credentials = await credentialsOf(request, place);
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

  async #keepOrQuit(request: SendRequest, kept: OpenSession): Promise<void> {
    const { session } = kept.opened;
    const { settings } = request.service;
    const age = performance.now() - kept.since;
    const worn =
      age >= settings.reuseTimeLimit ||
      (settings.reuseCountLimit > 0 && session.messages >= settings.reuseCountLimit);
    const wanted = (settings.cacheOnDemand && request.moreWaiting()) || (await this.#isCachedAlways(request));
    if (!session.usable || worn || !wanted || !this.#kept.hasRoom) void session.quit();
    else this.#kept.keep(cacheKey(request), kept, settings.cacheTimeLimit);
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
}

/** A session is one service's, for one next hop; with passwords by sender, for one sender too. */
function cacheKey({ service, nexthop, message }: SendRequest): string {
  const sender = service.settings.senderDependentAuthentication ? message.sender : '';
  return `${service.program}\0${service.settings.protocol}\0${nexthop.toLowerCase()}\0${sender}`;
}

// One session with a server that takes mail: SMTP (RFC 5321) or LMTP (RFC 2033). Bytes in, bytes out: it is written
// against `ClientHost` and never sees a socket.
//
// Contract: `begin` once, then `send` any number of times one after the other, then `quit`. `begin` and `send` reject
// with `SendError` only; recipients whose fate is known by then are in `send`'s answer instead. After a `SendError`
// with `broken`, or when `usable` is false, the session must not be used again.

import type { TlsInfo } from '@postcote/wire';
import type { ClientSettings } from './client-settings.ts';
import { Dialogue, type DialogueHost, type DialogueOptions } from './dialogue.ts';
import type { OutboundMessage } from './message.ts';
import { type Failure, resultOf, SendError, type SendResult, temporary } from './outcome.ts';
import { type ServerReply, showReply } from './reply-reader.ts';
import { type Credentials, startClientSasl } from './sasl-client.ts';
import {
  hasUtf8Header,
  noUtf8,
  parseFeatures,
  type ServerFeatures,
  unacceptable,
} from './server-features.ts';
import { mustMatch, type TlsPolicy } from './tls-policy.ts';
import { OutboundTransaction } from './transaction.ts';

export interface ClientTls extends TlsInfo {
  /** The certificate's chain ends in an authority we know. */
  readonly trusted: boolean;
  /** It is trusted and its names fit the policy. */
  readonly verified: boolean;
}

/** What a session may ask of its connection. */
export interface ClientHost extends DialogueHost {
  /** Negotiates TLS; answers a reason when that failed. Nothing received before it survives. */
  startTls(policy: TlsPolicy): Promise<ClientTls | string>;
}

export interface SessionOptions extends DialogueOptions {
  readonly settings: ClientSettings;
  readonly policy: TlsPolicy;
  readonly credentials?: Credentials;
  /** TLS from the first octet has been negotiated already. */
  readonly implicitTls?: ClientTls;
  /** Whether greeting us with our own name means that mail goes round in circles. */
  readonly detectLoops: boolean;
  /** The destination, for the text about loops. */
  readonly domain: string;
  /** Lines about TLS. */
  readonly note: (text: string) => void;
}

const GREETING = 'receiving the initial server greeting';

export class ClientSession {
  readonly #host: ClientHost;
  readonly #options: SessionOptions;
  readonly #dialogue: Dialogue;
  #features: ServerFeatures = new Map();
  #tls: ClientTls | undefined;
  #messages = 0;

  constructor(host: ClientHost, options: SessionOptions) {
    this.#host = host;
    this.#dialogue = new Dialogue(host, { name: GREETING, timeout: 0 }, options);
    this.#options = options;
    this.#tls = options.implicitTls;
  }

  /** Whether another message may be sent on it. */
  get usable(): boolean {
    const { isOver, dirty, closing, pending } = this.#dialogue;
    return !isOver && !dirty && !closing && pending === 0;
  }

  get tls(): ClientTls | undefined {
    return this.#tls;
  }

  get messages(): number {
    return this.#messages;
  }

  receive(chunk: Uint8Array): void {
    this.#dialogue.receive(chunk);
  }

  ended(): void {
    this.#dialogue.connectionEnded();
  }

  timedOut(): void {
    this.#dialogue.timedOut();
  }

  /** Greeting, EHLO, STARTTLS and AUTH, as the policy and the settings ask for. */
  async begin(): Promise<void> {
    const { settings, hostName } = this.#options;
    const { timeouts } = settings;
    const greeting = await this.#dialogue.read({ name: GREETING, timeout: timeouts.helo });
    if (greeting.code >= 400 || greeting.code < 200) {
      const permanent = greeting.code >= 500 && !settings.skip5xxGreeting;
      throw new SendError({
        permanent,
        dsn: greeting.status ?? (permanent ? '5.0.0' : '4.0.0'),
        text: `host ${hostName} refused to talk to me: ${showReply(greeting)}`,
        diagnostic: showReply(greeting),
      });
    }
    await this.#hello();
    if (this.#tls === undefined) await this.#startTls();
    await this.#authenticate();
  }

  async quit(): Promise<void> {
    if (this.#dialogue.isOver) return;
    const { timeouts, skipQuitResponse } = this.#options.settings;
    const reply = this.#dialogue.command('QUIT', { name: 'sending QUIT', timeout: timeouts.quit });
    const answered = reply.catch(() => undefined);
    if (!skipQuitResponse) await answered;
    this.#dialogue.breakOff(new SendError(temporary('4.4.2', 'the session was ended'), { broken: true }));
  }

  // RFC 5321 §3.2, RFC 2033 §4.1.
  async #hello(): Promise<void> {
    const { settings, domain, detectLoops } = this.#options;
    const { protocol, heloName, timeouts, neverSendEhlo, discardKeywords } = settings;
    this.#features = new Map();
    const verb = protocol === 'lmtp' ? 'LHLO' : 'EHLO';
    const phase = { name: `performing the ${verb} handshake`, timeout: timeouts.helo };
    if (!neverSendEhlo || protocol === 'lmtp') {
      const reply = await this.#dialogue.command(`${verb} ${heloName}`, phase);
      if (reply.code < 300) {
        this.#features = parseFeatures(reply, discardKeywords);
        const name = (reply.lines[0] ?? '').split(/\s/, 1)[0] ?? '';
        if (detectLoops && name.toLowerCase() === settings.myhostname.toLowerCase()) {
          throw new SendError({
            permanent: true,
            dsn: '5.4.6',
            text: `mail for ${domain} loops back to myself`,
          });
        }
        return;
      }
      if (protocol === 'lmtp' || reply.code === 421) this.#refuseSession(reply);
      // What needs EHLO cannot be had by HELO.
      if (this.#options.policy.level !== 'none' && this.#options.policy.level !== 'may')
        this.#refuseSession(reply);
    }
    const heloPhase = { name: 'performing the HELO handshake', timeout: timeouts.helo };
    const reply = await this.#dialogue.command(`HELO ${heloName}`, heloPhase);
    if (reply.code >= 300) this.#refuseSession(reply);
  }

  #refuseSession(reply: ServerReply): never {
    const { hostName } = this.#options;
    const failure: Failure = {
      permanent: reply.code >= 500,
      dsn: reply.status ?? (reply.code >= 500 ? '5.0.0' : '4.0.0'),
      text: `host ${hostName} refused to talk to me: ${showReply(reply)}`,
      diagnostic: showReply(reply),
    };
    throw new SendError(failure);
  }

  // RFC 3207.
  async #startTls(): Promise<void> {
    const { policy, settings, hostName, note } = this.#options;
    const offered = this.#features.has('STARTTLS');
    if (policy.level === 'none' || !offered) {
      if (offered && settings.tlsNoteOffer) note(`Host offered STARTTLS: [${hostName.split('[')[0] ?? ''}]`);
      if (policy.level === 'none' || policy.level === 'may') return;
      throw new SendError(temporary('4.7.4', `TLS is required, but was not offered by host ${hostName}`));
    }
    const phase = { name: 'performing the STARTTLS handshake', timeout: settings.timeouts.starttls };
    const reply = await this.#dialogue.command('STARTTLS', phase);
    if (reply.code >= 300) {
      if (policy.level === 'may') return;
      const said = showReply(reply);
      throw new SendError({
        ...temporary('4.7.4', `TLS is required, but host ${hostName} refused to start TLS: ${said}`),
        diagnostic: said,
      });
    }
    // What came along with the 220 was not protected: somebody may have put it there.
    if (this.#dialogue.pending > 0) {
      const text = `host ${hostName} sent octets after its reply to STARTTLS`;
      throw new SendError(temporary('4.7.5', text), { broken: true });
    }
    this.#host.setTimeout(settings.timeouts.starttls);
    const secured = await this.#host.startTls(policy);
    if (typeof secured === 'string') {
      note(`SSL_connect error to ${hostName}: ${secured}`);
      throw new SendError(temporary('4.7.5', 'Cannot start TLS: handshake failure'), {
        broken: true,
        tlsFailed: true,
      });
    }
    this.#dialogue.discard();
    this.#tls = secured;
    this.#checkCertificate(secured);
    await this.#hello();
  }

  #checkCertificate(tls: ClientTls): void {
    const { policy, settings, hostName, note } = this.#options;
    if (settings.tlsLoglevel >= 1) {
      const kind = tls.verified ? 'Verified' : tls.trusted ? 'Trusted' : 'Untrusted';
      note(
        `${kind} TLS connection established to ${hostName}: ${tls.protocol} with cipher ${tls.cipher} (${tls.usedBits}/${tls.algorithmBits} bits)`,
      );
    }
    if (!mustMatch(policy)) return;
    // POSTFIX: a fingerprint trusts nobody.
    if (!tls.trusted && policy.level !== 'fingerprint')
      throw new SendError(temporary('4.7.5', 'Server certificate not trusted'));
    if (!tls.verified) throw new SendError(temporary('4.7.5', 'Server certificate not verified'));
  }

  // RFC 4954.
  async #authenticate(): Promise<void> {
    const { settings, credentials, hostName } = this.#options;
    const offered = this.#features.get('AUTH');
    if (credentials === undefined || offered === undefined) return;
    const options =
      this.#tls === undefined
        ? settings.saslSecurityOptions
        : this.#tls.verified
          ? settings.saslTlsVerifiedSecurityOptions
          : settings.saslTlsSecurityOptions;
    const exchange = startClientSasl(
      { offered: new Set(offered.toUpperCase().split(/\s+/)), options, filter: settings.saslMechanismFilter },
      credentials,
    );
    if (exchange === undefined) {
      const text = `SASL authentication failed; cannot authenticate to server ${hostName}: no mechanism available`;
      throw new SendError(temporary('4.7.0', text));
    }
    const phase = { name: 'performing the AUTH handshake', timeout: settings.timeouts.helo };
    const initial = exchange.initial === undefined ? '' : ` ${exchange.initial}`;
    let reply = await this.#dialogue.command(`AUTH ${exchange.mechanism}${initial}`, phase);
    for (let step = 0; reply.code === 334 && step < 5; step++) {
      reply = await this.#dialogue.command(exchange.next(reply.lines[0] ?? '') ?? '*', phase);
    }
    if (reply.code >= 200 && reply.code < 300) return;
    const said = showReply(reply);
    const permanent = reply.code >= 500 && !settings.saslSoftBounce;
    throw new SendError({
      permanent,
      dsn: permanent ? '5.7.8' : '4.7.8',
      text: `SASL authentication failed; server ${hostName} said: ${said}`,
      diagnostic: said,
    });
  }

  /** Rejects only when nothing was decided for any recipient. */
  async send(message: OutboundMessage): Promise<readonly SendResult[]> {
    this.#messages++;
    const dialogue = this.#dialogue;
    const { settings, hostName } = this.#options;
    const features = this.#features;
    const refused = unacceptable(message, features, hostName);
    if (refused !== undefined) return this.#refuseAll(message, refused);
    dialogue.dirty = true;
    const body = await message.open();
    if (message.smtpUtf8 && !features.has('SMTPUTF8') && (await hasUtf8Header(body))) {
      dialogue.dirty = false;
      return this.#refuseAll(message, noUtf8(hostName));
    }
    const transaction = new OutboundTransaction(
      { dialogue, features, settings, hostName, note: this.#options.note },
      message,
    );
    const { results } = transaction;
    try {
      await transaction.run(body);
    } catch (error) {
      if (!(error instanceof SendError) || results.size === 0) throw error;
      for (const { index } of message.recipients)
        if (!results.has(index)) results.set(index, resultOf(index, error.failure));
    }
    const remoteMta = hostName.split('[')[0] ?? '';
    return [...results.values()].map((result) => ({ ...result, remoteMta }));
  }

  #refuseAll({ recipients }: OutboundMessage, failure: Failure): readonly SendResult[] {
    return recipients.map(({ index }) => resultOf(index, failure));
  }
}

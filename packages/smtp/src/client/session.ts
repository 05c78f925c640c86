// One session with a server that takes mail: SMTP (RFC 5321) or LMTP (RFC 2033). Bytes in, bytes out: it is written
// against `ClientHost` and never sees a socket.
//
// Contract: `begin` once, then `send` any number of times one after the other, then `quit`. `begin` and `send` reject
// with `SendError` only; recipients whose fate is known by then are in `send`'s answer instead. After a `SendError`
// with `broken`, or when `usable` is false, the session must not be used again.

import { DotWriter, type TlsInfo } from '@postcote/wire';
import { downgradeTo7Bit } from './downgrade.ts';
import type { ClientSettings } from './client-settings.ts';
import { encodeXtext, type OutboundBody, type OutboundMessage, type OutboundRecipient } from './message.ts';
import { type Failure, refusedBy, resultOf, SendError, type SendResult, temporary } from './outcome.ts';
import { OutgoingLines } from './outgoing-lines.ts';
import { ReplyReader, type ServerReply, showReply } from './reply-reader.ts';
import { filterReply } from './reply-filter.ts';
import { type Credentials, startClientSasl } from './sasl-client.ts';
import { mustMatch, type TlsPolicy } from './tls-policy.ts';
import type { TransportTable } from './transport.ts';

export interface ClientTls extends TlsInfo {
  /** The certificate's chain ends in an authority we know. */
  readonly trusted: boolean;
  /** It is trusted and its names fit the policy. */
  readonly verified: boolean;
}

/** What a session may ask of its connection. */
export interface ClientHost {
  write(bytes: string | Uint8Array): boolean;
  /** Settles when the peer has taken what was written, or when the connection ended. */
  drained(): Promise<void>;
  /** Negotiates TLS; answers a reason when that failed. Nothing received before it survives. */
  startTls(policy: TlsPolicy): Promise<ClientTls | string>;
  close(): void;
  /** Milliseconds without input or output until `ClientSession.timedOut`. */
  setTimeout(ms: number): void;
}

export interface SessionOptions {
  readonly settings: ClientSettings;
  readonly policy: TlsPolicy;
  readonly credentials?: Credentials;
  /** `mx.example.com[192.0.2.1]`, as log lines show it. */
  readonly hostName: string;
  /** TLS from the first octet has been negotiated already. */
  readonly implicitTls?: ClientTls;
  /** Whether greeting us with our own name means that mail goes round in circles. */
  readonly detectLoops: boolean;
  /** The destination, for the text about loops. */
  readonly domain: string;
  /** smtp_reply_filter */
  readonly replyFilter?: TransportTable;
  /** Lines about TLS. */
  readonly note: (text: string) => void;
}

const GREETING = 'receiving the initial server greeting';

type Phase = { readonly name: string; readonly timeout: number };

export class ClientSession {
  readonly #host: ClientHost;
  readonly #options: SessionOptions;
  readonly #reader = new ReplyReader();
  #waiting: { resolve(reply: ServerReply): void; reject(error: SendError): void } | undefined;
  #phase: Phase = { name: GREETING, timeout: 0 };
  #ended: SendError | undefined;
  #features = new Map<string, string>();
  #tls: ClientTls | undefined;
  #messages = 0;
  #dirty = false;

  constructor(host: ClientHost, options: SessionOptions) {
    this.#host = host;
    this.#options = options;
    this.#tls = options.implicitTls;
  }

  /** Whether another message may be sent on it. */
  get usable(): boolean {
    return this.#ended === undefined && !this.#dirty && this.#reader.pending === 0;
  }

  get tls(): ClientTls | undefined {
    return this.#tls;
  }

  get messages(): number {
    return this.#messages;
  }

  receive(chunk: Uint8Array): void {
    this.#reader.push(chunk);
    this.#serve();
  }

  ended(): void {
    const text = `lost connection with ${this.#options.hostName} while ${this.#phase.name}`;
    this.#fail(new SendError(temporary('4.4.2', text), { broken: true }));
  }

  timedOut(): void {
    const text = `conversation with ${this.#options.hostName} timed out while ${this.#phase.name}`;
    this.#fail(new SendError(temporary('4.4.2', text), { broken: true }));
    this.#host.close();
  }

  /** Greeting, EHLO, STARTTLS and AUTH, as the policy and the settings ask for. */
  async begin(): Promise<void> {
    const { settings, hostName } = this.#options;
    const { timeouts } = settings;
    const greeting = await this.#read({
      name: GREETING,
      timeout: timeouts.helo,
    });
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
    if (this.#ended !== undefined) return;
    const { timeouts, skipQuitResponse } = this.#options.settings;
    this.#phase = { name: 'sending QUIT', timeout: timeouts.quit };
    this.#host.write('QUIT\r\n');
    if (!skipQuitResponse) await this.#read(this.#phase).catch(() => undefined);
    this.#ended = new SendError(temporary('4.4.2', 'the session was ended'), { broken: true });
    this.#host.close();
  }

  // RFC 5321 §3.2, RFC 2033 §4.1.
  async #hello(): Promise<void> {
    const { settings, domain, detectLoops } = this.#options;
    const { protocol, heloName, timeouts, neverSendEhlo, discardKeywords } = settings;
    this.#features = new Map();
    const verb = protocol === 'lmtp' ? 'LHLO' : 'EHLO';
    const phase = { name: `performing the ${verb} handshake`, timeout: timeouts.helo };
    if (!neverSendEhlo || protocol === 'lmtp') {
      const reply = await this.#command(`${verb} ${heloName}`, phase);
      if (reply.code < 300) {
        for (const line of reply.lines.slice(1)) {
          const [word = '', ...rest] = line.replace(/=/, ' ').trim().split(/\s+/);
          const keyword = word.toUpperCase();
          if (discardKeywords.has(keyword.toLowerCase())) continue;
          const earlier = this.#features.get(keyword);
          this.#features.set(keyword, [earlier ?? '', ...rest].join(' ').trim());
        }
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
    const reply = await this.#command(`HELO ${heloName}`, heloPhase);
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
    const reply = await this.#command('STARTTLS', phase);
    if (reply.code >= 300) {
      if (policy.level === 'may') return;
      const said = showReply(reply);
      throw new SendError({
        ...temporary('4.7.4', `TLS is required, but host ${hostName} refused to start TLS: ${said}`),
        diagnostic: said,
      });
    }
    // What came along with the 220 was not protected: somebody may have put it there.
    if (this.#reader.pending > 0) {
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
    this.#reader.discard();
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
    let reply = await this.#command(`AUTH ${exchange.mechanism}${initial}`, phase);
    for (let step = 0; reply.code === 334 && step < 5; step++) {
      reply = await this.#command(exchange.next(reply.lines[0] ?? '') ?? '*', phase);
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
    this.#dirty = true;
    const refused = this.#unacceptable(message);
    if (refused !== undefined) {
      this.#dirty = false;
      return message.recipients.map(({ index }) => resultOf(index, refused));
    }
    const body = await message.open();
    if (message.smtpUtf8 && !this.#features.has('SMTPUTF8') && (await hasUtf8Header(body))) {
      this.#dirty = false;
      return message.recipients.map(({ index }) => resultOf(index, this.#noUtf8()));
    }
    const results = new Map<number, SendResult>();
    try {
      await this.#transact(message, body, results);
    } catch (error) {
      if (!(error instanceof SendError) || results.size === 0) throw error;
      for (const { index } of message.recipients)
        if (!results.has(index)) results.set(index, resultOf(index, error.failure));
    }
    const remoteMta = this.#options.hostName.split('[')[0] ?? '';
    return [...results.values()].map((result) => ({ ...result, remoteMta }));
  }

  #unacceptable(message: OutboundMessage): Failure | undefined {
    const { hostName } = this.#options;
    const limit = Number(this.#features.get('SIZE') ?? 0);
    // RFC 1870 §6.
    if (limit > 0 && message.size > limit) {
      const text = `message size ${message.size} exceeds size limit ${limit} of server ${hostName}`;
      return { permanent: true, dsn: '5.3.4', text };
    }
    const named = [message.sender, ...message.recipients.map(({ address }) => address)];
    const told = message.recipients.flatMap(({ originalRecipient }) => originalRecipient ?? []);
    // What would end its command early is nobody's address.
    if (named.concat(told).some((address) => /[\0-\x1f\x7f]/.test(address)))
      return { permanent: true, dsn: '5.1.3', text: 'bad address syntax' };
    if (!this.#features.has('SMTPUTF8') && named.some((address) => /[^\0-\x7f]/.test(address)))
      return this.#noUtf8();
    return undefined;
  }

  // RFC 6531 §3.2.
  #noUtf8(): Failure {
    const text = `SMTPUTF8 is required, but was not offered by host ${this.#options.hostName}`;
    return { permanent: true, dsn: '5.6.7', text };
  }

  /** Fills `results`; throws when the message's end is not known for the recipients that are not in it. */
  async #transact(
    message: OutboundMessage,
    body: OutboundBody,
    results: Map<number, SendResult>,
  ): Promise<void> {
    const { timeouts } = this.#options.settings;
    const { hostName } = this.#options;
    const { recipients } = message;
    const mailPhase = { name: 'sending MAIL FROM', timeout: timeouts.mail };
    const rcptPhase = { name: 'sending RCPT TO', timeout: timeouts.rcpt };
    const dataPhase = { name: 'sending DATA command', timeout: timeouts.dataInit };
    // POSTFIX: a probe ends before DATA, and so cannot be pipelined.
    const pipelined = this.#features.has('PIPELINING') && message.probe !== true;
    const ask = (line: string, phase: Phase): Promise<ServerReply> =>
      pipelined ? this.#read(phase) : this.#command(line, phase);

    const mailLine = this.#mailLine(message);
    if (pipelined) {
      // RFC 2920 §3.1: MAIL, all RCPTs and DATA in one go; the replies come in their order.
      const lines = [mailLine, ...recipients.map((recipient) => this.#rcptLine(recipient)), 'DATA', ''];
      this.#host.write(lines.join('\r\n'));
    }
    const mail = await ask(mailLine, mailPhase);
    let refusal: Failure | undefined =
      mail.code >= 300 ? refusedBy(hostName, mail, 'MAIL FROM command') : undefined;
    const taken: OutboundRecipient[] = [];
    for (const recipient of recipients) {
      if (refusal !== undefined && !pipelined) break;
      const reply = await ask(this.#rcptLine(recipient), rcptPhase);
      if (refusal !== undefined) continue;
      if (reply.code < 300) {
        taken.push(recipient);
        if (message.probe === true) results.set(recipient.index, accepted(recipient, reply));
      }
      // RFC 5321 §4.5.3.1.10: a 552 to RCPT means too many recipients: the next try brings the rest.
      else {
        const failure = refusedBy(hostName, reply, 'RCPT TO command');
        const tooMany = reply.code === 552 && reply.status === undefined;
        results.set(
          recipient.index,
          resultOf(recipient.index, tooMany ? { ...failure, permanent: false, dsn: '4.5.3' } : failure),
        );
      }
    }
    if ((taken.length === 0 && !pipelined) || message.probe === true) {
      await this.#reset();
      if (refusal !== undefined) this.#refuseAll(recipients, refusal, results);
      return;
    }
    const data = await ask('DATA', dataPhase);
    if (refusal === undefined && taken.length > 0 && data.code !== 354)
      refusal = refusedBy(hostName, data, 'DATA command');
    if (refusal !== undefined || taken.length === 0) {
      if (data.code === 354) {
        // It waits for a message that we must not send: an empty one ends it, and nobody gets that.
        await this.#command('.', { name: 'sending end of data', timeout: timeouts.dataDone });
      }
      await this.#reset();
      if (refusal !== undefined) this.#refuseAll(taken.length > 0 ? taken : recipients, refusal, results);
      return;
    }
    await this.#sendBody(body);
    await this.#readEnd(taken, results);
  }

  #refuseAll(
    recipients: readonly OutboundRecipient[],
    refusal: Failure,
    results: Map<number, SendResult>,
  ): void {
    for (const { index } of recipients) if (!results.has(index)) results.set(index, resultOf(index, refusal));
  }

  /** One reply for all in SMTP; one for each recipient, in their order, in LMTP (RFC 2033 §4.2). */
  async #readEnd(taken: readonly OutboundRecipient[], results: Map<number, SendResult>): Promise<void> {
    const { settings, hostName } = this.#options;
    const phase = {
      name: 'sending end of data -- message may be sent more than once',
      timeout: settings.timeouts.dataDone,
    };
    const dsnPassedOn = this.#features.has('DSN');
    const settle = ({ index }: OutboundRecipient, reply: ServerReply): void => {
      const said = showReply(reply);
      results.set(
        index,
        reply.code < 300
          ? { index, status: 'sent', dsn: reply.status ?? '2.0.0', text: said, diagnostic: said, dsnPassedOn }
          : resultOf(index, refusedBy(hostName, reply, 'end of DATA command')),
      );
    };
    if (settings.protocol === 'lmtp') {
      for (const recipient of taken) settle(recipient, await this.#read(phase));
    } else {
      const reply = await this.#read(phase);
      for (const recipient of taken) settle(recipient, reply);
    }
    this.#dirty = false;
  }

  async #sendBody(body: OutboundBody): Promise<void> {
    const { timeouts, lineLengthLimit } = this.#options.settings;
    this.#phase = { name: 'sending message body', timeout: timeouts.dataXfer };
    this.#host.setTimeout(timeouts.dataXfer);
    const lines = new OutgoingLines(lineLengthLimit);
    const dots = new DotWriter();
    const downgrade = this.#features.has('8BITMIME') ? undefined : downgradeTo7Bit();
    const write = async (chunk: Buffer): Promise<void> => {
      if (chunk.length > 0 && !this.#host.write(dots.push(chunk))) await this.#host.drained();
      if (this.#ended !== undefined) throw this.#ended;
    };
    try {
      for await (const chunk of body.chunks())
        await write(lines.push(downgrade === undefined ? chunk : downgrade.push(chunk)));
      if (downgrade !== undefined) await write(lines.push(downgrade.end()));
      await write(lines.end());
    } catch (error) {
      // Half a message must not look whole: the connection ends before the dot.
      this.#host.close();
      if (error instanceof SendError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      const failed = new SendError(temporary('4.3.0', `the message cannot be read: ${reason}`), {
        broken: true,
      });
      this.#fail(failed);
      throw failed;
    }
    this.#host.write(dots.end());
  }

  async #reset(): Promise<void> {
    try {
      const { rset } = this.#options.settings.timeouts;
      const reply = await this.#command('RSET', { name: 'sending RSET', timeout: rset });
      this.#dirty = reply.code >= 300;
    } catch {
      // Nobody's mail depends on it: the session is just not used again.
    }
  }

  #mailLine(message: OutboundMessage): string {
    const features = this.#features;
    const words = [`MAIL FROM:<${message.sender}>`];
    if (features.has('SIZE')) words.push(`SIZE=${message.size}`);
    if (features.has('8BITMIME') && message.bodyType !== undefined) words.push(`BODY=${message.bodyType}`);
    if (message.smtpUtf8 && features.has('SMTPUTF8')) words.push('SMTPUTF8');
    if (features.has('DSN')) {
      if (message.ret !== undefined) words.push(`RET=${message.ret}`);
      if (message.envelopeId !== undefined) words.push(`ENVID=${encodeXtext(message.envelopeId)}`);
    }
    return words.join(' ');
  }

  // RFC 3461 §4.1, §4.2.
  #rcptLine(recipient: OutboundRecipient): string {
    const words = [`RCPT TO:<${recipient.address}>`];
    if (this.#features.has('DSN')) {
      if (recipient.notify !== undefined) words.push(`NOTIFY=${recipient.notify.join(',')}`);
      if (recipient.originalRecipient !== undefined) words.push(`ORCPT=${recipient.originalRecipient}`);
    }
    return words.join(' ');
  }

  #command(line: string, phase: Phase): Promise<ServerReply> {
    this.#host.write(`${line}\r\n`);
    return this.#read(phase);
  }

  /** The next reply. A 421 ends the session whatever it answers (RFC 5321 §3.8). */
  async #read(phase: Phase): Promise<ServerReply> {
    const { replyFilter } = this.#options;
    const reply = await this.#readPlain(phase);
    return replyFilter === undefined ? reply : await filterReply(reply, replyFilter);
  }

  #readPlain(phase: Phase): Promise<ServerReply> {
    this.#phase = phase;
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    this.#host.setTimeout(phase.timeout);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#serve();
    });
  }

  #serve(): void {
    const waiting = this.#waiting;
    if (waiting === undefined) return;
    const read = this.#reader.next();
    if (read === undefined) return;
    this.#waiting = undefined;
    if (read.kind === 'reply') {
      if (read.reply.code === 421) this.#dirty = true;
      waiting.resolve(read.reply);
      return;
    }
    const text = `host ${this.#options.hostName} gave a malformed reply while ${this.#phase.name}: ${read.text}`;
    const error = new SendError(temporary('4.5.0', text), { broken: true });
    this.#ended ??= error;
    this.#host.close();
    waiting.reject(error);
  }

  #fail(error: SendError): void {
    this.#ended ??= error;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(this.#ended);
  }
}

/** Octets of a header that are looked at. */
const MAX_HEADER = 1024 * 1024;

async function hasUtf8Header(body: OutboundBody): Promise<boolean> {
  let seen = 0;
  let tail = '';
  for await (const chunk of body.chunks()) {
    const text = tail + chunk.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    if (/[\x80-\xff]/.test(end === -1 ? text : text.slice(0, end))) return true;
    seen += chunk.length;
    if (end !== -1 || seen > MAX_HEADER) return false;
    tail = text.slice(-3);
  }
  return false;
}

/** A recipient that would be taken. */
function accepted({ index }: OutboundRecipient, reply: ServerReply): SendResult {
  return { index, status: 'sent', dsn: reply.status ?? '2.1.5', text: showReply(reply) };
}

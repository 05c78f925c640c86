// One message to one server, from MAIL to the reply to its end (RFC 5321 §3.3, RFC 2033 §4.2): pipelined where the
// server can (RFC 2920).
//
// Fills `results` as recipients' fates become known; throws `SendError` when the end is not known for those that are
// not in it. A message whose octets cannot be read to the end breaks the connection: half of it must not look whole.

import { DotWriter } from '@postcote/wire';
import type { ClientSettings } from './client-settings.ts';
import type { Dialogue, Phase } from './dialogue.ts';
import { downgradeTo7Bit } from './downgrade.ts';
import type { OutboundBody, OutboundMessage, OutboundRecipient } from './message.ts';
import { type Failure, refusedBy, resultOf, SendError, type SendResult, temporary } from './outcome.ts';
import { OutgoingLines } from './outgoing-lines.ts';
import { type ServerReply, showReply } from './reply-reader.ts';
import { formatMail, formatRcpt, type ServerFeatures } from './server-features.ts';
import { xforwardLines } from './xforward.ts';

export interface TransactionServer {
  readonly dialogue: Dialogue;
  readonly features: ServerFeatures;
  readonly settings: ClientSettings;
  readonly hostName: string;
  /** A line for the log. */
  note(text: string): void;
}

export class OutboundTransaction {
  readonly results = new Map<number, SendResult>();
  readonly #server: TransactionServer;
  readonly #message: OutboundMessage;

  constructor(server: TransactionServer, message: OutboundMessage) {
    this.#server = server;
    this.#message = message;
  }

  /** POSTFIX: a server that will not hear it gets the message nevertheless. */
  async #forward(): Promise<void> {
    const { dialogue, features, settings, hostName, note } = this.#server;
    const { client } = this.#message;
    const offered = features.get('XFORWARD');
    if (!settings.sendXforward || offered === undefined || client === undefined) return;
    const phase = { name: 'sending XFORWARD', timeout: settings.timeouts.mail };
    for (const line of xforwardLines(offered, client)) {
      const reply = await dialogue.command(line, phase);
      if (reply.code >= 300)
        note(`host ${hostName} said: ${showReply(reply)} (in reply to XFORWARD command)`);
    }
  }

  async run(body: OutboundBody): Promise<void> {
    const { dialogue, features, settings, hostName } = this.#server;
    const { timeouts } = settings;
    const message = this.#message;
    const { recipients } = message;
    const mailPhase = { name: 'sending MAIL FROM', timeout: timeouts.mail };
    const dataPhase = { name: 'sending DATA command', timeout: timeouts.dataInit };
    // POSTFIX: a probe ends before DATA, and so cannot be pipelined.
    const pipelined = features.has('PIPELINING') && message.probe !== true;
    const ask = (line: string, phase: Phase): Promise<ServerReply> =>
      pipelined ? dialogue.read(phase) : dialogue.command(line, phase);

    await this.#forward();
    const mailLine = formatMail(message, features);
    if (pipelined) {
      // RFC 2920 §3.1: MAIL, all RCPTs and DATA in one go; the replies come in their order.
      const rcptLines = recipients.map((recipient) => formatRcpt(recipient, features));
      dialogue.write([mailLine, ...rcptLines, 'DATA', ''].join('\r\n'));
    }
    const mail = await ask(mailLine, mailPhase);
    let refusal: Failure | undefined =
      mail.code >= 300 ? refusedBy(hostName, mail, 'MAIL FROM command') : undefined;
    const taken: OutboundRecipient[] = [];
    const rcptPhase = { name: 'sending RCPT TO', timeout: timeouts.rcpt };
    for (const recipient of recipients) {
      if (refusal !== undefined && !pipelined) break;
      const reply = await ask(formatRcpt(recipient, features), rcptPhase);
      if (refusal === undefined && this.#takeRcptReply(recipient, reply)) taken.push(recipient);
    }
    if ((taken.length === 0 && !pipelined) || message.probe === true) {
      await this.#reset();
      if (refusal !== undefined) this.#refuseAll(recipients, refusal);
      return;
    }
    const data = await ask('DATA', dataPhase);
    if (refusal === undefined && taken.length > 0 && data.code !== 354)
      refusal = refusedBy(hostName, data, 'DATA command');
    if (refusal !== undefined || taken.length === 0) {
      if (data.code === 354) {
        // It waits for a message that we must not send: an empty one ends it, and nobody gets that.
        await dialogue.command('.', { name: 'sending end of data', timeout: timeouts.dataDone });
      }
      await this.#reset();
      if (refusal !== undefined) this.#refuseAll(taken.length > 0 ? taken : recipients, refusal);
      return;
    }
    await this.#sendBody(body);
    await this.#readEnd(taken);
  }

  /** Whether the server takes this recipient. */
  #takeRcptReply(recipient: OutboundRecipient, reply: ServerReply): boolean {
    const { index } = recipient;
    if (reply.code < 300) {
      if (this.#message.probe === true) this.results.set(index, accepted(recipient, reply));
      return true;
    }
    const failure = refusedBy(this.#server.hostName, reply, 'RCPT TO command');
    // RFC 5321 §4.5.3.1.10: a 552 to RCPT means too many recipients: the next try brings the rest.
    const tooMany = reply.code === 552 && reply.status === undefined;
    this.results.set(
      index,
      resultOf(index, tooMany ? { ...failure, permanent: false, dsn: '4.5.3' } : failure),
    );
    return false;
  }

  #refuseAll(recipients: readonly OutboundRecipient[], refusal: Failure): void {
    for (const { index } of recipients)
      if (!this.results.has(index)) this.results.set(index, resultOf(index, refusal));
  }

  /** One reply for all in SMTP; one for each recipient, in their order, in LMTP (RFC 2033 §4.2). */
  async #readEnd(taken: readonly OutboundRecipient[]): Promise<void> {
    const { dialogue, features, settings, hostName } = this.#server;
    const phase = {
      name: 'sending end of data -- message may be sent more than once',
      timeout: settings.timeouts.dataDone,
    };
    const dsnPassedOn = features.has('DSN');
    const settle = ({ index }: OutboundRecipient, reply: ServerReply): void => {
      const said = showReply(reply);
      this.results.set(
        index,
        reply.code < 300
          ? { index, status: 'sent', dsn: reply.status ?? '2.0.0', text: said, diagnostic: said, dsnPassedOn }
          : resultOf(index, refusedBy(hostName, reply, 'end of DATA command')),
      );
    };
    if (settings.protocol === 'lmtp') {
      for (const recipient of taken) settle(recipient, await dialogue.read(phase));
    } else {
      const reply = await dialogue.read(phase);
      for (const recipient of taken) settle(recipient, reply);
    }
    dialogue.dirty = false;
  }

  async #sendBody(body: OutboundBody): Promise<void> {
    const { dialogue, features, settings } = this.#server;
    dialogue.enter({ name: 'sending message body', timeout: settings.timeouts.dataXfer });
    const lines = new OutgoingLines(settings.lineLengthLimit);
    const dots = new DotWriter();
    const downgrade = features.has('8BITMIME') ? undefined : downgradeTo7Bit();
    const write = (chunk: Buffer): Promise<void> =>
      dialogue.pour(chunk.length === 0 ? chunk : dots.push(chunk));
    try {
      for await (const chunk of body.chunks())
        await write(lines.push(downgrade === undefined ? chunk : downgrade.push(chunk)));
      if (downgrade !== undefined) await write(lines.push(downgrade.end()));
      await write(lines.end());
    } catch (error) {
      if (error instanceof SendError) throw dialogue.breakOff(error);
      const reason = error instanceof Error ? error.message : String(error);
      const text = `the message cannot be read: ${reason}`;
      throw dialogue.breakOff(new SendError(temporary('4.3.0', text), { broken: true }));
    }
    dialogue.write(dots.end());
  }

  async #reset(): Promise<void> {
    const { dialogue, settings } = this.#server;
    try {
      const reply = await dialogue.command('RSET', { name: 'sending RSET', timeout: settings.timeouts.rset });
      dialogue.dirty = reply.code >= 300;
    } catch {
      // Nobody's mail depends on it: the session is just not used again.
    }
  }
}

/** A recipient that would be taken. */
function accepted({ index }: OutboundRecipient, reply: ServerReply): SendResult {
  return { index, status: 'sent', dsn: reply.status ?? '2.1.5', text: showReply(reply) };
}

// Takes one message from the client into the queue: the data of DATA or of BDAT's chunks, cleaned, counted, measured
// and written on as it comes. What is wrong with it is remembered, the rest is swallowed, and `finish` says so.
//
// Whoever opened a receiver ends it with `finish` or `abort`. Neither throws; faults of the queue become replies.

import { DotReader } from '@postcote/wire';
import type { ClientName } from './client-name.ts';
import type { Conversation, Transaction } from './conversation.ts';
import { HeaderReader } from './header-reader.ts';
import { isLocalClient } from './local-client.ts';
import { contentMacros, replyOfLines, tellMilters } from './milter-events.ts';
import { refusal } from './policy.ts';
import {
  type AcceptedEnvelope,
  AcceptError,
  ContentRejected,
  type EnvelopeRecipient,
  type IncomingMessage,
  type MessageContext,
  MessageRefused,
} from './ports.ts';
import { formatReceived } from './received.ts';
import { type Reply, printable, reply } from './reply.ts';

const TOO_BIG = reply(552, '3.4', 'Error: message file too big');
const TOO_MANY_HOPS = reply(554, '4.0', 'Error: too many hops');
const WRITE_ERROR = reply(451, '3.0', 'Error: queue file write error');

/** What the client is told of an error of the queue; unexpected ones are temporary too. */
export function queueErrorReply(error: unknown): Reply {
  if (error instanceof ContentRejected) {
    return reply(error.status.startsWith('4') ? 451 : 550, error.status.slice(2), printable(error.message));
  }
  if (error instanceof AcceptError) {
    if (error.code === 'noSpace') return reply(452, '3.1', 'Insufficient system storage');
    if (error.code === 'loop') return reply(451, '6.0', 'Error: alias expansion error');
  }
  return WRITE_ERROR;
}

export interface MessageForm {
  /** DATA; false for BDAT. */
  readonly dotStuffed: boolean;
}

export class MessageReceiver {
  readonly #conversation: Conversation;
  readonly #writer: IncomingMessage;
  readonly #reader: DotReader;
  readonly #header: HeaderReader;
  #refusal: Reply | undefined;
  #waiting: Promise<void> | undefined;
  #over = false;
  /** Of the effects that the queue knows of. */
  #told: number;

  /** The message, open in the queue with its `Received:` written; or the reply that says why not. */
  static async open(
    conversation: Conversation,
    transaction: Transaction,
    form: MessageForm,
  ): Promise<MessageReceiver | Reply> {
    try {
      const client = conversation.client instanceof Promise ? await conversation.client : conversation.client;
      const writer = await conversation.ports.queue.begin(
        envelopeOf(conversation, transaction, client),
        contextOf(conversation),
      );
      logClient(conversation, writer.queueId);
      const refused = await askMilters(conversation, transaction, writer);
      if (refused !== undefined) {
        await writer.abort();
        return refused;
      }
      const receiver = new MessageReceiver(conversation, writer, {
        reader: new DotReader(form),
        header: new HeaderReader(),
      });
      for (const field of transaction.effects.prepend) receiver.#write(Buffer.from(`${field}\r\n`));
      receiver.#write(
        Buffer.from(receivedOf(conversation, transaction, { client, queueId: writer.queueId })),
      );
      return receiver;
    } catch (error) {
      logFailure(conversation, 'NOQUEUE', error);
      return queueErrorReply(error);
    }
  }

  private constructor(
    conversation: Conversation,
    writer: IncomingMessage,
    readers: { readonly reader: DotReader; readonly header: HeaderReader },
  ) {
    this.#conversation = conversation;
    this.#writer = writer;
    this.#reader = readers.reader;
    this.#header = readers.header;
    this.#told = conversation.transaction?.effects.version ?? 0;
  }

  get queueId(): string {
    return this.#writer.queueId;
  }

  /** Octets of the message so far. */
  get size(): number {
    return this.#reader.size;
  }

  /** DATA: the end of the message was seen. */
  get ended(): boolean {
    return this.#reader.ended;
  }

  /** Set while the queue has more than enough to write; never rejects. */
  get waiting(): Promise<void> | undefined {
    return this.#waiting;
  }

  /** Takes octets; the answer is how many belonged to the message. */
  push(chunk: Buffer): number {
    return this.#reader.push(chunk, this.#emit);
  }

  readonly #emit = (piece: Buffer): void => {
    if (this.#refusal !== undefined) return;
    const { messageSizeLimit, hopcountLimit } = this.#conversation.settings;
    if (messageSizeLimit > 0 && this.#reader.size > messageSizeLimit) {
      this.#warn(`${this.queueId}: queue file size limit exceeded`);
      this.#refuse(TOO_BIG);
      return;
    }
    this.#header.push(piece, this.#pass);
    // POSTFIX: our own `Received:` counts.
    if (this.#header.received + 1 >= hopcountLimit && this.#refusal === undefined) {
      this.#warn(`${this.queueId}: message rejected: hopcount exceeded`);
      this.#refuse(TOO_MANY_HOPS);
    }
  };

  readonly #pass = (piece: Buffer): void => {
    if (this.#refusal === undefined) this.#write(piece);
  };

  #write(piece: Buffer): void {
    const wait = this.#writer.write(piece);
    if (wait === undefined) return;
    const settled: Promise<void> = wait
      .then(
        () => undefined,
        (error: unknown) => this.#fail(error),
      )
      .then(() => {
        if (this.#waiting === settled) this.#waiting = undefined;
      });
    this.#waiting = settled;
  }

  /** The reply at the end of the message. 250 means that it is durable. */
  async finish(): Promise<Reply> {
    this.#reader.finish(this.#emit);
    this.#header.finish(this.#pass);
    if (this.#waiting !== undefined) await this.#waiting;
    const { queueId, size } = this;
    const problem =
      this.#refusal ??
      this.#lineEnds() ??
      (await refusal(this.#conversation, { moment: 'endOfData', queueId, size }));
    if (problem !== undefined) {
      await this.abort();
      return problem;
    }
    this.#over = true;
    try {
      await this.#amend();
      await this.#writer.commit();
      return reply(250, '0.0', `Ok: queued as ${this.queueId}`);
    } catch (error) {
      if (error instanceof MessageRefused) return replyOfLines(error.reply);
      if (!(error instanceof ContentRejected)) logFailure(this.#conversation, this.queueId, error);
      return queueErrorReply(error);
    }
  }

  /** What came of the end-of-data restrictions, which run when the queue has the envelope already. */
  async #amend(): Promise<void> {
    const { transaction, client } = this.#conversation;
    if (transaction === undefined || transaction.effects.version === this.#told) return;
    this.#told = transaction.effects.version;
    this.#writer.amend?.(envelopeOf(this.#conversation, transaction, await client));
  }

  /** Leaves nothing behind. */
  async abort(): Promise<void> {
    if (this.#over) return;
    this.#over = true;
    await this.#writer.abort();
  }

  #refuse(value: Reply): void {
    this.#refusal ??= value;
    // The octets still to come are swallowed; what was written need not wait for them.
    void this.abort();
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    logFailure(this.#conversation, this.queueId, error);
    this.#refuse(queueErrorReply(error));
  }

  #lineEnds(): Reply | undefined {
    const { settings } = this.#conversation;
    if (this.#reader.bareNewlines === 0 || settings.forbidBareNewline !== 'reject') return undefined;
    this.#warn(`${this.queueId}: message rejected: bare <LF> received`);
    return reply(
      settings.forbidBareNewlineRejectCode,
      '5.2',
      `${settings.myhostname} Error: bare <LF> received`,
    );
  }

  #warn(text: string): void {
    this.#conversation.log('warn', () => `warning: ${text}`);
  }
}

/** Filters hear of DATA once the message has an id: `{i}` is what they know it by. */
async function askMilters(
  conversation: Conversation,
  transaction: Transaction,
  writer: IncomingMessage,
): Promise<Reply | undefined> {
  if (conversation.milters === undefined) return undefined;
  const { queueId } = writer;
  const { version } = transaction.effects;
  const recipient = transaction.recipients[0]?.path;
  const refused = await tellMilters(conversation, { queueId }, (milters) => milters.data(), {
    question: recipient === undefined ? { queueId } : { queueId, recipient },
  });
  if (transaction.effects.version !== version)
    writer.amend?.(envelopeOf(conversation, transaction, await conversation.client));
  return refused;
}

function contextOf(conversation: Conversation): MessageContext | undefined {
  const { milters, transaction } = conversation;
  const { discard = false, discardByFilter = false } = transaction?.effects ?? {};
  if (milters === undefined || discard || discardByFilter) return undefined;
  return { milters, macros: (queueId) => contentMacros(conversation, queueId) };
}

function envelopeOf(
  conversation: Conversation,
  transaction: Transaction,
  client: ClientName,
): Omit<AcceptedEnvelope, 'messageSize'> {
  const { peer, login, protocol } = conversation;
  const { sender, parameters, effects } = transaction;
  return {
    sender: sender.address,
    recipients: recipientsOf(transaction),
    ...(effects.hold ? { hold: true as const } : {}),
    ...(effects.discard || effects.discardByFilter ? { discard: true as const } : {}),
    ...filterOf(effects),
    ...(isLocalClient(conversation) ? { localHeaders: true as const } : {}),
    smtpUtf8: parameters.smtpUtf8,
    ...(parameters.bodyType === undefined ? {} : { bodyType: parameters.bodyType }),
    ...(parameters.ret === undefined ? {} : { ret: parameters.ret }),
    ...(parameters.envelopeId === undefined ? {} : { envelopeId: parameters.envelopeId }),
    client: {
      address: peer.remoteAddress,
      port: peer.remotePort,
      name: client.name,
      reverseName: client.reverseName,
    },
    helo: conversation.helo ?? '',
    protocol,
    ...(login === undefined ? {} : { saslMethod: login.method, saslUser: login.user }),
  };
}

/** POSTFIX: redirected mail goes through no filter. */
function filterOf({ redirect, filter }: Transaction['effects']): { readonly filter?: string } {
  if (redirect !== undefined) return { filter: '' };
  return filter === undefined ? {} : { filter };
}

/** POSTFIX: a redirection takes everybody's place; who gets a copy is told of no success and no failure. */
function recipientsOf({ recipients, effects }: Transaction): readonly EnvelopeRecipient[] {
  if (effects.redirect !== undefined) return [{ address: effects.redirect }];
  const copies = effects.bcc.map((address) => ({ address, notify: ['NEVER'] as const }));
  return [...recipients.map(({ envelope }) => envelope), ...copies];
}

function receivedOf(
  conversation: Conversation,
  transaction: Transaction,
  { client, queueId }: { readonly client: ClientName; readonly queueId: string },
): string {
  const { settings, peer, tls, login, protocol, ports } = conversation;
  const only = transaction.recipients.length === 1 ? transaction.recipients[0]?.path.mailbox : undefined;
  return formatReceived(
    {
      // POSTFIX: a client that never said HELO is called by its name.
      helo: conversation.helo ?? client.name,
      clientName: client.name,
      clientAddress: peer.remoteAddress,
      tls,
      saslUser: login?.user,
      protocol,
      smtpUtf8: transaction.parameters.smtpUtf8,
      queueId,
      ...(only === undefined ? {} : { recipient: only }),
      date: ports.clock.now(),
    },
    settings,
  );
}

/** `QUEUEID: client=name[address], sasl_method=PLAIN, sasl_username=user, orig_queue_id=…, orig_client=…`. */
function logClient({ log, login, forwarded }: Conversation, queueId: string): void {
  const sasl =
    login === undefined ? '' : `, sasl_method=${login.method}, sasl_username=${printable(login.user)}`;
  const ident = forwarded?.ident === undefined ? '' : `, orig_queue_id=${forwarded.ident}`;
  const { name = 'unknown', address } = forwarded ?? {};
  const origin =
    forwarded === undefined ? '' : `, orig_client=${address === undefined ? name : `${name}[${address}]`}`;
  log('info', (client) => `${queueId}: client=${client}${sasl}${ident}${origin}`);
}

function logFailure({ log, sessionId }: Conversation, queueId: string, error: unknown): void {
  const text = printable(error instanceof Error ? error.message : String(error));
  log('warn', () => `warning: ${queueId}: message not accepted: ${text} (session ${sessionId})`);
}

// A message that filters look at before it is taken: kept back until it is all there, shown to them, changed as they
// ask, and written on. POSTFIX: cleanup(8) with milters; its words in the log.
//
// Nothing is kept of a message that is refused, and nothing half-changed goes on: the queue sees the first octet when the
// last filter has spoken.

import {
  type BodyStore,
  DISCARD_TEXT,
  type EditableEnvelope,
  EditableMessage,
  HOLD_TEXT,
  MAX_HEADER,
  type Verdict,
} from '@postcote/milter';
import { type CheckTable, redirectedFrom } from '@postcote/cleanup';
import { MessageRefused } from '@postcote/smtp';
import type { Log } from '@postcote/wire';
import { type HeaderEffects, MilterHeaderChecks } from './header-checks.ts';
import type { EnteringMessage, InnerEnvelope } from '../cleanup-entrance.ts';

/** What filters said, as the message's end needs it. */
export interface Inspection {
  /** The reply that ends the message: `550 5.7.1 text`. */
  readonly refused?: string;
  readonly hold?: true;
  readonly discard?: true;
}

export interface FilteredMessageOptions {
  readonly inner: EnteringMessage;
  readonly envelope: InnerEnvelope;
  readonly openBody: () => BodyStore;
  readonly messageSizeLimit: number;
  readonly headerSizeLimit: number;
  readonly headerChecks?: CheckTable;
  readonly log: Log;
  /** Shows the message to the filters. `note` logs a verdict and says what comes of it. */
  inspect(
    message: EditableMessage,
    envelope: InnerEnvelope,
    note: (event: string, verdict: Verdict) => Inspection,
  ): Promise<Inspection>;
  /** What becomes of a refused message. Throws, or gives the envelope it is taken with in spite of that. */
  refuse(reply: string, envelope: InnerEnvelope): InnerEnvelope;
}

const PROGRAM = 'postfix/cleanup';
const LF = 0x0a;
const CR = 0x0d;
const HEADER_TOO_BIG = '552 5.3.4 Error: message header too big';

export class FilteredMessage implements EnteringMessage {
  readonly #options: FilteredMessageOptions;
  readonly #body: BodyStore;
  #envelope: InnerEnvelope;
  #checks: MilterHeaderChecks | undefined;
  #amended = false;
  #header: Buffer[] = [];
  #headerOctets = 0;
  #inHeader = true;
  #hasBody = false;
  /** The header's octets end in a line end: an empty line would end it. */
  #atLineStart = true;
  #afterLineCr = false;

  constructor(options: FilteredMessageOptions) {
    this.#options = options;
    this.#envelope = options.envelope;
    this.#body = options.openBody();
  }

  get queueId(): string {
    return this.#options.inner.queueId;
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    const octets = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (!this.#inHeader) return this.#body.write(octets);
    const end = this.#endOfHeader(octets);
    const part = end === undefined ? octets : octets.subarray(0, end);
    if (this.#headerOctets <= MAX_HEADER) this.#header.push(Buffer.from(part));
    this.#headerOctets += part.length;
    if (end === undefined) return undefined;
    this.#inHeader = false;
    this.#hasBody = true;
    return end < octets.length ? this.#body.write(octets.subarray(end)) : undefined;
  }

  amend(envelope: InnerEnvelope): void {
    this.#envelope = envelope;
    this.#amended = true;
  }

  async abort(): Promise<void> {
    this.#body.drop();
    await this.#options.inner.abort();
  }

  async commit(): Promise<{ readonly queueId: string }> {
    const { inner } = this.#options;
    const message = this.#editable();
    try {
      await this.#inspect(message.message, message.envelope);
      for await (const piece of message.message.octets()) await inner.write(piece);
      return await inner.commit();
    } catch (error) {
      await inner.abort();
      throw error;
    } finally {
      message.message.drop();
    }
  }

  #editable(): { readonly message: EditableMessage; readonly envelope: EditableEnvelope } {
    const { openBody, messageSizeLimit, headerSizeLimit, headerChecks, log } = this.#options;
    if (this.#headerOctets > MAX_HEADER) {
      this.#header = [];
      this.#headerOctets = 0;
      throw new MessageRefused(HEADER_TOO_BIG);
    }
    const { sender, ret, envelopeId, recipients } = this.#envelope;
    const envelope: EditableEnvelope = {
      sender,
      recipients,
      ...(ret === undefined ? {} : { ret }),
      ...(envelopeId === undefined ? {} : { envelopeId }),
    };
    const whole = Buffer.concat(this.#header);
    this.#header = [];
    const warn = (text: string): void => log('warn', PROGRAM, `warning: ${this.queueId}: ${printable(text)}`);
    if (headerChecks !== undefined) {
      const note = (action: string, line: string, more: string): void =>
        this.#log(`milter-header-${action}`, `header ${line.slice(0, 200)}`, {
          before: '',
          after: more === '' ? '' : `: ${more}`,
        });
      this.#checks = new MilterHeaderChecks(headerChecks, { warn, note });
    }
    const message = new EditableMessage({
      // Without the empty line.
      header: this.#hasBody ? whole.subarray(0, whole.length - 2) : whole,
      hasBody: this.#hasBody,
      body: this.#body,
      openBody,
      envelope,
      messageSizeLimit,
      headerSizeLimit,
      ...(this.#checks === undefined ? {} : { checkHeader: this.#checks.check }),
      warn,
    });
    return { message, envelope };
  }

  /** Tells the queue what the filters made of the envelope. Throws when the message is not to be taken. */
  async #inspect(message: EditableMessage, edited: EditableEnvelope): Promise<void> {
    const { inner, inspect, refuse } = this.#options;
    const given = this.#envelope;
    const said = await inspect(message, given, (event, verdict) => this.#note(event, verdict));
    const { refused } = said;
    const { effects } = this.#checks ?? {};
    const hold = said.hold ?? effects?.hold;
    const discard = said.discard ?? effects?.discard;
    if (refused !== undefined) {
      inner.amend(refuse(refused, given));
      return;
    }
    const { sender, ret, envelopeId } = edited;
    const recipients = withEffects(edited.recipients, effects);
    const { filter: givenFilter, ...rest } = given;
    const filter = effects?.redirect === undefined ? (effects?.filter ?? givenFilter) : undefined;
    const changed = filter !== givenFilter || sender !== given.sender || recipients !== given.recipients;
    const marked = hold === true || discard === true || ret !== given.ret || envelopeId !== given.envelopeId;
    // Recipients are looked up again for it.
    if (!changed && !marked && !this.#amended) return;
    inner.amend({
      ...rest,
      sender,
      recipients,
      ...(ret === undefined ? {} : { ret }),
      ...(envelopeId === undefined ? {} : { envelopeId }),
      ...(hold === true ? { hold: true as const } : {}),
      ...(discard === true ? { discard: true as const } : {}),
      ...(filter === undefined ? {} : { filter }),
    });
  }

  #note(event: string, verdict: Verdict): Inspection {
    switch (verdict.kind) {
      case 'hold':
        if (this.#envelope.hold !== true) this.#decide('milter-hold', event, verdict.reason || HOLD_TEXT);
        return { hold: true };
      case 'discard':
        if (this.#envelope.discard !== true) this.#decide('milter-discard', event, DISCARD_TEXT);
        return { discard: true };
      case 'shutdown':
        this.#decide('milter-reject', event, '4.7.0 Service unavailable');
        return { refused: '421 4.7.0 Service unavailable' };
      case 'reply':
        // What a table of ours refused has its line already.
        if (verdict.text !== this.#checks?.effects.refused)
          this.#decide('milter-reject', event, verdict.text.slice(4));
        return { refused: verdict.text };
    }
  }

  #decide(action: string, event: string, text: string): void {
    this.#log(action, event, { before: `: ${text}`, after: '' });
  }

  #log(action: string, what: string, text: { readonly before: string; readonly after: string }): void {
    const { sender, recipients, client, protocol, helo } = this.#envelope;
    const recipient = recipients.at(-1)?.address;
    const to = recipient === undefined ? '' : ` to=<${recipient}>`;
    const how = protocol === 'local' ? '' : ` proto=${protocol}${helo === '' ? '' : ` helo=<${helo}>`}`;
    const from = `${client.name}[${client.address}]`;
    this.#options.log(
      'info',
      PROGRAM,
      printable(
        `${this.queueId}: ${action}: ${what} from ${from}${text.before}; from=<${sender}>${to}${how}${text.after}`,
      ),
    );
  }

  /** Where the empty line ends, or undefined. The octets are CRLF lines, in any chunking. */
  #endOfHeader(octets: Buffer): number | undefined {
    let at = 0;
    while (at < octets.length) {
      if (this.#atLineStart) {
        const octet = octets[at];
        if (this.#afterLineCr && octet === LF) return at + 1;
        if (!this.#afterLineCr && octet === CR) {
          this.#afterLineCr = true;
          at++;
          continue;
        }
        this.#atLineStart = false;
        this.#afterLineCr = false;
      }
      const end = octets.indexOf(LF, at);
      if (end === -1) return undefined;
      this.#atLineStart = true;
      at = end + 1;
    }
    return undefined;
  }
}

/** POSTFIX: a redirection takes everybody's place; who gets a copy is told of no failure. */
function withEffects(
  recipients: EditableEnvelope['recipients'],
  effects: HeaderEffects | undefined,
): EditableEnvelope['recipients'] {
  if (effects?.redirect !== undefined) {
    const replaced = redirectedFrom(recipients);
    const original = replaced?.original ?? replaced?.address ?? effects.redirect;
    return [{ address: effects.redirect, original }];
  }
  if (effects === undefined || effects.copies.length === 0) return recipients;
  return [...recipients, ...effects.copies.map((address) => ({ address, notify: ['NEVER'] as const }))];
}

/** Filters, clients and senders all have a say in these lines. */
const printable = (text: string): string => text.replace(/[\p{Cc}\u2028\u2029]/gu, '?');

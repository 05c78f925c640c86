// One message on its way in. Small ones stay in memory and go into the database with their row; one that grows
// beyond `inlineLimit` continues in a spool file. Expansion of the recipients runs meanwhile.

import { findMessageId } from '../message-id.ts';
import { formatQueueId } from '../queue-id.ts';
import { recipientKey } from '../destinations.ts';
import { afterExpansion } from '../expanded.ts';
import { QueueError } from '../ports.ts';
import type { QueueClock, Resolution, Resolve } from '../ports.ts';
import type { EnvelopeRecipient, MessageEnvelope, QueueEnvelope, QueuedRecipient } from '../envelope.ts';
import type { QueuedMessage } from '../schedule-store.ts';
import type { Scheduler } from '../scheduler.ts';
import type { QueueSettings } from '../settings.ts';
import type { Log } from '@postcote/wire';
import { RECIPIENT_WINDOW } from './protocol.ts';
import type { StoredRecipient } from './protocol.ts';
import { SpoolFile } from './spool.ts';
import type { QueueStore } from './store.ts';

export interface IntakeContext {
  readonly store: QueueStore;
  readonly scheduler: Scheduler;
  readonly spoolFolder: string;
  readonly clock: QueueClock;
  readonly log: Log;
  readonly resolve: Resolve;
  settings(): QueueSettings;
}

const FIRST_BUFFER = 4096;

export class MessageIntake {
  readonly queueId: string;
  readonly #context: IntakeContext;
  readonly #id: number;
  readonly #arrivedAt: number;
  #envelope: MessageEnvelope;
  #recipients: Promise<readonly QueuedRecipient[] | QueueError>;
  readonly #inlineLimit: number;
  #head = Buffer.allocUnsafeSlow(FIRST_BUFFER);
  #headLength = 0;
  #size = 0;
  #spool: SpoolFile | undefined;
  #ended = false;

  /** `arrivedAt`: when it came in first, for a message that is taken in again. */
  constructor(context: IntakeContext, envelope: QueueEnvelope, arrivedAt?: number) {
    const { recipients, ...rest } = envelope;
    const settings = context.settings();
    this.#context = context;
    this.#envelope = rest;
    this.#inlineLimit = settings.inlineLimit;
    const now = context.clock.now();
    this.#arrivedAt = arrivedAt ?? now;
    this.#id = context.store.nextId();
    this.queueId = formatQueueId(this.#id, now, settings.longQueueIds);
    this.#recipients = resolveAll(recipients, rest, context.resolve);
  }

  /** Takes the envelope's place with one that came to be while the message came in. */
  amend(envelope: QueueEnvelope): void {
    if (this.#ended) return;
    const { recipients, ...rest } = envelope;
    this.#envelope = rest;
    this.#recipients = resolveAll(recipients, rest, this.#context.resolve);
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#ended || chunk.length === 0) return undefined;
    this.#size += chunk.length;
    if (this.#spool !== undefined) return this.#spool.write(chunk);
    if (this.#headLength + chunk.length <= this.#inlineLimit) {
      this.#appendHead(chunk);
      return undefined;
    }
    this.#spool = new SpoolFile(this.#context.spoolFolder, this.queueId);
    const head = this.#spool.write(this.#head.subarray(0, this.#headLength));
    return this.#spool.write(chunk) ?? head;
  }

  async commit(): Promise<{ readonly queueId: string }> {
    if (this.#ended) throw new QueueError('unavailable', 'the message was given up');
    this.#ended = true;
    const { queueId } = this;
    const recipients = await this.#recipients;
    if (recipients instanceof QueueError) {
      await this.#spool?.remove();
      throw recipients;
    }
    await this.#spool?.finish();
    const octets = this.#spool === undefined ? this.#head.subarray(0, this.#headLength) : undefined;
    const messageId = findMessageId(this.#head.subarray(0, this.#headLength));
    this.#context.log(
      'info',
      'postfix/cleanup',
      `${queueId}: message-id=${messageId === '' ? '<>' : messageId}`,
    );
    if (recipients.length === 0 || this.#envelope.discard === true) {
      await this.#spool?.remove();
      this.#context.log('info', 'postfix/qmgr', `${queueId}: removed`);
    } else {
      await this.#store(recipients, octets);
    }
    return { queueId };
  }

  async abort(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    await this.#spool?.remove();
  }

  async #store(recipients: readonly QueuedRecipient[], octets: Uint8Array | undefined): Promise<void> {
    const { store, scheduler } = this.#context;
    const held = this.#envelope.hold === true;
    const inMemory = !held && recipients.length <= RECIPIENT_WINDOW && scheduler.promise(recipients.length);
    try {
      await store.accept(
        {
          kind: 'accept',
          id: this.#id,
          queueId: this.queueId,
          arrivedAt: this.#arrivedAt,
          sender: this.#envelope.sender,
          envelope: JSON.stringify(this.#envelope),
          size: this.#size,
          offset: 0,
          length: octets?.length ?? 0,
          spool: octets === undefined ? this.queueId : null,
          nextAttempt: inMemory ? null : this.#arrivedAt,
          held,
          recipients: recipients.map(storedRecipient),
        },
        octets,
      );
    } catch (error) {
      if (inMemory) scheduler.forgo();
      await this.#spool?.remove();
      throw error;
    }
    if (held) return;
    if (!inMemory) {
      scheduler.noteWaiting();
      return;
    }
    const message: QueuedMessage = {
      id: this.#id,
      queueId: this.queueId,
      envelope: this.#envelope,
      arrivedAt: this.#arrivedAt,
      attemptedAt: 0,
      size: this.#size,
      spool: octets === undefined ? this.queueId : null,
      recipients,
      partial: false,
      nextIndex: recipients.length,
    };
    // The client's reply goes out before the delivery begins.
    setImmediate(() => scheduler.admit(message, octets));
  }

  #appendHead(chunk: Uint8Array): void {
    const length = this.#headLength + chunk.length;
    if (length > this.#head.length) {
      const grown = Buffer.allocUnsafeSlow(
        Math.min(this.#inlineLimit, Math.max(length, this.#head.length * 4)),
      );
      this.#head.copy(grown, 0, 0, this.#headLength);
      this.#head = grown;
    }
    this.#head.set(chunk, this.#headLength);
    this.#headLength = length;
  }
}

/** The error is a value here: nobody may be waiting yet when it comes about. */
async function resolveAll(
  given: readonly EnvelopeRecipient[],
  envelope: MessageEnvelope,
  resolve: Resolve,
): Promise<readonly QueuedRecipient[] | QueueError> {
  const recipients: QueuedRecipient[] = [];
  const seen = new Set<string>();
  for (const recipient of given) {
    let resolution: Resolution;
    try {
      resolution = await resolve(recipient, envelope);
    } catch (error) {
      return new QueueError('unavailable', describe(error), { cause: error });
    }
    if (resolution.kind !== 'expanded') return new QueueError(resolution.kind, resolution.reason);
    const { originalRecipient } = recipient;
    const { notify, report } = afterExpansion(recipient, resolution.recipients.length);
    if (report !== undefined) recipients.push({ index: recipients.length, ...report });
    for (const resolved of resolution.recipients) {
      const {
        address,
        destination,
        original = recipient.original ?? recipient.address,
        sender,
        via,
        part,
      } = resolved;
      // POSTFIX: cleanup drops duplicates after expansion, but keeps addresses apart that the client named
      // apart: each copy says in X-Original-To which one it came for (enable_original_recipient). What one alias
      // comes to has one address and goes to different places.
      const key = recipientKey({ ...resolved, original });
      if (seen.has(key)) continue;
      seen.add(key);
      recipients.push({
        index: recipients.length,
        address,
        original,
        destination,
        ...(sender === undefined ? {} : { sender }),
        ...(via === undefined ? {} : { via }),
        ...(part === undefined ? {} : { part }),
        ...(notify === undefined ? {} : { notify }),
        ...(originalRecipient === undefined ? {} : { originalRecipient }),
      });
    }
  }
  return recipients;
}

export function storedRecipient(recipient: QueuedRecipient): StoredRecipient {
  const { index, address, original, destination, ...details } = recipient;
  return {
    index,
    address,
    original,
    transport: destination.transport,
    nexthop: destination.nexthop,
    details: Object.keys(details).length === 0 ? null : JSON.stringify(details),
  };
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

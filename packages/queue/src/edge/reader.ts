// Reads stored messages back into the shapes the scheduler and the lists use.

import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { MessageEnvelope, Notify, QueuedRecipient, RecipientPart } from '../envelope.ts';
import { isExpanded } from '../expanded.ts';
import { type MessageBody, MessageGone, type Route } from '../ports.ts';
import type { DueWindow, QueuedMessage, ScheduleStore, Settlement } from '../schedule-store.ts';
import type { KnownMessage, QueueCounts, StoredMessage, StoredRecipient } from './protocol.ts';
import { storedRecipient } from './intake.ts';
import { spooledBody } from './spool.ts';
import type { QueueStore } from './store.ts';

export interface RecipientDetails {
  readonly sender?: string;
  readonly via?: readonly string[];
  readonly part?: RecipientPart;
  readonly notify?: readonly Notify[];
  readonly originalRecipient?: string;
}

export interface ListedMessage extends Omit<StoredMessage, 'recipients'> {
  readonly recipients: readonly (QueuedRecipient & {
    readonly dsn: string | undefined;
    readonly reason: string | undefined;
  })[];
}

export class QueueReader implements ScheduleStore {
  readonly #store: QueueStore;
  readonly #spoolFolder: string;
  readonly #route: Route | undefined;

  constructor(store: QueueStore, spoolFolder: string, route: Route | undefined) {
    this.#store = store;
    this.#spoolFolder = spoolFolder;
    this.#route = route;
  }

  settle(settlement: Settlement, spooled: boolean): void {
    const added = settlement.added.map(storedRecipient);
    this.#store.settle({ kind: 'settle', ...settlement, added }, spooled);
  }

  async readDue(query: Parameters<ScheduleStore['readDue']>[0]): Promise<DueWindow> {
    const rows = (await this.#store.read({ kind: 'due', ...query })) as readonly StoredMessage[];
    const last = rows.at(-1);
    // Such a row was tried meanwhile; to try it again by its old state could deliver it twice.
    const messages = await Promise.all(
      rows.filter((row) => !this.#store.isUnsettled(row.id)).map((row) => this.#readMessage(row)),
    );
    if (last === undefined || last.nextAttempt === null) return { messages };
    return { messages, next: { nextAttempt: last.nextAttempt, id: last.id } };
  }

  async readMore(id: number, afterRecipient: number): Promise<QueuedMessage | undefined> {
    const row = (await this.#store.read({ kind: 'message', id, afterRecipient })) as
      | StoredMessage
      | undefined;
    return row === undefined ? undefined : await this.#readMessage(row);
  }

  async message(id: number): Promise<StoredMessage | undefined> {
    return (await this.#store.read({ kind: 'message', id, afterRecipient: -1 })) as StoredMessage | undefined;
  }

  /** Those of these that there are. */
  async known(messages: readonly KnownMessage[]): Promise<readonly KnownMessage[]> {
    return (await this.#store.read({ kind: 'known', messages })) as readonly KnownMessage[];
  }

  async counts(): Promise<QueueCounts> {
    return (await this.#store.readSettled({ kind: 'counts' })) as QueueCounts;
  }

  async list(after: number, limit: number): Promise<ListedMessage[]> {
    const rows = (await this.#store.readSettled({ kind: 'list', after, limit })) as readonly StoredMessage[];
    return rows.map((row) => ({
      ...row,
      recipients: row.recipients.map((recipient) => ({
        ...readRecipient(recipient),
        dsn: recipient.dsn ?? undefined,
        reason: recipient.reason ?? undefined,
      })),
    }));
  }

  async openBody(message: QueuedMessage): Promise<MessageBody> {
    if (message.spool !== null) {
      const path = join(this.#spoolFolder, message.spool);
      try {
        await access(path);
      } catch (error) {
        // Removed together with its row; a file that is missing alone is damage.
        if ((await this.message(message.id)) === undefined) throw gone(error);
        throw error;
      }
      return spooledBody(path, message.size);
    }
    const octets = await this.#store.read({ kind: 'body', id: message.id });
    if (!(octets instanceof Uint8Array)) throw gone();
    return { kind: 'octets', size: octets.length, octets };
  }

  async #readMessage(row: StoredMessage): Promise<QueuedMessage> {
    const envelope = JSON.parse(row.envelope) as MessageEnvelope;
    const stored = row.recipients.map(readRecipient);
    return {
      id: row.id,
      queueId: row.queueId,
      envelope,
      arrivedAt: row.arrivedAt,
      attemptedAt: row.attemptedAt,
      size: row.size,
      spool: row.spool,
      recipients:
        this.#route === undefined
          ? stored
          : await Promise.all(stored.map((recipient) => this.#routed(recipient, envelope))),
      partial: row.partial,
      nextIndex: row.nextIndex,
    };
  }

  /** A table that cannot answer leaves the destination of before in force. */
  async #routed(recipient: QueuedRecipient, envelope: MessageEnvelope): Promise<QueuedRecipient> {
    if (isExpanded(recipient.destination)) return recipient;
    try {
      const destination = await this.#route?.(recipient, envelope);
      return destination === undefined ? recipient : { ...recipient, destination };
    } catch {
      return recipient;
    }
  }
}

function readRecipient(stored: StoredRecipient): QueuedRecipient {
  const details = stored.details === null ? {} : (JSON.parse(stored.details) as RecipientDetails);
  return {
    index: stored.index,
    address: stored.address,
    original: stored.original,
    destination: { transport: stored.transport, nexthop: stored.nexthop },
    ...details,
  };
}

function gone(cause?: unknown): MessageGone {
  return new MessageGone('the message is no longer in the queue', { cause });
}

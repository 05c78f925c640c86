// The database as the scheduler sees it, and what passes between the two.

import type { MessageEnvelope, QueuedRecipient } from './envelope.ts';
import type { MessageBody } from './ports.ts';

/** A message as it enters the active queue, fresh or read back. */
export interface QueuedMessage {
  readonly id: number;
  readonly queueId: string;
  readonly envelope: MessageEnvelope;
  readonly arrivedAt: number;
  /** When it was tried before; 0: never. */
  readonly attemptedAt: number;
  readonly size: number;
  readonly spool: string | null;
  readonly recipients: readonly QueuedRecipient[];
  /** There are recipients beyond these, to be read when these were tried. */
  readonly partial: boolean;
  /** Where a new recipient may stand: beyond all that the message ever had since it was read. */
  readonly nextIndex: number;
}

export interface Settlement {
  readonly id: number;
  readonly done: number[];
  /** Takes the place of what is done. */
  readonly added: QueuedRecipient[];
  readonly deferred: { readonly index: number; readonly dsn: string; readonly reason: string }[];
  nextAttempt?: number | null;
  attemptedAt?: number;
  remove: boolean;
}

/** A place in the order of next attempts. */
export interface DuePlace {
  readonly nextAttempt: number;
  readonly id: number;
}

export interface DueWindow {
  readonly messages: readonly QueuedMessage[];
  /** Where the next window begins; absent when there is nothing more. */
  readonly next?: DuePlace;
}

/** The database as the scheduler sees it. */
export interface ScheduleStore {
  settle(settlement: Settlement, spooled: boolean): void;
  readDue(query: {
    readonly until: number;
    readonly attemptedBefore: number;
    readonly after: DuePlace;
    readonly limit: number;
  }): Promise<DueWindow>;
  readMore(id: number, afterRecipient: number): Promise<QueuedMessage | undefined>;
  openBody(message: QueuedMessage): Promise<MessageBody>;
}

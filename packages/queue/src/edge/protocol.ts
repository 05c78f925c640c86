// What the queue's front half and its database thread say to one another. All values pass through structured
// clone; the bodies of a batch travel in one buffer that is handed over, not copied.

/** Where large messages lie, within the queue's directory. */
export const SPOOL_FOLDER = 'spool';
/** Recipients of one message read into memory at a time. */
export const RECIPIENT_WINDOW = 5000;

export interface StoredRecipient {
  readonly index: number;
  readonly address: string;
  readonly original: string;
  readonly transport: string;
  readonly nexthop: string;
  /** JSON of the DSN parameters, or null. */
  readonly details: string | null;
}

export interface AcceptWrite {
  readonly kind: 'accept';
  /** The id's counter: the row number. */
  readonly id: number;
  readonly queueId: string;
  readonly arrivedAt: number;
  readonly sender: string;
  /** JSON of the rest of the envelope. */
  readonly envelope: string;
  readonly size: number;
  /** Where the octets lie in the batch's buffer; `length` 0 with a spool file. */
  offset: number;
  readonly length: number;
  readonly spool: string | null;
  /** Null: the front half has it in memory and tries it at once. */
  readonly nextAttempt: number | null;
  /** Goes on hold at once. */
  readonly held?: boolean;
  readonly recipients: readonly StoredRecipient[];
}

export interface SettleWrite {
  readonly kind: 'settle';
  readonly id: number;
  done: number[];
  /** New recipients, written before anything else of this. */
  added: StoredRecipient[];
  deferred: { readonly index: number; readonly dsn: string; readonly reason: string }[];
  /** A time once the attempt is over and recipients are left; null when it is taken up again. */
  nextAttempt?: number | null;
  attemptedAt?: number;
  /** All recipients done: the message goes, with its spool file. */
  remove: boolean;
}

export type Write =
  | AcceptWrite
  | SettleWrite
  | { readonly kind: 'reserve' }
  | { readonly kind: 'hold'; readonly ids: readonly number[]; readonly held: boolean; readonly now: number }
  /** Those of these that wait and are not held fall due. */
  | { readonly kind: 'due'; readonly ids: readonly number[]; readonly now: number }
  | { readonly kind: 'remove'; readonly ids: readonly number[] };

export interface StoredMessage {
  readonly id: number;
  readonly queueId: string;
  readonly arrivedAt: number;
  readonly sender: string;
  readonly envelope: string;
  readonly size: number;
  readonly spool: string | null;
  readonly held: boolean;
  readonly nextAttempt: number | null;
  /** When it was tried last; 0: never. */
  readonly attemptedAt: number;
  readonly recipients: readonly (StoredRecipient & {
    readonly dsn: string | null;
    readonly reason: string | null;
  })[];
  /** More recipients than the window took. */
  readonly partial: boolean;
  /** One more than the last recipient's place. */
  readonly nextIndex: number;
}

/** A place in the order of next attempts. */
export interface DueCursor {
  readonly nextAttempt: number;
  readonly id: number;
}

export interface KnownMessage {
  readonly id: number;
  readonly queueId: string;
}

export type Read =
  | {
      readonly kind: 'due';
      readonly until: number;
      readonly attemptedBefore: number;
      readonly after: DueCursor;
      readonly limit: number;
    }
  | { readonly kind: 'list'; readonly after: number; readonly limit: number }
  | { readonly kind: 'message'; readonly id: number; readonly afterRecipient: number }
  | { readonly kind: 'body'; readonly id: number }
  /** Which of these there are, by id and queue id. */
  | { readonly kind: 'known'; readonly messages: readonly KnownMessage[] }
  | { readonly kind: 'counts' };

export interface QueueCounts {
  readonly messages: number;
  readonly held: number;
  /** Waiting for a later attempt (or for room in the active queue). */
  readonly deferred: number;
}

export type ToThread =
  /** The first message to a thread that was started without a directory. */
  | { readonly kind: 'open'; readonly directory: string }
  | {
      readonly kind: 'batch';
      readonly number: number;
      readonly writes: readonly Write[];
      readonly bodies: Uint8Array<ArrayBuffer> | undefined;
      /** Whether the commit must be on the disk before the answer. */
      readonly durable: boolean;
    }
  | { readonly kind: 'read'; readonly number: number; readonly read: Read }
  | { readonly kind: 'close' };

export interface WriteFailure {
  readonly index: number;
  readonly code: string;
  readonly message: string;
}

export type FromThread =
  /** All code is in memory; from here on the thread needs the queue's folder and nothing else. */
  | { readonly kind: 'loaded' }
  | { readonly kind: 'ready'; readonly reservedFrom: number; readonly reservedTo: number }
  | { readonly kind: 'failed'; readonly message: string }
  | {
      readonly kind: 'batched';
      readonly number: number;
      readonly failures: readonly WriteFailure[];
      readonly reservedTo: number;
    }
  | { readonly kind: 'answer'; readonly number: number; readonly value: unknown }
  | { readonly kind: 'refused'; readonly number: number; readonly message: string }
  | { readonly kind: 'closed' };

export interface ThreadData {
  /** Absent: told later by `open`. */
  readonly directory?: string;
}

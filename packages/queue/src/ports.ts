// What the queue needs from the world. The composition root supplies it; tests supply fakes.

import type {
  Destination,
  EnvelopeRecipient,
  MessageEnvelope,
  QueuedRecipient,
  RecipientPart,
} from './envelope.ts';

export interface QueueClock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Runs once after so many milliseconds; the answer cancels. Must not keep a process alive. */
  after(milliseconds: number, run: () => void): () => void;
}

export interface ResolvedRecipient {
  readonly address: string;
  readonly destination: Destination;
  /** What `X-Original-To:` shall say, when that is not the address the client gave. */
  readonly original?: string;
  readonly sender?: string;
  readonly via?: readonly string[];
  readonly part?: RecipientPart;
}

/**
 * `expanded` may be empty (an alias to nothing): the recipient is then done. `loop`: expansion went beyond its
 * limits or round in a circle (451 4.6.0). `unavailable`: a table could not be read (451 4.3.0).
 */
export type Resolution =
  | { readonly kind: 'expanded'; readonly recipients: readonly ResolvedRecipient[] }
  | { readonly kind: 'loop'; readonly reason: string }
  | { readonly kind: 'unavailable'; readonly reason: string };

/** Virtual aliases, aliases and routing of one recipient, asked while the message is still coming in. */
export type Resolve = (recipient: EnvelopeRecipient, envelope: MessageEnvelope) => Promise<Resolution>;

/**
 * Where an address goes now: asked whenever a waiting message is tried again, so that an edited table counts
 * for mail already in the queue. Without it the destination found at acceptance stays.
 */
export type Route = (
  recipient: QueuedRecipient,
  envelope: MessageEnvelope,
) => Destination | Promise<Destination>;

/** A message's octets: CRLF lines without dot-stuffing, `Received:` first. */
export type MessageBody =
  | { readonly kind: 'octets'; readonly size: number; readonly octets: Uint8Array }
  | {
      readonly kind: 'file';
      readonly size: number;
      readonly path: string;
      /** A fresh reading from the first octet on. */
      stream(): AsyncIterable<Uint8Array>;
      /** The same from memory that is used again: each piece is good until the next is asked for. */
      lend?(): AsyncIterable<Uint8Array>;
    };

/** One message on its way to one destination. */
export interface DeliveryJob {
  readonly queueId: string;
  readonly envelope: MessageEnvelope;
  readonly arrivedAt: number;
  readonly size: number;
  readonly destination: Destination;
  readonly recipients: readonly QueuedRecipient[];
  /** May be called more than once; throws when the octets cannot be read. */
  open(): Promise<MessageBody>;
  /** Whether another job waits for the same destination now: a connection is worth keeping then. */
  moreWaiting?(): boolean;
}

/**
 * What became of one recipient. `text` is what Postfix puts in parentheses (`delivered to maildir`). A
 * `deferred` that concerns the destination as a whole (nobody answers there) says so with
 * `destinationDown`: what else waits for it is deferred without being tried.
 */
export interface DeliveryResult {
  readonly index: number;
  readonly status: 'sent' | 'deferred' | 'bounced';
  readonly dsn: string;
  readonly text: string;
  /** `local`, `mx.example.com[192.0.2.1]:25`…; absent: `none`, or `local` for the local transport. */
  readonly relay?: string;
  /** Milliseconds spent connecting, for the third figure of `delays=`. */
  readonly connectMs?: number;
  readonly destinationDown?: boolean;
  /** For `Remote-MTA:` of a notification: the host that spoke. */
  readonly remoteMta?: string;
  /** Its own words, for `Diagnostic-Code: smtp;`. */
  readonly diagnostic?: string;
  /** The next host took NOTIFY over; absent for mail handed to a host that knows nothing of it, and for local mail. */
  readonly dsnPassedOn?: boolean;
  /** It stands for others, which have rows of their own: RFC 3464's `expanded`. */
  readonly expanded?: boolean;
  /** It reached its mailbox here: what NOTIFY=SUCCESS asks about. */
  readonly final?: boolean;
  /**
   * With `sent`: these take the recipient's place, in the same transaction. An empty list is an expansion to nothing.
   * NOTIFY=SUCCESS ends here, with a report that says "expanded" (RFC 3461 §5.2.7.2).
   */
  readonly forwarded?: readonly ResolvedRecipient[];
}

/** Carries a job out. A recipient it gives no result for, or a throw, counts as deferred. */
export interface Deliverer {
  deliver(job: DeliveryJob): Promise<readonly DeliveryResult[]>;
}

/** Somebody removed the message while it was on its way to be delivered. */
export class MessageGone extends Error {
  override readonly name = 'MessageGone';
}

/** `noSpace` is 452 4.3.1, `loop` 451 4.6.0, `unavailable` 451 4.3.0. Nothing was kept. */
export class QueueError extends Error {
  override readonly name = 'QueueError';
  readonly code: 'noSpace' | 'loop' | 'unavailable';
  constructor(code: 'noSpace' | 'loop' | 'unavailable', message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

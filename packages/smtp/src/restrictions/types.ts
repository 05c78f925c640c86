// What a restriction word sees, and what it may say. Words are rows of a table (`words.ts`); the engine runs them.

import type { Path } from '../address.ts';
import type { ClientName } from '../client-name.ts';
import type { Addresses, Dns, DnsAnswer } from '../ports.ts';
import type { Reply } from '../reply.ts';
import type { Origin, SmtpSettings } from '../settings.ts';

export type RestrictionClass = 'client' | 'helo' | 'sender' | 'relay' | 'recipient' | 'data' | 'endOfData';

/** What is known of the session when the lists run. Absent members are not known yet. */
export interface RestrictionInput {
  readonly clientAddress: string;
  /** The verified name; asked only by words that need it. */
  clientName(): ClientName | Promise<ClientName>;
  readonly helo?: string;
  readonly sender?: Path;
  readonly recipient?: Path;
  readonly esmtp: boolean;
  readonly secured: boolean;
  readonly authenticated: boolean;
  /** Input was waiting when the client should have waited for an answer. */
  readonly improperPipelining: boolean;
  readonly recipientCount: number;
  readonly settings: SmtpSettings;
  readonly dns: Dns;
  readonly addresses: Addresses;
  /** Answers kept for the life of the transaction, so that a hundred recipients ask once. */
  readonly answers: Map<string, DnsAnswer<unknown> | Promise<DnsAnswer<unknown>>>;
}

/** How Postfix names what is being judged: `<name>: class rejected: …`. */
export interface Subject {
  readonly name: string;
  readonly label: string;
}

export type WordVerdict =
  | { readonly kind: 'permit'; readonly saw: string }
  | { readonly kind: 'pass'; readonly saw: string }
  | { readonly kind: 'reject'; readonly saw: string; readonly reply: Reply }
  /** POSTFIX: DEFER_IF_PERMIT: refuse with this when nothing else refuses. */
  | { readonly kind: 'deferIfPermit'; readonly saw: string; readonly reply: Reply }
  /** POSTFIX: DEFER_IF_REJECT: turns a later refusal into this. */
  | { readonly kind: 'deferIfReject'; readonly saw: string; readonly reply: Reply };

export interface RestrictionWord {
  readonly word: string;
  /** `free`: no look-up; `dns`: asks the network. */
  readonly cost: 'free' | 'dns';
  /** What must be known for the word to mean anything; otherwise it passes. */
  readonly needs: 'nothing' | 'helo' | 'sender' | 'recipient';
  readonly argument: 'none' | 'required' | 'optional';
  run(input: RestrictionInput, subject: Subject, argument: string): WordVerdict | Promise<WordVerdict>;
}

/** One step of an evaluation, for `postcote check` and the log. */
export interface TraceStep {
  readonly list: RestrictionClass | 'unlisted_recipient';
  readonly word: string;
  readonly argument?: string;
  readonly origin?: Origin;
  readonly verdict: WordVerdict['kind'];
  /** What the word looked at, in words. */
  readonly saw: string;
  /** `warn_if_reject` stood before it. */
  readonly warnOnly?: true;
}

export interface Decision {
  readonly kind: 'permit' | 'reject';
  /** Set when rejected. */
  readonly reply?: Reply;
  readonly trace: readonly TraceStep[];
  /** Refusals that `warn_if_reject` turned into log lines. */
  readonly warnings: readonly Reply[];
}

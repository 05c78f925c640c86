// What a restriction word sees, and what it may say. Words are rows of a table (`words.ts`); the engine runs them.

import type { TlsInfo } from '@postcote/wire';
import type { Path } from '../address.ts';
import type { ClientName } from '../client-name.ts';
import type { Effects } from '../effects.ts';
import type { Addresses, AddressVerifier, Clock, Dns, DnsAnswer } from '../ports.ts';
import type { Reply } from '../reply.ts';
import type { Origin, RestrictionItem, SmtpSettings } from '../settings.ts';

export type RestrictionClass =
  | 'client'
  | 'helo'
  | 'sender'
  | 'relay'
  | 'recipient'
  | 'data'
  | 'endOfData'
  | 'etrn';

/** What is known of the session when the lists run. Absent members are not known yet. */
export interface RestrictionInput {
  readonly clientAddress: string;
  readonly clientPort?: number;
  readonly serverAddress?: string;
  readonly serverPort?: number;
  /** The verified name; asked only by words that need it. */
  clientName(): ClientName | Promise<ClientName>;
  readonly helo?: string;
  readonly sender?: Path;
  readonly recipient?: Path;
  /** The domain that ETRN names. */
  readonly etrn?: string;
  readonly esmtp: boolean;
  readonly secured: boolean;
  readonly tls?: TlsInfo;
  readonly authenticated: boolean;
  readonly login?: { readonly method: string; readonly user: string };
  /** Input was waiting when the client should have waited for an answer. */
  readonly improperPipelining: boolean;
  readonly recipientCount: number;
  /** The command under way, as the log and a policy server are told: `RCPT`, `END-OF-MESSAGE`. */
  readonly where?: string;
  readonly queueId?: string;
  readonly messageSize?: number;
  /** The same for all questions about one message. */
  readonly instance?: string;
  readonly settings: SmtpSettings;
  readonly dns: Dns;
  readonly addresses: Addresses;
  /** Absent: addresses cannot be verified by probes. */
  readonly verifier?: AddressVerifier;
  readonly clock?: Clock;
  /** Answers kept for the life of the transaction, so that a hundred recipients ask once. */
  readonly answers: Map<string, DnsAnswer<unknown> | Promise<DnsAnswer<unknown>>>;
  /** What access tables want done with the message; absent outside a transaction. */
  readonly effects?: Effects;
}

/** How Postfix names what is being judged: `<name>: class rejected: …`. */
export interface Subject {
  readonly name: string;
  readonly label: string;
}

/** A log line of a word that lets the session go on: `NOQUEUE: hold: RCPT from …: <text>; from=…`. */
export interface Note {
  readonly kind: 'info' | 'warn' | 'hold' | 'discard' | 'filter' | 'redirect' | 'bcc' | 'permit';
  readonly text: string;
  /** What is judged is the client, whose name only the log may know: `name[address]` follows the text. */
  readonly ofClient?: true;
}

/** Has no say in the verdict: what to write into the log on the way. */
interface Remarks {
  readonly note?: Note;
  /** For whoever wrote the configuration: `warning: …`. */
  readonly warnings?: readonly string[];
}

export type WordVerdict = Remarks &
  (
    | {
        readonly kind: 'permit';
        readonly saw: string;
        /** Of a table's OK: how `smtpd_log_access_permit_actions` knows and tells it. */
        readonly permission?: Permission;
      }
    | { readonly kind: 'pass'; readonly saw: string }
    | { readonly kind: 'reject'; readonly saw: string; readonly reply: Reply }
    /** POSTFIX: DEFER_IF_PERMIT: refuse with this when nothing else refuses. */
    | { readonly kind: 'deferIfPermit'; readonly saw: string; readonly reply: Reply }
    /** POSTFIX: DEFER_IF_REJECT: turns a later refusal into this. */
    | { readonly kind: 'deferIfReject'; readonly saw: string; readonly reply: Reply }
    /** A table answered with words of its own: they are run in this word's place. */
    | {
        readonly kind: 'list';
        readonly saw: string;
        readonly items: readonly RestrictionItem[];
        readonly subject: Subject;
        readonly onPermit?: OnPermit;
      }
    /** The configuration cannot be followed: 451, which `warn_if_reject` does not soften. */
    | { readonly kind: 'fault'; readonly saw: string; readonly warnings: readonly string[] }
  );

export interface Permission {
  readonly action: string;
  readonly subject: Subject;
  readonly from: string;
}

/**
 * What a permission found in a table amounts to. POSTFIX: `distrust`: only DUNNO for a recipient that is routed
 * through us; `forbid`: an error for what strangers control (their DNS).
 */
export type OnPermit =
  | { readonly kind: 'distrust' }
  | { readonly kind: 'forbid'; readonly word: string; readonly target: string };

export interface RestrictionWord {
  readonly word: string;
  /** `free`: no look-up; `dns`: asks the network. */
  readonly cost: 'free' | 'dns';
  /** What must be known for the word to mean anything; otherwise it passes. */
  readonly needs: 'nothing' | 'helo' | 'sender' | 'recipient' | 'etrn';
  readonly argument: 'none' | 'required' | 'optional';
  run(
    input: RestrictionInput,
    subject: Subject,
    argument: string,
    item?: RestrictionItem,
  ): WordVerdict | Promise<WordVerdict>;
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

/** What the log is told of an evaluation, in order. */
export type Remark =
  | { readonly kind: 'note'; readonly note: Note }
  | { readonly kind: 'warning'; readonly text: string }
  /** A refusal that `warn_if_reject` turned into a log line. */
  | { readonly kind: 'rejectWarning'; readonly reply: Reply };

export interface Decision {
  readonly kind: 'permit' | 'reject';
  /** Set when rejected. */
  readonly reply?: Reply;
  /** Raised, and not decided yet. */
  readonly deferIfPermit?: Reply;
  readonly trace: readonly TraceStep[];
  readonly remarks: readonly Remark[];
  /** Refusals that `warn_if_reject` turned into log lines. */
  readonly warnings: readonly Reply[];
}

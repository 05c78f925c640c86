// IMAP commands as values: what the parsers make and the sessions run.

import type { FetchItem } from './fetch-item.ts';
import type { NotifyGroup } from './notify.ts';
import type { SearchKey, SearchReturns, SortCriterion, ThreadAlgorithm } from './search-key.ts';
import type { SequenceSet } from './sequence-set.ts';

/** Whether numbers are message sequence numbers or UIDs. */
export type Numbering = 'sequence' | 'uid';

export type StatusItem =
  | 'MESSAGES'
  | 'RECENT'
  | 'UIDNEXT'
  | 'UIDVALIDITY'
  | 'UNSEEN'
  /** RFC 7162. */
  | 'HIGHESTMODSEQ'
  /** RFC 8438. */
  | 'SIZE'
  /** RFC 9051, RFC 9208. */
  | 'DELETED'
  /** RFC 9208. */
  | 'DELETED-STORAGE'
  /** RFC 8474. */
  | 'MAILBOXID'
  /** RFC 7889. */
  | 'APPENDLIMIT';

/** RFC 7162 §3.2.5: what a client knows of a mailbox from before. */
export interface QresyncParameters {
  readonly uidValidity: number;
  readonly modseq: number;
  /** UIDs the client knows; undefined: all it may have known. */
  readonly knownUids?: SequenceSet;
  /** Numbers and UIDs that belonged together, in pairs. */
  readonly matches?: { readonly numbers: SequenceSet; readonly uids: SequenceSet };
}

/** LIST with RFC 5258's, RFC 5819's and RFC 6154's options; plain LIST has none of them. */
export interface ListCommand {
  readonly kind: 'list';
  readonly reference: string;
  readonly patterns: readonly string[];
  readonly select: ReadonlySet<'SUBSCRIBED' | 'REMOTE' | 'RECURSIVEMATCH' | 'SPECIAL-USE'>;
  /** Undefined: no RETURN was given; what plain LIST returns applies. */
  readonly returns: ReadonlySet<'SUBSCRIBED' | 'CHILDREN' | 'SPECIAL-USE'> | undefined;
  readonly status: readonly StatusItem[];
  /** Patterns came as a list, which makes even an empty one a pattern. */
  readonly extended: boolean;
}

export type Command =
  | { readonly kind: 'capability' | 'noop' | 'logout' | 'startTls' | 'namespace' | 'idle' }
  | { readonly kind: 'check' | 'close' | 'unselect' }
  | { readonly kind: 'id'; readonly fields: ReadonlyMap<string, string> }
  | { readonly kind: 'compress'; readonly mechanism: string }
  | { readonly kind: 'enable'; readonly names: readonly string[] }
  | { readonly kind: 'login'; readonly user: string; readonly password: string }
  | { readonly kind: 'authenticate'; readonly mechanism: string; readonly initial?: string }
  | {
      readonly kind: 'select';
      readonly mailbox: string;
      readonly readOnly: boolean;
      readonly condstore: boolean;
      readonly qresync?: QresyncParameters;
    }
  /** `uses`: RFC 6154 §3. */
  | { readonly kind: 'create'; readonly mailbox: string; readonly uses: readonly string[] }
  | { readonly kind: 'delete' | 'subscribe' | 'unsubscribe'; readonly mailbox: string }
  | {
      readonly kind: 'getMetadata';
      readonly mailbox: string;
      /** In lower case. */
      readonly entries: readonly string[];
      readonly depth: 0 | 1 | 'infinity';
      readonly maxSize?: number;
    }
  | {
      readonly kind: 'setMetadata';
      readonly mailbox: string;
      /** Null removes. */
      readonly values: ReadonlyMap<string, Buffer | null>;
    }
  | { readonly kind: 'getQuota'; readonly root: string }
  | { readonly kind: 'setQuota'; readonly root: string }
  | { readonly kind: 'getQuotaRoot'; readonly mailbox: string }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | ListCommand
  | { readonly kind: 'lsub'; readonly reference: string; readonly pattern: string }
  | { readonly kind: 'status'; readonly mailbox: string; readonly items: readonly StatusItem[] }
  | {
      readonly kind: 'fetch';
      readonly numbering: Numbering;
      readonly set: SequenceSet;
      readonly items: readonly FetchItem[];
      /** RFC 7162 §3.1.4.1. */
      readonly changedSince?: number;
      /** RFC 7162 §3.2.6. */
      readonly vanished?: true;
    }
  | {
      readonly kind: 'store';
      readonly numbering: Numbering;
      readonly set: SequenceSet;
      readonly mode: 'add' | 'remove' | 'replace';
      readonly silent: boolean;
      readonly flags: readonly string[];
      /** RFC 7162 §3.1.3. */
      readonly unchangedSince?: number;
    }
  | {
      readonly kind: 'search';
      readonly numbering: Numbering;
      readonly key: SearchKey;
      readonly returns: SearchReturns | undefined;
    }
  | {
      readonly kind: 'sort';
      readonly numbering: Numbering;
      readonly key: SearchKey;
      readonly returns: SearchReturns | undefined;
      readonly criteria: readonly SortCriterion[];
    }
  | {
      readonly kind: 'thread';
      readonly numbering: Numbering;
      readonly key: SearchKey;
      readonly algorithm: ThreadAlgorithm;
    }
  /** No groups: NOTIFY NONE. `status`: tell how things stand, too. */
  | { readonly kind: 'notify'; readonly groups: readonly NotifyGroup[]; readonly status: boolean }
  | { readonly kind: 'cancelUpdate'; readonly tags: readonly string[] }
  | {
      readonly kind: 'copy' | 'move';
      readonly numbering: Numbering;
      readonly set: SequenceSet;
      readonly mailbox: string;
    }
  | { readonly kind: 'expunge'; readonly uids?: SequenceSet };

export type CommandKind = Command['kind'];
export type CommandOf<Kind extends CommandKind> = Extract<Command, { readonly kind: Kind }>;

/** What APPEND says of one message before its content. */
export interface AppendHead {
  readonly flags: readonly string[];
  readonly internalDate?: Date;
  /** CATENATE (RFC 4469) puts it together of pieces; UTF8 (RFC 6855) says that its header is not ASCII. */
  readonly form: 'plain' | 'catenate' | 'utf8';
}

/** APPEND and REPLACE (RFC 8508) step by step, for their literals are streamed in between. */
export type AppendStep =
  | {
      readonly kind: 'target';
      readonly mailbox: string;
      readonly replaces?: { readonly set: SequenceSet; readonly numbering: Numbering };
    }
  | { readonly kind: 'open'; readonly head: AppendHead }
  | { readonly kind: 'url'; readonly text: string }
  /** A literal follows. */
  | { readonly kind: 'literal' }
  /** The message is whole. */
  | { readonly kind: 'close' };

/** `bad`: the command makes no sense. `no`: it does, but cannot be done; with a response code where one fits. */
export type ParseFailure =
  | { readonly ok: false; readonly kind: 'bad'; readonly text: string }
  | { readonly ok: false; readonly kind: 'no'; readonly text: string; readonly code?: string };

export type Parsed<T> = { readonly ok: true; readonly value: T } | ParseFailure;

export function parsed<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

export function badArguments(text = 'Invalid arguments'): ParseFailure {
  return { ok: false, kind: 'bad', text };
}

// The delivery channel between the front, which holds the queue, and a worker with the rights that a delivery needs.
// Append-only by construction: nothing on it can read, change or name another user's mail, and the front can neither
// choose a command nor whose rights it gets: the privileged side and the worker look up what is to be done.
//
//   front → supervisor   frame OpenDelivery            (then the connection is handed to the worker)
//   worker → front       frame DeliveryReady | DeliveryRefused
//   front → worker       frame DeliveryHeader, then `size` octets; repeated, without waiting for answers
//   worker → front       frame DeliveryAnswer for each, in the order in which they became durable

import type { ClientFacts } from '../local/command-environment.ts';
import type { ForwardTarget } from '../local/forward-file.ts';
import type { LocalResult } from '../local/outcome.ts';
import type { PipeRecipient } from '../local/pipe-service.ts';

export type OpenDelivery =
  /** A user's own: the mailbox, the .forward file and what it names. */
  | { readonly user: string }
  /** What an alias names besides addresses. */
  | { readonly alias: string; readonly what: 'command' | 'file' | 'include'; readonly target: string }
  /** A row of master.cf that runs pipe(8). */
  | { readonly pipe: string }
  /** A mailbox of virtual_mailbox_maps, by its address. */
  | { readonly virtual: string };

export interface DeliveryReady {
  readonly ready: true;
}

export interface DeliveryRefused {
  readonly ready: false;
  /** `unknownUser` will stay so; `unavailable` may pass; `failed` is final for what was asked, with its code. */
  readonly code: 'unknownUser' | 'unavailable' | 'failed';
  readonly reason: string;
  readonly dsn?: string;
}

/** One thing of what a recipient's .forward file, or a list, comes to. */
export interface DeliveryPart {
  readonly kind: 'mailbox' | 'command' | 'file';
  readonly target: string;
}

export interface DeliveryHeader {
  /** Pairs the answer with its message; the front counts. */
  readonly id: number;
  /** Octets that follow: the message with CRLF lines. */
  readonly size: number;
  readonly queueId: string;
  /** Empty for the null sender. */
  readonly sender: string;
  /** The final recipient, then those that passed the mail on: a `Delivered-To:` each, the newest on top. */
  readonly recipients: readonly string[];
  readonly originalRecipient: string;
  /** Absent: whatever the recipient's delivery comes to. */
  readonly part?: DeliveryPart;
  /** The mailbox is another transport's: only the .forward file is asked for. */
  readonly mailboxElsewhere?: true;
  readonly client?: ClientFacts;
  /** No message, a question: would so many octets fit into the user's mailbox? `stored` is yes. */
  readonly probe?: number;
  readonly pipe?: { readonly nexthop: string; readonly recipients: readonly PipeRecipient[] };
}

export type DeliveryAnswer =
  | { readonly id: number; readonly stored: true }
  | {
      readonly id: number;
      readonly stored: false;
      readonly code: 'noSpace' | 'overQuota' | 'noPermission' | 'unavailable';
      readonly reason: string;
    }
  | { readonly id: number; readonly result: LocalResult }
  /** The recipient is replaced by what the `targets` frames before named. */
  | { readonly id: number; readonly forwarded: true; readonly propagates: boolean }
  /** No .forward file: the mailbox is another transport's. */
  | { readonly id: number; readonly elsewhere: true };

/** Before the answer: some of the targets, or a sign of life while a command runs. */
export type DeliveryNews =
  | { readonly id: number; readonly targets: readonly ForwardTarget[] }
  | { readonly id: number; readonly alive: true };

/** Octets of the request that the privileged side reads: a name, or a line of an alias file. */
export const MAX_OPEN_FRAME = 16 * 1024;
const MAX_NAME = 1024;
const MAX_TARGET = 8192;

export function readOpenDelivery(value: unknown): OpenDelivery | undefined {
  if (!isObject(value)) return undefined;
  const { user, alias, what, target, pipe, virtual } = value;
  if (isName(user, 256)) return { user };
  if (isName(pipe, 256)) return { pipe };
  if (isName(virtual, MAX_NAME)) return { virtual };
  if (!isName(alias, MAX_NAME) || !isName(target, MAX_TARGET)) return undefined;
  return what === 'command' || what === 'file' || what === 'include' ? { alias, what, target } : undefined;
}

const isName = (value: unknown, longest: number): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= longest;

const LINE_BREAK = /[\r\n\0]/;
const isLine = (value: unknown): value is string => typeof value === 'string' && !LINE_BREAK.test(value);

export function readDeliveryHeader(value: unknown): DeliveryHeader | undefined {
  if (!isObject(value)) return undefined;
  const { id, size, queueId, sender, recipients, originalRecipient, part, client, pipe, probe } = value;
  if (!Number.isSafeInteger(id) || !Number.isSafeInteger(size) || (size as number) < 0) return undefined;
  if (!Array.isArray(recipients) || recipients.length === 0) return undefined;
  if (![queueId, sender, originalRecipient, ...(recipients as unknown[])].every(isLine)) return undefined;
  if (part !== undefined && !isPart(part)) return undefined;
  if (client !== undefined && !(isObject(client) && Object.values(client).every(isLine))) return undefined;
  if (pipe !== undefined && !isPipe(pipe)) return undefined;
  if (probe !== undefined && !(Number.isSafeInteger(probe) && (probe as number) >= 0)) return undefined;
  return value as unknown as DeliveryHeader;
}

function isPart(value: unknown): boolean {
  if (!isObject(value)) return false;
  const { kind, target } = value;
  if (kind !== 'mailbox' && kind !== 'command' && kind !== 'file') return false;
  return typeof target === 'string';
}

function isPipe(value: unknown): boolean {
  if (!isObject(value) || !isLine(value['nexthop'])) return false;
  const { recipients } = value;
  if (!Array.isArray(recipients) || recipients.length === 0) return false;
  return recipients.every((one) => isObject(one) && isLine(one['address']) && isLine(one['original']));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * What local(8) puts before a message in a Maildir: Return-Path, then X-Original-To and Delivered-To. POSTFIX:
 * X-Original-To is the address before virtual rewriting, Delivered-To the final recipient.
 */
export function formatDeliveryHeaders(header: DeliveryHeader): string {
  return (
    `Return-Path: <${header.sender}>\r\n` +
    // POSTFIX: enable_original_recipient = no.
    (header.originalRecipient === '' ? '' : `X-Original-To: ${header.originalRecipient}\r\n`) +
    header.recipients.map((recipient) => `Delivered-To: ${recipient}\r\n`).join('')
  );
}

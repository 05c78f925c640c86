// The delivery channel between the front, which holds the queue, and a user's mailbox worker. Append-only by
// construction: nothing on it can read, change or name another user's mail.
//
//   front → supervisor   frame OpenDelivery            (then the connection is handed to the worker)
//   worker → front       frame DeliveryReady | DeliveryRefused
//   front → worker       frame DeliveryHeader, then `size` octets; repeated, without waiting for answers
//   worker → front       frame DeliveryAnswer for each, in the order in which they became durable

export interface OpenDelivery {
  readonly user: string;
}

export interface DeliveryReady {
  readonly ready: true;
}

export interface DeliveryRefused {
  readonly ready: false;
  /** `unknownUser` will stay so; `unavailable` may pass. */
  readonly code: 'unknownUser' | 'unavailable';
  readonly reason: string;
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
}

export type DeliveryAnswer =
  | { readonly id: number; readonly stored: true }
  | {
      readonly id: number;
      readonly stored: false;
      readonly code: 'noSpace' | 'overQuota' | 'noPermission' | 'unavailable';
      readonly reason: string;
    };

/** Octets of the request that the privileged side reads: a user name and nothing more. */
export const MAX_OPEN_FRAME = 1024;

export function readOpenDelivery(value: unknown): OpenDelivery | undefined {
  if (!isObject(value)) return undefined;
  const { user } = value;
  return typeof user === 'string' && user.length > 0 && user.length <= 256 ? { user } : undefined;
}

export function readDeliveryHeader(value: unknown): DeliveryHeader | undefined {
  if (!isObject(value)) return undefined;
  const { id, size, queueId, sender, recipients, originalRecipient } = value;
  if (!Number.isSafeInteger(id) || !Number.isSafeInteger(size) || (size as number) < 0) return undefined;
  if (!Array.isArray(recipients) || recipients.length === 0) return undefined;
  for (const text of [queueId, sender, originalRecipient, ...(recipients as unknown[])])
    if (typeof text !== 'string' || /[\r\n\0]/.test(text)) return undefined;
  return value as unknown as DeliveryHeader;
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
    `X-Original-To: ${header.originalRecipient}\r\n` +
    header.recipients.map((recipient) => `Delivered-To: ${recipient}\r\n`).join('')
  );
}

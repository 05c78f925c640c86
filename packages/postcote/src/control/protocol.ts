// What a command asks the running server, and what it hears. One request frame a connection, then answer frames up
// to `end`; wire's frames, so every one is bounded. The front answers: the queue lives there, and no privileged
// process reads a byte of it. Two sockets: root's, and one for everybody, on which lists, flushes and verification are
// answered as far as authorized_mailq_users and authorized_flush_users go.

export const QUEUE_ACTIONS = ['hold', 'release', 'requeue', 'delete'] as const;
export type QueueAction = (typeof QUEUE_ACTIONS)[number];

export type QueueName = 'active' | 'deferred' | 'hold';

export type ControlRequest =
  | { readonly op: 'list' | 'flush' | 'status' }
  | { readonly op: 'flushMessage'; readonly id: string }
  | { readonly op: 'flushSite'; readonly site: string }
  | { readonly op: 'verify'; readonly addresses: readonly string[] }
  | { readonly op: 'show'; readonly id: string }
  | {
      readonly op: 'act';
      readonly action: QueueAction;
      /** Of all messages, or of these. */
      readonly ids: readonly string[] | 'ALL';
      /** Only messages in these queues; absent: in any. */
      readonly queues?: readonly string[];
    };

/** A request as it travels: with the name of a file that proves who asks, when the answer before wanted one. */
export type SentRequest = ControlRequest & { readonly ticket?: string };

export interface ListedRecipient {
  readonly address: string;
  readonly reason?: string;
}

export interface ListedMessage {
  readonly id: string;
  readonly queue: QueueName;
  readonly sender: string;
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly arrivedAt: number;
}

export interface ShownEnvelope extends ListedMessage {
  readonly recipients: readonly { readonly address: string; readonly original: string }[];
}

export type ControlAnswer =
  | ({ readonly type: 'message' } & ListedMessage)
  /** Of the message before; several such follow one another when there are many. */
  | { readonly type: 'recipients'; readonly recipients: readonly ListedRecipient[] }
  | ({ readonly type: 'envelope' } & ShownEnvelope)
  | { readonly type: 'octets'; readonly base64: string }
  /** Carried out for this message. */
  | { readonly type: 'done'; readonly id: string }
  | { readonly type: 'failed'; readonly id: string; readonly reason: string }
  | { readonly type: 'verified'; readonly address: string; readonly kind: string; readonly text: string }
  | { readonly type: 'status'; readonly messages: number; readonly held: number; readonly active: number }
  /** Only for those who show who they are: ask again with a ticket. */
  | { readonly type: 'ticketWanted' }
  | { readonly type: 'end' }
  | { readonly type: 'refused'; readonly reason: string };

/** Ids or addresses one request may name: a frame holds no more anyway. */
const MAX_NAMES = 2000;
const MAX_NAME = 1024;

/** For everybody, within the authorized lists; all else is root's. */
export const PUBLIC_OPERATIONS: ReadonlySet<ControlRequest['op']> = new Set([
  'list',
  'flush',
  'flushMessage',
  'flushSite',
  'status',
  'verify',
]);

/** `t-` and 128 bits nobody can guess, in the maildrop folder. */
export const TICKET_NAME = /^t-[0-9a-f]{32}$/;

/** Undefined for anything but a request. Never throws. */
export function readRequest(value: unknown): SentRequest | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const given = value as Readonly<Record<string, unknown>>;
  const request = readOperation(given);
  if (request === undefined || given['ticket'] === undefined) return request;
  const { ticket } = given;
  return typeof ticket === 'string' && TICKET_NAME.test(ticket) ? { ...request, ticket } : undefined;
}

function readOperation(given: Readonly<Record<string, unknown>>): ControlRequest | undefined {
  switch (given['op']) {
    case 'list':
    case 'flush':
    case 'status':
      return { op: given['op'] };
    case 'flushMessage':
    case 'show':
      return isName(given['id']) ? { op: given['op'], id: given['id'] } : undefined;
    case 'flushSite':
      return isName(given['site']) ? { op: 'flushSite', site: given['site'] } : undefined;
    case 'verify':
      return isNames(given['addresses']) ? { op: 'verify', addresses: given['addresses'] } : undefined;
    case 'act':
      return readAction(given);
    default:
      return undefined;
  }
}

function readAction({ action, ids, queues }: Readonly<Record<string, unknown>>): ControlRequest | undefined {
  const known = QUEUE_ACTIONS.find((one) => one === action);
  if (known === undefined || (ids !== 'ALL' && !isNames(ids))) return undefined;
  if (queues === undefined) return { op: 'act', action: known, ids };
  return isNames(queues) ? { op: 'act', action: known, ids, queues } : undefined;
}

const isName = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= MAX_NAME;

const isNames = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.length <= MAX_NAMES && value.every(isName);

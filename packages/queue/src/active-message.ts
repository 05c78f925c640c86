// A message that is being delivered: how far it is, what its recipients came to, and what they were replaced by. The
// scheduler moves it along; nothing here acts.

import { recipientKey } from './destinations.ts';
import type { Notify, QueuedRecipient } from './envelope.ts';
import type { NoticeRecipient } from './notice.ts';
import type { DeliveryResult, ResolvedRecipient } from './ports.ts';
import type { QueuedMessage, Settlement } from './schedule-store.ts';

export interface ActiveMessage {
  readonly message: QueuedMessage;
  readonly activeAt: number;
  octets: Uint8Array | undefined;
  jobs: number;
  left: number;
  /** Recipients taken into memory so far. */
  taken: number;
  more: boolean;
  lastRecipient: number;
  held: boolean;
  /** Somebody asked for it to be tried now. */
  readonly flushed: boolean;
  nextIndex: number;
  /** What recipients of this message were replaced by, since it was taken up: by key, and by place. */
  readonly forwarded: Set<string>;
  readonly addedAt: Set<number>;
  readonly failures: NoticeRecipient[];
  readonly successes: NoticeRecipient[];
  /** Filled when these will be told of: it waited too long, or a warning is due. */
  readonly late: NoticeRecipient[];
}

interface Activation {
  readonly now: number;
  /** The body, when it is kept in memory. */
  readonly octets: Uint8Array | undefined;
  readonly flushed: boolean;
}

export function activeMessage(message: QueuedMessage, { now, octets, flushed }: Activation): ActiveMessage {
  return {
    message,
    activeAt: now,
    octets,
    jobs: 0,
    left: 0,
    taken: 0,
    more: message.partial,
    lastRecipient: message.recipients.at(-1)?.index ?? -1,
    held: false,
    flushed,
    nextIndex: message.nextIndex,
    forwarded: new Set(),
    addedAt: new Set(),
    failures: [],
    successes: [],
    late: [],
  };
}

/** What an attempt changes in the queue: nothing yet. */
export function newSettlement({ message }: ActiveMessage): Settlement {
  return { id: message.id, done: [], added: [], deferred: [], remove: false };
}

/** The rows that stand for a recipient that was forwarded; what it was forwarded to before is left out. */
export function replaceForwarded(
  active: ActiveMessage,
  { original, notify, originalRecipient }: QueuedRecipient,
  forwarded: readonly ResolvedRecipient[],
): QueuedRecipient[] {
  const rows: QueuedRecipient[] = [];
  for (const resolved of forwarded) {
    const given = { ...resolved, original: resolved.original ?? original };
    const key = recipientKey(given);
    if (active.forwarded.has(key)) continue;
    active.forwarded.add(key);
    const index = active.nextIndex++;
    active.addedAt.add(index);
    rows.push({
      ...given,
      index,
      ...(notify === undefined ? {} : { notify: withoutSuccess(notify) }),
      ...(originalRecipient === undefined ? {} : { originalRecipient }),
    });
  }
  return rows;
}

/** Recipients that one message may be forwarded to while it is active. POSTFIX: has no bound. */
const MAX_FORWARDED = 10_000;

export function limitForwarding(active: ActiveMessage, result: DeliveryResult): DeliveryResult {
  const { forwarded } = result;
  if (forwarded === undefined || active.forwarded.size + forwarded.length <= MAX_FORWARDED) return result;
  const text = `mail is forwarded to more than ${MAX_FORWARDED} recipients`;
  return { index: result.index, status: 'deferred', dsn: '4.6.0', text };
}

/** RFC 3461 §5.2.7: success was reported where the mail was forwarded. */
function withoutSuccess(notify: readonly Notify[]): readonly Notify[] {
  const rest = notify.filter((word) => word !== 'SUCCESS');
  return rest.length === 0 ? ['NEVER'] : rest;
}

// The queue's log lines as Postfix words them, for pflogsumm and people who grep.

import type { DeliveryResult } from './ports.ts';
import type { QueuedRecipient } from './envelope.ts';

/** Moments of one delivery, in milliseconds since the epoch. */
export interface DeliveryTimes {
  readonly arrived: number;
  /** Entry into the active queue. */
  readonly active: number;
  /** Hand-over to the deliverer. */
  readonly started: number;
  readonly ended: number;
}

export function formatDeliveryLine(
  queueId: string,
  recipient: QueuedRecipient,
  result: DeliveryResult,
  times: DeliveryTimes,
): string {
  const connect = Math.min(result.connectMs ?? 0, Math.max(0, times.ended - times.started));
  const delays = [
    times.active - times.arrived,
    times.started - times.active,
    connect,
    times.ended - times.started - connect,
  ].map(formatDelay);
  const relay = result.relay ?? (recipient.destination.transport === 'local' ? 'local' : 'none');
  const original =
    recipient.original === recipient.address || recipient.original === ''
      ? ''
      : ` orig_to=<${recipient.original}>,`;
  return (
    `${queueId}: to=<${recipient.address}>,${original} relay=${relay}, delay=${formatDelay(times.ended - times.arrived)}, ` +
    `delays=${delays.join('/')}, dsn=${result.dsn}, status=${result.status} (${result.text})`
  );
}

/**
 * POSTFIX: at most two significant digits and two decimals (`delay_logging_resolution_limit`), whole seconds
 * from 100 on, no trailing zeros.
 */
export function formatDelay(milliseconds: number): string {
  if (milliseconds >= 10_000) return String(Math.round(milliseconds / 1000));
  if (milliseconds >= 1000) return String(Math.round(milliseconds / 100) / 10);
  return String(Math.round(Math.max(0, milliseconds) / 10) / 100);
}

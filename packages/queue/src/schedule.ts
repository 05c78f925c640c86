// When a deferred message is tried again, when its sender is told that it waits, and when it has waited too long. Pure.

import type { QueuedMessage } from './schedule-store.ts';
import type { QueueSettings } from './settings.ts';

/**
 * POSTFIX: qmgr_active.c: the wait is the message's age, between the two back-off times; so the waits double.
 */
export function nextAttempt(
  arrivedAt: number,
  now: number,
  settings: { readonly minimalBackoff: number; readonly maximalBackoff: number },
): number {
  const age = Math.max(0, now - arrivedAt);
  return now + Math.min(Math.max(age, settings.minimalBackoff), settings.maximalBackoff);
}

/** Whether a message that still waits goes back to its sender. POSTFIX: never with soft_bounce. */
export function isExpired(
  { arrivedAt, envelope }: QueuedMessage,
  now: number,
  settings: QueueSettings,
): boolean {
  const { maximalLifetime, bounceLifetime, softBounce } = settings;
  const lifetime = envelope.sender === '' ? bounceLifetime : maximalLifetime;
  return !softBounce && now >= arrivedAt + lifetime;
}

/** Once in a message's life: at the first attempt after the time, when the one before came earlier. */
export function warningIsDue(
  { arrivedAt, attemptedAt, envelope }: QueuedMessage,
  now: number,
  settings: QueueSettings,
): boolean {
  const { delayWarning } = settings;
  if (delayWarning <= 0 || envelope.sender === '') return false;
  const due = arrivedAt + delayWarning;
  return attemptedAt < due && now >= due;
}

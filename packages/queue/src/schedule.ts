// When a deferred message is tried again.

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

// Flag sets as values: canonical spelling, order and sharing. Every store makes its flag sets here, so that equal
// sets compare equal by content and mostly by identity, and `\seen` from a client is `\Seen` everywhere.

import { SYSTEM_FLAGS, MailboxError, type Flag, type FlagSet, type StoreChange } from './port.ts';

const SYSTEM_BY_LOWER: ReadonlyMap<string, Flag> = new Map(SYSTEM_FLAGS.map((f) => [f.toLowerCase(), f]));

/** Sets are shared up to this many distinct ones; beyond that they are merely equal. */
const MAX_SHARED_SETS = 4096;
const shared = new Map<string, FlagSet>();

export const NO_FLAGS: FlagSet = Object.freeze([]);

/** Longest keyword a store accepts, in octets. */
export const MAX_KEYWORD_LENGTH = 255;

// RFC 3501 §9: flag-keyword = atom. Octets that no atom may hold would break Dovecot's keyword file as well.
const KEYWORD = /^[^\x00-\x20\x7f-\xff(){%*"\\\]]+$/;

/** The flag in its canonical spelling; undefined for `\Recent` and for what is neither system flag nor keyword. */
export function canonicalFlag(flag: string): Flag | undefined {
  if (flag.startsWith('\\')) return SYSTEM_BY_LOWER.get(flag.toLowerCase());
  return flag.length <= MAX_KEYWORD_LENGTH && KEYWORD.test(flag) ? flag : undefined;
}

export function isSystemFlag(flag: Flag): boolean {
  return flag.startsWith('\\');
}

/** System flags first, in the order of `SYSTEM_FLAGS`, then keywords; without duplicates (keywords compare without case, the first spelling stays), frozen. */
export function makeFlagSet(flags: Iterable<Flag>): FlagSet {
  const byLower = new Map<string, Flag>();
  for (const flag of flags) {
    const lower = flag.toLowerCase();
    if (!byLower.has(lower)) byLower.set(lower, flag);
  }
  if (byLower.size === 0) return NO_FLAGS;
  const sorted = [...byLower.values()].sort(compareFlags);
  const key = sorted.join(' ');
  const known = shared.get(key);
  if (known) return known;
  if (shared.size >= MAX_SHARED_SETS) shared.clear();
  const set = Object.freeze(sorted);
  shared.set(key, set);
  return set;
}

export function hasFlag(set: FlagSet, flag: Flag): boolean {
  if (set.includes(flag)) return true;
  if (isSystemFlag(flag)) return false;
  const lower = flag.toLowerCase();
  return set.some((f) => f.toLowerCase() === lower);
}

/** The flags of a change, canonical, without `\Recent`. Throws `cannot` for a flag that cannot be stored. */
export function storableFlags(flags: readonly string[]): FlagSet {
  const out: Flag[] = [];
  for (const flag of flags) {
    if (flag.toLowerCase() === '\\recent') continue;
    const canonical = canonicalFlag(flag);
    if (canonical === undefined)
      throw new MailboxError('cannot', `flag ${JSON.stringify(flag)} cannot be stored`);
    out.push(canonical);
  }
  return makeFlagSet(out);
}

/** `old` after `mode flags`; the same object when nothing changes. `flags` come from `storableFlags`. */
export function applyChange(old: FlagSet, mode: StoreChange['mode'], flags: FlagSet): FlagSet {
  const next =
    mode === 'replace'
      ? makeFlagSet(flags)
      : mode === 'add'
        ? makeFlagSet([...old, ...flags])
        : makeFlagSet(old.filter((f) => !hasFlag(flags, f)));
  return sameFlags(next, old) ? old : next;
}

export function sameFlags(a: FlagSet, b: FlagSet): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

// DOVECOT: FLAGS responses come in this order.
function compareFlags(a: Flag, b: Flag): number {
  const rank = systemRank(a) - systemRank(b);
  return rank !== 0 ? rank : a < b ? -1 : a > b ? 1 : 0;
}

function systemRank(flag: Flag): number {
  const index = (SYSTEM_FLAGS as readonly string[]).indexOf(flag);
  return index === -1 ? SYSTEM_FLAGS.length : index;
}

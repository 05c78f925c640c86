// The forms Dovecot's values take: times with a unit, sizes, words.

const SECONDS: ReadonlyMap<string, number> = new Map([
  ['ms', 0.001],
  ['msec', 0.001],
  ['msecs', 0.001],
  ['millisecs', 0.001],
  ['s', 1],
  ['sec', 1],
  ['secs', 1],
  ['second', 1],
  ['seconds', 1],
  ['m', 60],
  ['min', 60],
  ['mins', 60],
  ['minute', 60],
  ['minutes', 60],
  ['h', 3600],
  ['hour', 3600],
  ['hours', 3600],
  ['d', 86_400],
  ['day', 86_400],
  ['days', 86_400],
  ['w', 604_800],
  ['week', 604_800],
  ['weeks', 604_800],
]);

/** Seconds; a bare number is in seconds. Undefined for what is no time. */
export function parseDovecotTime(text: string): number | undefined {
  const match = /^(\d{1,9})\s*([a-z]*)$/i.exec(text.trim());
  if (match === null) return /^(infinite|unlimited)$/i.test(text.trim()) ? Infinity : undefined;
  const unit = (match[2] ?? '').toLowerCase();
  const factor = unit === '' ? 1 : SECONDS.get(unit);
  return factor === undefined ? undefined : Number(match[1]) * factor;
}

const SIZES: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ['b', 1],
  ['k', 1024],
  ['m', 1024 ** 2],
  ['g', 1024 ** 3],
  ['t', 1024 ** 4],
]);

/** Octets: `64 k`, `10M`, `128 kB`. */
export function parseDovecotSize(text: string): number | undefined {
  const match = /^(\d{1,12})\s*([bkmgt]?)(?:i?b)?$/i.exec(text.trim());
  const factor = match === null ? undefined : SIZES.get((match[2] ?? '').toLowerCase());
  return match === null || factor === undefined ? undefined : Number(match[1]) * factor;
}

export function splitWords(text: string): string[] {
  return text.split(/[\s,]+/).filter((word) => word !== '');
}

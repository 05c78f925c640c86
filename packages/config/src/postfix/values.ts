// The forms a parameter's value takes. Each parser returns undefined for what it cannot read; the caller knows the
// parameter's name and says so.

/** POSTFIX: exactly yes or no, in any case. */
export function parseBool(text: string): boolean | undefined {
  const lower = text.toLowerCase();
  if (lower === 'yes') return true;
  return lower === 'no' ? false : undefined;
}

export function parseInteger(text: string): number | undefined {
  if (!/^-?\d{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value <= 0x7fffffff && value >= -0x80000000 ? value : undefined;
}

export type TimeUnit = 's' | 'm' | 'h' | 'd' | 'w';

const SECONDS: Readonly<Record<TimeUnit, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 };

/** Seconds. A number without a unit is in the parameter's own unit (`maximal_queue_lifetime = 5` is days). */
export function parseTime(text: string, defaultUnit: TimeUnit): number | undefined {
  const match = /^(\d{1,10})([smhdw]?)$/i.exec(text);
  if (match === null) return undefined;
  const unit = (match[2] === '' ? defaultUnit : (match[2] ?? defaultUnit).toLowerCase()) as TimeUnit;
  const seconds = Number(match[1]) * SECONDS[unit];
  return seconds <= 0x7fffffff ? seconds : undefined;
}

/** Splits at white space and commas; `{ … }` stays one item, braces included. An unclosed brace ends the list. */
export function splitList(text: string): string[] {
  const items: string[] = [];
  let at = 0;
  while (at < text.length) {
    if (isSeparator(text.charCodeAt(at))) {
      at += 1;
      continue;
    }
    const start = at;
    let level = 0;
    while (at < text.length) {
      const code = text.charCodeAt(at);
      if (code === OPEN) level += 1;
      else if (code === CLOSE) level = Math.max(0, level - 1);
      else if (level === 0 && isSeparator(code)) break;
      at += 1;
    }
    items.push(text.slice(start, at));
  }
  return items;
}

const OPEN = 0x7b;
const CLOSE = 0x7d;
const COMMA = 0x2c;

function isSeparator(code: number): boolean {
  return code === COMMA || code === 0x20 || (code >= 0x09 && code <= 0x0d);
}

/** `{ inner }` → `inner`, trimmed; anything else as it is. */
export function stripBraces(item: string): string {
  return item.startsWith('{') && item.endsWith('}') ? item.slice(1, -1).trim() : item;
}

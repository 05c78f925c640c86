// Reads the Date of RFC 5322 §3.3 with the obsolete zones of §4.3, tolerantly. Never throws; undefined when there is no
// date to be found.

import { HeaderLexer } from './header-lexer.ts';

export interface HeaderDate {
  /** Milliseconds since 1970, UTC. */
  readonly time: number;
  /** As written, without regard to the zone: what SENTBEFORE, SENTON and SENTSINCE compare (RFC 3501 §6.4.4). */
  readonly year: number;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;
  /** Minutes east of UTC. */
  readonly offset: number;
}

const MONTHS = 'janfebmaraprmayjunjulaugsepoctnovdec';
const ZONES: ReadonlyMap<string, number> = new Map([
  ['ut', 0],
  ['utc', 0],
  ['gmt', 0],
  ['z', 0],
  ['est', -300],
  ['edt', -240],
  ['cst', -360],
  ['cdt', -300],
  ['mst', -420],
  ['mdt', -360],
  ['pst', -480],
  ['pdt', -420],
]);
/** A date is short; what is longer is not looked at. */
const MAX_DATE = 200;

/** `[day-name ","] day month year hour ":" minute [":" second] [zone]` */
export function parseDate(value: string): HeaderDate | undefined {
  const words = withoutComments(value.slice(0, MAX_DATE));
  const match =
    /^(?:[a-z]+ ?,? ?)?(\d{1,2})[ -]([a-z]{3})[a-z]*\.?[ -](\d{2,4})(?: (\d{1,2}) ?: ?(\d{1,2})(?: ?: ?(\d{1,2}))?(?:\.\d+)? ?([a-z]+|[+-] ?\d{4})?)?/.exec(
      words,
    );
  if (match === null) return undefined;
  const day = Number(match[1]);
  const month = monthOf(match[2] ?? '');
  const year = fullYear(match[3] ?? '');
  const [hour, minute, second] = [Number(match[4] ?? 0), Number(match[5] ?? 0), Number(match[6] ?? 0)];
  if (month === undefined || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60) return undefined;
  const offset = zoneOffset(match[7] ?? '');
  const time = Date.UTC(year, month - 1, day, hour, minute, second) - offset * 60_000;
  return { time, year, month, day, offset };
}

function withoutComments(value: string): string {
  const lexer = new HeaderLexer(value);
  let words = '';
  while (!lexer.done) {
    const before = lexer.at;
    if (!lexer.skipCfws()) break;
    if (lexer.at > before && words !== '') words += ' ';
    if (lexer.done) break;
    words += value.charAt(lexer.at++);
  }
  return words.trim().toLowerCase();
}

function monthOf(name: string): number | undefined {
  const at = MONTHS.indexOf(name);
  return at === -1 || at % 3 !== 0 ? undefined : at / 3 + 1;
}

/** RFC 5322 §4.3: two digits below 50 are 20xx, the others 19xx; three digits count from 1900. */
function fullYear(digits: string): number {
  const year = Number(digits);
  if (digits.length === 2) return year < 50 ? 2000 + year : 1900 + year;
  return digits.length === 3 ? 1900 + year : year;
}

function zoneOffset(zone: string): number {
  const numeric = /^([+-]) ?(\d{2})(\d{2})$/.exec(zone);
  if (numeric === null) return ZONES.get(zone) ?? 0;
  const minutes = Number(numeric[2]) * 60 + Number(numeric[3]);
  return numeric[1] === '-' ? -minutes : minutes;
}

// Dates of the IMAP wire (RFC 3501 §9: date, date-time). Values out of range are not dates.

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;
const MONTH_NUMBER: ReadonlyMap<string, number> = new Map(MONTHS.map((name, at) => [name.toLowerCase(), at]));

/** A calendar day without time or zone, as days since 1970-01-01. */
export type Day = number;

const DAY_MS = 86_400_000;

/** `date-text = date-day "-" date-month "-" date-year`. */
export function parseDay(text: string): Day | undefined {
  const match = /^ ?(\d{1,2})-([A-Za-z]{3})-(\d{4})$/.exec(text);
  if (match === null) return undefined;
  const ms = utcOf({ day: match[1], month: match[2], year: match[3] });
  return ms === undefined ? undefined : Math.round(ms / DAY_MS);
}

/** `date-time = DQUOTE date-day-fixed "-" date-month "-" date-year SP time SP zone DQUOTE`. */
export function parseDateTime(text: string): Date | undefined {
  const match = /^( \d|\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)$/.exec(text);
  if (match === null) return undefined;
  const day = utcOf({ day: match[1]?.trim(), month: match[2], year: match[3] });
  const [hours, minutes, seconds] = [Number(match[4]), Number(match[5]), Number(match[6])];
  const zone = Number(match[8]) * 60 + Number(match[9]);
  if (day === undefined || hours > 23 || minutes > 59 || seconds > 60 || Number(match[9]) > 59)
    return undefined;
  const offset = (match[7] === '-' ? -zone : zone) * 60_000;
  return new Date(day + (hours * 3600 + minutes * 60 + seconds) * 1000 - offset);
}

function utcOf(parts: {
  readonly day: string | undefined;
  readonly month: string | undefined;
  readonly year: string | undefined;
}): number | undefined {
  const month = MONTH_NUMBER.get((parts.month ?? '').toLowerCase());
  const day = Number(parts.day);
  if (month === undefined || day < 1 || day > 31) return undefined;
  const date = new Date(0);
  // DOVECOT: the 31st of a shorter month is the first days of the next.
  date.setUTCFullYear(Number(parts.year), month, day);
  return date.getTime();
}

/** INTERNALDATE's form. `zone`: minutes east of UTC. */
export function formatDateTime(date: Date, zone = 0): string {
  const local = new Date(Number.isNaN(date.getTime()) ? 0 : date.getTime() + zone * 60_000);
  const two = (value: number): string => (value < 10 ? `0${value}` : `${value}`);
  const year = `${Math.max(0, local.getUTCFullYear())}`.padStart(4, '0');
  const day = `${two(local.getUTCDate())}-${MONTHS[local.getUTCMonth()]}-${year}`;
  const time = `${two(local.getUTCHours())}:${two(local.getUTCMinutes())}:${two(local.getUTCSeconds())}`;
  const ahead = Math.abs(zone);
  return `${day} ${time} ${zone < 0 ? '-' : '+'}${two(Math.trunc(ahead / 60))}${two(ahead % 60)}`;
}

/** The calendar day of a moment in a zone. */
export function dayOf(date: Date, zone = 0): Day {
  return Math.floor((date.getTime() + zone * 60_000) / DAY_MS);
}

// Queue ids in Postfix's two forms. What makes an id unique is a counter the database keeps; the time in front
// keeps ids of a database that was begun anew apart from the old one's in the logs.
//
// short: five upper-case hex digits of the arrival's microseconds, then the counter in hex.
// long (`enable_long_queue_ids`): seconds in base 52 (six digits or more), microseconds (four), `z`, counter in
// base 51. Vowels are left out of the digits so that no id spells a word.

const BASE52 = '0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz';

/** No two messages have the same counter; it also is the message's row number. */
export function formatQueueId(counter: number, milliseconds: number, long: boolean): string {
  // The clock gives milliseconds: the counter's low digits stand in for the microseconds below.
  const microseconds = (milliseconds % 1000) * 1000 + (counter % 1000);
  if (long) {
    const seconds = Math.floor(milliseconds / 1000);
    return `${inBase(seconds, 52).padStart(6, '0')}${inBase(microseconds, 52).padStart(4, '0')}z${inBase(counter, 51)}`;
  }
  return hex(microseconds).padStart(5, '0') + hex(counter);
}

/** The counter of an id of either form, or undefined when it is no id. */
export function parseQueueId(id: string): number | undefined {
  if (/^[0-9A-F]{6,18}$/.test(id)) return Number.parseInt(id.slice(5), 16);
  const long =
    /^[0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-z]{10,14}z([0-9B-DF-HJ-NP-TV-Zb-df-hj-np-tv-y]{1,10})$/.exec(id);
  if (long?.[1] === undefined) return undefined;
  let counter = 0;
  for (const digit of long[1]) counter = counter * 51 + BASE52.indexOf(digit);
  return counter;
}

function hex(value: number): string {
  return value.toString(16).toUpperCase();
}

function inBase(value: number, base: 51 | 52): string {
  let rest = value;
  let digits = '';
  do {
    digits = BASE52.charAt(rest % base) + digits;
    rest = Math.floor(rest / base);
  } while (rest > 0);
  return digits;
}

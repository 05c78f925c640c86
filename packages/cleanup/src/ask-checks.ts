// Asks a table of checks about a field or a line. Patterns may be written for octets or for text: a key beyond ASCII
// is asked as text first, then as octets.
//
// A pattern may take long on a long key. Keys are at most MAX_KEY characters: a longer field is asked in overlapping
// pieces, each with the field's name in front, so that nothing hides behind its length.

import { isAscii, toBinary, toText } from './binary-text.ts';
import type { CheckTable } from './settings.ts';
import { type Steps, settled } from './steps.ts';

export const MAX_KEY = 4000;
const OVERLAP = 400;

/** The first answer, as a binary string. `name`: the field's, or empty for a line of a body. */
export function* askChecks(table: CheckTable, text: string, name: string): Steps<string | undefined> {
  // POSTFIX: an empty key is never looked up.
  if (text === '') return undefined;
  if (text.length <= MAX_KEY) return yield* askPiece(table, text);
  const start = name === '' ? '' : `${name}: `;
  const step = MAX_KEY - OVERLAP - start.length;
  const first = yield* askPiece(table, text.slice(0, MAX_KEY));
  if (first !== undefined) return first;
  for (let at = MAX_KEY - OVERLAP; at < text.length; at += step) {
    const answer = yield* askPiece(table, start + text.slice(at, at + MAX_KEY - start.length));
    if (answer !== undefined) return answer;
  }
  return undefined;
}

function* askPiece(table: CheckTable, key: string): Steps<string | undefined> {
  if (isAscii(key)) {
    const answer = yield* settled(table.find(key));
    return answer === undefined ? undefined : toBinary(answer.value);
  }
  const asText = toText(key);
  if (!asText.includes('\ufffd')) {
    const answer = yield* settled(table.find(asText));
    if (answer !== undefined) return toBinary(answer.value);
  }
  const answer = yield* settled(table.find(key));
  if (answer === undefined) return undefined;
  // What the pattern captured are octets; words of the table's own beyond Latin-1 are text.
  return /^[\x00-\xff]*$/.test(answer.value) ? answer.value : toBinary(answer.value);
}

// `dovecot-keywords`: lines `<0..25> <name>`, index 0 is letter `a`. Entries are never removed or renumbered. A
// letter in use without an entry is shown as `unknown-<n>`, as Dovecot does. Pure.

import { MAX_KEYWORDS } from './file-name.ts';

/** Sparse: `table[i]` is the name of letter i. */
export type KeywordTable = readonly (string | undefined)[];

export function parseKeywords(text: string): KeywordTable {
  const table: (string | undefined)[] = [];
  for (const line of text.split('\n')) {
    const match = /^(\d{1,2}) (\S+)\r?$/.exec(line);
    if (!match) continue;
    const index = Number(match[1]);
    // DOVECOT: of two lines for one index the first counts.
    if (index < MAX_KEYWORDS && table[index] === undefined) table[index] = match[2];
  }
  return table;
}

export function formatKeywords(table: KeywordTable): string {
  let text = '';
  for (let i = 0; i < table.length; i++) if (table[i] !== undefined) text += `${i} ${table[i]}\n`;
  return text;
}

export function keywordName(table: KeywordTable, index: number): string {
  return table[index] ?? `unknown-${index}`;
}

/** The index of a keyword, compared without case, `unknown-<n>` included; -1 when it has none. */
export function findKeyword(table: KeywordTable, keyword: string): number {
  const lower = keyword.toLowerCase();
  for (let i = 0; i < table.length; i++) if (table[i]?.toLowerCase() === lower) return i;
  const unknown = /^unknown-(\d{1,2})$/.exec(lower);
  const index = unknown ? Number(unknown[1]) : MAX_KEYWORDS;
  return index < MAX_KEYWORDS && table[index] === undefined ? index : -1;
}

/** The lowest index with neither a name nor a message using its letter; -1 when all are taken. */
export function freeIndex(table: KeywordTable, lettersInUse: ReadonlySet<number>): number {
  for (let i = 0; i < MAX_KEYWORDS; i++) if (table[i] === undefined && !lettersInUse.has(i)) return i;
  return -1;
}

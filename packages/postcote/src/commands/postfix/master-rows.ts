// master.cf's rows as `postconf -M` prints them: in columns, one row a line.

/** The words of a row: eight columns, then the command's arguments. */
export type MasterRow = readonly string[];

/** Where the columns begin. */
const COLUMNS = [0, 11, 17, 25, 33, 41, 49, 57];

export function readMasterRows(text: string): MasterRow[] {
  const rows: string[][] = [];
  for (const line of text.split('\n')) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    const words = line.trim().split(/\s+/);
    if (/^\s/.test(line)) rows.at(-1)?.push(...words);
    else rows.push(words);
  }
  return rows;
}

/** `folded`: each `-o name=value` on a line of its own (`-f`). */
export function formatMasterRow(row: MasterRow, folded: boolean): string {
  let out = '';
  for (const [index, column] of COLUMNS.entries()) {
    const word = row[index] ?? '';
    out += index === 0 ? word : `${' '.repeat(Math.max(1, column - out.length))}${word}`;
  }
  const rest = row.slice(COLUMNS.length);
  for (let at = 0; at < rest.length; at++) {
    const word = rest[at] ?? '';
    const isOption = word === '-o';
    const text = isOption ? `-o ${rest[++at] ?? ''}` : word;
    out += folded && word.startsWith('-o') ? `\n    ${text}` : ` ${text}`;
  }
  return `${out}\n`;
}

// master.cf's rows as `postconf -M` prints them: in columns, one row a line.

/** The words of a row: eight columns, then the command's arguments; `{ a = b c }` is one word, `{a=b c}`. */
export type MasterRow = readonly string[];

export interface MasterEntry {
  readonly row: MasterRow;
  /** Indexes of its lines; comments and empty lines in between are not among them. */
  readonly lines: readonly number[];
}

/** POSTFIX: the names of `-F`. */
export const MASTER_FIELDS = [
  'service',
  'type',
  'private',
  'unprivileged',
  'chroot',
  'wakeup',
  'process_limit',
  'command',
] as const;

/** Where the columns begin. */
const COLUMNS = [0, 11, 17, 25, 33, 41, 49, 57];
/** POSTFIX: a folded line is not made longer than this. */
const LINE_LIMIT = 78;
const INDENT = '    ';

export function readMasterEntries(text: string): MasterEntry[] {
  const entries: { row: string[]; lines: number[] }[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '' || line.trimStart().startsWith('#')) continue;
    const current = /^\s/.test(line) ? entries.at(-1) : undefined;
    if (current === undefined) {
      entries.push({ row: splitWords(line), lines: [index] });
    } else {
      current.row.push(...splitWords(line));
      current.lines.push(index);
    }
  }
  return entries;
}

export const readMasterRows = (text: string): MasterRow[] => readMasterEntries(text).map(({ row }) => row);

/** Words are separated by blanks; what stands in braces is one, however many blanks it holds. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word = '';
  let depth = 0;
  const end = (): void => {
    if (word !== '') words.push(tidyBraces(word));
    word = '';
  };
  for (const char of line) {
    if (depth === 0 && /\s/.test(char)) {
      end();
      continue;
    }
    // `${name}` within a word is no group of its own.
    if (char === '{' && (word === '' || depth > 0)) depth++;
    else if (char === '}' && depth > 0) depth--;
    word += char;
    if (char === '}' && depth === 0 && word.startsWith('{')) end();
  }
  end();
  return words;
}

function tidyBraces(word: string): string {
  const inner = /^\{(.*)\}$/s.exec(word)?.[1]?.trim();
  if (inner === undefined) return word;
  const equals = inner.indexOf('=');
  return equals === -1
    ? `{${inner}}`
    : `{${inner.slice(0, equals).trim()}=${inner.slice(equals + 1).trim()}}`;
}

/** `folded`: each `-o name=value` on a line of its own (`-f`). */
export function formatMasterRow(row: MasterRow, folded: boolean): string {
  let out = '';
  for (const [index, column] of COLUMNS.entries()) {
    const word = row[index] ?? '';
    out += index === 0 ? word : `${' '.repeat(Math.max(1, column - out.length))}${word}`;
  }
  let width = out.length;
  /** After an option nothing else shares its line. */
  let full = false;
  const rest = row.slice(COLUMNS.length);
  for (let at = 0; at < rest.length; at++) {
    const word = rest[at] ?? '';
    const isOption = word.startsWith('-o');
    const text = word === '-o' ? `-o ${rest[++at] ?? ''}` : word;
    const breaks = folded && (isOption || full || width + text.length >= LINE_LIMIT);
    out += breaks ? `\n${INDENT}${text}` : ` ${text}`;
    width = breaks ? INDENT.length + text.length : width + 1 + text.length;
    full = isOption;
  }
  return `${out}\n`;
}

/** A column's value; of `command` with its arguments. */
export function fieldOf(row: MasterRow, field: (typeof MASTER_FIELDS)[number]): string {
  const index = MASTER_FIELDS.indexOf(field);
  return field === 'command' ? row.slice(index).join(' ') : (row[index] ?? '');
}

/** `service/type` with `*` for any; without a type, any type. */
export function matchesRow(row: MasterRow, service: string, type: string | undefined): boolean {
  const matches = (pattern: string | undefined, value: string | undefined): boolean =>
    pattern === undefined || pattern === '*' || pattern === value;
  return matches(service, row[0]) && matches(type, row[1]);
}

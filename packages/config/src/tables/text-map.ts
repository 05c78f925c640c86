// `hash: btree: lmdb: cdb: dbm: texthash:` from their text source, as postmap(1) and postalias(1) read it.
// Keys are folded to lower case; of two entries for one key the first counts, as postmap keeps it.
// A line that postmap would skip is a problem: at the first load it is said and skipped, at a later one the last good
// map stays.

import { eachLogicalLine } from '../logical-lines.ts';
import { notice, type Problem } from '../origin.ts';
import type { TableEntry } from './lookup-table.ts';

export interface ParsedTable<Content> {
  readonly content: Content;
  /** What was skipped: each makes a later edit a bad one. */
  readonly errors: readonly Problem[];
  /** Worth saying, but the table is as good as it was meant. */
  readonly warnings: readonly Problem[];
}

export type ParseTable<Content> = (file: string, text: string) => ParsedTable<Content>;

/** Values and line numbers apart from the map: a hundred thousand small objects would cost three times as much. */
export class TextMap {
  readonly file: string;
  readonly #indexes = new Map<string, number>();
  readonly #values: string[] = [];
  readonly #lines: number[] = [];

  constructor(file: string) {
    this.file = file;
  }

  get size(): number {
    return this.#values.length;
  }

  /** In the order of the file. */
  *entries(): Generator<readonly [key: string, value: string]> {
    for (const [key, index] of this.#indexes) yield [key, this.#values[index] ?? ''];
  }

  /** The line of the entry that was there before; undefined when the key was new and is now in. */
  add(key: string, value: string, line: number): number | undefined {
    const earlier = this.#indexes.get(key);
    if (earlier !== undefined) return this.#lines[earlier];
    this.#indexes.set(key, this.#values.length);
    this.#values.push(value);
    this.#lines.push(line);
    return undefined;
  }

  get(key: string): TableEntry | undefined {
    const index = this.#indexes.get(key);
    if (index === undefined) return undefined;
    return { value: this.#values[index] ?? '', origin: { file: this.file, line: this.#lines[index] ?? 0 } };
  }

  keys(): IterableIterator<string> {
    return this.#indexes.keys();
  }
}

/** POSTFIX: tables built by postmap are searched with the key in lower case. */
export function foldKey(key: string): string {
  return key.toLowerCase();
}

const MAX_REPORTED = 20;

class Findings {
  readonly errors: Problem[] = [];
  readonly warnings: Problem[] = [];
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  error(line: number, name: string, message: string): void {
    if (this.errors.length < MAX_REPORTED) this.errors.push(this.#make(line, name, message));
  }

  warn(line: number, name: string, message: string): void {
    if (this.warnings.length < MAX_REPORTED) this.warnings.push(this.#make(line, name, message));
  }

  #make(line: number, name: string, message: string): Problem {
    return notice({ file: this.#file, line }, { name: name.slice(0, 100), message });
  }
}

/** `key white-space value`; white space inside double quotes belongs to the key, and the quotes stay. */
export const parsePostmapText: ParseTable<TextMap> = (file, text) => {
  const map = new TextMap(file);
  const findings = new Findings(file);
  eachLogicalLine(text, ({ text: lineText, line }) => {
    const content = lineText.trim();
    const end = keyEnd(content);
    if (end === -1) {
      findings.error(line, content, 'a double quote is not closed; the line is skipped');
      return;
    }
    const written = content.slice(0, end);
    const value = content.slice(end).trimStart();
    if (value === '') {
      findings.error(line, written, 'an entry is a key, white space and a value; the line is skipped');
      return;
    }
    if (written.endsWith(':')) {
      findings.warn(
        line,
        written,
        'a key ending in ":" belongs in an aliases file; here the colon is part of the key',
      );
    } else if (written.startsWith('<') && written.endsWith('>')) {
      findings.warn(
        line,
        written,
        'the angle brackets are part of the key, so no address will ever match it',
      );
    }
    const earlier = map.add(foldKey(written), value, line);
    if (earlier !== undefined) {
      findings.warn(line, written, `duplicate entry: line ${earlier} counts, this one is ignored`);
    }
  });
  return { content: map, errors: findings.errors, warnings: findings.warnings };
};

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

function keyEnd(text: string): number {
  let isQuoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) isQuoted = !isQuoted;
    else if (code === BACKSLASH && isQuoted) at += 1;
    else if (!isQuoted && (code === 0x20 || (code >= 0x09 && code <= 0x0d))) return at;
  }
  return isQuoted ? -1 : text.length;
}

/** aliases(5): `name: value, value…`; the name may be quoted, and is stored without its quotes. */
export const parseAliasText: ParseTable<TextMap> = (file, text) => {
  const map = new TextMap(file);
  const findings = new Findings(file);
  eachLogicalLine(text, ({ text: lineText, line }) => {
    const entry = splitAlias(lineText.trim());
    if (entry === undefined || entry.value === '' || entry.name === '') {
      findings.error(line, lineText.trim(), 'an alias is "name: destination, …"; the line is skipped');
      return;
    }
    if (!entry.wasQuoted && entry.name.includes('@')) {
      findings.error(
        line,
        entry.name,
        'the name of an alias is a local name without "@"; the line is skipped',
      );
      return;
    }
    const earlier = map.add(foldKey(entry.name), entry.value, line);
    if (earlier !== undefined) {
      findings.warn(line, entry.name, `duplicate entry: line ${earlier} counts, this one is ignored`);
    }
  });
  return { content: map, errors: findings.errors, warnings: findings.warnings };
};

function splitAlias(text: string): { name: string; value: string; wasQuoted: boolean } | undefined {
  if (!text.startsWith('"')) {
    const colon = text.indexOf(':');
    if (colon === -1) return undefined;
    return { name: text.slice(0, colon).trim(), value: text.slice(colon + 1).trim(), wasQuoted: false };
  }
  let name = '';
  let at = 1;
  while (at < text.length && text[at] !== '"') {
    if (text[at] === '\\') at += 1;
    name += text[at] ?? '';
    at += 1;
  }
  const rest = text.slice(at + 1).trimStart();
  if (at >= text.length || !rest.startsWith(':')) return undefined;
  return { name, value: rest.slice(1).trim(), wasQuoted: true };
}

// dovecot.conf → a tree of settings and sections, the same for the 1.x, 2.3 and 2.4 dialects: `name = value`,
// `name += value`, `name [label] { … }`, `!include`, `!include_try`, `$name`, comments, quotes, continuation by a
// trailing backslash. Includes are read through the `System` port. Nothing is interpreted here.

import { notice, refuse, type Origin, type Problem } from '../origin.ts';
import type { System } from '../system.ts';
import { isDovecotName } from './defaults.ts';

export interface DovecotSetting {
  readonly kind: 'setting';
  readonly name: string;
  /** Unquoted, `$name` filled in; of `<file` values the path. */
  readonly value: string;
  /** The value is the content of the file named. */
  readonly isFile: boolean;
  readonly isAppended: boolean;
  readonly origin: Origin;
}

export interface DovecotSection {
  readonly kind: 'section';
  readonly name: string;
  /** Unquoted; empty when there is none. */
  readonly label: string;
  readonly children: readonly DovecotNode[];
  readonly origin: Origin;
}

export type DovecotNode = DovecotSetting | DovecotSection;

export interface DovecotTree {
  readonly nodes: readonly DovecotNode[];
  readonly problems: readonly Problem[];
}

/** Certificates and keys are named, not carried: whoever needs them reads them with the rights they need. */
const KEPT_AS_PATHS = /^ssl_(?!key_password)/;
const MAX_DEPTH = 32;
const MAX_FILES = 500;

interface OpenSection {
  readonly name: string;
  readonly label: string;
  readonly origin: Origin;
  readonly children: DovecotNode[];
}

export function parseDovecot(file: string, text: string, system: System): DovecotTree {
  const parser = new Parser(system);
  parser.readText(file, text);
  return parser.finish();
}

class Parser {
  readonly #system: System;
  readonly #problems: Problem[] = [];
  readonly #root: DovecotNode[] = [];
  readonly #open: OpenSection[] = [];
  /** Files being read, for loops. */
  readonly #reading: string[] = [];
  #filesRead = 0;

  constructor(system: System) {
    this.#system = system;
  }

  readText(file: string, text: string): void {
    this.#reading.push(file);
    const depthBefore = this.#open.length;
    const lines = text.split('\n');
    for (let index = 0; index < lines.length; index += 1) {
      const origin = { file, line: index + 1 };
      let content = stripComment(lines[index] ?? '');
      while (content.endsWith('\\') && index + 1 < lines.length) {
        index += 1;
        content = `${content.slice(0, -1)}${stripComment(lines[index] ?? '')}`;
      }
      if (content !== '') this.#readLine(content, origin);
    }
    if (this.#open.length > depthBefore) {
      const unclosed = this.#open[this.#open.length - 1];
      if (unclosed !== undefined) this.#refuse(unclosed.origin, unclosed.name, 'this "{" is not closed');
      while (this.#open.length > depthBefore) this.#closeSection();
    }
    this.#reading.pop();
  }

  finish(): DovecotTree {
    return { nodes: this.#root, problems: this.#problems };
  }

  #refuse(origin: Origin, name: string, message: string): void {
    this.#problems.push(refuse(origin, { name, message }));
  }

  #add(node: DovecotNode): void {
    (this.#open[this.#open.length - 1]?.children ?? this.#root).push(node);
  }

  #closeSection(): void {
    const section = this.#open.pop();
    if (section !== undefined) this.#add({ kind: 'section', ...section });
  }

  #readLine(content: string, origin: Origin): void {
    if (content.startsWith('}')) {
      if (this.#open.length === 0) return this.#refuse(origin, '}', 'there is nothing to close here');
      this.#closeSection();
      const rest = content.slice(1).trim();
      if (rest !== '') this.#readLine(rest, origin);
      return;
    }
    if (content.startsWith('!')) return this.#readDirective(content, origin);
    const name = /^[A-Za-z0-9_\-/.:@]+/.exec(content)?.[0];
    if (name === undefined)
      return this.#refuse(origin, '', `this line cannot be read: "${content.slice(0, 100)}"`);
    const rest = content.slice(name.length).trimStart();
    if (rest.startsWith('='))
      return this.#readSetting({ name, text: rest.slice(1).trim(), isAppended: false }, origin);
    if (rest.startsWith('+='))
      return this.#readSetting({ name, text: rest.slice(2).trim(), isAppended: true }, origin);
    this.#readSectionStart(name, rest, origin);
  }

  #readSectionStart(name: string, rest: string, origin: Origin): void {
    const brace = rest.indexOf('{');
    if (brace === -1) return this.#refuse(origin, name, '"=" or "{" is expected after the name');
    if (this.#open.length >= MAX_DEPTH) return this.#refuse(origin, name, 'sections are nested too deeply');
    this.#open.push({ name, label: unquote(rest.slice(0, brace).trim()), origin, children: [] });
    const inside = rest.slice(brace + 1).trim();
    if (inside !== '') this.#readInline(inside, origin);
  }

  /** `{ port = 0 }` on one line. */
  #readInline(inside: string, origin: Origin): void {
    const closes = inside.endsWith('}') && !/%\{[^}]*\}$/.test(inside);
    const body = closes ? inside.slice(0, -1).trim() : inside;
    if (body !== '') this.#readLine(body, origin);
    if (closes) this.#closeSection();
  }

  #readSetting(
    {
      name,
      text,
      isAppended,
    }: { readonly name: string; readonly text: string; readonly isAppended: boolean },
    origin: Origin,
  ): void {
    const isFile = text.startsWith('<');
    const value = isFile ? text.slice(1).trim() : isQuoted(text) ? unquote(text) : this.#fillIn(text).trim();
    if (isFile && !KEPT_AS_PATHS.test(name))
      return this.#readValueFile({ name, path: value, isAppended }, origin);
    this.#add({ kind: 'setting', name, value, isFile, isAppended, origin });
  }

  #readValueFile(
    {
      name,
      path,
      isAppended,
    }: { readonly name: string; readonly path: string; readonly isAppended: boolean },
    origin: Origin,
  ): void {
    const folder = origin.file.replace(/\/[^/]*$/, '');
    const absolute = path.startsWith('/') ? path : `${folder}/${path}`;
    const read = this.#system.readFile(absolute);
    if (read.kind !== 'text') {
      const reason = read.kind === 'missing' ? 'does not exist' : `cannot be read: ${read.reason}`;
      return this.#refuse(origin, name, `${absolute} ${reason}`);
    }
    this.#add({ kind: 'setting', name, value: read.text.trimEnd(), isFile: false, isAppended, origin });
  }

  /** `$name`, `$SET:name` (2.4): an earlier value, seen from the inside out. */
  #fillIn(text: string): string {
    return text.replace(/(^|\s)\$(?:SET:)?([A-Za-z0-9_]+)/g, (whole, before: string, name: string) => {
      const value = this.#valueOf(name) ?? (isDovecotName(name) ? '' : undefined);
      return value === undefined ? whole : `${before}${value}`.trimStart();
    });
  }

  #valueOf(name: string): string | undefined {
    const scopes = [...this.#open.map(({ children }) => children).reverse(), this.#root];
    for (const scope of scopes) {
      const value = readValues(scope).get(name);
      if (value !== undefined) return value.value;
    }
    return undefined;
  }

  #readDirective(content: string, origin: Origin): void {
    const match = /^!(include|include_try)\s+(.+)$/.exec(content);
    const pattern = match?.[2] === undefined ? undefined : unquote(match[2].trim());
    if (match === null || pattern === undefined) {
      return this.#refuse(origin, content.slice(0, 40), 'only !include and !include_try are known');
    }
    const isOptional = match[1] === 'include_try';
    const folder = origin.file.replace(/\/[^/]*$/, '');
    const path = pattern.startsWith('/') ? pattern : `${folder}/${pattern}`;
    const paths = /[*?[]/.test(path) ? this.#system.glob(path) : [path];
    for (const one of paths) this.#include(one, origin, isOptional);
  }

  #include(path: string, origin: Origin, isOptional: boolean): void {
    if (this.#reading.includes(path)) return this.#refuse(origin, '!include', `${path} includes itself`);
    this.#filesRead += 1;
    if (this.#filesRead > MAX_FILES) return this.#refuse(origin, '!include', 'too many files');
    const read = this.#system.readFile(path);
    if (read.kind === 'text') return this.readText(path, read.text);
    if (read.kind === 'missing') {
      if (!isOptional)
        this.#refuse(origin, '!include', `${path} does not exist; create it or use !include_try`);
      return;
    }
    // DOVECOT: !include_try skips what it may not read. Settings that decide who may read could stand there.
    const message = `${path} cannot be read: ${read.reason}`;
    if (isOptional)
      this.#problems.push(notice(origin, { name: '!include_try', message: `${message}; it is skipped` }));
    else this.#refuse(origin, '!include', message);
  }
}

// DOVECOT: a `#` in the middle of a word starts a comment too (2.3 warns that it is ambiguous).
/** Without the comment (from a `#` outside quotes) and surrounding white space. */
function stripComment(line: string): string {
  let quote = '';
  for (let at = 0; at < line.length; at += 1) {
    const char = line[at] ?? '';
    if (quote !== '') {
      if (char === '\\') at += 1;
      else if (char === quote) quote = '';
    } else if ((char === '"' || char === "'") && /(^|[\s=])$/.test(line.slice(Math.max(0, at - 1), at))) {
      quote = char;
    } else if (char === '#') {
      return line.slice(0, at).trim();
    }
  }
  return line.trim();
}

function isQuoted(text: string): boolean {
  const first = text[0];
  return text.length >= 2 && (first === '"' || first === "'") && text.endsWith(first);
}

function unquote(text: string): string {
  return isQuoted(text) ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text;
}

/** The settings of one level: the last of each name, `+=` joined to what was there. */
export function readValues(nodes: readonly DovecotNode[]): Map<string, DovecotSetting> {
  const values = new Map<string, DovecotSetting>();
  for (const node of nodes) {
    if (node.kind !== 'setting') continue;
    const earlier = node.isAppended ? values.get(node.name) : undefined;
    values.set(
      node.name,
      earlier === undefined ? node : { ...node, value: `${earlier.value} ${node.value}`.trim() },
    );
  }
  return values;
}

export function sectionsOf(nodes: readonly DovecotNode[], name: string): DovecotSection[] {
  return nodes.filter((node): node is DovecotSection => node.kind === 'section' && node.name === name);
}

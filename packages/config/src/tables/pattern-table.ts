// regexp_table(5) and pcre_table(5): `/pattern/flags result`, `!/pattern/flags result`, `if /pattern/` … `endif`;
// `$1` `${1}` `$(1)` in the result are the groups, `$$` a dollar. The first match counts.

import { refuse } from '../origin.ts';
import { TableError, type TableEntry } from './lookup-table.ts';
import {
  basicToExtended,
  compilePattern,
  mayBacktrackWildly,
  type Dialect,
  type PatternOptions,
} from './pattern-syntax.ts';
import { parseRules, runRules, type Rule } from './rule-table.ts';
import type { ParseTable } from './text-map.ts';

interface PatternTest {
  readonly pattern: RegExp;
  readonly isNegated: boolean;
  readonly groups: number;
}

/** Text and group numbers in turn. */
type Template = readonly (string | number)[];

export type PatternTable = readonly Rule<PatternTest, Template>[];

/** Longer keys are refused with `TableError`: no address or host name is longer, and patterns may take long on them. */
export const MAX_PATTERN_KEY = 4096;

export const parseRegexpText: ParseTable<PatternTable> = (file, text) => parsePatterns(file, text, 'posix');
export const parsePcreText: ParseTable<PatternTable> = (file, text) => parsePatterns(file, text, 'pcre');

function parsePatterns(file: string, text: string, dialect: Dialect): ReturnType<ParseTable<PatternTable>> {
  const untranslatable = new Set<string>();
  const slow: string[] = [];
  const parsed = parseRules<PatternTest, Template>(file, text, {
    parseTest: (rest) => {
      const read = readPattern(rest, dialect);
      if (typeof read === 'string') return read;
      const pattern = compilePattern(read.source, read.options);
      if (typeof pattern === 'string') {
        untranslatable.add(`${pattern}; the line is skipped`);
        return pattern;
      }
      if (mayBacktrackWildly(read.source)) slow.push(read.source);
      // One empty alternative makes every group show up in the match.
      const groups = (new RegExp(`${pattern.source}|`).exec('')?.length ?? 1) - 1;
      return { test: { pattern, isNegated: read.isNegated, groups }, rest: read.rest };
    },
    parseResult: (result, test) => {
      const template = parseTemplate(result);
      if (typeof template === 'string') return template;
      const highest = Math.max(0, ...template.filter((part) => typeof part === 'number'));
      if (highest > 0 && test.isNegated) return `"$${highest}" has no meaning after "!"`;
      if (highest > test.groups) return `"$${highest}" is beyond the pattern's ${test.groups} groups`;
      return { result: template };
    },
  });
  // POSTFIX: skips a rule that is malformed. One that only we cannot read must not vanish: it may be what protects.
  const errors = parsed.errors.map((problem) =>
    untranslatable.has(problem.message)
      ? refuse(problem, { name: problem.name, message: problem.message.replace('; the line is skipped', '') })
      : problem,
  );
  return { content: parsed.content, errors, warnings: slow.map((source) => slowPattern(file, text, source)) };
}

function slowPattern(file: string, text: string, source: string): ReturnType<typeof refuse> {
  const line = text.slice(0, Math.max(0, text.indexOf(source))).split('\n').length;
  const message =
    'a repetition inside a repetition can take very long on a hostile key; write it without nesting';
  return { severity: 'notice', file, line, name: '', value: source, message };
}

interface ReadPattern {
  readonly source: string;
  readonly options: PatternOptions;
  readonly isNegated: boolean;
  readonly rest: string;
}

function readPattern(text: string, dialect: Dialect): ReadPattern | string {
  const isNegated = text.startsWith('!');
  const body = isNegated ? text.slice(1).trimStart() : text;
  const delimiter = body[0] ?? '';
  if (delimiter === '' || /[A-Za-z0-9\\]/.test(delimiter))
    return 'a rule starts with a delimiter such as "/"';
  let source = '';
  let at = 1;
  while (at < body.length && body[at] !== delimiter) {
    if (body[at] === '\\' && at + 1 < body.length) {
      // The delimiter is escaped for this file's sake alone.
      source +=
        body[at + 1] === delimiter && !/[\^$.*+?()[\]{}|]/.test(delimiter)
          ? delimiter
          : body.slice(at, at + 2);
      at += 2;
    } else {
      source += body[at];
      at += 1;
    }
  }
  if (at >= body.length) return `the pattern has no closing "${delimiter}"`;
  const flags = /^\S*/.exec(body.slice(at + 1))?.[0] ?? '';
  const rest = body.slice(at + 1 + flags.length).trim();
  const options = readFlags(flags, dialect);
  if (typeof options === 'string') return options;
  const isBasic = dialect === 'posix' && flags.includes('x') && countOf(flags, 'x') % 2 === 1;
  return { source: isBasic ? basicToExtended(source) : source, options, isNegated, rest };
}

function countOf(text: string, char: string): number {
  return text.split(char).length - 1;
}

function readFlags(flags: string, dialect: Dialect): PatternOptions | string {
  const known = dialect === 'posix' ? /^[imx]*$/ : /^[imsxAEX]*$/;
  if (!known.test(flags)) return `"${flags}" holds an unknown flag`;
  const isToggled = (flag: string): boolean => countOf(flags, flag) % 2 === 1;
  return {
    dialect,
    // Both kinds ignore case unless told otherwise.
    ignoreCase: !isToggled('i'),
    multiline: isToggled('m'),
    dotAll: dialect === 'posix' ? !isToggled('m') : !isToggled('s'),
    extended: dialect === 'pcre' && isToggled('x'),
    anchored: isToggled('A'),
  };
}

function parseTemplate(text: string): Template | string {
  const parts: (string | number)[] = [];
  let plain = '';
  for (let at = 0; at < text.length;) {
    if (text[at] !== '$') {
      plain += text[at];
      at += 1;
      continue;
    }
    if (text[at + 1] === '$') {
      plain += '$';
      at += 2;
      continue;
    }
    const match = /^\$(?:\{(\w+)\}|\((\w+)\)|(\w+))/.exec(text.slice(at, at + 40));
    const name = match?.[1] ?? match?.[2] ?? match?.[3];
    if (match === null || name === undefined)
      return 'a "$" is followed by a group number, or is written "$$"';
    if (!/^[1-9]\d{0,2}$/.test(name))
      return `"$${name}" is not a group number (write "\${1}" before a letter)`;
    parts.push(plain, Number(name));
    plain = '';
    at += match[0].length;
  }
  parts.push(plain);
  return parts;
}

export function findInPatterns(table: PatternTable, file: string, key: string): TableEntry | undefined {
  if (key.length > MAX_PATTERN_KEY) throw new TableError(`${file}: the key is too long for a pattern table`);
  const hit = runRules(table, (test) => runTest(test, key));
  if (hit === undefined) return undefined;
  const value = hit.result
    .map((part) => (typeof part === 'number' ? (hit.found[part] ?? '') : part))
    .join('');
  return { value, origin: { file, line: hit.line } };
}

const NO_GROUPS: readonly string[] = [];

function runTest(test: PatternTest, key: string): readonly string[] | undefined {
  const match = test.pattern.exec(key);
  if (test.isNegated) return match === null ? NO_GROUPS : undefined;
  return match ?? undefined;
}

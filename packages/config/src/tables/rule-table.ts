// What regexp, pcre and cidr tables have in common: rules tried in order, and `if` … `endif` blocks that are skipped
// as a whole. Rules are kept flat; an `if` that does not hold jumps behind its `endif`.

import { eachLogicalLine } from '../logical-lines.ts';
import { notice, type Problem } from '../origin.ts';
import type { ParsedTable } from './text-map.ts';

export type Rule<Test, Result> =
  | { readonly kind: 'rule'; readonly test: Test; readonly result: Result; readonly line: number }
  | { readonly kind: 'if'; readonly test: Test; readonly line: number; readonly jump: number };

export interface RuleGrammar<Test, Result> {
  /** Reads the test at the start of `text`; a string is the complaint. */
  parseTest(text: string): { test: Test; rest: string } | string;
  parseResult(text: string, test: Test): { result: Result } | string;
}

export function parseRules<Test, Result>(
  file: string,
  text: string,
  grammar: RuleGrammar<Test, Result>,
): ParsedTable<readonly Rule<Test, Result>[]> {
  const rules: Rule<Test, Result>[] = [];
  const open: number[] = [];
  const errors: Problem[] = [];
  const complain = (line: number, message: string): void => {
    errors.push(notice({ file, line }, { name: '', message }));
  };
  eachLogicalLine(text, ({ text: lineText, line }) => {
    const content = lineText.trim();
    if (/^endif\b/i.test(content)) {
      const start = open.pop();
      if (start === undefined) complain(line, '"endif" without "if"; the line is skipped');
      else closeBlock(rules, start);
      return;
    }
    const isBlock = /^if\s/i.test(content);
    const parsed = grammar.parseTest(isBlock ? content.slice(2).trim() : content);
    if (typeof parsed === 'string') {
      complain(line, `${parsed}; the line is skipped`);
      // The block's inside must not become unconditional.
      if (isBlock) open.push(rules.push({ kind: 'if', test: NEVER as Test, line, jump: Infinity }) - 1);
      return;
    }
    if (isBlock) {
      if (parsed.rest !== '') complain(line, `"${parsed.rest}" after "if" is ignored`);
      open.push(rules.push({ kind: 'if', test: parsed.test, line, jump: Infinity }) - 1);
      return;
    }
    if (parsed.rest === '') return complain(line, 'the result is missing; the line is skipped');
    const result = grammar.parseResult(parsed.rest, parsed.test);
    if (typeof result === 'string') return complain(line, `${result}; the line is skipped`);
    rules.push({ kind: 'rule', test: parsed.test, result: result.result, line });
  });
  for (const start of open) complain(rules[start]?.line ?? 0, '"if" without "endif"');
  return { content: rules, errors, warnings: [] };
}

function closeBlock<Test, Result>(rules: Rule<Test, Result>[], start: number): void {
  const block = rules[start];
  if (block?.kind === 'if') rules[start] = { ...block, jump: rules.length };
}

/** Stands for a test that could not be read. */
const NEVER = Symbol('never');

/** The first rule whose test holds, with what the test found. */
export function runRules<Test, Result, Found>(
  rules: readonly Rule<Test, Result>[],
  run: (test: Test) => Found | undefined,
): { result: Result; line: number; found: Found } | undefined {
  let at = 0;
  while (at < rules.length) {
    const rule = rules[at];
    if (rule === undefined) return undefined;
    const found = rule.test === NEVER ? undefined : run(rule.test);
    if (rule.kind === 'if') {
      at = found === undefined ? rule.jump : at + 1;
    } else if (found !== undefined) {
      return { result: rule.result, line: rule.line, found };
    } else {
      at += 1;
    }
  }
  return undefined;
}

// main.cf → its definitions in file order, each with the lines it stands on. Nothing is expanded here.
// What Postfix dies of (a line without `=`) is a refusal; what it skips with a warning is a notice.

import { eachLogicalLine, type LinePiece, type LogicalLine } from '../logical-lines.ts';
import { notice, refuse, type Origin, type Problem } from '../origin.ts';

export interface Definition {
  readonly name: string;
  /** As written, trimmed, continuation lines joined. */
  readonly value: string;
  readonly origin: Origin;
  readonly pieces?: readonly LinePiece[];
}

export interface MainCf {
  readonly file: string;
  /** The last definition of each name. */
  readonly definitions: ReadonlyMap<string, Definition>;
  readonly problems: readonly Problem[];
}

export const emptyMainCf = (file: string): MainCf => ({ file, definitions: new Map(), problems: [] });

export function parseMainCf(file: string, text: string): MainCf {
  const definitions = new Map<string, Definition>();
  const problems: Problem[] = [];
  eachLogicalLine(text, (line) => {
    const origin = { file, line: line.line };
    if (line.startsWithSpace) {
      // POSTFIX: warns and ignores the line.
      const message = 'a first line must not start with white space; Postfix ignores this line, and so do we';
      problems.push(notice(origin, { name: '', message: `${message}: "${line.text.trim()}"` }));
      return;
    }
    const parsed = parseDefinition(line.text);
    if (typeof parsed === 'string') {
      problems.push(refuse(origin, { name: '', message: `${parsed}: "${line.text.trim()}"` }));
      return;
    }
    const earlier = definitions.get(parsed.name);
    if (earlier !== undefined && earlier.value !== parsed.value) {
      const message = `this overrides line ${earlier.origin.line} ("${earlier.value}"): the last one counts`;
      problems.push(notice(origin, { ...parsed, message }));
    }
    definitions.set(parsed.name, { ...parsed, origin, ...piecesOf(line) });
  });
  return { file, definitions, problems };
}

function piecesOf(line: LogicalLine): { pieces?: readonly LinePiece[] } {
  return line.pieces === undefined ? {} : { pieces: line.pieces };
}

/** `name = value`; a string is the complaint. */
export function parseDefinition(text: string): { name: string; value: string } | string {
  const equals = text.indexOf('=');
  const name = (equals === -1 ? text : text.slice(0, equals)).trim();
  if (equals === -1 || /\s/.test(name)) return `missing "=" after the parameter name`;
  if (name === '') return 'missing parameter name';
  return { name, value: text.slice(equals + 1).trim() };
}

/** The line of a definition that holds `word` (a restriction in a continuation line, say). */
export function originOfWord(definition: Definition, word: string): Origin {
  const piece = definition.pieces?.find(({ text }) => text.includes(word));
  return piece === undefined ? definition.origin : { file: definition.origin.file, line: piece.line };
}

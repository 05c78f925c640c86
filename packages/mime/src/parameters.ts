// Parameters of Content-Type and Content-Disposition (RFC 2045 §5.1), with RFC 2231 continuations joined, as
// Dovecot shows them in BODYSTRUCTURE; and RFC 2231 values decoded for whoever wants a file name.
//
// Bounded in number and never throwing: reading stops at the first thing that is not a parameter.

import { decodeCharset } from './charset.ts';
import { CODES, type HeaderLexer } from './header-lexer.ts';
import type { Parameter } from './structure.ts';

/** Parameters kept of one field; continuations count one each. */
export const MAX_PARAMETERS = 1000;

interface Section {
  readonly name: string;
  readonly index: number;
  readonly extended: boolean;
  readonly value: string;
}

/** `*(";" attribute "=" value)`: the raw list, in order. */
function readParameters(lexer: HeaderLexer): Parameter[] {
  const parameters: Parameter[] = [];
  while (!lexer.done && parameters.length < MAX_PARAMETERS) {
    if (!lexer.accept(CODES.semicolon)) break;
    if (!lexer.skipCfws()) break;
    if (lexer.next === CODES.semicolon) continue;
    const name = lexer.token();
    if (name === undefined || !lexer.accept(CODES.equals)) break;
    if (!lexer.skipCfws()) break;
    lexer.broken = false;
    const value = readValue(lexer);
    if (value === undefined) break;
    parameters.push([name, value]);
    if (lexer.broken) break;
  }
  return parameters;
}

function readValue(lexer: HeaderLexer): string | undefined {
  if (lexer.next === CODES.quote) return lexer.quotedString();
  if (lexer.next !== CODES.equals) return lexer.done ? '' : lexer.token();
  // DOVECOT: `name==?utf-8?b?…?=` written without quotes is read up to the next semicolon or space.
  const start = lexer.at;
  while (!lexer.done && !' \t\r\n;'.includes(lexer.text.charAt(lexer.at))) lexer.at++;
  const value = lexer.text.slice(start, lexer.at);
  lexer.skipCfws();
  return value;
}

/** RFC 2231 §3: `name*N` or `name*N*`; undefined for anything else. */
function parseSection([key, value]: Parameter): Section | undefined {
  const extended = key.endsWith('*');
  const bare = extended ? key.slice(0, -1) : key;
  const star = bare.lastIndexOf('*');
  if (star <= 0) return undefined;
  const digits = bare.slice(star + 1);
  if (!/^\d{1,4}$/.test(digits)) return undefined;
  return { name: bare.slice(0, star), index: Number(digits), extended, value };
}

/**
 * Reads the parameters after the cursor. Continuations `a*0=…; a*1=…` become one `a`, or `a*` when a piece of
 * it is percent-encoded; they stand after the ordinary ones.
 */
export function parseParameters(lexer: HeaderLexer): Parameter[] {
  const plain: Parameter[] = [];
  const sections: Section[] = [];
  for (const parameter of readParameters(lexer)) {
    const section = parseSection(parameter);
    if (section === undefined) plain.push(parameter);
    else sections.push(section);
  }
  if (sections.length === 0) return plain;
  return [...plain, ...joinSections(sections)];
}

function joinSections(sections: Section[]): Parameter[] {
  sections.sort((a, b) => {
    const [x, y] = [a.name.toLowerCase(), b.name.toLowerCase()];
    return x < y ? -1 : x > y ? 1 : a.index - b.index;
  });
  const joined: Parameter[] = [];
  for (let i = 0; i < sections.length;) {
    const first = sections[i] as Section;
    const name = first.name.toLowerCase();
    let value = '';
    let extended = false;
    let expected = 0;
    let end = i;
    for (let s = first; s.name.toLowerCase() === name;) {
      if (s.index === expected) {
        value += s.value;
        extended ||= s.extended;
        expected++;
      }
      end++;
      const following = sections[end];
      if (following === undefined) break;
      s = following;
    }
    if (expected > 0) joined.push([extended ? `${first.name}*` : first.name, value]);
    i = end;
  }
  return joined;
}

/** A parameter's value as text: RFC 2231 decoded where it is `name*`; undefined when absent. */
export function decodeParameter(parameters: readonly Parameter[], name: string): string | undefined {
  const wanted = name.toLowerCase();
  let plain: string | undefined;
  for (const [key, value] of parameters) {
    const lower = key.toLowerCase();
    if (lower === `${wanted}*`) return decodeExtendedValue(value);
    if (lower === wanted) plain ??= value;
  }
  return plain;
}

/** RFC 2231 §4: `charset'language'percent-encoded`. */
export function decodeExtendedValue(value: string): string {
  const first = value.indexOf("'");
  const second = first === -1 ? -1 : value.indexOf("'", first + 1);
  const charset = second === -1 ? 'utf-8' : value.slice(0, first);
  const encoded = second === -1 ? value : value.slice(second + 1);
  const octets = encoded.replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return decodeCharset(Buffer.from(octets, 'latin1'), charset);
}

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

/** `*(";" attribute "=" value)`: the raw list, in order. What is no parameter is skipped up to a semicolon. */
function readParameters(lexer: HeaderLexer): Parameter[] {
  const parameters: Parameter[] = [];
  while (!lexer.done && parameters.length < MAX_PARAMETERS) {
    const parameter = readParameter(lexer);
    if (parameter !== undefined) parameters.push(parameter);
    else {
      const semicolon = lexer.text.indexOf(';', lexer.at + 1);
      lexer.at = semicolon === -1 ? lexer.text.length : semicolon;
    }
  }
  return parameters;
}

function readParameter(lexer: HeaderLexer): Parameter | undefined {
  if (!lexer.accept(CODES.semicolon) || !lexer.skipCfws()) return undefined;
  const name = lexer.token() ?? '';
  if (!lexer.accept(CODES.equals) || !lexer.skipCfws()) return undefined;
  lexer.broken = false;
  const value = readValue(lexer);
  return lexer.broken ? undefined : [name, value];
}

function readValue(lexer: HeaderLexer): string {
  if (lexer.next === CODES.quote) return lexer.quotedString();
  if (lexer.next !== CODES.equals) return lexer.token() ?? '';
  // DOVECOT: `name==?utf-8?b?…?=` written without quotes is read up to the next semicolon or space.
  const start = lexer.at;
  while (!lexer.done && !' \t\r\n;'.includes(lexer.text.charAt(lexer.at))) lexer.at++;
  const value = lexer.text.slice(start, lexer.at);
  lexer.skipCfws();
  return value;
}

/** RFC 2231 §3, §4: `name*N`, `name*N*` or `name*`; undefined for anything else. */
function parseSection([key, value]: Parameter): Section | undefined {
  const extended = key.endsWith('*');
  const bare = extended ? key.slice(0, -1) : key;
  const star = bare.lastIndexOf('*');
  if (star === -1) return extended ? { name: bare, index: 0, extended, value } : undefined;
  const digits = bare.slice(star + 1);
  if (!/^\d{1,9}$/.test(digits)) return undefined;
  return { name: bare.slice(0, star), index: Number(digits), extended, value };
}

/**
 * Reads the parameters after the cursor. Continuations `a*0=…; a*1=…` become one `a`, or `a*` when a piece of
 * it is percent-encoded; these stand after the ordinary ones. DOVECOT: an incomplete series stays as it is.
 */
export function parseParameters(lexer: HeaderLexer): Parameter[] {
  const plain: Parameter[] = [];
  const sections: Section[] = [];
  for (const parameter of readParameters(lexer)) {
    const section = parseSection(parameter);
    if (section === undefined) plain.push(parameter);
    else sections.push(section);
  }
  return sections.length === 0 ? plain : [...plain, ...joinSections(sections)];
}

function joinSections(sections: Section[]): Parameter[] {
  sections.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.index - b.index));
  const joined: Parameter[] = [];
  let series: Section[] = [];
  for (const section of sections) {
    const [first] = series;
    if (first !== undefined && first.name.toLowerCase() !== section.name.toLowerCase()) {
      joined.push(...joinSeries(series));
      series = [];
    }
    series.push(section);
  }
  return [...joined, ...joinSeries(series)];
}

function joinSeries(series: Section[]): Parameter[] {
  const [first] = series as [Section];
  if (series.some((section, i) => section.index !== i)) {
    return series.map(({ name, index, extended, value }) => [
      `${name}*${index}${extended ? '*' : ''}`,
      value,
    ]);
  }
  const value = series.map((section) => section.value).join('');
  if (!series.some((section) => section.extended)) return [[first.name, value]];
  // Charset and language come with the first piece (RFC 2231 §4.1); where that is not encoded there are none.
  return [[`${first.name}*`, first.extended ? value : `''${value}`]];
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

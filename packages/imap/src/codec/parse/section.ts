// Sections of messages (RFC 3501 §6.4.5, §9 `section`).

import { type Arg, argText } from '../arg.ts';
import type { Section } from '../fetch-item.ts';

const MAX_FIELD_NAMES = 1000;

export function parseFieldNames(list: readonly Arg[]): readonly string[] | undefined {
  if (list.length === 0 || list.length > MAX_FIELD_NAMES) return undefined;
  const names = list.map((arg) => argText(arg)?.toUpperCase() ?? '');
  return names.every((name) => /^[\x21-\x39\x3b-\x7e]+$/.test(name)) ? names : undefined;
}

/** Levels of parts; deeper than any structure goes. */
const MAX_PART_LEVELS = 100;

/** `words` in upper case; `fields` where a list of names follows them. */
export function parseSection(words: string, fields: readonly string[] | undefined): Section | undefined {
  const part: number[] = [];
  let at = 0;
  for (;;) {
    const match = /^([1-9]\d{0,8})(?:\.|$)/.exec(words.slice(at, at + 11));
    if (match === null) break;
    if (part.length >= MAX_PART_LEVELS) return undefined;
    part.push(Number(match[1]));
    at += match[0].length;
    if (!match[0].endsWith('.')) break;
  }
  const word = words.slice(at);
  if (word === '' && words.endsWith('.')) return undefined;
  if (fields !== undefined) {
    if (word === 'HEADER.FIELDS') return { part, what: 'fields', fields };
    return word === 'HEADER.FIELDS.NOT' ? { part, what: 'fieldsNot', fields } : undefined;
  }
  if (word === '') return { part, what: 'all', fields: [] };
  if (word === 'HEADER') return { part, what: 'header', fields: [] };
  if (word === 'TEXT') return { part, what: 'text', fields: [] };
  return word === 'MIME' && part.length > 0 ? { part, what: 'mime', fields: [] } : undefined;
}

/** A section as text, `1.HEADER.FIELDS (a b)`: in URLs (RFC 5092). */
export function parseSectionText(text: string): Section | undefined {
  const match = /^([^ ]*)(?: \(([^()]*)\))?$/.exec(text);
  if (match === null) return undefined;
  const names = match[2]?.split(' ').filter((name) => name !== '');
  const fields = names?.map((name): Arg => ({ kind: 'atom', text: name.replaceAll('"', '') }));
  const parsedFields = fields === undefined ? undefined : parseFieldNames(fields);
  if (fields !== undefined && parsedFields === undefined) return undefined;
  return parseSection((match[1] ?? '').toUpperCase(), parsedFields);
}

// Flags on the wire: system flags in any case, keywords as they are.

import { type Arg, argText } from './arg.ts';

const SYSTEM: ReadonlyMap<string, string> = new Map([
  ['\\ANSWERED', '\\Answered'],
  ['\\FLAGGED', '\\Flagged'],
  ['\\DELETED', '\\Deleted'],
  ['\\SEEN', '\\Seen'],
  ['\\DRAFT', '\\Draft'],
]);

/** DOVECOT: the order in which flags are shown. */
export const FLAG_ORDER = [...SYSTEM.values()] as const;

/** Octets a keyword may have; the Maildir format keeps one per line. */
const MAX_KEYWORD = 63;

export type FlagsParsed =
  | { readonly ok: true; readonly flags: readonly string[] }
  | { readonly ok: false; readonly text: string };

export function parseFlags(args: readonly Arg[]): FlagsParsed {
  const flags: string[] = [];
  for (const arg of args) {
    const text = arg.kind === 'atom' ? arg.text : undefined;
    if (text === undefined) return { ok: false, text: 'Flags list contains non-atoms.' };
    const flag = parseFlag(text);
    if (flag === undefined) {
      return {
        ok: false,
        text: text.startsWith('\\')
          ? `Invalid system flag ${text.toUpperCase()}`
          : `Invalid keyword name '${text}'`,
      };
    }
    if (!flags.includes(flag)) flags.push(flag);
  }
  return { ok: true, flags };
}

/** The canonical spelling, or undefined for what a client may not set. */
export function parseFlag(text: string): string | undefined {
  if (text.startsWith('\\')) return SYSTEM.get(text.toUpperCase());
  return isKeyword(text) ? text : undefined;
}

/** RFC 3501 `flag-keyword = atom`. */
export function isKeyword(text: string): boolean {
  return text.length > 0 && text.length <= MAX_KEYWORD && /^[^\s(){%*"\\\]\x00-\x1f\x7f-\uffff]+$/.test(text);
}

export function keywordText(arg: Arg | undefined): string | undefined {
  const text = argText(arg);
  return text !== undefined && isKeyword(text) ? text : undefined;
}

const RANK: ReadonlyMap<string, number> = new Map(FLAG_ORDER.map((flag, at) => [flag, at]));

/** `\Answered \Flagged … \Recent keywords`, as Dovecot orders them. */
export function formatFlags(flags: readonly string[], recent = false): string {
  let system: string[] | undefined;
  let keywords = '';
  for (const flag of flags) {
    if (RANK.has(flag)) (system ??= []).push(flag);
    else keywords += keywords === '' ? flag : ` ${flag}`;
  }
  const words = system === undefined ? [] : system.sort((a, b) => (RANK.get(a) ?? 0) - (RANK.get(b) ?? 0));
  if (recent) words.push('\\Recent');
  if (keywords !== '') words.push(keywords);
  return words.join(' ');
}

// Macros: facts about a session that filters are told beside each event (MILTER_README).

import { formatString } from './frames.ts';
import { type MacroStage, parseMacroNames } from './negotiation.ts';

/** A macro's value by its name in braces, `{i}` or `{daemon_name}`; undefined: it has none now. */
export type MacroLookup = (name: string) => string | undefined | Promise<string | undefined>;

/** Event names: those whose macros a filter may choose, and commands nobody knows. */
export type Stage = MacroStage | 'unknown';

export interface MacroSettings {
  /** `milter_…_macros`. */
  readonly names: Readonly<Record<Stage, readonly string[]>>;
  /** `milter_macro_defaults`, by name in braces. */
  readonly defaults: ReadonlyMap<string, string>;
}

/** Postfix's defaults. */
export const DEFAULT_MACROS: MacroSettings = {
  names: {
    connect: parseMacroNames('j {daemon_name} {daemon_addr} v _'),
    helo: parseMacroNames('{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}'),
    mail: parseMacroNames('i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}'),
    rcpt: parseMacroNames('i {rcpt_addr} {rcpt_host} {rcpt_mailer}'),
    data: ['i'],
    endOfHeader: ['i'],
    endOfMessage: ['i'],
    unknown: [],
  },
  defaults: new Map(),
};

const braced = (name: string): string => (name.startsWith('{') ? name : `{${name}}`);

/** `name=value`, `{name}=value` and `{ name = value }` as `milter_macro_defaults` lists them; or what is wrong. */
export function parseMacroDefaults(items: readonly string[]): ReadonlyMap<string, string> | string {
  const defaults = new Map<string, string>();
  for (const item of items) {
    // `{name}=value` begins with a brace too: only a brace that closes at the end encloses the pair.
    const inner =
      item.startsWith('{') && item.endsWith('}') && !/^\{[^{}=]*\}=/.test(item) ? item.slice(1, -1) : item;
    const equals = inner.indexOf('=');
    const name = inner.slice(0, Math.max(0, equals)).trim();
    if (name === '') return `malformed default macro entry: ${item}`;
    if (!defaults.has(braced(name))) defaults.set(braced(name), inner.slice(equals + 1).trim());
  }
  return defaults;
}

/** What cannot be told now has no value. */
async function safely(lookup: MacroLookup, name: string): Promise<string | undefined> {
  try {
    return await lookup(name);
  } catch {
    return undefined;
  }
}

/** Names and values as a macro frame holds them. Names go as they were asked for. */
export async function lookUpMacros(
  names: readonly string[],
  lookup: MacroLookup,
  defaults: ReadonlyMap<string, string>,
): Promise<readonly Buffer[]> {
  const parts: Buffer[] = [];
  for (const name of names) {
    const value = (await safely(lookup, braced(name))) ?? defaults.get(braced(name));
    if (value !== undefined) parts.push(formatString(name), formatString(value));
  }
  return parts;
}

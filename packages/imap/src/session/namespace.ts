// Mailbox names as clients see them (RFC 2342): a namespace puts a prefix before all but INBOX and has a separator of its
// own. Inside, names have `/` and no prefix; here they change form on their way in and out.
//
//   DOVECOT: prefix `INBOX.`, separator `.`:   Archive/2024  ↔  INBOX.Archive.2024

import type { Command } from '../codec/command.ts';

export interface Namespace {
  /** As it is shown: `INBOX.`, or empty. */
  readonly prefix: string;
  /** One character. */
  readonly separator: string;
}

export interface Namespaces extends Namespace {
  /** Others that lead to the same mailboxes; they are understood and not shown. */
  readonly hidden?: readonly Namespace[];
}

export const PLAIN_NAMESPACE: Namespaces = { prefix: '', separator: '/' };

export type InternalName =
  | { readonly ok: true; readonly name: string }
  | { readonly ok: false; readonly text: string; readonly code?: string };

/** A name from a client. What no namespace has is refused in Dovecot's words. */
export function internalName(shown: string, namespaces: Namespaces): InternalName {
  if (shown === '' || isPlain(namespaces)) return { ok: true, name: shown };
  const all = [namespaces, ...(namespaces.hidden ?? [])].sort((a, b) => b.prefix.length - a.prefix.length);
  const found = all.find(({ prefix }) => hasPrefix(shown, prefix));
  const separator = found?.separator ?? namespaces.separator;
  const bare = withoutEnd(shown, separator);
  if (bare.toUpperCase() === 'INBOX') return { ok: true, name: 'INBOX' };
  if (found === undefined)
    return {
      ok: false,
      text: `Client tried to access nonexistent namespace. (Mailbox name should probably be prefixed with: ${namespaces.prefix})`,
    };
  // The prefix by itself, without its separator, is a folder that holds the others.
  const rest = bare.length < found.prefix.length ? '' : bare.slice(found.prefix.length);
  if (rest === '') return { ok: true, name: bare };
  if (separator !== '/' && rest.includes('/'))
    return { ok: false, text: "Invalid mailbox name: Name must not have '/' characters", code: 'CANNOT' };
  const name = rest.replaceAll(separator, '/');
  return { ok: true, name: /^inbox(?=\/|$)/i.test(name) ? `INBOX${name.slice(5)}` : name };
}

/** Undefined: a name from the disk that cannot be shown, for it holds the separator. */
export function shownName(name: string, { prefix, separator }: Namespace): string | undefined {
  if (name === 'INBOX' || (prefix === '' && separator === '/')) return name;
  if (separator !== '/' && name.includes(separator)) return undefined;
  return prefix + name.replaceAll('/', separator);
}

/** Parents that the prefix makes: of `Mail/Mine/` `Mail` and `Mail/Mine`; INBOX is there anyway. */
export function prefixParents({ prefix, separator }: Namespace): string[] {
  const parents: string[] = [];
  for (let at = prefix.indexOf(separator); at > 0; at = prefix.indexOf(separator, at + 1))
    if (prefix.slice(0, at).toUpperCase() !== 'INBOX') parents.push(prefix.slice(0, at));
  return parents;
}

/** Whether all other mailboxes are shown as INBOX's children. */
export function isUnderInbox({ prefix, separator }: Namespace): boolean {
  return hasPrefix(prefix, `INBOX${separator}`);
}

/** A command with the names in it as they are inside, or why that cannot be. */
export function withInternalNames(
  command: Command,
  namespaces: Namespaces,
): { readonly ok: true; readonly command: Command } | Extract<InternalName, { ok: false }> {
  if (isPlain(namespaces)) return { ok: true, command };
  if (command.kind === 'rename') {
    const from = internalName(command.from, namespaces);
    const to = internalName(command.to, namespaces);
    if (!from.ok) return from;
    return to.ok ? { ok: true, command: { ...command, from: from.name, to: to.name } } : to;
  }
  if (!('mailbox' in command)) return { ok: true, command };
  const mailbox = internalName(command.mailbox, namespaces);
  return mailbox.ok ? { ok: true, command: { ...command, mailbox: mailbox.name } } : mailbox;
}

const isPlain = ({ prefix, separator, hidden = [] }: Namespaces): boolean =>
  prefix === '' && separator === '/' && hidden.length === 0;

/** RFC 3501 §5.1: of INBOX in a prefix too, case does not count. */
function hasPrefix(shown: string, prefix: string): boolean {
  const start =
    /^inbox/i.test(prefix) && /^inbox/i.test(shown) ? `${prefix.slice(0, 5)}${shown.slice(5)}` : shown;
  return start.startsWith(prefix);
}

function withoutEnd(name: string, separator: string): string {
  return name.length > 1 && name.endsWith(separator) ? name.slice(0, -1) : name;
}

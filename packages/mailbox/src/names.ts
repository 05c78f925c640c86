// Mailbox names that any store refuses or rewrites. What a particular layout on disk forbids besides is that
// store's business.

import { MailboxError, type MailboxName } from './port.ts';

export const INBOX: MailboxName = 'INBOX';
/** Longest name in octets, and longest and most components (a directory's name holds 255 octets). */
export const MAX_NAME_LENGTH = 4096;
export const MAX_COMPONENT_LENGTH = 255;
export const MAX_COMPONENTS = 100;

// Control characters never; 8-bit octets are not modified UTF-7 (RFC 3501 §5.1.3).
const PRINTABLE = /^[\x20-\x7e]+$/;

/** `INBOX` in any case, alone or as the first component, is `INBOX` (RFC 3501 §5.1). */
export function canonicalName(name: string): MailboxName {
  const slash = name.indexOf('/');
  const first = slash === -1 ? name : name.slice(0, slash);
  if (first.length !== 5 || first.toUpperCase() !== INBOX) return name;
  return slash === -1 ? INBOX : INBOX + name.slice(slash);
}

/** The canonical name of something that may exist or be made here. Throws `badName`. */
export function checkName(name: string): MailboxName {
  if (!PRINTABLE.test(name) || name.length > MAX_NAME_LENGTH) throw badName(name);
  const components = name.split('/');
  if (components.length > MAX_COMPONENTS) throw badName(name);
  for (const part of components) {
    if (part === '' || part === '.' || part === '..' || part.length > MAX_COMPONENT_LENGTH)
      throw badName(name);
    if (part.startsWith('~')) throw badName(name);
  }
  return canonicalName(name);
}

export function badName(name: string): MailboxError {
  return new MailboxError('badName', `${JSON.stringify(name.slice(0, 200))} cannot be a mailbox name`);
}

/** The names above `name`, nearest last: `A/B/C` has `A`, `A/B`. */
export function parentNames(name: MailboxName): MailboxName[] {
  const out: MailboxName[] = [];
  for (let at = name.indexOf('/'); at !== -1; at = name.indexOf('/', at + 1)) out.push(name.slice(0, at));
  return out;
}

/** INBOX first, then by octets, as `MailStore.list` promises. */
export function compareNames(a: MailboxName, b: MailboxName): number {
  if (a === b) return 0;
  if (a === INBOX) return -1;
  if (b === INBOX) return 1;
  return a < b ? -1 : 1;
}

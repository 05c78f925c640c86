// Addresses in their two spellings: internal, where the local part is bare text, and external (RFC 5321
// §4.1.2), where it is quoted when it has to be. Tables and replies show the external one.

import type { EnvelopeMailbox } from './ports.ts';

export interface FullMailbox {
  readonly local: string;
  readonly domain: string;
}

// RFC 5322 §3.2.3 dot-atom; octets beyond ASCII by RFC 6531 §3.3.
const DOT_ATOM =
  /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\uffff-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\uffff-]+)*$/;

/** The local part as it stands in an address: quoted when it is no dot-atom. */
export function formatLocalPart(local: string): string {
  return DOT_ATOM.test(local) ? local : `"${local.replace(/["\\]/g, '\\$&')}"`;
}

export function formatMailbox(mailbox: EnvelopeMailbox): string {
  const local = formatLocalPart(mailbox.local);
  return mailbox.domain === undefined ? local : `${local}@${mailbox.domain}`;
}

/**
 * Reads `local@domain`, `"quoted"@domain` or a bare local part. Lenient: what no grammar allows becomes a local
 * part as it stands, which no table holds.
 */
export function parseMailbox(text: string): EnvelopeMailbox {
  const quoted = /^"((?:[^"\\]|\\.)*)"(?:@(.*))?$/s.exec(text);
  if (quoted !== null) {
    const local = (quoted[1] ?? '').replace(/\\(.)/gs, '$1');
    return quoted[2] === undefined ? { local } : { local, domain: quoted[2] };
  }
  const at = text.lastIndexOf('@');
  return at === -1 ? { local: text } : { local: text.slice(0, at), domain: text.slice(at + 1) };
}

/** For comparing addresses and for the keys of sets. */
export const foldAddress = (text: string): string => text.toLowerCase();

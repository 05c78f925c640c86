// IMAP URLs in CATENATE (RFC 4469, RFC 5092): relative ones, which name a message of the same user.
//
//   url = ["/" enc-mailbox [";UIDVALIDITY=" n]] "/" ";UID=" n ["/;SECTION=" enc-section] ["/;PARTIAL=" n ["." n]]

import type { Partial, Section } from './fetch-item.ts';
import { parseSectionText } from './parse/section.ts';
import { encodeMailboxName, isValidMailboxName } from './utf7.ts';

export interface ImapUrl {
  /** Undefined: the mailbox that is selected. */
  readonly mailbox?: string;
  readonly uidValidity?: number;
  readonly uid: number;
  readonly section: Section;
  readonly partial?: Partial;
}

export type ImapUrlParsed =
  | { readonly ok: true; readonly url: ImapUrl }
  | { readonly ok: false; readonly text: string };

const failed = (text: string): ImapUrlParsed => ({ ok: false, text: `Invalid IMAP URL: ${text}` });
const NUMBER = /^[1-9]\d{0,9}$/;

export function parseImapUrl(text: string): ImapUrlParsed {
  if (/^[a-z][a-z0-9+.-]*:/i.test(text) || text.startsWith('//')) return failed('Relative URL required');
  const match =
    /^(?:\/([^;]+)(?:;UIDVALIDITY=(\d+))?\/|\/)?;UID=(\d+)(?:\/;SECTION=([^;]+?))?(?:\/;PARTIAL=(\d{1,10})(?:\.(\d{1,10}))?)?\/?$/i.exec(
      text,
    );
  if (match === null) return failed('Unrecognized IMAP URL');
  const [, path, validity, uid = '', sectionText, start, length] = match;
  if (!NUMBER.test(uid) || (validity !== undefined && !NUMBER.test(validity)))
    return failed('Invalid number');
  let mailbox: string | undefined;
  if (path !== undefined) {
    const decoded = percentDecode(path);
    if (decoded === undefined) return failed('Invalid %-encoding');
    mailbox =
      isValidMailboxName(decoded) && /^[\x20-\x7e]*$/.test(decoded) ? decoded : encodeMailboxName(decoded);
  }
  const words = sectionText === undefined ? '' : percentDecode(sectionText);
  const section = words === undefined ? undefined : parseSectionText(words);
  if (section === undefined) return failed('Invalid section');
  return {
    ok: true,
    url: {
      ...(mailbox === undefined ? {} : { mailbox }),
      ...(validity === undefined ? {} : { uidValidity: Number(validity) }),
      uid: Number(uid),
      section,
      ...(start === undefined
        ? {}
        : { partial: { start: Number(start), ...(length === undefined ? {} : { length: Number(length) }) } }),
    },
  };
}

function percentDecode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

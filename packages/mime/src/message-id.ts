// Message ids in References, In-Reply-To and Message-ID (RFC 5322 §3.6.4), as THREAD compares them. Linear, bounded;
// never throws.

import { HeaderLexer } from './header-lexer.ts';

/** Ids kept of one field. */
export const MAX_MESSAGE_IDS = 1000;
const MAX_ID = 998;

/** All `<…@…>` of a field, in order, without the angle brackets, white space and quotes of the local part. */
export function parseMessageIds(value: string): string[] {
  const ids: string[] = [];
  let at = 0;
  while (ids.length < MAX_MESSAGE_IDS) {
    const open = value.indexOf('<', at);
    if (open === -1) break;
    const close = value.indexOf('>', open);
    if (close === -1) break;
    const id = normalizeId(value.slice(open + 1, close));
    if (id !== undefined) ids.push(id);
    at = close + 1;
  }
  return ids;
}

/** RFC 5256 §3: ids that differ only in quoting are the same. */
function normalizeId(text: string): string | undefined {
  if (text.length > MAX_ID) return undefined;
  const bare = text.replace(/[ \t\r\n]+/g, '');
  const at = bare.lastIndexOf('@');
  if (at <= 0 || at === bare.length - 1) return undefined;
  const local = bare.slice(0, at);
  if (!local.startsWith('"')) return bare;
  const lexer = new HeaderLexer(local);
  const unquoted = lexer.quotedString();
  return lexer.broken ? bare : `${unquoted}@${bare.slice(at + 1)}`;
}

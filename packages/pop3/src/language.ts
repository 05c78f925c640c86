// LANG (RFC 6856 §3): texts here are English. Valid before and after login.

import { negative, positive, type Reply } from './reply.ts';

export interface LanguageAnswer {
  readonly reply: Reply;
  /** A listing follows the reply. */
  readonly lines?: readonly string[];
}

/** `*` is the server's own choice; a narrower tag of the same language gets it, too (RFC 4647 §3.4, as §3.2 asks). */
const ENGLISH = /^(?:\*|en(?:-[A-Za-z0-9-]{1,30})?|i-default)$/i;

export function runLang(args: string): LanguageAnswer {
  if (args === '') return { reply: positive('Language listing follows:'), lines: ['en English'] };
  if (ENGLISH.test(args)) return { reply: positive('en English it is.') };
  return { reply: negative('This server speaks English only.') };
}

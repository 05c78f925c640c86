// What a table of header or body checks says to do (header_checks(5)). POSTFIX: cleanup_act(), with its warnings.
// Pure: `readAction` reads the right-hand side, and whoever asked carries it out.

import { fieldName } from './header-fields.ts';

export type CheckAction =
  /** `status` and text: `5.7.1 no thanks`; a 4 in front is for now only. */
  | { readonly kind: 'reject'; readonly reason: string }
  | { readonly kind: 'warn' | 'info' | 'pass' | 'discard' | 'hold' | 'strip'; readonly text: string }
  /** `transport:destination` */
  | { readonly kind: 'filter'; readonly text: string }
  | { readonly kind: 'prepend' | 'replace'; readonly text: string }
  | { readonly kind: 'redirect' | 'bcc'; readonly text: string }
  | { readonly kind: 'ignore' }
  | { readonly kind: 'none'; readonly warning?: string };

/** The word that the log has for it. */
export const LOG_WORDS = {
  reject: 'reject',
  warn: 'warning',
  info: 'info',
  filter: 'filter',
  pass: 'pass',
  discard: 'discard',
  hold: 'hold',
  prepend: 'prepend',
  replace: 'replace',
  redirect: 'redirect',
  bcc: 'bcc',
  strip: 'strip',
} as const;

const DEFAULT_REASON = '5.7.1 message content rejected';

/** `mapClass`: `header_checks`, for the warnings. */
export function readAction(value: string, where: 'header' | 'body', mapClass: string): CheckAction {
  const space = value.search(/[ \t]/);
  const word = (space === -1 ? value : value.slice(0, space)).toUpperCase();
  const text = space === -1 ? '' : value.slice(space).trimStart();
  const none = (warning: string): CheckAction => ({ kind: 'none', warning });
  switch (word) {
    case 'REJECT':
      return { kind: 'reject', reason: text === '' ? DEFAULT_REASON : withStatus(text) };
    case 'WARN':
    case 'INFO':
    case 'PASS':
    case 'DISCARD':
    case 'HOLD':
    case 'STRIP':
      return { kind: word.toLowerCase() as 'warn', text };
    case 'FILTER':
      if (text === '') return none(`missing FILTER command argument in ${mapClass} map`);
      if (!text.includes(':'))
        return none(`bad FILTER command ${text} in ${mapClass} -- need transport:destination`);
      return { kind: 'filter', text };
    case 'PREPEND':
      return readText('prepend', text, { where, mapClass });
    case 'REPLACE':
      return readText('replace', text, { where, mapClass });
    case 'REDIRECT':
      return text.includes('@')
        ? { kind: 'redirect', text }
        : none(`bad REDIRECT target "${text}" in ${mapClass} map -- need user@domain`);
    case 'BCC':
      return text.includes('@')
        ? { kind: 'bcc', text }
        : none(`bad BCC address "${text}" in ${mapClass} map -- need user@domain`);
    case 'IGNORE':
      return { kind: 'ignore' };
    case 'DUNNO':
    case 'OK':
      return { kind: 'none' };
    default:
      return none(`unknown command in ${mapClass} map: ${value}`);
  }
}

function readText(
  kind: 'prepend' | 'replace',
  text: string,
  { where, mapClass }: { readonly where: 'header' | 'body'; readonly mapClass: string },
): CheckAction {
  const word = kind.toUpperCase();
  if (text === '') return { kind: 'none', warning: `${word} action without text in ${mapClass} map` };
  if (where === 'header' && fieldName(text) === undefined) {
    const warning = `bad ${word} header text "${text}" in ${mapClass} map -- need "headername: headervalue"`;
    return { kind: 'none', warning };
  }
  return { kind, text };
}

// RFC 3463 §2; a text without a status of its own gets the usual one.
function withStatus(text: string): string {
  const match = /^([245])\.[0-9]{1,3}\.[0-9]{1,3}(?=\s|$)/.exec(text);
  if (match === null) return `5.7.1 ${text}`;
  return match[1] === '2' ? `4${text.slice(1)}` : text;
}

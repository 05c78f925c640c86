// The SMTP reply as a value: code, enhanced code and lines. The class of the enhanced code is the first digit
// of the code, so the two cannot disagree (RFC 3463 §2, RFC 5321 §4.2). The formatter refuses CR, LF and NUL.

/** `detail` is the enhanced code without its class: `1.1` for `x.1.1`. Absent where Postfix sends none. */
export interface Reply {
  readonly code: number;
  readonly detail?: string;
  readonly lines: readonly string[];
}

export class ReplyError extends Error {
  override readonly name = 'ReplyError';
}

/** Makes a reply of one line. */
export function reply(code: number, detail: string, text: string): Reply {
  return { code, detail, lines: [text] };
}

/** Makes a reply without an enhanced code. */
export function plainReply(code: number, ...lines: string[]): Reply {
  return { code, lines };
}

/** The enhanced code whole, or an empty string. */
export function enhancedCode(value: Reply): string {
  return value.detail === undefined ? '' : `${Math.trunc(value.code / 100)}.${value.detail}`;
}

/** Code, enhanced code and text of the first line, as log lines show it. */
export function replyText(value: Reply): string {
  const enhanced = enhancedCode(value);
  return `${value.code} ${enhanced === '' ? '' : `${enhanced} `}${value.lines[0] ?? ''}`;
}

const FORBIDDEN = /[\r\n\0]/;

/** The octets on the wire, as text. Throws `ReplyError` on CR, LF or NUL inside a line: a fault of ours. */
export function formatReply(value: Reply): string {
  if (value.code < 200 || value.code > 599) throw new ReplyError(`reply code ${value.code} out of range`);
  const enhanced = enhancedCode(value);
  const prefix = enhanced === '' ? '' : `${enhanced} `;
  let out = '';
  for (let i = 0; i < value.lines.length; i++) {
    const line = value.lines[i] ?? '';
    if (FORBIDDEN.test(line)) throw new ReplyError('reply line holds CR, LF or NUL');
    out += `${value.code}${i === value.lines.length - 1 ? ' ' : '-'}${prefix}${line}\r\n`;
  }
  return out;
}

/** POSTFIX: `soft_bounce` turns every 5xx into 4xx. */
export function softened(value: Reply): Reply {
  return value.code >= 500 ? { ...value, code: value.code - 100 } : value;
}

/** Replaces what is not printable by `?`, so that text of the client may stand in replies and logs. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, '?');
}

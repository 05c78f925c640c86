// Replies of POP3 (RFC 1939 §3) with the response codes of RFC 2449 §8 and RFC 3206.

export type ResponseCode = 'AUTH' | 'IN-USE' | 'SYS/TEMP' | 'SYS/PERM';

export interface Reply {
  readonly ok: boolean;
  readonly code?: ResponseCode;
  readonly text: string;
}

/** How much of a client's words an answer repeats. */
const MAX_ECHO = 200;

export const positive = (text = ''): Reply => ({ ok: true, text });

export function negative(text: string, code?: ResponseCode): Reply {
  return code === undefined ? { ok: false, text } : { ok: false, code, text };
}

/** The line on the wire. Whatever the text holds, it stays one line of printable characters. */
export function formatReply({ ok, code, text }: Reply): string {
  const words = [ok ? '+OK' : '-ERR', code === undefined ? '' : `[${code}]`, printable(text)];
  return `${words.filter((word) => word !== '').join(' ')}\r\n`;
}

/** A client's words as an answer may repeat them. */
export function echo(text: string): string {
  return text.length > MAX_ECHO ? `${text.slice(0, MAX_ECHO)}...` : text;
}

export function printable(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
}

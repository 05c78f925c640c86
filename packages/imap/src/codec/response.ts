// What a server says: statuses, untagged responses, and the choice between quoted strings and literals.
//
// Formatters never let a value break out of its place: texts lose CR, LF and NUL, atoms are checked, strings become
// literals where quoting cannot carry them. Octets stand as latin1 characters in the strings made here, so that a
// response may be written with `Buffer.from(text, 'latin1')`.

export type StatusKind = 'OK' | 'NO' | 'BAD' | 'BYE' | 'PREAUTH';

export interface Status {
  readonly kind: StatusKind;
  /** A response code without its brackets: `TRYCREATE`, `APPENDUID 1 2`. */
  readonly code?: string;
  readonly text: string;
}

export function ok(text: string, code?: string | undefined): Status {
  return code === undefined ? { kind: 'OK', text } : { kind: 'OK', code, text };
}

export function no(text: string, code?: string): Status {
  return code === undefined ? { kind: 'NO', text } : { kind: 'NO', code, text };
}

export function bad(text: string): Status {
  return { kind: 'BAD', text };
}

/** One status response, with its CRLF. `tag` is `*` for an untagged one. */
export function formatStatus(tag: string, status: Status): string {
  const code = status.code === undefined ? '' : `[${cleanText(status.code).replaceAll(']', '')}] `;
  // RFC 3501 `text` has at least one character.
  return `${tag} ${status.kind} ${code}${cleanText(status.text) || '-'}\r\n`;
}

/** A continuation request (RFC 3501 §7.5). */
export function formatContinuation(text: string): string {
  return `+ ${cleanText(text)}\r\n`;
}

function cleanText(text: string): string {
  return /[\r\n\0]/.test(text) ? text.replaceAll(/[\r\n\0]+/g, ' ') : text;
}

/** RFC 3501 `nstring`. */
export function formatNstring(value: string | null): string {
  return value === null ? 'NIL' : formatString(value);
}

/**
 * A quoted string, or a literal where octets need one. DOVECOT: quotes and backslashes are not escaped but sent as
 * a literal, which every client reads; 8-bit text too.
 */
export function formatString(value: string): string {
  // oxlint-disable-next-line no-control-regex
  return /^[\x20\x21\x23-\x5b\x5d-\x7e\t\x01-\x08\x0b\x0c\x0e-\x1f\x7f]*$/.test(value)
    ? `"${value}"`
    : formatLiteral(value);
}

export function formatLiteral(value: string): string {
  const octets = toOctets(value).replaceAll('\0', '\x80');
  return `{${octets.length}}\r\n${octets}`;
}

/** UTF-16 text beyond octets is sent as UTF-8; octet strings stay as they are. */
function toOctets(value: string): string {
  for (let at = 0; at < value.length; at++) {
    if (value.charCodeAt(at) > 0xff) return Buffer.from(value, 'utf8').toString('latin1');
  }
  return value;
}

/** RFC 3501 `astring`: an atom where it can be one. Used for mailbox names. */
export function formatAstring(value: string): string {
  if (value.length > 0 && /^[!#$&'+,\-./0-9:;<=>?@A-Z[\]^_`a-z|}~]+$/.test(value) && !/^nil$/i.test(value)) {
    return value;
  }
  return /^[\x20-\x7e]*$/.test(value) ? `"${value.replaceAll(/["\\]/g, '\\$&')}"` : formatLiteral(value);
}

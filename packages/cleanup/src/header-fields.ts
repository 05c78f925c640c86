// The header fields that mean something on the way into the queue. POSTFIX: header_opts(3).

export interface FieldKind {
  /** Whose addresses it holds: they are rewritten like the sender's or like recipients'. */
  readonly holds?: 'sender' | 'recipient';
  /** Describes content: `mime_header_checks` look at it wherever it stands. */
  readonly mime?: true;
  /** It shows that the message was sent on by a person. */
  readonly resent?: true;
}

const SENDER: FieldKind = { holds: 'sender' };
const RECIPIENT: FieldKind = { holds: 'recipient' };
const MIME: FieldKind = { mime: true };
const PLAIN: FieldKind = {};

const FIELDS: ReadonlyMap<string, FieldKind> = new Map([
  ['apparently-to', RECIPIENT],
  ['bcc', RECIPIENT],
  ['cc', RECIPIENT],
  ['content-description', MIME],
  ['content-disposition', MIME],
  ['content-id', MIME],
  ['content-length', PLAIN],
  ['content-transfer-encoding', MIME],
  ['content-type', MIME],
  ['delivered-to', PLAIN],
  ['disposition-notification-to', SENDER],
  ['date', PLAIN],
  ['errors-to', SENDER],
  ['from', SENDER],
  ['mail-followup-to', SENDER],
  ['message-id', PLAIN],
  ['mime-version', MIME],
  ['received', PLAIN],
  ['reply-to', SENDER],
  ['resent-bcc', { ...RECIPIENT, resent: true }],
  ['resent-cc', { ...RECIPIENT, resent: true }],
  ['resent-date', { resent: true }],
  ['resent-from', { ...SENDER, resent: true }],
  ['resent-message-id', { resent: true }],
  ['resent-reply-to', { ...RECIPIENT, resent: true }],
  ['resent-sender', { ...SENDER, resent: true }],
  ['resent-to', { ...RECIPIENT, resent: true }],
  ['return-path', SENDER],
  ['return-receipt-to', SENDER],
  ['sender', SENDER],
  ['to', RECIPIENT],
]);

/** Undefined for fields that nobody here cares about. `name` in lower case. */
export const findField = (name: string): FieldKind | undefined => FIELDS.get(name);

// RFC 5322 §3.6.8: printable characters without the colon; §4.5 allows blanks before the colon.
const FIELD_START = /^([!-9;-~]+)[ \t]*:/;

/** The name of the field that begins here, as written. */
export function fieldName(text: string): string | undefined {
  return FIELD_START.exec(text)?.[1];
}

/** `name :value` is written `name:value`: things would be too confusing otherwise. */
export function withoutBlankBeforeColon(text: string, name: string): string {
  return text[name.length] === ':' ? text : name + text.slice(text.indexOf(':', name.length));
}

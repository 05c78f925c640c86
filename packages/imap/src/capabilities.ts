// What is announced. Nothing stands here before it works with real clients.

/** After login, in Dovecot's order. */
export const CAPABILITIES: readonly string[] = [
  'IMAP4rev1',
  'SASL-IR',
  'ID',
  'ENABLE',
  'IDLE',
  'SORT',
  'SORT=DISPLAY',
  'THREAD=REFERENCES',
  'THREAD=REFS',
  'THREAD=ORDEREDSUBJECT',
  'MULTIAPPEND',
  'URL-PARTIAL',
  'CATENATE',
  'UNSELECT',
  'CHILDREN',
  'NAMESPACE',
  'UIDPLUS',
  'LIST-EXTENDED',
  'I18NLEVEL=1',
  'ESEARCH',
  'ESORT',
  'SEARCHRES',
  'WITHIN',
  'CONTEXT=SEARCH',
  'LIST-STATUS',
  'BINARY',
  'MOVE',
  'SNIPPET=FUZZY',
  'PREVIEW=FUZZY',
  'PREVIEW',
  'STATUS=SIZE',
  'SAVEDATE',
  'LITERAL+',
  'SPECIAL-USE',
  'OBJECTID',
  'REPLACE',
  'APPENDLIMIT=4294967295',
];

export interface LoginOffer {
  readonly startTls: boolean;
  /** A password may be sent now. */
  readonly passwords: boolean;
  readonly mechanisms: readonly string[];
}

/** Before login (RFC 3501 §7.2.1: STARTTLS and LOGINDISABLED belong there). */
export function loginCapabilities(offer: LoginOffer): string {
  const words = ['IMAP4rev1', 'SASL-IR', 'ID', 'ENABLE', 'IDLE', 'LITERAL+'];
  if (offer.startTls) words.push('STARTTLS');
  if (offer.passwords) words.push(...offer.mechanisms.map((name) => `AUTH=${name}`));
  else words.push('LOGINDISABLED');
  return words.join(' ');
}

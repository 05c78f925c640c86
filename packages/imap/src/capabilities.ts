// What is announced. Nothing stands here before it works with real clients.

/** After login, in Dovecot's order. */
export const CAPABILITIES: readonly string[] = [
  'IMAP4rev1',
  'SASL-IR',
  'LOGIN-REFERRALS',
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
  'CONDSTORE',
  'QRESYNC',
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
  'NOTIFY',
  'METADATA',
  'SPECIAL-USE',
  'CREATE-SPECIAL-USE',
  'OBJECTID',
  'REPLACE',
  'COMPRESS=DEFLATE',
  'UTF8=ACCEPT',
  'INPROGRESS',
  'IMAP4rev2',
  'APPENDLIMIT=4294967295',
];

/** RFC 9208, where there is a quota. */
export const QUOTA_CAPABILITIES: readonly string[] = ['QUOTA', 'QUOTA=RES-STORAGE', 'QUOTA=RES-MESSAGE'];

/**
 * DOVECOT: imap_capability: empty, a list in place of ours, or `+` and words to add. A word of the list that we do not
 * have would be a lie, but it is the administrator's.
 */
export function withSetting(words: readonly string[], setting: string): string {
  const own = setting.trim();
  if (own === '') return words.join(' ');
  return own.startsWith('+') ? [...words, own.slice(1).trim()].join(' ') : own;
}

export interface LoginOffer {
  /** DOVECOT: imap_capability. */
  readonly setting?: string;
  readonly startTls: boolean;
  /** A password may be sent now. */
  readonly passwords: boolean;
  readonly mechanisms: readonly string[];
}

/** Before login (RFC 3501 §7.2.1: STARTTLS and LOGINDISABLED belong there). */
export function loginCapabilities(offer: LoginOffer): string {
  const known = ['IMAP4rev1', 'SASL-IR', 'LOGIN-REFERRALS', 'ID', 'ENABLE', 'IDLE', 'LITERAL+'];
  const words = [withSetting(known, offer.setting ?? '')];
  if (offer.startTls) words.push('STARTTLS');
  if (offer.passwords) words.push(...offer.mechanisms.map((name) => `AUTH=${name}`));
  else words.push('LOGINDISABLED');
  return words.join(' ');
}

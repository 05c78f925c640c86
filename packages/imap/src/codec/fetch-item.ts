// What FETCH may ask for, and what a section's name is in the response (RFC 3501 §6.4.5, RFC 3516 and others).

/** RFC 3501 `section`: which part, and what of it. */
export interface Section {
  /** Empty: the whole message. */
  readonly part: readonly number[];
  readonly what: 'all' | 'header' | 'text' | 'mime' | 'fields' | 'fieldsNot';
  /** Header field names for `fields` and `fieldsNot`, in upper case. */
  readonly fields: readonly string[];
}

export interface Partial {
  readonly start: number;
  /** Absent: to the end. DOVECOT: takes `<start>` alone. */
  readonly length?: number;
}

export type FetchItem =
  | { readonly kind: 'flags' | 'uid' | 'internalDate' | 'size' | 'modseq' }
  /** RFC 8514, RFC 8474. */
  | { readonly kind: 'saveDate' | 'emailId' | 'threadId' }
  /** RFC 8970. DOVECOT: the forms of its drafts, with FUZZY and SNIPPET, too. */
  | { readonly kind: 'preview'; readonly label: 'PREVIEW' | 'SNIPPET'; readonly fuzzy: boolean }
  /** RFC 3516. */
  | { readonly kind: 'binarySize'; readonly label: string; readonly part: readonly number[] }
  | {
      readonly kind: 'binary';
      readonly peek: boolean;
      readonly label: string;
      readonly part: readonly number[];
      readonly partial?: Partial;
    }
  | { readonly kind: 'envelope' | 'body' | 'bodyStructure' }
  | {
      readonly kind: 'section';
      /** Does not set `\Seen`. */
      readonly peek: boolean;
      /** The item's name in the response: `BODY[1.MIME]<0>`, `RFC822.HEADER`. */
      readonly label: string;
      readonly section: Section;
      readonly partial?: Partial;
    };

export const WHOLE: Section = { part: [], what: 'all', fields: [] };

/** `1.2.HEADER.FIELDS (DATE FROM)`, without the brackets. */
export function formatSection({ part, what, fields }: Section): string {
  const path = part.join('.');
  const word = SECTION_WORDS[what];
  const joined = path !== '' && word !== '' ? `${path}.${word}` : `${path}${word}`;
  return what === 'fields' || what === 'fieldsNot'
    ? `${joined} (${fields.map(quoteField).join(' ')})`
    : joined;
}

const SECTION_WORDS: Readonly<Record<Section['what'], string>> = {
  all: '',
  header: 'HEADER',
  text: 'TEXT',
  mime: 'MIME',
  fields: 'HEADER.FIELDS',
  fieldsNot: 'HEADER.FIELDS.NOT',
};

// A field name is printable ASCII without a colon (RFC 5322 §2.2); of these only some need quotes in IMAP.
function quoteField(name: string): string {
  return /^[!#$&'+,\-./0-9;<=>?@A-Z[^_`a-z|}~]+$/.test(name)
    ? name
    : `"${name.replaceAll(/["\\]/g, '\\$&')}"`;
}

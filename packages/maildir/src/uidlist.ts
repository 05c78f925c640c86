// `dovecot-uidlist`, versions 3 and 1: reading (also the grown end alone) and formatting. Pure.
//
// Text is one octet per character (latin1). A last line without LF is not read. Records that break the syntax or
// the ascending order are skipped and counted: Dovecot would delete the whole file and give every message a new
// UID, while the records that are whole can still be believed.

export interface UidlistHeader {
  readonly version: 1 | 3;
  readonly uidValidity: number;
  readonly nextUid: number;
  /** 32 hex digits; undefined when absent (version 1, and 1.x of Dovecot). */
  readonly guid: string | undefined;
  /** Unknown header fields, each with its leading space, to be written back. */
  readonly extra: string;
}

export interface UidlistBody {
  /** Offset behind the last complete line. */
  readonly end: number;
  readonly lastUid: number;
  readonly records: number;
  /** Lines that were skipped. */
  readonly bad: number;
}

/** Receives a record: `fields` is '' or ` Sn Wn…`, each with its leading space. */
export type RecordSink = (uid: number, fields: string, base: string) => void;

/** UIDs stay below 2^32−1 (RFC 3501 §2.3.1.1 and Dovecot). */
export const MAX_UID = 0xffff_fffe;

const LF = 10;
const SPACE = 32;
const COLON = 58;

/** The header line, or undefined when it cannot be believed. `end` is where records begin. */
export function parseUidlistHeader(text: string): { header: UidlistHeader; end: number } | undefined {
  const lf = text.indexOf('\n');
  if (lf === -1) return undefined;
  const fields = text.slice(0, lf).replace(/\r$/, '').split(' ');
  const version = fields[0];
  let uidValidity = 0;
  let nextUid = 1;
  let guid: string | undefined;
  let extra = '';
  if (version === '1') {
    uidValidity = uint32(fields[1] ?? '');
    nextUid = uint32(fields[2] ?? '');
    if (nextUid === 0) return undefined;
  } else if (version === '3') {
    for (const field of fields.slice(1)) {
      const value = field.slice(1);
      if (field[0] === 'V') uidValidity = uint32(value);
      else if (field[0] === 'N') nextUid = uint32(value);
      else if (field[0] === 'G' && /^[0-9a-f]{32}$/.test(value)) guid = value;
      else if (field !== '') extra += ` ${field}`;
    }
  } else return undefined;
  if (uidValidity === 0) return undefined;
  const header = {
    version: version === '1' ? 1 : 3,
    uidValidity,
    nextUid: Math.max(1, nextUid),
    guid,
    extra,
  } as const;
  return { header, end: lf + 1 };
}

/** Reads records from `from` on; `lastUid` is the last one before. Linear, no allocation but the two strings. */
export function parseUidlistRecords(
  text: string,
  position: { readonly from: number; readonly lastUid: number; readonly version: 1 | 3 },
  sink: RecordSink,
): UidlistBody {
  let { from: at, lastUid } = position;
  let records = 0;
  let bad = 0;
  for (;;) {
    const lf = text.indexOf('\n', at);
    if (lf === -1) break;
    const line = at;
    at = lf + 1;
    let i = line;
    let uid = 0;
    for (; i < lf; i++) {
      const digit = text.charCodeAt(i) - 48;
      if (digit < 0 || digit > 9) break;
      uid = uid * 10 + digit;
      if (uid > MAX_UID) break;
    }
    const digits = i - line;
    const end = lf > line && text.charCodeAt(lf - 1) === 13 ? lf - 1 : lf;
    let base = -1;
    if (digits > 0 && text.charCodeAt(i) === SPACE)
      base = position.version === 1 ? i + 1 : findBase(text, i, end);
    if (base === -1 || base >= end || uid <= lastUid || uid > MAX_UID) {
      bad++;
      continue;
    }
    let stop = text.indexOf(':', base);
    if (stop === -1 || stop > end) stop = end;
    if (stop === base) {
      bad++;
      continue;
    }
    lastUid = uid;
    records++;
    const fields = position.version === 1 || base - i <= 2 ? '' : text.slice(i, base - 2);
    sink(uid, fields, text.slice(base, stop));
  }
  return { end: at, lastUid, records, bad };
}

/** Walks ` <A–Z><value>` fields from `at` to ` :`; returns where the base begins, or -1. */
function findBase(text: string, at: number, end: number): number {
  let i = at;
  while (i < end) {
    if (text.charCodeAt(i) !== SPACE) return -1;
    const c = text.charCodeAt(i + 1);
    if (c === COLON) return i + 2;
    if (c < 65 || c > 90) return -1;
    i += 2;
    while (i < end && text.charCodeAt(i) !== SPACE) {
      if (text.charCodeAt(i) === LF) return -1;
      i++;
    }
  }
  return -1;
}

function uint32(text: string): number {
  if (!/^\d{1,10}$/.test(text)) return 0;
  const value = Number(text);
  return value <= 0xffff_ffff ? value : 0;
}

export function formatUidlistHeader(header: UidlistHeader): string {
  const guid = header.guid === undefined ? '' : ` G${header.guid}`;
  return `3 V${header.uidValidity} N${header.nextUid}${guid}${header.extra}\n`;
}

export function formatUidlistRecord(uid: number, fields: string, base: string): string {
  return `${uid}${fields} :${base}\n`;
}

/** The value of one field of a record, undefined when absent. */
export function recordField(fields: string, letter: string): string | undefined {
  const at = fields.indexOf(` ${letter}`);
  if (at === -1) return undefined;
  const end = fields.indexOf(' ', at + 2);
  return fields.slice(at + 2, end === -1 ? fields.length : end);
}

/** `fields` with one set, others kept in their order. */
export function withRecordField(fields: string, letter: string, value: string): string {
  const kept =
    fields === ''
      ? []
      : fields
          .slice(1)
          .split(' ')
          .filter((f) => f[0] !== letter);
  return [...kept, letter + value].map((f) => ` ${f}`).join('');
}

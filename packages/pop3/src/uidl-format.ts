// `pop3_uidl_format`: how a message's unique id is made (RFC 1939 §7). Both of Dovecot's languages are read:
// `%08Xu%08Xv` (up to 2.3) and `%{uid | hex(8)}%{uidvalidity | hex(8)}` (2.4). Clients know messages by the result
// for years, so what is not understood is an error when the configuration is read, never a guess.

export interface UidlValues {
  readonly uid: number;
  readonly uidValidity: number;
  readonly guid: string;
  /** The message's file name without flags. */
  readonly storageName: string;
}

export type UidlFormat = (values: UidlValues) => string;

export type ParsedUidlFormat =
  | { readonly kind: 'format'; readonly format: UidlFormat }
  | { readonly kind: 'invalid'; readonly message: string };

/** DOVECOT: the default of 2.3. */
export const DEFAULT_UIDL_FORMAT = '%08Xu%08Xv';
/** RFC 1939 §7 allows 70 octets in an id. */
const MAX_UIDL = 70;

type Piece = (values: UidlValues) => string;
type Variable = (values: UidlValues) => string;

const LONG_NAMES: ReadonlyMap<string, Variable> = new Map<string, Variable>([
  ['uid', (v) => String(v.uid)],
  ['uidvalidity', (v) => String(v.uidValidity)],
  ['guid', (v) => v.guid],
  ['filename', (v) => v.storageName],
]);

const SHORT_NAMES: ReadonlyMap<string, string> = new Map([
  ['u', 'uid'],
  ['v', 'uidvalidity'],
  ['g', 'guid'],
  ['f', 'filename'],
]);

const invalid = (message: string): ParsedUidlFormat => ({ kind: 'invalid', message });

/** Reads a format. Without a variable that tells messages apart it is invalid, too. */
export function parseUidlFormat(text: string): ParsedUidlFormat {
  const pieces: Piece[] = [];
  const used = new Set<string>();
  let at = 0;
  while (at < text.length) {
    const percent = text.indexOf('%', at);
    const end = percent === -1 ? text.length : percent;
    const literal = text.slice(at, end);
    if (literal !== '') pieces.push(() => literal);
    if (percent === -1) break;
    const variable = text[percent + 1] === '{' ? parseLong(text, percent) : parseShort(text, percent);
    if (typeof variable === 'string') return invalid(variable);
    if (variable.name !== '') used.add(variable.name);
    pieces.push(variable.piece);
    at = variable.end;
  }
  if (!['uid', 'guid', 'filename'].some((name) => used.has(name))) {
    return invalid(`pop3_uidl_format "${text}" has no variable that differs between messages`);
  }
  return { kind: 'format', format: (values) => cleanUidl(pieces.map((piece) => piece(values)).join('')) };
}

/** RFC 1939 §7: characters 0x21 to 0x7E, 70 of them at most, `ending` among them. */
export function cleanUidl(uidl: string, ending = ''): string {
  return uidl.replace(/[^\x21-\x7e]/g, '_').slice(0, MAX_UIDL - ending.length) + ending;
}

interface ParsedVariable {
  readonly name: string;
  readonly piece: Piece;
  readonly end: number;
}

// %[0][width][modifiers]letter; a string is what is wrong.
function parseShort(text: string, percent: number): ParsedVariable | string {
  const match = /^%(0?)(\d{0,3})([LUX]*)(.?)/.exec(text.slice(percent, percent + 20));
  const [whole = '%', zero = '', digits = '', modifiers = '', letter = ''] = match ?? [];
  const end = percent + whole.length;
  if (letter === '%' && whole === '%%') return { name: '', piece: () => '%', end };
  const name = SHORT_NAMES.get(letter);
  const read = LONG_NAMES.get(name ?? '');
  if (name === undefined || read === undefined) return `pop3_uidl_format: unknown variable "${whole}"`;
  const width = Number(digits === '' ? '0' : digits);
  const piece: Piece = (values) => {
    let value = read(values);
    for (const modifier of modifiers) value = applyModifier(value, modifier);
    if (width === 0) return value;
    return zero === '0' ? value.padStart(width, '0') : value.slice(0, width);
  };
  return { name, piece, end };
}

function applyModifier(value: string, modifier: string): string {
  if (modifier === 'L') return value.toLowerCase();
  if (modifier === 'U') return value.toUpperCase();
  // DOVECOT: hexadecimal in lower case; what is no number becomes 0.
  const number = Number.parseInt(value, 10);
  return Number.isNaN(number) ? '0' : number.toString(16);
}

// %{name [| filter]...}
function parseLong(text: string, percent: number): ParsedVariable | string {
  const close = text.indexOf('}', percent);
  if (close === -1) return `pop3_uidl_format: "%{" without "}"`;
  const [name = '', ...filters] = text
    .slice(percent + 2, close)
    .split('|')
    .map((word) => word.trim());
  const read = LONG_NAMES.get(name);
  if (read === undefined) return `pop3_uidl_format: unknown variable "%{${name}}"`;
  const steps: ((value: string) => string)[] = [];
  for (const filter of filters) {
    const step = parseFilter(filter);
    if (step === undefined) return `pop3_uidl_format: unknown filter "${filter}"`;
    steps.push(step);
  }
  const piece: Piece = (values) => steps.reduce((value, step) => step(value), read(values));
  return { name, piece, end: close + 1 };
}

function parseFilter(filter: string): ((value: string) => string) | undefined {
  if (filter === 'lower') return (value) => value.toLowerCase();
  if (filter === 'upper') return (value) => value.toUpperCase();
  const hex = /^hex(?:\((\d{1,2})\))?$/.exec(filter);
  if (hex === null) return undefined;
  const width = Number(hex[1] ?? '0');
  return (value) => applyModifier(value, 'X').padStart(width, '0');
}

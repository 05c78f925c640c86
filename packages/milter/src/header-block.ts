// A message's header as filters change it: fields with their octets as they came, until one is replaced.
//
// POSTFIX: our own `Received:`, the first one, is hidden: it is not shown to filters and not counted when a field is
// named by its place among those of its name. It does count for insertion, where places are those of the message as it
// will be delivered.

import type { HeaderField } from './content.ts';

const LF = 0x0a;
const CR = 0x0d;
const COLON = 0x3a;
const SPACE = 0x20;
const TAB = 0x09;
const CRLF = Buffer.from('\r\n');

interface Field extends HeaderField {
  /** Whole lines with CRLF. */
  readonly octets: Buffer;
  readonly key: string;
  readonly hidden: boolean;
}

export class HeaderBlock {
  readonly #fields: Field[];
  #size = 0;

  /** `octets`: lines with CRLF, without the empty one. Never throws: what is no field is kept as it is. */
  constructor(octets: Buffer) {
    this.#fields = readFields(octets);
    this.#size = octets.length;
  }

  /** Octets as they will be written. */
  get size(): number {
    return this.#size;
  }

  /** What filters are shown. */
  get visible(): readonly HeaderField[] {
    return this.#fields.filter(({ hidden, key }) => !hidden && key !== '');
  }

  *octets(): Generator<Buffer> {
    for (const { octets } of this.#fields) yield octets;
  }

  add(field: HeaderField): void {
    this.#put(this.#fields.length, 0, field);
  }

  /** `index` 0 is the top; beyond the end is the end. */
  insert(index: number, field: HeaderField): void {
    this.#put(Math.min(index, this.#fields.length), 0, field);
  }

  /** POSTFIX: a field that is not there is added. */
  change(index: number, field: HeaderField): void {
    const at = this.#find(index, field.name);
    if (at === -1) this.add(field);
    else this.#put(at, 1, field);
  }

  remove(index: number, name: Buffer): void {
    const at = this.#find(index, name);
    if (at === -1) return;
    const [removed] = this.#fields.splice(at, 1);
    this.#size -= removed?.octets.length ?? 0;
  }

  #find(index: number, name: Buffer): number {
    const wanted = keyOf(name);
    let left = index;
    return this.#fields.findIndex(({ key, hidden }) => key === wanted && !hidden && --left === 0);
  }

  #put(at: number, removing: number, field: HeaderField): void {
    const octets = formatField(field);
    // As the next filter will see it.
    const { name, value } = nameOf(octets) ?? field;
    const [removed] = this.#fields.splice(at, removing, {
      name,
      value,
      octets,
      key: keyOf(field.name),
      hidden: false,
    });
    this.#size += octets.length - (removed?.octets.length ?? 0);
  }
}

const keyOf = (name: Buffer): string => name.toString('latin1').toLowerCase();

// RFC 5322 §3.6.8: field-name = 1*ftext.
export const isFieldName = (name: Buffer): boolean =>
  name.length > 0 && name.every((octet) => octet > SPACE && octet < 0x7f && octet !== COLON);

/** Lines with CRLF. A line that would not continue the field begins with a tab: it must not become a field of its own. */
export function formatField({ name, value }: HeaderField): Buffer {
  const pieces: Buffer[] = [name, Buffer.from(':')];
  let start = 0;
  while (start <= value.length) {
    const end = value.indexOf(LF, start);
    const line = cleanLine(value.subarray(start, end === -1 ? value.length : end));
    if (start > 0 && line[0] !== SPACE && line[0] !== TAB) pieces.push(Buffer.from('\t'));
    pieces.push(line, CRLF);
    if (end === -1) break;
    start = end + 1;
  }
  return Buffer.concat(pieces);
}

/** Without the CR of a CRLF; another CR is a blank, a NUL nothing. */
function cleanLine(line: Buffer): Buffer {
  const text = line.at(-1) === CR ? line.subarray(0, -1) : line;
  if (!text.includes(CR) && !text.includes(0)) return text;
  return Buffer.from(text.filter((octet) => octet !== 0).map((octet) => (octet === CR ? SPACE : octet)));
}

function readFields(octets: Buffer): Field[] {
  const fields: Field[] = [];
  let received = false;
  let at = 0;
  while (at < octets.length) {
    const end = endOfField(octets, at);
    const whole = octets.subarray(at, end);
    const named = nameOf(whole);
    const key = named === undefined ? '' : keyOf(named.name);
    const hidden: boolean = key === 'received' && !received;
    received ||= hidden;
    fields.push({
      octets: whole,
      name: named?.name ?? Buffer.alloc(0),
      value: named?.value ?? Buffer.alloc(0),
      key,
      hidden,
    });
    at = end;
  }
  return fields;
}

function endOfField(octets: Buffer, from: number): number {
  let at = from;
  for (;;) {
    const end = octets.indexOf(LF, at);
    if (end === -1) return octets.length;
    at = end + 1;
    if (octets[at] !== SPACE && octets[at] !== TAB) return at;
  }
}

function nameOf(field: Buffer): HeaderField | undefined {
  const colon = field.indexOf(COLON);
  let end = colon;
  // RFC 5322 §4.5: blanks before the colon.
  while (end > 0 && (field[end - 1] === SPACE || field[end - 1] === TAB)) end--;
  const name = field.subarray(0, Math.max(0, end));
  if (!isFieldName(name)) return undefined;
  return { name, value: withLineFeeds(field.subarray(colon + 1)) };
}

/** The lines of a field with LF between them and none at the end. */
function withLineFeeds(value: Buffer): Buffer {
  const end = value.at(-1) === LF ? (value.at(-2) === CR ? -2 : -1) : value.length;
  const text = value.subarray(0, end);
  return text.includes(CR)
    ? Buffer.from(text.filter((octet, at) => octet !== CR || text[at + 1] !== LF))
    : text;
}

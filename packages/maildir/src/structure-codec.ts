// A message's structure in few octets, for keeping. Pure. What `decodeStructure` gives equals what was encoded.
//
// Strings are binary strings, as the structure has them. Words that most messages use stand in a table and take one octet.
// Octets that are not an encoding make the readers throw `Undecodable`: whoever keeps them throws them away.

import type {
  Disposition,
  Envelope,
  EnvelopeAddress,
  MessageStructure,
  MimePart,
  Parameter,
} from '@postcote/mime';

/** Changes with every change of the form or of the parser: what was kept by another one is of no use. */
export const STRUCTURE_VERSION = 1;

export class Undecodable extends Error {
  override readonly name = 'Undecodable';
}

// The order is part of the form.
const WORDS = [
  '',
  'text',
  'plain',
  'html',
  'multipart',
  'mixed',
  'alternative',
  'related',
  'signed',
  'report',
  'application',
  'octet-stream',
  'pdf',
  'pgp-signature',
  'image',
  'png',
  'jpeg',
  'gif',
  'message',
  'rfc822',
  'charset',
  'us-ascii',
  'utf-8',
  'UTF-8',
  'iso-8859-1',
  'ISO-8859-1',
  'iso-8859-15',
  'windows-1252',
  'format',
  'flowed',
  'delsp',
  'yes',
  'boundary',
  'name',
  'filename',
  'inline',
  'attachment',
  '7bit',
  '8bit',
  'base64',
  'quoted-printable',
  'binary',
  'type',
  'micalg',
  'protocol',
  'size',
  'creation-date',
  'modification-date',
  'delivery-status',
  'calendar',
  'TEXT',
  'PLAIN',
  'HTML',
  'x-pkcs7-signature',
] as const;
const WORD_CODES: ReadonlyMap<string, number> = new Map(WORDS.map((word, i) => [word, i + 1]));
const FIRST_LENGTH = 64;

const LEAF = 0;
const MULTIPART = 1;
const MESSAGE = 2;
const KINDS = { leaf: LEAF, multipart: MULTIPART, message: MESSAGE } as const;
/** Structures are at most this deep (`StructureLimits.maxDepth` and the message around it). */
const MAX_DEPTH = 128;

/** Undefined when it takes more than `limit` octets. */
export function encodeStructure(structure: MessageStructure, limit: number): Buffer | undefined {
  const writer = new ByteWriter(limit);
  writer.number(structure.size);
  writeEnvelope(writer, structure.envelope);
  writePart(writer, structure.root, 0);
  return writer.done();
}

export function decodeStructure(bytes: Buffer): MessageStructure {
  const reader = new ByteReader(bytes);
  const size = reader.number();
  const envelope = readEnvelope(reader);
  return { size, envelope, root: readPart(reader, 0) };
}

/** The envelope alone. */
export function decodeEnvelope(bytes: Buffer): Envelope {
  const reader = new ByteReader(bytes);
  reader.number();
  return readEnvelope(reader);
}

function writeEnvelope(writer: ByteWriter, envelope: Envelope): void {
  writer.text(envelope.date);
  writer.text(envelope.subject);
  writeAddresses(writer, envelope.from);
  // Mostly the same list as From.
  writer.number(envelope.sender === envelope.from ? 1 : 0);
  if (envelope.sender !== envelope.from) writeAddresses(writer, envelope.sender);
  writer.number(envelope.replyTo === envelope.from ? 1 : 0);
  if (envelope.replyTo !== envelope.from) writeAddresses(writer, envelope.replyTo);
  writeAddresses(writer, envelope.to);
  writeAddresses(writer, envelope.cc);
  writeAddresses(writer, envelope.bcc);
  writer.text(envelope.inReplyTo);
  writer.text(envelope.messageId);
}

function readEnvelope(reader: ByteReader): Envelope {
  const date = reader.text();
  const subject = reader.text();
  const from = readAddresses(reader);
  const sender = reader.number() === 1 ? from : readAddresses(reader);
  const replyTo = reader.number() === 1 ? from : readAddresses(reader);
  const to = readAddresses(reader);
  const cc = readAddresses(reader);
  const bcc = readAddresses(reader);
  const inReplyTo = reader.text();
  const messageId = reader.text();
  return { date, subject, from, sender, replyTo, to, cc, bcc, inReplyTo, messageId };
}

function writeAddresses(writer: ByteWriter, list: readonly EnvelopeAddress[] | null): void {
  writer.number(list === null ? 0 : list.length + 1);
  for (const { name, route, mailbox, host } of list ?? []) {
    writer.text(name);
    writer.text(route);
    writer.text(mailbox);
    writer.text(host);
  }
}

function readAddresses(reader: ByteReader): EnvelopeAddress[] | null {
  const count = reader.count();
  if (count === -1) return null;
  const list: EnvelopeAddress[] = [];
  for (let i = 0; i < count; i++) {
    list.push({ name: reader.text(), route: reader.text(), mailbox: reader.text(), host: reader.text() });
  }
  return list;
}

function writePart(writer: ByteWriter, part: MimePart, depth: number): void {
  if (depth > MAX_DEPTH) {
    writer.tooMuch();
    return;
  }
  writer.number(KINDS[part.kind]);
  writer.number(part.headerStart);
  writer.number(part.bodyStart - part.headerStart);
  writer.number(part.bodyEnd - part.bodyStart);
  writer.number(part.bodyLines);
  writer.text(part.type);
  writer.text(part.subtype);
  writeParameters(writer, part.parameters);
  writer.text(part.id);
  writer.text(part.description);
  writer.text(part.encoding);
  writer.text(part.md5);
  writer.text(part.disposition?.type ?? null);
  if (part.disposition !== null) writeParameters(writer, part.disposition.parameters);
  writer.number(part.language === null ? 0 : part.language.length + 1);
  for (const tag of part.language ?? []) writer.text(tag);
  writer.text(part.location);
  if (part.kind === 'multipart') {
    writer.number(part.children.length);
    for (const child of part.children) writePart(writer, child, depth + 1);
  } else if (part.kind === 'message') {
    writeEnvelope(writer, part.envelope);
    writePart(writer, part.message, depth + 1);
  }
}

function readPart(reader: ByteReader, depth: number): MimePart {
  if (depth > MAX_DEPTH) throw new Undecodable('too deep');
  const kind = reader.number();
  const headerStart = reader.number();
  const bodyStart = headerStart + reader.number();
  const bodyEnd = bodyStart + reader.number();
  const common = {
    headerStart,
    bodyStart,
    bodyEnd,
    bodyLines: reader.number(),
    type: reader.text() ?? '',
    subtype: reader.text() ?? '',
    parameters: readParameters(reader),
    id: reader.text(),
    description: reader.text(),
    encoding: reader.text() ?? '',
    md5: reader.text(),
    disposition: readDisposition(reader),
    language: readLanguage(reader),
    location: reader.text(),
  };
  if (kind === LEAF) return { kind: 'leaf', ...common };
  if (kind === MULTIPART) {
    const children: MimePart[] = [];
    for (let left = reader.number(); left > 0; left--) children.push(readPart(reader, depth + 1));
    return { kind: 'multipart', ...common, children };
  }
  if (kind !== MESSAGE) throw new Undecodable('no such kind of part');
  const envelope = readEnvelope(reader);
  return { kind: 'message', ...common, envelope, message: readPart(reader, depth + 1) };
}

function writeParameters(writer: ByteWriter, parameters: readonly Parameter[]): void {
  writer.number(parameters.length);
  for (const [name, value] of parameters) {
    writer.text(name);
    writer.text(value);
  }
}

const NO_PARAMETERS: readonly Parameter[] = [];

function readParameters(reader: ByteReader): readonly Parameter[] {
  let left = reader.number();
  if (left === 0) return NO_PARAMETERS;
  const parameters: Parameter[] = [];
  for (; left > 0; left--) parameters.push([reader.text() ?? '', reader.text() ?? '']);
  return parameters;
}

function readDisposition(reader: ByteReader): Disposition | null {
  const type = reader.text();
  return type === null ? null : { type, parameters: readParameters(reader) };
}

function readLanguage(reader: ByteReader): readonly string[] | null {
  const count = reader.count();
  if (count === -1) return null;
  const tags: string[] = [];
  for (let i = 0; i < count; i++) tags.push(reader.text() ?? '');
  return tags;
}

/** Numbers of seven bits an octet, low ones first. */
class ByteWriter {
  readonly #limit: number;
  #bytes = Buffer.allocUnsafe(1024);
  #length = 0;
  #over = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  number(value: number): void {
    this.#reserve(8);
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.#bytes[this.#length++] = (rest % 128) | 128;
    this.#bytes[this.#length++] = rest;
  }

  /** 0 for null, then the words of the table, then lengths. */
  text(value: string | null): void {
    if (value === null) {
      this.number(0);
      return;
    }
    const code = WORD_CODES.get(value);
    if (code !== undefined) {
      this.number(code);
      return;
    }
    this.number(FIRST_LENGTH + value.length);
    this.#reserve(value.length);
    if (!this.#over) this.#length += this.#bytes.write(value, this.#length, 'latin1');
  }

  tooMuch(): void {
    this.#over = true;
  }

  done(): Buffer | undefined {
    return this.#over ? undefined : Buffer.from(this.#bytes.subarray(0, this.#length));
  }

  #reserve(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    if (this.#length + more > this.#limit) {
      this.#over = true;
      this.#length = 0;
      return;
    }
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#length + more));
    this.#bytes.copy(larger, 0, 0, this.#length);
    this.#bytes = larger;
  }
}

class ByteReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  number(): number {
    const bytes = this.#bytes;
    let octet = bytes[this.#at++];
    if (octet !== undefined && octet < 128) return octet;
    let value = 0;
    let scale = 1;
    for (; octet !== undefined; octet = bytes[this.#at++]) {
      value += (octet & 127) * scale;
      if (octet < 128) return value;
      scale *= 128;
    }
    throw new Undecodable('cut short');
  }

  /** -1 for null. */
  count(): number {
    return this.number() - 1;
  }

  text(): string | null {
    const code = this.number();
    if (code === 0) return null;
    if (code < FIRST_LENGTH) {
      const word = WORDS[code - 1];
      if (word === undefined) throw new Undecodable('no such word');
      return word;
    }
    const start = this.#at;
    const end = start + code - FIRST_LENGTH;
    if (end > this.#bytes.length) throw new Undecodable('cut short');
    this.#at = end;
    return this.#bytes.toString('latin1', start, end);
  }
}

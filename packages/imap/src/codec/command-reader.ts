// Reads IMAP commands from octets in any chunking.
//
// Pull style: `push` octets, then call `next` until it answers undefined. Literals are bounded before anybody is
// told to send them; a refused non-synchronising literal is swallowed to its last octet and never read as commands.
// APPEND's message literal is not collected: it comes out as an `append` event, which the owner answers with
// `acceptLiteral` or `refuseLiteral`, and then as `data` events. Nothing throws on input.

import {
  ArgScanner,
  type LiteralStart,
  MAX_LITERAL_TEXT,
  parseLiteral,
  type ScanResult,
} from './arg-scanner.ts';
import type { Arg } from './arg.ts';
import { InputBuffer } from './input-buffer.ts';
import type { CodecLimits } from './limits.ts';

export type ReaderEvent =
  /** A whole command. `verb` is in upper case; for `UID FETCH` and its kin it holds both words. */
  | { readonly kind: 'command'; readonly tag: string; readonly verb: string; readonly args: readonly Arg[] }
  /** Answer BAD. What remained of the command is or will be swallowed. `tag` is `*` where it could not be read. */
  | { readonly kind: 'invalid'; readonly tag: string; readonly verb: string; readonly text: string }
  /** Answer BYE and close: the input cannot be followed any further. */
  | { readonly kind: 'fatal'; readonly text: string }
  /** Write a continuation request: the client waits before it sends a literal. */
  | { readonly kind: 'continue' }
  /** A literal that will be streamed; `args` are those before it. `acceptLiteral` or `refuseLiteral` is due. */
  | {
      readonly kind: 'append';
      readonly tag: string;
      readonly verb: string;
      readonly args: readonly Arg[];
      /** The items so far of the list the literal stands in: CATENATE (RFC 4469), UTF8 (RFC 6855). */
      readonly list?: readonly Arg[];
      readonly literal: LiteralStart;
    }
  /** Octets of an accepted literal. After the last the command goes on: a `command` event with what follows. */
  | { readonly kind: 'data'; readonly bytes: Buffer; readonly last: boolean }
  /** A line asked for with `expectLine`. */
  | { readonly kind: 'line'; readonly line: Buffer };

type Phase =
  | { readonly kind: 'command' }
  | { readonly kind: 'collect'; readonly size: number }
  | { readonly kind: 'decide'; readonly literal: LiteralStart }
  | { readonly kind: 'stream'; left: number }
  /** Octets to drop, then the rest of a line that may announce more of them. */
  | { readonly kind: 'swallow'; left: number }
  | { readonly kind: 'rawLine' }
  | { readonly kind: 'dead' };

interface Open {
  readonly tag: string;
  readonly verb: string;
  scanner: ArgScanner;
  /** Octets taken so far by lines and collected literals. */
  octets: number;
  /** A literal of this command was streamed already. */
  streamed: boolean;
}

const COMMAND: Phase = { kind: 'command' };
const WITH_UID_PREFIX = 'UID';

export class CommandReader {
  readonly #limits: CodecLimits;
  readonly #input = new InputBuffer();
  #phase: Phase = COMMAND;
  #open: Open | undefined;
  /** The last octets of a line that became too long; its end may announce a literal. */
  #overlong: Buffer | undefined;

  constructor(limits: CodecLimits) {
    this.#limits = limits;
  }

  push(chunk: Uint8Array): void {
    this.#input.push(chunk);
  }

  /** Octets waiting to be read. */
  get buffered(): number {
    return this.#input.length;
  }

  /** Whether a command has begun and not yet ended. */
  get midCommand(): boolean {
    return this.#open !== undefined || this.#phase.kind !== 'command';
  }

  /** The next line comes as it is: IDLE's DONE, an answer in a SASL exchange. */
  expectLine(): void {
    this.#phase = { kind: 'rawLine' };
  }

  /** Undoes `expectLine`. */
  expectCommand(): void {
    if (this.#phase.kind === 'rawLine') this.#phase = COMMAND;
  }

  acceptLiteral(): void {
    if (this.#phase.kind !== 'decide') return;
    this.#phase = { kind: 'stream', left: this.#phase.literal.size };
  }

  /** The command is over as far as its owner is concerned; octets that come regardless are swallowed. */
  refuseLiteral(): void {
    if (this.#phase.kind !== 'decide') return;
    const { literal } = this.#phase;
    this.#open = undefined;
    this.#phase = literal.synchronising ? COMMAND : { kind: 'swallow', left: literal.size };
  }

  /** Goes on with an accepted literal, but nobody wants it any more: no further event of this command follows. */
  abandonLiteral(): void {
    if (this.#phase.kind === 'stream') this.#phase = { kind: 'swallow', left: this.#phase.left };
    else this.#phase = { kind: 'swallow', left: 0 };
    this.#open = undefined;
  }

  /** Everything not yet read; for handing the connection on. */
  takeRest(): Buffer {
    return this.#input.take(this.#input.length);
  }

  /** Forgets everything (RFC 3501 §6.2.1: what came before TLS counts for nothing after it). */
  discard(): void {
    this.#input.clear();
    this.#phase = COMMAND;
    this.#open = undefined;
    this.#overlong = undefined;
  }

  next(): ReaderEvent | undefined {
    for (;;) {
      const before = this.#phase;
      const event = this.#step();
      if (event !== undefined) return event;
      if (this.#phase === before) return undefined;
    }
  }

  #step(): ReaderEvent | undefined {
    const phase = this.#phase;
    switch (phase.kind) {
      case 'command':
        return this.#readLine();
      case 'collect':
        return this.#collect(phase.size);
      case 'stream':
        return this.#stream(phase);
      case 'swallow':
        return this.#swallow(phase);
      case 'rawLine':
        return this.#readRawLine();
      case 'decide':
      case 'dead':
        return undefined;
      default:
        return phase satisfies never;
    }
  }

  #readLine(): ReaderEvent | undefined {
    const line = this.#takeBoundedLine(this.#limits.maxCommand - (this.#open?.octets ?? 0));
    if (line === undefined) return undefined;
    if (line.kind === 'tooLong') return this.#reject(line.tail, 'Too long argument');
    if (this.#open === undefined) return this.#begin(line.bytes);
    this.#open.octets += line.bytes.length;
    return this.#scan(this.#open, { line: line.bytes, from: 0 });
  }

  /** tag SP command [SP arguments]. */
  #begin(line: Buffer): ReaderEvent | undefined {
    const tagEnd = wordEnd(line, 0);
    const tag = line.toString('latin1', 0, tagEnd);
    if (!isTag(tag)) return this.#reject(line, 'Invalid tag');
    let verbEnd = wordEnd(line, tagEnd + 1);
    let verb = line.toString('latin1', tagEnd + 1, verbEnd).toUpperCase();
    if (verb === WITH_UID_PREFIX && verbEnd < line.length) {
      const end = wordEnd(line, verbEnd + 1);
      verb = `UID ${line.toString('latin1', verbEnd + 1, end).toUpperCase()}`;
      verbEnd = end;
    }
    const open: Open = {
      tag,
      verb,
      scanner: new ArgScanner(this.#limits),
      octets: line.length,
      streamed: false,
    };
    this.#open = open;
    if (!isVerb(verb)) return this.#reject(line, 'Invalid command name');
    return this.#scan(open, { line, from: Math.min(verbEnd + 1, line.length) });
  }

  #scan(open: Open, input: { readonly line: Buffer; readonly from: number }): ReaderEvent | undefined {
    const result: ScanResult = open.scanner.scan(input.line, input.from);
    if (result.kind === 'error') return this.#reject(input.line, result.text);
    if (result.kind === 'end') {
      this.#open = undefined;
      return { kind: 'command', tag: open.tag, verb: open.verb, args: open.scanner.args };
    }
    const { literal } = result;
    if (isStreamed(open)) {
      const { args, openList: list } = open.scanner;
      this.#phase = { kind: 'decide', literal };
      const event = { kind: 'append', tag: open.tag, verb: open.verb, args, literal } as const;
      return list === undefined ? event : { ...event, list };
    }
    const room = Math.min(this.#limits.maxLiteral, this.#limits.maxCommand - open.octets);
    if (literal.size > room) return this.#reject(input.line, 'Literal size too large');
    open.octets += literal.size;
    this.#phase = { kind: 'collect', size: literal.size };
    return literal.synchronising ? { kind: 'continue' } : undefined;
  }

  #collect(size: number): ReaderEvent | undefined {
    if (this.#input.length < size) return undefined;
    const bytes = this.#input.take(size);
    this.#phase = COMMAND;
    const failed = this.#open?.scanner.addLiteral(bytes);
    if (failed?.kind !== 'error') return undefined;
    const event = this.#invalid(failed.text);
    this.#phase = { kind: 'swallow', left: 0 };
    return event;
  }

  #stream(phase: { left: number }): ReaderEvent | undefined {
    if (phase.left > 0 && this.#input.length === 0) return undefined;
    const bytes = this.#input.take(phase.left);
    phase.left -= bytes.length;
    if (phase.left === 0) {
      this.#phase = COMMAND;
      if (this.#open !== undefined) {
        this.#open.scanner = new ArgScanner(this.#limits, this.#open.scanner.depth > 0);
        this.#open.octets = 0;
        this.#open.streamed = true;
      }
    }
    return { kind: 'data', bytes, last: phase.left === 0 };
  }

  #swallow(phase: { left: number }): ReaderEvent | undefined {
    if (phase.left > 0) {
      phase.left -= this.#input.take(phase.left).length;
      if (phase.left > 0) return undefined;
    }
    const line = this.#takeBoundedLine(this.#limits.maxCommand);
    if (line === undefined) return undefined;
    return this.#afterRefusal(line.kind === 'tooLong' ? line.tail : line.bytes);
  }

  #readRawLine(): ReaderEvent | undefined {
    const line = this.#takeBoundedLine(this.#limits.maxCommand);
    if (line === undefined) return undefined;
    this.#phase = COMMAND;
    if (line.kind === 'tooLong') return { kind: 'invalid', tag: '*', verb: '', text: 'Too long argument' };
    return { kind: 'line', line: line.bytes };
  }

  /** Gives the refusal, and makes sure that a literal announced at the end of `line` is not read as commands. */
  #reject(line: Buffer, text: string): ReaderEvent {
    const event = this.#invalid(text);
    return this.#afterRefusal(line) ?? event;
  }

  #afterRefusal(line: Buffer): ReaderEvent | undefined {
    const announced = trailingLiteral(line);
    this.#phase = COMMAND;
    if (announced === 'unreadable') {
      this.#phase = { kind: 'dead' };
      return { kind: 'fatal', text: 'Invalid literal size' };
    }
    // Nobody is told to go on, so the octets of a synchronising literal never come.
    if (announced !== undefined && !announced.synchronising) {
      this.#phase = { kind: 'swallow', left: announced.size };
    }
    return undefined;
  }

  #invalid(text: string): ReaderEvent {
    const open = this.#open;
    this.#open = undefined;
    return { kind: 'invalid', tag: open?.tag ?? '*', verb: open?.verb ?? '', text };
  }

  #takeBoundedLine(
    room: number,
  ):
    | { readonly kind: 'line'; readonly bytes: Buffer }
    | { readonly kind: 'tooLong'; readonly tail: Buffer }
    | undefined {
    const bytes = this.#input.takeLine();
    if (bytes === undefined) {
      // One octet more than the room, for the CR of the line's end.
      if (this.#input.length > room + 1 || this.#overlong !== undefined) this.#dropOverlong();
      return undefined;
    }
    if (this.#overlong !== undefined) {
      const tail = Buffer.concat([this.#overlong, bytes.subarray(-MAX_LITERAL_TEXT)]);
      this.#overlong = undefined;
      return { kind: 'tooLong', tail: stripCr(tail) };
    }
    if (bytes.length > room) {
      this.#rememberTag(bytes.subarray(0, TAG_AND_VERB));
      return { kind: 'tooLong', tail: bytes.subarray(-MAX_LITERAL_TEXT) };
    }
    return { kind: 'line', bytes };
  }

  #dropOverlong(): void {
    if (this.#overlong === undefined) this.#rememberTag(this.#input.peek(TAG_AND_VERB));
    const dropped = this.#input.take(this.#input.length);
    const kept =
      this.#overlong === undefined ? dropped : Buffer.concat([this.#overlong, dropped.subarray(-64)]);
    this.#overlong = Buffer.from(kept.subarray(-64));
  }

  /** So that the refusal of an over-long line carries its tag. */
  #rememberTag(head: Buffer): void {
    if (this.#open !== undefined || this.#phase.kind !== 'command') return;
    const end = wordEnd(head, 0);
    const tag = head.toString('latin1', 0, end);
    if (!isTag(tag)) return;
    const verb = head.toString('latin1', end + 1, wordEnd(head, end + 1)).toUpperCase();
    this.#open = {
      tag,
      verb: isVerb(verb) ? verb : '',
      scanner: new ArgScanner(this.#limits),
      octets: 0,
      streamed: false,
    };
  }
}

const CR = 0x0d;
/** Octets of an over-long line in which its tag and verb are looked for. */
const TAG_AND_VERB = 256;

/** Arguments before the first message: RFC 3501 §6.3.11, RFC 8508. Names among them may be literals, too. */
const STREAMING: ReadonlyMap<string, number> = new Map([
  ['APPEND', 1],
  ['REPLACE', 2],
  ['UID REPLACE', 2],
]);

/** Whether the literal that begins is a message, or a piece of one, and not a name. */
function isStreamed({ verb, scanner, streamed }: Open): boolean {
  const before = STREAMING.get(verb);
  if (before === undefined || scanner.depth > 1) return false;
  if (!streamed && scanner.args.length < before) return false;
  if (scanner.depth === 0) return true;
  // A list that goes on behind a literal; or one that begins here, and then is not a list of flags.
  const word = scanner.args.at(-1);
  const inside = scanner.openList?.at(-1);
  if (inside?.kind === 'atom' && /^text$/i.test(inside.text)) return true;
  return word?.kind === 'atom' && /^utf8$/i.test(word.text);
}

function stripCr(line: Buffer): Buffer {
  return line.at(-1) === CR ? line.subarray(0, -1) : line;
}

function wordEnd(line: Buffer, from: number): number {
  const end = line.indexOf(0x20, from);
  return end === -1 ? line.length : end;
}

/** RFC 3501: 1*<any ASTRING-CHAR except "+">, bounded; Dovecot takes more, we echo only what is harmless. */
function isTag(tag: string): boolean {
  return tag.length > 0 && tag.length <= 128 && /^[!#$&',\-./0-9:;<=>?@A-Z[\]^_`a-z|}~]+$/.test(tag);
}

function isVerb(verb: string): boolean {
  return /^(?:UID )?[A-Z][A-Z0-9.-]{0,31}$/.test(verb) && verb !== WITH_UID_PREFIX;
}

/**
 * The literal a client announces at the end of a line that nobody parsed to its end. Inside a quoted string the
 * same characters announce nothing to a conforming client, but there the line's end is a violation anyway.
 */
function trailingLiteral(line: Buffer): LiteralStart | 'unreadable' | undefined {
  if (line.at(-1) !== 0x7d) return undefined;
  const brace = line.lastIndexOf(0x7b);
  // More digits than are kept of an over-long line: somebody's literal all the same.
  if (brace === -1) return /\d\+\}$/.test(line.toString('latin1', -3)) ? 'unreadable' : undefined;
  const result = parseLiteral(line, brace);
  if (result?.kind === 'literal') return result.literal;
  return /^\{\d{1,64}\+\}$/.test(line.toString('latin1', brace)) || line.length - brace > 64
    ? 'unreadable'
    : undefined;
}

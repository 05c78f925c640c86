// Turns what a program wrote into CRLF lines below a `Received:` of ours, as it streams by. Pure; what the header lacks
// or says too shortly is the cleanup's work. Lines end in LF, CRLF or CR, as anybody wrote them; NULs go. POSTFIX: a
// mailbox's `From ` line before the header goes.

import { isHeaderLine } from './local-header-lines.ts';
import { type LocalHeaderFacts, formatLocalReceived } from './local-header.ts';

const LF = 0x0a;
const CR = 0x0d;
const CRLF = Buffer.from('\r\n');
/** A line of the header beyond this is passed on before its end is seen. */
const MAX_HELD = 8192;
const FROM_LINE = /^>*From /;
const RECEIVED = /^received[ \t]*:/i;

export class LocalMessage {
  readonly #facts: LocalHeaderFacts;
  #started = false;
  /** Nothing of the header was passed on yet. */
  #first = true;
  #inHeader = true;
  /** Within a line that was passed on before its end. */
  #midLine = false;
  #line: Buffer[] = [];
  #lineOctets = 0;
  #afterCr = false;
  received = 0;

  constructor(facts: LocalHeaderFacts) {
    this.#facts = facts;
  }

  push(chunk: Buffer, emit: (piece: Buffer) => void): void {
    this.#start(emit);
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const octet = chunk[at];
      if (this.#afterCr) {
        this.#afterCr = false;
        if (octet === LF) {
          start = at + 1;
          continue;
        }
      }
      if (octet === LF || octet === CR) {
        this.#keep(chunk.subarray(start, at));
        this.#endLine(emit);
        this.#afterCr = octet === CR;
        start = at + 1;
      } else if (octet === 0) {
        this.#keep(chunk.subarray(start, at));
        start = at + 1;
      }
    }
    // What stays here until the next chunk is a copy: the chunk is its owner's again.
    this.#keep(this.#inHeader ? Buffer.from(chunk.subarray(start)) : chunk.subarray(start));
    if (this.#lineOctets === 0) return;
    if (this.#inHeader && !this.#midLine) {
      if (this.#lineOctets <= MAX_HELD) return;
      this.#judge();
    }
    this.#midLine = true;
    this.#pass(emit);
  }

  finish(emit: (piece: Buffer) => void): void {
    this.#start(emit);
    if (this.#lineOctets > 0 || this.#midLine) this.#endLine(emit);
  }

  #start(emit: (piece: Buffer) => void): void {
    if (this.#started) return;
    this.#started = true;
    emit(Buffer.from(formatLocalReceived(this.#facts)));
  }

  #keep(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#line.push(piece);
    this.#lineOctets += piece.length;
  }

  #pass(emit: (piece: Buffer) => void): void {
    for (const piece of this.#line) emit(piece);
    this.#line = [];
    this.#lineOctets = 0;
  }

  #endLine(emit: (piece: Buffer) => void): void {
    if (this.#inHeader && !this.#midLine && this.#judge() === 'drop') {
      this.#line = [];
      this.#lineOctets = 0;
      return;
    }
    this.#midLine = false;
    this.#pass(emit);
    emit(CRLF);
  }

  /** What the line at hand is in the header. */
  #judge(): 'keep' | 'drop' {
    const line = Buffer.concat(this.#line).toString('latin1');
    if (this.#first && FROM_LINE.test(line)) return 'drop';
    if (!isHeaderLine(line, this.#first)) this.#inHeader = false;
    else if (RECEIVED.test(line)) this.received++;
    this.#first = false;
    return 'keep';
  }
}

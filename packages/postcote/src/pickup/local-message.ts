// Turns what a program wrote into a message of CRLF lines with a complete header, as it streams by. Pure.
// Lines end in LF, CRLF or CR, as anybody wrote them; NULs go. POSTFIX: a mailbox's `From ` line before the header goes.

import { isHeaderLine } from './local-header-lines.ts';
import { type LocalHeaderFacts, completeHeader, countReceived } from './local-header.ts';

const LF = 0x0a;
const CR = 0x0d;
const CRLF = Buffer.from('\r\n');
/** A header beyond this is taken to end here. */
const MAX_HEADER = 1024 * 1024;
const FROM_LINE = /^>*From /;

export class LocalMessage {
  readonly #facts: LocalHeaderFacts;
  #lines: string[] = [];
  #headerOctets = 0;
  #inHeader = true;
  #line: Buffer[] = [];
  #lineOctets = 0;
  #afterCr = false;
  received = 0;

  constructor(facts: LocalHeaderFacts) {
    this.#facts = facts;
  }

  push(chunk: Buffer, emit: (piece: Buffer) => void): void {
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
    if (this.#inHeader) {
      this.#keep(Buffer.from(chunk.subarray(start)));
      if (this.#headerOctets + this.#lineOctets > MAX_HEADER) this.#endHeader(emit, true);
    } else if (start < chunk.length) {
      // A line of the body need not be whole to be passed on.
      this.#keep(chunk.subarray(start));
      for (const piece of this.#line.splice(0)) emit(piece);
    }
  }

  finish(emit: (piece: Buffer) => void): void {
    if (this.#lineOctets > 0) this.#endLine(emit);
    if (this.#inHeader) this.#endHeader(emit, false);
  }

  #keep(piece: Buffer): void {
    if (piece.length === 0) return;
    this.#line.push(piece);
    this.#lineOctets += piece.length;
  }

  #endLine(emit: (piece: Buffer) => void): void {
    if (!this.#inHeader) {
      for (const piece of this.#line) emit(piece);
      emit(CRLF);
      this.#clearLine();
      return;
    }
    const line = Buffer.concat(this.#line).toString('latin1');
    const first = this.#lines.length === 0;
    if (first && FROM_LINE.test(line)) {
      this.#clearLine();
    } else if (isHeaderLine(line, first)) {
      this.#lines.push(line);
      this.#headerOctets += line.length;
      this.#clearLine();
    } else {
      const isText = line !== '';
      this.#endHeader(emit, false);
      if (isText) this.#endLine(emit);
      else this.#clearLine();
    }
  }

  #endHeader(emit: (piece: Buffer) => void, passLine: boolean): void {
    this.#inHeader = false;
    this.received = countReceived(this.#lines);
    emit(Buffer.from(completeHeader(this.#lines, this.#facts), 'latin1'));
    this.#lines = [];
    if (passLine) for (const piece of this.#line.splice(0)) emit(piece);
  }

  #clearLine(): void {
    this.#line = [];
    this.#lineOctets = 0;
  }
}

// Reads the data of a message as SMTP sends it (RFC 5321 §4.5.2) and gives it on as clean CRLF lines: dots
// un-stuffed, bare LF turned into CRLF, bare CR into a space, NUL dropped. Only CRLF.CRLF ends the data, however the
// octets are cut into chunks and whatever else looks like an end (LF.LF, LF.CRLF, CRLF.LF, CR.CR …: CVE-2023-51764).
//
// One pass, bounded memory: at most two octets are held back between chunks. Never throws. What was found on the way
// (`bareNewlines`, `bareReturns`, `nuls`, `longestLine`) is for the owner to judge.

const NUL = 0x00;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const DOT = 0x2e;

/** Runs this short are copied octet by octet: a call into native code costs more. */
const SHORT_RUN = 48;

// Where the reader stands. A line start is `strict` after CRLF and at the very beginning, `loose` after a bare LF:
// only a strict one may begin the end of data.
const MID = 0;
const START = 1;
const LOOSE_START = 2;
/** CR seen; its meaning hangs on the next octet. */
const AFTER_CR = 3;
/** `.` at a strict line start. */
const AFTER_DOT = 4;
/** `.` CR at a strict line start. */
const AFTER_DOT_CR = 5;

export interface DotReaderOptions {
  /** False for BDAT (RFC 3030): dots mean nothing and no octet ends the data. Default true. */
  readonly dotStuffed?: boolean;
}

export class DotReader {
  readonly #stuffed: boolean;
  #state = START;
  #lineLength = 0;
  #ended = false;
  #size = 0;
  bareNewlines = 0;
  bareReturns = 0;
  nuls = 0;
  longestLine = 0;

  constructor(options: DotReaderOptions = {}) {
    this.#stuffed = options.dotStuffed ?? true;
  }

  /** The end of data was seen. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Octets given on so far. */
  get size(): number {
    return this.#size;
  }

  /**
   * Takes octets up to the end of data. `emit` gets what is to be passed on, at most once, as a view of `chunk` or
   * a buffer of its own. Returns how many octets were taken: fewer than given only when the data ended in them.
   */
  push(chunk: Buffer, emit: (piece: Buffer) => void): number {
    if (this.#ended) return 0;
    const out = new Output(chunk);
    const taken = this.#scan(chunk, out);
    const piece = out.finish(taken);
    if (piece.length > 0) {
      this.#size += piece.length;
      emit(piece);
    }
    return taken;
  }

  /** Ends data that has no end of its own (BDAT LAST): completes what was held back and the last line. */
  finish(emit: (piece: Buffer) => void): void {
    if (this.#ended) return;
    this.#ended = true;
    let tail = '';
    if (this.#state === AFTER_CR) {
      this.bareReturns++;
      tail = ' \r\n';
    } else if (this.#state === MID) tail = '\r\n';
    if (tail === '') return;
    this.#size += tail.length;
    emit(Buffer.from(tail, 'latin1'));
  }

  /** Octets taken. Within a chunk the scan looks ahead; states other than MID and the starts arise at its end only. */
  #scan(chunk: Buffer, out: Output): number {
    const length = chunk.length;
    let lineStart = -this.#lineLength;
    let state = this.#state;
    let i = 0;
    while (i < length) {
      const octet = chunk[i] as number;
      if (state === MID) {
        if (octet > CR) {
          // The hot loop: everything above CR is text.
          do i++;
          while (i < length && (chunk[i] as number) > CR);
        } else if (octet === CR) {
          const next = i + 1 < length ? chunk[i + 1] : -1;
          if (next === LF) {
            this.#noteLine(i - lineStart);
            i += 2;
            lineStart = i;
            state = START;
          } else {
            out.skip(i, i + 1);
            i++;
            if (next === -1) state = AFTER_CR;
            else this.#bareReturn(out);
          }
        } else if (octet === LF) {
          this.#noteLine(i - lineStart);
          this.bareNewlines++;
          out.skip(i, i + 1);
          out.append(CR);
          out.append(LF);
          i++;
          lineStart = i;
          state = LOOSE_START;
        } else {
          if (octet === NUL) {
            this.nuls++;
            out.skip(i, i + 1);
          }
          i++;
        }
      } else if (state === START || state === LOOSE_START) {
        if (octet === DOT && this.#stuffed) {
          // A dot that begins a line was put there by the sender, in a line after a bare LF too (POSTFIX: same).
          out.skip(i, i + 1);
          i++;
          state = state === START ? AFTER_DOT : MID;
        } else state = MID;
      } else if (state === AFTER_DOT) {
        if (octet === CR) {
          out.skip(i, i + 1);
          i++;
          state = AFTER_DOT_CR;
        } else state = MID;
      } else if (octet !== LF) {
        // AFTER_CR or AFTER_DOT_CR
        this.#bareReturn(out);
        state = MID;
      } else if (state === AFTER_DOT_CR) {
        out.skip(i, i + 1);
        this.#ended = true;
        return i + 1;
      } else {
        out.skip(i, i + 1);
        out.append(CR);
        out.append(LF);
        this.#noteLine(i - 1 - lineStart);
        i++;
        lineStart = i;
        state = START;
      }
    }
    this.#state = state;
    this.#lineLength = length - lineStart;
    return length;
  }

  #noteLine(length: number): void {
    if (length > this.longestLine) this.longestLine = length;
  }

  #bareReturn(out: Output): void {
    this.bareReturns++;
    out.append(SPACE);
  }
}

/** What is kept of a chunk: a view of it as long as the kept octets are one run, a copy from the first change on. */
class Output {
  readonly #source: Buffer;
  /** Start of the kept run that was not put away yet. */
  #runStart = 0;
  #viewStart = 0;
  #viewEnd = 0;
  #copy: Buffer | undefined;
  #length = 0;

  constructor(source: Buffer) {
    this.#source = source;
  }

  /** Octets from `at` to before `next` are not kept. */
  skip(at: number, next: number): void {
    this.#putAway(at);
    this.#runStart = next;
  }

  /** Puts in an octet that was not there. Only right after `skip`, or before anything was kept. */
  append(octet: number): void {
    const copy = this.#materialise();
    copy[this.#length++] = octet;
  }

  finish(end: number): Buffer {
    this.#putAway(end);
    if (this.#copy !== undefined) return this.#copy.subarray(0, this.#length);
    return this.#source.subarray(this.#viewStart, this.#viewEnd);
  }

  #putAway(end: number): void {
    const start = this.#runStart;
    const length = end - start;
    if (length <= 0) return;
    if (this.#copy === undefined && this.#viewEnd === this.#viewStart) {
      this.#viewStart = start;
      this.#viewEnd = end;
      return;
    }
    const copy = this.#materialise();
    if (length > SHORT_RUN) copy.set(this.#source.subarray(start, end), this.#length);
    else for (let i = 0; i < length; i++) copy[this.#length + i] = this.#source[start + i] as number;
    this.#length += length;
  }

  #materialise(): Buffer {
    if (this.#copy !== undefined) return this.#copy;
    // At worst every octet was a bare LF; a held-back CR may come from the chunk before.
    const copy = Buffer.allocUnsafe(2 * this.#source.length + 2);
    copy.set(this.#source.subarray(this.#viewStart, this.#viewEnd), 0);
    this.#length = this.#viewEnd - this.#viewStart;
    this.#copy = copy;
    return copy;
  }
}

// Lines on their way to the log: those of the same few milliseconds go out in one write, since every write is a
// trip over another thread. Never more at once than is written in one piece, so lines of several processes do not
// mix.

/** Milliseconds a line may wait: nobody reads that fast. */
const HOLD = 10;
/** PIPE_BUF: what a pipe takes in one piece. */
export const PIPE_PIECE = 4096;
/** A file that is appended to takes any write in one piece. */
export const FILE_PIECE = 64 * 1024;

export class LineBatch {
  readonly #out: (lines: string) => void;
  readonly #piece: number;
  #lines = '';
  #octets = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(out: (lines: string) => void, piece = PIPE_PIECE) {
    this.#out = out;
    this.#piece = piece;
  }

  write(line: string): void {
    const octets = Buffer.byteLength(line);
    if (this.#octets + octets > this.#piece) this.flush();
    this.#lines += line;
    this.#octets += octets;
    this.#timer ??= setTimeout(() => this.flush(), HOLD);
  }

  /** Hands out what waits; call before the process ends. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#lines === '') return;
    const lines = this.#lines;
    this.#lines = '';
    this.#octets = 0;
    this.#out(lines);
  }
}

// Lines on their way to the log: those of the same few milliseconds go out in one write, since every write is a
// trip over another thread. Never more at once than a pipe takes in one piece, so lines of several processes do
// not mix.

/** Milliseconds a line may wait: nobody reads that fast. */
const HOLD = 10;
/** PIPE_BUF. */
const MAX_BATCH = 4096;

export class LineBatch {
  readonly #out: (lines: string) => void;
  #lines = '';
  #octets = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(out: (lines: string) => void) {
    this.#out = out;
  }

  write(line: string): void {
    const octets = Buffer.byteLength(line);
    if (this.#octets + octets > MAX_BATCH) this.flush();
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

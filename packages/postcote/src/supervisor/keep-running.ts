// Starts a child and starts it again when it ends unasked: at once the first time, then with growing pauses, so
// that a fault that returns at every start does not turn into a loop. There is no last try.

export interface KeptProcess {
  readonly over: boolean;
  kill(signal: NodeJS.Signals): void;
  ended(): Promise<void>;
}

const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 30_000;
/** Having run this long, a process counts as healthy again. */
const HEALTHY_AFTER = 60_000;

export class KeepRunning<P extends KeptProcess> {
  readonly #start: (onExit: (reason: string) => void) => P;
  readonly #report: (reason: string, pause: number) => void;
  #current: P | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pause = 0;
  #stopping = false;

  constructor(
    start: (onExit: (reason: string) => void) => P,
    report: (reason: string, pause: number) => void,
  ) {
    this.#start = start;
    this.#report = report;
    this.#launch();
  }

  get current(): P | undefined {
    return this.#current?.over === false ? this.#current : undefined;
  }

  /** No restart from here on; ends what runs with `signal` (SIGKILL after `patience` milliseconds). */
  async stop(signal: NodeJS.Signals, patience: number): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#timer);
    const child = this.#current;
    if (child === undefined || child.over) return;
    child.kill(signal);
    const kill = setTimeout(() => child.kill('SIGKILL'), patience);
    await child.ended();
    clearTimeout(kill);
  }

  /** Lets what runs end by itself, without another start. */
  letGo(): void {
    this.#stopping = true;
    clearTimeout(this.#timer);
  }

  #launch(): void {
    const started = performance.now();
    this.#current = this.#start((reason) => {
      if (this.#stopping) return;
      const healthy = performance.now() - started > HEALTHY_AFTER;
      this.#pause = healthy || this.#pause === 0 ? FIRST_PAUSE : Math.min(this.#pause * 2, LONGEST_PAUSE);
      this.#report(reason, this.#pause);
      this.#timer = setTimeout(() => this.#launch(), this.#pause);
    });
  }
}

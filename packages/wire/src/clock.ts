// Time, as sessions use it. The real one is `systemClock` in `./edge`; tests turn the hands themselves.

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Runs `callback` once after so many milliseconds; the answer cancels it. Keeps no process alive. */
  after(ms: number, callback: () => void): () => void;
  /** Settles in a later turn of the event loop, after others had theirs. */
  turn(): Promise<void>;
}

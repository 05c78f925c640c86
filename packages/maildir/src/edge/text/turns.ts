// Slices of a long job: whoever waits for the event loop waits for no longer than one.

import { yieldTurn } from '../disk.ts';

const SLICE_MS = 8;

export class Turns {
  #begun = performance.now();

  get isOver(): boolean {
    return performance.now() - this.#begun > SLICE_MS;
  }

  async next(): Promise<void> {
    await yieldTurn();
    this.#begun = performance.now();
  }
}

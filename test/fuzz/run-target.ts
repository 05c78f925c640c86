// Runs one target on its corpus and on what is made of it, until the time or the count is up.

import fs from 'node:fs';
import path from 'node:path';
import { makeInput, Random } from './mutate.ts';
import type { Target } from './targets.ts';

const CORPUS = path.join(import.meta.dirname, 'corpus');
/** Milliseconds that one input of at most 256 KiB may take, on a slow and busy machine. */
const MAX_TIME = 4_000;

export interface FuzzReport {
  readonly runs: number;
  readonly slowest: number;
  /** The first input that something did not hold for. */
  readonly failure?: { readonly input: Buffer; readonly error: unknown; readonly from: string };
}

export function readCorpus(name: string): { readonly file: string; readonly input: Buffer }[] {
  const folder = path.join(CORPUS, name);
  return fs
    .readdirSync(folder)
    .toSorted()
    .map((file) => ({ file, input: fs.readFileSync(path.join(folder, file)) }));
}

export function keepInCorpus(name: string, input: Buffer, file: string): string {
  const place = path.join(CORPUS, name, file);
  fs.writeFileSync(place, input);
  return place;
}

export function runTarget(
  target: Target,
  limits: { readonly seed: number; readonly runs: number; readonly milliseconds: number },
): FuzzReport {
  const corpus = readCorpus(target.name);
  const random = new Random(limits.seed);
  const material = { inputs: corpus.map(({ input }) => input), words: target.words };
  const end = performance.now() + limits.milliseconds;
  let slowest = 0;
  let runs = 0;
  const attempt = (input: Buffer, from: string): FuzzReport['failure'] => {
    const begun = performance.now();
    try {
      target.run(input, random);
    } catch (error) {
      return { input, error, from };
    }
    const took = performance.now() - begun;
    slowest = Math.max(slowest, took);
    runs++;
    return took > MAX_TIME ? { input, error: new Error(`took ${took.toFixed(0)} ms`), from } : undefined;
  };
  for (const { file, input } of corpus) {
    const failure = attempt(input, file);
    if (failure !== undefined) return { runs, slowest, failure };
  }
  for (let i = 0; i < limits.runs && performance.now() < end; i++) {
    const failure = attempt(makeInput(material, random), `seed ${limits.seed}, run ${i}`);
    if (failure !== undefined) return { runs, slowest, failure };
  }
  return { runs, slowest };
}

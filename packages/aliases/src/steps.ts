// How an expansion explains itself: one step for each thing that was looked up or decided, in order.

import type { Origin } from './ports.ts';

export interface ExpansionStep {
  /** Which part of the way: `virtual`, `alias`, `class`, `user`, `forward`… */
  readonly stage:
    | 'rewrite'
    | 'virtual'
    | 'class'
    | 'alias'
    | 'owner'
    | 'user'
    | 'resubmit'
    | 'limit'
    | 'table';
  readonly address: string;
  readonly table?: string;
  readonly key?: string;
  readonly origin?: Origin;
  /** What came of it, for a person: `bob, carol@example.net`. */
  readonly result: string;
}

/** A step as one line: `virtual a@example.com: hash:/etc/postfix/virtual, key a@example.com (…:3): bob`. */
export function formatStep(step: ExpansionStep): string {
  const where = step.origin === undefined ? '' : ` (${step.origin.file}:${step.origin.line})`;
  const table = step.table === undefined ? '' : ` ${step.table}`;
  const key = step.key === undefined ? '' : ` key ${step.key}`;
  const found = table === '' && key === '' ? '' : `${table}${key}${where}:`;
  return `${step.stage} ${step.address}:${found} ${step.result}`;
}

/** Steps that are kept of one expansion; a list of thousands needs no more to be understood. */
const MAX_STEPS = 2000;

export class StepLog {
  readonly steps: ExpansionStep[] = [];

  add(step: ExpansionStep): void {
    if (this.steps.length < MAX_STEPS) this.steps.push(step);
  }
}

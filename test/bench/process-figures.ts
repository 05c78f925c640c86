// Memory and processor time of a set of processes, from /proc.

import fs from 'node:fs';

/** Proportional set size in KiB: shared pages count once over all who share them. */
export function readPss(pids: readonly number[]): number {
  let total = 0;
  for (const pid of pids) {
    try {
      const text = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
      total += Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0);
    } catch {
      // It has ended.
    }
  }
  return total;
}

const TICKS_PER_SECOND = 100;

/** Seconds of processor time, with that of children that have ended. */
export function readCpu(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    try {
      const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      // utime, stime, cutime, cstime are fields 14 to 17 of proc(5); the slice begins with the third.
      for (const field of fields.slice(11, 15)) ticks += Number(field);
    } catch {
      // It has ended; its parent has counted it.
    }
  }
  return ticks / TICKS_PER_SECOND;
}

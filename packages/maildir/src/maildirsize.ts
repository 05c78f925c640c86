// The file `maildirsize` of Maildir++: a line with the limits it was made for, then sums and changes. Pure.
//
//   1000000S,500C           the limits: octets, messages
//   531 2                   octets and messages; the sum of all lines is what is used
//   -265 -1

import type { QuotaSum } from './quota-rules.ts';

/** Longer files are made anew. */
export const MAILDIRSIZE_LIMIT = 5120;
/** A sum beyond the limit counts only from a file of one line, or one that is younger than this. */
export const MAILDIRSIZE_STALE_MS = 15 * 60_000;

export interface MaildirsizeFile {
  readonly limits: QuotaSum;
  readonly used: QuotaSum;
  /** Lines after the first. */
  readonly lines: number;
}

/** Undefined for what has to be made anew: damage, a sum below nothing, a line without its end, too long a file. */
export function parseMaildirsize(text: string): MaildirsizeFile | undefined {
  if (text.length >= MAILDIRSIZE_LIMIT || !text.endsWith('\n')) return undefined;
  const [head = '', ...rows] = text.slice(0, -1).split('\n');
  const limits = parseLimits(head);
  if (limits === undefined || rows.length === 0) return undefined;
  let octets = 0;
  let messages = 0;
  for (const row of rows) {
    const match = /^\s*(-?\d{1,15})\s+(-?\d{1,15})\s*$/.exec(row);
    if (match === null) return undefined;
    octets += Number(match[1]);
    messages += Number(match[2]);
  }
  return octets < 0 || messages < 0 ? undefined : { limits, used: { octets, messages }, lines: rows.length };
}

function parseLimits(head: string): QuotaSum | undefined {
  let octets = 0;
  let messages = 0;
  for (const part of head.split(',')) {
    const match = /^(\d{1,15})([SC])$/.exec(part.trim());
    if (match === null) return undefined;
    if (match[2] === 'S') octets = Number(match[1]);
    else messages = Number(match[1]);
  }
  return { octets, messages };
}

export function formatMaildirsize(limits: QuotaSum, used: QuotaSum): string {
  const head = [
    ...(limits.octets > 0 ? [`${limits.octets}S`] : []),
    ...(limits.messages > 0 ? [`${limits.messages}C`] : []),
  ];
  return `${head.join(',')}\n${formatMaildirsizeChange(used)}`;
}

export function formatMaildirsizeChange(change: QuotaSum): string {
  return `${change.octets} ${change.messages}\n`;
}

// The words of Dovecot's log lines: fail2ban and people's scripts read them.

import type { PopHandOff } from './ports.ts';

export interface Where {
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly sessionId: string;
  readonly tls: boolean;
  readonly secured: boolean;
}

/** `rip=…, lip=…, [mpid=…,] TLS, session=<…>` */
export function formatWhere(where: Where, workerPid?: number): string {
  const words = [`rip=${where.remoteAddress}`, `lip=${where.localAddress}`];
  if (workerPid !== undefined) words.push(`mpid=${workerPid}`);
  if (where.tls) words.push('TLS');
  else if (where.secured) words.push('secured');
  words.push(`session=<${where.sessionId}>`);
  return words.join(', ');
}

/** What was transferred and deleted in a session. */
export interface Totals {
  topCount: number;
  topOctets: number;
  retrCount: number;
  retrOctets: number;
  deleted: number;
  messages: number;
  octets: number;
}

export function formatTotals(t: Totals): string {
  return `top=${t.topCount}/${t.topOctets}, retr=${t.retrCount}/${t.retrOctets}, del=${t.deleted}/${t.messages}, size=${t.octets}`;
}

/** `pop3(user)<pid><session>`: what every line of a session after login begins with. */
export function formatPrefix(user: string, pid: number | undefined, handOff: PopHandOff): string {
  return `pop3(${user})${pid === undefined ? '' : `<${pid}>`}<${handOff.sessionId}>`;
}

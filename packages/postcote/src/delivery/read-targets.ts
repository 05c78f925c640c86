// What a worker says a .forward file or list names, before the front goes by it. Throws on what no worker of ours says.

import type { ForwardTarget } from '../local/forward-file.ts';

const LINE_BREAK = /[\0\r\n]/g;

export function readForwardTargets(value: unknown): ForwardTarget[] {
  if (!Array.isArray(value)) throw new Error('malformed targets from the worker');
  return value.map(readTarget);
}

function readTarget(value: unknown): ForwardTarget {
  if (typeof value !== 'object' || value === null) throw new Error('malformed target from the worker');
  const { kind, target, name, mailbox, dsn, text } = value as Record<string, unknown>;
  switch (kind) {
    case 'command':
    case 'file':
      return { kind, target: line(target) };
    case 'user':
      return { kind, name: line(name) };
    case 'failed':
      return { kind, target: line(target), dsn: line(dsn), text: line(text) };
    case 'address': {
      const { local, domain } = mailbox as Record<string, unknown>;
      const box = { local: line(local), ...(domain === undefined ? {} : { domain: line(domain) }) };
      return { kind, mailbox: box };
    }
    default:
      throw new Error('malformed target from the worker');
  }
}

/** Of one line. */
function line(value: unknown): string {
  if (typeof value !== 'string') throw new Error('malformed target from the worker');
  return value.replaceAll(LINE_BREAK, '?');
}

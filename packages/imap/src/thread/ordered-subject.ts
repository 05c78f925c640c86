// THREAD=ORDEREDSUBJECT (RFC 5256 §4): messages of one base subject are a thread, the first by date above the others.

import { compareKeys } from '../sort/collation.ts';
import { sortInSlices } from '../sort/sort-in-slices.ts';
import type { ThreadedMessage, ThreadNode } from './threads.ts';

export async function threadBySubject(
  messages: readonly ThreadedMessage[],
  breathe: () => Promise<void> | undefined,
): Promise<ThreadNode[]> {
  const sorted = await sortInSlices(
    messages,
    (a, b) => compareKeys(a.subject, b.subject) || a.time - b.time || a.number - b.number,
    breathe,
  );
  const threads: {
    readonly first: ThreadedMessage;
    readonly node: { number: number; children: ThreadNode[] };
  }[] = [];
  let subject: string | undefined;
  for (const message of sorted) {
    await breathe();
    const last = threads.at(-1);
    if (last !== undefined && message.subject === subject) {
      last.node.children.push({ number: message.number, children: [] });
    } else {
      threads.push({ first: message, node: { number: message.number, children: [] } });
      subject = message.subject;
    }
  }
  const ordered = await sortInSlices(
    threads,
    (a, b) => a.first.time - b.first.time || a.first.number - b.first.number,
    breathe,
  );
  return ordered.map(({ node }) => node);
}

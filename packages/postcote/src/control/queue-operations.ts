// The queue's side of the requests: what a command asked, as answer values one after another.

import type { Destination } from '@postcote/queue';
import type { QueueContentSource } from './ports.ts';
import type { ControlAnswer, ControlRequest, ListedRecipient, QueueAction } from './protocol.ts';

/** Messages acted upon together: they share a commit, and nobody who sends mail meanwhile waits longer than for one. */
const TOGETHER = 500;
/** Messages taken in anew at the same time. */
const REQUEUED_TOGETHER = 128;
/** What fits into a frame with room to spare, once base64 and quoting have had their part. */
const OCTETS = 24 * 1024;
const RECIPIENTS_OCTETS = 16 * 1024;
const MAX_REASON = 1000;

type Of<Op extends ControlRequest['op']> = Extract<ControlRequest, { op: Op }>;
type Answers = AsyncGenerator<ControlAnswer, void, undefined>;

export async function* listQueue(queue: QueueContentSource): Answers {
  for await (const entry of queue.list()) {
    const { queueId, status, sender, size, arrivedAt } = entry;
    yield { type: 'message', id: queueId, queue: status, sender, size, arrivedAt };
    for (const recipients of inFrames(
      entry.recipients.map(({ address, reason }) => ({
        address,
        ...(reason === undefined ? {} : { reason: reason.slice(0, MAX_REASON) }),
      })),
    ))
      yield { type: 'recipients', recipients };
  }
}

export async function* act(queue: QueueContentSource, request: Of<'act'>): Answers {
  const ids = await choose(queue, request);
  const { action } = request;
  const size = action === 'requeue' ? REQUEUED_TOGETHER : TOGETHER;
  for (let start = 0; start < ids.length; start += size) {
    const part = ids.slice(start, start + size);
    if (action === 'requeue') yield* await Promise.all(part.map((id) => requeue(queue, id)));
    else yield* await actOn(queue, action, part);
  }
}

/** All ids before anything is done: a requeued message would be met again under its new one. */
async function choose(queue: QueueContentSource, { ids, queues }: Of<'act'>): Promise<readonly string[]> {
  if (ids !== 'ALL' && queues === undefined) return ids;
  const chosen: string[] = [];
  if (ids !== 'ALL') {
    for (const id of ids) {
      const status = (await queue.show(id))?.status;
      if (status !== undefined && queues?.includes(status) === true) chosen.push(id);
    }
    return chosen;
  }
  for await (const { queueId, status } of queue.list()) {
    if (queues === undefined || queues.includes(status)) chosen.push(queueId);
  }
  return chosen;
}

async function requeue(queue: QueueContentSource, id: string): Promise<ControlAnswer> {
  try {
    const again = await queue.requeue(id);
    return again === undefined ? missing(id) : { type: 'done', id };
  } catch (error) {
    return { type: 'failed', id, reason: error instanceof Error ? error.message : String(error) };
  }
}

async function actOn(
  queue: QueueContentSource,
  action: Exclude<QueueAction, 'requeue'>,
  ids: readonly string[],
): Promise<ControlAnswer[]> {
  try {
    const found = new Set(await carryOut(queue, action, ids));
    return ids.map((id): ControlAnswer => (found.has(id) ? { type: 'done', id } : missing(id)));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return ids.map((id) => ({ type: 'failed', id, reason }));
  }
}

const missing = (id: string): ControlAnswer => ({ type: 'failed', id, reason: 'no such message' });

function carryOut(
  queue: QueueContentSource,
  action: Exclude<QueueAction, 'requeue'>,
  ids: readonly string[],
): Promise<string[]> {
  switch (action) {
    case 'hold':
      return queue.holdAll(ids);
    case 'release':
      return queue.releaseAll(ids);
    case 'delete':
      return queue.removeAll(ids);
  }
}

/** POSTFIX: `postqueue -s`: what waits for a site. */
export async function* flushSite(queue: QueueContentSource, { site }: Of<'flushSite'>): Answers {
  const wanted = site.toLowerCase();
  const destinations = new Map<string, Destination>();
  let ids: string[] = [];
  const flush = async (): Promise<ControlAnswer[]> => {
    const found = await queue.flushAll(ids, [...destinations.values()]);
    ids = [];
    destinations.clear();
    return found.map((id) => ({ type: 'done', id }));
  };
  for await (const entry of queue.list()) {
    const waits = entry.recipients.some(
      ({ address, destination }) =>
        address.toLowerCase().endsWith(`@${wanted}`) || destination.nexthop.toLowerCase() === wanted,
    );
    if (!waits || entry.status !== 'deferred') continue;
    ids.push(entry.queueId);
    for (const { destination } of entry.recipients)
      destinations.set(`${destination.transport}:${destination.nexthop}`, destination);
    if (ids.length === TOGETHER) yield* await flush();
  }
  if (ids.length > 0) yield* await flush();
}

export async function* show(queue: QueueContentSource, { id }: Of<'show'>): Answers {
  const message = await queue.show(id);
  if (message === undefined) {
    yield { type: 'failed', id, reason: 'No such file or directory' };
    return;
  }
  const { status, envelope, size, arrivedAt } = message;
  const recipients = message.recipients.map(({ address, original }) => ({ address, original }));
  const head = { id, queue: status, sender: envelope.sender, size, arrivedAt };
  const [first = [], ...rest] = inFrames(recipients);
  yield { type: 'envelope', ...head, recipients: first };
  for (const part of rest) yield { type: 'envelope', ...head, recipients: part };
  const body = await message.open();
  if (body.kind === 'octets') yield* octetFrames(body.octets);
  else for await (const chunk of body.stream()) yield* octetFrames(chunk);
}

function* octetFrames(octets: Uint8Array): Generator<ControlAnswer> {
  for (let at = 0; at < octets.length; at += OCTETS) {
    yield {
      type: 'octets',
      base64: Buffer.from(
        octets.buffer,
        octets.byteOffset + at,
        Math.min(OCTETS, octets.length - at),
      ).toString('base64'),
    };
  }
}

/** Parts whose JSON stays well below a frame's limit. */
function* inFrames<Item extends ListedRecipient | object>(items: readonly Item[]): Generator<Item[]> {
  let part: Item[] = [];
  let octets = 0;
  for (const item of items) {
    const size = Buffer.byteLength(JSON.stringify(item));
    if (part.length > 0 && octets + size > RECIPIENTS_OCTETS) {
      yield part;
      part = [];
      octets = 0;
    }
    part.push(item);
    octets += size;
  }
  if (part.length > 0) yield part;
}

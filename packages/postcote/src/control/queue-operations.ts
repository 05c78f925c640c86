// The queue's side of the requests: what a command asked, as answer values one after another.

import type { QueueContentSource } from './ports.ts';
import type { ControlAnswer, ControlRequest, ListedRecipient } from './protocol.ts';

/** Messages acted upon together: they share a commit. */
const TOGETHER = 128;
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
  for (let start = 0; start < ids.length; start += TOGETHER) {
    const part = ids.slice(start, start + TOGETHER);
    yield* await Promise.all(part.map((id) => actOn(queue, request.action, id)));
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

async function actOn(
  queue: QueueContentSource,
  action: Of<'act'>['action'],
  id: string,
): Promise<ControlAnswer> {
  try {
    const found = await carryOut(queue, action, id);
    return found ? { type: 'done', id } : { type: 'failed', id, reason: 'no such message' };
  } catch (error) {
    return { type: 'failed', id, reason: error instanceof Error ? error.message : String(error) };
  }
}

async function carryOut(
  queue: QueueContentSource,
  action: Of<'act'>['action'],
  id: string,
): Promise<boolean> {
  switch (action) {
    case 'hold':
      return await queue.hold(id);
    case 'release':
      return await queue.release(id);
    case 'delete':
      return await queue.remove(id);
    case 'requeue':
      return (await queue.requeue(id)) !== undefined;
  }
}

/** POSTFIX: `postqueue -s`: what waits for a site. */
export async function* flushSite(queue: QueueContentSource, { site }: Of<'flushSite'>): Answers {
  const wanted = site.toLowerCase();
  for await (const entry of queue.list()) {
    const waits = entry.recipients.some(
      ({ address, destination }) =>
        address.toLowerCase().endsWith(`@${wanted}`) || destination.nexthop.toLowerCase() === wanted,
    );
    if (waits && (await queue.flushMessage(entry.queueId))) yield { type: 'done', id: entry.queueId };
  }
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

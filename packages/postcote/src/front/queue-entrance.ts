// The queue as what comes in sees it: its errors in the words of the SMTP port.

import { QueueError } from '@postcote/queue';
import type { Queue } from '@postcote/queue/edge';
import { AcceptError } from '@postcote/smtp';
import type { Entrance } from './cleanup-entrance.ts';

export function queueEntrance(queue: Queue): Entrance {
  const translate = (error: unknown): never => {
    if (error instanceof QueueError) throw new AcceptError(error.code, error.message, { cause: error });
    throw error;
  };
  return {
    async begin(envelope) {
      const writer = await queue.begin(envelope).catch(translate);
      return {
        queueId: writer.queueId,
        write: (chunk) => writer.write(chunk),
        amend: (changed) => writer.amend(changed),
        commit: () => writer.commit().catch(translate),
        abort: () => writer.abort(),
      };
    },
  };
}

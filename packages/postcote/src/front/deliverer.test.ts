import type { DeliveryJob, QueuedRecipient } from '@postcote/queue';
import { describe, expect, it } from 'vitest';
import type { DeliveryOutcome } from '../delivery/client.ts';
import { FrontDeliverer } from './deliverer.ts';

const recipient = { index: 0, address: 'alice@host', original: 'alice@host' } as unknown as QueuedRecipient;
const job = {
  queueId: '4A',
  envelope: { sender: 'a@example.org' },
  destination: { transport: 'local', nexthop: 'alice' },
  recipients: [recipient],
  open: async () => ({ kind: 'octets', size: 2, octets: Buffer.from('hi') }),
} as unknown as DeliveryJob;

const DIED: DeliveryOutcome = { kind: 'deferred', code: 'unavailable', reason: 'it died', passing: true };
const FULL: DeliveryOutcome = { kind: 'deferred', code: 'noSpace', reason: 'disk full' };

function makeDeliverer(outcomes: readonly DeliveryOutcome[]): { deliverer: FrontDeliverer; tries(): number } {
  let tries = 0;
  const deliver = async (): Promise<DeliveryOutcome> => outcomes[tries++] ?? DIED;
  return { deliverer: new FrontDeliverer({ deliver }), tries: () => tries };
}

describe('FrontDeliverer', () => {
  it.each<[string, DeliveryOutcome[], object, number]>([
    ['stored at once', [{ kind: 'stored' }], { status: 'sent', dsn: '2.0.0' }, 1],
    ['stored by the next worker', [DIED, { kind: 'stored' }], { status: 'sent' }, 2],
    ['left to the queue when no worker lives', [], { status: 'deferred', dsn: '4.3.0', text: 'it died' }, 4],
    ['left to the queue on a full disk', [FULL], { status: 'deferred', dsn: '4.3.1' }, 1],
  ])('is %s', async (_title, outcomes, expected, tries) => {
    const run = makeDeliverer(outcomes);
    expect(await run.deliverer.deliver(job)).toEqual([expect.objectContaining(expected)]);
    expect(run.tries()).toBe(tries);
  });
});

import { expect, test } from 'vitest';
import type { QueuedRecipient } from './envelope.ts';
import { formatDelay, formatDeliveryLine } from './log-lines.ts';

test.each([
  [0, '0'],
  [-5, '0'],
  [4, '0'],
  [10, '0.01'],
  [54, '0.05'],
  [100, '0.1'],
  [123, '0.12'],
  [999, '1'],
  [1200, '1.2'],
  [1249, '1.2'],
  [9960, '10'],
  [12_345, '12'],
  [123_456, '123'],
  [4_000_000, '4000'],
])('%i ms is logged as %s', (milliseconds, text) => {
  expect(formatDelay(milliseconds)).toBe(text);
});

const recipient: QueuedRecipient = {
  index: 0,
  address: 'peter@example.com',
  original: 'info@example.com',
  destination: { transport: 'local', nexthop: 'peter' },
};

test('a delivery line has the fields pflogsumm looks for', () => {
  const line = formatDeliveryLine(
    '1E29010000',
    recipient,
    { index: 0, status: 'sent', dsn: '2.0.0', text: 'delivered to maildir' },
    { arrived: 1000, active: 1020, started: 1030, ended: 1050 },
  );
  expect(line).toBe(
    '1E29010000: to=<peter@example.com>, orig_to=<info@example.com>, relay=local, delay=0.05, delays=0.02/0.01/0/0.02, dsn=2.0.0, status=sent (delivered to maildir)',
  );
});

test('without an alias there is no orig_to; the relay and the time to connect are the deliverer’s', () => {
  const line = formatDeliveryLine(
    '1E29010000',
    {
      ...recipient,
      original: 'peter@example.com',
      destination: { transport: 'smtp', nexthop: 'example.com' },
    },
    {
      index: 0,
      status: 'deferred',
      dsn: '4.4.1',
      text: 'timed out',
      relay: 'mx.example.com[192.0.2.1]:25',
      connectMs: 500,
    },
    { arrived: 0, active: 0, started: 0, ended: 2000 },
  );
  expect(line).toBe(
    '1E29010000: to=<peter@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=2, delays=0/0/0.5/1.5, dsn=4.4.1, status=deferred (timed out)',
  );
});

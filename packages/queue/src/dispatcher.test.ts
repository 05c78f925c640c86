import { expect, test } from 'vitest';
import fc from 'fast-check';
import type { ConcurrencySettings } from './concurrency.ts';
import { Dispatcher } from './dispatcher.ts';

const to = (nexthop: string, transport = 'local') => ({ transport, nexthop });

/** A window that never changes. */
const fixed = (limit: number): ConcurrencySettings => {
  const none = { value: 0, over: 'one' } as const;
  return { initial: limit, limit, positive: none, negative: none, cohorts: 0 };
};

function dispatcher(destination: number, processes = 100): Dispatcher<string> {
  return new Dispatcher({ processLimit: () => processes, concurrency: () => fixed(destination) });
}

test('a destination with much to do does not hold up another', () => {
  const d = dispatcher(100);
  for (let i = 0; i < 50; i++) d.add(to('many'), `many${i}`);
  d.add(to('one'), 'one');
  expect([d.next(), d.next(), d.next()]).toEqual(['many0', 'one', 'many1']);
});

test('a destination runs no more than its limit, and goes on when one ends', () => {
  const d = dispatcher(2);
  for (const job of ['a', 'b', 'c']) d.add(to('x'), job);
  expect([d.next(), d.next(), d.next()]).toEqual(['a', 'b', undefined]);
  d.finished(to('x'));
  expect([d.next(), d.next()]).toEqual(['c', undefined]);
});

test('a full transport does not hold up another transport', () => {
  const d = dispatcher(5, 1);
  d.add(to('a'), 'a');
  d.add(to('b'), 'b');
  d.add(to('example.com', 'smtp'), 'remote');
  expect([d.next(), d.next(), d.next()]).toEqual(['a', 'remote', undefined]);
  d.finished(to('a'));
  expect(d.next()).toBe('b');
});

test('every job runs once, in order within its destination, within all limits', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), destination: fc.integer({ min: 0, max: 4 }) }),
    fc.record({ kind: fc.constant('next' as const) }),
    fc.record({ kind: fc.constant('finish' as const) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const d = new Dispatcher<{ destination: number; number: number }>({
        processLimit: () => 4,
        concurrency: () => fixed(2),
      });
      const running: number[] = [];
      const seen = new Map<number, number>();
      let added = 0;
      let ran = 0;
      const take = (): boolean => {
        const job = d.next();
        if (job === undefined) return false;
        expect(job.number).toBeGreaterThan(seen.get(job.destination) ?? -1);
        seen.set(job.destination, job.number);
        running.push(job.destination);
        expect(running.length).toBeLessThanOrEqual(4);
        expect(running.filter((one) => one === job.destination).length).toBeLessThanOrEqual(2);
        ran++;
        return true;
      };
      const finish = (): void => {
        const destination = running.shift();
        if (destination !== undefined) d.finished(to(String(destination)));
      };
      for (const step of steps) {
        if (step.kind === 'add')
          d.add(to(String(step.destination)), { destination: step.destination, number: added++ });
        else if (step.kind === 'next') take();
        else finish();
      }
      while (take() || running.length > 0) finish();
      expect(ran).toBe(added);
      expect([d.waiting, d.running]).toEqual([0, 0]);
    }),
  );
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sortInSlices } from '../sort/sort-in-slices.ts';
import { threadBySubject } from './ordered-subject.ts';
import { threadByReferences } from './references.ts';
import { formatThreads, type ThreadedMessage } from './threads.ts';

const breathe = (): undefined => undefined;

function message(number: number, more: Partial<ThreadedMessage> = {}): ThreadedMessage {
  return {
    number,
    time: number,
    messageId: `m${number}`,
    references: [],
    subject: '',
    isReply: false,
    ...more,
  };
}

const numbersOf = (text: string): number[] =>
  [...text.matchAll(/\d+/g)].map(([number]) => Number(number)).sort((a, b) => a - b);

const anyMessages = fc
  .array(
    fc.record({
      messageId: fc.option(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { nil: undefined }),
      references: fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'x', 'y'), { maxLength: 4 }),
      subject: fc.constantFrom('', 'S', 'T'),
      isReply: fc.boolean(),
      time: fc.integer({ min: 0, max: 9 }),
    }),
    { maxLength: 12 },
  )
  .map((list) => list.map((one, at) => message(at + 1, one)));

describe('threading', () => {
  it('has every message once, whatever the messages say of one another', async () => {
    await fc.assert(
      fc.asyncProperty(anyMessages, async (messages) => {
        const wanted = messages.map(({ number }) => number);
        for (const threads of [
          await threadByReferences(messages, { bySubject: true, breathe }),
          await threadByReferences(messages, { bySubject: false, breathe }),
          await threadBySubject(messages, breathe),
        ])
          expect(numbersOf(formatThreads(threads))).toEqual(wanted);
      }),
    );
  });

  it.each([
    ['a reply before what it answers', [message(1, { references: ['m2'] }), message(2)], '(2 1)'],
    [
      'siblings by date',
      [message(1), message(2, { references: ['m1'], time: 9 }), message(3, { references: ['m1'] })],
      '(1 (3)(2))',
    ],
    ['a loop', [message(1, { references: ['m2'] }), message(2, { references: ['m1'] })], '(2 1)'],
    ['one that answers itself', [message(1, { references: ['m1'] })], '(1)'],
    ['two of one id', [message(1), message(2, { messageId: 'm1' })], '(1)(2)'],
    ['a lone child of nothing', [message(1, { references: ['gone'] })], '(1)'],
    [
      'what answers one that is not here',
      [message(1, { references: ['gone'] }), message(2, { references: ['gone'] })],
      '((1)(2))',
    ],
    [
      'a reply by subject',
      [message(1, { subject: 'S' }), message(2, { subject: 'S', isReply: true })],
      '(1 2)',
    ],
    [
      'replies alone by subject',
      [message(1, { subject: 'S', isReply: true }), message(2, { subject: 'S', isReply: true })],
      '((1)(2))',
    ],
  ])('%s', async (_, messages, threads) => {
    expect(formatThreads(await threadByReferences(messages, { bySubject: true, breathe }))).toBe(threads);
  });

  it('follows a thread as deep as a mailbox, in either direction, and gives way meanwhile', async () => {
    const count = 30_000;
    let breaths = 0;
    const counted = (): undefined => {
      breaths += 1;
    };
    const chain = Array.from({ length: count }, (_, at) =>
      message(at + 1, { references: at === 0 ? [] : [`m${at}`] }),
    );
    for (const messages of [chain, [...chain].reverse()]) {
      const threads = await threadByReferences(messages, { bySubject: true, breathe: counted });
      const text = formatThreads(threads);
      expect(text.startsWith('(1 2 3 ')).toBe(true);
      expect(text.endsWith(` ${count})`)).toBe(true);
    }
    expect(breaths).toBeGreaterThan(count);
  });

  it('is not slowed down by links that would make loops', async () => {
    const chain = Array.from({ length: 5000 }, (_, at) =>
      message(at + 1, { references: at === 0 ? [] : [`m${at}`] }),
    );
    const hostile = Array.from({ length: 5000 }, (_, at) =>
      message(5001 + at, { references: ['m5000', 'm1'] }),
    );
    const threads = await threadByReferences([...chain, ...hostile], { bySubject: true, breathe });
    expect(numbersOf(formatThreads(threads)).length).toBe(10_000);
  });
});

describe('sortInSlices', () => {
  it('sorts as Array.sort does, and stably', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 200 }), async (numbers) => {
        const items = Array.from({ length: 30 }, () => numbers)
          .flat()
          .map((key, at) => ({ key, at }));
        const compare = (a: { key: number }, b: { key: number }): number => a.key - b.key;
        expect(await sortInSlices(items, compare, breathe)).toEqual([...items].sort(compare));
      }),
      { numRuns: 20 },
    );
  });
});

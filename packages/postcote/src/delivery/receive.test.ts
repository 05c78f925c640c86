import { FrameReader, formatFrame } from '@postcote/wire';
import { describe, expect, it } from 'vitest';
import type { DeliveryAnswer, DeliveryHeader } from './protocol.ts';
import { DeliveryReceiver, type DeliveryVerdict, type DeliveryWriter } from './receive.ts';

interface Run {
  readonly receiver: DeliveryReceiver;
  readonly stored: string[];
  readonly aborted: string[];
  readonly violations: string[];
  /** How often reading was stopped, less how often it went on. */
  pauses(): number;
  answers(): DeliveryAnswer[];
}

function startReceiver(
  fault: { begin?: Error; write?: Error; commit?: Error; verdict?: DeliveryVerdict } = {},
): Run {
  const stored: string[] = [];
  const aborted: string[] = [];
  const violations: string[] = [];
  let pauses = 0;
  const frames = new FrameReader();
  const answers: DeliveryAnswer[] = [];
  const receiver = new DeliveryReceiver({
    begin: async ({ id }): Promise<DeliveryWriter> => {
      if (fault.begin) throw fault.begin;
      let text = `${id} `;
      return {
        write: async (chunk) => {
          if (fault.write) throw fault.write;
          text += Buffer.from(chunk).toString('latin1');
        },
        commit: async () => {
          if (fault.commit) throw fault.commit;
          stored.push(text);
          return fault.verdict ?? { kind: 'stored' };
        },
        abort: async () => {
          aborted.push(text);
        },
      };
    },
    explain: () => 'unavailable',
    answer: (frame) => frames.push(frame),
    pause: () => void (pauses += 1),
    resume: () => void (pauses -= 1),
    violation: (reason) => violations.push(reason),
  });
  return {
    receiver,
    stored,
    aborted,
    violations,
    pauses: () => pauses,
    answers: () => {
      for (let frame = frames.next(); frame !== undefined; frame = frames.next())
        answers.push(frame.value as DeliveryAnswer);
      return answers;
    },
  };
}

const header = (id: number, size: number): DeliveryHeader => ({
  id,
  size,
  queueId: '4A',
  sender: 'a@example.org',
  recipients: ['user@host'],
  originalRecipient: 'info@example.com',
});
const message = (id: number, body: string): Buffer =>
  Buffer.concat([formatFrame(header(id, Buffer.byteLength(body))), Buffer.from(body)]);

describe('DeliveryReceiver', () => {
  const input = Buffer.concat([
    message(1, 'A: b\r\n\r\none\r\n'),
    message(2, ''),
    message(3, 'x'.repeat(5000)),
  ]);
  const expected = ['1 A: b\r\n\r\none\r\n', '2 ', `3 ${'x'.repeat(5000)}`];

  it.each([1, 7, 100, 100_000])('stores pipelined messages cut every %d octets', async (step) => {
    const run = startReceiver();
    for (let at = 0; at < input.length; at += step) {
      // As a socket that lends its memory and uses it again.
      const lent = Buffer.from(input.subarray(at, at + step));
      run.receiver.receive(lent);
      lent.fill('!');
    }
    await expect.poll(() => run.answers().length).toBe(3);
    expect([...run.stored].sort()).toEqual([...expected].sort());
    expect(run.answers().every((a) => 'stored' in a && a.stored)).toBe(true);
    expect(run.receiver.idle).toBe(true);
  });

  it.each(['begin', 'write', 'commit'] as const)('answers a failing %s and goes on', async (where) => {
    const run = startReceiver({ [where]: new Error('disk on fire') });
    run.receiver.receive(message(7, 'body'));
    await expect.poll(() => run.answers().length).toBe(1);
    expect(run.answers()).toEqual([{ id: 7, stored: false, code: 'unavailable', reason: 'disk on fire' }]);
    expect(run.stored).toEqual([]);
    expect(run.aborted.length).toBe(where === 'begin' ? 0 : 1);
  });

  it.each(['begin', 'write'] as const)(
    'reads a large message to its end after a failing %s',
    async (where) => {
      const run = startReceiver({ [where]: new Error('disk on fire') });
      const bytes = message(7, 'x'.repeat(3_000_000));
      run.receiver.receive(bytes.subarray(0, 2_000_000));
      await expect.poll(() => run.pauses()).toBe(0);
      run.receiver.receive(bytes.subarray(2_000_000));
      await expect.poll(() => run.answers()).toEqual([expect.objectContaining({ stored: false })]);
      expect(run.pauses()).toBe(0);
    },
  );

  it('names thousands of targets in frames of a bounded size, then says what they are', async () => {
    const targets = Array.from({ length: 5000 }, (_, i) => ({ kind: 'user', name: `user${i}` }) as const);
    const run = startReceiver({ verdict: { kind: 'forwarded', targets, propagates: true } });
    run.receiver.receive(message(7, 'body'));
    await expect.poll(() => run.answers().at(-1)).toEqual({ id: 7, forwarded: true, propagates: true });
    const named = run.answers().flatMap((answer) => ('targets' in answer ? answer.targets : []));
    expect(named).toEqual(targets);
  });

  it('leaves nothing of a message that breaks off', async () => {
    const run = startReceiver();
    run.receiver.receive(message(1, 'half of it').subarray(0, -3));
    run.receiver.ended();
    await expect.poll(() => run.aborted.length).toBe(1);
    expect(run.stored).toEqual([]);
  });

  it.each([
    ['no header', formatFrame({ hello: 1 })],
    ['a line break in an address', formatFrame({ ...header(1, 2), sender: 'a\r\nX: y' })],
    ['a negative size', formatFrame(header(1, -1))],
    ['an oversized frame', Buffer.from([0xff, 0, 0, 0, 1])],
  ])('refuses %s', (_title, bytes) => {
    const run = startReceiver();
    run.receiver.receive(bytes);
    expect(run.violations).toEqual(['malformed delivery request']);
  });
});

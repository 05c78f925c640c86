// One filter's state over a session, with a channel that answers what a test says. The same against real filters and a
// real Postfix: test/integration/milters*.test.ts.

import { describe, expect, it } from 'vitest';
import type { MilterChannel, Received } from './channel.ts';
import type { Inspected } from './content.ts';
import { FrameReader, type Frame, formatLong } from './frames.ts';
import { Milter } from './milter.ts';
import { STEP } from './protocol.ts';
import type { MilterService } from './service.ts';

type Answer = Frame | 'silence' | 'end';

const frame = (letter: string, text = ''): Frame => ({ letter, data: Buffer.from(text, 'latin1') });
const CONTINUE = frame('c');

/** `answers`: by the command's letter, one for each time, the last one for all that follow; continue without any. */
class FakeChannel implements MilterChannel {
  readonly told: string[] = [];
  ended = false;
  #reader = new FrameReader();
  #waiting: string[] = [];
  readonly #answers: Readonly<Record<string, readonly (readonly Answer[])[]>>;
  readonly #counts = new Map<string, number>();
  #pending: Answer[] = [];

  constructor(answers: Readonly<Record<string, readonly (readonly Answer[])[]>>) {
    this.#answers = answers;
  }

  get unsent(): number {
    return this.#reader.pending;
  }

  send(octets: Uint8Array): void {
    this.#reader.push(Buffer.from(octets));
    for (let reading = this.#reader.next(); reading.kind === 'frame'; reading = this.#reader.next()) {
      const { letter } = reading.frame;
      if (letter === 'D') continue;
      this.told.push(letter);
      this.#waiting.push(letter);
    }
  }

  async flush(): Promise<string | undefined> {
    return undefined;
  }

  async receive(): Promise<Received> {
    if (this.#pending.length === 0) {
      const letter = this.#waiting.at(-1) ?? '';
      const count = this.#counts.get(letter) ?? 0;
      this.#counts.set(letter, count + 1);
      const answers = this.#answers[letter] ?? [];
      this.#pending = [...(answers[Math.min(count, answers.length - 1)] ?? [CONTINUE])];
    }
    const answer = this.#pending.shift() ?? 'silence';
    if (answer === 'silence') return { kind: 'failed', reason: 'Connection timed out', ofStream: true };
    if (answer === 'end')
      return { kind: 'failed', reason: 'the milter closed the connection', ofStream: true };
    return { kind: 'frame', frame: answer };
  }

  end(): void {
    this.ended = true;
  }

  destroy(): void {
    this.ended = true;
  }
}

const negotiated = (steps = 0): Frame => ({
  letter: 'O',
  data: Buffer.concat([formatLong(6), formatLong(0x1ff), formatLong(steps)]),
});

interface Setting {
  readonly steps?: number;
  readonly answers?: Readonly<Record<string, readonly (readonly Answer[])[]>>;
  readonly service?: Partial<MilterService>;
  readonly softBounce?: boolean;
  readonly unreachable?: string;
}

async function begin({ steps, answers = {}, service = {}, softBounce = false, unreachable }: Setting = {}) {
  const channel = new FakeChannel({ O: [[negotiated(steps)]], ...answers });
  const warnings: string[] = [];
  const milter = new Milter({
    service: {
      name: 'inet:localhost:1',
      defaultAction: 'tempfail',
      protocol: '6',
      connectTimeout: 1,
      commandTimeout: 1,
      contentTimeout: 1,
      ...service,
    },
    async open() {
      if (unreachable !== undefined) throw new Error(unreachable);
      return channel;
    },
    softBounce,
    warn: (text) => warnings.push(text),
  });
  await milter.open();
  return { milter, channel, warnings };
}

const CLIENT = { name: 'client.example', address: '192.0.2.1', port: 25 };

function inspected(edits: string[] = []): Inspected {
  return {
    fields: [
      { name: Buffer.from('Subject'), value: Buffer.from(' one') },
      { name: Buffer.from('X-A'), value: Buffer.from(' two') },
    ],
    async *body() {
      yield Buffer.from('a'.repeat(70_000));
    },
    apply(edit) {
      edits.push(edit.kind);
      return edit.kind === 'addHeader' && edit.name.toString() === 'Bad' ? '451 4.3.0 no' : undefined;
    },
  };
}

const NO_MACROS = { endOfHeader: [], endOfMessage: [] };

/** A whole message; the verdicts that were not undefined. */
async function run(milter: Milter, message = inspected()): Promise<unknown[]> {
  const said = [
    await milter.connect(CLIENT, []),
    await milter.helo('there', []),
    await milter.mail(['<a@b>'], []),
    await milter.rcpt(['<c@d>'], []),
    await milter.data([]),
    await milter.message(message, NO_MACROS),
  ];
  return said.filter((verdict) => verdict !== undefined);
}

const LATER = { kind: 'reply', text: '451 4.7.1 Service unavailable - try again later' };

describe('a filter', () => {
  it('hears all of a session', async () => {
    const { milter, channel, warnings } = await begin();
    expect(await run(milter)).toEqual([]);
    milter.abort();
    milter.end();
    expect(channel.told.join('')).toBe('OCHMRTLLNBBEAQ');
    expect([channel.ended, warnings]).toEqual([true, []]);
  });

  it.each<[string, number, string]>([
    ['connect and helo', STEP.noConnect | STEP.noHelo, 'OMRTLLNBBE'],
    ['content', STEP.noHeaders | STEP.noEndOfHeader | STEP.noBody, 'OCHMRTE'],
  ])('does not hear of %s when it said so', async (_, steps, told) => {
    const { milter, channel } = await begin({ steps });
    expect(await run(milter)).toEqual([]);
    expect(channel.told.join('')).toBe(told);
  });

  it.each<[string, Setting, string, unknown[]]>([
    ['accepts the session', { answers: { C: [[frame('a')]] } }, 'OC', []],
    ['accepts the message', { answers: { M: [[frame('a')]] } }, 'OCHM', []],
    ['skips headers', { answers: { L: [[frame('s')]] } }, 'OCHMRTLNBBE', []],
    ['skips the body', { answers: { B: [[frame('s')]] } }, 'OCHMRTLLNBE', []],
    [
      'refuses a recipient',
      { answers: { R: [[frame('r')]] } },
      'OCHMRTLLNBBE',
      [{ kind: 'reply', text: '550 5.7.1 Command rejected' }],
    ],
    [
      'refuses with soft_bounce',
      { answers: { R: [[frame('y', '550 5.1.1 no\0')]] }, softBounce: true },
      'OCHMRTLLNBBE',
      [{ kind: 'reply', text: '450 4.1.1 no' }],
    ],
    ['discards', { answers: { E: [[frame('d')]] } }, 'OCHMRTLLNBBE', [{ kind: 'discard' }]],
    [
      'quarantines and accepts',
      { answers: { E: [[frame('q', 'odd\0'), frame('a')]] } },
      'OCHMRTLLNBBE',
      [{ kind: 'hold', reason: 'odd' }],
    ],
    [
      'makes progress for long',
      { answers: { E: [[frame('p'), frame('p'), frame('p'), CONTINUE]] } },
      'OCHMRTLLNBBE',
      [],
    ],
  ])('%s', async (_, setting, told, verdicts) => {
    const { milter, channel } = await begin(setting);
    expect(await run(milter)).toEqual(verdicts);
    expect(channel.told.join('')).toBe(told);
  });

  it('refuses a session as a whole, and is told nothing more of it', async () => {
    const { milter, channel } = await begin({ answers: { H: [[frame('t')]] } });
    expect(await run(milter)).toEqual([LATER, LATER, LATER, LATER, LATER]);
    milter.abort();
    milter.end();
    expect(channel.told.join('')).toBe('OCH');
  });

  it('is asked again for the next message of a session', async () => {
    const { milter, channel } = await begin({ answers: { M: [[frame('a')], [CONTINUE]] } });
    expect(await run(milter)).toEqual([]);
    milter.abort();
    await milter.mail(['<x@y>'], []);
    await milter.rcpt(['<c@d>'], []);
    expect(channel.told.join('')).toBe('OCHMAMR');
  });

  it('has its changes made in order, until one cannot be', async () => {
    const edits: string[] = [];
    const { milter, warnings } = await begin({
      answers: {
        E: [
          [frame('h', 'X\0y\0'), frame('b', 'body'), frame('h', 'Bad\0y\0'), frame('h', 'Z\0y\0'), CONTINUE],
        ],
      },
    });
    expect(await run(milter, inspected(edits))).toEqual([{ kind: 'reply', text: '451 4.3.0 no' }]);
    expect(edits).toEqual(['addHeader', 'replaceBody', 'addHeader']);
    expect(warnings).toEqual([]);
  });
});

describe.each<[action: string, verdict: unknown]>([
  ['accept', undefined],
  ['reject', { kind: 'reply', text: '550 5.5.0 Service unavailable' }],
  ['tempfail', LATER],
  ['quarantine', { kind: 'hold', reason: '' }],
  ['shutdown', { kind: 'reply', text: '421 4.7.1 Service unavailable - try again later' }],
])('a filter that fails, with %s,', (defaultAction, verdict) => {
  const service = { defaultAction };
  it.each<[string, Setting, string]>([
    [
      'cannot be reached',
      { unreachable: 'Connection refused' },
      'connect to Milter service inet:localhost:1: Connection refused',
    ],
    [
      'is silent',
      { answers: { M: [['silence']] } },
      "can't read SMFIC_MAIL reply packet header: Connection timed out",
    ],
    [
      'dies',
      { answers: { M: [['end']] } },
      "can't read SMFIC_MAIL reply packet header: the milter closed the connection",
    ],
    ['answers nonsense', { answers: { M: [[frame('Z')]] } }, 'unexpected filter response'],
    [
      'changes what cannot be changed now',
      { answers: { M: [[frame('h', 'X\0y\0')]] } },
      'unexpected filter response',
    ],
  ])('%s', async (_, setting, warning) => {
    const { milter, warnings } = await begin({ ...setting, service });
    const said = await run(milter);
    if (verdict === undefined) expect(said).toEqual([]);
    else {
      expect(said.length).toBeGreaterThan(0);
      for (const one of said) expect(one).toEqual(verdict);
    }
    // Once, not for every event that follows.
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain(warning);
  });
});

// Who may send what: every row of the restriction table, said to a real Postfix and to ours in the same words. Replies
// and the log lines of decisions must be equal, but for what `docs/differences.md` lists.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { LineClient } from '../support/line-client.ts';
import { type RestrictionRow, type RestrictionScenario, SCENARIOS } from '../support/restriction-rows.ts';
import { type Side, type Sides, startSides } from '../support/restriction-world.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { TestBed } from '../support/world.ts';

const REPLY_END = /^\d{3} /;

/** Everything the server says to one row, command by command. */
async function play(port: number, row: RestrictionRow): Promise<string[]> {
  const client = await LineClient.connect({ port });
  const said: string[] = [];
  const ask = async (command: string): Promise<string> => {
    if (/→ [45]21 /.test(said.at(-1) ?? '')) {
      await client.expectClosed();
      said.push('closed');
      return '';
    }
    const lines = await client.ask(command, REPLY_END);
    said.push(`${command.replace(/\r\n/g, '⏎')} → ${lines.join(' | ')}`);
    return lines.at(-1) ?? '';
  };
  try {
    await client.linesUntil(REPLY_END);
    await ask(xclient(row));
    await ask(`HELO ${row.helo ?? 'client.example'}`);
    if (row.commands !== undefined) {
      for (const command of row.commands) await ask(command);
      return said;
    }
    const sender = row.sender ?? '<x@sender.example>';
    if (!(await ask(`MAIL FROM:${sender}`)).startsWith('2')) return said;
    const answer = await ask(`RCPT TO:${row.recipient ?? '<alice@example.com>'}`);
    if (row.message !== undefined && answer.startsWith('2') && (await ask('DATA')).startsWith('3'))
      await ask(`${row.message}.`);
    await ask('QUIT');
    return said;
  } finally {
    client.close();
  }
}

/** `name[address]`, or an address of nobody. */
function xclient({ client = '192.0.2.7', login }: RestrictionRow): string {
  const match = /^(.*)\[(.*)\]$/.exec(client);
  const name = match?.[1] ?? '[UNAVAILABLE]';
  const address = match?.[2] ?? client;
  const reverse = match === null ? ' REVERSE_NAME=[UNAVAILABLE]' : '';
  const shown = address.includes(':') ? `IPV6:${address}` : address;
  return `XCLIENT NAME=${name}${reverse} ADDR=${shown} PORT=4711${login === undefined ? '' : ` LOGIN=${login}`}`;
}

/** Banner and ids differ by nature. */
const plain = (lines: readonly string[]): string[] =>
  lines.map((line) =>
    line.replace(/queued as \w+/, 'queued as ID').replace(/→ 220 \S+ ESMTP .*$/, '→ 220 greeting'),
  );

async function playAll(side: Side, scenario: RestrictionScenario): Promise<string[][]> {
  const all: string[][] = [];
  for (const row of scenario.rows) all.push(plain(await play(side.port(scenario), row)));
  return all;
}

/** Differences on purpose; each has its entry in docs/differences.md. */
const DELIBERATE: ReadonlySet<string> = new Set(['a reply for a list with a filter, by its name alone']);

describeAsRoot('restrictions, beside the real Postfix', () => {
  let bed: TestBed;
  let sides: Sides;

  beforeAll(async () => {
    bed = await TestBed.open('restrictions');
    sides = await startSides(bed);
  });

  afterAll(async () => {
    await sides?.stop();
    await bed?.close();
  });

  it.each(SCENARIOS.map((scenario) => ({ name: scenario.name, scenario })))('$name', async ({ scenario }) => {
    const real = await playAll(sides.real, scenario);
    const ours = await playAll(sides.ours, scenario);
    if (DELIBERATE.has(scenario.name)) {
      expect(ours).not.toEqual(real);
      return;
    }
    expect(ours).toEqual(real);
    const decided = sides.ours.decisions(scenario);
    await eventually(() => expect(decided).toEqual(sides.real.decisions(scenario)), 3000);
  });

  it('asks policy servers the same questions', () => {
    const own = new Set(['instance', 'queue_id', 'client_port', 'server_port', 'size']);
    const texts = sides.policyQuestions.map((question) =>
      [...question].filter(([name]) => !own.has(name)).map(([name, value]) => `${name}=${value}`),
    );
    const half = texts.length / 2;
    expect(half).toBeGreaterThan(5);
    expect(texts.slice(half)).toEqual(texts.slice(0, half));
  });

  it('has a row for everything that is listed as different', () => {
    const names = new Set(SCENARIOS.map(({ name }) => name));
    expect([...DELIBERATE].filter((name) => !names.has(name))).toEqual([]);
  });
});

// What becomes of a message on its way in: every row of the rewriting table, sent through a real Postfix and through our
// entrance. Replies, log lines of checks, envelope, header and body must be equal, but for what differs on purpose.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { LineClient } from '../support/line-client.ts';
import { type RewritingMessage, type RewritingScenario, SCENARIOS } from '../support/rewriting-rows.ts';
import {
  type Arrived,
  type RewritingSide,
  type RewritingSides,
  startRewritingSides,
} from '../support/rewriting-world.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { TestBed } from '../support/world.ts';

const REPLY_END = /^\d{3} /;

async function sendAll(port: number, scenario: RewritingScenario): Promise<string[]> {
  const client = await LineClient.connect({ port });
  const replies: string[] = [];
  const ask = async (command: string): Promise<string> => (await client.ask(command, REPLY_END)).at(-1) ?? '';
  try {
    await client.linesUntil(REPLY_END);
    await ask('EHLO client.example');
    for (const [index, row] of scenario.messages.entries()) replies.push(await sendOne(ask, row, index));
    return replies;
  } finally {
    client.close();
  }
}

async function sendOne(
  ask: (command: string) => Promise<string>,
  row: RewritingMessage,
  index: number,
): Promise<string> {
  const { sender = '<bob@sender.example>', recipients = ['<alice@dest.example>'] } = row;
  await ask('RSET');
  const said = [await ask(`MAIL FROM:${sender}`)];
  // The last recipient tells the rows apart.
  for (const recipient of [...recipients, `<row${index}@mark.example>`])
    said.push(await ask(`RCPT TO:${recipient}`));
  const refused = said.find((line) => !line.startsWith('250'));
  if (refused !== undefined) return refused;
  await ask('DATA');
  return (await ask(`${row.message.replace(/^\./gm, '..')}.`)).replace(/queued as \w+/, 'queued as ID');
}

/** Without our own trace and with what is new each time masked. */
function plain({ sender, recipients, text }: Arrived): Arrived {
  return {
    sender,
    recipients: recipients.filter((address) => !address.endsWith('@mark.example')).toSorted(),
    text: text
      .replace(/^Received: from .*\r\n(?:[ \t].*\r\n)*/m, '')
      .replace(/^((?:Resent-)?Message-Id: <)\d{14}\.\w+@/gm, '$1ID@')
      .replace(/^((?:Resent-)?Date: ).*20\d\d \d\d:\d\d:\d\d .*\(.*\)$/gm, '$1NOW'),
  };
}

const markOf = ({ recipients }: Arrived): string | undefined =>
  recipients.find((address) => address.endsWith('@mark.example'));

describeAsRoot('rewriting and checking, beside the real Postfix', () => {
  let bed: TestBed;
  let sides: RewritingSides;

  beforeAll(async () => {
    bed = await TestBed.open('rewriting');
    sides = await startRewritingSides(bed);
  });
  afterAll(async () => {
    await sides?.stop();
    await bed?.close();
  });

  /** `atLeast`: messages that have to come out before it is judged. */
  async function play(
    side: RewritingSide,
    scenario: RewritingScenario,
    atLeast: number,
  ): Promise<{ readonly outcomes: Map<string, unknown>; readonly count: number }> {
    const before = side.arrived().length;
    const replies = await sendAll(side.port(scenario), scenario);
    await sendAll(side.port(scenario), { name: 'end', messages: [END] });
    const arrived = await eventually(() => {
      const found = side.arrived().slice(before);
      if (found.length < atLeast || !found.some(isEnd)) throw new Error('not all has arrived');
      return found;
    }).catch(() => side.arrived().slice(before));
    const outcomes = new Map(
      scenario.messages.map((row, index) => [
        `${index} ${row.name}`,
        {
          reply: replies[index],
          arrived: arrived
            .filter((one) => markOf(one) === `row${index}@mark.example` && !isEnd(one))
            .map(plain),
        },
      ]),
    );
    return { outcomes, count: arrived.length };
  }

  it.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))('%s', async (_, scenario) => {
    const { outcomes: ours, count } = await play(sides.ours, scenario, 0);
    const { outcomes: real } = await play(sides.real, scenario, count);
    const differing = [...real].filter(
      ([name, outcome]) => JSON.stringify(outcome) !== JSON.stringify(ours.get(name)),
    );
    expect(new Map(differing.map(([name]) => [name, ours.get(name)]))).toEqual(new Map(differing));
    expect(sides.ours.decisions(scenario)).toEqual(sides.real.decisions(scenario));
  });
});

const isEnd = ({ text }: Arrived): boolean => text.includes('X-The-End: yes');

const END: RewritingMessage = {
  name: 'end',
  message: 'X-The-End: yes\r\nFrom: x@y.example\r\n\r\nend\r\n',
};

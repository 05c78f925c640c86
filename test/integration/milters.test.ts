// What filters say and what becomes of it: every row of the table, against a real Postfix and against ours, with the same
// filters following the same scripts. Replies, delivered messages, log lines of filters' decisions, and what the filters
// were told must be equal, but for what `docs/differences.md` lists: such rows name the lines that only one side has.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { MilterSide, type Played, linesOnlyIn } from '../support/milter-side.ts';
import { ROWS } from '../support/milter-rows.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { TestBed } from '../support/world.ts';

describeAsRoot('milters, beside the real Postfix', () => {
  let bed: TestBed;
  let real: MilterSide;
  let ours: MilterSide;

  beforeAll(async () => {
    bed = await TestBed.open('milters');
    bed.dns.set({ 'sender.example': { a: ['127.0.0.1'] } });
    real = await MilterSide.start('real', bed);
    ours = await MilterSide.start('ours', bed);
  });

  afterAll(async () => {
    await ours?.stop();
    await real?.stop();
    await bed?.close();
  });

  // Two servers and their filters, five processes in all: a word of the row before may still be on its way.
  it.each(ROWS.map((row) => ({ name: row.name, row })))('$name', { retry: 2 }, async ({ row }) => {
    const [theirs, mine]: readonly Played[] = await Promise.all([real.play(row), ours.play(row)]);
    if (theirs === undefined || mine === undefined) return;
    if (row.differs === undefined) return expect(mine).toEqual(theirs);
    const { theirs: onlyTheirs, ours: onlyOurs } = row.differs;
    expect({ theirs: linesOnlyIn(theirs, mine), ours: linesOnlyIn(mine, theirs) }).toEqual({
      theirs: onlyTheirs,
      ours: onlyOurs,
    });
  });
});

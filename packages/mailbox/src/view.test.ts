import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  diffView,
  openView,
  packView,
  seqOfUid,
  unpackView,
  type MailboxView,
  type MessageRecord,
} from './index.ts';

function mailbox(uids: readonly number[], modseq: number, changed: ReadonlyMap<number, number> = new Map()) {
  const records = uids.map((uid): MessageRecord => ({ uid, flags: [], modseq: changed.get(uid) ?? 1 }));
  return { uidValidity: 1, highestModseq: modseq, records };
}

describe('diffView', () => {
  it('returns the same view when nothing changed', () => {
    const view = openView(mailbox([1, 2, 3], 5));
    expect(diffView(view, mailbox([1, 2, 3], 5)).view).toBe(view);
  });

  it('tells expunges from the highest down, arrivals, and changes in new numbers', () => {
    const view = openView(mailbox([1, 2, 5, 9], 5));
    const diff = diffView(view, mailbox([2, 9, 12], 8, new Map([[9, 7]])));
    expect(diff).toMatchObject({ expunged: [3, 1], vanished: [1, 5], exists: 3, reset: false });
    expect(diff.changed.map((c) => [c.seq, c.record.uid])).toEqual([[2, 9]]);
    expect([...diff.view.uids]).toEqual([2, 9, 12]);
  });

  it('holds expunges back and tells them later', () => {
    const view = openView(mailbox([1, 2, 3], 5));
    const now = mailbox([2, 3, 4], 8, new Map([[3, 8]]));
    const held = diffView(view, now, { holdExpunges: true });
    expect(held).toMatchObject({ expunged: [], exists: 4 });
    expect(held.changed.map((c) => c.seq)).toEqual([3]);
    expect(seqOfUid(held.view, 1)).toBe(1);
    expect(diffView(held.view, now, { holdExpunges: true }).view).toBe(held.view);
    const told = diffView(held.view, now);
    expect(told).toMatchObject({ expunged: [1], exists: undefined, changed: [] });
    expect([...told.view.uids]).toEqual([2, 3, 4]);
  });

  it('starts afresh under another UIDVALIDITY', () => {
    const view = openView(mailbox([1], 5));
    const diff = diffView(view, { ...mailbox([1, 2], 6), uidValidity: 2 });
    expect(diff.reset).toBe(true);
    expect(diff.view.uidValidity).toBe(2);
  });

  it('replays to what the mailbox holds, through any history and any holding', () => {
    const step = fc.record({
      remove: fc.array(fc.nat(30), { maxLength: 4 }),
      add: fc.nat(4),
      touch: fc.array(fc.nat(30), { maxLength: 3 }),
      hold: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
        let next = 1;
        let modseq = 1;
        let records: MessageRecord[] = [];
        let view: MailboxView = openView({ uidValidity: 1, highestModseq: modseq, records });
        const client: { uid: number; modseq: number }[] = [];
        for (const { remove, add, touch, hold } of [
          ...steps,
          { remove: [], add: 0, touch: [], hold: false },
        ]) {
          if (remove.length + add + touch.length > 0) modseq++;
          records = records.filter((_, i) => !remove.includes(i));
          records = records.map((r, i) => (touch.includes(i) ? { ...r, modseq } : r));
          for (let i = 0; i < add; i++) records.push({ uid: next++, flags: [], modseq });
          const diff = diffView(
            view,
            { uidValidity: 1, highestModseq: modseq, records },
            { holdExpunges: hold },
          );
          for (const seq of diff.expunged) client.splice(seq - 1, 1);
          if (diff.exists !== undefined) {
            for (let i = client.length; i < diff.exists; i++)
              client.push({ uid: diff.view.uids[i] ?? 0, modseq });
          }
          for (const { seq, record } of diff.changed) {
            expect(client[seq - 1]?.uid).toBe(record.uid);
            client[seq - 1] = { uid: record.uid, modseq: record.modseq };
          }
          view = unpackView(JSON.parse(JSON.stringify(packView(diff.view))));
          expect(client.map((c) => c.uid)).toEqual([...view.uids]);
        }
        expect(client).toEqual(records.map((r) => ({ uid: r.uid, modseq: r.modseq })));
      }),
    );
  });

  it('takes 100,000 messages in milliseconds', () => {
    const uids = Array.from({ length: 100_000 }, (_, i) => 2 * i + 1);
    const view = openView(mailbox(uids, 1));
    const start = performance.now();
    const diff = diffView(view, mailbox(uids.slice(50_000), 2));
    expect(diff.expunged).toHaveLength(50_000);
    expect(performance.now() - start).toBeLessThan(500);
  });
});

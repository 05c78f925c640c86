import { describe, expect, it } from 'vitest';
import {
  formatCeiling,
  formatChanges,
  formatExpunges,
  formatHead,
  formatMessages,
  formatStanding,
  readJournal,
  type JournalMessage,
  type JournalSink,
} from './folder-journal.ts';

const HEAD = { guid: 'ab'.repeat(16), uidValidity: 7, boot: 'b', expungedFloor: 1, highestModseq: 2 };

function message(uid: number, more: Partial<JournalMessage> = {}): JournalMessage {
  const sizes = { rawSize: 10, crlfSize: 12, counted: true, mtimeMs: 1_600_000_000_123.5 };
  return {
    uid,
    modseq: 1.7e12 + uid,
    place: 2,
    info: ':2,S',
    base: `b${uid}`,
    fields: '',
    ...sizes,
    ...more,
  };
}

/** What a reading tells, as lines. */
function told(bytes: Buffer): { readonly lines: string[]; readonly end: number } {
  const lines: string[] = [];
  const sink: JournalSink = {
    head: (head) => lines.push(`head ${head.guid.slice(0, 2)} ${head.uidValidity}`),
    messages: ({ count, numbers, small, places, infos, ends, text }) => {
      for (let i = 0; i < count; i++) {
        const start = i === 0 ? 0 : ends[i * 2 - 1];
        lines.push(
          [
            small[i * 2],
            numbers[i * 4],
            places[i],
            infos[small[i * 2 + 1] as number],
            text.slice(start, ends[i * 2]),
            text.slice(ends[i * 2], ends[i * 2 + 1]),
            numbers[i * 4 + 1],
            numbers[i * 4 + 2],
            numbers[i * 4 + 3],
          ].join('|'),
        );
      }
    },
    changes: ({ count, small, infos }) => {
      for (let i = 0; i < count; i++)
        lines.push(`change ${small[i * 2]} ${infos[small[i * 2 + 1] as number]}`);
    },
    expunged: ({ uid, modseq }) => lines.push(`expunged ${uid} ${modseq}`),
    ceiling: (modseq) => lines.push(`ceiling ${modseq}`),
    standing: (value) => lines.push(`standing ${JSON.stringify(value)}`),
  };
  return { end: readJournal(bytes, sink), lines };
}

const FRAMES = [
  formatHead(HEAD),
  formatMessages([
    message(3),
    message(9, { info: '', place: 1, fields: ' S1 W2', base: 'x\xff', rawSize: -1, counted: false }),
    message(4_294_967_294, { info: ':2,' }),
  ]),
  formatChanges([message(9, { info: ':2,FS' })]),
  formatExpunges([
    { uid: 3, modseq: 5 },
    { uid: 4, modseq: 6 },
  ]),
  formatCeiling(1.7e12),
  formatStanding({ a: 'ä' }),
];
const LINES = [
  'head ab 7',
  '3|1700000000003|6|:2,S|b3||10|12|1600000000123.5',
  '9|1700000000009|1||x\xff| S1 W2|-1|12|1600000000123.5',
  '4294967294|1704294967294|6|:2,|b4294967294||10|12|1600000000123.5',
  'change 9 :2,FS',
  'expunged 3 5',
  'expunged 4 6',
  'ceiling 1700000000000',
  'standing {"a":"ä"}',
];

describe('folder journal', () => {
  it('gives back what was written', () => {
    const bytes = Buffer.concat(FRAMES);
    expect(told(bytes)).toEqual({ lines: LINES, end: bytes.length });
    expect(told(Buffer.concat([formatHead(HEAD), formatMessages([])])).lines).toEqual(['head ab 7']);
  });

  it('ends where it is cut short, and gives what came before', () => {
    const bytes = Buffer.concat(FRAMES);
    const ends = FRAMES.map((_, i) => FRAMES.slice(0, i + 1).reduce((sum, f) => sum + f.length, 0));
    for (let length = 0; length < bytes.length; length++) {
      const whole = ends.filter((end) => end <= length).length;
      const { end, lines } = told(Buffer.from(bytes.subarray(0, length)));
      expect(end).toBe(whole === 0 ? -1 : ends[whole - 1]);
      expect(lines.length).toBe([0, 1, 4, 5, 7, 8][whole]);
    }
  });

  it('ends where an octet is not what it was', () => {
    const bytes = Buffer.concat(FRAMES);
    const first = FRAMES[0]?.length ?? 0;
    for (let at = 0; at < bytes.length; at++) {
      const damaged = Buffer.from(bytes);
      damaged[at] = (damaged[at] as number) ^ 0x10;
      const { end } = told(damaged);
      expect(end).toBeLessThan(bytes.length);
      if (at < first) expect(end).toBe(-1);
    }
  });

  it('is nothing without its head, or with two', () => {
    expect(told(Buffer.alloc(0)).end).toBe(-1);
    expect(told(Buffer.from('x'.repeat(100))).end).toBe(-1);
    expect(told(formatCeiling(1)).end).toBe(-1);
    expect(told(Buffer.concat([formatHead(HEAD), formatHead(HEAD)])).end).toBe(-1);
  });
});

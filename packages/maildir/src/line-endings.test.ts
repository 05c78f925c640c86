import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { countBareLf, LfEncoder, MARK_DISTANCE, OffsetMap, toCrlf } from './line-endings.ts';

const text = fc
  .array(fc.constantFrom('\r', '\n', '\r\n', 'a', 'bc'), { maxLength: 40 })
  .map((parts) => Buffer.from(parts.join('')));

/** By another road than the code. */
function crlf(bytes: Buffer): string {
  return bytes.toString('latin1').replace(/(?<!\r)\n/g, '\r\n');
}

describe('CRLF form', () => {
  it('adds what is missing and nothing else', () => {
    fc.assert(
      fc.property(text, (bytes) => {
        expect(toCrlf(bytes).toString('latin1')).toBe(crlf(bytes));
        expect(bytes.length + countBareLf(bytes)).toBe(crlf(bytes).length);
      }),
    );
  });

  it('comes back from the stored form, in any cut', () => {
    fc.assert(
      fc.property(text, fc.array(fc.nat(60), { maxLength: 5 }), (bytes, cuts) => {
        const encoder = new LfEncoder();
        const pieces: Buffer[] = [];
        let at = 0;
        for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
          pieces.push(Buffer.from(encoder.push(bytes.subarray(at, cut))));
          at = Math.min(cut, bytes.length);
        }
        pieces.push(encoder.end());
        const stored = Buffer.concat(pieces);
        expect(toCrlf(stored).toString('latin1')).toBe(crlf(bytes));
        expect([encoder.size, encoder.crlfSize]).toEqual([stored.length, crlf(bytes).length]);
      }),
    );
  });

  it('of long messages, with anything at the seams of the stretches that are taken at once', () => {
    for (const seam of ['\r\n', '\r\r\n', '\n', '\r', 'a\r\r\r\n\n', '\r\na'])
      for (let shift = 0; shift < seam.length + 2; shift++) {
        const text = `${'x'.repeat(32 * 1024 - shift)}${seam}${'y'.repeat(40_000)}\r\n`;
        const encoder = new LfEncoder();
        const target = Buffer.alloc(text.length + 1);
        const length = encoder.pushInto(Buffer.from(text), target);
        expect(target.toString('latin1', 0, length)).toBe(text.replace(/(?<!\r)\r\n/g, '\n'));
        expect(encoder.crlfSize).toBe(crlf(Buffer.from(text)).length);
      }
  });

  it('is stored without its CRs', () => {
    const encoder = new LfEncoder();
    expect(encoder.push(Buffer.from('a\r\nb\r\n')).toString()).toBe('a\nb\n');
  });
});

describe('offset map', () => {
  it('finds any CRLF offset in a file with mixed line ends', () => {
    const line = Buffer.from('0123456789\nabc\r\nde\r\r\n\n');
    const raw = Buffer.concat(Array.from({ length: 20_000 }, () => line));
    const whole = toCrlf(raw);
    const map = new OffsetMap();
    for (let at = 0; at < raw.length; at += 7919) map.push(raw.subarray(at, at + 7919));
    expect([map.rawSize, map.crlfSize]).toEqual([raw.length, whole.length]);
    for (let offset = 0; offset < whole.length; offset += 12_347) {
      const mark = map.locate(offset);
      expect(mark.raw % MARK_DISTANCE).toBe(0);
      expect(mark.crlf).toBeLessThanOrEqual(offset);
      const piece = toCrlf(raw.subarray(mark.raw, mark.raw + 2 * MARK_DISTANCE), mark.previous);
      const got = piece.subarray(offset - mark.crlf, offset - mark.crlf + 50);
      expect(got.equals(whole.subarray(offset, offset + 50))).toBe(true);
    }
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LineBatch } from './line-batch.ts';

describe('LineBatch', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  function open(): { batch: LineBatch; out: string[] } {
    const out: string[] = [];
    return { batch: new LineBatch((lines) => out.push(lines)), out };
  }

  it('puts the lines of a moment into one write', () => {
    const { batch, out } = open();
    batch.write('a\n');
    batch.write('b\n');
    expect(out).toEqual([]);
    vi.advanceTimersByTime(10);
    expect(out).toEqual(['a\nb\n']);
    batch.write('c\n');
    vi.advanceTimersByTime(10);
    expect(out).toEqual(['a\nb\n', 'c\n']);
  });

  it('writes no more at once than a pipe takes in one piece, and loses nothing', () => {
    const { batch, out } = open();
    const line = `${'ü'.repeat(800)}\n`;
    for (let i = 0; i < 6; i++) batch.write(line);
    vi.runAllTimers();
    expect(out.join('')).toBe(line.repeat(6));
    expect(out.map((lines) => Buffer.byteLength(lines)).every((octets) => octets <= 4096)).toBe(true);
    expect(out).toHaveLength(3);
  });

  it('hands out what waits when asked, once', () => {
    const { batch, out } = open();
    batch.write('a\n');
    batch.flush();
    batch.flush();
    vi.runAllTimers();
    expect(out).toEqual(['a\n']);
  });
});

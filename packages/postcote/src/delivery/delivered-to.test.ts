import { describe, expect, it } from 'vitest';
import { wasDeliveredTo } from './delivered-to.ts';

const cut = (text: string, step: number): Buffer[] =>
  Array.from({ length: Math.ceil(text.length / step) }, (_, i) =>
    Buffer.from(text.slice(i * step, (i + 1) * step), 'latin1'),
  );

describe('wasDeliveredTo', () => {
  it.each<[string, boolean]>([
    ['Delivered-To: bob@h\r\n\r\nx', true],
    ['A: b\r\nDELIVERED-TO:Bob@H \r\nC: d\r\n\r\nx', true],
    ['A: b\r\n\r\nDelivered-To: bob@h\r\n', false],
    ['X-Delivered-To: bob@h\r\n\r\n', false],
    ['A: x\r\n Delivered-To: bob@h\r\n\r\n', false],
    ['Delivered-To: bob@h.example\r\n\r\n', false],
    ['Delivered-To: bob@h', true],
    ['', false],
  ])('%j: %s', async (text, expected) => {
    for (const step of [1, 7, 1000]) expect(await wasDeliveredTo('bob@h', cut(text, step))).toBe(expected);
  });
});

// What leaves: line ends, long lines, and eight bits for a server of seven.

import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { downgradeTo7Bit } from './downgrade.ts';
import { OutgoingLines } from './outgoing-lines.ts';

function clean(text: string, limit: number, cut: number): string {
  const lines = new OutgoingLines(limit);
  const input = Buffer.from(text, 'latin1');
  const out: Buffer[] = [];
  for (let at = 0; at < input.length; at += cut) out.push(lines.push(input.subarray(at, at + cut)));
  return Buffer.concat([...out, lines.end()]).toString('latin1');
}

describe.each([1, 3, 1000])('OutgoingLines in cuts of %d', (cut) => {
  it.each([
    ['a\r\nb\r\n', 'a\r\nb\r\n'],
    ['a\nb', 'a\r\nb'],
    ['a\rb\r\n', 'a b\r\n'],
    ['12345678\r\n', '12345678\r\n'],
    ['123456789\r\n', '12345678\r\n 9\r\n'],
  ])('%j', (text, expected) => expect(clean(text, 8, cut)).toBe(expected));
});

test('whatever goes in, only whole short lines come out', () => {
  const text = fc
    .array(fc.constantFrom('\r', '\n', '\r\n', 'a', '.', '\x80', 'bbbbbbbbb'))
    .map((list) => list.join(''));
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 9 }), (input, cut) => {
      const out = clean(input, 8, cut);
      expect(out).not.toMatch(/\r(?!\n)|(?<!\r)\n/);
      for (const line of out.split('\r\n')) expect(line.length).toBeLessThanOrEqual(8);
    }),
  );
});

function downgrade(text: string, cut: number): string {
  const work = downgradeTo7Bit();
  const input = Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1');
  const out: Buffer[] = [];
  for (let at = 0; at < input.length; at += cut) out.push(work.push(input.subarray(at, at + cut)));
  return Buffer.concat([...out, work.end()])
    .toString('latin1')
    .replaceAll('\r\n', '\n');
}

describe.each([1, 10_000])('downgradeTo7Bit in cuts of %d', (cut) => {
  it.each([
    ['plain text', 'Subject: s\n\nbody\n', 'Subject: s\n\nbody\n'],
    [
      'an 8bit part',
      'Content-Type: text/plain\nContent-Transfer-Encoding: 8bit\n\ncaf\xe9 = x \n',
      'Content-Type: text/plain\nContent-Transfer-Encoding: quoted-printable\n\ncaf=E9 =3D x=20\n',
    ],
    [
      'a multipart',
      'Content-Type: multipart/mixed;\n boundary="b"\nContent-Transfer-Encoding: 8bit\n\nintro\n--b\n' +
        'Content-Transfer-Encoding: 8bit\n\n\xe9\n--b\nContent-Transfer-Encoding: base64\n\nAA==\n--b--\nend\n',
      'Content-Type: multipart/mixed;\n boundary="b"\nContent-Transfer-Encoding: 7bit\n\nintro\n--b\n' +
        'Content-Transfer-Encoding: quoted-printable\n\n=E9\n--b\nContent-Transfer-Encoding: base64\n\nAA==\n--b--\nend\n',
    ],
    [
      'an enclosed message',
      'Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\nContent-Transfer-Encoding: 8bit\n\n\xe9\n',
      'Content-Type: message/rfc822\nContent-Transfer-Encoding: 7bit\n\nContent-Transfer-Encoding: quoted-printable\n\n=E9\n',
    ],
  ])('%s', (_name, text, expected) => expect(downgrade(text, cut)).toBe(expected));
});

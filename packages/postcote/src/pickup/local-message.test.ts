import { describe, expect, it } from 'vitest';
import type { LocalHeaderFacts } from './local-header.ts';
import { LocalMessage } from './local-message.ts';

const facts: LocalHeaderFacts = {
  queueId: '4A',
  myhostname: 'mail.example.com',
  mailName: 'Postfix',
  uid: 1000,
  date: new Date('2026-11-24T22:16:34Z'),
};

function convert(text: string, step = Infinity): string {
  const message = new LocalMessage(facts);
  const pieces: Buffer[] = [];
  const emit = (piece: Buffer): void => {
    pieces.push(Buffer.from(piece));
  };
  const octets = Buffer.from(text, 'latin1');
  for (let at = 0; at < octets.length; at += step) message.push(octets.subarray(at, at + step), emit);
  message.finish(emit);
  return Buffer.concat(pieces).toString('latin1');
}

const RECEIVED =
  /^Received: by mail\.example\.com \(Postfix, from userid 1000\)\r\n\tid 4A; Tue, 24 Nov 2026 [^\r]+\r\n/;

describe('LocalMessage', () => {
  it.each<[title: string, given: string, expected: string]>([
    ['passes a message on', 'Subject: x\n\nhi\n', 'Subject: x\r\n\r\nhi\r\n'],
    ['takes one without a header', 'hi there\n', 'hi there\r\n'],
    ['takes a body that looks odd', '\nFrom: no header\n', '\r\nFrom: no header\r\n'],
    ['ends the last line', 'From: a\n\nhi', 'From: a\r\n\r\nhi\r\n'],
    ['takes nothing at all', '', ''],
    ['takes CRLF and CR', 'From: a\r\nX: y\r\n\r\n1\r2\r\n3\n', 'From: a\r\nX: y\r\n\r\n1\r\n2\r\n3\r\n'],
    ['drops NUL', 'From: a\0b\n\nx\0y\n', 'From: ab\r\n\r\nxy\r\n'],
    ['keeps dots', 'From: a\n\n.\n..x\n', 'From: a\r\n\r\n.\r\n..x\r\n'],
    ["drops a mailbox's first line", 'From bob Tue Nov 24\nFrom: a\n\n', 'From: a\r\n\r\n'],
    ['keeps such a line elsewhere', 'X: y\n\nFrom bob\n', 'X: y\r\n\r\nFrom bob\r\n'],
    ['passes long lines', `X: ${'y'.repeat(20_000)}\n z\n\nb`, `X: ${'y'.repeat(20_000)}\r\n z\r\n\r\nb\r\n`],
  ])('%s', (_title, given, expected) => {
    const out = convert(given);
    expect(out).toMatch(RECEIVED);
    expect(out.replace(RECEIVED, '')).toBe(expected);
    expect(convert(given, 1)).toBe(out);
    expect(convert(given, 2)).toBe(out);
    // Nothing that leaves here holds a CR or LF of its own.
    expect(out.replaceAll('\r\n', '')).not.toMatch(/[\r\n\0]/);
  });

  it('counts hops', () => {
    const message = new LocalMessage(facts);
    message.push(Buffer.from('Received: a\nReceived: b\n\nReceived: c\n'), () => {});
    expect(message.received).toBe(2);
  });

  it('takes a header without end in bounded memory', () => {
    const message = new LocalMessage(facts);
    let octets = 0;
    for (let i = 0; i < 100; i++)
      message.push(Buffer.alloc(65_536, 'x'), (piece) => void (octets += piece.length));
    expect(octets).toBeGreaterThan(6_000_000);
  });
});

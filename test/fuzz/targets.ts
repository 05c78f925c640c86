// What is fuzzed, and what must hold for any input: nothing is thrown, nothing takes long, chunks do not matter, and what comes out
// obeys its own rules. `run` throws when something does not hold.

import { strict as assert } from 'node:assert';
import { parseUidlistHeader, parseUidlistRecords, MAX_UID } from '../../packages/maildir/src/uidlist.ts';
import { CommandReader, DEFAULT_CODEC_LIMITS, parseCommand } from '../../packages/imap/src/codec/index.ts';
import { FrameReader } from '../../packages/milter/src/frames.ts';
import { readResponse } from '../../packages/milter/src/response.ts';
import { type MimePart, parseMessageStructure, StructureParser } from '../../packages/mime/src/index.ts';
import { parsePath } from '../../packages/smtp/src/address.ts';
import { parseResponse } from '../../packages/smtp/src/client/dns-message.ts';
import type { Random } from './mutate.ts';

export interface Target {
  readonly name: string;
  readonly words: readonly string[];
  run(input: Buffer, random: Random): void;
}

function chunksOf(input: Buffer, random: Random): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < input.length;) {
    const size = 1 + random.below(random.below(3) === 0 ? 3 : 4000);
    chunks.push(input.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

/** Cheaper than a comparison member by member. */
function assertSame(actual: unknown, expected: unknown, why: string): void {
  assert.ok(JSON.stringify(actual) === JSON.stringify(expected), why);
}

const imap: Target = {
  name: 'imap',
  words: [
    '\r\n',
    '\n',
    '{3}\r\n',
    '{3+}\r\n',
    '{99999999999}\r\n',
    '{0+}\r\n',
    '~{3+}\r\n',
    '"',
    '\\"',
    '(',
    ')',
    '((((',
    '[]',
    'BODY[',
    '<0.1>',
    'UID FETCH 1:* ',
    'SEARCH OR NOT ',
    'APPEND x ',
    'CATENATE (TEXT ',
    'IDLE',
    'DONE',
    '1:*',
    '*:4294967295',
    '1,2,3,',
    'NIL',
    '\0',
    'é',
    '&AOk-',
    '$',
    'RETURN (PARTIAL 1:10 UPDATE)',
    'CHARSET UTF-8 ',
    'UTF8 (~',
    '(ALL ENVELOPE)',
  ],
  run(input, random) {
    const whole = readCommands([input]);
    const pieces = readCommands(chunksOf(input, random));
    assertSame(pieces, whole, 'chunks matter');
  },
};

/** All events as text; the octets of streamed literals are joined. */
function readCommands(chunks: readonly Buffer[]): string[] {
  const reader = new CommandReader({ ...DEFAULT_CODEC_LIMITS, maxStreamed: 100_000 });
  const events: string[] = [];
  let data = 0;
  let literals = 0;
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let event = reader.next(); event !== undefined; event = reader.next()) {
      if (event.kind === 'data') {
        data += event.bytes.length;
        if (event.last) events.push(`data ${data}`);
        if (event.last) data = 0;
        continue;
      }
      if (event.kind === 'append') {
        // The one is taken, the next refused.
        if (literals++ % 2 === 0) reader.acceptLiteral();
        else reader.refuseLiteral();
      }
      if (event.kind === 'command') {
        const command = parseCommand(event.verb, event.args);
        events.push(command === 'unknown' ? 'unknown' : JSON.stringify(command, readable).slice(0, 2000));
      }
      events.push(JSON.stringify(event, readable).slice(0, 2000));
    }
  }
  return events;
}

const readable = (_key: string, value: unknown): unknown =>
  typeof value === 'bigint'
    ? String(value)
    : value instanceof Uint8Array
      ? Buffer.from(value).toString('latin1')
      : value;

const mime: Target = {
  name: 'mime',
  words: [
    '\r\n',
    '\r\n\r\n',
    '--b',
    '--b--',
    '--',
    'Content-Type: multipart/mixed; boundary=b\r\n',
    'Content-Type: message/rfc822\r\n',
    'boundary="',
    "charset*0*=utf-8''",
    'Content-Disposition: attachment; filename="',
    'To: a@b, "c" <d@e>, f: g@h;;\r\n',
    '=?utf-8?B?',
    '?=',
    '(',
    ')',
    '\\',
    '"',
    '<',
    '>',
    ';',
    ',',
    ':',
    '@',
    '\0',
    '\t',
    'Subject:',
    'Date: Tue, 1 Jul 2003 10:52:37 +0200\r\n',
  ],
  run(input, random) {
    const whole = parseMessageStructure(input);
    assert.equal(whole.size, input.length);
    checkPart(whole.root, 0, input.length);
    const parser = new StructureParser();
    for (const chunk of chunksOf(input, random)) parser.push(chunk);
    assertSame(parser.finish(), whole, 'chunks matter');
  },
};

/** Parts lie within their parents, in order. */
function checkPart(root: MimePart, from: number, to: number): void {
  const open = [{ part: root, from, to }];
  for (let work = open.pop(); work !== undefined; work = open.pop()) {
    const { part } = work;
    assert.ok(part.headerStart >= work.from, 'a header before its parent');
    assert.ok(part.bodyStart >= part.headerStart, 'a body before its header');
    assert.ok(part.bodyEnd >= part.bodyStart, 'a body that ends before it begins');
    assert.ok(part.bodyEnd <= work.to, 'a body behind its parent');
    if (part.kind === 'message') open.push({ part: part.message, from: part.bodyStart, to: part.bodyEnd });
    if (part.kind !== 'multipart') continue;
    let last = part.bodyStart;
    for (const child of part.children) {
      open.push({ part: child, from: last, to: part.bodyEnd });
      last = child.bodyEnd;
    }
  }
}

const uidlist: Target = {
  name: 'uidlist',
  words: [
    '\n',
    '3 V1 N1 G0123456789abcdef0123456789abcdef\n',
    '1 1 2\n',
    ' :',
    ' S1',
    ' W1',
    ' P',
    '4294967295',
    '4294967294',
    ' ',
    ':',
    '\0',
    '\r',
  ],
  run(input, random) {
    const text = input.toString('latin1');
    const head = parseUidlistHeader(text);
    if (head === undefined) return;
    const { version, nextUid } = head.header;
    assert.ok(nextUid >= 1);
    const read = (
      from: number,
      lastUid: number,
      upTo: string,
    ): { rows: string[]; end: number; lastUid: number } => {
      const rows: string[] = [];
      let last = lastUid;
      const body = parseUidlistRecords(upTo, { from, lastUid, version }, (uid, fields, base) => {
        assert.ok(uid > last && uid <= MAX_UID, 'UIDs do not ascend');
        last = uid;
        rows.push(`${uid}${fields} :${base}`);
      });
      return { rows, end: body.end, lastUid: body.lastUid };
    };
    const whole = read(head.end, 0, text);
    // A file that grew between two looks reads as the whole.
    const cut = head.end + random.below(text.length - head.end + 1);
    const first = read(head.end, 0, text.slice(0, cut));
    const second = read(first.end, first.lastUid, text);
    assertSame([...first.rows, ...second.rows], whole.rows, 'growth matters');
  },
};

const address: Target = {
  name: 'address',
  words: [
    '<',
    '>',
    '@',
    '"',
    '\\',
    '.',
    ',',
    ':',
    '[',
    ']',
    'IPv6:',
    '::1',
    '@a,@b:',
    ' ',
    '\0',
    'é',
    '%',
    '!',
    '+',
  ],
  run(input) {
    const text = input.toString('utf8').replaceAll(/[\r\n]/g, '');
    for (const strict of [true, false]) {
      const path = parsePath(text, { strict });
      if (path === undefined || path.address === '') continue;
      assert.ok(!/[\0-\x1f\x7f]/.test(path.address), 'control characters in an address');
      // What is said on to the next server means the same there.
      assert.equal(parsePath(`<${path.address}>`, { strict: true })?.address, path.address);
    }
  },
};

const dns: Target = {
  name: 'dns',
  words: ['\xc0\x0c', '\xc0\x00', '\x00', '\x01a', '\x3f', '\x00\x34\x00\x01', '\xff\xff', '\x00\x05'],
  run(input) {
    for (const type of ['TLSA', 'MX', 'A', 'AAAA'] as const) {
      const answer = parseResponse(input, { name: '_25._tcp.mx.example', type });
      if (answer !== undefined) assert.ok(answer.records.length < 70_000);
    }
  },
};

const milter: Target = {
  name: 'milter',
  words: [
    '\x00\x00\x00\x01',
    '\x00\x00\x00\x00',
    '\xff\xff\xff\xff',
    'c',
    'h',
    'm',
    'b',
    'y',
    'r',
    '550 5.7.1 no\0',
    'X-A\0',
    '\0',
  ],
  run(input, random) {
    const read = (chunks: readonly Buffer[]): string[] => {
      const reader = new FrameReader();
      const seen: string[] = [];
      for (const chunk of chunks) {
        reader.push(chunk);
        for (let reading = reader.next(); reading.kind !== 'needMore'; reading = reader.next()) {
          if (reading.kind === 'broken') return [...seen, 'broken'];
          const { frame } = reading;
          for (const atEnd of [true, false])
            seen.push(`${frame.letter} ${JSON.stringify(readResponse(frame, atEnd), readable)}`);
        }
      }
      return seen;
    };
    assertSame(read(chunksOf(input, random)), read([input]), 'chunks matter');
  },
};

export const TARGETS: readonly Target[] = [imap, mime, uidlist, address, dns, milter];

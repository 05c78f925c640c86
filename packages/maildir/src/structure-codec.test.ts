import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseMessageStructure } from '@postcote/mime';
import { decodeEnvelope, decodeStructure, encodeStructure, Undecodable } from './structure-codec.ts';

const LIMIT = 1 << 20;

const MESSAGES = [
  '',
  '\r\n',
  'Subject: one\r\n\r\nbody',
  'From: Ann <ann@example.org>\r\nSender: bob@example.org\r\nReply-To: Ann <ann@example.org>\r\n' +
    'To: group: a@x.org, "B, b" <b@y.org>;, c@z.org\r\nCc: <@route:d@e>\r\nMessage-ID: <1@x>\r\nIn-Reply-To: <0@x>\r\n' +
    'Date: Mon, 2 Mar 2020 01:02:03 +0100\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nx\r\n',
  'Subject: raw \xe9\xff\r\nContent-Type: multipart/mixed; boundary=b; x*0=a; x*1=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n' +
    'Content-Type: message/rfc822\r\nContent-Disposition: attachment; filename="a b.eml"\r\n\r\n' +
    'Subject: inner\r\nContent-Language: de, en\r\nContent-Location: http://x/\r\nContent-MD5: abc\r\n\r\ninside\r\n' +
    '--b\r\nContent-Type: image/png; name=x.png\r\nContent-ID: <i@x>\r\nContent-Description: d\r\n' +
    'Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--b--\r\n',
];

describe('structure codec', () => {
  it.each(MESSAGES)('gives back what was encoded: %#', (text) => {
    const structure = parseMessageStructure(Buffer.from(text, 'latin1'));
    const bytes = encodeStructure(structure, LIMIT);
    if (!bytes) throw new Error('too large');
    expect(decodeStructure(bytes)).toEqual(structure);
    expect(decodeEnvelope(bytes)).toEqual(structure.envelope);
  });

  it('gives back any message, and takes few octets for a plain one', () => {
    const line = fc.oneof(
      fc.constantFrom(
        '',
        '--b',
        '--b--',
        'Content-Type: multipart/mixed; boundary=b',
        'Content-Type: message/rfc822',
      ),
      fc.string({ unit: 'binary-ascii', maxLength: 40 }),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), (lines) => {
        const structure = parseMessageStructure(Buffer.from(lines.join('\r\n'), 'latin1'));
        const bytes = encodeStructure(structure, LIMIT);
        expect(bytes && decodeStructure(bytes)).toEqual(structure);
      }),
    );
    const plain = parseMessageStructure(Buffer.from('Subject: hi\r\nFrom: a@b.org\r\n\r\ntext\r\n'));
    expect(encodeStructure(plain, LIMIT)?.length).toBeLessThan(64);
  });

  it('gives up where it would take too much', () => {
    const structure = parseMessageStructure(Buffer.from(`Subject: ${'x'.repeat(5000)}\r\n\r\n`));
    expect(encodeStructure(structure, 4096)).toBeUndefined();
  });

  it('says that damaged octets are none of its own, or gives something', () => {
    const structure = parseMessageStructure(Buffer.from(MESSAGES[4] ?? '', 'latin1'));
    const bytes = encodeStructure(structure, LIMIT) ?? Buffer.alloc(0);
    for (let length = 0; length < bytes.length; length++)
      expect(() => decodeStructure(bytes.subarray(0, length))).toThrow(Undecodable);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        try {
          decodeStructure(Buffer.from(octets));
        } catch (error) {
          expect(error).toBeInstanceOf(Undecodable);
        }
      }),
    );
  });
});

// An independent reader's opinion: mailparser must find the same text, the same parts and the same attachments in a message
// and in what became of it for a server of seven bits.

import { simpleParser } from 'mailparser';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { downgradeTo7Bit } from './downgrade.ts';

const OPTIONS = { skipHtmlToText: true, skipTextToHtml: true, skipImageLinks: true };

async function read(message: Buffer) {
  const { subject, text, html, attachments } = await simpleParser(message, OPTIONS);
  return {
    subject,
    text,
    html,
    attachments: attachments.map(({ filename, contentType, content }) => ({
      filename,
      contentType,
      content: content.toString('hex'),
    })),
  };
}

function downgrade(message: Buffer, cut: number): Buffer {
  const work = downgradeTo7Bit();
  const out: Buffer[] = [];
  for (let at = 0; at < message.length; at += cut) out.push(work.push(message.subarray(at, at + cut)));
  return Buffer.concat([...out, work.end()]);
}

/** A text line in UTF-8: what an encoder might get wrong. */
const line = fc
  .array(fc.constantFrom('a', 'é', '日本', '=', ' ', '\t', '.', '--', '=E9', '😀', 'x'.repeat(70)), {
    maxLength: 12,
  })
  .map((list) => list.join(''));
const text = fc.array(line, { minLength: 1, maxLength: 8 }).map((list) => `${list.join('\r\n')}\r\n`);
const part = (body: string, type: string, more = ''): string =>
  `Content-Type: ${type}\r\n${more}Content-Transfer-Encoding: 8bit\r\n\r\n${body}`;
const ATTACHED = 'Content-Disposition: attachment; filename="n.csv"\r\n';

const message = fc.oneof(
  text.map((body) => part(body, 'text/plain; charset=utf-8')),
  text.map((body) => part(`<p>${body}</p>\r\n`, 'text/html; charset=utf-8')),
  fc.tuple(text, text, text).map(([plain, html, csv]) => {
    const inner = `--i\r\n${part(plain, 'text/plain; charset=utf-8')}\r\n--i\r\n${part(html, 'text/html; charset=utf-8')}\r\n--i--\r\n`;
    return part(
      `preamble\r\n--o\r\n${part(inner, 'multipart/alternative; boundary=i')}\r\n--o\r\n${part(csv, 'text/csv; charset=utf-8', ATTACHED)}\r\n--o--\r\nepilogue\r\n`,
      'multipart/mixed;\r\n boundary="o"',
    );
  }),
);

it('finds in the downgraded message what it found before, and no eighth bit is left', async () => {
  await fc.assert(
    fc.asyncProperty(message, fc.integer({ min: 1, max: 500 }), async (given, cut) => {
      const before = Buffer.from(`Subject: s\r\nMIME-Version: 1.0\r\n${given}`, 'utf8');
      const after = downgrade(before, cut);
      expect(after.every((octet) => octet < 0x80)).toBe(true);
      for (const row of after.toString('latin1').split('\r\n')) expect(row.length).toBeLessThanOrEqual(998);
      expect(await read(after)).toEqual(await read(before));
    }),
    { numRuns: 150 },
  );
});

it('opens an enclosed message too', async () => {
  const enclosed = `Subject: inner\r\n${part('schön\r\n', 'text/plain; charset=utf-8')}`;
  const before = Buffer.from(
    `Subject: outer\r\n${part(`--b\r\n${part(enclosed, 'message/rfc822')}\r\n--b--\r\n`, 'multipart/mixed; boundary=b')}`,
  );
  const after = downgrade(before, 7);
  expect(after.every((octet) => octet < 0x80)).toBe(true);
  const inner = async (whole: Buffer) => {
    const outer = await simpleParser(whole, OPTIONS);
    return await read(outer.attachments[0]?.content ?? Buffer.alloc(0));
  };
  expect((await inner(after)).text).toBe('schön\n');
  expect(await inner(after)).toEqual(await inner(before));
});

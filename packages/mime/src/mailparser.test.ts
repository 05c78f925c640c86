// An independent reader's opinion: mailparser must find in a message what our structure and decoding find.

import { simpleParser } from 'mailparser';
import { describe, expect, it } from 'vitest';
import { decodeCharset } from './charset.ts';
import { decodeWords } from './encoded-word.ts';
import { decodeParameter } from './parameters.ts';
import type { LeafPart, MimePart } from './structure.ts';
import { parseMessageStructure } from './structure-parser.ts';
import { decodeTransferEncoding } from './transfer-encoding.ts';

const OPTIONS = { skipHtmlToText: true, skipTextToHtml: true, skipImageLinks: true };

const messages: [string, string][] = [
  [
    'plain text in quoted-printable',
    'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nContent-Type: text/plain; charset=iso-8859-1\r\n' +
      'Content-Transfer-Encoding: quoted-printable\r\n\r\nsch=F6n=\r\n lang\r\n',
  ],
  [
    'alternatives and an attachment with a long name',
    'Subject: two\r\nContent-Type: multipart/mixed; boundary=o\r\n\r\npreamble\r\n--o\r\n' +
      'Content-Type: multipart/alternative; boundary="i"\r\n\r\n--i\r\n\r\nhello\r\n--i\r\n' +
      'Content-Type: text/html\r\n\r\n<p>hello\r\n--i--\r\n--o\r\n' +
      "Content-Type: application/pdf; name*0*=utf-8''r%C3%A9s; name*1=ume.pdf\r\n" +
      'Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBERi0=\r\n--o--\r\n',
  ],
];

function leaves(part: MimePart): LeafPart[] {
  if (part.kind === 'multipart') return part.children.flatMap(leaves);
  return part.kind === 'leaf' ? [part] : leaves(part.message);
}

describe('what mailparser reads', () => {
  it.each(messages)('%s', async (_title, text) => {
    const bytes = Buffer.from(text, 'latin1');
    const theirs = await simpleParser(bytes, OPTIONS);
    const { root, envelope } = parseMessageStructure(bytes);
    expect(decodeWords(envelope.subject ?? '')).toBe(theirs.subject);
    const bodyOf = (part: LeafPart): Buffer =>
      decodeTransferEncoding(bytes.subarray(part.bodyStart, part.bodyEnd), part.encoding);
    const ours = leaves(root);
    const plain = ours.find((part) => part.subtype.toLowerCase() === 'plain') as LeafPart;
    const charset = plain.parameters.find(([name]) => name.toLowerCase() === 'charset')?.[1] ?? 'us-ascii';
    expect(decodeCharset(bodyOf(plain), charset).replaceAll('\r\n', '\n').trim()).toBe(theirs.text?.trim());
    const attached = ours.filter((part) => part.disposition?.type.toLowerCase() === 'attachment');
    expect(attached.map(bodyOf)).toEqual(theirs.attachments.map(({ content }) => content));
    expect(attached.map((part) => decodeParameter(part.parameters, 'name'))).toEqual(
      theirs.attachments.map(({ filename }) => filename),
    );
  });
});

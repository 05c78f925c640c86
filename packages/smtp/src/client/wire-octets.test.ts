// What the sending side puts on the wire, through the real session: whatever a message, its envelope and its server hold,
// no bare CR or LF leaves, no command that was not meant, and no line over the limit.

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { defaultClientSettings } from './client-settings.ts';
import type { OutboundMessage } from './message.ts';
import { type ClientHost, ClientSession, type ClientTls } from './session.ts';

/** A server that takes everything at once, and keeps the octets. */
class Taker implements ClientHost {
  session: ClientSession | undefined;
  written = '';
  readonly #keywords: readonly string[];
  #answered = 0;
  #inData = false;
  /** Lines outside messages. */
  readonly commands: string[] = [];
  readonly bodies: string[] = [];

  constructor(keywords: readonly string[]) {
    this.#keywords = keywords;
  }

  write(bytes: string | Uint8Array): boolean {
    this.written += typeof bytes === 'string' ? bytes : Buffer.from(bytes).toString('latin1');
    setImmediate(() => this.#answer());
    return true;
  }

  // A strict reader, as RFC 5321 has it: commands end with CRLF, a message with CRLF.CRLF.
  #answer(): void {
    for (;;) {
      const rest = this.written.slice(this.#answered);
      if (this.#inData) {
        const isEmpty = rest.startsWith('.\r\n');
        const end = isEmpty ? 0 : rest.indexOf('\r\n.\r\n');
        if (end === -1) return;
        this.bodies.push(isEmpty ? '' : rest.slice(0, end + 2));
        this.#answered += isEmpty ? 3 : end + 5;
        this.#inData = false;
        this.#say('250 2.0.0 taken');
        continue;
      }
      const end = rest.indexOf('\r\n');
      if (end === -1) return;
      const line = rest.slice(0, end);
      this.#answered += end + 2;
      this.commands.push(line);
      if (line.startsWith('EHLO')) {
        const all = ['taker', ...this.#keywords];
        this.#say(all.map((word, i) => `250${i === all.length - 1 ? ' ' : '-'}${word}`).join('\r\n'));
      } else if (line === 'DATA') {
        this.#inData = true;
        this.#say('354 go');
      } else this.#say('250 2.0.0 ok');
    }
  }
  #say(reply: string): void {
    this.session?.receive(Buffer.from(`${reply}\r\n`));
  }
  drained = async (): Promise<void> => {};
  startTls = async (): Promise<ClientTls | string> => 'none here';
  close(): void {}
  setTimeout(): void {}
}

const nasty = (length: number) =>
  fc
    .array(
      fc.constantFrom('\r', '\n', '\r\n', '\r\n.\r\n', '\n.\n', '.', '\0', 'a', 'ä', ' ', 'QUIT', '>', '='),
      {
        maxLength: length,
      },
    )
    .map((list) => list.join(''));
const part = fc.constantFrom(
  'Content-Type: text/plain\r\nContent-Transfer-Encoding: 8bit\r\n\r\n',
  'Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n--b\r\nContent-Transfer-Encoding: 8bit\n\n',
  '',
);

it('holds no bare CR or LF, and no command that was not meant', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.record({
        sender: nasty(3),
        recipient: nasty(3),
        orcpt: nasty(3),
        envelopeId: nasty(4),
        head: part,
        body: nasty(40),
        keywords: fc.subarray(['PIPELINING', 'SIZE 0', '8BITMIME', 'SMTPUTF8', 'DSN']),
        cut: fc.integer({ min: 1, max: 30 }),
        limit: fc.constantFrom(0, 20, 998),
      }),
      async (given) => {
        const octets = Buffer.from(given.head + given.body, 'latin1');
        const chunks: Buffer[] = [];
        for (let at = 0; at < octets.length; at += given.cut)
          chunks.push(octets.subarray(at, at + given.cut));
        const host = new Taker(given.keywords);
        const settings = { ...defaultClientSettings('me.example.org'), lineLengthLimit: given.limit };
        const session = new ClientSession(host, {
          settings,
          policy: {
            level: 'none',
            match: [],
            serverName: '',
            wish: { protocols: '', ciphers: '', exclude: '' },
            anchorFiles: [],
          },
          hostName: 'taker[192.0.2.1]',
          detectLoops: false,
          domain: 'example.net',
          note: () => {},
        });
        host.session = session;
        setImmediate(() => session.receive(Buffer.from('220 taker ESMTP\r\n')));
        await session.begin();
        const message: OutboundMessage = {
          queueId: 'ABC',
          sender: given.sender,
          recipients: [
            { index: 0, address: `x${given.recipient}`, originalRecipient: `rfc822;${given.orcpt}` },
          ],
          size: octets.length,
          bodyType: '8BITMIME',
          smtpUtf8: true,
          envelopeId: given.envelopeId,
          open: async () => ({ size: octets.length, chunks: () => chunks }),
        };
        const [result] = await session.send(message);
        expect(host.written).not.toMatch(/\r(?!\n)|(?<!\r)\n/);
        const verbs = host.commands.map((line) => line.split(' ', 2).join(' ').split('<', 1)[0]);
        if (result?.status === 'sent') {
          expect(verbs).toEqual(['EHLO me.example.org', 'MAIL FROM:', 'RCPT TO:', 'DATA']);
          expect(host.bodies).toHaveLength(1);
          const longest = Math.max(...(host.bodies[0] ?? '').split('\r\n').map((line) => line.length));
          // A dot may be stuffed on top.
          if (given.limit > 0) expect(longest).toBeLessThanOrEqual(given.limit + 1);
          if (!given.keywords.includes('8BITMIME') && given.head !== '')
            expect(host.bodies[0]?.split('\r\n\r\n')[0]).not.toMatch(/8bit/);
        } else expect(verbs.includes('DATA')).toBe(false);
      },
    ),
    { numRuns: 300 },
  );
});

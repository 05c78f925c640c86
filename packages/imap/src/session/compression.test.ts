// COMPRESS=DEFLATE (RFC 4978), against Node's own zlib as the client.

import { constants, createDeflateRaw, createInflateRaw, deflateRawSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { memoryStore, UserClient } from '../testing/index.ts';

class CompressedClient {
  readonly one: UserClient;
  readonly #deflate = createDeflateRaw();
  readonly #inflate = createInflateRaw();
  text = '';

  constructor(one: UserClient) {
    this.one = one;
    this.#deflate.on('data', (chunk: Buffer) => one.session.receive(chunk));
    this.#inflate.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('latin1');
    });
  }

  send(text: string): void {
    this.#deflate.write(Buffer.from(text, 'latin1'));
    this.#deflate.flush(constants.Z_SYNC_FLUSH);
  }

  async until(pattern: RegExp): Promise<string> {
    for (let turn = 0; turn < 20_000; turn++) {
      const octets = this.one.host.take();
      if (octets !== '') this.#inflate.write(Buffer.from(octets, 'latin1'));
      if (pattern.test(this.text)) {
        const { text } = this;
        this.text = '';
        return text;
      }
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    throw new Error(`no answer: ${this.text.slice(-200)}`);
  }
}

async function compressed(store = memoryStore()): Promise<CompressedClient> {
  const one = new UserClient({ store });
  expect(await one.run('COMPRESS FROB')).toEqual(['T NO Unknown compression mechanism.']);
  expect(await one.run('COMPRESS DEFLATE')).toEqual(['T OK Begin compression.']);
  return new CompressedClient(one);
}

describe('COMPRESS', () => {
  it('carries commands, literals and large answers in both directions', async () => {
    const store = memoryStore();
    const body = 'All work and no play\r\n'.repeat(20_000);
    store.seed('INBOX', [{ content: `Subject: big\r\n\r\n${body}`, recent: false }]);
    const client = await compressed(store);
    client.send('a SELECT INBOX\r\nb FETCH 1 (BODY.PEEK[TEXT])\r\n');
    const answer = await client.until(/^b OK/m);
    expect(answer).toContain(`BODY[TEXT] {${body.length}}\r\n${body})`);
    const message = `Subject: in\r\n\r\n${'x'.repeat(100_000)}`;
    client.send(
      `c APPEND INBOX {${message.length}+}\r\n${message}\r\nd COMPRESS DEFLATE\r\ne CAPABILITY\r\n`,
    );
    const after = await client.until(/^e OK/m);
    expect(after).toContain('c OK [APPENDUID 1000 2] Append completed');
    expect(after).toContain('d NO [COMPRESSIONACTIVE]');
    expect(after).not.toContain('COMPRESS=DEFLATE');
    client.send('f LOGOUT\r\n');
    await client.until(/^f OK/m);
    for (let turn = 0; turn < 200 && !client.one.host.closed; turn++)
      await new Promise((resolve) => setTimeout(resolve, 1));
    expect(client.one.host.closed).toBe(true);
    expect(client.one.session.canSuspend).toBe(false);
  });

  it('ends with rubbish', async () => {
    const client = await compressed();
    client.one.session.receive(Buffer.from('a NOOP\r\n'));
    for (let turn = 0; turn < 200 && !client.one.host.closed; turn++)
      await new Promise((resolve) => setTimeout(resolve, 1));
    expect(client.one.host.closed).toBe(true);
    expect(client.one.logLines.at(-1)).toContain('compressed input');
  });

  it('takes no bomb, and holds little of it meanwhile', async () => {
    const client = await compressed();
    client.send(`a APPEND INBOX {${200 * 1024 * 1024}+}\r\n`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const zeros = deflateRawSync(Buffer.alloc(64 * 1024 * 1024, 'x'), {
      finishFlush: constants.Z_SYNC_FLUSH,
    });
    client.one.session.receive(zeros);
    for (let turn = 0; turn < 20_000 && !client.one.host.closed; turn++)
      await new Promise((resolve) => setTimeout(resolve, 1));
    expect(client.one.host.closed).toBe(true);
    expect(client.one.logLines.at(-1)).toContain('expands too much');
  });
});

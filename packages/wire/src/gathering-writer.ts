// Gathers what a session says into pieces of some ten kilobytes before it goes to the connection: one message's
// response is often a hundred octets, ten thousand of them are one answer, and every write costs a system call.
//
// What was gathered goes out when there is enough of it or at `flush`; nothing is held back longer than the caller
// lets pass between two flushes. An idle session holds no memory here.

import type { SessionHost } from './session.ts';

const CHUNK = 64 * 1024;
/** Text is gathered as text up to here. */
const TEXT = 16 * 1024;
/** Octets that are cheaper to copy than to write on their own. */
const SMALL = 16 * 1024;
/** Octets that may as well be text while nothing larger has come. */
const TINY = 1024;
/** Chunks that were sent and can be filled again; new memory costs more than filling it. For all writers together. */
const FREE: Buffer[] = [];
const MAX_FREE = 2;

export class GatheringWriter {
  readonly #host: SessionHost;
  #text = '';
  #chunk: Buffer | undefined;
  #used = 0;
  #blocked = false;
  /** Octets written so far, for the log. */
  octets = 0;

  constructor(host: SessionHost) {
    this.#host = host;
  }

  /** One character per octet. */
  text(text: string): void {
    this.#text += text;
    if (this.#text.length >= TEXT) this.#gatherText();
  }

  /** The octets are copied, or must not change any more: the connection may keep them for a while. */
  bytes(bytes: Buffer): void {
    if (bytes.length <= TINY) return this.text(bytes.toString('latin1'));
    if (bytes.length > SMALL) {
      this.flush();
      return this.#send(bytes);
    }
    this.#gatherText();
    for (let from = 0; from < bytes.length;) {
      const chunk = (this.#chunk ??= FREE.pop() ?? Buffer.allocUnsafeSlow(CHUNK));
      const copied = bytes.copy(chunk, this.#used, from);
      from += copied;
      this.#filled(chunk, copied);
    }
  }

  flush(): void {
    if (this.#chunk === undefined) {
      if (this.#text === '') return;
      const bytes = Buffer.from(this.#text, 'latin1');
      this.#text = '';
      return this.#send(bytes);
    }
    this.#gatherText();
    const chunk = this.#chunk;
    if (chunk === undefined || this.#used === 0) return;
    this.#sendChunk(chunk);
  }

  /** The client does not keep up: wait for `ready` before the next message. */
  get blocked(): boolean {
    return this.#blocked;
  }

  async ready(): Promise<void> {
    if (!this.#blocked) return;
    await this.#host.drained();
    this.#blocked = false;
  }

  #gatherText(): void {
    let text = this.#text;
    this.#text = '';
    while (text !== '') {
      const chunk = (this.#chunk ??= FREE.pop() ?? Buffer.allocUnsafeSlow(CHUNK));
      const written = chunk.write(text, this.#used, 'latin1');
      text = written === text.length ? '' : text.slice(written);
      this.#filled(chunk, written);
    }
  }

  #filled(chunk: Buffer, octets: number): void {
    this.#used += octets;
    if (this.#used === CHUNK) this.#sendChunk(chunk);
  }

  #sendChunk(chunk: Buffer): void {
    const bytes = chunk.subarray(0, this.#used);
    this.#chunk = undefined;
    this.#used = 0;
    this.#send(bytes, () => {
      if (FREE.length < MAX_FREE) FREE.push(chunk);
    });
  }

  #send(bytes: Buffer, taken?: () => void): void {
    this.octets += bytes.length;
    if (!this.#host.write(bytes, taken)) this.#blocked = true;
  }
}

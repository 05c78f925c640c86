// Collects responses into pieces of some kilobytes before they go to the connection: one message's FETCH response
// is often a hundred octets, and ten thousand of them are one answer.

import type { SessionHost } from '@postcote/wire';

const BATCH = 16 * 1024;
/** Octets that are cheaper to copy into the batch than to write on their own. */
const SMALL = 4 * 1024;

export class ResponseWriter {
  readonly #host: SessionHost;
  #text = '';
  #blocked = false;
  /** Octets written so far, for the log. */
  octets = 0;

  constructor(host: SessionHost) {
    this.#host = host;
  }

  /** One character per octet. */
  text(text: string): void {
    this.#text += text;
    if (this.#text.length >= BATCH) this.flush();
  }

  bytes(bytes: Buffer): void {
    if (bytes.length <= SMALL) return this.text(bytes.toString('latin1'));
    this.flush();
    this.#send(bytes);
  }

  flush(): void {
    if (this.#text === '') return;
    const bytes = Buffer.from(this.#text, 'latin1');
    this.#text = '';
    this.#send(bytes);
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

  #send(bytes: Buffer): void {
    this.octets += bytes.length;
    if (!this.#host.write(bytes)) this.#blocked = true;
  }
}

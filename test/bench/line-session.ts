// A bare client for IMAP and POP3 that counts what it gets and looks at as little as it can, so that the server
// is what is measured.

import net from 'node:net';
import tls from 'node:tls';

const LIMIT_MS = 300_000;

export class LineSession {
  readonly #socket: net.Socket;
  #waiting:
    | { readonly isLast: (tail: Buffer) => boolean; readonly resolve: (octets: number) => void }
    | undefined;
  #octets = 0;
  /** The end of what came, enough to find the last line of an answer in. */
  #tail: Buffer = Buffer.alloc(0);
  /** Takes what comes, while somebody wants the text. */
  #kept: Buffer[] | undefined;
  #failed: ((error: Error) => void) | undefined;

  private constructor(socket: net.Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('error', (error) => this.#failed?.(error));
    socket.on('close', () => this.#failed?.(new Error('connection closed')));
  }

  static async open(port: number, options: { readonly secure: boolean }): Promise<LineSession> {
    const socket = options.secure
      ? tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
      : net.connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    const session = new LineSession(socket);
    await session.#until((tail) => tail.includes('\n'));
    return session;
  }

  /** Sends text and waits for the answer that ends as `isLast` says; gives its octets. */
  async ask(text: string, isLast: (tail: Buffer) => boolean): Promise<number> {
    const answer = this.#until(isLast);
    this.#socket.write(text);
    return answer;
  }

  /** One IMAP command; throws unless it is OK. */
  async imap(tag: string, command: string): Promise<number> {
    const octets = await this.ask(`${tag} ${command}\r\n`, (tail) => lastLine(tail).startsWith(`${tag} `));
    const line = lastLine(this.#tail);
    if (!line.startsWith(`${tag} OK`)) throw new Error(`${command.slice(0, 40)}: ${line}`);
    return octets;
  }

  /** The same, and gives the whole answer. */
  async imapText(tag: string, command: string): Promise<string> {
    const kept: Buffer[] = [];
    this.#kept = kept;
    try {
      await this.imap(tag, command);
    } finally {
      this.#kept = undefined;
    }
    return Buffer.concat(kept).toString('latin1');
  }

  /** Waits for what comes unasked from now on. */
  async hear(isThere: (tail: Buffer) => boolean): Promise<void> {
    await this.#until(isThere);
  }

  /** One POP3 command with an answer of one line. */
  async pop3(command: string): Promise<string> {
    await this.ask(`${command}\r\n`, (tail) => tail.at(-1) === 0x0a);
    const line = lastLine(this.#tail);
    if (!line.startsWith('+OK')) throw new Error(`${command.slice(0, 40)}: ${line}`);
    return line;
  }

  close(): void {
    this.#failed = undefined;
    this.#socket.destroy();
  }

  #until(isLast: (tail: Buffer) => boolean): Promise<number> {
    this.#octets = 0;
    this.#tail = Buffer.alloc(0);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('no answer')), LIMIT_MS);
      const end = (): void => {
        clearTimeout(timer);
        this.#failed = undefined;
      };
      this.#failed = (error) => (end(), reject(error));
      this.#waiting = { isLast, resolve: (octets) => (end(), resolve(octets)) };
    });
  }

  #take(chunk: Buffer): void {
    this.#octets += chunk.length;
    this.#kept?.push(chunk);
    const joined = chunk.length >= 1024 ? chunk : Buffer.concat([this.#tail, chunk]);
    this.#tail = joined.subarray(Math.max(0, joined.length - 1024));
    if (chunk.at(-1) !== 0x0a || this.#waiting?.isLast(this.#tail) !== true) return;
    const { resolve } = this.#waiting;
    this.#waiting = undefined;
    resolve(this.#octets);
  }
}

function lastLine(tail: Buffer): string {
  const end = tail.at(-2) === 0x0d ? tail.length - 2 : tail.length - 1;
  const start = tail.lastIndexOf(0x0a, end - 1) + 1;
  return tail.toString('latin1', start, Math.max(start, end));
}

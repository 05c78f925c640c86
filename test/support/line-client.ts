// A raw client for line protocols: sends bytes as told, reads lines ended by CRLF, keeps the dialog for error
// messages. Octets are latin-1 text here, so nothing is lost. Every wait has a time limit.

import net from 'node:net';
import tls from 'node:tls';

export class DialogError extends Error {
  override readonly name = 'DialogError';
}

export interface ConnectOptions {
  readonly port: number;
  readonly host?: string;
  /** The client's own address, to be a stranger on loopback. */
  readonly from?: string;
  /** TLS from the first octet. */
  readonly secure?: boolean;
  /** How long any single wait may take. */
  readonly timeoutMs?: number;
}

export class LineClient {
  readonly #timeoutMs: number;
  #socket: net.Socket;
  #buffer = '';
  #ended: string | undefined;
  #wake: (() => void) | undefined;
  /** What was said so far, one entry a line. */
  readonly dialog: string[] = [];

  private constructor(socket: net.Socket, timeoutMs: number) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    this.#listen();
  }

  static async connect(options: ConnectOptions): Promise<LineClient> {
    const { port, host = '127.0.0.1', timeoutMs = 15_000 } = options;
    const socket = net.connect({
      port,
      host,
      ...(options.from === undefined ? {} : { localAddress: options.from }),
    });
    socket.setNoDelay(true);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    const client = new LineClient(socket, timeoutMs);
    if (options.secure === true) await client.startTls();
    return client;
  }

  #listen(): void {
    const socket = this.#socket;
    socket.on('data', (chunk: Buffer) => {
      this.#buffer += chunk.toString('latin1');
      this.#wake?.();
    });
    socket.on('error', (error: Error) => this.#end(error.message));
    socket.on('close', () => this.#end('closed by the server'));
    socket.on('end', () => this.#end('closed by the server'));
  }

  #end(reason: string): void {
    this.#ended ??= reason;
    this.#wake?.();
  }

  /** Negotiates TLS on the open connection; certificates are not checked. */
  async startTls(): Promise<tls.TLSSocket> {
    const plain = this.#socket;
    plain.removeAllListeners();
    if (this.#buffer !== '') throw this.fail(`octets before TLS: ${JSON.stringify(this.#buffer)}`);
    const secured = tls.connect({ socket: plain, rejectUnauthorized: false, servername: 'localhost' });
    await new Promise<void>((resolve, reject) => {
      secured.once('secureConnect', resolve);
      secured.once('error', reject);
      secured.once('close', () => reject(this.fail('closed during the TLS handshake')));
    });
    this.dialog.push('-- TLS --');
    this.#socket = secured;
    this.#listen();
    return secured;
  }

  fail(message: string): DialogError {
    return new DialogError(`${message}\n${this.dialog.slice(-40).join('\n')}`);
  }

  get ended(): boolean {
    return this.#ended !== undefined && this.#buffer === '';
  }

  send(bytes: string | Uint8Array): void {
    const octets = typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : bytes;
    const shown = Buffer.from(octets).toString('latin1');
    this.dialog.push(
      `> ${shown.length > 400 ? `${shown.slice(0, 400)}… (${shown.length} octets)` : shown.trimEnd()}`,
    );
    if (this.#socket.writable) this.#socket.write(octets);
  }

  /** Waits until `found` gives something; undefined when the connection ended or time was up first. */
  async #until<T>(found: () => T | undefined, timeoutMs: number): Promise<T | undefined> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const value = found();
      if (value !== undefined) return value;
      const left = deadline - Date.now();
      if (this.#ended !== undefined || left <= 0) return undefined;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
  }

  #takeLine(): string | undefined {
    const end = this.#buffer.indexOf('\r\n');
    if (end === -1) return undefined;
    const line = this.#buffer.slice(0, end);
    this.#buffer = this.#buffer.slice(end + 2);
    this.dialog.push(`< ${line}`);
    return line;
  }

  /** The next line without its CRLF. Throws when none comes in time. */
  async line(timeoutMs = this.#timeoutMs): Promise<string> {
    const line = await this.#until(() => this.#takeLine(), timeoutMs);
    if (line === undefined)
      throw this.fail(
        `no line came (${this.#ended ?? 'time is up'}; ${JSON.stringify(this.#buffer.slice(0, 200))} waits)`,
      );
    return line;
  }

  /** Puts a line back, to be read next. */
  unread(line: string): void {
    this.dialog.pop();
    this.#buffer = `${line}\r\n${this.#buffer}`;
  }

  /** Lines up to and including the first that matches. */
  async linesUntil(pattern: RegExp): Promise<string[]> {
    const lines: string[] = [];
    for (;;) {
      const line = await this.line();
      lines.push(line);
      if (pattern.test(line)) return lines;
    }
  }

  /** Sends a line and reads up to `pattern`. */
  async ask(command: string, pattern: RegExp): Promise<string[]> {
    this.send(`${command}\r\n`);
    return await this.linesUntil(pattern);
  }

  async expectClosed(): Promise<void> {
    await this.#until(() => (this.#buffer === '' ? undefined : true), this.#timeoutMs);
    if (this.#buffer !== '')
      throw this.fail(`expected the end, got ${JSON.stringify(this.#buffer.slice(0, 200))}`);
    if (this.#ended === undefined) throw this.fail('the server did not close');
    this.dialog.push('-- closed --');
  }

  async expectSilence(ms: number): Promise<void> {
    await this.#until(() => (this.#buffer === '' ? undefined : true), ms);
    if (this.#buffer !== '')
      throw this.fail(`expected silence, got ${JSON.stringify(this.#buffer.slice(0, 200))}`);
  }

  /** Reads no more: what the server goes on writing is its own affair. */
  stopReading(): void {
    this.#socket.pause();
  }

  close(): void {
    this.#socket.destroy();
  }
}

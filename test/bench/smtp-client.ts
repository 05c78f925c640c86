// An SMTP client of its own process, for what smtp-source cannot do: STARTTLS, and the time each transaction takes.
// Reads its task as JSON from the first argument, prints its figures as JSON. Commands are pipelined as Postfix's own
// client does.

import net from 'node:net';
import tls from 'node:tls';

export interface ClientTask {
  readonly port: number;
  readonly sessions: number;
  readonly messages: number;
  /** Messages on one connection. */
  readonly perConnection: number;
  readonly starttls: boolean;
  readonly length: number;
  readonly recipient: string;
}

export interface ClientFigures {
  readonly seconds: number;
  /** Milliseconds from MAIL to the reply that takes the message over. */
  readonly p50: number;
  readonly p99: number;
}

const LIMIT_MS = 120_000;

class Session {
  #socket: net.Socket;
  #heard = '';
  #wake: (() => void) | undefined;
  #failure: Error | undefined;

  constructor(port: number) {
    this.#socket = net.connect(port, '127.0.0.1');
    this.#listen();
  }

  #listen(): void {
    this.#socket.setNoDelay(true);
    this.#socket.on('data', (chunk: Buffer) => {
      this.#heard += chunk.toString('latin1');
      this.#wake?.();
    });
    const fail = (error: Error): void => {
      this.#failure = error;
      this.#wake?.();
    };
    this.#socket.on('error', fail);
    this.#socket.on('close', () => fail(new Error('connection closed')));
  }

  /** Sends and waits for so many replies, each with the code that is expected. */
  async say(text: string, ...codes: readonly string[]): Promise<void> {
    if (text !== '') this.#socket.write(text);
    for (const code of codes) {
      let end: RegExpExecArray | null;
      while ((end = /^\d{3} .*\r\n/m.exec(this.#heard)) === null) {
        if (this.#failure !== undefined) throw this.#failure;
        await new Promise<void>((resolve) => (this.#wake = resolve));
      }
      if (!end[0].startsWith(code)) throw new Error(`expected ${code}, heard ${end[0]}`);
      this.#heard = this.#heard.slice(end.index + end[0].length);
    }
  }

  /** A full handshake each time, as with clients that come once. */
  async secure(): Promise<void> {
    this.#socket.removeAllListeners();
    // The key exchange that both sides know: what a mail server of this year's Debian offers.
    const options = { ecdhCurve: 'X25519', rejectUnauthorized: false };
    const secured = tls.connect({ socket: this.#socket, ...options });
    await new Promise<void>((resolve, reject) => {
      secured.once('secureConnect', resolve);
      secured.once('error', reject);
    });
    secured.removeAllListeners('error');
    this.#socket = secured;
    this.#listen();
  }

  end(): void {
    this.#failure = undefined;
    this.#socket.removeAllListeners();
    this.#socket.on('error', () => {});
    this.#socket.destroy();
  }
}

function makeMail(length: number): string {
  const head = 'From: <sender@example.com>\r\nSubject: performance\r\n\r\n';
  const line = `${'x'.repeat(78)}\r\n`;
  return `${head}${line.repeat(Math.max(1, Math.round((length - head.length) / line.length)))}.\r\n`;
}

async function run(task: ClientTask): Promise<ClientFigures> {
  const mail = makeMail(task.length);
  const times: number[] = [];
  let left = task.messages;
  const one = async (): Promise<void> => {
    while (left > 0) {
      const session = new Session(task.port);
      await session.say('', '220');
      await session.say('EHLO bench.example\r\n', '250');
      if (task.starttls) {
        await session.say('STARTTLS\r\n', '220');
        await session.secure();
        await session.say('EHLO bench.example\r\n', '250');
      }
      for (let sent = 0; sent < task.perConnection && left > 0; sent++) {
        left--;
        const begun = performance.now();
        await session.say(
          `MAIL FROM:<sender@example.com>\r\nRCPT TO:<${task.recipient}>\r\nDATA\r\n`,
          '250',
          '250',
          '354',
        );
        await session.say(mail, '250');
        times.push(performance.now() - begun);
      }
      await session.say('QUIT\r\n', '221');
      session.end();
    }
  };
  const begun = performance.now();
  await Promise.all(Array.from({ length: task.sessions }, one));
  const seconds = (performance.now() - begun) / 1000;
  times.sort((a, b) => a - b);
  const at = (share: number): number =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return { seconds, p50: at(0.5), p99: at(0.99) };
}

setTimeout(() => {
  throw new Error('no end of it');
}, LIMIT_MS).unref();
console.log(JSON.stringify(await run(JSON.parse(process.argv[2] ?? '') as ClientTask)));
process.exit(0);

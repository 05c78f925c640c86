// A mail filter that follows a script: says what it is told at each event, and keeps what it was told. Its frames are
// made by hand, so that it is no mirror of the code under test.

import net from 'node:net';

export type MilterEvent =
  | 'connect'
  | 'helo'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'header'
  | 'eoh'
  | 'body'
  | 'eom'
  | 'unknown';

/** Frames to send; or what a filter should not do. */
export type Answer = readonly Buffer[] | 'hang' | 'die';

export interface MilterScript {
  readonly version?: number;
  readonly actions?: number;
  /** SMFIP_… */
  readonly steps?: number;
  /** Macros it asks for, by SMFIM_… number. */
  readonly symbols?: readonly (readonly [stage: number, names: string])[];
  /** In place of the negotiation's answer. */
  readonly negotiation?: Answer;
  /** An answer for each time, the last one for all that follow; without one it says continue. */
  readonly on?: Partial<Record<MilterEvent, readonly Answer[]>>;
  /** Times are counted over all connections, not for each. */
  readonly countsTogether?: true;
}

const EVENTS: ReadonlyMap<string, MilterEvent> = new Map([
  ['C', 'connect'],
  ['H', 'helo'],
  ['M', 'mail'],
  ['R', 'rcpt'],
  ['T', 'data'],
  ['L', 'header'],
  ['N', 'eoh'],
  ['B', 'body'],
  ['E', 'eom'],
  ['U', 'unknown'],
]);

/** Events that a filter does not answer when it has said so. */
const SILENT: ReadonlyMap<MilterEvent, number> = new Map([
  ['header', 1 << 7],
  ['connect', 1 << 12],
  ['helo', 1 << 13],
  ['mail', 1 << 14],
  ['rcpt', 1 << 15],
  ['data', 1 << 16],
  ['unknown', 1 << 17],
  ['eoh', 1 << 18],
  ['body', 1 << 19],
]);

export function frame(letter: string, ...parts: readonly (string | Buffer)[]): Buffer {
  const data = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)));
  const head = Buffer.alloc(5);
  head.writeUInt32BE(data.length + 1);
  head.write(letter, 4);
  return Buffer.concat([head, data]);
}

export function long(value: number): Buffer {
  const octets = Buffer.alloc(4);
  octets.writeUInt32BE(value);
  return octets;
}

export const CONTINUE = frame('c');
export const ACCEPT = frame('a');

export class ScriptedMilter {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  #script: MilterScript = {};
  #heard: string[] = [];
  #counts = new Map<MilterEvent, number>();
  connections = 0;

  private constructor() {
    this.#server = net.createServer((socket) => this.#serve(socket));
  }

  /** On loopback; `where` is a port, or a socket file. */
  static async start(where: number | string = 0): Promise<ScriptedMilter> {
    const milter = new ScriptedMilter();
    await new Promise<void>((resolve) => {
      if (typeof where === 'string') milter.#server.listen(where, resolve);
      else milter.#server.listen(where, '127.0.0.1', resolve);
    });
    return milter;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' ? (address?.port ?? 0) : 0;
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#sockets.size;
  }

  /** Forgets what it heard, and does this from now on. */
  follow(script: MilterScript): void {
    this.#script = script;
    this.#heard = [];
    this.#counts = new Map();
  }

  /** What it was told: `mail <a@b> SIZE=3 {i=… …}`. */
  get heard(): readonly string[] {
    return this.#heard;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: net.Socket): void {
    this.connections++;
    this.#sockets.add(socket);
    const script = this.#script;
    const heard = this.#heard;
    const counts = script.countsTogether === true ? this.#counts : new Map<MilterEvent, number>();
    let macros = '';
    let received = Buffer.alloc(0);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    const answer = (what: Answer): void => {
      if (what === 'hang') return;
      if (what === 'die') socket.destroy();
      else for (const octets of what) socket.write(octets);
    };
    const take = (letter: string, data: Buffer): void => {
      if (letter === 'O') return answer(script.negotiation ?? [negotiated(script, data)]);
      if (letter === 'D') {
        macros = shownMacros(data.subarray(1));
        return;
      }
      const event = EVENTS.get(letter);
      if (event === undefined) {
        heard.push(letter === 'A' ? 'abort' : letter === 'Q' ? 'quit' : letter);
        return;
      }
      heard.push(`${event}${shownData(event, data)}${macros}`);
      macros = '';
      if (((script.steps ?? 0) & (SILENT.get(event) ?? 0)) !== 0) return;
      const answers = script.on?.[event] ?? [];
      const count = counts.get(event) ?? 0;
      counts.set(event, count + 1);
      answer(answers[Math.min(count, answers.length - 1)] ?? [CONTINUE]);
    };
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 4 && received.length >= 4 + received.readUInt32BE(0)) {
        const end = 4 + received.readUInt32BE(0);
        take(String.fromCharCode(received[4] ?? 0), received.subarray(5, end));
        received = received.subarray(end);
      }
    });
  }
}

function negotiated(
  { version = 6, actions = 0x1ff, steps = 0, symbols = [] }: MilterScript,
  offer: Buffer,
): Buffer {
  const offered = offer.readUInt32BE(0);
  return frame(
    'O',
    long(Math.min(version, offered)),
    long(actions),
    long(steps),
    ...symbols.flatMap(([stage, names]) => [long(stage), `${names}\0`]),
  );
}

const words = (data: Buffer): string[] => data.toString('latin1').split('\0').slice(0, -1);

function shownMacros(data: Buffer): string {
  const pairs = words(data);
  const shown: string[] = [];
  for (let i = 0; i + 1 < pairs.length; i += 2) shown.push(`${pairs[i] ?? ''}=${pairs[i + 1] ?? ''}`);
  return shown.length === 0 ? '' : ` {${shown.join(' ')}}`;
}

function shownData(event: MilterEvent, data: Buffer): string {
  if (event === 'connect') {
    const end = data.indexOf(0);
    const family = String.fromCharCode(data[end + 1] ?? 0);
    return ` ${data.toString('latin1', 0, end)} ${family} ${data.toString('latin1', end + 4, data.length - 1)}`;
  }
  if (event === 'body') return ` ${data.length} ${JSON.stringify(data.toString('latin1').slice(0, 60))}`;
  if (event === 'header')
    return ` ${words(data)
      .map((word) => JSON.stringify(word))
      .join(' ')}`;
  return words(data)
    .map((word) => ` ${word}`)
    .join('');
}

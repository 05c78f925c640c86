// The front's end of the delivery channel: one connection per user with mail to deliver, kept while it is busy,
// over which messages go without waiting for one another's answers.
//
// On failure every waiting message gets an answer that defers it; nothing is thrown.

import { type Socket, connect } from 'node:net';
import { FrameReader, formatFrame } from '@postcote/wire';
import type { ForwardTarget } from '../local/forward-file.ts';
import type { LocalResult } from '../local/outcome.ts';
import type {
  DeliveryAnswer,
  DeliveryHeader,
  DeliveryNews,
  DeliveryReady,
  DeliveryRefused,
  OpenDelivery,
} from './protocol.ts';
import { readForwardTargets } from './read-targets.ts';

export type DeliveryOutcome =
  | { readonly kind: 'stored' }
  | { readonly kind: 'result'; readonly result: LocalResult }
  | { readonly kind: 'forwarded'; readonly targets: readonly ForwardTarget[]; readonly propagates: boolean }
  | { readonly kind: 'elsewhere' }
  | {
      readonly kind: 'deferred';
      readonly code: Extract<DeliveryAnswer, { stored: false }>['code'] | 'unknownUser' | 'failed';
      /** Of a `failed` that says its own. */
      readonly dsn?: string;
      readonly reason: string;
      /** The worker died or could not be had this moment: worth another try very soon. */
      readonly passing?: true;
    };

/** Pieces in order: each need be good only until the next is asked for. */
export type MessageBody = Buffer | AsyncIterable<Buffer>;

/** A connection without work is closed after this long, so that the worker can leave. */
const IDLE_CLOSE = 2_000;
/** No answer at all for this long while messages wait: the worker hangs. */
const ANSWER_LIMIT = 60_000;

export class DeliveryClient {
  readonly #socketPath: string;
  readonly #channels = new Map<string, Channel>();

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** Whether so many octets more fit into a user's mailbox; yes where that cannot be told now. */
  async hasRoom(user: string, octets: number): Promise<boolean> {
    const header = { size: 0, queueId: 'NOQUEUE', sender: '', recipients: [user], originalRecipient: user };
    const outcome = await this.deliver({ user }, { ...header, probe: octets }, Buffer.alloc(0));
    return !(outcome.kind === 'deferred' && outcome.code === 'overQuota');
  }

  deliver(to: OpenDelivery, header: Omit<DeliveryHeader, 'id'>, body: MessageBody): Promise<DeliveryOutcome> {
    const key = JSON.stringify(to);
    let channel = this.#channels.get(key);
    if (channel === undefined || channel.over) {
      const opened = new Channel(this.#socketPath, to, () => {
        if (this.#channels.get(key) === opened) this.#channels.delete(key);
      });
      channel = opened;
      this.#channels.set(key, channel);
    }
    return channel.deliver(header, body);
  }

  close(): void {
    for (const channel of this.#channels.values()) channel.end('the server is stopping');
  }
}

class Channel {
  over = false;
  readonly #socket: Socket;
  readonly #onOver: () => void;
  readonly #frames = new FrameReader();
  readonly #waiting = new Map<number, (outcome: DeliveryOutcome) => void>();
  /** Messages are written one after another; this settles when the last one was. */
  #sent: Promise<void>;
  /** Targets heard of before the answer that they belong to. */
  readonly #targets = new Map<number, ForwardTarget[]>();
  #lastId = 0;
  #ready: (() => void) | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor(socketPath: string, to: OpenDelivery, onOver: () => void) {
    this.#onOver = onOver;
    this.#socket = connect(socketPath);
    this.#sent = new Promise((resolve) => {
      this.#ready = resolve;
    });
    this.#socket.write(formatFrame(to));
    this.#socket.setTimeout(ANSWER_LIMIT);
    this.#socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.#socket.on('error', (error) => this.end(error.message, { passing: true }));
    this.#socket.on('close', () => this.end('the mailbox worker closed the connection', { passing: true }));
    this.#socket.on('timeout', () =>
      this.end(`no answer from the mailbox worker in ${ANSWER_LIMIT / 1000} s`),
    );
  }

  deliver(header: Omit<DeliveryHeader, 'id'>, body: MessageBody): Promise<DeliveryOutcome> {
    clearTimeout(this.#idle);
    const id = (this.#lastId += 1);
    const outcome = new Promise<DeliveryOutcome>((resolve) => this.#waiting.set(id, resolve));
    this.#sent = this.#sent
      .then(() => this.#send({ ...header, id }, body))
      .catch((error: unknown) =>
        // Half a message is on the wire: the channel is of no use any more.
        this.end(error instanceof Error ? error.message : String(error)),
      );
    return outcome;
  }

  end(
    reason: string,
    {
      code = 'unavailable',
      passing,
      dsn,
    }: { code?: DeliveryRefused['code']; passing?: true; dsn?: string | undefined } = {},
  ): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.#idle);
    this.#onOver();
    this.#socket.destroy();
    this.#ready?.();
    for (const resolve of this.#waiting.values())
      resolve({
        kind: 'deferred',
        code,
        reason,
        ...(dsn === undefined ? {} : { dsn }),
        ...(passing === true ? { passing } : {}),
      });
    this.#waiting.clear();
  }

  async #send(header: DeliveryHeader, body: MessageBody): Promise<void> {
    if (this.over) return;
    if (Buffer.isBuffer(body)) {
      this.#socket.cork();
      this.#socket.write(formatFrame(header));
      this.#socket.write(body);
      process.nextTick(() => this.#socket.uncork());
      await this.#drained();
      return;
    }
    this.#socket.write(formatFrame(header));
    for await (const chunk of body) {
      if (this.over) return;
      // Until it is out: the memory is used again. Settles as well when the socket breaks.
      await new Promise<void>((resolve) => this.#socket.write(chunk, () => resolve()));
    }
  }

  #drained(): Promise<void> | undefined {
    if (!this.#socket.writableNeedDrain || this.over) return undefined;
    return new Promise((resolve) => {
      const done = (): void => {
        this.#socket.off('drain', done);
        this.#socket.off('close', done);
        resolve();
      };
      this.#socket.on('drain', done);
      this.#socket.on('close', done);
    });
  }

  #receive(chunk: Buffer): void {
    this.#frames.push(chunk);
    try {
      for (let frame = this.#frames.next(); frame !== undefined; frame = this.#frames.next())
        this.#hear(frame.value as Heard);
    } catch (error) {
      this.end(error instanceof Error ? error.message : String(error));
    }
  }

  #hear(answer: Heard): void {
    if ('ready' in answer) {
      if (answer.ready) this.#ready?.();
      else
        this.end(answer.reason, {
          code: answer.code,
          dsn: answer.dsn,
          ...(answer.code === 'unavailable' ? { passing: true } : {}),
        });
      return;
    }
    if ('alive' in answer) return;
    if ('targets' in answer) {
      // As many as a worker may name, and a bounded size each: the frames' size.
      const known = this.#targets.get(answer.id) ?? [];
      this.#targets.set(answer.id, known);
      known.push(...readForwardTargets(answer.targets));
      return;
    }
    const resolve = this.#waiting.get(answer.id);
    this.#waiting.delete(answer.id);
    resolve?.(this.#outcomeOf(answer));
    this.#targets.delete(answer.id);
    if (this.#waiting.size === 0) {
      this.#idle = setTimeout(() => this.end('idle'), IDLE_CLOSE);
      this.#idle.unref();
    }
  }

  #outcomeOf(answer: DeliveryAnswer): DeliveryOutcome {
    if ('result' in answer) return { kind: 'result', result: answer.result };
    if ('elsewhere' in answer) return { kind: 'elsewhere' };
    if ('forwarded' in answer) {
      const { propagates } = answer;
      return { kind: 'forwarded', targets: this.#targets.get(answer.id) ?? [], propagates };
    }
    if (answer.stored) return { kind: 'stored' };
    return { kind: 'deferred', code: answer.code, reason: answer.reason };
  }
}

type Heard = DeliveryReady | DeliveryRefused | DeliveryAnswer | DeliveryNews;

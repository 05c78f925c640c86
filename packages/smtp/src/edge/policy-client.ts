// Asks a policy server (`check_policy_service inet:127.0.0.1:10023`) over connections that are used again. One
// question at a time on each; the answer is the line `action=…` before an empty line.
//
// Never rejects: when nobody answers in time and in form after `tryLimit` tries, that is an answer of kind `failed`.

import { type Socket, connect } from 'node:net';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PolicyAnswer, PolicyService } from '../ports.ts';
import { printable } from '../reply.ts';

export interface PolicyServerOptions {
  /** `inet:host:port` or `unix:path`, as main.cf has it. */
  readonly server: string;
  /** What a path that is not absolute is relative to. */
  readonly queueDirectory: string;
  readonly context: string;
  readonly defaultAction: string;
  /** Milliseconds, as are the others. */
  readonly timeout: number;
  readonly maxIdle: number;
  readonly maxTtl: number;
  readonly retryDelay: number;
  /** Questions on one connection; 0: no limit. */
  readonly requestLimit: number;
  readonly tryLimit: number;
}

/** Octets of an answer. */
const MAX_ANSWER = 8192;
/** POSTFIX: one connection for each of up to a hundred processes; here sessions share. */
const MAX_CONNECTIONS = 50;

type Where = { readonly path: string } | { readonly host: string; readonly port: number };

/** Undefined when the text names no place. */
export function parsePolicyServer(server: string, queueDirectory: string): Where | undefined {
  const colon = server.indexOf(':');
  const type = server.slice(0, Math.max(0, colon)).toLowerCase();
  const rest = server.slice(colon + 1);
  if (type === 'unix' || type === 'local')
    return rest === '' ? undefined : { path: resolve(queueDirectory, rest) };
  const match = /^(?:\[([^\]]+)\]|([^:]*)):([0-9]{1,5})$/.exec(rest);
  if (type !== 'inet' || match === null) return undefined;
  const host = match[1] ?? match[2] ?? '';
  return { host: host === '' ? 'localhost' : host, port: Number(match[3]) };
}

export class PolicyServer implements PolicyService {
  readonly #options: PolicyServerOptions;
  readonly #where: Where;
  readonly #idle: Connection[] = [];
  #open = 0;
  readonly #waiting: (() => void)[] = [];

  /** Throws when `server` names no place: see `parsePolicyServer`. */
  constructor(options: PolicyServerOptions) {
    const where = parsePolicyServer(options.server, options.queueDirectory);
    if (where === undefined) throw new Error(`not a policy server: ${options.server}`);
    this.#options = options;
    this.#where = where;
  }

  get context(): string {
    return this.#options.context;
  }

  get defaultAction(): string {
    return this.#options.defaultAction;
  }

  async ask(attributes: readonly (readonly [name: string, value: string])[]): Promise<PolicyAnswer> {
    const question = `${attributes.map(([name, value]) => `${name}=${value}\n`).join('')}\n`;
    const { server, tryLimit, retryDelay } = this.#options;
    const warnings: string[] = [];
    await this.#slot();
    try {
      for (let tries = 1; tries <= Math.max(1, tryLimit); tries++) {
        if (tries > 1) await sleep(retryDelay);
        const answer = await this.#try(question);
        if (answer.kind === 'action') return answer;
        warnings.push(`problem talking to server ${server}: ${answer.reason}`);
      }
    } finally {
      this.#open--;
      this.#waiting.shift()?.();
    }
    return { kind: 'failed', warnings };
  }

  /** Ends what is idle; a question under way is still answered. */
  close(): void {
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }

  async #slot(): Promise<void> {
    while (this.#open >= MAX_CONNECTIONS) await new Promise<void>((go) => this.#waiting.push(go));
    this.#open++;
  }

  async #try(question: string): Promise<Exchange> {
    const { timeout, requestLimit, maxTtl, maxIdle } = this.#options;
    for (;;) {
      const reused = this.#take();
      const connection = reused ?? new Connection(this.#where);
      const answer = await connection.exchange(question, timeout);
      if (answer.kind === 'action') {
        const isSpent = (requestLimit > 0 && connection.requests >= requestLimit) || connection.age >= maxTtl;
        if (isSpent) connection.destroy();
        else this.#keep(connection, maxIdle);
        return answer;
      }
      connection.destroy();
      // A connection that its other end gave up meanwhile says nothing about the server.
      if (reused === undefined || answer.reason === TIMED_OUT) return answer;
    }
  }

  #take(): Connection | undefined {
    for (;;) {
      const connection = this.#idle.pop();
      if (connection === undefined || connection.isUsable) return connection;
      connection.destroy();
    }
  }

  #keep(connection: Connection, maxIdle: number): void {
    this.#idle.push(connection);
    connection.rest(maxIdle, () => {
      const at = this.#idle.indexOf(connection);
      if (at !== -1) this.#idle.splice(at, 1);
    });
  }
}

type Exchange =
  | { readonly kind: 'action'; readonly action: string }
  | { readonly kind: 'failed'; readonly reason: string };

const TIMED_OUT = 'Connection timed out';
const CLOSED = 'Connection closed by the server';

class Connection {
  readonly #socket: Socket;
  readonly #born = Date.now();
  #received = '';
  #settle: ((exchange: Exchange) => void) | undefined;
  #gone: string | undefined;
  #onGone: (() => void) | undefined;
  requests = 0;

  constructor(where: Where) {
    this.#socket = connect(where);
    this.#socket.setEncoding('utf8');
    this.#socket.on('data', (text) => this.#read(String(text)));
    this.#socket.on('error', (error: NodeJS.ErrnoException) => this.#end(reasonOf(error)));
    this.#socket.on('end', () => this.#end(CLOSED));
    this.#socket.on('close', () => this.#end(CLOSED));
    this.#socket.on('timeout', () => this.#end(TIMED_OUT));
  }

  get age(): number {
    return Date.now() - this.#born;
  }

  get isUsable(): boolean {
    return this.#gone === undefined;
  }

  exchange(question: string, timeout: number): Promise<Exchange> {
    this.requests++;
    this.#onGone = undefined;
    this.#received = '';
    this.#socket.ref();
    this.#socket.setTimeout(timeout);
    return new Promise((settle) => {
      if (this.#gone !== undefined) return settle({ kind: 'failed', reason: this.#gone });
      // A server that drips its answer is no better than one that is silent.
      const limit = setTimeout(() => this.#end(TIMED_OUT), timeout);
      this.#settle = (exchange) => {
        clearTimeout(limit);
        settle(exchange);
      };
      this.#socket.write(question);
    });
  }

  /** Waits for the next question for so long, and keeps no process alive meanwhile. */
  rest(maxIdle: number, onGone: () => void): void {
    this.#onGone = onGone;
    this.#socket.setTimeout(maxIdle);
    this.#socket.unref();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(text: string): void {
    if (this.#settle === undefined) return this.#end('an answer without a question');
    this.#received += text;
    const end = this.#received.indexOf('\n\n');
    if (end === -1) {
      if (this.#received.length > MAX_ANSWER) this.#end('the answer is too long');
      return;
    }
    const line = this.#received
      .slice(0, end)
      .split('\n')
      .find((candidate) => candidate.startsWith('action='));
    if (line === undefined) return this.#end('the answer has no action');
    this.#conclude({ kind: 'action', action: printable(line.slice('action='.length)).trim() });
  }

  #conclude(exchange: Exchange): void {
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.(exchange);
  }

  #end(reason: string): void {
    if (this.#gone !== undefined) return;
    this.#gone = reason;
    this.#socket.destroy();
    this.#conclude({ kind: 'failed', reason });
    this.#onGone?.();
  }
}

const REASONS: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'Connection refused'],
  ['ENOENT', 'No such file or directory'],
  ['EACCES', 'Permission denied'],
  ['ECONNRESET', 'Connection reset by peer'],
]);

function reasonOf(error: NodeJS.ErrnoException): string {
  return REASONS.get(error.code ?? '') ?? error.message;
}

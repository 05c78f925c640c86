// One of our processes as its parent sees it: typed messages both ways, descriptors passed at birth, an end.

import { type ChildProcess, spawn } from 'node:child_process';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { childEnvironment } from './child-environment.ts';

export interface ChildOptions<FromChild> {
  /** Entry beside this file: `front` runs `front.cjs`. */
  readonly entry: 'front' | 'authenticator' | 'worker';
  /** Descriptors the child finds as 4, 5, … */
  readonly fds?: readonly number[];
  /** Takes what the child writes (its log); standard output is shared when absent. */
  readonly onOutput?: ((chunk: Buffer) => void) | undefined;
  readonly nodeOptions?: readonly string[];
  /** Threads for files and names; Node's own number (4) when absent. */
  readonly poolSize?: number;
  /** Sockets that come with its messages belong to the parent then; otherwise they are closed unseen. */
  readonly sendsSockets?: boolean;
  /** Leaves no core file behind. */
  readonly seesPasswords?: boolean;
  readonly onMessage: (message: FromChild, socket: Socket | undefined) => void;
  readonly onExit: (reason: string, failed: boolean) => void;
}

/** The first descriptor after standard input, output, error and the channel. */
export const FIRST_PASSED_FD = 4;

export class Child<ToChild, FromChild> {
  readonly #process: ChildProcess;
  #over = false;

  constructor(options: ChildOptions<FromChild>) {
    const output = options.onOutput === undefined ? 'inherit' : 'pipe';
    const program = [
      process.execPath,
      ...(options.nodeOptions ?? []),
      join(import.meta.dirname, `${options.entry}.cjs`),
    ];
    // Node cannot set limits; the shell sets this one and becomes the program.
    const [file = '', ...args] =
      options.seesPasswords === true ? ['/bin/sh', '-c', 'ulimit -c 0; exec "$0" "$@"', ...program] : program;
    this.#process = spawn(file, args, {
      stdio: ['ignore', output, output, 'ipc', ...(options.fds ?? [])],
      env: childEnvironment(process.env, options.poolSize),
      cwd: '/',
      // A terminal's Ctrl-C reaches the supervisor alone, which then stops the others in order.
      detached: true,
    });
    if (options.onOutput !== undefined) {
      this.#process.stdout?.on('data', options.onOutput);
      this.#process.stderr?.on('data', options.onOutput);
    }
    this.#process.on('message', (message: unknown, handle: unknown) => {
      const socket = handle instanceof Socket ? handle : undefined;
      if (options.sendsSockets !== true) socket?.destroy();
      if (typeof message === 'object' && message !== null) options.onMessage(message as FromChild, socket);
    });
    const exit = (reason: string, failed: boolean): void => {
      if (this.#over) return;
      this.#over = true;
      options.onExit(reason, failed);
    };
    this.#process.on('error', (error) => exit(error.message, true));
    this.#process.on('exit', (code, signal) =>
      exit(signal === null ? `exit status ${code}` : `killed by ${signal}`, code !== 0),
    );
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get over(): boolean {
    return this.#over;
  }

  /** Sends, with a connection that then belongs to the child. False when the child is gone. */
  send(message: ToChild, socket?: Socket, onSent?: (error: Error | null) => void): boolean {
    if (this.#over || !this.#process.connected) return false;
    this.#process.send(message as object, socket, { keepOpen: false }, onSent ?? (() => {}));
    return true;
  }

  kill(signal: NodeJS.Signals): void {
    if (!this.#over) this.#process.kill(signal);
  }

  /** Settles when the process has ended. */
  ended(): Promise<void> {
    if (this.#over) return Promise.resolve();
    return new Promise((resolve) => {
      this.#process.once('exit', () => resolve());
      this.#process.once('error', () => resolve());
    });
  }
}

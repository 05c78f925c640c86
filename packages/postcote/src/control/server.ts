// Serves the commands of administrators and users, in the front. Reads one request of bounded size within a time
// limit; writes no faster than it is read; a client that stops reading is let go.

import { lstat, unlink } from 'node:fs/promises';
import { type Server, type Socket, createServer } from 'node:net';
import { join } from 'node:path';
import type { MatchList } from '@postcote/config';
import { FrameError, FrameReader, type Log, formatFrame } from '@postcote/wire';
import { ownershipOf } from './kernel-owner.ts';
import { userNameOf } from './local-users.ts';
import type { QueueContentSource } from './ports.ts';
import {
  type ControlAnswer,
  type ControlRequest,
  PUBLIC_OPERATIONS,
  type SentRequest,
  readRequest,
} from './protocol.ts';
import { act, flushSite, listQueue, show } from './queue-operations.ts';

export interface ControlServerOptions {
  readonly queue: QueueContentSource;
  readonly log: Log;
  /** The folder of tickets, and the group whoever makes files there cannot help giving them. */
  readonly maildrop: { readonly path: string; readonly group: number };
  /** The users who may; undefined: everybody. */
  authorized(parameter: 'authorized_mailq_users' | 'authorized_flush_users'): MatchList | undefined;
  /** What a recipient's address comes to. */
  verify(address: string): Promise<{ readonly kind: string; readonly text: string }>;
}

const REQUEST_LIMIT = 5_000;
/** Milliseconds in which a client must have taken what it was sent. */
const READ_LIMIT = 60_000;
const MAX_CONNECTIONS = 64;
/** The public socket's share of the front's time. */
const MAX_PUBLIC = 16;

export class ControlServer {
  readonly #options: ControlServerOptions;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();

  constructor(options: ControlServerOptions) {
    this.#options = options;
  }

  /** Listens on a bound socket: root's own, or everybody's. */
  async listen(fd: number, access: 'admin' | 'public'): Promise<void> {
    const server = createServer((socket) => this.#admit(socket, access));
    server.maxConnections = access === 'admin' ? MAX_CONNECTIONS : MAX_PUBLIC;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ fd }, () => resolve());
    });
    this.#servers.push(server);
  }

  stop(): void {
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #admit(socket: Socket, access: 'admin' | 'public'): void {
    const frames = new FrameReader();
    this.#sockets.add(socket);
    const limit = setTimeout(() => socket.destroy(), REQUEST_LIMIT);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(limit);
      this.#sockets.delete(socket);
    });
    const onData = (chunk: Buffer): void => {
      let request: SentRequest | undefined;
      try {
        frames.push(chunk);
        const frame = frames.next();
        if (frame === undefined) return;
        request = readRequest(frame.value);
      } catch (error) {
        if (!(error instanceof FrameError)) throw error;
      }
      clearTimeout(limit);
      socket.off('data', onData);
      socket.resume();
      void this.#answer(socket, request, access);
    };
    socket.on('data', onData);
  }

  async #answer(socket: Socket, request: SentRequest | undefined, access: 'admin' | 'public'): Promise<void> {
    try {
      const refusal = request === undefined ? malformed : await this.#refusal(request, access);
      if (request === undefined || refusal !== undefined) {
        await send(socket, refusal ?? malformed);
      } else {
        for await (const answer of this.#run(request)) await send(socket, answer);
        await send(socket, { type: 'end' });
      }
    } catch (error) {
      if (!socket.destroyed) {
        const reason = error instanceof Error ? error.message : String(error);
        this.#options.log('error', 'postcote', `control: ${request?.op ?? ''}: ${reason}`);
        socket.write(formatFrame({ type: 'refused', reason } satisfies ControlAnswer));
      }
    }
    socket.end();
  }

  async #refusal(request: SentRequest, access: 'admin' | 'public'): Promise<ControlAnswer | undefined> {
    if (access === 'admin') return undefined;
    if (!PUBLIC_OPERATIONS.has(request.op))
      return refused('use of this command is reserved for the superuser');
    if (request.op === 'status' || request.op === 'verify') return undefined;
    const isList = request.op === 'list';
    const list = this.#options.authorized(isList ? 'authorized_mailq_users' : 'authorized_flush_users');
    if (list === undefined) return undefined;
    if (request.ticket === undefined) return { type: 'ticketWanted' };
    const uid = await this.#redeem(request.ticket);
    if (uid === undefined) return refused('the request does not show who asks');
    const name = await userNameOf(uid);
    // POSTFIX: root and the mail system's own account are always allowed.
    if (uid === 0 || uid === process.getuid?.() || (await list.matches({ name }))) return undefined;
    return refused(
      `User ${name}(${uid}) is not allowed to ${isList ? 'view the mail queue' : 'flush the mail queue'}`,
    );
  }

  async #redeem(ticket: string): Promise<number | undefined> {
    const { path, group } = this.#options.maildrop;
    const file = join(path, ticket);
    try {
      const ownership = ownershipOf(await lstat(file), group);
      await unlink(file);
      return ownership.kind === 'owned' ? ownership.uid : undefined;
    } catch {
      return undefined;
    }
  }

  async *#run(request: ControlRequest): AsyncGenerator<ControlAnswer, void, undefined> {
    const { queue } = this.#options;
    switch (request.op) {
      case 'list':
        return yield* listQueue(queue);
      case 'flush':
        return queue.flush();
      case 'flushMessage':
        if (await queue.flushMessage(request.id)) yield { type: 'done', id: request.id };
        return undefined;
      case 'flushSite':
        return yield* flushSite(queue, request);
      case 'act':
        return yield* act(queue, request);
      case 'show':
        return yield* show(queue, request);
      case 'verify':
        for (const address of request.addresses)
          yield { type: 'verified', address, ...(await this.#options.verify(address)) };
        return undefined;
      case 'status': {
        const { messages, held, active } = await queue.counts();
        yield { type: 'status', messages, held, active };
      }
    }
  }
}

const refused = (reason: string): ControlAnswer => ({ type: 'refused', reason });
const malformed = refused('malformed request');

/** Waits until the client has taken it. Throws when it is gone or does not read. */
async function send(socket: Socket, answer: ControlAnswer): Promise<void> {
  if (socket.destroyed) throw new Error('the client is gone');
  if (socket.write(formatFrame(answer))) return;
  await new Promise<void>((resolve, reject) => {
    const limit = setTimeout(() => socket.destroy(), READ_LIMIT);
    const settle = (): void => {
      clearTimeout(limit);
      socket.off('drain', settle);
      socket.off('close', settle);
      if (socket.destroyed) reject(new Error('the client is gone'));
      else resolve();
    };
    socket.on('drain', settle);
    socket.on('close', settle);
  });
}

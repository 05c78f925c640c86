// Asks the running server, for the commands. Throws `ServerDown` when nobody answers there.

import { closeSync, openSync, unlinkSync } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { join } from 'node:path';
import { FrameReader, formatFrame } from '@postcote/wire';
import { ADMIN_SOCKET, MAILDROP, PUBLIC_SOCKET } from './places.ts';
import { secretName } from './secret-name.ts';
import type { ControlAnswer, ControlRequest, SentRequest } from './protocol.ts';

export class ServerDown extends Error {
  override readonly name = 'ServerDown';
}

/** The server does not do that for this user, or at all. */
export class RequestRefused extends Error {
  override readonly name = 'RequestRefused';
}

/** The answers up to the end. Throws `ServerDown` and `RequestRefused`. */
export async function* ask(
  dataDirectory: string,
  request: ControlRequest,
): AsyncGenerator<ControlAnswer, void, undefined> {
  const isRoot = process.getuid?.() === 0;
  for await (const answer of exchange(dataDirectory, request, isRoot)) {
    if (answer.type !== 'ticketWanted') {
      yield answer;
      continue;
    }
    yield* withTicket(dataDirectory, request);
    return;
  }
}

/** POSTFIX: its commands are setgid and ask the kernel who runs them; here a file's owner tells the server. */
async function* withTicket(dataDirectory: string, request: ControlRequest): AsyncGenerator<ControlAnswer> {
  const ticket = `t-${secretName()}`;
  const path = join(dataDirectory, MAILDROP, ticket);
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    throw new ServerDown(`no file can be made in ${dataDirectory}/${MAILDROP}`, { cause: error });
  }
  try {
    yield* exchange(dataDirectory, { ...request, ticket }, false);
  } finally {
    try {
      unlinkSync(path);
    } catch {
      // The server took it away already.
    }
  }
}

async function* exchange(
  dataDirectory: string,
  request: SentRequest,
  admin: boolean,
): AsyncGenerator<ControlAnswer, void, undefined> {
  const socket = await open(join(dataDirectory, admin ? ADMIN_SOCKET : PUBLIC_SOCKET));
  const frames = new FrameReader();
  try {
    socket.write(formatFrame(request));
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      frames.push(chunk);
      for (let frame = frames.next(); frame !== undefined; frame = frames.next()) {
        const answer = frame.value as ControlAnswer;
        if (answer.type === 'end') return;
        if (answer.type === 'refused') throw new RequestRefused(answer.reason);
        yield answer;
      }
    }
    throw new ServerDown('the server ended the conversation');
  } finally {
    socket.destroy();
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', (error) => reject(new ServerDown(error.message, { cause: error })));
  });
}

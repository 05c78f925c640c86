// The front's side of the auth socket: one question, one verdict, one connection each.
//
// Never throws. Whatever goes wrong (no socket, a closed connection, an answer that is none, no answer in time)
// is `unavailable`: a temporary failure to the client, never a wrong password.

import { connect, type Socket } from 'node:net';
import { FrameReader, formatFrame, type LoginRequest, type LoginVerdict } from '@postcote/wire';
import { MAX_PASSWORD, MAX_USER } from '../sasl.ts';

/** The connection to the user's worker, paused; anything it already said waits to be read. */
export interface HandedOver {
  readonly connection: Socket;
  /** Of the worker, when it told; for the log. */
  readonly workerPid?: number;
}

export interface AskOptions {
  /** What the worker needs to take the session up; absent for SMTP, which keeps its own. */
  readonly handOff?: unknown;
  readonly timeLimitMs?: number;
}

/** More than a queued guess (30 s), PAM (15 s), the failure delay and a worker's start together. */
const TIME_LIMIT_MS = 60_000;

/** For services that stay in the front: the verdict alone. */
export async function askLogin(
  socketPath: string,
  request: LoginRequest,
  options: AskOptions = {},
): Promise<LoginVerdict> {
  const verdict = await askLoginAndHandOff(socketPath, request, options);
  if (verdict.kind !== 'granted') return verdict;
  verdict.connection.destroy();
  return { kind: 'granted', user: verdict.user };
}

/** For IMAP and POP3: when granted, the connection leads to the user's worker from here on. */
export function askLoginAndHandOff(
  socketPath: string,
  request: LoginRequest,
  options: AskOptions = {},
): Promise<LoginVerdict<HandedOver>> {
  // The authenticator takes no longer ones; nobody has such a name or password.
  if (tooLong(request.user, MAX_USER) || tooLong(request.password, MAX_PASSWORD)) {
    return Promise.resolve({ kind: 'refused', message: 'user name or password too long' });
  }
  let frame: Buffer;
  try {
    frame = formatFrame({ request, ...(options.handOff === undefined ? {} : { handOff: options.handOff }) });
  } catch {
    return Promise.resolve({ kind: 'unavailable', message: 'request too large for the auth socket' });
  }
  return new Promise((resolve) =>
    ask(connect(socketPath), frame, options.timeLimitMs ?? TIME_LIMIT_MS, resolve),
  );
}

function ask(
  socket: Socket,
  frame: Buffer,
  timeLimitMs: number,
  resolve: (verdict: LoginVerdict<HandedOver>) => void,
): void {
  const reader = new FrameReader();
  const finish = (verdict: LoginVerdict<HandedOver>): void => {
    clearTimeout(timer);
    socket.off('data', onData);
    socket.off('end', onEnd);
    socket.off('close', onEnd);
    if (verdict.kind !== 'granted') socket.destroy();
    frame.fill(0);
    resolve(verdict);
  };
  const fail = (message: string): void => finish({ kind: 'unavailable', message });
  const onEnd = (): void => fail('auth socket closed without a verdict');
  const onData = (chunk: Buffer): void => {
    try {
      reader.push(chunk);
      const answer = reader.next();
      if (answer === undefined) return;
      const verdict = readVerdict(answer.value);
      if (verdict === undefined) fail('unreadable verdict');
      else if (verdict.kind !== 'granted') finish(verdict);
      else {
        socket.pause();
        const rest = reader.takeRest();
        if (rest.length > 0) socket.unshift(rest);
        finish({ ...verdict, connection: socket });
      }
    } catch {
      fail('unreadable verdict');
    }
  };
  const timer = setTimeout(() => fail('no verdict in time'), timeLimitMs);
  // Stays on a connection that is handed over: an error always ends in `close`, which its new owner hears.
  socket.on('error', (error) => fail(`auth socket: ${error.message}`));
  socket.on('data', onData);
  socket.once('end', onEnd);
  socket.once('close', onEnd);
  socket.write(frame);
}

function readVerdict(value: unknown): LoginVerdict<{ readonly workerPid?: number }> | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { kind, user, message, pid } = value as Readonly<Record<string, unknown>>;
  if (kind === 'granted' && typeof user === 'string' && user !== '') {
    return typeof pid === 'number' ? { kind, user, workerPid: pid } : { kind, user };
  }
  if ((kind === 'refused' || kind === 'unavailable') && typeof message === 'string') return { kind, message };
  return undefined;
}

const tooLong = (text: string, octets: number): boolean => Buffer.byteLength(text, 'utf8') > octets;

import { mkdtempSync, rmSync } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_LOGIN_SETTINGS as IMAP } from '@postcote/imap';
import { DEFAULT_LOGIN_SETTINGS as POP3 } from '@postcote/pop3';
import { silentLog } from '@postcote/wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type BoundSocket, bindUnix } from '../supervisor/bind.ts';
import { MailboxLoginListeners } from './mailbox-login.ts';

const LIMIT = 3;

let folder: string;
let bound: BoundSocket;
let listeners: MailboxLoginListeners;
const clients: Socket[] = [];

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mailbox-login-'));
  bound = bindUnix(join(folder, 'imap'));
  listeners = new MailboxLoginListeners({
    authSocket: join(folder, 'nobody'),
    log: silentLog,
    settings: () => ({ mechanisms: ['PLAIN'], imap: IMAP, pop3: POP3 }),
    tls: () => undefined,
    maxBeforeLogin: LIMIT,
  });
  await listeners.listen({
    fd: bound.fd,
    protocol: 'imap',
    implicitTls: false,
    service: 'imap',
    address: '127.0.0.1',
    port: 143,
  });
});
afterEach(() => {
  listeners.stop();
  for (const client of clients.splice(0)) client.destroy();
  bound.close();
  rmSync(folder, { recursive: true });
});

/** A client that was greeted. */
async function greeted(): Promise<Socket> {
  const client = connect(join(folder, 'imap'));
  clients.push(client);
  client.on('error', () => {});
  await new Promise<void>((resolve, reject) => {
    client.once('data', () => resolve());
    client.once('close', () => reject(new Error('closed without a greeting')));
  });
  return client;
}

describe('MailboxLoginListeners', () => {
  it('ends the connection that waited longest when there are too many before login', async () => {
    const first = await greeted();
    const ended = new Promise((resolve) => first.once('close', resolve));
    const others: Socket[] = [];
    for (let i = 0; i < LIMIT; i++) others.push(await greeted());
    await ended;
    expect(listeners.connections).toBe(LIMIT);
    const answered = new Promise((resolve) => others.at(-1)?.once('data', resolve));
    others.at(-1)?.write('a NOOP\r\n');
    expect(String(await answered)).toContain('a OK');
  });
});

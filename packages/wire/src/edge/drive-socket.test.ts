import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, type Socket, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSecureContext, connect as tlsConnect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ProtocolSession, SessionHost, TlsInfo } from '../session.ts';
import { driveSocket } from './drive-socket.ts';

// A session that upper-cases lines, knows STARTTLS and QUIT, and writes each reply in two pieces.
class EchoSession implements ProtocolSession {
  readonly heard: string[] = [];
  tls: TlsInfo | undefined;
  end: string | undefined;
  readonly host: SessionHost;
  constructor(host: SessionHost) {
    this.host = host;
  }
  start(): void {
    this.host.write('hello\r\n');
  }
  receive(chunk: Buffer): void {
    for (const line of chunk.toString().split('\r\n').filter(Boolean)) {
      this.heard.push(line);
      if (line === 'THROW') throw new Error('a fault');
      if (line === 'STARTTLS') {
        this.host.write('go\r\n');
        this.host.startTls();
        return;
      }
      this.host.write(line.toUpperCase());
      this.host.write('\r\n');
      if (line === 'QUIT') this.host.close();
    }
  }
  secured(tls: TlsInfo): void {
    this.tls = tls;
  }
  ended(reason: string): void {
    this.end = reason;
  }
  timedOut(): void {
    this.host.write('too slow\r\n');
    this.host.close();
  }
  shutDown(): void {
    this.host.close();
  }
}

let folder: string;
let pair: { key: string; cert: string };
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'drive-socket-'));
  execFileSync(
    'openssl',
    [
      'req',
      '-new',
      '-x509',
      '-nodes',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-subj',
      '/CN=localhost',
      '-keyout',
      join(folder, 'k'),
      '-out',
      join(folder, 'c'),
    ],
    { stdio: 'ignore' },
  );
  pair = { key: readFileSync(join(folder, 'k'), 'utf8'), cert: readFileSync(join(folder, 'c'), 'utf8') };
});
afterAll(() => rmSync(folder, { recursive: true }));

async function withServer(
  use: (port: number, sessions: EchoSession[], faults: unknown[]) => Promise<void>,
  handshakeTimeout = 10_000,
): Promise<void> {
  const sessions: EchoSession[] = [];
  const faults: unknown[] = [];
  const server = createServer((socket) => {
    driveSocket(socket, {
      createSession: (host) => {
        const session = new EchoSession(host);
        sessions.push(session);
        return session;
      },
      tls: { secureContext: () => createSecureContext(pair) },
      handshakeTimeout,
      onFault: (error) => faults.push(error),
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await use((server.address() as AddressInfo).port, sessions, faults);
  } finally {
    server.close();
  }
}

function readUntil(socket: Socket, end: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const onData = (chunk: Buffer): void => {
      text += chunk.toString();
      if (text.endsWith(end)) {
        socket.off('data', onData);
        resolve(text);
      }
    };
    socket.on('data', onData);
    socket.once('close', () => reject(new Error(`closed after ${JSON.stringify(text)}`)));
    socket.once('error', reject);
  });
}

describe('driveSocket', () => {
  it('greets, answers, and closes after the last words', async () => {
    await withServer(async (port, sessions) => {
      const socket = connect(port, '127.0.0.1');
      await readUntil(socket, 'hello\r\n');
      socket.write('one\r\nQUIT\r\n');
      expect(await readUntil(socket, 'QUIT\r\n')).toBe('ONE\r\nQUIT\r\n');
      await new Promise((resolve) => socket.once('close', resolve));
      await expect.poll(() => sessions[0]?.end).toBe('closed');
    });
  });

  it('drops what was pipelined behind STARTTLS and goes on secured', async () => {
    await withServer(async (port, sessions) => {
      const socket = connect(port, '127.0.0.1');
      await readUntil(socket, 'hello\r\n');
      socket.write('STARTTLS\r\n');
      await readUntil(socket, 'go\r\n');
      const secured = tlsConnect({ socket, rejectUnauthorized: false });
      await new Promise((resolve) => secured.once('secureConnect', resolve));
      secured.write('two\r\n');
      expect(await readUntil(secured, 'TWO\r\n')).toBe('TWO\r\n');
      expect(sessions[0]?.tls?.protocol).toBe('TLSv1.3');
      expect(sessions[0]?.tls?.usedBits).toBe(256);
      secured.destroy();
    });
  });

  it('never runs plaintext injected behind STARTTLS', async () => {
    await withServer(async (port, sessions) => {
      const socket = connect(port, '127.0.0.1');
      await readUntil(socket, 'hello\r\n');
      socket.write('STARTTLS\r\nINJECTED\r\n');
      await new Promise((resolve) => socket.once('data', resolve));
      socket.write('LATER\r\n');
      await new Promise((resolve) => {
        socket.on('error', () => {});
        socket.once('close', resolve);
        setTimeout(() => socket.destroy(), 500);
      });
      expect(sessions[0]?.heard).toEqual(['STARTTLS']);
    });
  });

  it.each<[string, (socket: Socket) => void]>([
    ['closes', (socket) => socket.end()],
    ['is gone', (socket) => socket.destroy()],
    ['resets', (socket) => socket.resetAndDestroy()],
    ['speaks no TLS', (socket) => socket.end('nonsense\r\n')],
  ])('gives a reason in words when the peer %s instead of a handshake', async (_, leave) => {
    await withServer(async (port, sessions) => {
      const socket = connect(port, '127.0.0.1');
      await readUntil(socket, 'hello\r\n');
      socket.on('error', () => {});
      socket.write('STARTTLS\r\n');
      await new Promise((resolve) => socket.once('data', resolve));
      leave(socket);
      await expect.poll(() => sessions[0]?.end).toMatch(/\S/);
    });
  });

  it('tells the session when the peer is gone, once', async () => {
    await withServer(async (port, sessions) => {
      const socket = connect(port, '127.0.0.1');
      await readUntil(socket, 'hello\r\n');
      socket.resetAndDestroy();
      await expect.poll(() => sessions[0]?.end).toMatch(/closed|ECONNRESET/);
    });
  });

  it('reads no more from a peer that does not take its answers', async () => {
    await withServer(async (port, sessions) => {
      const socket = connect(port, '127.0.0.1');
      await readUntil(socket, 'hello\r\n');
      socket.pause();
      const sent = 40_000_000;
      const line = `${'x'.repeat(998)}\r\n`;
      socket.write(line.repeat(sent / 1000));
      const heard = (): number => sessions[0]?.heard.reduce((sum, text) => sum + text.length, 0) ?? 0;
      await new Promise((resolve) => setTimeout(resolve, 400));
      const stalledAt = heard();
      // The kernel's buffers, ours, and one chunk more.
      expect(stalledAt).toBeLessThan(sent / 2);
      let taken = 0;
      socket.on('data', (chunk: Buffer) => (taken += chunk.length));
      socket.resume();
      await expect.poll(() => taken, { timeout: 5000 }).toBeGreaterThan(sent * 0.99);
      socket.destroy();
    });
  });

  it('ends the connection of a session that throws, and only that', async () => {
    await withServer(async (port, sessions, faults) => {
      const socket = connect(port, '127.0.0.1');
      const other = connect(port, '127.0.0.1');
      await Promise.all([readUntil(socket, 'hello\r\n'), readUntil(other, 'hello\r\n')]);
      socket.write('THROW\r\n');
      await new Promise((resolve) => socket.once('close', resolve));
      expect(faults).toEqual([new Error('a fault')]);
      expect(sessions.map(({ end }) => end)).toEqual(expect.arrayContaining(['internal error', undefined]));
      other.write('two\r\n');
      expect(await readUntil(other, 'TWO\r\n')).toBe('TWO\r\n');
      other.destroy();
    });
  });

  it('gives up on a peer that asks for TLS and never takes the answer', async () => {
    await withServer(async (port, sessions) => {
      const socket = connect(port, '127.0.0.1');
      await readUntil(socket, 'hello\r\n');
      socket.write('STARTTLS\r\n');
      await expect.poll(() => sessions[0]?.end, { timeout: 3000 }).toMatch(/timed out|closed/);
      socket.destroy();
    }, 200);
  });
});

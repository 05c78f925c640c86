import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BindError, bindTcp, bindUnix } from './bind.ts';

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const CHILD = `require('net').createServer((s) => s.end('child')).listen({ fd: 3 }, () => console.log('up'));`;

async function answerFrom(fd: number, target: net.NetConnectOpts): Promise<string> {
  const child = spawn(process.execPath, ['-e', CHILD], { stdio: ['ignore', 'pipe', 'inherit', fd] });
  try {
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    return await new Promise((resolve, reject) => {
      let text = '';
      net
        .connect(target)
        .on('data', (chunk: Buffer) => (text += chunk.toString()))
        .on('end', () => resolve(text))
        .on('error', reject);
    });
  } finally {
    child.kill();
  }
}

describe('bind', () => {
  it('binds a port that a child then serves', async () => {
    const port = await freePort();
    const bound = bindTcp('127.0.0.1', port);
    expect(await answerFrom(bound.fd, { host: '127.0.0.1', port })).toBe('child');
    bound.close();
  });

  it('binds a unix socket that a child then serves', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'bind-'));
    const bound = bindUnix(join(folder, 's'));
    expect(await answerFrom(bound.fd, { path: join(folder, 's') })).toBe('child');
    bound.close();
    rmSync(folder, { recursive: true });
  });

  it('says what is wrong with a taken port', async () => {
    const server = net.createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as net.AddressInfo;
    expect(() => bindTcp('127.0.0.1', port)).toThrow(BindError);
    expect(() => bindTcp('127.0.0.1', port)).toThrow(`127.0.0.1 port ${port} is in use`);
    server.close();
    expect(() => bindTcp('192.0.2.1', 2525)).toThrow(/does not have that address/);
  });
});

import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDataFolder } from './data-folder.ts';

let top: string;
let data: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'data-folder-'));
  data = join(top, 'data');
});
afterEach(() => rmSync(top, { recursive: true }));

const asRoot = process.getuid?.() === 0;
const front = { name: 'postcote', uid: 61_400, gid: 61_400 };

describe('openDataFolder', () => {
  it('makes what is missing, closed to others', async () => {
    const folder = await openDataFolder(data, undefined);
    expect(folder.deliverSocket).toBe(join(data, 'run/deliver.sock'));
    expect(statSync(folder.queue).mode & 0o777).toBe(0o700);
    expect(statSync(folder.run).mode & 0o022).toBe(0);
    // For all to write, for nobody else to read, with the group that the front reads by.
    expect(statSync(folder.maildrop).mode & 0o7777).toBe(0o3733);
    await expect(openDataFolder(data, undefined)).resolves.toEqual(folder);
  });

  it('refuses a maildrop folder that others may list', async () => {
    const { maildrop } = await openDataFolder(data, undefined);
    chmodSync(maildrop, 0o1777);
    await expect(openDataFolder(data, undefined)).rejects.toThrow('with mode 3733');
  });

  it('refuses a folder that others may write to', async () => {
    mkdirSync(data);
    chmodSync(data, 0o777);
    await expect(openDataFolder(data, undefined)).rejects.toThrow('others may write there');
  });

  it.each(['run', 'queue', 'maildrop'])('follows no link in place of %s', async (name) => {
    mkdirSync(data);
    symlinkSync(top, join(data, name));
    await expect(openDataFolder(data, undefined)).rejects.toThrow(/is not a folder|must be a folder/);
  });

  it('refuses a folder on which a server is at work, and takes one over that a dead server left', async () => {
    const { deliverSocket } = await openDataFolder(data, undefined);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(deliverSocket, resolve));
    await expect(openDataFolder(data, undefined)).rejects.toThrow('another postcote is running');
    await new Promise((resolve) => server.close(resolve));
    writeFileSync(deliverSocket, '');
    await expect(openDataFolder(data, undefined)).resolves.toBeDefined();
  });
});

describe.runIf(asRoot)('openDataFolder (as root)', () => {
  it('refuses a folder of another account', async () => {
    mkdirSync(data);
    chownSync(data, 61_401, 61_401);
    await expect(openDataFolder(data, undefined)).rejects.toThrow('belongs to uid 61401');
  });

  it('says what to do when another account faces the network than before', async () => {
    const { queue } = await openDataFolder(data, front);
    writeFileSync(join(queue, 'queue.db'), '');
    chownSync(join(queue, 'queue.db'), 61_402, 61_402);
    await expect(openDataFolder(data, front)).rejects.toThrow(`chown -R postcote: ${queue}`);
    chownSync(join(queue, 'queue.db'), front.uid, front.gid);
    await expect(openDataFolder(data, front)).resolves.toBeDefined();
  });
});

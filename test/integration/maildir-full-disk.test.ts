// A Maildir on a disk that fills up: whoever brings a message is told so before it counts as taken, nothing half is
// left behind, what was there stays readable, and with room again everything goes on. Needs root, for a small disk.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openMaildirStore, type MaildirStore } from '../../packages/maildir/src/edge/index.ts';

const missing = process.getuid?.() === 0 ? undefined : 'needs root, to mount a small file system';

let root = '';
let mounted = false;
let store: MaildirStore;

function fill(leaveOctets: number): void {
  const ballast = join(root, 'ballast');
  for (let size = 1024 * 1024; size >= 4096; size /= 2) {
    try {
      for (;;) writeFileSync(ballast, Buffer.alloc(size), { flag: 'a' });
    } catch {
      // Smaller pieces may still fit.
    }
  }
  if (leaveOctets === 0) return;
  execFileSync('truncate', ['-s', `-${leaveOctets}`, ballast]);
}

async function deliver(size: number): Promise<unknown> {
  const writer = store.beginDelivery();
  for (let sent = 0; sent < size; sent += 1024)
    await writer.write(Buffer.alloc(Math.min(1024, size - sent), 'x'));
  return writer.commit();
}

async function append(size: number): Promise<number> {
  const writer = await store.beginAppend('INBOX', { flags: ['\\Seen'] });
  await writer.write(Buffer.alloc(size, 'y'));
  return (await writer.commit()).uid;
}

describe.skipIf(missing !== undefined)(`Maildir on a full disk${missing ? ` (${missing})` : ''}`, () => {
  beforeEach((context) => {
    root = mkdtempSync(join(tmpdir(), 'postcote-full-'));
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', root], { stdio: 'pipe' });
      mounted = true;
    } catch (error) {
      context.skip(`no file system can be mounted here: ${String(error).split('\n', 1)[0]}`);
    }
    store = openMaildirStore({ root, allowRoot: true });
  });

  afterEach(async () => {
    if (!mounted) return;
    await store.close();
    execFileSync('umount', [root]);
    rmSync(root, { recursive: true });
    mounted = false;
  });

  it('refuses deliveries and appends that do not fit, whole', async () => {
    await deliver(100);
    const uid = await append(200);
    const inbox = await store.open('INBOX');
    const before = inbox.records;
    fill(100 * 1024);
    for (const size of [400 * 1024, 1024 * 1024]) {
      await expect(deliver(size)).rejects.toMatchObject({ code: 'noSpace' });
      await expect(append(size)).rejects.toMatchObject({ code: 'noSpace' });
    }
    fill(0);
    await expect(deliver(10)).rejects.toMatchObject({ code: 'noSpace' });
    await expect(append(10)).rejects.toMatchObject({ code: 'noSpace' });
    expect(readdirSync(join(root, 'tmp'))).toEqual([]);
    expect([readdirSync(join(root, 'new')).length, readdirSync(join(root, 'cur')).length]).toEqual([1, 1]);
    await inbox.refresh();
    expect(inbox.records.map((r) => r.uid)).toEqual(before.map((r) => r.uid));
    expect((await inbox.message(uid)?.read())?.length).toBe(200);
    // Flags are names: they need no room. An expunge makes some.
    await inbox.store([uid], { mode: 'add', flags: ['\\Flagged'] });
    rmSync(join(root, 'ballast'));
    await deliver(50 * 1024);
    const next = await append(50 * 1024);
    await inbox.refresh();
    expect(next).toBeGreaterThan(uid);
    expect(inbox.records).toHaveLength(4);
  });

  it('shows what has a UID when there is no room to give others one', async () => {
    await append(10);
    const inbox = await store.open('INBOX');
    for (let i = 0; i < 3; i++) await deliver(10);
    fill(0);
    await inbox.refresh();
    expect(inbox.records.length).toBeGreaterThanOrEqual(1);
    rmSync(join(root, 'ballast'));
    await inbox.refresh();
    expect(inbox.records).toHaveLength(4);
  });

  it('shows what is there on a read-only file system, refuses the rest, and goes on when it is writable again', async () => {
    const uid = await append(100);
    await deliver(50);
    await store.close();
    execFileSync('mount', ['-o', 'remount,ro', root]);
    try {
      store = openMaildirStore({ root, allowRoot: true, lockTimeoutMs: 500 });
      const inbox = await store.open('INBOX');
      expect((await inbox.message(uid)?.read())?.length).toBe(100);
      expect(inbox.records.map((r) => r.uid)).toContain(uid);
      const refused = { code: 'noPermission' };
      await expect(append(10)).rejects.toMatchObject(refused);
      await expect(deliver(10)).rejects.toMatchObject(refused);
      await expect(inbox.store([uid], { mode: 'add', flags: ['\\Flagged'] })).rejects.toMatchObject(refused);
      await expect(inbox.expunge([uid])).rejects.toMatchObject(refused);
      await expect(store.create('New')).rejects.toMatchObject(refused);
      await inbox.refresh();
      expect((await inbox.message(uid)?.read())?.length).toBe(100);
      await inbox.close();
    } finally {
      execFileSync('mount', ['-o', 'remount,rw', root]);
    }
    await append(10);
    const inbox = await store.open('INBOX');
    expect(inbox.records).toHaveLength(3);
    expect(inbox.records[0]?.uid).toBe(uid);
    await inbox.close();
  });
});

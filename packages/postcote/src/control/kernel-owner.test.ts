import { execFileSync } from 'node:child_process';
import { linkSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ownershipOf } from './kernel-owner.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'kernel-owner-'));
  writeFileSync(join(folder, 'file'), '');
});
afterEach(() => rmSync(folder, { recursive: true }));

const judge = (name: string, group = lstatSync(folder).gid) =>
  ownershipOf(lstatSync(join(folder, name)), group);

it('believes the kernel about a file made in the folder', () => {
  expect(judge('file')).toEqual({ kind: 'owned', uid: process.getuid?.() });
});

it('believes nothing of what was linked or moved in', () => {
  expect(judge('file', 61_400)).toMatchObject({ kind: 'foreign', reason: 'was not made here' });
  symlinkSync('/etc/passwd', join(folder, 'link'));
  expect(judge('link')).toMatchObject({ reason: 'is a symbolic link' });
  mkdirSync(join(folder, 'folder'));
  expect(judge('folder')).toMatchObject({ reason: 'is a folder' });
  execFileSync('mkfifo', [join(folder, 'fifo')]);
  expect(judge('fifo')).toMatchObject({ reason: 'is a FIFO' });
  linkSync(join(folder, 'file'), join(folder, 'second'));
  expect(judge('file')).toMatchObject({ reason: 'has several names (hard links)' });
});

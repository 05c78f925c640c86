import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IndexFolders } from './index-folders.ts';

describe('index folders', () => {
  let data: string;
  const uid = process.getuid?.() ?? 0;
  const gid = process.getgid?.() ?? 0;
  const account = (name: string) => ({ name, uid, gid, home: '/home/x' });
  beforeEach(() => {
    data = mkdtempSync(join(tmpdir(), 'postcote-index-'));
  });
  afterEach(() => rmSync(data, { recursive: true }));

  it('makes one for each user, that nobody else can look into', () => {
    const folders = new IndexFolders(data, false);
    expect(folders.open(account('ann'))).toEqual({ path: join(data, 'index', `ann-${uid}`) });
    expect(statSync(join(data, 'index', `ann-${uid}`)).mode & 0o777).toBe(0o700);
    expect(statSync(join(data, 'index')).mode & 0o777).toBe(0o711);
    expect(folders.open(account('ann'))).toHaveProperty('path');
  });

  it('keeps odd names in their place', () => {
    const folders = new IndexFolders(data, false);
    expect(folders.open(account('../x'))).toEqual({ path: join(data, 'index', `%2E%2E%2Fx-${uid}`) });
    expect(folders.open(account('.'))).toEqual({ path: join(data, 'index', `%2E-${uid}`) });
  });

  it('uses nothing that is no folder of that user', () => {
    const folders = new IndexFolders(data, false);
    mkdirSync(join(data, 'index'));
    symlinkSync('/tmp', join(data, 'index', `ann-${uid}`));
    expect(folders.open(account('ann'))).toHaveProperty('problem');
    mkdirSync(join(data, 'index', `bob-${uid + 1}`));
    expect(folders.open({ ...account('bob'), uid: uid + 1 })).toHaveProperty('problem');
  });
});

import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { barriers, openTemporaryFolders } from './reachable.ts';

const stranger = { name: 'stranger', uid: 61_400, gid: 61_400 };
let top: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'reachable-'));
  mkdirSync(join(top, 'a/b'), { recursive: true });
  chmodSync(join(top, 'a'), 0o700);
  chmodSync(join(top, 'a/b'), 0o755);
});
afterEach(() => rmSync(top, { recursive: true }));

describe('barriers', () => {
  it('names the folders that a stranger may not pass, outermost first', () => {
    expect(barriers(join(top, 'a/b/not-there'), stranger)).toEqual([top, join(top, 'a')]);
  });
  it('knows the owner and the group', () => {
    const { uid, gid } = statSync(top);
    expect(barriers(join(top, 'a/b'), { name: 'owner', uid, gid: 1 })).toEqual([]);
    chmodSync(top, 0o710);
    chmodSync(join(top, 'a'), 0o710);
    expect(barriers(join(top, 'a/b'), { name: 'member', uid: 61_400, gid })).toEqual([]);
  });
});

describe.runIf(process.getuid?.() === 0)('openTemporaryFolders (as root)', () => {
  it("makes root's private temporary folders searchable, not readable", () => {
    expect(openTemporaryFolders(join(top, 'a/b'), stranger)).toEqual([]);
    expect(statSync(top).mode & 0o777).toBe(0o711);
    expect(statSync(join(top, 'a/b')).mode & 0o777).toBe(0o755);
  });
});

// Temporary accounts of the machine, so that PAM and the passwd table are the real ones. Needs root. Passwords are
// random and live as long as the test. Accounts that a killed run left behind are swept at the next start.

import { execFileSync, spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { Account } from './play-transcript.ts';

const PREFIX = 'pctest';

export interface SystemUsers {
  /** Makes accounts; one process each, so ask for all that are needed at once. */
  create(count: number): Account[];
  /** Removes all accounts made here. Their homes go with the folder they lie in. */
  remove(): void;
}

/** Removes accounts of this prefix whose run is no longer alive. */
export function sweepSystemUsers(): void {
  for (const line of fs.readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name = '', , , , gecos = ''] = line.split(':');
    if (!name.startsWith(PREFIX)) continue;
    const pid = /^postcote test of process (\d+)$/.exec(gecos)?.[1];
    if (pid !== undefined && fs.existsSync(`/proc/${pid}`)) continue;
    removeAccount(name);
  }
}

function removeAccount(name: string): void {
  // 6: no such user; 12: no home. Workers that still run under the uid make it 8: force.
  spawnSync('userdel', ['-f', name], { stdio: 'ignore' });
}

/** `homes`: a folder that other users may pass through. */
export function openSystemUsers(homes: string): SystemUsers {
  sweepSystemUsers();
  const made: string[] = [];
  const remove = (): void => {
    for (const name of made.splice(0)) removeAccount(name);
  };
  process.once('exit', remove);
  return {
    create(count) {
      const accounts: Account[] = [];
      for (let i = 0; i < count; i++) {
        const name = `${PREFIX}${crypto.randomBytes(4).toString('hex')}`;
        const home = path.join(homes, name);
        const options = ['--no-create-home', '--home-dir', home, '--shell', '/bin/sh'];
        execFileSync('useradd', [...options, '--comment', `postcote test of process ${process.pid}`, name]);
        made.push(name);
        const [uid = 0, gid = 0] = [idOf('-u', name), idOf('-g', name)];
        fs.mkdirSync(home, { mode: 0o755 });
        fs.chownSync(home, uid, gid);
        accounts.push({ name, password: crypto.randomBytes(9).toString('base64url'), home, uid, gid });
      }
      // A cheap hash: the tests log in hundreds of times, and what the hash costs is not their subject.
      execFileSync('chpasswd', ['--crypt-method', 'SHA512', '--sha-rounds', '1000'], {
        input: accounts.map(({ name, password }) => `${name}:${password}\n`).join(''),
      });
      return accounts;
    },
    remove,
  };
}

function idOf(option: '-u' | '-g', name: string): number {
  return Number(execFileSync('id', [option, name], { encoding: 'utf8' }).trim());
}

// Temporary accounts of the machine, so that PAM and the passwd table are the real ones. Needs root. Passwords are
// random and live as long as the test. Accounts that a killed run left behind are swept at the next start.
//
// useradd and userdel take a third of a second an account on a busy machine, and hundreds are needed: all lines of a
// batch are therefore written at once through vipw and vigr, which hold the same locks.

import { execFileSync, spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { Account } from './play-transcript.ts';

const PREFIX = 'pctest';
const FIRST_UID = 30_000;
const LAST_UID = 59_000;
const TRIES = 20;
const BATCH = 12;

export interface SystemUsers {
  /** Makes accounts in one go, so ask for all that are needed at once. */
  create(count: number): Account[];
  /** One account, from a batch that was made ahead. */
  one(): Account;
  /** Removes all accounts made here. Their homes go with the folder they lie in. */
  remove(): void;
}

const TABLES = [
  { file: '/etc/group', editor: ['vigr', '--quiet'] },
  { file: '/etc/gshadow', editor: ['vigr', '--quiet', '--shadow'] },
  { file: '/etc/passwd', editor: ['vipw', '--quiet'] },
  { file: '/etc/shadow', editor: ['vipw', '--quiet', '--shadow'] },
] as const;

/** Runs an edit under the table's lock. vipw hands a copy to $EDITOR; ours is sed with the whole change as its script. */
function editTable(table: (typeof TABLES)[number], script: string): void {
  const scriptFile = path.join(fs.mkdtempSync('/tmp/postcote-users-'), 'edit.sed');
  fs.writeFileSync(scriptFile, script);
  // vipw keeps the old table when the copy's time did not move, and that is counted in seconds: any other will do.
  const time = Math.floor(Date.now() / 1000) - crypto.randomInt(1, 1_000_000);
  const editor = path.join(path.dirname(scriptFile), 'editor');
  fs.writeFileSync(editor, `#!/bin/sh\nsed -i -f '${scriptFile}' "$1" && touch -d @${time} "$1"\n`, {
    mode: 0o755,
  });
  try {
    for (let i = 1; ; i++) {
      const [program, ...args] = table.editor;
      const done = spawnSync(program, args, {
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], EDITOR: editor, VISUAL: editor },
      });
      if (done.status === 0) return;
      // Somebody else holds the lock.
      if (i === TRIES) throw new Error(`${program} failed: ${done.stderr}`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  } finally {
    fs.rmSync(path.dirname(scriptFile), { recursive: true, force: true });
  }
}

function appendTo(table: (typeof TABLES)[number], lines: readonly string[]): void {
  // `$a` appends after the last line; each further line of its text ends in a backslash but the last.
  editTable(table, `$a\\\n${lines.join('\\\n')}\n`);
}

function removeAccounts(names: readonly string[]): void {
  if (names.length === 0) return;
  for (const table of TABLES.toReversed()) {
    editTable(table, names.map((name) => `/^${name}:/d\n`).join(''));
  }
}

/** Removes accounts of this prefix whose run is no longer alive. */
export function sweepSystemUsers(): void {
  const stale: string[] = [];
  for (const line of fs.readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name = '', , , , gecos = ''] = line.split(':');
    if (!name.startsWith(PREFIX)) continue;
    const pid = /^postcote test of process (\d+)$/.exec(gecos)?.[1];
    if (pid === undefined || !fs.existsSync(`/proc/${pid}`)) stale.push(name);
  }
  removeAccounts(stale);
}

function usedIds(): Set<number> {
  const lines = ['/etc/passwd', '/etc/group'].flatMap((file) => fs.readFileSync(file, 'utf8').split('\n'));
  return new Set(lines.map((line) => Number(line.split(':')[2])));
}

/** Consecutive free uids, at a random place so that two runs at a time do not meet. */
function chooseIds(count: number): number[] {
  const used = usedIds();
  for (;;) {
    const first = FIRST_UID + crypto.randomInt(LAST_UID - FIRST_UID - count);
    const ids = Array.from({ length: count }, (_, i) => first + i);
    if (!ids.some((id) => used.has(id))) return ids;
  }
}

/** `homes`: a folder that other users may pass through. */
export function openSystemUsers(homes: string): SystemUsers {
  sweepSystemUsers();
  const made: string[] = [];
  const remove = (): void => removeAccounts(made.splice(0));
  process.once('exit', remove);
  const create = (count: number): Account[] => {
    if (count === 0) return [];
    const accounts = chooseIds(count).map((id): Account => {
      const name = `${PREFIX}${crypto.randomBytes(4).toString('hex')}`;
      // Twelve hexadecimal digits: transcripts count them, and no command line takes them for an option.
      const password = crypto.randomBytes(6).toString('hex');
      return { name, password, home: path.join(homes, name), uid: id, gid: id };
    });
    const hashes = execFileSync('openssl', ['passwd', '-6', '-stdin'], {
      input: accounts.map(({ password }) => `${password}\n`).join(''),
      encoding: 'utf8',
    }).split('\n');
    made.push(...accounts.map(({ name }) => name));
    const [group, gshadow, passwd, shadow] = TABLES;
    appendTo(
      group,
      accounts.map(({ name, gid }) => `${name}:x:${gid}:`),
    );
    appendTo(
      gshadow,
      accounts.map(({ name }) => `${name}:!::`),
    );
    const comment = `postcote test of process ${process.pid}`;
    appendTo(
      passwd,
      accounts.map(({ name, uid, gid, home }) => `${name}:x:${uid}:${gid}:${comment}:${home}:/bin/sh`),
    );
    appendTo(
      shadow,
      accounts.map(({ name }, i) => `${name}:${hashes[i]}:20000:0:99999:7:::`),
    );
    for (const { home, uid, gid } of accounts) {
      fs.mkdirSync(home, { mode: 0o755 });
      fs.chownSync(home, uid, gid);
    }
    return accounts;
  };
  const ahead: Account[] = [];
  return {
    create,
    one() {
      if (ahead.length === 0) ahead.push(...create(BATCH));
      return ahead.shift() as Account;
    },
    remove,
  };
}

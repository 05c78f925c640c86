// The contract on both layouts. Runs under any user: what only matters to root is in hostile-files.test.ts.

import { readdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeMailStore, type OutsideProgram } from '@postcote/mailbox/testing';
import { LETTER_OF_FLAG } from '../file-name.ts';
import { makeTemporaryRoot } from '../testing/index.ts';
import { openMaildirStore, type MaildirStoreOptions } from './index.ts';

const VARIANTS = [
  { layout: 'fs', index: false },
  { layout: 'fs', index: true },
  { layout: 'maildir++', index: true },
] as const;

for (const { layout, index } of VARIANTS) {
  describeMailStore(`maildir, ${layout}, ${index ? 'with an index' : 'without'}`, async () => {
    const { path: root, remove } = makeTemporaryRoot();
    const options: MaildirStoreOptions = {
      root,
      layout,
      allowRoot: true,
      ...(index ? { index: `${root}-index` } : {}),
    };
    return {
      store: openMaildirStore(options),
      ...(index ? { reopen: () => openMaildirStore(options) } : {}),
      keywordLimit: 26,
      outside: () => outsideProgram(root),
      dispose: async () => remove(),
    };
  });
}

/** Works on INBOX's files as mutt or an MDA would: without locks. */
function outsideProgram(root: string): OutsideProgram {
  let count = 0;
  const find = (uid: number): { directory: string; name: string; base: string } => {
    const line = readFileSync(join(root, 'dovecot-uidlist'), 'latin1')
      .split('\n')
      .slice(1)
      .find((l) => l.startsWith(`${uid} `));
    const base = line?.slice(line.indexOf(' :') + 2) ?? '?';
    for (const directory of ['new', 'cur']) {
      const name = readdirSync(join(root, directory)).find((n) => n === base || n.startsWith(`${base}:`));
      if (name !== undefined) return { directory, name, base };
    }
    throw new Error(`no file of UID ${uid}`);
  };
  return {
    deliver: (content) => {
      const name = `${Math.floor(Date.now() / 1000)}.V1I${count++}M1.mta`;
      writeFileSync(join(root, 'tmp', name), content, { mode: 0o600 });
      renameSync(join(root, 'tmp', name), join(root, 'new', name));
    },
    setFlags: (uid, flags) => {
      const { directory, name, base } = find(uid);
      const letters = flags.map((f) => LETTER_OF_FLAG.get(f) ?? '').sort();
      renameSync(join(root, directory, name), join(root, 'cur', `${base}:2,${letters.join('')}`));
    },
    remove: (uid) => {
      const { directory, name } = find(uid);
      unlinkSync(join(root, directory, name));
    },
  };
}

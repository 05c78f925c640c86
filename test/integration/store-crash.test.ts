// A process that is killed in the middle of APPEND, COPY, MOVE, STORE, EXPUNGE or RENAME: what was acknowledged is there
// afterwards, a move leaves every message in one place at least, no UID is given twice, and the index says what the files say.
// `POSTCOTE_STORE_KILLS=1000` for the long run.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openMaildirStore } from '../../packages/maildir/src/edge/index.ts';

const KILLS = Number(process.env['POSTCOTE_STORE_KILLS'] ?? 20);
const child = fileURLToPath(new URL('./store-crash-child.ts', import.meta.url));

interface Op {
  readonly op: 'append' | 'copy' | 'move' | 'store' | 'expunge' | 'rename';
  readonly folder: string;
  readonly id?: string;
  readonly uids?: readonly number[];
  readonly other?: string;
  readonly mode?: 'add' | 'remove';
  readonly flags?: readonly string[];
}
interface Done {
  readonly uid?: number;
  readonly source?: readonly number[];
  readonly target?: readonly number[];
}
interface Message {
  readonly id: string;
  readonly flags: ReadonlySet<string>;
}
interface Folder {
  readonly uidValidity: number;
  readonly messages: Map<number, Message>;
}
type State = Map<string, Folder>;

let base: string;
beforeAll(() => {
  base = fs.mkdtempSync(path.join(tmpdir(), 'postcote-store-crash-'));
});
afterAll(() => fs.rmSync(base, { recursive: true }));

const options = (index = 'index') => ({
  root: path.join(base, 'mail'),
  index: path.join(base, index),
  allowRoot: true,
});

async function readState(index?: string): Promise<State> {
  const store = openMaildirStore(options(index));
  const state: State = new Map();
  for (const { name, selectable } of await store.list()) {
    if (!selectable) continue;
    const mailbox = await store.open(name);
    const messages = new Map<number, Message>();
    for (const { uid, flags } of mailbox.records) {
      const header = String(await mailbox.message(uid)?.header());
      messages.set(uid, { id: /X-Id: (\S+)/.exec(header)?.[1] ?? '?', flags: new Set(flags) });
    }
    state.set(name, { uidValidity: mailbox.uidValidity, messages });
    await mailbox.close();
  }
  await store.close();
  return state;
}

/** Lets it work for a while, kills it, and gives what it had begun and had acknowledged. */
async function runAndKill(seed: number): Promise<{ readonly op: Op; readonly done: Done | undefined }[]> {
  const notes = path.join(base, `notes-${seed}`);
  fs.writeFileSync(notes, '');
  const running = spawn(process.execPath, [child, options().root, options().index, notes, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(running.stdout, 'data');
  await new Promise((resolve) => setTimeout(resolve, 3 + ((seed * 53) % 60)));
  running.kill('SIGKILL');
  await once(running, 'close');
  const ops: { op: Op; done: Done | undefined }[] = [];
  for (const line of fs.readFileSync(notes, 'utf8').split('\n').slice(0, -1)) {
    const entry = JSON.parse(line) as { readonly begin?: Op; readonly done?: Done };
    if (entry.begin !== undefined) ops.push({ op: entry.begin, done: undefined });
    const last = ops.at(-1);
    if (entry.done !== undefined && last !== undefined) last.done = entry.done;
  }
  return ops;
}

/** What must be there: the state before, with all that was acknowledged. */
function apply(state: State, { op, done }: { readonly op: Op; readonly done: Done | undefined }): void {
  const messages = state.get(op.folder)?.messages ?? new Map<number, Message>();
  const target = state.get(op.other ?? '')?.messages ?? new Map<number, Message>();
  if (done === undefined) return;
  switch (op.op) {
    case 'append':
      // Its flags are looked at by the first STORE.
      messages.set(done.uid ?? 0, { id: op.id ?? '', flags: new Set(['?']) });
      return;
    case 'copy':
    case 'move':
      for (const [at, uid] of (done.source ?? []).entries()) {
        const message = messages.get(uid);
        if (message !== undefined) target.set(done.target?.[at] ?? 0, message);
        if (op.op === 'move') messages.delete(uid);
      }
      return;
    case 'store':
      for (const uid of op.uids ?? []) {
        const message = messages.get(uid);
        if (message === undefined) continue;
        const flags = new Set(message.flags);
        for (const flag of op.flags ?? []) {
          if (op.mode === 'add') flags.add(flag);
          else flags.delete(flag);
        }
        messages.set(uid, { ...message, flags });
      }
      return;
    case 'expunge':
      for (const uid of op.uids ?? []) messages.delete(uid);
      return;
    case 'rename': {
      const folder = state.get(op.folder);
      state.delete(op.folder);
      if (folder !== undefined) state.set(op.other ?? '', folder);
    }
  }
}

/** Folders and messages that the operation under way may have changed already. */
function touches(op: Op | undefined, folder: string, uid: number): boolean {
  if (op === undefined || op.folder !== folder) return false;
  return op.uids?.includes(uid) === true;
}

it(`keeps what was acknowledged through ${KILLS} kills`, { timeout: 60_000 + KILLS * 4_000 }, async () => {
  const owners = new Map<string, string>();
  let state = await readState();
  for (let seed = 1; seed <= KILLS; seed++) {
    const ops = await runAndKill(seed);
    for (const op of ops) apply(state, op);
    const open = ops.at(-1)?.done === undefined ? ops.at(-1)?.op : undefined;
    // A rename that was under way has happened or not.
    const found = await readState();
    if (open?.op === 'rename' && found.has(open.other ?? '')) apply(state, { op: open, done: {} });
    const where = `seed ${seed}, ${JSON.stringify(open)}`;
    for (const [name, { messages, uidValidity }] of state) {
      const now = found.get(name);
      if (now === undefined && messages.size === 0) continue;
      expect(now?.uidValidity, `${where}: ${name}`).toBe(uidValidity);
      for (const [uid, message] of messages) {
        const kept = now?.messages.get(uid);
        const touched = touches(open, name, uid);
        if (kept === undefined && touched && open?.op === 'expunge') continue;
        if (kept === undefined && touched && open?.op === 'move') {
          const moved = [...(found.get(open.other ?? '')?.messages.values() ?? [])];
          expect(
            moved.some(({ id }) => id === message.id),
            `${where}: ${message.id} is in neither place`,
          ).toBe(true);
          continue;
        }
        expect(kept?.id, `${where}: ${name} ${uid}`).toBe(message.id);
        if (touched && open?.op === 'store') continue;
        if (!message.flags.has('?'))
          expect([...(kept?.flags ?? [])].toSorted(), `${where}: flags of ${name} ${uid}`).toEqual(
            [...message.flags].toSorted(),
          );
      }
    }
    for (const [name, { messages, uidValidity }] of found) {
      for (const [uid, { id }] of messages) {
        const key = `${uidValidity} ${uid}`;
        expect(owners.get(key) ?? id, `${where}: UID ${uid} of ${name} was another message's`).toBe(id);
        owners.set(key, id);
      }
    }
    state = found;
  }
  const fresh = await readState('another-index');
  expect(fresh).toEqual(state);
});

// Random work on one Maildir by several parties, compared with a plain model: what a mailbox holds, under which UIDs, with
// which flags. A party is a store of ours or a real Dovecot; beside them works an outside program that knows no locks and
// no UIDs. After every step each party must see the model, and all of them the same UIDs.

import { mkdirSync, readdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Row {
  readonly uid: number;
  /** The subject, which names the message. */
  readonly subject: string;
  readonly flags: readonly string[];
}

export interface Look {
  readonly uidValidity: number;
  readonly uidNext: number;
  readonly rows: readonly Row[];
}

export interface Party {
  readonly name: string;
  look(folder: string): Promise<Look>;
  append(folder: string, content: string, flags: readonly string[]): Promise<void>;
  store(
    folder: string,
    uid: number,
    change: { mode: 'add' | 'remove' | 'replace'; flags: readonly string[] },
  ): Promise<void>;
  expunge(folder: string, uid: number): Promise<void>;
  transfer(from: string, uid: number, to: string, mode: 'copy' | 'move'): Promise<void>;
  /** Ends and begins anew, as after a crash or an update. */
  restart(): Promise<void>;
}

/** One step, from a random source; numbers are taken modulo what there is. */
export interface Step {
  readonly what:
    | 'append'
    | 'store'
    | 'expunge'
    | 'copy'
    | 'move'
    | 'restart'
    | 'outsideDeliver'
    | 'outsideFlag'
    | 'outsideRemove';
  readonly party: number;
  readonly folder: number;
  readonly target: number;
  readonly message: number;
  readonly flags: number;
  readonly mode: 'add' | 'remove' | 'replace';
}

export const FLAGS = ['\\Seen', '\\Answered', '\\Flagged', 'kwA', '$Label1'] as const;
const flagsOf = (bits: number): string[] => FLAGS.filter((_, at) => (bits & (1 << at)) !== 0);

interface Known {
  readonly subject: string;
  flags: Set<string>;
}

interface ModelFolder {
  readonly name: string;
  readonly path: string;
  readonly messages: Map<number, Known>;
  /** Came in without telling a UID. */
  arrived: Known[];
  readonly gone: Set<number>;
  uidValidity: number | undefined;
  uidNext: number;
}

export class ModelRun {
  readonly #parties: readonly Party[];
  readonly #folders: readonly ModelFolder[];
  readonly history: string[] = [];
  #count = 0;

  /** Folders by name and path; they exist, and are empty. */
  constructor(
    parties: readonly Party[],
    folders: readonly { readonly name: string; readonly path: string }[],
  ) {
    this.#parties = parties;
    this.#folders = folders.map(({ name, path }) => ({
      name,
      path,
      messages: new Map(),
      arrived: [],
      gone: new Set(),
      uidValidity: undefined,
      uidNext: 1,
    }));
  }

  async step(step: Step): Promise<void> {
    const party = this.#parties[step.party % this.#parties.length];
    const folder = this.#folders[step.folder % this.#folders.length];
    const target = this.#folders[step.target % this.#folders.length];
    if (!party || !folder || !target) return;
    const uids = [...folder.messages.keys()];
    const uid = uids[step.message % Math.max(1, uids.length)];
    const known = uid === undefined ? undefined : folder.messages.get(uid);
    this.history.push(
      `${party.name} ${step.what} ${folder.name} ${uid ?? '-'} ${target.name} ${step.mode} ${flagsOf(step.flags).join(' ')}`,
    );
    switch (step.what) {
      case 'append': {
        const flags = flagsOf(step.flags);
        const arrived = this.#newMessage(flags);
        await party.append(folder.name, contentOf(arrived.subject), flags);
        folder.arrived.push(arrived);
        break;
      }
      case 'outsideDeliver': {
        const arrived = this.#newMessage([]);
        deliver(folder.path, arrived.subject);
        folder.arrived.push(arrived);
        break;
      }
      case 'restart':
        await party.restart();
        break;
      default:
        if (uid === undefined || known === undefined) return;
        await this.#onMessage(step, { party, folder, target, uid, known });
    }
    await this.#compare();
  }

  async #onMessage(
    step: Step,
    on: { party: Party; folder: ModelFolder; target: ModelFolder; uid: number; known: Known },
  ): Promise<void> {
    const { party, folder, target, uid, known } = on;
    switch (step.what) {
      case 'store': {
        const flags = flagsOf(step.flags);
        await party.store(folder.name, uid, { mode: step.mode, flags });
        if (step.mode === 'replace') known.flags = new Set(flags);
        else for (const flag of flags) known.flags[step.mode === 'add' ? 'add' : 'delete'](flag);
        return;
      }
      case 'expunge':
        await party.expunge(folder.name, uid);
        this.#forget(folder, uid);
        return;
      case 'copy':
      case 'move':
        if (folder === target) return;
        await party.transfer(folder.name, uid, target.name, step.what);
        target.arrived.push({ subject: known.subject, flags: new Set(known.flags) });
        if (step.what === 'move') this.#forget(folder, uid);
        return;
      default: {
        // The outside program knows files, not UIDs: it works on what its subject names beyond doubt.
        const file = fileOf(folder.path, known.subject);
        if (file === undefined) return;
        if (step.what === 'outsideRemove') {
          unlinkSync(join(folder.path, file.directory, file.name));
          this.#forget(folder, uid);
          return;
        }
        const [base = '', letters = ''] = file.name.split(':2,');
        const next = [...new Set([...letters, 'F', 'S'])].sort().join('');
        renameSync(
          join(folder.path, file.directory, file.name),
          join(folder.path, 'cur', `${base}:2,${next}`),
        );
        known.flags.add('\\Flagged').add('\\Seen');
      }
    }
  }

  async #compare(): Promise<void> {
    for (const folder of this.#folders) {
      for (const party of this.#parties) {
        const look = await party.look(folder.name);
        this.#adopt(folder, look, party.name);
        const seen = look.rows.map(
          ({ uid, subject, flags }) => `${uid} ${subject} ${[...flags].sort().join(' ')}`,
        );
        const wanted = [...folder.messages]
          .sort(([a], [b]) => a - b)
          .map(([uid, { subject, flags }]) => `${uid} ${subject} ${[...flags].sort().join(' ')}`);
        if (seen.join('\n') !== wanted.join('\n'))
          this.#fail(
            `${party.name} sees in ${folder.name}\n${seen.join('\n')}\ninstead of\n${wanted.join('\n')}`,
          );
      }
    }
  }

  /** Gives what arrived the UIDs that the first party to look tells; they hold for all. */
  #adopt(folder: ModelFolder, { uidValidity, uidNext, rows }: Look, who: string): void {
    folder.uidValidity ??= uidValidity;
    if (folder.uidValidity !== uidValidity)
      this.#fail(`${who}: UIDVALIDITY of ${folder.name} went from ${folder.uidValidity} to ${uidValidity}`);
    for (const { uid, subject } of rows) {
      if (folder.messages.has(uid)) continue;
      if (folder.gone.has(uid)) this.#fail(`${who}: UID ${uid} of ${folder.name} came back`);
      if (uid < folder.uidNext)
        this.#fail(`${who}: new UID ${uid} of ${folder.name} below UIDNEXT ${folder.uidNext}`);
      const at = folder.arrived.findIndex((one) => one.subject === subject);
      const [arrived] = at === -1 ? [] : folder.arrived.splice(at, 1);
      if (!arrived) this.#fail(`${who}: UID ${uid} of ${folder.name} is ${subject}, which nobody put there`);
      else folder.messages.set(uid, arrived);
    }
    if (folder.arrived.length > 0)
      this.#fail(
        `${who} does not see ${folder.arrived.map(({ subject }) => subject).join(', ')} in ${folder.name}`,
      );
    folder.uidNext = Math.max(folder.uidNext, uidNext, ...rows.map(({ uid }) => uid + 1));
  }

  #newMessage(flags: readonly string[]): Known {
    this.#count += 1;
    return { subject: `m${this.#count}`, flags: new Set(flags) };
  }

  #forget(folder: ModelFolder, uid: number): void {
    folder.messages.delete(uid);
    folder.gone.add(uid);
  }

  #fail(message: string): never {
    throw new Error(`${message}\nafter\n${this.history.join('\n')}`);
  }
}

/** CRLF lines, as clients send them. */
export const contentOf = (subject: string): string => `Subject: ${subject}\r\n\r\nbody of ${subject}\r\n`;

let outside = 0;

function deliver(folder: string, subject: string): void {
  const name = `${Math.floor(Date.now() / 1000)}.outside${++outside}.elsewhere`;
  writeFileSync(join(folder, 'tmp', name), contentOf(subject).replaceAll('\r\n', '\n'), { mode: 0o600 });
  renameSync(join(folder, 'tmp', name), join(folder, 'new', name));
}

/** The one file with this subject; none where a copy has it too. */
function fileOf(folder: string, subject: string): { directory: string; name: string } | undefined {
  const start = `Subject: ${subject}\n`;
  const found = ['new', 'cur'].flatMap((directory) =>
    readdirSync(join(folder, directory))
      .filter((name) => readFileSync(join(folder, directory, name), 'latin1').startsWith(start))
      .map((name) => ({ directory, name })),
  );
  return found.length === 1 ? found[0] : undefined;
}

export function makeMaildir(path: string): void {
  for (const part of ['tmp', 'new', 'cur']) mkdirSync(join(path, part), { recursive: true, mode: 0o700 });
}

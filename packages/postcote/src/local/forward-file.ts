// Which .forward file counts for a recipient, whether it is safe, and what it and the lists it includes come to. Runs
// as the user, so what cannot be read is not read. POSTFIX: deliver_dotforward(3), deliver_include(3), token(3).

import { constants, lstatSync, type Stats } from 'node:fs';
import { type FileHandle, open, stat } from 'node:fs/promises';
import { type AliasTarget, parseAliasTargets } from '@postcote/aliases';
import { expandDelivery, type LocalRecipient } from './recipient.ts';
import type { ExpansionType, LocalSettings } from './settings.ts';

export type ForwardTarget =
  | Extract<AliasTarget, { kind: 'address' | 'user' }>
  | {
      readonly kind: 'command' | 'file';
      readonly target: string;
    }
  /** This one alone comes back, or waits. */
  | { readonly kind: 'failed'; readonly target: string; readonly dsn: string; readonly text: string };

export interface Forwarding {
  readonly path: string;
  readonly targets: readonly ForwardTarget[];
  /** The extension goes on to the addresses. */
  readonly propagates: boolean;
}

/** Octets of one file, and destinations altogether. POSTFIX: knows no bounds here. */
const MAX_FILE = 4 * 1024 * 1024;
export const MAX_TARGETS = 10_000;
const MAX_NESTING = 100;

export interface ForwardPorts {
  /** Complaints about files, for the log: the mail is delivered as if there were none. */
  warn(text: string): void;
  readonly uid: number;
}

/** Undefined: nothing is forwarded. Rejects when a file cannot be read just now. */
export async function readForwarding(
  recipient: LocalRecipient,
  settings: LocalSettings,
  ports: ForwardPorts,
): Promise<Forwarding | undefined> {
  for (const template of settings.forwardPath) {
    const { expansion, isUndefined, usesExtension } = expandDelivery(
      template,
      recipient,
      settings.forwardFilter,
    );
    if (!expansion.ok || isUndefined) continue;
    const path = expansion.value;
    const found = lookAt(path);
    if (found === undefined) continue;
    const fault = faultOf(found, ports.uid);
    if (fault !== undefined) {
      ports.warn(`file ${path} ${fault}`);
      return undefined;
    }
    const text = await readAsUser(path, ports);
    if (text === undefined) return undefined;
    const reader = new TargetReader(settings, ports);
    await reader.read(text, 'forward');
    // POSTFIX: a file without a destination is as good as none.
    if (reader.targets.length === 0) return undefined;
    const propagates = !usesExtension && settings.propagate.includes('forward');
    return { path, targets: reader.targets, propagates };
  }
  return undefined;
}

/** What a list comes to that an alias includes. */
export async function readList(
  path: string,
  settings: LocalSettings,
  ports: ForwardPorts,
): Promise<readonly ForwardTarget[]> {
  const reader = new TargetReader(settings, ports);
  await reader.include(path);
  return reader.targets;
}

/** Asked for every message, and nearly always in vain: by way of another thread, with an error made, it takes far longer. */
function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function faultOf(
  found: { isFile(): boolean; readonly uid: number; readonly mode: number },
  uid: number,
): string | undefined {
  if (!found.isFile()) return 'is not a regular file';
  if (found.uid !== 0 && found.uid !== uid) return `has bad owner uid ${found.uid}`;
  return (found.mode & 0o002) === 0 ? undefined : 'is world writable';
}

async function readAsUser(path: string, ports: ForwardPorts): Promise<string | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    ports.warn(`cannot open file ${path}: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
  try {
    // What was looked at by name may be another file by now.
    const fault = faultOf(await file.stat(), ports.uid);
    if (fault === undefined) return await readBounded(file, path);
    ports.warn(`file ${path} ${fault}`);
    return undefined;
  } finally {
    await file.close();
  }
}

async function readBounded(file: FileHandle, path: string): Promise<string> {
  const { size } = await file.stat();
  if (size > MAX_FILE) throw new Error(`${path} is larger than ${MAX_FILE} octets`);
  return (await file.readFile()).subarray(0, MAX_FILE).toString('utf8');
}

/** Nobody gets it rather than the first ten thousand. */
export class TooManyTargets extends Error {
  constructor() {
    super(`more than ${MAX_TARGETS} destinations`);
  }
}

interface Source {
  readonly type: ExpansionType;
  readonly depth: number;
}

class TargetReader {
  readonly targets: ForwardTarget[] = [];
  readonly #seen = new Set<string>();
  readonly #settings: LocalSettings;
  readonly #ports: ForwardPorts;
  /** Lists still to be read; their targets come after those of the file that named them. */
  readonly #lists: { readonly path: string; readonly depth: number }[] = [];

  constructor(settings: LocalSettings, ports: ForwardPorts) {
    this.#settings = settings;
    this.#ports = ports;
  }

  async read(text: string, type: ExpansionType): Promise<void> {
    this.#readText(text, { type, depth: 0 });
    await this.#readLists();
  }

  async include(path: string): Promise<void> {
    this.#lists.push({ path, depth: 1 });
    await this.#readLists();
  }

  async #readLists(): Promise<void> {
    for (let list = this.#lists.shift(); list !== undefined; list = this.#lists.shift()) {
      const { path, depth } = list;
      // POSTFIX: a list is read once.
      if (!this.#first(`include ${path}`)) continue;
      if (depth > MAX_NESTING) {
        this.#fail(`:include:${path}`, '5.4.6', ':include: nesting limit exceeded');
        continue;
      }
      const text = await this.#openList(path);
      if (text !== undefined) this.#readText(text, { type: 'include', depth });
    }
  }

  async #openList(path: string): Promise<string | undefined> {
    const refuse = (warning: string): undefined => {
      this.#ports.warn(warning);
      this.#fail(`:include:${path}`, '5.3.5', 'mail system configuration error');
      return undefined;
    };
    if (!path.startsWith('/')) return refuse(`:include:${path} uses a relative path`);
    let file: FileHandle;
    try {
      if (!(await stat(path)).isFile()) return refuse(`:include: file ${path} is not a regular file`);
      file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return refuse(`unable to look up :include: file ${path}: ${reason}`);
    }
    try {
      const found = await file.stat();
      if (!found.isFile()) return refuse(`:include: file ${path} is not a regular file`);
      if ((found.mode & 0o002) !== 0) return refuse(`:include: file ${path} is world writable`);
      return await readBounded(file, path);
    } finally {
      await file.close();
    }
  }

  #readText(text: string, source: Source): void {
    for (const line of text.split('\n')) {
      if (line.startsWith('#')) continue;
      // POSTFIX: line_length_limit cuts a line, and what is cut off is a line of its own.
      for (let at = 0; at < line.length; at += this.#settings.lineLimit) {
        for (const target of parseAliasTargets(line.slice(at, at + this.#settings.lineLimit))) {
          if (this.targets.length >= MAX_TARGETS) throw new TooManyTargets();
          this.#take(target, source);
        }
      }
    }
  }

  #take(target: AliasTarget, { type, depth }: Source): void {
    if (!this.#first(JSON.stringify([target, type])) && target.kind !== 'include') return;
    switch (target.kind) {
      case 'include':
        this.#lists.push({ path: target.target, depth: depth + 1 });
        return;
      case 'command':
        if (this.#settings.allowCommands.includes(type))
          this.targets.push({ kind: 'command', target: target.target });
        else this.#fail(`|${target.target}`, '5.7.1', 'mail to command is restricted');
        return;
      case 'file':
        if (this.#settings.allowFiles.includes(type))
          this.targets.push({ kind: 'file', target: target.target });
        else this.#fail(target.target, '5.7.1', 'mail to file is restricted');
        return;
      default:
        this.targets.push(target);
    }
  }

  #fail(target: string, dsn: string, text: string): void {
    this.targets.push({ kind: 'failed', target, dsn, text });
  }

  #first(key: string): boolean {
    if (this.#seen.has(key)) return false;
    this.#seen.add(key);
    return true;
  }
}

// Takes what local programs left in the maildrop folder into the queue. POSTFIX: pickup(8). Runs in the front, without
// privileges: the folder gives every file the front's group, which is what lets the front read it, and the folder is
// the front's, which is what lets it remove it. Files belong to anybody: nothing is followed, nothing is waited for,
// nothing is read beyond the limit, and what is no submission is removed with a line in the log.
//
// A message goes into the queue before its file goes: a crash in between sends it twice, never loses it. What the
// queue cannot take now stays and is tried again.

import { type FSWatcher, constants, watch } from 'node:fs';
import { type FileHandle, lstat, open, opendir, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MatchList } from '@postcote/config';
import { ContentRejected } from '@postcote/smtp';
import type { Log } from '@postcote/wire';
import { ownershipOf } from '../control/kernel-owner.ts';
import { userNameOf } from '../control/local-users.ts';
import type { CleanupEntrance, EnteringMessage, InnerEnvelope } from '../front/cleanup-entrance.ts';
import { LocalMessage } from './local-message.ts';
import {
  MAX_ENVELOPE,
  SUBMISSION_NAME,
  type Submission,
  UNFINISHED_NAME,
  readSubmission,
} from './submission-file.ts';

/** Completes one address. */
export type CompleteAddress = (address: string) => string;

export interface PickupSettings {
  readonly myhostname: string;
  readonly mailName: string;
  /** Octets; 0: none. */
  readonly messageSizeLimit: number;
  readonly hopcountLimit: number;
  /** Undefined: everybody. */
  readonly authorizedSubmitUsers: MatchList | undefined;
  readonly complete: CompleteAddress;
}

export interface PickupOptions {
  readonly path: string;
  readonly entrance: Pick<CleanupEntrance, 'begin'>;
  readonly log: Log;
  settings(): PickupSettings;
}

const PROGRAM = 'postfix/pickup';
/** POSTFIX: master.cf wakes pickup every minute. */
const RESCAN = 60_000;
/** Files that are made together are found together. */
const GATHER = 20;
/** Milliseconds after which nobody is still writing a file or waiting for an answer. */
const STALE = 24 * 3_600_000;
const CHUNK = 64 * 1024;
const AT_ONCE = 4;
const MAX_FAULTS = 10_000;
const FAULTS_KEPT = 3_600_000;

type Outcome = 'taken' | 'refused' | 'later';

export class Pickup {
  readonly #options: PickupOptions;
  #watcher: FSWatcher | undefined;
  #rescan: NodeJS.Timeout | undefined;
  #scanning: Promise<void> | undefined;
  #again = false;
  #stopped = false;
  #swept = 0;
  /** Names that could neither be taken nor removed: said and tried once an hour. */
  #faultsSince = Date.now();
  readonly #faults = new Set<string>();

  constructor(options: PickupOptions) {
    this.#options = options;
  }

  start(): void {
    const { path, log } = this.#options;
    this.#watcher = watch(path, () => this.#wake());
    this.#watcher.on('error', (error) => log('error', PROGRAM, `watching ${path}: ${error.message}`));
    this.#rescan = setInterval(() => this.#wake(), RESCAN);
    this.#rescan.unref();
    this.#wake();
  }

  /** Settles when what is being read has been taken. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#watcher?.close();
    clearInterval(this.#rescan);
    await this.#scanning;
  }

  #wake(): void {
    this.#again = true;
    this.#scanning ??= this.#scanAll().finally(() => {
      this.#scanning = undefined;
    });
  }

  async #scanAll(): Promise<void> {
    const { log, path } = this.#options;
    while (this.#again && !this.#stopped) {
      await sleep(GATHER);
      this.#again = false;
      try {
        await this.#scan();
      } catch (error) {
        log('error', PROGRAM, `${path}: ${describe(error)}`);
      }
    }
  }

  async #scan(): Promise<void> {
    const { path } = this.#options;
    const { gid } = await lstat(path);
    const sweep = Date.now() - this.#swept > RESCAN;
    if (sweep) this.#swept = Date.now();
    if (Date.now() - this.#faultsSince > FAULTS_KEPT) {
      this.#faults.clear();
      this.#faultsSince = Date.now();
    }
    // As it is read: a folder of millions takes no memory for each, and nobody's files keep another's waiting.
    const entries = (await opendir(path))[Symbol.asyncIterator]();
    const run = async (): Promise<void> => {
      for (let next = await entries.next(); next.done !== true; next = await entries.next()) {
        const { name } = next.value;
        if (this.#stopped || this.#faults.has(name)) continue;
        if (!UNFINISHED_NAME.test(name)) await this.#look(name, gid);
        else if (sweep) await this.#removeStale(name);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, run));
  }

  async #look(name: string, group: number): Promise<void> {
    const { log } = this.#options;
    try {
      const outcome = SUBMISSION_NAME.test(name)
        ? await this.#take(name, group)
        : this.#refuse(name, 'is no submission');
      if (outcome !== 'later') await this.#remove(name);
    } catch (error) {
      // Removed or renamed by its owner meanwhile.
      if (codeOf(error) === 'ENOENT') return;
      // Only what is noted is said: somebody may make very many.
      if (this.#noteFault(name)) log('warn', PROGRAM, `maildrop/${shown(name)}: ${describe(error)}`);
    }
  }

  async #removeStale(name: string): Promise<void> {
    try {
      const { mtimeMs } = await lstat(join(this.#options.path, name));
      if (Date.now() - mtimeMs > STALE) await this.#remove(name);
    } catch {
      // Its owner was quicker.
    }
  }

  async #remove(name: string): Promise<void> {
    const path = join(this.#options.path, name);
    const stat = await lstat(path);
    if (stat.isDirectory()) await rmdir(path);
    else await unlink(path);
  }

  #noteFault(name: string): boolean {
    if (this.#faults.size >= MAX_FAULTS) return false;
    this.#faults.add(name);
    return true;
  }

  #refuse(name: string, reason: string): Outcome {
    this.#options.log('warn', PROGRAM, `maildrop/${shown(name)}: ${reason}; removed`);
    return 'refused';
  }

  async #take(name: string, group: number): Promise<Outcome> {
    const path = join(this.#options.path, name);
    const before = ownershipOf(await lstat(path), group);
    if (before.kind === 'foreign') return this.#refuse(name, before.reason);
    let file: FileHandle;
    try {
      file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') throw error;
      return this.#refuse(name, `cannot be read (${codeOf(error)})`);
    }
    try {
      // What was opened counts, not what had the name before.
      const stat = await file.stat();
      const owner = ownershipOf(stat, group);
      if (owner.kind === 'foreign') return this.#refuse(name, owner.reason);
      const { messageSizeLimit } = this.#options.settings();
      if (messageSizeLimit > 0 && stat.size > messageSizeLimit + MAX_ENVELOPE)
        return this.#refuse(name, `uid=${owner.uid}: ${stat.size} octets are too many`);
      return await this.#submit({ name, file, uid: owner.uid });
    } finally {
      await file.close();
    }
  }

  async #submit(found: {
    readonly name: string;
    readonly file: FileHandle;
    readonly uid: number;
  }): Promise<Outcome> {
    const { name, file, uid } = found;
    const settings = this.#options.settings();
    const refuse = (reason: string): Outcome => this.#refuse(name, `uid=${uid}: ${reason}`);
    if (!(await this.#maySubmit(settings, uid))) return refuse('not in authorized_submit_users');
    const start = await readStart(file);
    if (start === undefined) return refuse('is no submission');
    const { submission, rest } = start;
    const date = new Date();
    const { entrance, log } = this.#options;
    const sender = submission.sender === '' ? '' : settings.complete(submission.sender);
    const { fullName } = submission;
    let writer: EnteringMessage;
    try {
      writer = await entrance.begin(envelopeOf(submission, sender, settings), {
        bouncesRefusals: true,
        ...(fullName === undefined ? {} : { fullName }),
      });
    } catch (error) {
      return this.#postpone(name, error);
    }
    const message = new LocalMessage({
      queueId: writer.queueId,
      myhostname: settings.myhostname,
      mailName: settings.mailName,
      uid,
      date,
    });
    try {
      let octets = 0;
      let waiting: Promise<void> | undefined;
      const emit = (piece: Buffer): void => {
        octets += piece.length;
        waiting = writer.write(piece) ?? waiting;
      };
      message.push(rest, emit);
      for (let chunk = await read(file); chunk !== undefined; chunk = await read(file)) {
        message.push(chunk, emit);
        await waiting;
        waiting = undefined;
        // The file may grow while it is read.
        if (settings.messageSizeLimit > 0 && octets > 2 * settings.messageSizeLimit + MAX_ENVELOPE) break;
      }
      message.finish(emit);
      const tooLarge = settings.messageSizeLimit > 0 && octets > sizeWithCr(settings.messageSizeLimit);
      if (tooLarge || message.received > settings.hopcountLimit) {
        await writer.abort();
        return refuse(tooLarge ? `${octets} octets are too many` : 'too many hops');
      }
      log('info', PROGRAM, `${writer.queueId}: uid=${uid} from=<${submission.sender}>`);
      await writer.commit();
      return 'taken';
    } catch (error) {
      await writer.abort();
      // Said by whoever refused it; refused for now, so it is tried again.
      if (error instanceof ContentRejected) return 'later';
      return this.#postpone(name, error);
    }
  }

  #postpone(name: string, error: unknown): Outcome {
    this.#options.log('warn', PROGRAM, `maildrop/${name}: ${describe(error)}; tried again later`);
    return 'later';
  }

  async #maySubmit({ authorizedSubmitUsers }: PickupSettings, uid: number): Promise<boolean> {
    // POSTFIX: root and the mail system's own account may always.
    if (authorizedSubmitUsers === undefined || uid === 0 || uid === process.getuid?.()) return true;
    return await authorizedSubmitUsers.matches({ name: await userNameOf(uid) });
  }
}

/** Line ends and our own header count too: a message at the limit must pass. */
const sizeWithCr = (limit: number): number => Math.ceil(limit * 1.1) + 16_384;

async function readStart(
  file: FileHandle,
): Promise<{ readonly submission: Submission; readonly rest: Buffer } | undefined> {
  let start = Buffer.alloc(0);
  for (;;) {
    const chunk = await read(file);
    if (chunk === undefined) return undefined;
    start = Buffer.concat([start, chunk]);
    const result = readSubmission(start);
    if (result.kind === 'read') return { submission: result.submission, rest: start.subarray(result.at) };
    if (result.kind === 'malformed') return undefined;
  }
}

async function read(file: FileHandle): Promise<Buffer | undefined> {
  const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK), 0, CHUNK, null);
  return bytesRead === 0 ? undefined : buffer.subarray(0, bytesRead);
}

function envelopeOf(submission: Submission, sender: string, settings: PickupSettings): InnerEnvelope {
  const { recipients, notify, bodyType, ret, envelopeId } = submission;
  const addresses = [...new Set(recipients.map(settings.complete))];
  return {
    sender,
    recipients: addresses.map((address) => ({ address, ...(notify === undefined ? {} : { notify }) })),
    ...(bodyType === undefined ? {} : { bodyType }),
    smtpUtf8: [sender, ...addresses].some((address) => /[^ -~]/.test(address)),
    ...(ret === undefined ? {} : { ret }),
    ...(envelopeId === undefined ? {} : { envelopeId }),
    client: { address: '127.0.0.1', port: 0, name: 'localhost', reverseName: 'localhost' },
    helo: '',
    protocol: 'local',
  };
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : '';

const describe = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Anybody may name a file. */
const shown = (name: string): string => name.slice(0, 80);

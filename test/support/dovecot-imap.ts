// One pre-authenticated IMAP session with a real Dovecot over a pipe, under an ordinary uid: no daemon, no port.

import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { Look, Party } from './maildir-model.ts';

export interface DovecotPlace {
  readonly configuration: string;
  readonly home: string;
  readonly uid: number;
}

export const DOVECOT_IMAP = '/usr/lib/dovecot/imap';

/** A dovecot.conf for such sessions; `lines` are added. */
export function dovecotConfiguration(folder: string, lines: readonly string[]): string {
  return [
    `base_dir = ${folder}/run`,
    `state_dir = ${folder}/state`,
    'log_path = /dev/stderr',
    'ssl = no',
    ...lines,
    '',
  ].join('\n');
}

export class DovecotParty implements Party {
  readonly name = 'dovecot';
  readonly #start: () => ChildProcessWithoutNullStreams;
  #process: ChildProcessWithoutNullStreams | undefined;
  #received = '';
  #errors = '';
  #wake: () => void = () => {};
  #tag = 0;

  private constructor(start: () => ChildProcessWithoutNullStreams) {
    this.#start = start;
  }

  /** `asRoot` runs what needs the right to become another user. */
  static async start(place: DovecotPlace, asRoot: <T>(work: () => T) => T): Promise<DovecotParty> {
    const party = new DovecotParty(() =>
      asRoot(() =>
        spawn(DOVECOT_IMAP, ['-c', place.configuration], {
          uid: place.uid,
          gid: place.uid,
          env: { HOME: place.home, USER: 'tester', LOG_STDERR: '1' },
        }),
      ),
    );
    await party.#open();
    return party;
  }

  /** Sends a command and returns all of its answer; a NO or BAD throws. */
  async command(text: string): Promise<string> {
    const tag = `t${++this.#tag}`;
    this.#process?.stdin.write(`${tag} ${text}\r\n`, 'latin1');
    const end = new RegExp(`^${tag} (OK|NO|BAD).*\r\n`, 'm');
    await this.#until((received) => end.test(received));
    const answer = this.#received;
    this.#received = '';
    if (end.exec(answer)?.[1] !== 'OK') throw new Error(`${text}: ${answer}`);
    return answer;
  }

  async look(folder: string): Promise<Look> {
    const opened = await this.command(`EXAMINE "${folder}"`);
    const answer = await this.command('UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])');
    const rows = [
      ...answer.matchAll(/FETCH \(UID (\d+) FLAGS \(([^)]*)\) BODY\[[^\]]*\] \{\d+\}\r\nSubject: (\S+)/g),
    ];
    return {
      uidValidity: Number(/UIDVALIDITY (\d+)/.exec(opened)?.[1]),
      uidNext: Number(/UIDNEXT (\d+)/.exec(opened)?.[1]),
      rows: rows.map(([, uid, flags = '', subject = '']) => ({
        uid: Number(uid),
        subject,
        flags: flags.split(' ').filter((flag) => flag !== '' && flag !== '\\Recent'),
      })),
    };
  }

  async append(folder: string, content: string, flags: readonly string[]): Promise<void> {
    await this.command(`APPEND "${folder}" (${flags.join(' ')}) {${content.length}+}\r\n${content}`);
  }

  async store(folder: string, uid: number, { mode, flags }: Parameters<Party['store']>[2]): Promise<void> {
    await this.command(`SELECT "${folder}"`);
    const sign = { add: '+', remove: '-', replace: '' }[mode];
    await this.command(`UID STORE ${uid} ${sign}FLAGS.SILENT (${flags.join(' ')})`);
  }

  async expunge(folder: string, uid: number): Promise<void> {
    await this.command(`SELECT "${folder}"`);
    await this.command(`UID STORE ${uid} +FLAGS.SILENT (\\Deleted)`);
    await this.command(`UID EXPUNGE ${uid}`);
  }

  async transfer(from: string, uid: number, to: string, mode: 'copy' | 'move'): Promise<void> {
    await this.command(`SELECT "${from}"`);
    await this.command(`UID ${mode} ${uid} "${to}"`);
  }

  async restart(): Promise<void> {
    this.stop();
    await this.#open();
  }

  stop(): void {
    this.#process?.kill();
    this.#process = undefined;
  }

  async #open(): Promise<void> {
    const child = this.#start();
    this.#process = child;
    this.#received = '';
    this.#errors = '';
    child.stdout.on('data', (chunk: Buffer) => {
      if (child !== this.#process) return;
      this.#received += chunk.toString('latin1');
      this.#wake();
    });
    child.stderr.on('data', (chunk: Buffer) => (this.#errors += chunk.toString()));
    child.stdin.on('error', () => {});
    child.on('exit', () => this.#wake());
    await this.#until((text) => text.includes('\r\n'));
    this.#received = '';
  }

  async #until(done: (received: string) => boolean): Promise<void> {
    while (!done(this.#received)) {
      if (this.#process?.exitCode !== null) throw new Error(`Dovecot ended: ${this.#errors}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

// What the commands named like Postfix's share: where things are, how they fail, how options are read.

import { readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_DATA_DIRECTORY } from '../../control/places.ts';

/** sysexits(3). */
export const EX_UNAVAILABLE = 69;
export const EX_OSERR = 71;
export const EX_TEMPFAIL = 75;
export const EX_NOPERM = 77;
export const EX_DATAERR = 65;

/** Ends the command with a line `COMMAND: fatal: …`. */
export class Fatal extends Error {
  override readonly name = 'Fatal';
  /** Undefined: what this command ends with in general. */
  readonly status: number | undefined;
  constructor(message: string, status?: number) {
    super(message);
    this.status = status;
  }
}

export interface CommandContext {
  /** As it was called: `mailq`. */
  readonly program: string;
  readonly dataDirectory: string;
}

export type Command = (args: readonly string[], context: CommandContext) => Promise<number>;

/** These commands have no privilege of their own: whoever runs them may point them anywhere. */
export const dataDirectory = (): string => process.env['POSTCOTE_DATA_DIR'] ?? DEFAULT_DATA_DIRECTORY;

/** POSTFIX: MAIL_CONFIG. */
export const defaultConfigDirectory = (): string => process.env['MAIL_CONFIG'] ?? '/etc/postfix';

export const dovecotConf = (): string => process.env['POSTCOTE_DOVECOT_CONF'] ?? '/etc/dovecot/dovecot.conf';

export function checkConfigDirectory(path: string): string {
  if (!path.startsWith('/')) throw new Fatal('-c requires absolute pathname');
  return path;
}

const OUTPUT = 1;

/**
 * To standard output, with all that was printed before: `process.stdout` alone takes five milliseconds to load. Waits
 * for a reader who is slow; one that has seen enough (`mailq | head`) is no fault.
 */
export function print(text: string | Uint8Array): void {
  const octets = typeof text === 'string' ? Buffer.from(text) : text;
  for (let at = 0; at < octets.length;) {
    try {
      at += writeSync(OUTPUT, octets, at);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EPIPE') process.exit(0);
      if (code !== 'EAGAIN') throw error;
      // A pipe that somebody made non-blocking.
      pause();
    }
  }
}

/** A few milliseconds in which nothing else of this process runs. */
export function pause(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
}

export function warn({ program }: CommandContext, message: string): void {
  process.stderr.write(`${program}: warning: ${message}\n`);
}

/** Whether main.cf says anything about a parameter: reading it in full takes longer than sending a mail. */
export function mentionsSetting(configDirectory: string, name: string): boolean {
  try {
    return readFileSync(join(configDirectory, 'main.cf'), 'utf8').includes(name);
  } catch {
    return false;
  }
}

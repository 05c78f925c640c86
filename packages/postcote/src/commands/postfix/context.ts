// What the commands named like Postfix's share: where things are, how they fail, how options are read.

import { readFileSync } from 'node:fs';
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

let prepared = false;

/** Standard output; touched only by what prints, since opening it takes time. */
export function output(): NodeJS.WriteStream {
  if (!prepared) {
    prepared = true;
    // A reader that has seen enough (`mailq | head`) is no fault.
    process.stdout.on('error', () => process.exit(0));
  }
  return process.stdout;
}

export function print(text: string): void {
  output().write(text);
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

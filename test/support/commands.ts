// The commands of `libexec/` in a place that every account can reach, with the runtime they start: a checkout may lie in
// somebody's home.

import fs from 'node:fs';
import path from 'node:path';
import type { Account } from './play-transcript.ts';
import { REPOSITORY } from './postcote-daemon.ts';
import { type ProgramArguments, type ProgramResult, runProgram } from './run-program.ts';

export interface CommandsOptions {
  /** Where they are put. */
  readonly folder: string;
  readonly dataDir: string;
  readonly postfixDir: string;
}

export interface RunAs {
  readonly account?: Account;
  readonly input?: string | Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
}

export class Commands {
  readonly folder: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The runtime. */
  readonly node: string;

  constructor({ folder, dataDir, postfixDir }: CommandsOptions) {
    this.folder = folder;
    this.environment = { POSTCOTE_DATA_DIR: dataDir, MAIL_CONFIG: postfixDir };
    const copy = (relative: string): void =>
      fs.cpSync(path.join(REPOSITORY, relative), path.join(folder, relative), {
        recursive: true,
        verbatimSymlinks: true,
      });
    copy('libexec');
    copy('dist');
    let node = process.execPath;
    for (const name of fs.readdirSync(path.join(REPOSITORY, 'node_modules'))) {
      if (!name.startsWith('node-linux-')) continue;
      const target = path.join(folder, 'node_modules', name, 'bin');
      fs.mkdirSync(target, { recursive: true });
      fs.copyFileSync(path.join(REPOSITORY, 'node_modules', name, 'bin/node'), path.join(target, 'node'));
      node = path.join(target, 'node');
    }
    this.node = node;
  }

  path(name: string): string {
    return path.join(this.folder, 'libexec', name);
  }

  run(name: string, args: ProgramArguments = [], options: RunAs = {}): Promise<ProgramResult> {
    const { account, input, env } = options;
    return runProgram(this.path(name), args, {
      env: { ...this.environment, ...env },
      cwd: '/',
      ...(input === undefined ? {} : { input }),
      ...(account === undefined ? {} : { uid: account.uid, gid: account.gid }),
    });
  }
}

// A private real Dovecot: Debian's binaries with run and state folders of their own. Needs root. It never touches
// /etc/dovecot or /run/dovecot.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { type ConfigFiles, type ConfigOptions, writeConfig } from './guide-config.ts';
import { postfixAuthSocket } from './real-postfix.ts';
import { waitForPorts } from './ports.ts';

export interface RealDovecot {
  readonly config: ConfigFiles;
  log(): string;
  stop(): Promise<void>;
}

/** Starts it and waits until it answers. Throws with its log when it does not. */
export async function startRealDovecot(
  options: Omit<ConfigOptions, 'authSocket'> & { readonly folder: string },
): Promise<RealDovecot> {
  const { folder } = options;
  const logFile = path.join(folder, 'dovecot.log');
  const authSocket = postfixAuthSocket(folder);
  fs.mkdirSync(path.dirname(authSocket), { recursive: true });
  const config = writeConfig(path.join(folder, 'dovecot-side'), {
    ...options,
    authSocket,
    extraDovecot: [
      ...(options.extraDovecot ?? []),
      `base_dir = ${folder}/dovecot-run`,
      `state_dir = ${folder}/dovecot-state`,
      `log_path = ${logFile}`,
    ],
  });
  const dovecot = spawn('dovecot', ['-F', '-c', config.dovecotConf], { stdio: 'ignore', detached: true });
  const log = (): string => {
    try {
      return fs.readFileSync(logFile, 'utf8');
    } catch {
      return '';
    }
  };
  const { ports } = options;
  try {
    await waitForPorts([ports.imap, ports.imaps, ports.pop3, ports.pop3s], {
      timeoutMs: 20_000,
      alive() {
        if (dovecot.exitCode !== null) throw new Error(`Dovecot ended at start:\n${log()}`);
      },
    });
  } catch (error) {
    dovecot.kill('SIGTERM');
    throw error;
  }
  return {
    config,
    log,
    async stop() {
      if (dovecot.exitCode !== null) return;
      const ended = new Promise((resolve) => dovecot.once('exit', resolve));
      dovecot.kill('SIGTERM');
      await ended;
    },
  };
}

// The ground for tests with hostile input: a daemon, a bystander who is logged in all the while, and the check after
// every test that the same processes still run and that newcomers are answered at once.

import fs from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { ImapClient, SmtpClient } from './clients.ts';
import { makeFolder } from './maildir-files.ts';
import type { Account } from './play-transcript.ts';
import { describeAsRoot } from './use-world.ts';
import { type OurWorld, TestBed, startOurs } from './world.ts';

/** Another session's NOOP answers within this, whatever a hostile one does. */
export const PROMPT_MS = 3000;
/** Growth of the front or of one worker that one hostile connection may cause. */
export const GROWTH_LIMIT = 24 * 1024 * 1024;

export interface HostileGround {
  readonly ours: OurWorld;
  /** The bystander's session, with INBOX selected. */
  readonly watching: ImapClient;
  newAccount(): Account;
  /** Octets of memory that the front, or the worker of a uid, has to itself. */
  memory(uid?: number): number;
}

const CORE = /supervisor\.js|postcote: (?:front|authenticator)/;

export function describeHostile(name: string, tests: (ground: HostileGround) => void): void {
  describeAsRoot(name, () => {
    let bed: TestBed | undefined;
    let ours: OurWorld | undefined;
    let bystander: Account | undefined;
    let watching: ImapClient | undefined;
    let longLived: string[] = [];
    const present = <T>(value: T | undefined): T => {
      if (value === undefined) throw new Error('the server is not running');
      return value;
    };
    /** Supervisor, front, authenticator: what must outlive everything. */
    const core = (): string[] =>
      present(ours)
        .daemon.processes()
        .filter(({ command }) => CORE.test(command))
        .map(({ pid, command }) => `${pid} ${command}`);
    const newAccount = (): Account => {
      const account = present(bed).users.one();
      makeFolder(account, 'INBOX');
      return account;
    };

    beforeAll(async () => {
      bed = await TestBed.open('hostile');
      ours = await startOurs(bed);
      bystander = newAccount();
      longLived = core();
      expect(longLived).toHaveLength(3);
    });
    afterAll(async () => {
      await ours?.stop();
      await bed?.close();
    });
    beforeEach(async () => {
      const port = present(ours).ports.imap;
      watching = await ImapClient.login({ port, timeoutMs: PROMPT_MS }, present(bystander));
      await watching.select('INBOX');
    });
    afterEach(async () => {
      await present(watching).command('NOOP');
      await present(watching).logout();
      const smtp = await SmtpClient.connect({ port: present(ours).ports.smtp, timeoutMs: PROMPT_MS });
      await smtp.command('NOOP', '250');
      await smtp.quit();
      expect(core()).toEqual(longLived);
    });

    tests({
      get ours() {
        return present(ours);
      },
      get watching() {
        return present(watching);
      },
      newAccount,
      memory(uid) {
        const found = present(ours)
          .daemon.processes()
          .find((process) =>
            uid === undefined ? process.command === 'postcote: front' : process.uid === uid,
          );
        const rollup = fs.readFileSync(`/proc/${present(found).pid}/smaps_rollup`, 'utf8');
        const kilobytes = [...rollup.matchAll(/^Private_\w+:\s+(\d+) kB/gm)].map((match) => Number(match[1]));
        return kilobytes.reduce((sum, size) => sum + size, 0) * 1024;
      },
    });
  });
}

// Cases of local delivery, played on a private real Postfix and on the daemon with the same configuration, aliases and
// .forward files; the ends must be the same. User names and folders are told by their roles.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from './eventually.ts';
import {
  inbox,
  type Sent,
  type Status,
  sendMail,
  statusesOf,
  topLines,
  writeDumpScript,
} from './local-mail.ts';
import type { Account } from './play-transcript.ts';
import type { Side } from './transcript.ts';
import { describeAsRoot } from './use-world.ts';
import { TestBed, type World, startWorld } from './world.ts';

export const DOMAIN = 'example.com';

/** What one side did with one case: user names and folders are told by their roles. */
export interface Stage {
  readonly side: Side;
  /** Once it runs. */
  readonly world: World;
  readonly folder: string;
  /** Where everybody may write. */
  readonly open: string;
  readonly dump: string;
  user(role: string): Account;
  /** Text with this side's names replaced by roles. */
  plain(text: string): string;
}

export interface Case {
  readonly name: string;
  /** Roles that the case needs. */
  readonly users: readonly string[];
  prepare?(stage: Stage): void;
  mail(stage: Stage): Sent;
  /** Further mail. */
  readonly more?: (stage: Stage) => Sent;
  /** The outcome; throws while it is not there yet. */
  outcome(stage: Stage): unknown;
}

/** What a stage's servers are told besides the guide's configuration. */
export interface StageSettings {
  readonly main: readonly string[];
  readonly aliases?: readonly string[];
  readonly master?: readonly string[];
}

export const forward = (account: Account, text: string, name = '.forward'): string => {
  const file = path.join(account.home, name);
  fs.writeFileSync(file, text, { mode: 0o644 });
  fs.chownSync(file, account.uid, account.gid);
  return file;
};
export const addressOf = (account: Account, extension = ''): string =>
  `${account.name}${extension}@${DOMAIN}`;

/** At least so many messages in an inbox, by their top lines. */
export function copies(stage: Stage, role: string, count: number): string[][] {
  const messages = inbox(stage.user(role));
  expect(messages).toHaveLength(count);
  return messages.map((message) => topLines(message).map(stage.plain)).toSorted();
}

export function status(stage: Stage, address: string, count = 1): Status[] {
  const found = statusesOf(stage.world.log(), address);
  expect(found.length).toBeGreaterThanOrEqual(count);
  return found
    .slice(0, count)
    .map((one) => ({ ...one, text: stage.plain(one.text).replace(/ $|local: fatal: /g, '') }));
}

export function dumped(stage: Stage, file: string): string[] {
  const text = fs.readFileSync(file, 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map(stage.plain)
    .filter(
      (line) =>
        !/^env (PWD|SHLVL|_|OLDPWD|TZ|LANG|MAIL_CONFIG|CLIENT_)|^in (Received|\s|Message-I|Date|From:)/.test(
          line,
        ),
    )
    .map((line) => line.replace(/^in From (\S+) .*/, 'in From $1'));
}

export function writeFile(stage: Pick<Stage, 'folder'>, name: string, text: string, mode = 0o644): string {
  const file = path.join(stage.folder, name);
  fs.writeFileSync(file, text);
  fs.chmodSync(file, mode);
  return file;
}

async function setStage(side: Side, bed: TestBed, { cases, settingsOf }: Comparison): Promise<Stage> {
  const roles = [...new Set(cases.flatMap(({ users }) => users))];
  const created = bed.users.create(roles.length);
  const accounts = new Map(roles.map((role, i) => [role, created[i] as Account]));
  const folder = bed.newFolder(`stage-${side}`);
  const open = path.join(folder, 'open');
  fs.mkdirSync(open);
  fs.chmodSync(open, 0o777);
  const names = [...accounts].map(([role, { name }]) => [name, role] as const);
  const stage: Omit<Stage, 'world'> = {
    side,
    folder,
    open,
    dump: writeDumpScript(folder),
    user: (role) => accounts.get(role) as Account,
    plain(text) {
      let plain = text;
      for (const [name, role] of names) plain = plain.replaceAll(name, `<${role}>`);
      for (const { uid } of accounts.values())
        plain = plain.replaceAll(new RegExp(`\\b${uid}\\b`, 'g'), '<uid>');
      return plain.replaceAll(folder, '<stage>').replaceAll(`${bed.folder}/home`, '<homes>');
    },
  };
  const { main, aliases = [], master = [] } = settingsOf(stage);
  const world = await startWorld(side, bed, {
    settings: {
      main: [
        'local_recipient_maps =',
        'smtpd_recipient_restrictions = permit_mynetworks, reject',
        'smtpd_error_sleep_time = 0',
        ...main,
      ],
      dovecot: [],
      aliases,
      virtual: [],
    },
    extraMaster: master,
  });
  return { ...stage, world };
}

async function play(stage: Stage, cases: readonly Case[]): Promise<Map<string, unknown>> {
  for (const { prepare } of cases) prepare?.(stage);
  for (const { mail, more } of cases) {
    await sendMail(stage.world, mail(stage));
    if (more !== undefined) await sendMail(stage.world, more(stage));
  }
  const outcomes = new Map<string, unknown>();
  for (const { name, outcome } of cases) {
    outcomes.set(
      name,
      await eventually(() => outcome(stage), 20_000).catch((error: unknown) => `never: ${String(error)}`),
    );
  }
  return outcomes;
}

export interface Comparison {
  readonly cases: readonly Case[];
  readonly settingsOf: (stage: Omit<Stage, 'world'>) => StageSettings;
}

/** Plays the cases on both sides, one after the other, then compares case by case. */
export function describeNextToPostfix(title: string, comparison: Comparison): void {
  describeAsRoot(`${title}, next to a real Postfix`, () => {
    let bed: TestBed;
    const outcomes = new Map<Side, Map<string, unknown>>();

    beforeAll(async () => {
      bed = await TestBed.open('local');
      for (const side of ['real', 'ours'] as const) {
        const stage = await setStage(side, bed, comparison);
        try {
          outcomes.set(side, await play(stage, comparison.cases));
        } finally {
          await stage.world.stop();
        }
      }
    }, 240_000);
    afterAll(async () => {
      await bed.close();
    });

    it.each(comparison.cases.map(({ name }) => [name]))('%s', (name) => {
      const ours = outcomes.get('ours')?.get(name);
      const real = outcomes.get('real')?.get(name);
      expect(String(real)).not.toMatch(/^never/);
      expect(ours).toEqual(real);
    });
  });
}

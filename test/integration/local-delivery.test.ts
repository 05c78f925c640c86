// Local delivery as local(8) does it: the same aliases and .forward files on a private real Postfix and on the daemon,
// and the same ends: who runs as whom, what files come about, who has which copy, which code a failure gets.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { HOSTNAME } from '../support/guide-config.ts';
import {
  inbox,
  maildir,
  sendMail,
  type Sent,
  statusesOf,
  topLines,
  writeDumpScript,
} from '../support/local-mail.ts';
import type { Account } from '../support/play-transcript.ts';
import type { Side } from '../support/transcript.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { type World, startWorld, TestBed } from '../support/world.ts';

const DOMAIN = 'example.com';

/** What one side did with one case: user names and folders are told by their roles. */
interface Stage {
  readonly side: Side;
  readonly world: World;
  readonly folder: string;
  readonly dump: string;
  user(role: string): Account;
  /** Text with this side's names replaced by roles. */
  plain(text: string): string;
}

interface Case {
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

const forward = (account: Account, text: string, name = '.forward'): string => {
  const file = path.join(account.home, name);
  fs.writeFileSync(file, text, { mode: 0o644 });
  fs.chownSync(file, account.uid, account.gid);
  return file;
};
const addressOf = (account: Account, extension = ''): string => `${account.name}${extension}@${DOMAIN}`;

/** At least so many messages in an inbox, by their top lines. */
function copies(stage: Stage, role: string, count: number): string[][] {
  const messages = inbox(stage.user(role));
  expect(messages).toHaveLength(count);
  return messages.map((message) => topLines(message).map(stage.plain)).toSorted();
}

function status(stage: Stage, address: string, count = 1): unknown[] {
  const found = statusesOf(stage.world.log(), address);
  expect(found.length).toBeGreaterThanOrEqual(count);
  return found
    .slice(0, count)
    .map((one) => ({ ...one, text: stage.plain(one.text).replace(/ $|local: fatal: /g, '') }));
}

function dumped(stage: Stage, file: string): string[] {
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

const exits: readonly (readonly [string, string])[] = [
  ['75', 'exit 75'],
  ['67', 'exit 67'],
  ['77', 'echo no; exit 77'],
  ['3', 'echo oops; exit 3'],
  ['dsn', 'echo 5.2.2 mailbox is full; exit 1'],
  ['dsn4', 'echo 4.2.2 come again; exit 1'],
  ['signal', 'kill -9 $$'],
  ['gone', '/nonexistent/program'],
  ['shell', 'nonexistent-word; exit 0'],
];

const CASES: readonly Case[] = [
  {
    name: 'a mailbox without a .forward file',
    users: ['plain'],
    mail: ({ user }) => ({ to: addressOf(user('plain')) }),
    outcome: (stage) => copies(stage, 'plain', 1),
  },
  {
    name: 'a .forward file with its own user and another',
    users: ['keep', 'kept'],
    prepare: ({ user }) =>
      forward(user('keep'), `# a comment\n\\${user('keep').name},\n${user('kept').name}@${DOMAIN}\n`),
    mail: ({ user }) => ({ to: addressOf(user('keep')) }),
    outcome: (stage) => [copies(stage, 'keep', 1), copies(stage, 'kept', 1)],
  },
  {
    name: 'a .forward file that names its user by address',
    users: ['self'],
    prepare: ({ user }) => forward(user('self'), `${user('self').name}@${DOMAIN}\n`),
    mail: ({ user }) => ({ to: addressOf(user('self')) }),
    outcome: (stage) => copies(stage, 'self', 1),
  },
  {
    name: 'two steps of .forward files',
    users: ['step1', 'step2', 'step3'],
    prepare({ user }) {
      forward(user('step1'), `${user('step2').name}\n`);
      forward(user('step2'), `${user('step3').name}\n`);
    },
    mail: ({ user }) => ({ to: addressOf(user('step1')) }),
    outcome: (stage) => copies(stage, 'step3', 1),
  },
  {
    name: 'a command in a .forward file: identity, environment, input',
    users: ['command'],
    prepare: ({ user, dump }) => forward(user('command'), `"|${dump} ${user('command').home}/dump a b"\n`),
    mail: ({ user }) => ({ from: `o'dd$name|x&y@${DOMAIN}`, to: addressOf(user('command'), '+ext') }),
    outcome: (stage) => dumped(stage, path.join(stage.user('command').home, 'dump')),
  },
  {
    name: 'a command and the mailbox',
    users: ['both'],
    prepare: ({ user, dump }) =>
      forward(user('both'), `\\${user('both').name}, "|${dump} ${user('both').home}/dump"\n`),
    mail: ({ user }) => ({ to: addressOf(user('both')) }),
    outcome: (stage) => [
      copies(stage, 'both', 1),
      dumped(stage, path.join(stage.user('both').home, 'dump')).filter((line) => line.startsWith('id')),
    ],
  },
  ...exits.map(([name, command]): Case => ({
    name: `a command that ends with ${name}`,
    users: [`exit${name}`],
    prepare: ({ user }) => forward(user(`exit${name}`), `"|${command}"\n`),
    mail: ({ user }) => ({ to: addressOf(user(`exit${name}`)) }),
    outcome: (stage) => status(stage, addressOf(stage.user(`exit${name}`))),
  })),
  {
    name: 'files: an mbox, one below the home, a Maildir',
    users: ['file'],
    prepare: ({ user }) =>
      forward(user('file'), `${user('file').home}/box, ~/second, ${user('file').home}/md/\n`),
    mail: ({ user }) => ({ to: addressOf(user('file')), body: 'From here\r\n.hidden\r\nend' }),
    outcome(stage) {
      const { home, uid } = stage.user('file');
      const files = ['box', 'second'].map((name) => path.join(home, name));
      const found = files.map((file) => {
        const { mode, uid: owner } = fs.statSync(file);
        const text = fs.readFileSync(file, 'utf8').replace(/^(From \S+) .*/, '$1');
        expect(text.endsWith('\n\n')).toBe(true);
        return [
          owner === uid,
          mode & 0o777,
          stage
            .plain(text)
            .replace(/^(Received|\t| ).*\n/gm, '')
            .replace(/^(Message-I.*|Date:.*|From:.*)\n/gim, ''),
        ];
      });
      const [message = ''] = maildir(path.join(home, 'md'));
      expect(message).not.toBe('');
      return [found, topLines(message).map(stage.plain)];
    },
  },
  {
    name: 'a .forward file of somebody else',
    users: ['foreign', 'other'],
    prepare({ user }) {
      const file = forward(user('foreign'), `${user('other').name}\n`);
      fs.chownSync(file, user('other').uid, user('other').gid);
    },
    mail: ({ user }) => ({ to: addressOf(user('foreign')) }),
    outcome: (stage) => copies(stage, 'foreign', 1),
  },
  {
    name: 'a .forward file that everybody may write to',
    users: ['open'],
    prepare: ({ user }) => fs.chmodSync(forward(user('open'), '/dev/null\n'), 0o646),
    mail: ({ user }) => ({ to: addressOf(user('open')) }),
    outcome: (stage) => copies(stage, 'open', 1),
  },
  {
    name: 'a .forward file that is a link',
    users: ['link'],
    prepare: ({ user }) =>
      fs.symlinkSync(forward(user('link'), '/dev/null\n', 'real'), path.join(user('link').home, '.forward')),
    mail: ({ user }) => ({ to: addressOf(user('link')) }),
    outcome: (stage) => copies(stage, 'link', 1),
  },
  {
    name: "root's .forward file in a home",
    users: ['byroot', 'byrootto'],
    prepare: ({ user }) => fs.chownSync(forward(user('byroot'), `${user('byrootto').name}\n`), 0, 0),
    mail: ({ user }) => ({ to: addressOf(user('byroot')) }),
    outcome: (stage) => copies(stage, 'byrootto', 1),
  },
  {
    name: 'a .forward file without a destination',
    users: ['empty'],
    prepare: ({ user }) => forward(user('empty'), '# nothing\n\n'),
    mail: ({ user }) => ({ to: addressOf(user('empty')) }),
    outcome: (stage) => copies(stage, 'empty', 1),
  },
  {
    name: '.forward+ext for its extension',
    users: ['ext', 'extto'],
    prepare({ user }) {
      forward(user('ext'), `${user('extto').name}\n`, '.forward+lists');
      forward(user('ext'), `${user('ext').home}/general\n`);
    },
    mail: ({ user }) => ({ to: addressOf(user('ext'), '+lists') }),
    more: ({ user }) => ({ to: addressOf(user('ext'), '+else') }),
    outcome(stage) {
      const text = fs.readFileSync(path.join(stage.user('ext').home, 'general'), 'utf8');
      return [copies(stage, 'extto', 1), topLines(text).map(stage.plain)];
    },
  },
  {
    name: 'a list in a .forward file, with a command that lists may not have',
    users: ['list', 'member1', 'member2'],
    prepare({ user, dump }) {
      const list = forward(
        user('list'),
        `${user('member1').name}\n${user('member2').name}\n"|${dump} ${user('list').home}/never"\n`,
        'members',
      );
      forward(user('list'), `:include:${list}\n`);
    },
    mail: ({ user }) => ({ to: addressOf(user('list')) }),
    outcome(stage) {
      const found = [copies(stage, 'member1', 1), copies(stage, 'member2', 1)];
      expect(fs.existsSync(path.join(stage.user('list').home, 'never'))).toBe(false);
      const [first] = statusesOf(stage.world.log(), addressOf(stage.user('list'))).filter(
        (one) => one.status === 'bounced',
      );
      expect(first).toBeDefined();
      return [found, first?.dsn];
    },
  },
  {
    name: 'two .forward files that name one another',
    users: ['loop1', 'loop2'],
    prepare({ user }) {
      forward(user('loop1'), `${user('loop2').name}\n`);
      forward(user('loop2'), `${user('loop1').name}\n`);
    },
    mail: ({ user }) => ({ to: addressOf(user('loop1')) }),
    outcome(stage) {
      const addresses = ['loop1', 'loop2'].map((role) => `${stage.user(role).name}@${HOSTNAME}`);
      const [first] = addresses
        .flatMap((address) => statusesOf(stage.world.log(), address))
        .filter((one) => one.status === 'bounced');
      expect(first).toBeDefined();
      return { ...first, text: stage.plain(first?.text ?? '') };
    },
  },
  {
    name: 'a message that was delivered to its recipient before',
    users: ['seen'],
    mail: ({ user }) => ({
      to: addressOf(user('seen')),
      headers: [`Delivered-To: ${addressOf(user('seen'))}`],
    }),
    outcome: (stage) => status(stage, addressOf(stage.user('seen'))),
  },
  {
    name: "a command in root's aliases: default_privs",
    users: [],
    mail: () => ({ from: `x@${DOMAIN}`, to: `aliascommand@${DOMAIN}` }),
    outcome: (stage) => dumped(stage, path.join(stage.folder, 'open', 'alias')),
  },
  {
    name: "a command in a user's own alias file: that user",
    users: ['aliasowner'],
    mail: () => ({ to: `ownalias@${DOMAIN}` }),
    outcome: (stage) => dumped(stage, path.join(stage.folder, 'open', 'own')),
  },
  {
    name: "a file in root's aliases",
    users: [],
    mail: () => ({ to: `aliasfile@${DOMAIN}` }),
    outcome(stage) {
      const file = path.join(stage.folder, 'open', 'box');
      const { uid, mode } = fs.statSync(file);
      return [uid, mode & 0o777, topLines(fs.readFileSync(file, 'utf8')).map(stage.plain)];
    },
  },
  {
    name: '/dev/null in aliases',
    users: [],
    mail: () => ({ to: `aliasnull@${DOMAIN}` }),
    outcome: (stage) => status(stage, `aliasnull@${DOMAIN}`),
  },
  {
    name: 'an executable file in aliases',
    users: [],
    mail: () => ({ to: `aliasexec@${DOMAIN}` }),
    outcome: (stage) => status(stage, `aliasexec@${DOMAIN}`),
  },
  {
    name: 'a file where default_privs may not write',
    users: [],
    mail: () => ({ to: `aliasbarred@${DOMAIN}` }),
    outcome: (stage) => status(stage, `aliasbarred@${DOMAIN}`),
  },
  {
    name: "a list in root's aliases",
    users: ['aliasmember1', 'aliasmember2'],
    mail: () => ({ to: `aliaslist@${DOMAIN}` }),
    outcome: (stage) => [copies(stage, 'aliasmember1', 1), copies(stage, 'aliasmember2', 1)],
  },
  {
    name: 'a list that everybody may write to',
    users: [],
    mail: () => ({ to: `aliasopenlist@${DOMAIN}` }),
    outcome: (stage) => status(stage, `aliasopenlist@${DOMAIN}`),
  },
  {
    name: 'a list that is not there',
    users: [],
    mail: () => ({ to: `aliasnolist@${DOMAIN}` }),
    outcome: (stage) => status(stage, `aliasnolist@${DOMAIN}`),
  },
  {
    name: 'a list with an owner, whose member has a .forward file',
    users: ['ownermember', 'ownertarget'],
    prepare: ({ user }) => forward(user('ownermember'), `${user('ownertarget').name}\n`),
    mail: () => ({ from: `x@${DOMAIN}`, to: `owned@${DOMAIN}` }),
    outcome: (stage) => copies(stage, 'ownertarget', 1),
  },
  {
    name: 'an alias to two users and a file',
    users: ['pair1', 'pair2'],
    mail: () => ({ to: `pair@${DOMAIN}` }),
    outcome(stage) {
      const file = path.join(stage.folder, 'open', 'pair');
      return [
        copies(stage, 'pair1', 1),
        copies(stage, 'pair2', 1),
        topLines(fs.readFileSync(file, 'utf8')).length,
      ];
    },
  },
  {
    name: 'pipe(8): macros, flags, one command for its recipient',
    users: [],
    mail: () => ({ from: `Sender@${DOMAIN}`, to: `User+Ext@piped.${DOMAIN}` }),
    outcome: (stage) => [
      dumped(stage, path.join(stage.folder, 'open', 'piped')),
      status(stage, `User+Ext@piped.${DOMAIN}`),
    ],
  },
  {
    name: 'pipe(8): a message larger than size=',
    users: [],
    mail: () => ({ to: `u@small.${DOMAIN}`, body: 'x'.repeat(300) }),
    outcome: (stage) => status(stage, `u@small.${DOMAIN}`),
  },
  {
    name: 'pipe(8): a command that fails for now',
    users: [],
    mail: () => ({ to: `u@failing.${DOMAIN}` }),
    outcome: (stage) => status(stage, `u@failing.${DOMAIN}`),
  },
  {
    name: 'virtual(8): a Maildir and an mbox with the uid of the tables',
    users: [],
    mail: () => ({ to: `box@virtual.${DOMAIN}` }),
    more: () => ({ to: `mbox@virtual.${DOMAIN}` }),
    outcome(stage) {
      const base = path.join(stage.folder, 'virtual');
      const [message = ''] = maildir(path.join(base, 'box'));
      expect(message).not.toBe('');
      const file = path.join(base, 'mbox');
      const { uid, gid, mode } = fs.statSync(file);
      return [topLines(message), topLines(fs.readFileSync(file, 'utf8')), uid, gid, mode & 0o777];
    },
  },
];

async function setStage(side: Side, bed: TestBed): Promise<Stage> {
  const roles = [...new Set(CASES.flatMap(({ users }) => users))];
  const created = bed.users.create(roles.length);
  const accounts = new Map(roles.map((role, i) => [role, created[i] as Account]));
  const folder = bed.newFolder(`stage-${side}`);
  const dump = writeDumpScript(folder);
  const user = (role: string): Account => accounts.get(role) as Account;
  const open = path.join(folder, 'open');
  fs.mkdirSync(open);
  fs.chmodSync(open, 0o777);
  const write = (name: string, text: string, mode = 0o644): string => {
    const file = path.join(folder, name);
    fs.writeFileSync(file, text);
    fs.chmodSync(file, mode);
    return file;
  };
  const virtual = path.join(folder, 'virtual');
  fs.mkdirSync(virtual);
  fs.chownSync(virtual, 34567, 34567);
  const owned = write('own-aliases', `ownalias: "|${dump} ${open}/own"\n`);
  if (side === 'real') {
    write('main.cf', '');
    execFileSync('postalias', [`hash:${owned}`], {
      env: { ...process.env, MAIL_CONFIG: folder },
      stdio: 'pipe',
    });
    fs.chownSync(`${owned}.db`, user('aliasowner').uid, user('aliasowner').gid);
  }
  fs.chownSync(owned, user('aliasowner').uid, user('aliasowner').gid);
  const list = write('list', `${user('aliasmember1').name}\n# no\n${user('aliasmember2').name}@${DOMAIN}\n`);
  const executable = write('open/program', '', 0o777);
  const world = await startWorld(side, bed, {
    settings: {
      main: [
        `alias_maps = hash:$config_directory/aliases, hash:${owned}`,
        'local_recipient_maps =',
        'smtpd_recipient_restrictions = permit_mynetworks, reject',
        'smtpd_error_sleep_time = 0',
        `transport_maps = inline:{ piped.${DOMAIN}=piped: small.${DOMAIN}=small: failing.${DOMAIN}=failing:nexthop }`,
        `virtual_mailbox_domains = virtual.${DOMAIN}`,
        `virtual_mailbox_base = ${virtual}`,
        `virtual_mailbox_maps = inline:{ box@virtual.${DOMAIN}=box/ mbox@virtual.${DOMAIN}=mbox }`,
        'virtual_uid_maps = static:34567',
        'virtual_gid_maps = static:34567',
        'piped_destination_recipient_limit = 1',
      ],
      dovecot: [],
      aliases: [
        `aliascommand: "|${dump} ${open}/alias one"`,
        `aliasfile: ${open}/box`,
        'aliasnull: /dev/null',
        `aliasexec: ${executable}`,
        `aliasbarred: ${folder}/barred`,
        `aliaslist: :include:${list}`,
        `aliasopenlist: :include:${write('openlist', 'x\n', 0o646)}`,
        `aliasnolist: :include:${folder}/nolist`,
        `owned: ${user('ownermember').name}`,
        `owner-owned: ${user('plain').name}`,
        `pair: ${user('pair1').name}, ${user('pair2').name}, ${open}/pair`,
      ],
      virtual: [],
    },
    extraMaster: [
      'piped unix - n n - - pipe',
      `  flags=DRhu user=nobody argv=${dump} ${open}/piped -f \${sender} -- \${recipient} \${user} \${extension} \${mailbox} \${domain} \${nexthop}`,
      'small unix - n n - - pipe',
      '  size=200 user=nobody argv=/bin/true',
      'failing unix - n n - - pipe',
      '  user=nobody null_sender= argv=/bin/sh -c {echo "not yet"; exit 75}',
    ],
  });
  const names = [...accounts].map(([role, { name }]) => [name, role] as const);
  return {
    side,
    world,
    folder,
    dump,
    user,
    plain(text) {
      let plain = text;
      for (const [name, role] of names) plain = plain.replaceAll(name, `<${role}>`);
      for (const { uid } of accounts.values())
        plain = plain.replaceAll(new RegExp(`\\b${uid}\\b`, 'g'), '<uid>');
      return plain.replaceAll(folder, '<stage>').replaceAll(`${bed.folder}/home`, '<homes>');
    },
  };
}

async function play(stage: Stage): Promise<Map<string, unknown>> {
  for (const { prepare } of CASES) prepare?.(stage);
  for (const { mail, more } of CASES) {
    await sendMail(stage.world, mail(stage));
    if (more !== undefined) await sendMail(stage.world, more(stage));
  }
  const outcomes = new Map<string, unknown>();
  for (const { name, outcome } of CASES) {
    outcomes.set(
      name,
      await eventually(() => outcome(stage), 20_000).catch((error: unknown) => `never: ${String(error)}`),
    );
  }
  return outcomes;
}

describeAsRoot('local delivery, next to a real Postfix', () => {
  let bed: TestBed;
  const stages: Stage[] = [];
  const outcomes = new Map<Side, Map<string, unknown>>();

  beforeAll(async () => {
    bed = await TestBed.open('local');
    for (const side of ['real', 'ours'] as const) {
      const stage = await setStage(side, bed);
      stages.push(stage);
      outcomes.set(side, await play(stage));
      await stage.world.stop();
    }
  }, 240_000);
  afterAll(async () => {
    await bed.close();
  });

  it.each(CASES.map(({ name }) => [name]))('%s', (name) => {
    const ours = outcomes.get('ours')?.get(name);
    const real = outcomes.get('real')?.get(name);
    expect(String(real)).not.toMatch(/^never/);
    expect(ours).toEqual(real);
  });
});

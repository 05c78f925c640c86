// Local delivery as local(8) does it: the same aliases and .forward files on a private real Postfix and on the daemon,
// and the same ends: who runs as whom, what files come about, who has which copy, which code a failure gets.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import { HOSTNAME } from '../support/guide-config.ts';
import { maildir, statusesOf, topLines } from '../support/local-mail.ts';
import {
  addressOf,
  type Case,
  copies,
  describeNextToPostfix,
  DOMAIN,
  dumped,
  forward,
  type Stage,
  type StageSettings,
  status,
  writeFile,
} from '../support/local-stage.ts';

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
  ...['aliasagain', 'aliaslist', 'piped'].map((name): Case => {
    const address = name === 'piped' ? `again@piped.${DOMAIN}` : `${name}@${DOMAIN}`;
    return {
      name: `a message that ${name} was delivered before`,
      users: [],
      mail: () => ({ to: address, headers: [`Delivered-To: ${address.toUpperCase()}`] }),
      outcome(stage) {
        const found = statusesOf(stage.world.log(), address).filter((one) => one.status === 'bounced');
        expect(found).toHaveLength(1);
        return found;
      },
    };
  }),
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

function settingsOf(stage: Omit<Stage, 'world'>): StageSettings {
  const { side, folder, dump, open, user } = stage;
  const virtual = path.join(folder, 'virtual');
  fs.mkdirSync(virtual);
  fs.chownSync(virtual, 34567, 34567);
  const owned = writeFile(stage, 'own-aliases', `ownalias: "|${dump} ${open}/own"\n`);
  if (side === 'real') {
    writeFile(stage, 'main.cf', '');
    execFileSync('postalias', [`hash:${owned}`], {
      env: { ...process.env, MAIL_CONFIG: folder },
      stdio: 'pipe',
    });
    fs.chownSync(`${owned}.db`, user('aliasowner').uid, user('aliasowner').gid);
  }
  fs.chownSync(owned, user('aliasowner').uid, user('aliasowner').gid);
  const list = writeFile(
    stage,
    'list',
    `${user('aliasmember1').name}\n# no\n${user('aliasmember2').name}@${DOMAIN}\n`,
  );
  const executable = writeFile(stage, 'open/program', '', 0o777);
  return {
    main: [
      `alias_maps = hash:$config_directory/aliases, hash:${owned}`,
      `transport_maps = inline:{ piped.${DOMAIN}=piped: small.${DOMAIN}=small: failing.${DOMAIN}=failing:nexthop }`,
      `virtual_mailbox_domains = virtual.${DOMAIN}`,
      `virtual_mailbox_base = ${virtual}`,
      `virtual_mailbox_maps = inline:{ box@virtual.${DOMAIN}=box/ mbox@virtual.${DOMAIN}=mbox }`,
      'virtual_uid_maps = static:34567',
      'virtual_gid_maps = static:34567',
      'piped_destination_recipient_limit = 1',
    ],
    aliases: [
      `aliascommand: "|${dump} ${open}/alias one"`,
      `aliasfile: ${open}/box`,
      'aliasnull: /dev/null',
      'aliasagain: /dev/null',
      `aliasexec: ${executable}`,
      `aliasbarred: ${folder}/barred`,
      `aliaslist: :include:${list}`,
      `aliasopenlist: :include:${writeFile(stage, 'openlist', 'x\n', 0o646)}`,
      `aliasnolist: :include:${folder}/nolist`,
      `owned: ${user('ownermember').name}`,
      `owner-owned: ${user('plain').name}`,
      `pair: ${user('pair1').name}, ${user('pair2').name}, ${open}/pair`,
    ],
    master: [
      'piped unix - n n - - pipe',
      `  flags=DRhu user=nobody argv=${dump} ${open}/piped -f \${sender} -- \${recipient} \${user} \${extension} \${mailbox} \${domain} \${nexthop}`,
      'small unix - n n - - pipe',
      '  size=200 user=nobody argv=/bin/true',
      'failing unix - n n - - pipe',
      '  user=nobody null_sender= argv=/bin/sh -c {echo "not yet"; exit 75}',
    ],
  };
}

describeNextToPostfix('local delivery', { cases: CASES, settingsOf });

// Where mail goes when main.cf says more: the same users by tables, so that one server does for all.
const PLACES: readonly Case[] = [
  {
    name: 'home_mailbox without a slash: an mbox in the home',
    users: ['mbox'],
    mail: ({ user }) => ({ from: `a@${DOMAIN}`, to: addressOf(user('mbox')), body: 'From x\r\nend' }),
    more: ({ user }) => ({ to: addressOf(user('mbox')) }),
    outcome(stage) {
      const file = path.join(stage.user('mbox').home, 'Mailbox');
      const text = fs.readFileSync(file, 'utf8');
      const messages = text.split(/^(?=From )/m);
      expect(messages).toHaveLength(2);
      const { uid, mode } = fs.statSync(file);
      expect(fs.existsSync(`${file}.lock`)).toBe(false);
      return [
        messages.map((message) => topLines(message).map(stage.plain)).toSorted(),
        text.includes('\n>From x\nend\n\n'),
        uid === stage.user('mbox').uid,
        mode & 0o777,
        status(stage, addressOf(stage.user('mbox'))),
      ];
    },
  },
  {
    name: 'an mbox that belongs to somebody else',
    users: ['stolen'],
    prepare({ user }) {
      fs.writeFileSync(path.join(user('stolen').home, 'Mailbox'), '', { mode: 0o666 });
      fs.chmodSync(path.join(user('stolen').home, 'Mailbox'), 0o666);
    },
    mail: ({ user }) => ({ to: addressOf(user('stolen')) }),
    outcome: (stage) => status(stage, addressOf(stage.user('stolen'))),
  },
  {
    name: 'an mbox that is a folder',
    users: ['folder'],
    prepare: ({ user }) => fs.mkdirSync(path.join(user('folder').home, 'Mailbox')),
    mail: ({ user }) => ({ to: addressOf(user('folder')) }),
    outcome: (stage) =>
      status(stage, addressOf(stage.user('folder'))).map(({ dsn, status: what }) => [dsn, what]),
  },
  {
    name: 'an mbox that would be too large',
    users: ['large'],
    mail: ({ user }) => ({ to: addressOf(user('large')), body: 'x'.repeat(900).concat('\r\n').repeat(12) }),
    more: ({ user }) => ({ to: addressOf(user('large')), body: 'x'.repeat(900).concat('\r\n').repeat(12) }),
    outcome(stage) {
      const address = addressOf(stage.user('large'));
      const found = status(stage, address, 2);
      const text = fs.readFileSync(path.join(stage.user('large').home, 'Mailbox'), 'utf8');
      return [found, text.split(/^(?=From )/m).length];
    },
  },
  {
    name: 'mailbox_command_maps',
    users: ['bymap'],
    mail: ({ user }) => ({ to: addressOf(user('bymap'), '+ext') }),
    outcome: (stage) => dumped(stage, path.join(stage.user('bymap').home, 'dump')),
  },
  {
    name: 'mailbox_transport_maps, after the .forward file',
    users: ['transported', 'beforehand'],
    prepare: ({ user }) => forward(user('beforehand'), `${user('beforehand').home}/kept\n`),
    mail: ({ user }) => ({ to: addressOf(user('transported')) }),
    more: ({ user }) => ({ to: addressOf(user('beforehand')) }),
    outcome: (stage) => [
      dumped(stage, path.join(stage.open, stage.user('transported').name)),
      topLines(fs.readFileSync(path.join(stage.user('beforehand').home, 'kept'), 'utf8')).map(stage.plain),
    ],
  },
  {
    name: 'mailbox_transport_maps for a name that is no account',
    users: [],
    mail: () => ({ to: `noaccount@${DOMAIN}` }),
    outcome: (stage) => dumped(stage, path.join(stage.open, 'noaccount')),
  },
  {
    name: 'luser_relay',
    users: ['relayed'],
    mail: () => ({ to: `nobody-here+there@${DOMAIN}` }),
    outcome(stage) {
      const file = path.join(stage.user('relayed').home, 'Mailbox');
      return topLines(fs.readFileSync(file, 'utf8')).map(stage.plain);
    },
  },
  {
    name: 'fallback_transport_maps',
    users: [],
    mail: () => ({ to: `fallen@${DOMAIN}` }),
    outcome: (stage) => dumped(stage, path.join(stage.open, 'fallen')),
  },
  {
    name: 'a command that runs too long',
    users: ['slow'],
    prepare: ({ user }) => forward(user('slow'), '"|echo waiting; sleep 300"\n'),
    mail: ({ user }) => ({ to: addressOf(user('slow')) }),
    outcome: (stage) => status(stage, addressOf(stage.user('slow'))),
  },
  {
    name: 'a command that writes more than mailbox_size_limit',
    users: ['writer'],
    prepare: ({ user }) =>
      forward(
        user('writer'),
        '"|cat > /dev/null; head -c 100000 /dev/zero > $HOME/big; wc -c < $HOME/big > $HOME/size"\n',
      ),
    mail: ({ user }) => ({ to: addressOf(user('writer')) }),
    outcome: (stage) => fs.readFileSync(path.join(stage.user('writer').home, 'size'), 'utf8').trim(),
  },
  {
    name: 'commands in lists, none in aliases: allow_mail_to_commands',
    users: ['allowed'],
    prepare({ user }) {
      const list = forward(user('allowed'), `"|echo yes > ${user('allowed').home}/ran"\n`, 'list');
      forward(user('allowed'), `:include:${list}\n`);
    },
    mail: ({ user }) => ({ to: addressOf(user('allowed')) }),
    more: () => ({ to: `barred@${DOMAIN}` }),
    outcome: (stage) => [
      fs.readFileSync(path.join(stage.user('allowed').home, 'ran'), 'utf8'),
      status(stage, `barred@${DOMAIN}`),
    ],
  },
];

describeNextToPostfix('where local mail goes', {
  cases: PLACES,
  settingsOf: ({ dump, open, user }) => ({
    main: [
      'home_mailbox = Mailbox',
      'message_size_limit = 20000',
      'mailbox_size_limit = 20000',
      'command_time_limit = 2s',
      'allow_mail_to_commands = forward, include',
      `mailbox_command_maps = inline:{ { ${user('bymap').name} = ${dump} ${user('bymap').home}/dump "$EXTENSION" } }`,
      `mailbox_transport_maps = inline:{ ${user('transported').name}=dumper: ${user('beforehand').name}=dumper: noaccount=dumper:hop }`,
      'fallback_transport_maps = inline:{ fallen=dumper:elsewhere }',
      `luser_relay = ${user('relayed').name}`,
    ],
    aliases: ['barred: "|/bin/true"'],
    master: [
      'dumper unix - n n - - pipe',
      `  flags=R user=nobody argv=${dump} ${open}/\${user} \${nexthop} \${recipient}`,
    ],
  }),
});

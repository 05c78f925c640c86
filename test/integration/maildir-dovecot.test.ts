// One Maildir, two programs: what our store writes, a real Dovecot serves with the same UIDs, UIDVALIDITY, flags,
// keywords, dates, octets, folders, subscriptions and POP3 ids, and the other way round; also while both work on it
// at once. Dovecot runs as single pre-authenticated sessions over pipes, under an ordinary uid and with a
// configuration of its own: no daemon, no port.

import { createHash } from 'node:crypto';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Mailbox } from '../../packages/mailbox/src/index.ts';
import { openMaildirStore, type MaildirStore } from '../../packages/maildir/src/edge/index.ts';

const IMAP = '/usr/lib/dovecot/imap';
const POP3 = '/usr/lib/dovecot/pop3';
/** Nobody's: no account of the machine is needed. */
const UID = 47_301;

const missing =
  process.getuid?.() !== 0
    ? 'needs root, to run Dovecot and our store under one ordinary uid'
    : existsSync(IMAP)
      ? undefined
      : 'needs Dovecot (dovecot-imapd, dovecot-pop3d)';

let folder = '';
let root = '';
let configuration = '';
let store: MaildirStore;
const sessions: DovecotImap[] = [];

/** Files are ours only when the process has the user's uid; starting Dovecot takes root again. */
function asUser(): void {
  process.setegid?.(UID);
  process.seteuid?.(UID);
}

function asRoot(): void {
  process.seteuid?.(0);
  process.setegid?.(0);
}

function startDovecot(program: string): ChildProcessWithoutNullStreams {
  asRoot();
  try {
    return spawn(program, ['-c', configuration], {
      uid: UID,
      gid: UID,
      env: { HOME: join(folder, 'home'), USER: 'tester', LOG_STDERR: '1' },
    });
  } finally {
    asUser();
  }
}

/** One IMAP session with Dovecot. Octets are latin1 characters. */
class DovecotImap {
  readonly #process: ChildProcessWithoutNullStreams;
  #received = '';
  #errors = '';
  #wake: () => void = () => {};
  #tag = 0;

  private constructor(process: ChildProcessWithoutNullStreams) {
    this.#process = process;
    process.stdout.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1');
      this.#wake();
    });
    process.stderr.on('data', (chunk: Buffer) => (this.#errors += chunk.toString()));
    process.on('exit', () => this.#wake());
  }

  static async start(): Promise<DovecotImap> {
    const session = new DovecotImap(startDovecot(IMAP));
    sessions.push(session);
    await session.#until((text) => text.includes('\r\n'));
    session.#received = '';
    return session;
  }

  /** Sends a command and returns all of its answer; a NO or BAD throws. */
  async command(text: string): Promise<string> {
    const tag = `t${++this.#tag}`;
    this.#process.stdin.write(`${tag} ${text}\r\n`, 'latin1');
    const end = new RegExp(`^${tag} (OK|NO|BAD).*\r\n`, 'm');
    await this.#until((received) => end.test(received));
    const answer = this.#received;
    this.#received = '';
    if (end.exec(answer)?.[1] !== 'OK') throw new Error(`${text}: ${answer}`);
    return answer;
  }

  async append(mailbox: string, flags: string, content: string): Promise<string> {
    return this.command(`APPEND ${mailbox} (${flags}) {${content.length}+}\r\n${content}`);
  }

  stop(): void {
    this.#process.kill();
  }

  async #until(done: (received: string) => boolean): Promise<void> {
    while (!done(this.#received)) {
      if (this.#process.exitCode !== null) throw new Error(`Dovecot ended: ${this.#errors}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

interface Message {
  readonly uid: number;
  readonly flags: readonly string[];
  readonly date: string;
  readonly size: number;
  readonly digest: string;
}

interface Contents {
  readonly uidValidity: number;
  readonly uidNext: number;
  readonly messages: readonly Message[];
}

const digestOf = (octets: string | Buffer): string =>
  createHash('sha256')
    .update(Buffer.isBuffer(octets) ? octets : Buffer.from(octets, 'latin1'))
    .digest('hex');

async function seenByDovecot(session: DovecotImap, mailbox: string): Promise<Contents> {
  const opened = await session.command(`EXAMINE "${mailbox}"`);
  const answer = await session.command('UID FETCH 1:* (FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])');
  const messages: Message[] = [];
  const head =
    /\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\) INTERNALDATE "([^"]+)" RFC822.SIZE (\d+) BODY\[\] \{(\d+)\}\r\n/g;
  for (let m = head.exec(answer); m; m = head.exec(answer)) {
    const length = Number(m[5]);
    const octets = answer.slice(head.lastIndex, head.lastIndex + length);
    head.lastIndex += length;
    messages.push({
      uid: Number(m[1]),
      flags: (m[2] ?? '')
        .split(' ')
        .filter((f) => f !== '' && f !== '\\Recent')
        .toSorted(),
      date: new Date(m[3] ?? '').toISOString(),
      size: Number(m[4]),
      digest: digestOf(octets),
    });
  }
  return {
    uidValidity: Number(/UIDVALIDITY (\d+)/.exec(opened)?.[1]),
    uidNext: Number(/UIDNEXT (\d+)/.exec(opened)?.[1]),
    messages,
  };
}

async function seenByUs(mailbox: Mailbox): Promise<Contents> {
  await mailbox.refresh();
  const messages: Message[] = [];
  for (const { uid, flags } of mailbox.records) {
    const message = mailbox.message(uid);
    if (!message) throw new Error(`no message ${uid}`);
    const size = await message.size();
    const digest = digestOf(await message.read());
    const date = (await message.internalDate()).toISOString();
    messages.push({ uid, flags: flags.toSorted(), date, size, digest });
  }
  return { uidValidity: mailbox.uidValidity, uidNext: mailbox.uidNext, messages };
}

/** Compares everything that both sides can tell. */
async function expectAgreement(): Promise<void> {
  const session = await DovecotImap.start();
  const listed = await session.command('LIST "" *');
  const names = [...listed.matchAll(/\* LIST \(([^)]*)\) "\/" "?([^"\r]+)"?\r\n/g)].map((m) => ({
    name: m[2] ?? '',
    selectable: !/\\noselect/i.test(m[1] ?? ''),
    hasChildren: /\\haschildren/i.test(m[1] ?? ''),
  }));
  const subscribed = [
    ...(await session.command('LSUB "" *')).matchAll(/\* LSUB \([^)]*\) "\/" "?([^"\r]+)"?\r\n/g),
  ];
  const ours = await store.list();
  const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
  expect(
    ours
      .filter((e) => e.exists)
      .map(({ name, selectable, hasChildren }) => ({ name, selectable, hasChildren }))
      .toSorted(byName),
  ).toEqual(names.toSorted(byName));
  expect(ours.flatMap((e) => (e.subscribed ? [e.name] : [])).toSorted()).toEqual(
    subscribed.map((m) => m[1]).toSorted(),
  );
  for (const { name, selectable } of names) {
    if (!selectable) continue;
    const mailbox = await store.open(name);
    expect([name, await seenByUs(mailbox)]).toEqual([name, await seenByDovecot(session, name)]);
    await mailbox.close();
  }
  session.stop();
  await expectSamePop3();
  for (const path of readdirSync(root, { recursive: true, encoding: 'utf8' })) {
    expect([path, statSync(join(root, path)).uid]).toEqual([path, UID]);
  }
}

async function expectSamePop3(): Promise<void> {
  const process = startDovecot(POP3);
  let received = '';
  process.stdout.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
  process.stdin.write('UIDL\r\nLIST\r\nQUIT\r\n');
  await new Promise((resolve) => process.on('exit', resolve));
  const [uidl = '', sizes = ''] = received.split(/^\+OK.*\r\n/m).filter((text) => text !== '');
  const pairs = (text: string): string[] => [...text.matchAll(/^\d+ (\S+)\r\n/gm)].map((m) => m[1] ?? '');
  const mailbox = await store.open('INBOX');
  await mailbox.refresh();
  const hex = (n: number): string => n.toString(16).padStart(8, '0');
  expect(mailbox.records.map((r) => hex(r.uid) + hex(mailbox.uidValidity))).toEqual(pairs(uidl));
  const ours = [];
  for (const { uid } of mailbox.records) ours.push(String(await mailbox.message(uid)?.size()));
  expect(ours).toEqual(pairs(sizes));
  await mailbox.close();
}

function mail(subject: string, lines = 3): string {
  return `Subject: ${subject}\r\nMessage-ID: <${subject}@test>\r\n\r\n${'0123456789 line\r\n'.repeat(lines)}`;
}

async function deliver(subject: string): Promise<void> {
  const writer = store.beginDelivery();
  await writer.write(Buffer.from(mail(subject)));
  await writer.commit();
}

async function append(name: string, subject: string, flags: readonly string[] = []): Promise<number> {
  const writer = await store.beginAppend(name, { flags, internalDate: new Date('2019-05-06T07:08:09Z') });
  await writer.write(Buffer.from(mail(subject)));
  return (await writer.commit()).uid;
}

describe.skipIf(missing !== undefined)(`Maildir shared with Dovecot${missing ? ` (${missing})` : ''}`, () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'postcote-dovecot-'));
    chmodSync(folder, 0o755);
    configuration = join(folder, 'dovecot.conf');
    configure('maildir:~/mail:LAYOUT=fs:INBOX=~/mail/');
  });

  function configure(location: string): void {
    writeFileSync(
      configuration,
      [
        'protocols = imap pop3',
        `mail_location = ${location}`,
        `base_dir = ${folder}/run`,
        `state_dir = ${folder}/run`,
        'log_path = /dev/stderr',
        'ssl = no',
        'pop3_uidl_format = %08Xu%08Xv',
        'namespace inbox {\n  inbox = yes\n  separator = /\n}',
        '',
      ].join('\n'),
    );
  }

  beforeEach(() => {
    const home = join(folder, 'home');
    rmSync(home, { recursive: true, force: true });
    mkdirSync(home, { mode: 0o700 });
    chownSync(home, UID, UID);
    root = join(home, 'mail');
    asUser();
    store = openMaildirStore({ root, uid: UID });
  });

  afterEach(async () => {
    await store.close();
    for (const session of sessions.splice(0)) session.stop();
    asRoot();
  });

  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it('serves in Dovecot what we wrote', async () => {
    await deliver('one');
    await deliver('two');
    const inbox = await store.open('INBOX');
    await inbox.claimRecent();
    await deliver('three');
    await append('INBOX', 'four', ['\\Seen', '$Forwarded', 'work']);
    await append('INBOX', 'five', ['\\Draft', '\\Answered', '\\Flagged', '\\Deleted', 'work']);
    for (const name of [
      'Archive/2015/January',
      'Archive/2015',
      'Entw&APw-rfe',
      'INBOX/Child',
      'Lists/a.b',
      'Gone',
    ]) {
      await store.create(name);
      await store.subscribe(name);
    }
    await store.delete('Gone');
    await store.unsubscribe('Lists/a.b');
    await append('Archive/2015', 'six', ['other', 'work']);
    await inbox.refresh();
    const uids = inbox.records.map((r) => r.uid);
    await inbox.copy(uids, 'Archive/2015');
    await inbox.copy(uids.slice(1, 2), 'INBOX');
    await inbox.move(uids.slice(0, 1), 'INBOX/Child');
    await inbox.store(uids.slice(2), { mode: 'add', flags: ['\\Seen', 'Junk'] });
    await inbox.expunge(uids.slice(3, 4));
    await store.rename('Lists/a.b', 'Renamed/Here');
    await expectAgreement();
    // And Dovecot has left it as it was.
    await store.close();
    store = openMaildirStore({ root, uid: UID });
    await expectAgreement();
  });

  it('agrees on the octets of odd messages', async () => {
    const odd = [
      '\r\nbody',
      'no header at all',
      'a: b\r\n\r\nx\r\r\ny\rz\r\n',
      'a: b\r\n\r\n\r\n\r\n',
      '\r\n',
      'a: b\n\nbare\n',
    ];
    for (const content of [...odd, `a: b\r\n\r\n${'long line\r\n'.repeat(200_000)}`]) {
      const writer = await store.beginAppend('INBOX', { flags: ['\\Seen'] });
      await writer.write(Buffer.from(content));
      await writer.commit();
    }
    for (const [i, content] of odd.entries()) {
      writeFileSync(join(root, 'new', `${1_600_000_000 + i}.M1P1.outside`), content, { mode: 0o600 });
    }
    await expectAgreement();
  });

  it('serves in our store what Dovecot wrote', async () => {
    const dovecot = await DovecotImap.start();
    for (const name of ['A/B', 'A', 'Entw&APw-rfe', 'INBOX/Child', 'Gone']) {
      await dovecot.command(`CREATE "${name}"`);
      await dovecot.command(`SUBSCRIBE "${name}"`);
    }
    await dovecot.command('DELETE Gone');
    for (let i = 0; i < 8; i++) await dovecot.append('INBOX', i % 2 ? '\\Seen $Label1' : '', mail(`d${i}`));
    await dovecot.append('A', '\\Flagged work later', mail('in a'));
    await dovecot.command('SELECT INBOX');
    await dovecot.command('STORE 2:4 +FLAGS (\\Deleted Junk)');
    await dovecot.command('UID COPY 1:5 A');
    await dovecot.command('UID COPY 3 INBOX');
    await dovecot.command('UID MOVE 6 A/B');
    await dovecot.command('UID EXPUNGE 2:3');
    await expectAgreement();
  });

  it('tells a live Dovecot session of our changes, and us of its', async () => {
    await append('INBOX', 'first', ['first-keyword']);
    const dovecot = await DovecotImap.start();
    await dovecot.command('SELECT INBOX');
    const inbox = await store.open('INBOX');
    await inbox.store([1], { mode: 'add', flags: ['\\Flagged', 'second-keyword'] });
    expect(await dovecot.command('NOOP')).toContain('FLAGS (\\Flagged first-keyword second-keyword');
    // A keyword defined within the same second must still be noticed.
    await inbox.store([1], { mode: 'add', flags: ['third-keyword'] });
    expect(await dovecot.command('NOOP')).toContain('third-keyword');
    await deliver('second');
    expect(await dovecot.command('NOOP')).toContain('* 2 EXISTS');
    await dovecot.command('STORE 2 +FLAGS (\\Answered fourth-keyword)');
    await inbox.refresh();
    expect(inbox.records[1]?.flags).toEqual(['\\Answered', 'fourth-keyword']);
    await dovecot.command('STORE 1 +FLAGS (\\Deleted)');
    await dovecot.command('EXPUNGE');
    await inbox.refresh();
    expect(inbox.records.map((r) => r.uid)).toEqual([2]);
    await inbox.expunge([2]);
    expect(await dovecot.command('NOOP')).toContain('* 1 EXPUNGE');
    await expectAgreement();
  });

  it('makes Dovecot see a directory that became a mailbox, and one that ceased to be', async () => {
    const dovecot = await DovecotImap.start();
    await dovecot.command('CREATE A/B');
    await dovecot.command('LIST "" *');
    dovecot.stop();
    await store.create('A');
    await store.create('C');
    await store.create('C/D');
    await expectAgreement();
    await store.delete('C');
    await expectAgreement();
  });

  it('agrees on Maildir++ as well', async () => {
    asRoot();
    configure('maildir:~/mail');
    asUser();
    store = openMaildirStore({ root, uid: UID, layout: 'maildir++' });
    for (const name of ['A/B', 'Entw&APw-rfe', 'C']) await store.create(name);
    await store.subscribe('A/B');
    await deliver('one');
    await append('A/B', 'two', ['\\Seen', 'work']);
    const dovecot = await DovecotImap.start();
    await dovecot.command('CREATE A/B/D');
    await dovecot.command('SUBSCRIBE A/B/D');
    await dovecot.append('A/B/D', 'other', mail('three'));
    await dovecot.append('C', '', mail('four'));
    await expectAgreement();
    await store.rename('A/B', 'E/F');
    await store.delete('C');
    await store.unsubscribe('A/B');
    await expectAgreement();
    asRoot();
    configure('maildir:~/mail:LAYOUT=fs:INBOX=~/mail/');
    asUser();
  });

  it('survives both at once', async () => {
    const delivered = new Set<string>();
    const removed = new Set<string>();
    await store.create('Other');
    const inbox = await store.open('INBOX');
    const dovecot = await DovecotImap.start();
    await dovecot.command('SELECT INBOX');
    const seen = new Map<number, string>();
    const remember = async (): Promise<void> => {
      for (const { uid } of inbox.records) {
        if (seen.has(uid)) continue;
        const subject = await subjectOf(inbox, uid);
        if (subject !== undefined) seen.set(uid, subject);
      }
    };
    const end = Date.now() + 4000;
    const ours = async (): Promise<void> => {
      for (let i = 0; Date.now() < end; i++) {
        const subject = `ours-${i}`;
        if (i % 3 === 0) await append('INBOX', subject, i % 2 ? ['\\Seen', `kw${i % 5}`] : []);
        else await deliver(subject);
        delivered.add(subject);
        await inbox.refresh();
        await remember();
        const some = inbox.records.filter((_, n) => n % 7 === i % 7).map((r) => r.uid);
        await inbox.store(some, { mode: i % 2 ? 'add' : 'remove', flags: ['\\Flagged', `kw${i % 4}`] });
        if (i % 5 === 4) {
          const victim = inbox.records[Math.floor(inbox.records.length / 2)]?.uid ?? 0;
          const subject = seen.get(victim);
          if (subject !== undefined) removed.add(subject);
          await inbox.expunge([victim]);
        }
        if (i % 11 === 10) {
          const moved = await inbox.move(
            inbox.records.slice(0, 1).map((r) => r.uid),
            'Other',
          );
          for (const uid of moved.source) removed.add(seen.get(uid) ?? '');
        }
      }
    };
    const theirs = async (): Promise<void> => {
      for (let i = 0; Date.now() < end; i++) {
        await dovecot.append('INBOX', i % 2 ? '\\Answered' : 'kw9', mail(`theirs-${i}`));
        delivered.add(`theirs-${i}`);
        await dovecot.command('NOOP');
        await dovecot.command('UID STORE 1:* +FLAGS.SILENT (\\Seen kw8)').catch(ignoreExpunged);
        await dovecot.command('UID STORE 5:20 -FLAGS.SILENT (\\Seen)').catch(ignoreExpunged);
        if (i % 6 !== 5) continue;
        const old = `theirs-${i - 3}`;
        const found = /\* SEARCH (\d+)/.exec(
          await dovecot.command(`UID SEARCH HEADER Message-ID "<${old}@test>"`),
        );
        if (!found) continue;
        removed.add(old);
        await dovecot.command(`UID STORE ${found[1]} +FLAGS.SILENT (\\Deleted)`).catch(ignoreExpunged);
        await dovecot.command(`UID EXPUNGE ${found[1]}`);
      }
    };
    await Promise.all([ours(), theirs()]);
    expect(delivered.size).toBeGreaterThan(20);
    await dovecot.command('NOOP');
    dovecot.stop();
    await expectAgreement();
    await inbox.refresh();
    const left = new Set<string>();
    for (const { uid } of inbox.records) {
      const subject = (await subjectOf(inbox, uid)) ?? '';
      expect(left.has(subject)).toBe(false);
      left.add(subject);
      // A UID means the same message for ever.
      if (seen.has(uid)) expect(seen.get(uid)).toBe(subject);
    }
    const lost = [...delivered].filter((subject) => !removed.has(subject) && !left.has(subject));
    expect(lost).toEqual([]);
    expect([...left].filter((subject) => removed.has(subject))).toEqual([]);
  });
});

async function subjectOf(mailbox: Mailbox, uid: number): Promise<string | undefined> {
  const text = (await mailbox.message(uid)?.read())?.toString('latin1') ?? '';
  return /^Subject: (.*)\r$/m.exec(text)?.[1];
}

/** Dovecot answers NO to a STORE that met messages which we expunged meanwhile. */
function ignoreExpunged(error: unknown): void {
  if (!/EXPUNGEISSUED|expunged/i.test(String(error))) throw error;
}

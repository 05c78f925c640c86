// getmail and mpop: mail kept on the server is fetched once, and deleted there when told so.

import fs from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { readMessages, writeMaildir, writeOwned } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';
import { mustRun } from '../support/run-program.ts';
import { type RunningWorld, describeWithWorld } from '../support/use-world.ts';

const WORDS = ['one', 'two', 'three'];
const text = (word: string): string => `From: bob@sender.example\nSubject: ${word}\n\n.text of ${word}\n`;

interface Run {
  readonly account: Account;
  /** The client's own: configuration, what it has seen, and `mail`, where it puts what it fetched. */
  readonly folder: string;
  readonly tls: 'implicit TLS' | 'STLS';
  readonly keep: boolean;
}

/** Runs the client once. */
type Client = (running: RunningWorld, run: Run) => Promise<void>;

const getmail: Client = async (running, { account, folder, tls, keep }) => {
  const { ports } = running.world;
  const rc = path.join(folder, 'getmailrc');
  fs.writeFileSync(
    rc,
    `[retriever]
type = ${tls === 'STLS' ? 'SimplePOP3Retriever' : 'SimplePOP3SSLRetriever'}
server = localhost
port = ${tls === 'STLS' ? ports.pop3 : ports.pop3s}
username = ${account.name}
password = ${account.password}
ca_certs = ${running.bed.certificate.certFile}
use_peek = true
[destination]
type = Maildir
path = ${folder}/home/mail/
[options]
read_all = false
delete = ${String(!keep)}
verbose = 0
delivered_to = false
received = false
`,
    { mode: 0o600 },
  );
  // It refuses to deliver as root.
  const { uid, gid } = account;
  await mustRun('chown', ['-R', `${uid}:${gid}`, folder]);
  await mustRun('getmail', ['--getmaildir', folder, '--rcfile', rc], { env: { HOME: folder }, uid, gid });
};

const mpop: Client = async (running, { account, folder, tls, keep }) => {
  const { ports } = running.world;
  const rc = path.join(folder, 'mpoprc');
  fs.writeFileSync(
    rc,
    `account test
host localhost
port ${tls === 'STLS' ? ports.pop3 : ports.pop3s}
tls on
tls_starttls ${tls === 'STLS' ? 'on' : 'off'}
tls_trust_file ${running.bed.certificate.certFile}
user ${account.name}
password ${account.password}
keep ${keep ? 'on' : 'off'}
uidls_file ${folder}/uidls
received_header off
delivery maildir ${folder}/home/mail
`,
    { mode: 0o600 },
  );
  await mustRun('mpop', ['--file', rc, '--quiet', 'test']);
};

describeWithWorld('POP3 clients', (running) => {
  it.each([
    ['mpop', 'implicit TLS', mpop],
    ['mpop', 'STLS', mpop],
    ['getmail', 'implicit TLS', getmail],
  ] as const)('%s keeps mail and fetches it once, then deletes it, with %s', async (_name, tls, client) => {
    const account = running.account();
    writeMaildir(account, {
      mails: WORDS.map((word) => ({ folder: 'INBOX', flags: [], fresh: word !== 'one', text: text(word) })),
    });
    const folder = running.clientFolder();
    const home = path.join(folder, 'home');
    for (const part of ['cur', 'new', 'tmp'])
      fs.mkdirSync(path.join(home, 'mail', part), { recursive: true });
    // getmail adds a line of its own.
    const fetched = (): string[] =>
      readMessages(home)
        .map((message) => message.bytes.toString().replace(/^Return-Path: <unknown>\n/, ''))
        .toSorted();
    const all = WORDS.map(text).toSorted();

    await client(running, { account, folder, tls, keep: true });
    expect(fetched()).toEqual(all);
    await client(running, { account, folder, tls, keep: true });
    expect(fetched()).toEqual(all);
    expect(readMessages(account.home)).toHaveLength(WORDS.length);

    // One more arrives by another program; now nothing is kept on the server.
    writeOwned(account, path.join(account.home, 'mail/new/1710000002.far1.server'), text('four'));
    await client(running, { account, folder, tls, keep: false });
    expect(fetched()).toEqual([...WORDS, 'four'].map(text).toSorted());
    // What was fetched earlier is not all deleted by every client: never what was not fetched.
    await client(running, { account, folder, tls, keep: false });
    expect(fetched()).toHaveLength(4);
    expect(readMessages(account.home)).toEqual([]);
  });
});

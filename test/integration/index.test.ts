// The index in the running server: whose it is, what it is worth after a crash, and that searching needs none.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { ImapClient, SmtpClient } from '../support/clients.ts';
import { eventually } from '../support/eventually.ts';
import type { Account } from '../support/play-transcript.ts';
import { REPOSITORY } from '../support/postcote-daemon.ts';
import { runProgram } from '../support/run-program.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { type OurWorld, TestBed, startOurs } from '../support/world.ts';

describeAsRoot('the index', () => {
  let bed: TestBed;
  let world: OurWorld;
  let alice: Account;
  const clients: ImapClient[] = [];
  beforeAll(async () => {
    bed = await TestBed.open('index');
    world = await startOurs(bed);
    [alice] = bed.users.create(1) as [Account];
    const client = await SmtpClient.connect({ port: world.ports.smtp });
    for (let i = 0; i < 5; i++) {
      await client.deliver(
        'x@sender.example',
        [`${alice.name}@example.com`],
        `Subject: message ${i}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${i === 3 ? 'GRÜSSE aus Kiel' : 'nothing'}\r\n`,
      );
    }
    await client.quit();
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.line.close();
  });
  afterAll(async () => {
    await world.stop();
    await bed.close();
  });

  const folder = (): string => path.join(world.dataDir, 'index', `${alice.name}-${alice.uid}`);
  const login = async (): Promise<ImapClient> => {
    const client = await ImapClient.login({ port: world.ports.imap }, alice);
    clients.push(client);
    return client;
  };
  const ask = async (client: ImapClient, command: string): Promise<string[]> => {
    client.line.send(`x ${command}\r\n`);
    return (await client.line.linesUntil(/^x /)).map((line) => line.replace(/ \([\d.]+ \+.*/, ''));
  };
  const found = async (client: ImapClient, ...words: string[]): Promise<string | undefined> =>
    (await ask(client, `SEARCH CHARSET UTF-8 ${words.join(' ')}`)).find((line) =>
      line.startsWith('* SEARCH'),
    );
  const index = async (...words: string[]) =>
    await runProgram(path.join(REPOSITORY, 'postcote'), ['index', ...words, '--data-dir', world.dataDir]);
  const workerPid = (): number => {
    const [worker] = world.daemon.processes().filter(({ command }) => command === `postcote: ${alice.name}`);
    if (worker === undefined) throw new Error('no worker');
    return worker.pid;
  };

  const killWorker = async (): Promise<void> => {
    process.kill(workerPid(), 'SIGKILL');
    await eventually(() => expect(workerPid).toThrow('no worker'));
  };

  it('is filled by mail that arrives, and is the user’s alone', async () => {
    await eventually(async () => {
      const { stdout, stderr } = await index('status', alice.name);
      expect(stderr).toBe('');
      expect(stdout).toMatch(/^ +5 of +5 {2}INBOX$/m);
      expect(stdout).toContain(`MiB in ${folder()}`);
    });
    expect(fs.statSync(folder()).mode & 0o777).toBe(0o700);
    const names = fs.readdirSync(folder());
    expect(names).toContain('text.db');
    for (const name of names) {
      const stat = fs.statSync(path.join(folder(), name), { throwIfNoEntry: false });
      // SQLite's log comes and goes.
      if (stat === undefined) continue;
      const { uid, mode } = stat;
      expect({ name, uid, others: mode & 0o077 }).toEqual({ name, uid: alice.uid, others: 0 });
    }
    const mail = path.join(alice.home ?? '', 'mail');
    for (const name of fs.readdirSync(mail, { recursive: true, encoding: 'utf8' }))
      expect({ name, uid: fs.lstatSync(path.join(mail, name)).uid }).toEqual({ name, uid: alice.uid });
  });

  it('finds what reading finds, with it and without', async () => {
    let client = await login();
    await client.select();
    const searches = [
      'TEXT {7+}\r\ngrüsse',
      'BODY "aus k"',
      'SUBJECT "age 2"',
      'TEXT a',
      'NOT BODY nothing',
      'TEXT ssage',
    ];
    const answers: (string | undefined)[] = [];
    for (const search of searches) answers.push(await found(client, search));
    expect(answers).toEqual([
      '* SEARCH 4',
      '* SEARCH 4',
      '* SEARCH 3',
      '* SEARCH 1 2 3 4 5',
      '* SEARCH 4',
      '* SEARCH 1 2 3 4 5',
    ]);
    client.line.close();
    await killWorker();
    fs.rmSync(folder(), { recursive: true });
    client = await eventually(login);
    await client.select();
    for (const [i, search] of searches.entries()) expect(await found(client, search)).toBe(answers[i]);
  });

  it('knows modseqs after a worker was killed', async () => {
    let client = await login();
    await client.select();
    await ask(client, 'STORE 2 +FLAGS (\\Flagged)');
    const before = await ask(client, 'FETCH 1:5 (FLAGS MODSEQ)');
    await client.line.close();
    await ask(await login(), 'NOOP');
    await killWorker();
    client = await eventually(login);
    await client.select();
    expect(await ask(client, 'FETCH 1:5 (FLAGS MODSEQ)')).toEqual(before);
  });

  it('is made anew when asked, and says what is wrong', async () => {
    const { stdout, stderr, code } = await index('rebuild', alice.name);
    expect({ stderr, code, last: stdout.trimEnd().split('\n').at(-1) }).toEqual({
      stderr: '',
      code: 0,
      last: expect.stringMatching(/5 of +5 {2}INBOX$/),
    });
    expect((await index('status', 'nobody-of-that-name')).stderr).toContain('unknown user');
    expect((await index('status')).code).toBe(64);
    const elsewhere = await runProgram(path.join(REPOSITORY, 'postcote'), [
      'index',
      'status',
      alice.name,
      '--data-dir',
      bed.folder,
    ]);
    expect(elsewhere.stderr).toContain('no server is running');
    expect(elsewhere.code).toBe(69);
  });
});

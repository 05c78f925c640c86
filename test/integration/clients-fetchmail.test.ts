// fetchmail with mail kept on the server: what it fetched once it must never fetch again, neither from us nor from a
// real Dovecot that takes the Maildir back.

import fs from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { readMessages, writeMaildir } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';
import { runProgram } from '../support/run-program.ts';
import { describeWithWorld } from '../support/use-world.ts';
import { startReal } from '../support/world.ts';

describeWithWorld('fetchmail', (running) => {
  /** Fetches into a file; gives what has been fetched so far and which UIDLs it remembers. */
  const fetch = async (
    account: Account,
    folder: string,
    port: number,
    options = 'ssl',
  ): Promise<{ code: number | null; mail: string; seen: string[] }> => {
    const rc = path.join(folder, 'fetchmailrc');
    fs.writeFileSync(
      rc,
      [
        `set idfile "${path.join(folder, 'ids')}"`,
        `poll localhost service ${port} protocol pop3 uidl timeout 20`,
        `  username "${account.name}" password "${account.password}" is root here`,
        `  keep ${options} sslcertck sslcertfile "${running.bed.certificate.certFile}"`,
        `  mda "cat >> ${path.join(folder, 'mbox')}"`,
        '',
      ].join('\n'),
      { mode: 0o600 },
    );
    const { code, stderr, stdout } = await runProgram('fetchmail', [
      '-f',
      rc,
      '--nosyslog',
      '--pidfile',
      path.join(folder, 'pid'),
    ]);
    if (code !== 0 && code !== 1) throw new Error(`fetchmail ended with ${code}: ${stdout}${stderr}`);
    const read = (name: string): string => {
      const file = path.join(folder, name);
      return fs.existsSync(file) ? fs.readFileSync(file, 'latin1') : '';
    };
    return {
      code,
      mail: read('mbox'),
      seen: read('ids')
        .split('\n')
        .map((line) => line.split(' ')[1] ?? '')
        .filter((id) => id !== ''),
    };
  };

  it.each([
    ['over implicit TLS', 'pop3s', 'ssl'],
    ['with STLS', 'pop3', 'sslproto TLS1.2+'],
  ] as const)('keeps mail and fetches it once, %s', async (_name, service, options) => {
    const account = running.account();
    writeMaildir(account, {
      mails: ['one', 'two', 'three'].map((word) => ({
        folder: 'INBOX',
        flags: [],
        fresh: word === 'three',
        text: `From: bob@sender.example\nSubject: ${word}\n\n.text of ${word}\n`,
      })),
    });
    const folder = running.clientFolder();
    const { ports } = running.world;
    const first = await fetch(account, folder, ports[service], options);
    expect(first.code).toBe(0);
    expect(first.mail.match(/^Subject: \w+/gm)).toEqual(['Subject: one', 'Subject: two', 'Subject: three']);
    expect(first.mail).toContain('\n.text of two\n');
    expect(first.seen).toHaveLength(3);
    expect(first.seen[0]).toMatch(/^00000001[0-9a-f]{8}$/);
    const second = await fetch(account, folder, ports[service], options);
    expect(second).toEqual({ ...first, code: 1 });
    expect(readMessages(account.home)).toHaveLength(3);

    const dovecot = await startReal(running.bed);
    try {
      const third = await fetch(account, folder, dovecot.ports[service], options);
      expect(third).toEqual({ ...first, code: 1 });
    } finally {
      await dovecot.stop();
    }
  });
});

// Node's own clients: nodemailer sends, imapflow and the old `imap` read. They parse strictly, so they also prove the
// IMAP codec.

import Imap from 'imap';
import { ImapFlow } from 'imapflow';
import { type Transporter, createTransport } from 'nodemailer';
import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { readMessages, writeMaildir } from '../support/maildir-files.ts';
import type { Account } from '../support/play-transcript.ts';
import { describeWithWorld } from '../support/use-world.ts';

describeWithWorld('Node clients', (running) => {
  const nodemailerTo = (account: Account, service: 'submission' | 'smtps'): Transporter =>
    createTransport({
      host: 'localhost',
      port: running.world.ports[service],
      secure: service === 'smtps',
      requireTLS: true,
      tls: { rejectUnauthorized: false },
      auth: { user: account.name, pass: account.password },
      name: 'client.example',
    });

  const flow = async (account: Account): Promise<ImapFlow> => {
    const client = new ImapFlow({
      host: 'localhost',
      port: running.world.ports.imaps,
      secure: true,
      tls: { rejectUnauthorized: false },
      auth: { user: account.name, pass: account.password },
      logger: false,
    });
    await client.connect();
    return client;
  };

  const part = async (client: ImapFlow, number: string): Promise<Buffer> => {
    const { content } = await client.download('1', number);
    const chunks: Buffer[] = [];
    for await (const chunk of content ?? []) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  };

  const MULTIPART = [
    'From: "Bob, B." <bob@sender.example>',
    'To: alice@example.com',
    'Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=',
    'Message-ID: <m1@sender.example>',
    'Date: Mon, 1 Jan 2024 12:00:00 +0100',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/plain; charset=utf-8',
    '',
    'plain text: ä',
    '--b',
    'Content-Type: application/octet-stream; name="x.bin"',
    'Content-Disposition: attachment; filename="x.bin"',
    'Content-Transfer-Encoding: base64',
    '',
    'AAECAw==',
    '--b--',
    '',
  ].join('\n');

  it('nodemailer sends an attachment, imapflow takes it out again', async () => {
    const account = running.account();
    const attachment = Buffer.from(Array.from({ length: 100_000 }, (_, i) => (i * 7919) & 0xff));
    for (const service of ['submission', 'smtps'] as const) {
      const transport = nodemailerTo(account, service);
      const info = await transport.sendMail({
        from: `${account.name}@example.com`,
        to: `${account.name}@example.com`,
        subject: `über ${service}`,
        text: '.\n..\nText mit ä',
        attachments: [{ filename: 'däta.bin', content: attachment }],
      });
      expect(info.response).toMatch(/^250 2\.0\.0 Ok: queued as /);
      transport.close();
    }
    const client = await flow(account);
    await eventually(async () => {
      expect(await client.status('INBOX', { messages: true })).toMatchObject({ messages: 2 });
    });
    const lock = await client.getMailboxLock('INBOX');
    try {
      const subjects: (string | undefined)[] = [];
      for await (const message of client.fetch('1:*', { envelope: true, bodyStructure: true, uid: true })) {
        subjects.push(message.envelope?.subject);
        expect(message.bodyStructure?.childNodes?.map((node) => node.type)).toEqual([
          'text/plain',
          'application/octet-stream',
        ]);
      }
      expect(subjects.toSorted()).toEqual(['über smtps', 'über submission']);
      expect((await part(client, '2')).equals(attachment)).toBe(true);
      expect((await part(client, '1')).toString('utf8').trimEnd()).toBe('.\r\n..\r\nText mit ä');
    } finally {
      lock.release();
      await client.logout();
    }
  });

  it('imapflow makes folders, appends, flags, searches, moves and deletes', async () => {
    const account = running.account();
    const client = await flow(account);
    await client.mailboxCreate('Entwürfe/2024');
    const folders = await client.list();
    expect(folders.map((folder) => folder.path)).toContain('Entwürfe/2024');
    const date = new Date('2020-02-29T12:34:56Z');
    const appended = await client.append(
      'INBOX',
      MULTIPART.replaceAll('\n', '\r\n'),
      ['\\Seen', '$label1'],
      date,
    );
    expect(appended).toMatchObject({ uid: 1 });
    const lock = await client.getMailboxLock('INBOX');
    try {
      const message = await client.fetchOne('1', {
        envelope: true,
        flags: true,
        internalDate: true,
        size: true,
        source: true,
        bodyStructure: true,
        headers: ['subject'],
      });
      if (message === false) throw new Error('nothing fetched');
      expect(message.envelope).toMatchObject({
        subject: 'Grüße',
        messageId: '<m1@sender.example>',
        from: [{ name: 'Bob, B.', address: 'bob@sender.example' }],
      });
      expect([...(message.flags ?? [])].filter((flag) => flag !== '\\Recent').toSorted()).toEqual([
        '$label1',
        '\\Seen',
      ]);
      expect(new Date(message.internalDate ?? 0).toISOString()).toBe(date.toISOString());
      expect(message.source?.toString('utf8')).toBe(MULTIPART.replaceAll('\n', '\r\n'));
      expect(message.size).toBe(Buffer.byteLength(MULTIPART.replaceAll('\n', '\r\n')));
      expect(message.bodyStructure?.childNodes?.[1]?.dispositionParameters).toEqual({ filename: 'x.bin' });

      await client.messageFlagsAdd('1', ['\\Flagged']);
      await client.messageFlagsRemove('1', ['$label1']);
      expect(readMessages(account.home)[0]?.flags).toBe('FS');
      expect(await client.search({ flagged: true, subject: 'Grüße' })).toEqual([1]);
      expect(await client.search({ body: 'plain text: ä' })).toEqual([1]);
      expect(await client.search({ seen: false })).toEqual([]);

      const moved = await client.messageMove('1', 'Entwürfe/2024');
      expect(moved).toMatchObject({ uidMap: new Map([[1, 1]]) });
    } finally {
      lock.release();
    }
    expect(readMessages(account.home)).toEqual([]);
    const [message] = readMessages(account.home, 'Entw&APw-rfe/2024');
    expect(message?.bytes.toString('utf8')).toBe(MULTIPART);
    expect(message?.flags).toBe('FS');
    await client.mailboxOpen('Entwürfe/2024');
    await client.messageDelete('1');
    expect(readMessages(account.home, 'Entw&APw-rfe/2024')).toEqual([]);
    await client.mailboxClose();
    await client.mailboxDelete('Entwürfe/2024');
    expect((await client.list()).map((folder) => folder.path)).not.toContain('Entwürfe/2024');
    await client.logout();
  });

  it('imapflow hears in IDLE of a delivery, a flag and an expunge', async () => {
    const account = running.account();
    writeMaildir(account, {
      mails: [{ folder: 'INBOX', flags: [], fresh: false, text: 'Subject: one\n\nx\n' }],
    });
    const client = await flow(account);
    await client.mailboxOpen('INBOX');
    const heard: string[] = [];
    client.on('exists', (event: { count: number }) => heard.push(`exists ${event.count}`));
    client.on('flags', (event: { seq: number; flags?: Set<string> }) => {
      heard.push(
        `flags ${event.seq} ${[...(event.flags ?? [])].filter((flag) => flag !== '\\Recent').join(' ')}`,
      );
    });
    client.on('expunge', (event: { seq: number }) => heard.push(`expunge ${event.seq}`));
    const idling = client.idle();
    const transport = nodemailerTo(account, 'smtps');
    await transport.sendMail({
      from: `${account.name}@example.com`,
      to: `${account.name}@example.com`,
      text: 'new',
    });
    transport.close();
    await eventually(() => expect(heard).toContain('exists 2'));
    const other = await flow(account);
    await other.mailboxOpen('INBOX');
    await other.messageFlagsAdd('1', ['\\Flagged']);
    await eventually(() => expect(heard).toContain('flags 1 \\Flagged'));
    await other.messageDelete('1');
    await eventually(() => expect(heard).toContain('expunge 1'));
    await other.logout();
    await client.noop();
    await idling;
    await client.logout();
  });

  it('`imap` reads boxes, structures and bodies', async () => {
    const account = running.account();
    writeMaildir(account, {
      mails: [
        { folder: 'INBOX', flags: ['\\Seen'], fresh: false, text: MULTIPART },
        { folder: 'INBOX', flags: [], fresh: false, text: 'Subject: two\n\nsecond\n' },
        { folder: 'Lists/a b', flags: [], fresh: false, text: 'x: y\n\n' },
      ],
    });
    const client = new Imap({
      user: account.name,
      password: account.password,
      host: 'localhost',
      port: running.world.ports.imaps,
      tls: true,
      tlsOptions: { rejectUnauthorized: false },
    });
    await new Promise<void>((resolve, reject) => {
      client.once('ready', resolve);
      client.once('error', reject);
      client.connect();
    });
    const boxes = await new Promise<Imap.MailBoxes>((resolve, reject) =>
      client.getBoxes((error, found) => (error ? reject(error) : resolve(found))),
    );
    expect(Object.keys(boxes).toSorted()).toEqual(['INBOX', 'Lists']);
    expect(Object.keys(boxes['Lists']?.children ?? {})).toEqual(['a b']);
    const box = await new Promise<Imap.Box>((resolve, reject) =>
      client.openBox('INBOX', false, (error, opened) => (error ? reject(error) : resolve(opened))),
    );
    expect(box.messages.total).toBe(2);
    const found = await new Promise<number[]>((resolve, reject) =>
      client.search(['UNSEEN', ['SUBJECT', 'two']], (error, uids) => (error ? reject(error) : resolve(uids))),
    );
    expect(found).toEqual([2]);
    const bodies = new Map<number, string>();
    const structures: unknown[] = [];
    await new Promise<void>((resolve, reject) => {
      const fetch = client.seq.fetch('1:*', { bodies: '', struct: true });
      fetch.on('message', (message, seqno) => {
        message.on('body', (stream) => {
          let text = '';
          stream.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')));
          stream.once('end', () => bodies.set(seqno, text));
        });
        message.once('attributes', (attributes) => structures.push(attributes.struct));
      });
      fetch.once('error', reject);
      fetch.once('end', () => resolve());
    });
    expect(bodies.get(1)).toBe(MULTIPART.replaceAll('\n', '\r\n'));
    expect(bodies.get(2)).toBe('Subject: two\r\n\r\nsecond\r\n');
    expect(structures[0]).toMatchObject([
      { type: 'mixed', params: { boundary: 'b' } },
      [{ partID: '1', type: 'text', subtype: 'plain', params: { charset: 'utf-8' } }],
      [
        {
          partID: '2',
          subtype: 'octet-stream',
          disposition: { type: 'attachment', params: { filename: 'x.bin' } },
        },
      ],
    ]);
    await new Promise<void>((resolve) => {
      client.once('close', () => resolve());
      client.end();
    });
  });
});

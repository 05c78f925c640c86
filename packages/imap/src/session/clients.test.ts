// Real clients of the Node world against our sessions, over a loopback socket and the in-memory store.

import { createServer, type AddressInfo, type Server } from 'node:net';
import Imap from 'imap';
import { ImapFlow } from 'imapflow';
import { type MemoryStore } from '@postcote/mailbox';
import { silentLog } from '@postcote/wire';
import { driveSocket, systemClock } from '@postcote/wire/edge';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memoryStore, WholeSession } from '../testing/index.ts';

const MULTIPART = [
  'From: =?utf-8?q?J=C3=BCrgen?= <j@example.com>',
  'To: Bob <bob@example.org>, ann@example.net',
  'Subject: =?utf-8?b?R3LDvMOfZQ==?=',
  'Message-ID: <1@example.com>',
  'Date: Mon, 7 Feb 1994 21:52:25 -0800',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary="b"',
  '',
  '--b',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: quoted-printable',
  '',
  'Stra=C3=9Fe',
  '--b',
  'Content-Type: application/pdf; name="a.pdf"',
  'Content-Disposition: attachment; filename="a.pdf"',
  'Content-Transfer-Encoding: base64',
  '',
  'QUJD',
  '--b--',
  '',
].join('\r\n');

let server: Server;
let port: number;
let store: MemoryStore;

beforeEach(async () => {
  store = memoryStore();
  server = createServer((socket) => {
    driveSocket(socket, {
      createSession: (host, peer) =>
        new WholeSession({
          host,
          peer,
          clock: systemClock,
          log: silentLog,
          password: 'secret',
          storeOf: (user) => (user === 'alice' ? store : undefined),
          loginSettings: { tlsAvailable: false },
        }),
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as AddressInfo).port;
});

afterEach(() => {
  server.close();
});

function flow(pass = 'secret'): ImapFlow {
  return new ImapFlow({
    host: '127.0.0.1',
    port,
    secure: false,
    doSTARTTLS: false,
    auth: { user: 'alice', pass },
    logger: false,
  });
}

describe('imapflow', () => {
  it('is refused with a wrong password', async () => {
    const client = flow('wrong');
    await expect(client.connect()).rejects.toMatchObject({ authenticationFailed: true });
    client.close();
  });

  it('appends, lists, fetches, searches, flags, copies, moves and expunges', async () => {
    const client = flow();
    await client.connect();
    await client.mailboxCreate('Archiv/Entwürfe');
    await client.mailboxCreate('Sent');
    const appended = await client.append(
      'INBOX',
      MULTIPART,
      ['\\Seen', '$label1'],
      new Date('2020-02-03T04:05:06Z'),
    );
    expect(appended).toMatchObject({ uid: 1, uidValidity: 1000n });
    await client.append('INBOX', 'Subject: two\r\n\r\nsecond\r\n', []);
    const listed = await client.list({ statusQuery: { messages: true, unseen: true } });
    expect(listed.map(({ path }) => path).sort()).toEqual(['Archiv', 'Archiv/Entwürfe', 'INBOX', 'Sent']);
    expect(listed.find(({ path }) => path === 'Sent')?.specialUse).toBe('\\Sent');
    expect(listed.find(({ path }) => path === 'INBOX')?.status).toMatchObject({ messages: 2, unseen: 1 });

    await client.mailboxOpen('INBOX');
    const one = await client.fetchOne('1', {
      uid: true,
      flags: true,
      envelope: true,
      bodyStructure: true,
      internalDate: true,
      size: true,
      source: true,
      bodyParts: ['1', '2', '2.mime'],
      headers: ['subject'],
    });
    if (one === false) throw new Error('message 1 not found');
    expect(one.source?.toString('latin1')).toBe(MULTIPART);
    expect(one.size).toBe(MULTIPART.length);
    // imapflow enables IMAP4rev2, which has no recent messages.
    expect([...(one.flags ?? [])].sort()).toEqual(['$label1', '\\Seen']);
    expect(one.internalDate).toEqual(new Date('2020-02-03T04:05:06Z'));
    expect(one.envelope).toMatchObject({ subject: 'Grüße', messageId: '<1@example.com>' });
    expect(one.envelope?.from?.[0]).toMatchObject({ name: 'Jürgen', address: 'j@example.com' });
    expect(one.bodyStructure?.childNodes?.map(({ type, size }) => [type, size])).toEqual([
      ['text/plain', 11],
      ['application/pdf', 4],
    ]);
    expect(one.bodyParts?.get('2')?.toString()).toBe('QUJD');
    expect(one.headers?.toString()).toBe('Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\n\r\n');

    expect(await client.search({ seen: false })).toEqual([2]);
    expect(await client.search({ body: 'Straße' })).toEqual([1]);
    expect(await client.search({ or: [{ subject: 'two' }, { larger: 10_000 }] }, { uid: true })).toEqual([2]);
    await client.messageFlagsAdd('2', ['\\Flagged'], { uid: true });
    expect(await client.search({ flagged: true })).toEqual([2]);
    expect(await client.messageCopy('1:2', 'Archiv/Entwürfe')).toMatchObject({
      uidMap: new Map([
        [1, 1],
        [2, 2],
      ]),
    });
    await client.messageMove('1', 'Sent');
    await client.messageDelete('1');
    expect(await client.status('INBOX', { messages: true })).toMatchObject({ messages: 0 });
    expect(await client.status('Sent', { messages: true })).toMatchObject({ messages: 1 });
    await client.mailboxRename('Archiv/Entwürfe', 'Archiv/Neu');
    await client.mailboxDelete('Archiv/Neu');
    await client.logout();
  });

  it('hears in IDLE what other sessions and programs do', async () => {
    store.seed('INBOX', [{ content: 'Subject: a\r\n\r\na\r\n' }, { content: 'Subject: b\r\n\r\nb\r\n' }]);
    const watcher = flow();
    const actor = flow();
    await Promise.all([watcher.connect(), actor.connect()]);
    await watcher.mailboxOpen('INBOX');
    await actor.mailboxOpen('INBOX');
    const events: string[] = [];
    watcher.on('exists', ({ count }: { count: number }) => events.push(`exists ${count}`));
    watcher.on('flags', ({ seq, flags }: { seq: number; flags: Set<string> }) =>
      events.push(`flags ${seq} ${[...flags].join(' ')}`),
    );
    watcher.on('expunge', ({ seq }: { seq: number }) => events.push(`expunge ${seq}`));
    const idling = watcher.idle();
    const heard = async (event: string): Promise<void> => {
      await expect.poll(() => events, { timeout: 3000 }).toContain(event);
    };
    await actor.messageFlagsAdd('2', ['\\Flagged']);
    await heard('flags 2 \\Flagged');
    store.outside('INBOX').deliver({ content: 'Subject: c\r\n\r\nc\r\n' });
    await heard('exists 3');
    await actor.messageDelete('1');
    await heard('expunge 1');
    await watcher.noop();
    await idling;
    await watcher.logout();
    await actor.logout();
  });
});

describe('imap (mscdex)', () => {
  it('opens, searches, fetches a part', async () => {
    store.seed('INBOX', [{ content: MULTIPART }, { content: 'Subject: two\r\n\r\nsecond\r\n' }]);
    const client = new Imap({ host: '127.0.0.1', port, user: 'alice', password: 'secret', tls: false });
    const text = await new Promise<string>((resolve, reject) => {
      client.once('error', reject);
      client.once('ready', () => {
        client.openBox('INBOX', false, (openError, box) => {
          if (openError) return reject(openError);
          expect(box.messages.total).toBe(2);
          client.search(['UNSEEN', ['HEADER', 'TO', 'bob']], (searchError, uids) => {
            if (searchError) return reject(searchError);
            const fetch = client.fetch(uids, { bodies: ['HEADER.FIELDS (SUBJECT)', '1'], struct: true });
            let seen = `${uids.join()} `;
            fetch.on('message', (message) => {
              message.on('body', (stream, info) => {
                stream.on('data', (chunk: Buffer) => {
                  seen += `[${info.which}] ${chunk.toString()}`;
                });
              });
              message.once('attributes', ({ struct }) => {
                seen += JSON.stringify(struct).includes('"a.pdf"') ? 'pdf ' : '';
              });
            });
            fetch.once('error', reject);
            fetch.once('end', () => resolve(seen));
          });
        });
      });
      client.connect();
    });
    client.end();
    expect(text).toContain('[1] Stra=C3=9Fe');
    expect(text).toContain('Subject: =?utf-8?b?R3LDvMOfZQ==?=');
    expect(text).toContain('pdf');
    expect(text.startsWith('1 ')).toBe(true);
  });
});

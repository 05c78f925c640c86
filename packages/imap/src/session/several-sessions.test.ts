// Sessions on one mailbox see one another's changes, at the right moments; a session sleeps and wakes.

import { MailboxError } from '@postcote/mailbox';
import { describe, expect, it } from 'vitest';
import { ManualClock, memoryStore, UserClient } from '../testing/index.ts';

const message = { content: 'Subject: x\r\n\r\nx\r\n' };

async function pair(
  count = 4,
): Promise<{ store: ReturnType<typeof memoryStore>; a: UserClient; b: UserClient }> {
  const store = memoryStore();
  store.seed(
    'INBOX',
    Array.from({ length: count }, () => ({ ...message, recent: false })),
  );
  const a = new UserClient({ store });
  const b = new UserClient({ store });
  await a.run('SELECT INBOX');
  await b.run('SELECT INBOX');
  return { store, a, b };
}

describe('two sessions', () => {
  it('see flags, arrivals and expunges of one another', async () => {
    const { a, b, store } = await pair();
    await a.run('STORE 2 +FLAGS (\\Flagged)');
    await a.run('STORE 1,3 +FLAGS.SILENT (\\Deleted)');
    await a.run('EXPUNGE');
    // EXPUNGE never in answer to FETCH, STORE and SEARCH by number (RFC 3501 §7.4.1).
    expect(await b.run('FETCH 1 UID')).toEqual([
      '* 2 FETCH (FLAGS (\\Flagged))',
      'T OK [EXPUNGEISSUED] Some messages were already expunged.',
    ]);
    expect(await b.run('SEARCH ALL')).toEqual(['* SEARCH 2 4', 'T OK Search completed.']);
    expect(await b.run('STORE 4 +FLAGS (\\Seen)')).toEqual([
      '* 4 FETCH (FLAGS (\\Seen))',
      'T OK Store completed.',
    ]);
    store.outside('INBOX').deliver(message);
    expect(await b.run('NOOP')).toEqual([
      '* 3 EXPUNGE',
      '* 1 EXPUNGE',
      '* 3 EXISTS',
      '* 1 RECENT',
      'T OK NOOP completed.',
    ]);
    // Recent for one of them only.
    expect(await a.run('NOOP')).toEqual([
      '* 3 EXISTS',
      '* 0 RECENT',
      '* 2 FETCH (FLAGS (\\Seen))',
      'T OK NOOP completed.',
    ]);
    expect(await a.run('UID FETCH 1:* UID')).toEqual([
      '* 1 FETCH (UID 2)',
      '* 2 FETCH (UID 4)',
      '* 3 FETCH (UID 5)',
      'T OK Fetch completed.',
    ]);
  });

  it('a silent store hides no change of somebody else', async () => {
    const { a, b } = await pair(1);
    await a.run('STORE 1 +FLAGS (\\Flagged)');
    expect(await b.run('STORE 1 +FLAGS.SILENT (\\Seen)')).toEqual([
      '* 1 FETCH (FLAGS (\\Flagged \\Seen))',
      'T OK Store completed.',
    ]);
  });

  it('UID commands may tell expunges', async () => {
    const { a, b } = await pair(2);
    await a.run('STORE 1 +FLAGS.SILENT (\\Deleted)');
    await a.run('EXPUNGE');
    expect(await b.run('UID FETCH 2 UID')).toEqual([
      '* 2 FETCH (UID 2)',
      '* 1 EXPUNGE',
      'T OK Fetch completed.',
    ]);
  });

  it('hear in IDLE', async () => {
    const { a, b, store } = await pair(2);
    b.send('i idle\r\n');
    expect(await b.settle()).toBe('+ idling\r\n');
    await a.run('STORE 2 +FLAGS (\\Answered)');
    expect(await b.settle()).toBe('* 2 FETCH (FLAGS (\\Answered))\r\n');
    store.outside('INBOX').deliver(message);
    expect(await b.settle()).toBe('* 3 EXISTS\r\n* 1 RECENT\r\n');
    store.outside('INBOX').remove(1);
    expect(await b.settle()).toBe('* 1 EXPUNGE\r\n');
    b.send('Done\r\nn NOOP\r\n');
    expect(await b.settle()).toBe('i OK Idle completed.\r\nn OK NOOP completed.\r\n');
    await a.run('UID STORE 2 -FLAGS (\\Answered)');
    expect(await b.settle()).toBe('');
    b.send('j IDLE\r\nfoo\r\n');
    expect(await b.settle()).toBe('+ idling\r\n* 1 FETCH (FLAGS ())\r\nj BAD Expected DONE.\r\n');
  });

  it('ends when the mailbox is deleted under it', async () => {
    const store = memoryStore();
    await store.create('Box');
    const client = new UserClient({ store });
    await client.run('SELECT Box');
    await store.delete('Box');
    expect((await client.run('NOOP')).join()).toMatch(/^\* BYE /);
    expect(client.host.closed).toBe(true);
  });
});

describe('sleep and wake', () => {
  it('goes on in the middle of a session', async () => {
    const { a, b, store } = await pair();
    await a.run('STORE 1 +FLAGS (\\Flagged)');
    await b.run('ID ("name" "phone")');
    await b.sleepAndWake();
    expect(await b.run('FETCH 4 UID')).toEqual([
      '* 4 FETCH (UID 4)',
      '* 1 FETCH (FLAGS (\\Flagged))',
      'T OK Fetch completed.',
    ]);
    const sleeping = b.sleepAndWake();
    await sleeping;
    store.outside('INBOX').remove(2);
    await b.sleepAndWake();
    expect(await b.run('NOOP')).toEqual(['* 2 EXPUNGE', 'T OK NOOP completed.']);
    expect(await b.run('FETCH 1:* UID')).toEqual([
      '* 1 FETCH (UID 1)',
      '* 2 FETCH (UID 3)',
      '* 3 FETCH (UID 4)',
      'T OK Fetch completed.',
    ]);
  });

  it('keeps \\Recent and an IDLE, and tells what happened meanwhile', async () => {
    const store = memoryStore();
    store.seed('INBOX', [message, message]);
    const client = new UserClient({ store });
    await client.run('SELECT INBOX');
    client.send('i IDLE\r\n');
    await client.settle();
    const state = await client.session.suspend();
    expect(state).toEqual(JSON.parse(JSON.stringify(state)));
    expect(state?.idleTag).toBe('i');
    store.seed('INBOX', [message]);
    const other = new UserClient({ store });
    await other.run('SELECT INBOX');
    await other.run('STORE 1 +FLAGS (\\Deleted)');
    await other.run('EXPUNGE');
    if (state === undefined) throw new Error('not suspended');
    client.wake(state);
    expect(await client.settle()).toBe('* 1 EXPUNGE\r\n* 2 EXISTS\r\n* 1 RECENT\r\n');
    client.send('DONE\r\n');
    expect(await client.settle()).toBe('i OK Idle completed.\r\n');
    expect(await client.run('FETCH 1:2 FLAGS')).toEqual([
      '* 1 FETCH (FLAGS (\\Recent))',
      '* 2 FETCH (FLAGS ())',
      'T OK Fetch completed.',
    ]);
  });

  it('does not sleep within a command', async () => {
    const client = new UserClient();
    client.send('a LIST "" {3}\r\n');
    await client.settle();
    expect(await client.session.suspend()).toBeUndefined();
  });

  it('says goodbye when the mailbox is gone at waking', async () => {
    const store = memoryStore();
    await store.create('Box');
    const client = new UserClient({ store });
    await client.run('SELECT Box');
    const state = await client.session.suspend();
    await store.delete('Box');
    if (state === undefined) throw new Error('not suspended');
    client.wake(state);
    expect(await client.settle()).toMatch(/^\* BYE /);
  });
});

describe('time and ends', () => {
  it('says that it is still there, and leaves after inactivity', async () => {
    const clock = new ManualClock();
    const client = new UserClient({ clock });
    client.send('i IDLE\r\n');
    await client.settle();
    clock.advance(5 * 60_000);
    expect(await client.settle()).toBe('* OK Still here\r\n* OK Still here\r\n');
    client.session.timedOut();
    expect(client.host.take()).toBe('* BYE Disconnected for inactivity.\r\n');
    expect(client.host.closed).toBe(true);
  });

  it('logs the end as Dovecot does, once', async () => {
    const client = new UserClient();
    expect(await client.run('LOGOUT')).toEqual(['* BYE Logging out', 'T OK Logout completed.']);
    client.session.ended('closed');
    expect(client.logLines).toEqual([
      'info dovecot imap(alice)<42><s1>: Disconnected: Logged out in=11 out=285 deleted=0 expunged=0 trashed=0 hdr_count=0 hdr_bytes=0 body_count=0 body_bytes=0'.replace(
        /out=\d+/,
        client.logLines[0]?.match(/out=\d+/)?.[0] ?? '',
      ),
    ]);
    const other = new UserClient();
    other.session.ended('connection closed by peer');
    expect(other.logLines[0]).toContain('Disconnected: Connection closed (No commands sent) in=0 ');
  });

  it('finishes the command before it shuts down', async () => {
    const client = new UserClient();
    client.send('a NOOP\r\n');
    client.session.shutDown();
    expect(await client.settle()).toBe('a OK NOOP completed.\r\n* BYE Server shutting down.\r\n');
    expect(client.host.closed).toBe(true);
  });

  it('drops a half appended message when the client leaves', async () => {
    const store = memoryStore();
    const client = new UserClient({ store });
    client.send('a APPEND INBOX {100+}\r\nabc');
    await client.settle();
    client.session.ended('connection closed');
    await client.settle();
    expect((await store.status('INBOX')).messages).toBe(0);
  });
});

describe('load', () => {
  it('runs pipelined commands in order, and stops reading when too much waits', async () => {
    const store = memoryStore();
    const client = new UserClient({ store });
    let sent = '';
    for (let at = 0; at < 60; at++) sent += `p${at} LIST "" *\r\n`;
    client.send(sent);
    const text = await client.until((received) => received.includes('p59 OK'));
    expect(text.match(/^p\d+ OK/gm)?.map((tag) => Number(tag.slice(1, -3)))).toEqual(
      Array.from({ length: 60 }, (_, at) => at),
    );
    client.host.taking = false;
    client.send('x APPEND INBOX {10+}\r\n');
    client.send('n NOOP\r\n'.repeat(20_000));
    expect(client.host.paused).toBe(true);
    client.host.drain();
    await client.until(() => !client.host.paused);
  });

  it('waits for a client that does not read, and lets others in', async () => {
    const store = memoryStore();
    store.seed(
      'INBOX',
      Array.from({ length: 600 }, () => ({ content: `Subject: x\r\n\r\n${'line\r\n'.repeat(200)}` })),
    );
    const slow = new UserClient({ store });
    const other = new UserClient({ store });
    await slow.run('SELECT INBOX');
    slow.host.taking = false;
    slow.send('f FETCH 1:* BODY.PEEK[]\r\n');
    expect((await other.run('NOOP')).at(-1)).toBe('T OK NOOP completed.');
    const early = await slow.settle();
    expect(early.length).toBeLessThan(200_000);
    slow.host.drain();
    const text = early + (await slow.until((received) => received.includes('f OK')));
    expect(text.match(/FETCH \(BODY\[\] \{1214\}/g)).toHaveLength(600);
  });

  it('holds little of a response that asks for much', async () => {
    const store = memoryStore();
    store.seed('INBOX', [{ content: `Subject: x\r\n\r\n${'x'.repeat(60_000)}` }]);
    const client = new UserClient({ store });
    await client.run('SELECT INBOX');
    client.host.taking = false;
    const items = Array.from({ length: 60 }, (_, at) => `BODY.PEEK[]<${at}.50000>`).join(' ');
    client.send(`f FETCH 1 (${items})\r\n`);
    const early = await client.settle();
    expect(early.length).toBeLessThan(1_000_000);
    client.host.drain();
    const text = early + (await client.until((received) => received.includes('f OK')));
    expect(text.match(/BODY\[\]<\d+> \{50000\}/g)).toHaveLength(60);
  });

  it('streams what is large, and closes when the rest of it is gone', async () => {
    const store = memoryStore();
    const body = 'x'.repeat(300_000);
    store.seed('INBOX', [{ content: `Subject: x\r\n\r\n${body}` }]);
    const client = new UserClient({ store });
    await client.run('SELECT INBOX');
    expect(await client.run('FETCH 1 BODY.PEEK[TEXT]')).toEqual([
      `* 1 FETCH (BODY[TEXT] {300000}`,
      `${body})`,
      'T OK Fetch completed.',
    ]);
    const mailbox = await store.open('INBOX');
    const broken = new UserClient({
      store: {
        ...bind(store),
        open: async () =>
          new Proxy(mailbox, {
            get(target, key) {
              if (key !== 'message') {
                const value: unknown = Reflect.get(target, key, target);
                return typeof value === 'function' ? value.bind(target) : value;
              }
              return (uid: number) => {
                const handle = target.message(uid);
                return (
                  handle && {
                    uid,
                    guid: '',
                    storageName: '',
                    size: () => 300_014,
                    header: () => handle.header(),
                    stream: async function* () {
                      yield Buffer.from('abc');
                      throw new MailboxError('expunged', 'gone');
                    },
                  }
                );
              };
            },
          }),
      },
    });
    await broken.run('SELECT INBOX');
    broken.send('f FETCH 1 BODY.PEEK[]\r\n');
    await broken.settle();
    expect(broken.host.closed).toBe(true);
  });
});

function bind(store: ReturnType<typeof memoryStore>): ReturnType<typeof memoryStore> {
  return new Proxy(store, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
    ownKeys: () => ['list', 'status', 'close'],
    getOwnPropertyDescriptor: (target, key) => ({
      enumerable: true,
      configurable: true,
      value: Reflect.get(target, key) as unknown,
    }),
  });
}

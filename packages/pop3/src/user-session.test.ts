import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MailboxError, type MemoryStore, openMemoryStore, type SeedMessage } from '@postcote/mailbox';
import type { PopHandOff } from './ports.ts';
import { settle, talk, TestHost } from './testing/index.ts';
import { type PopUserOptions, PopUserSession } from './user-session.ts';

const HAND_OFF: PopHandOff = {
  protocol: 'pop3',
  sessionId: 'sid',
  remoteAddress: '192.0.2.1',
  remotePort: 1,
  localAddress: '192.0.2.9',
  localPort: 110,
  secured: true,
  mechanism: 'USER',
};

/** The messages Dovecot was asked about. */
const SEED: readonly SeedMessage[] = [
  { content: 'Subject: one\nFrom: a@b\n\nline1\n.dot\n..two\n\nline5\n', flags: ['\\Seen'] },
  { content: 'Subject: two\n\nno final newline' },
  { content: 'Subject: deleted\n\nx\n', flags: ['\\Deleted'] },
  { content: 'Subject: headeronly\n' },
];
const LOGGED_IN = '+OK Logged in.\r\n';

interface World {
  readonly host: TestHost;
  readonly store: MemoryStore;
  readonly session: PopUserSession;
  readonly log: string[];
}

async function makeWorld(
  options: Partial<PopUserOptions> & {
    readonly seed?: readonly SeedMessage[];
    readonly uidlFormat?: string;
  } = {},
): Promise<World> {
  const store = openMemoryStore({ firstUidValidity: 0x6b05fd33 });
  store.seed('INBOX', options.seed ?? SEED);
  return { store, ...(await login(store, options)) };
}

async function login(
  store: MemoryStore,
  options: Partial<PopUserOptions> & { readonly uidlFormat?: string } = {},
): Promise<Omit<World, 'store'>> {
  const host = new TestHost();
  const log: string[] = [];
  const session = new PopUserSession({
    host,
    store,
    handOff: HAND_OFF,
    settings: { uidlFormat: options.uidlFormat ?? '%08Xu%08Xv', noFlagUpdates: false },
    log: (_level, program, message) => log.push(`${program}: ${message}`),
    user: 'joe',
    pid: 42,
    ...options,
  });
  session.start();
  await settle();
  return { host, session, log };
}

// As Dovecot 2.3.19 answered on a Maildir with these four messages.
const dialogs: [name: string, sent: string, answered: string][] = [
  ['STAT', 'STAT\r\nSTAT x\r\n', '+OK 4 132\r\n+OK 4 132\r\n'],
  ['LIST', 'LIST\r\n', '+OK 4 messages:\r\n1 56\r\n2 32\r\n3 23\r\n4 21\r\n.\r\n'],
  ['LIST n', 'LIST 1\r\nLIST  2\r\n', '+OK 1 56\r\n+OK 2 32\r\n'],
  ['LIST 0', 'LIST 0\r\nLIST 5\r\n', "-ERR There's no message 0.\r\n-ERR There's no message 5.\r\n"],
  [
    'LIST x',
    'LIST x\r\nLIST -1\r\n',
    '-ERR Invalid message number: x\r\n-ERR Invalid message number: -1\r\n',
  ],
  ['LIST 1 2', 'LIST 1 2\r\n', '-ERR Noise after message number:  2\r\n'],
  [
    'a huge number',
    'LIST 99999999999999999999\r\n',
    '-ERR Message number too large: 99999999999999999999\r\n',
  ],
  [
    'UIDL',
    'UIDL\r\nUIDL 2\r\n',
    '+OK\r\n1 000000016b05fd33\r\n2 000000026b05fd33\r\n3 000000036b05fd33\r\n4 000000046b05fd33\r\n.\r\n+OK 2 000000026b05fd33\r\n',
  ],
  [
    'RETR',
    'RETR 1\r\n',
    '+OK 56 octets\r\nSubject: one\r\nFrom: a@b\r\n\r\nline1\r\n..dot\r\n...two\r\n\r\nline5\r\n.\r\n',
  ],
  [
    'RETR without final line end',
    'RETR 2\r\n',
    '+OK 32 octets\r\nSubject: two\r\n\r\nno final newline\r\n.\r\n',
  ],
  ['RETR of a header', 'RETR 4\r\n', '+OK 21 octets\r\nSubject: headeronly\r\n.\r\n'],
  [
    'RETR of nothing',
    'RETR\r\nRETR 9\r\n',
    "-ERR Invalid message number: \r\n-ERR There's no message 9.\r\n",
  ],
  ['TOP 0', 'TOP 1 0\r\n', '+OK\r\nSubject: one\r\nFrom: a@b\r\n\r\n.\r\n'],
  ['TOP 2', 'TOP 1 2\r\n', '+OK\r\nSubject: one\r\nFrom: a@b\r\n\r\nline1\r\n..dot\r\n.\r\n'],
  [
    'TOP of all',
    'TOP 1 99999999\r\n',
    '+OK\r\nSubject: one\r\nFrom: a@b\r\n\r\nline1\r\n..dot\r\n...two\r\n\r\nline5\r\n.\r\n',
  ],
  ['TOP of a header', 'TOP 4 1\r\n', '+OK\r\nSubject: headeronly\r\n.\r\n'],
  [
    'TOP without lines',
    'TOP 1\r\nTOP 1 \r\n',
    '-ERR Noise after message number: \r\n-ERR Invalid size: \r\n',
  ],
  ['TOP x', 'TOP x 1\r\nTOP 1 x\r\n', '-ERR Invalid message number: x 1\r\n-ERR Invalid size: x\r\n'],
  ['TOP 1 1 1', 'TOP 1 1 1\r\n', '-ERR Noise after size:  1\r\n'],
  [
    'DELE',
    'DELE 1\r\nDELE 1\r\nSTAT\r\nLIST\r\nRETR 1\r\nTOP 1 0\r\nUIDL 1\r\nRSET\r\nSTAT\r\n',
    '+OK Marked to be deleted.\r\n-ERR Message is deleted.\r\n+OK 3 76\r\n+OK 3 messages:\r\n2 32\r\n3 23\r\n4 21\r\n.\r\n' +
      '-ERR Message is deleted.\r\n-ERR Message is deleted.\r\n-ERR Message is deleted.\r\n+OK\r\n+OK 4 132\r\n',
  ],
  ['LAST', 'LAST\r\n', '-ERR Unknown command: LAST\r\n'],
  ['NOOP', 'noop\r\nNOOP x\r\n', '+OK\r\n+OK\r\n'],
  [
    'CAPA',
    'CAPA\r\n',
    '+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\nEXPIRE NEVER\r\nIMPLEMENTATION postcote\r\nUTF8 USER\r\nLANG\r\n.\r\n',
  ],
  [
    'LANG',
    'LANG\r\nLANG de\r\n',
    '+OK Language listing follows:\r\nen English\r\n.\r\n-ERR This server speaks English only.\r\n',
  ],
  [
    'commands from before login',
    'USER x\r\nPASS secret\r\nSTLS\r\n\r\n',
    '-ERR Unknown command: USER\r\n-ERR Unknown command: PASS\r\n-ERR Unknown command: STLS\r\n-ERR Unknown command.\r\n',
  ],
  ['QUIT', 'QUIT x\r\nSTAT\r\n', '+OK Logging out.\r\n'],
  [
    'QUIT after DELE',
    'DELE 2\r\nQUIT\r\n',
    '+OK Marked to be deleted.\r\n+OK Logging out, messages deleted.\r\n',
  ],
  [
    'too many bad commands',
    'FOO\r\n'.repeat(22),
    `${'-ERR Unknown command: FOO\r\n'.repeat(21)}-ERR Too many bad commands.\r\n`,
  ],
  ['a line too long', `NOOP ${'x'.repeat(9000)}\r\n`, '-ERR Input line too long.\r\n'],
];

describe('PopUserSession', () => {
  it.each(dialogs)('answers: %s', async (_name, sent, answered) => {
    for (const size of [Infinity, 1]) {
      const { host, session } = await makeWorld();
      expect(await talk(session, host, sent, size)).toBe(LOGGED_IN + answered);
    }
  });

  it('removes at QUIT what was marked, and nothing else', async () => {
    const { host, session, store, log } = await makeWorld();
    await talk(session, host, 'STAT\r\nRETR 1\r\nRETR 2\r\nTOP 3 0\r\nDELE 1\r\nDELE 3\r\nQUIT\r\n');
    const inbox = await store.open('INBOX');
    expect(inbox.records.map((r) => [r.uid, r.flags])).toEqual([
      [2, ['\\Seen']],
      [4, []],
    ]);
    expect(host.closed).toBe(true);
    expect(log).toEqual([
      'dovecot: pop3(joe)<42><sid>: Disconnected: Logged out top=1/25, retr=2/122, del=2/4, size=132',
    ]);
  });

  it('removes nothing without QUIT, but keeps what was read as read', async () => {
    const { host, session, store, log } = await makeWorld();
    await talk(session, host, 'DELE 1\r\nRETR 2\r\n');
    session.ended('connection closed by peer');
    await settle();
    const inbox = await store.open('INBOX');
    expect(inbox.records).toHaveLength(4);
    expect(inbox.records[1]?.flags).toEqual(['\\Seen']);
    expect(log[0]).toContain('Disconnected: Connection closed top=0/0, retr=1/49, del=0/4');
  });

  it('leaves \\Seen alone when told so', async () => {
    const settings = { uidlFormat: '%u', noFlagUpdates: true };
    const { host, session, store } = await makeWorld({ settings });
    await talk(session, host, 'RETR 2\r\nQUIT\r\n');
    expect((await store.open('INBOX')).records[1]?.flags).toEqual([]);
  });

  it('answers LAST where it is told to', async () => {
    const settings = { uidlFormat: '%u', noFlagUpdates: false, enableLast: true };
    const { host, session } = await makeWorld({ settings });
    expect(await talk(session, host, 'LAST\r\n')).toBe(`${LOGGED_IN}+OK 1\r\n`);
    await talk(session, host, 'RETR 3\r\nTOP 4 0\r\nRETR 2\r\n');
    expect(await talk(session, host, 'LAST\r\nRSET\r\nLAST\r\n')).toBe('+OK 3\r\n+OK\r\n+OK 0\r\n');
  });

  it('keeps its numbers when messages come and go', async () => {
    const { host, session, store } = await makeWorld();
    host.take();
    store.outside('INBOX').remove(1);
    store.outside('INBOX').deliver({ content: 'new\n' });
    await (await store.open('INBOX')).refresh();
    const answer = await talk(
      session,
      host,
      'STAT\r\nRETR 1\r\nTOP 1 0\r\nDELE 1\r\nRETR 3\r\nUIDL 4\r\nQUIT\r\n',
    );
    expect(answer.split('\r\n')[0]).toMatch(/^\+OK 4 /);
    expect(answer).toContain(
      '-ERR Message 1 expunged.\r\n-ERR Message 1 expunged.\r\n+OK Marked to be deleted.\r\n',
    );
    expect(answer).toContain('+OK 23 octets\r\nSubject: deleted\r\n');
    expect(answer).toContain('+OK 4 000000046b05fd33\r\n+OK Logging out, messages deleted.\r\n');
    expect((await store.open('INBOX')).records.map((r) => r.uid)).toEqual([2, 3, 4, 5]);
  });

  it('shows ids and order that Dovecot kept', async () => {
    const seed: SeedMessage[] = [
      { content: 'a\n' },
      { content: 'b\n', pop3Uidl: 'old-id', pop3Order: 2 },
      { content: 'c\n', pop3Order: 1 },
    ];
    const { host, session } = await makeWorld({ seed, uidlFormat: '%u' });
    host.take();
    expect(await talk(session, host, 'UIDL\r\n')).toBe('+OK\r\n1 3\r\n2 old-id\r\n3 1\r\n.\r\n');
  });

  it('says when the mailbox cannot be opened, and removes nothing when it cannot be changed', async () => {
    const store = openMemoryStore();
    store.seed('INBOX', SEED);
    store.failNext('open', new MailboxError('unavailable', 'EIO on /secret/path'));
    const failed = await login(store);
    expect(failed.host.take()).toBe(
      '-ERR [SYS/TEMP] Internal error occurred. Refer to server log for more information.\r\n',
    );
    expect(failed.log.join()).toContain('EIO on /secret/path');
    store.failNext('open', new MailboxError('inUse', 'dotlock'));
    const busy = await login(store);
    expect(busy.host.take()).toBe('-ERR [IN-USE] Mailbox is locked, try again later.\r\n');
    const { host, session } = await login(store);
    store.failNext('expunge', new MailboxError('unavailable', 'EIO'));
    expect(await talk(session, host, 'DELE 1\r\nQUIT\r\n')).toContain('deleted.\r\n-ERR [SYS/TEMP] Internal');
    expect((await store.open('INBOX')).records).toHaveLength(4);
  });

  it('lets one session at a time in where it is told to', async () => {
    let held = false;
    const lock = (): (() => void) | undefined => {
      if (held) return undefined;
      held = true;
      return () => void (held = false);
    };
    const first = await makeWorld({ lock });
    const second = await login(first.store, { lock });
    expect(second.host.take()).toBe('-ERR [IN-USE] Mailbox is locked by another POP3 session.\r\n');
    await talk(first.session, first.host, 'QUIT\r\n');
    const third = await login(first.store, { lock });
    expect(third.host.take()).toBe(LOGGED_IN);
  });

  it('waits for a slow reader, and holds little of the message meanwhile', async () => {
    const big = `Subject: big\n\n${'.0123456789\n'.repeat(60_000)}`;
    const { host, session } = await makeWorld({ seed: [{ content: big }] });
    host.take();
    host.stall = true;
    session.receive(Buffer.from('RETR 1\r\nNOOP\r\n'));
    let received = 0;
    let most = 0;
    for (let i = 0; i < 1000 && !host.written.toString('latin1', -8).endsWith('+OK\r\n'); i++) {
      await new Promise((resolve) => setImmediate(resolve));
      most = Math.max(most, host.waiting);
      received += host.written.length;
      if (host.written.subarray(-5).toString() !== '+OK\r\n') host.written = Buffer.alloc(0);
      host.drain();
    }
    expect(received).toBeGreaterThan(800_000);
    expect(most).toBeLessThan(200_000);
  });

  it('does not call a slow reader idle, but a silent one', async () => {
    const { host, session } = await makeWorld();
    expect(host.idleTimeout).toBe(600_000);
    host.take();
    session.timedOut();
    expect(host.take()).toBe('-ERR Disconnected for inactivity.\r\n');
    expect(host.closed).toBe(true);
  });

  it('finishes the command at hand when the server stops', async () => {
    const { host, session } = await makeWorld();
    host.take();
    session.receive(Buffer.from('LIST\r\nSTAT\r\n'));
    session.shutDown();
    await settle();
    const answer = host.take();
    expect(answer).toMatch(/^\+OK 4 messages:[^]*\.\r\n-ERR \[SYS\/TEMP\] Server shutting down.\r\n$/);
  });

  it('serves a few thousand messages', async () => {
    const seed = Array.from({ length: 2_000 }, () => ({ content: 'x\n' }));
    const { host, session } = await makeWorld({ seed });
    host.take();
    session.receive(Buffer.from('STAT\r\nLIST\r\nUIDL\r\n'));
    for (let i = 0; i < 500 && !host.written.subarray(-60).includes('2000 '); i++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    await settle();
    const answer = host.take();
    expect(answer).toMatch(/^\+OK 2000 6000\r\n/);
    expect(answer).toMatch(/\r\n2000 000007d06b05fd33\r\n\.\r\n$/);
  });

  it('survives any input', async () => {
    const pieces = fc.constantFrom(
      'RETR ',
      'TOP ',
      'DELE ',
      'LIST',
      'UIDL ',
      '1',
      '2',
      ' ',
      '99',
      '\r\n',
      '\n',
      '\0',
      '\xff',
      '-',
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(pieces, { maxLength: 30 }),
        fc.integer({ min: 1, max: 9 }),
        async (all, size) => {
          const { host, session } = await makeWorld();
          const answer = await talk(session, host, `${all.join('')}\r\nNOOP\r\n`, size);
          expect(answer.endsWith('+OK\r\n')).toBe(true);
          expect(answer).not.toMatch(/[^\r]\n|\0/);
        },
      ),
      { numRuns: 60 },
    );
  });
});

// As Dovecot 2.3.19 answered with these settings.
describe('settings for old clients', () => {
  const own = (id: string, text = 'x'): SeedMessage => ({
    content: `X-UIDL: ${id}\nSubject: s\n\n${text}\n`,
  });
  const seed = [own('same'), { content: 'Subject: c\n' }, { content: 'Subject: d\n\na\0b\n' }, own('same')];
  const start = (settings: Partial<PopUserOptions['settings']>): Promise<World> =>
    makeWorld({ seed, settings: { uidlFormat: '%u', noFlagUpdates: true, ...settings } });

  it('takes the ids that another server has given', async () => {
    const { session, host } = await start({ reuseXuidl: true });
    host.take();
    expect(await talk(session, host, 'UIDL\r\nUIDL 2\r\n')).toBe(
      '+OK\r\n1 same\r\n2 2\r\n3 3\r\n4 same\r\n.\r\n+OK 2 2\r\n',
    );
  });

  it('tells two messages of one id apart', async () => {
    const { session, host } = await start({ reuseXuidl: true, renameDuplicates: true });
    host.take();
    expect(await talk(session, host, 'UIDL 4\r\nUIDL 1\r\n')).toBe('+OK 4 same-2\r\n+OK 1 same\r\n');
  });

  it('keeps deleted messages under a flag, out of sight', async () => {
    const deletedFlag = 'POP3Deleted';
    const { session, store } = await start({ deletedFlag });
    session.receive(Buffer.from('DELE 1\r\nDELE 3\r\nQUIT\r\n'));
    await settle();
    const box = await store.open('INBOX');
    expect(box.records.map(({ uid, flags }) => [uid, flags.includes(deletedFlag)])).toEqual([
      [1, true],
      [2, false],
      [3, true],
      [4, false],
    ]);
    const again = await login(store, { settings: { uidlFormat: '%u', noFlagUpdates: true, deletedFlag } });
    again.host.take();
    expect(await talk(again.session, again.host, 'UIDL\r\n')).toBe('+OK\r\n1 2\r\n2 4\r\n.\r\n');
  });

  it('gives no NULs, and an empty line where a message is a header alone', async () => {
    const { session, host } = await start({ clientWorkarounds: ['outlook-no-nuls', 'oe-ns-eoh'] });
    host.take();
    expect(await talk(session, host, 'RETR 2\r\nTOP 2 0\r\nRETR 3\r\n')).toBe(
      '+OK 12 octets\r\nSubject: c\r\n\r\n.\r\n+OK\r\nSubject: c\r\n\r\n.\r\n' +
        '+OK 19 octets\r\nSubject: d\r\n\r\na\x80b\r\n.\r\n',
    );
  });
});

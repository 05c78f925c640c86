import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LoginRequest, LoginVerdict, TlsInfo } from '@postcote/wire';
import { DEFAULT_LOGIN_SETTINGS, PopLoginSession, type PopLoginSettings } from './login-session.ts';
import type { Attachment, PopHandOff, SaslStep } from './ports.ts';
import { settle, talk, TEST_PEER, TestHost } from './testing/index.ts';

const TLS: TlsInfo = { protocol: 'TLSv1.3', cipher: 'X', usedBits: 256, algorithmBits: 256 };

/** A stand-in for the auth package: base64 of `user:password`, after one challenge when not given. */
function startSasl(mechanism: string, initial?: string): SaslStep {
  if (mechanism !== 'PLAIN' && mechanism !== 'LOGIN') return { kind: 'unknownMechanism' };
  const read = (line: string): SaslStep => {
    if (line === '*') return { kind: 'cancelled' };
    if (!/^[A-Za-z0-9+/]*=*$/.test(line)) return { kind: 'malformed', reason: 'invalid base64' };
    const [user, password] = Buffer.from(line, 'base64').toString().split(':');
    if (user === undefined || password === undefined) return { kind: 'malformed', reason: 'too few fields' };
    return { kind: 'credentials', authzid: '', user, password };
  };
  return initial === undefined ? { kind: 'challenge', text: '', next: read } : read(initial);
}

interface World {
  readonly host: TestHost;
  readonly session: PopLoginSession;
  readonly requests: LoginRequest[];
  readonly handOffs: PopHandOff[];
  readonly attached: Buffer[];
  readonly log: string[];
  /** Time passes. */
  advance(ms: number): void;
}

interface WorldOptions {
  readonly settings?: Partial<PopLoginSettings>;
  readonly tls?: TlsInfo;
  readonly sameHost?: boolean;
  readonly verdict?: (request: LoginRequest) => Promise<LoginVerdict<Attachment>> | undefined;
}

function makeWorld(options: WorldOptions = {}): World {
  const host = new TestHost();
  const requests: LoginRequest[] = [];
  const handOffs: PopHandOff[] = [];
  const attached: Buffer[] = [];
  const log: string[] = [];
  let now = 0;
  const timers = new Set<{ readonly at: number; readonly callback: () => void }>();
  const session = new PopLoginSession({
    host,
    peer: options.sameHost ? { ...TEST_PEER, remoteAddress: TEST_PEER.localAddress } : TEST_PEER,
    tls: options.tls,
    settings: { ...DEFAULT_LOGIN_SETTINGS, ...options.settings },
    sasl: { mechanisms: ['PLAIN', 'LOGIN'], startSasl },
    login: (request, handOff) => {
      requests.push(request);
      handOffs.push(handOff);
      const made = options.verdict?.(request);
      if (made !== undefined) return made;
      return Promise.resolve(
        request.password === 'right'
          ? { kind: 'granted', user: request.user, workerPid: 7, attach: (rest) => void attached.push(rest) }
          : { kind: 'refused', message: 'wrong password' },
      );
    },
    clock: {
      now: () => now,
      after: (ms, callback) => {
        const timer = { at: now + ms, callback };
        timers.add(timer);
        return () => void timers.delete(timer);
      },
      turn: () => Promise.resolve(),
    },
    log: (_level, program, message) => log.push(`${program}: ${message}`),
    sessionId: 'sid',
  });
  session.start();
  const advance = (ms: number): void => {
    now += ms;
    for (const timer of timers) {
      if (timer.at > now) continue;
      timers.delete(timer);
      timer.callback();
    }
  };
  return { host, session, requests, handOffs, attached, log, advance };
}

const GREETING = '+OK Dovecot ready.\r\n';
const CAPA_END = 'EXPIRE NEVER\r\nIMPLEMENTATION postcote\r\nUTF8 USER\r\nLANG\r\n.\r\n';
const CAPA_START = '+OK\r\nCAPA\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nPIPELINING\r\nAUTH-RESP-CODE\r\n';
const REFUSED = '-ERR [AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.\r\n';
const b64 = (text: string): string => Buffer.from(text).toString('base64');

// Over TLS, unless `plain`; what follows the greeting.
const dialogs: [name: string, sent: string, answered: string, plain?: 'plain'][] = [
  ['CAPA over TLS', 'CAPA\r\n', `${CAPA_START}USER\r\nSASL PLAIN LOGIN\r\n${CAPA_END}`],
  ['CAPA without TLS', 'capa x\r\n', `${CAPA_START}STLS\r\nSASL\r\n${CAPA_END}`, 'plain'],
  [
    'LANG',
    'LANG\r\nLANG en-GB\r\nLANG *\r\n',
    '+OK Language listing follows:\r\nen English\r\n.\r\n+OK en English it is.\r\n+OK en English it is.\r\n',
  ],
  ['LANG of others', 'LANG de\r\n', '-ERR This server speaks English only.\r\n'],
  ['UTF8', 'UTF8\r\nUTF8 x\r\n', '+OK UTF8 enabled.\r\n-ERR UTF8 takes no arguments.\r\n'],
  ['no password without TLS', 'USER u\r\nPASS p\r\n', REFUSED + REFUSED, 'plain'],
  ['no AUTH without TLS', 'AUTH PLAIN\r\n', '-ERR [AUTH] Plaintext authentication disabled.\r\n', 'plain'],
  ['no mechanisms without TLS', 'AUTH\r\n', '+OK\r\n.\r\n', 'plain'],
  ['mechanisms', 'AUTH\r\n', '+OK\r\nPLAIN\r\nLOGIN\r\n.\r\n'],
  ['unknown mechanism', 'AUTH FOO\r\n', '-ERR [AUTH] Unsupported authentication mechanism.\r\n'],
  ['PASS first', 'PASS x\r\n', '-ERR No username given.\r\n'],
  ['USER twice', 'USER a\r\nUSER b\r\n', '+OK\r\n+OK\r\n'],
  ['wrong password', 'USER a\r\nPASS b\r\n', '+OK\r\n-ERR [AUTH] Authentication failed.\r\n'],
  ['cancelled', 'AUTH PLAIN\r\n*\r\n', '+ \r\n-ERR Authentication aborted by client.\r\n'],
  ['bad base64', 'AUTH PLAIN\r\n!!\r\n', '+ \r\n-ERR [AUTH] Invalid base64 in response\r\n'],
  ['bad initial', 'AUTH PLAIN a b\r\n', '-ERR [AUTH] Invalid base64 data in initial response\r\n'],
  ['bad message', 'AUTH PLAIN YQ==\r\n', '-ERR [AUTH] Authentication failed.\r\n'],
  ['APOP', 'APOP a b\r\n', '-ERR APOP not enabled.\r\n'],
  ['TLS in TLS', 'STLS\r\n', '-ERR TLS is already active.\r\n'],
  ['LF alone', 'USER a\nPASS b\n', '+OK\r\n-ERR [AUTH] Authentication failed.\r\n'],
  ['transaction commands', 'STAT\r\nNOOP\r\n', '-ERR Unknown command.\r\n-ERR Unknown command.\r\n'],
  ['QUIT', 'quit\r\nCAPA\r\n', '+OK Logging out\r\n'],
  [
    'three bad commands',
    'FOO\r\n\r\nNOOP\r\nCAPA\r\n',
    '-ERR Unknown command.\r\n-ERR Unknown command.\r\n-ERR Unknown command.\r\n-ERR Too many invalid bad commands.\r\n',
  ],
  ['a line without end', 'A'.repeat(9000), '-ERR Input buffer full, aborting\r\n'],
];

describe('PopLoginSession', () => {
  it.each(dialogs)('answers: %s', async (_name, sent, answered, plain) => {
    for (const size of [Infinity, 1]) {
      const { host, session } = makeWorld(plain ? {} : { tls: TLS });
      expect(await talk(session, host, sent, size)).toBe(GREETING + answered);
    }
  });

  it('gives the connection away with what was pipelined', async () => {
    const world = makeWorld({ tls: TLS });
    await talk(world.session, world.host, 'USER joe\r\nPASS right\r\nSTAT\r\nQU');
    expect(world.attached.map(String)).toEqual(['STAT\r\nQU']);
    expect(world.requests).toEqual([
      expect.objectContaining({
        service: 'pop3',
        mechanism: 'USER',
        user: 'joe',
        password: 'right',
        secured: true,
      }),
    ]);
    expect(JSON.parse(JSON.stringify(world.handOffs[0]))).toEqual({
      protocol: 'pop3',
      sessionId: 'sid',
      remoteAddress: '192.0.2.1',
      remotePort: 40_000,
      localAddress: '192.0.2.9',
      localPort: 110,
      secured: true,
      mechanism: 'USER',
    });
    expect(world.log).toEqual([
      'dovecot: pop3-login: Login: user=<joe>, method=PLAIN, rip=192.0.2.1, lip=192.0.2.9, mpid=7, TLS, session=<sid>',
    ]);
    // Inert from then on.
    expect(await talk(world.session, world.host, 'CAPA\r\n')).toBe('');
    world.session.shutDown();
    world.session.ended('connection closed');
    expect(world.log).toHaveLength(1);
  });

  it.each(['PLAIN', 'LOGIN'])('logs in with AUTH %s', async (mechanism) => {
    const world = makeWorld({ tls: TLS });
    expect(await talk(world.session, world.host, `AUTH ${mechanism}\r\n`)).toBe(`${GREETING}+ \r\n`);
    await talk(world.session, world.host, `${b64('joe:right')}\r\n`);
    expect(world.attached).toHaveLength(1);
    expect(world.log[0]).toContain(`user=<joe>, method=${mechanism}, `);
  });

  it('takes passwords from the machine itself without TLS', async () => {
    const world = makeWorld({ sameHost: true });
    await talk(world.session, world.host, `AUTH PLAIN ${b64('joe:right')}\r\n`);
    expect(world.attached).toHaveLength(1);
    expect(world.log[0]).toContain(', secured, session=<sid>');
  });

  it('forgets all that came before TLS, injected commands included', async () => {
    const world = makeWorld({ settings: { disablePlaintextAuth: false } });
    const before = await talk(world.session, world.host, 'USER joe\r\nSTLS\r\nUSER eve\r\nPASS right\r\n');
    expect(before).toBe(`${GREETING}+OK\r\n+OK Begin TLS negotiation now.\r\n`);
    expect(world.host.tlsStarted).toBe(true);
    expect(await talk(world.session, world.host, 'USER eve\r\n')).toBe('');
    world.session.secured(TLS);
    expect(await talk(world.session, world.host, 'PASS right\r\nSTLS\r\n')).toBe(
      '-ERR No username given.\r\n-ERR TLS is already active.\r\n',
    );
    expect(world.requests).toEqual([]);
  });

  it('says that a check failed for reasons of its own', async () => {
    const world = makeWorld({ tls: TLS, verdict: () => Promise.reject(new Error('no socket')) });
    expect(await talk(world.session, world.host, 'USER a\r\nPASS b\r\n')).toBe(
      `${GREETING}+OK\r\n-ERR [SYS/TEMP] Temporary authentication failure.\r\n`,
    );
    expect(world.log).toEqual(['dovecot: pop3-login: Error: user=<a>: no socket']);
  });

  it('logs a failed attempt as Dovecot does, and no password', async () => {
    const world = makeWorld({ tls: TLS });
    await talk(world.session, world.host, 'USER joe\r\nPASS secret\r\n');
    world.advance(2000);
    world.session.ended('connection closed by peer');
    expect(world.log).toEqual([
      'dovecot: pop3-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): user=<joe>, method=PLAIN, rip=192.0.2.1, lip=192.0.2.9, TLS, session=<sid>',
    ]);
  });

  it('ends when nobody logs in, but not while a password is checked', async () => {
    const world = makeWorld({ tls: TLS });
    world.advance(179_000);
    expect(world.host.closed).toBe(false);
    world.advance(1000);
    expect(world.host.closed).toBe(true);
    expect(world.host.take()).toBe(`${GREETING}-ERR Disconnected for inactivity.\r\n`);
    const asking = makeWorld({ tls: TLS, verdict: () => new Promise(() => {}) });
    await talk(asking.session, asking.host, 'USER a\r\nPASS b\r\n');
    asking.advance(500_000);
    expect(asking.host.closed).toBe(false);
  });

  it('reads no more than it must while a password is checked', async () => {
    const world = makeWorld({ tls: TLS, verdict: () => new Promise(() => {}) });
    await talk(world.session, world.host, 'USER a\r\nPASS b\r\n');
    await talk(world.session, world.host, 'NOOP\r\n'.repeat(4000));
    expect(world.host.paused).toBe(true);
  });

  it('does not attach a client that went away', async () => {
    let grant: (verdict: LoginVerdict<Attachment>) => void = () => {};
    const world = makeWorld({ tls: TLS, verdict: () => new Promise((resolve) => (grant = resolve)) });
    await talk(world.session, world.host, 'USER a\r\nPASS b\r\n');
    world.session.ended('connection closed');
    let attached = false;
    grant({ kind: 'granted', user: 'a', attach: () => (attached = true) });
    await settle();
    expect(attached).toBe(false);
  });

  it('says goodbye when the server stops', async () => {
    const world = makeWorld({ tls: TLS });
    world.session.shutDown();
    expect(world.host.take()).toBe(`${GREETING}-ERR [SYS/TEMP] Server shutting down.\r\n`);
    expect(world.host.closed).toBe(true);
  });

  it('survives any input, and answers in whole lines', async () => {
    const pieces = fc.constantFrom(
      'USER ',
      'PASS ',
      'AUTH ',
      'PLAIN',
      '\r\n',
      '\n',
      '\0',
      '\xff',
      'CAPA',
      'STLS',
      ' ',
      '=',
      'x',
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(pieces, { maxLength: 30 }),
        fc.integer({ min: 1, max: 9 }),
        async (all, size) => {
          const { host, session } = makeWorld({ tls: TLS });
          const answer = await talk(session, host, all.join(''), size);
          expect(answer).toMatch(/^((\+OK|-ERR|\+|[A-Z]+|\.)[^\r\n\0]*\r\n)*$/);
        },
      ),
      { numRuns: 60 },
    );
  });
});

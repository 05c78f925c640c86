import type { LoginRequest, LoginVerdict, TlsInfo } from '@postcote/wire';
import { describe, expect, it } from 'vitest';
import type { ImapAttachment, ImapHandOff } from '../ports.ts';
import { FakeHost, ManualClock, plainSasl } from '../testing/index.ts';
import { DEFAULT_LOGIN_SETTINGS, ImapLoginSession, type ImapLoginSettings } from './login-session.ts';

const TLS: TlsInfo = {
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  usedBits: 256,
  algorithmBits: 256,
};

class Front {
  readonly host = new FakeHost();
  readonly clock = new ManualClock();
  readonly log: string[] = [];
  readonly asked: { request: LoginRequest; handOff: ImapHandOff }[] = [];
  attached: string | undefined;
  readonly session: ImapLoginSession;
  #settle: ((verdict: LoginVerdict<ImapAttachment>) => void) | undefined;

  constructor(
    options: {
      readonly remote?: string;
      readonly tls?: TlsInfo;
      readonly settings?: Partial<ImapLoginSettings>;
    } = {},
  ) {
    this.session = new ImapLoginSession({
      host: this.host,
      peer: {
        remoteAddress: options.remote ?? '192.0.2.1',
        remotePort: 5,
        localAddress: '192.0.2.2',
        localPort: 143,
      },
      tls: options.tls,
      settings: { ...DEFAULT_LOGIN_SETTINGS, ...options.settings },
      sasl: plainSasl,
      clock: this.clock,
      sessionId: 'abc',
      log: (level, program, message) => this.log.push(`${level} ${program} ${message}`),
      login: (request, handOff) => {
        this.asked.push({ request, handOff });
        return new Promise((resolve) => {
          this.#settle = resolve;
        });
      },
    });
    this.session.start();
  }

  send(text: string, chunk = Infinity): string {
    const bytes = Buffer.from(text, 'latin1');
    for (let at = 0; at < bytes.length; at += chunk)
      this.session.receive(bytes.subarray(at, Math.min(bytes.length, at + chunk)));
    return this.host.take();
  }

  async answer(verdict: 'granted' | 'refused' | 'unavailable'): Promise<string> {
    const granted = {
      kind: 'granted',
      user: 'alice',
      workerPid: 99,
      attach: (rest: Buffer) => {
        this.attached = rest.toString();
      },
    } as const;
    this.#settle?.(verdict === 'granted' ? granted : { kind: verdict, message: 'why' });
    await new Promise((resolve) => setImmediate(resolve));
    return this.host.take();
  }
}

const secure = (settings: Partial<ImapLoginSettings> = {}): Front => {
  const front = new Front({ tls: TLS, settings });
  front.host.take();
  return front;
};

describe('ImapLoginSession', () => {
  it('announces what is possible now', () => {
    expect(new Front().host.take()).toBe(
      '* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ STARTTLS LOGINDISABLED] Dovecot ready.\r\n',
    );
    expect(new Front({ tls: TLS }).host.take()).toBe(
      '* OK [CAPABILITY IMAP4rev1 SASL-IR LOGIN-REFERRALS ID ENABLE IDLE LITERAL+ AUTH=PLAIN AUTH=LOGIN] Dovecot ready.\r\n',
    );
    // From this machine itself passwords may come in the clear.
    expect(new Front({ remote: '192.0.2.2' }).host.take()).toContain('STARTTLS AUTH=PLAIN AUTH=LOGIN]');
    expect(new Front({ settings: { disablePlaintextAuth: false } }).host.take()).toContain(
      'STARTTLS AUTH=PLAIN',
    );
  });

  it.each([1, 2, Infinity])('takes every form of login, in chunks of %s', async (chunk) => {
    const forms: [string, 'PLAIN' | 'LOGIN'][] = [
      ['a LOGIN alice secret\r\n', 'PLAIN'],
      ['a login "al\\ice" "secret"\r\n', 'PLAIN'],
      ['a LOGIN {5+}\r\nalice {6+}\r\nsecret\r\n', 'PLAIN'],
      ['a LOGIN {5}\r\nalice {6}\r\nsecret\r\n', 'PLAIN'],
      ['a AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==\r\n', 'PLAIN'],
      ['a authenticate plain\r\nAGFsaWNlAHNlY3JldA==\r\n', 'PLAIN'],
      ['a AUTHENTICATE LOGIN\r\nYWxpY2U=\r\nc2VjcmV0\r\n', 'LOGIN'],
    ];
    for (const [text, mechanism] of forms) {
      const front = secure();
      front.send(`i ID ("name" "test")\r\n`, chunk);
      front.send(`${text}b NOOP\r\n`, chunk);
      expect(front.asked.map(({ request }) => [request.user, request.password, request.mechanism])).toEqual([
        ['alice', 'secret', mechanism],
      ]);
      expect(front.asked[0]?.handOff).toMatchObject({
        tag: 'a',
        clientId: { name: 'test' },
        secured: true,
        sessionId: 'abc',
      });
      expect(await front.answer('granted')).toBe('');
      expect(front.attached).toBe('b NOOP\r\n');
      expect(front.send('c NOOP\r\n')).toBe('');
      expect(front.log).toEqual([
        `info dovecot imap-login: Login: user=<alice>, method=${mechanism}, rip=192.0.2.1, lip=192.0.2.2, mpid=99, TLS, session=<abc>`,
      ]);
      front.session.ended('connection closed');
      expect(front.log).toHaveLength(1);
    }
  });

  it('refuses, and says no more than that', async () => {
    const front = secure();
    front.send('a LOGIN alice wrong\r\nb NOOP\r\n');
    expect(await front.answer('refused')).toBe(
      'a NO [AUTHENTICATIONFAILED] Authentication failed.\r\nb OK NOOP completed.\r\n',
    );
    front.send('c AUTHENTICATE PLAIN\r\n');
    front.send('AGFsaWNlAHNlY3JldA==\r\n');
    expect(await front.answer('unavailable')).toBe(
      'c NO [UNAVAILABLE] Temporary authentication failure.\r\n',
    );
    front.clock.advance(2000);
    front.session.ended('connection closed by peer');
    expect(front.log.at(-1)).toBe(
      'info dovecot imap-login: Disconnected: Connection closed (auth failed, 2 attempts in 2 secs): user=<alice>, method=PLAIN, rip=192.0.2.1, lip=192.0.2.2, TLS, session=<abc>',
    );
    expect(front.log.join()).not.toContain('wrong');
  });

  it('takes no password in the clear', () => {
    const front = new Front();
    front.host.take();
    for (const command of ['LOGIN alice secret', 'AUTHENTICATE PLAIN AGFsaWNlAHNlY3JldA==']) {
      expect(front.send(`a ${command}\r\n`)).toMatch(
        /^\* BAD \[ALERT\] .*\r\na NO \[PRIVACYREQUIRED\] .*\r\n$/,
      );
    }
    expect(front.asked).toEqual([]);
    front.session.ended('connection closed');
    expect(front.log.at(-1)).toContain('(tried to use disallowed plaintext auth): user=<>, rip=');
  });

  it('discards everything at STARTTLS', () => {
    const front = new Front();
    front.host.take();
    front.send('i ID ("name" "evil")\r\n');
    expect(front.send('a STARTTLS\r\nb LOGIN mallory x\r\nc NOOP\r\n')).toBe(
      'a OK Begin TLS negotiation now.\r\n',
    );
    expect(front.host.tlsStarted).toBe(1);
    expect(front.send('d NOOP\r\n')).toBe('');
    front.session.secured(TLS);
    expect(front.send('e CAPABILITY\r\n')).toContain('LITERAL+ AUTH=PLAIN AUTH=LOGIN\r\n');
    expect(front.send('f STARTTLS\r\n')).toBe('f BAD TLS is already active.\r\n');
    front.send('g LOGIN alice secret\r\n');
    expect(front.asked[0]?.handOff.clientId).toEqual({});
  });

  it('cancels and refuses SASL exchanges', () => {
    const front = secure();
    expect(front.send('a AUTHENTICATE PLAIN\r\n*\r\n')).toBe(
      '+ \r\na BAD Authentication aborted by client.\r\n',
    );
    expect(front.send('b AUTHENTICATE PLAIN !!!\r\n')).toBe(
      'b BAD Invalid base64 data in initial response\r\n',
    );
    expect(front.send('c AUTHENTICATE PLAIN\r\n###\r\n')).toBe(
      '+ \r\nc BAD Invalid base64 data in continued response\r\n',
    );
    expect(front.send('d AUTHENTICATE PLAIN AGFsaWNl\r\n')).toBe(
      'd NO [AUTHENTICATIONFAILED] Authentication failed.\r\n',
    );
    expect(front.send('e AUTHENTICATE CRAM-MD5\r\n')).toBe(
      'e NO [ALERT] Unsupported authentication mechanism.\r\n',
    );
    expect(front.send(`f AUTHENTICATE PLAIN\r\n${'A'.repeat(40_000)}\r\n`)).toBe(
      '+ \r\nf BAD Authentication response too long\r\n',
    );
    expect(front.send('g NOOP\r\n')).toBe('g OK NOOP completed.\r\n');
    expect(front.asked).toEqual([]);
  });

  it('ends with the third bad command', () => {
    const front = secure();
    expect(front.send('a SELECT INBOX\r\nb NOOP\r\nc LOGIN "x\r\nd LOGIN x\r\n* e\r\nf NOOP\r\n')).toBe(
      "a BAD Error in IMAP command received by server.\r\nb OK NOOP completed.\r\nc BAD Missing '\"'\r\n" +
        'd BAD Error in IMAP command received by server.\r\n* BYE Too many invalid IMAP commands.\r\n',
    );
    expect(front.host.closed).toBe(true);
    expect(front.log.at(-1)).toContain(
      'Disconnected: Too many invalid commands (no auth attempts in 0 secs): user=<>',
    );
  });

  it('bounds what it keeps', () => {
    const front = secure({ maxBadCommands: 20 });
    expect(front.send('a LOGIN {2000}\r\n')).toBe('a BAD Error in IMAP command received by server.\r\n');
    expect(front.send(`b LOGIN {2000+}\r\n${'c LOGOUT\r\n'.repeat(200)}\r\n`)).toBe(
      'b BAD Error in IMAP command received by server.\r\n',
    );
    expect(front.send('d NOOP\r\n')).toBe('d OK NOOP completed.\r\n');
    expect(front.send(`e ID ${'('.repeat(100)}\r\n`)).toBe(
      'e BAD Error in IMAP command received by server.\r\n',
    );
    front.send('f NOOP\r\ng LOGIN alice secret\r\n');
    front.send('x'.repeat(40_000));
    expect(front.host.paused).toBe(true);
  });

  it('ends by its own clock, and at shutdown', () => {
    const front = secure();
    front.clock.advance(180_001);
    expect(front.host.take()).toBe('* BYE Disconnected for inactivity.\r\n');
    expect(front.host.closed).toBe(true);
    const other = secure();
    other.session.shutDown();
    expect(other.host.take()).toBe('* BYE Server shutting down.\r\n');
    const third = secure();
    expect(third.send('a LOGOUT\r\nb NOOP\r\n')).toBe('* BYE Logging out\r\na OK Logout completed.\r\n');
    expect(third.log.at(-1)).toContain(
      'Disconnected: Aborted login by logging out (no auth attempts in 0 secs): user=<>',
    );
  });

  it('gives nothing away when the client left while its password was checked', async () => {
    const front = secure();
    front.send('a LOGIN alice secret\r\n');
    front.session.ended('connection closed');
    await front.answer('granted');
    expect(front.attached).toBeUndefined();
    expect(front.log).toHaveLength(1);
  });
});

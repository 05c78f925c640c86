// Dialogs of the sending side with a scripted server, whole and byte by byte.

import { describe, expect, it } from 'vitest';
import { defaultClientSettings, type ClientSettings, type TlsLevel } from './client-settings.ts';
import type { OutboundMessage } from './message.ts';
import { SendError } from './outcome.ts';
import { type ClientHost, ClientSession, type ClientTls, type SessionOptions } from './session.ts';

const POLICY = {
  match: [],
  serverName: '',
  wish: { protocols: '', ciphers: '', exclude: '' },
  anchorFiles: [],
};

const TLS: ClientTls = {
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  usedBits: 256,
  algorithmBits: 256,
  trusted: false,
  verified: false,
};

/** What the server says: before anything, then after each piece the client wrote. */
type Script = readonly string[];

class ScriptedHost implements ClientHost {
  session: ClientSession | undefined;
  written = '';
  closed = false;
  tls: ClientTls | string = TLS;
  readonly #script: string[];
  readonly #oneByOne: boolean;

  constructor(script: Script, oneByOne: boolean) {
    this.#script = [...script];
    this.#oneByOne = oneByOne;
  }

  write(bytes: string | Uint8Array): boolean {
    this.written += Buffer.from(bytes as string).toString('latin1');
    // A message's body is answered after its dot only.
    if (this.written.endsWith('\r\n')) setImmediate(() => this.speak());
    return true;
  }
  speak(): void {
    const next = this.#script.shift();
    if (next === undefined || this.closed) return;
    if (next === 'LOST') return this.session?.ended();
    if (next === 'SILENT') return this.session?.timedOut();
    const octets = Buffer.from(next.replaceAll('\n', '\r\n'), 'utf8');
    if (!this.#oneByOne) this.session?.receive(octets);
    else for (const octet of octets) this.session?.receive(Buffer.of(octet));
  }
  drained = async (): Promise<void> => {};
  startTls = async (): Promise<ClientTls | string> => this.tls;
  close(): void {
    this.closed = true;
  }
  setTimeout(): void {}
}

function message(
  given: Partial<OutboundMessage> = {},
  octets = 'Subject: s\r\n\r\n.dot\r\n',
): OutboundMessage {
  return {
    queueId: '4A',
    sender: 'a@example.org',
    recipients: [
      { index: 0, address: 'b@example.net' },
      { index: 1, address: 'c@example.net' },
    ],
    size: octets.length,
    smtpUtf8: false,
    open: async () => ({ size: octets.length, chunks: () => [Buffer.from(octets, 'latin1')] }),
    ...given,
  };
}

interface Setup {
  readonly settings?: Partial<ClientSettings>;
  readonly options?: Partial<SessionOptions>;
  readonly tls?: ClientTls | string;
  readonly message?: OutboundMessage;
  readonly oneByOne?: boolean;
}

async function converse(script: Script, setup: Setup = {}) {
  const host = new ScriptedHost(script, setup.oneByOne ?? false);
  if (setup.tls !== undefined) host.tls = setup.tls;
  const notes: string[] = [];
  const session = new ClientSession(host, {
    settings: { ...defaultClientSettings('me.example.org'), ...setup.settings },
    policy: { ...POLICY, level: 'none' },
    hostName: 'mx.example.net[192.0.2.1]',
    detectLoops: true,
    domain: 'example.net',
    note: (text) => notes.push(text),
    ...setup.options,
  });
  host.session = session;
  host.speak();
  try {
    await session.begin();
    const results = await session.send(setup.message ?? message());
    const shown = results.map(({ index, status, dsn, text }) => `${index} ${status} ${dsn} ${text}`);
    return { host, session, notes, shown, failure: undefined };
  } catch (error) {
    if (!(error instanceof SendError)) throw error;
    return { host, session, notes, shown: [], failure: error.failure };
  }
}

const GREETING = '220 mx ESMTP\n';
const PLAIN = '250 mx\n';
const PIPELINING = '250-mx\n250-PIPELINING\n250-SIZE 1000\n250-8BITMIME\n250 DSN\n';
const HOST = 'mx.example.net[192.0.2.1]';

describe.each([false, true])('a session (byte by byte: %s)', (oneByOne) => {
  it('sends one command after the other without PIPELINING', async () => {
    const { shown, host, session } = await converse(
      [
        GREETING,
        PLAIN,
        '250 ok\n',
        '250 ok\n',
        '550-5.1.1 No such\n550 5.1.1 user\n',
        '354 go\n',
        '250 2.0.0 taken\n',
      ],
      { oneByOne },
    );
    expect(host.written).toBe(
      'EHLO me.example.org\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<c@example.net>\r\nDATA\r\n' +
        'Subject: s\r\n\r\n..dot\r\n.\r\n',
    );
    expect(shown).toEqual([
      `1 bounced 5.1.1 host ${HOST} said: 550 5.1.1 No such 5.1.1 user (in reply to RCPT TO command)`,
      '0 sent 2.0.0 250 2.0.0 taken',
    ]);
    expect(session.usable).toBe(true);
  });

  it('does not use a session again whose server says that it closes, also after the last word about a message', async () => {
    const replies = [GREETING, PLAIN, '250 ok\n', '250 ok\n', '250 ok\n', '354 go\n'];
    const { shown, session } = await converse([...replies, '421 4.3.2 closing\n'], { oneByOne });
    expect(shown).toEqual([
      expect.stringMatching(/^0 deferred 4\.3\.2 /),
      expect.stringMatching(/^1 deferred 4\.3\.2 /),
    ]);
    expect(session.usable).toBe(false);
  });

  it('groups commands with PIPELINING, and passes DSN, SIZE and BODY on', async () => {
    const { shown, host } = await converse(
      [GREETING, PIPELINING, '250 ok\n250 ok\n250 ok\n354 go\n', '250 taken\n'],
      {
        oneByOne,
        message: message({
          bodyType: '8BITMIME',
          ret: 'HDRS',
          envelopeId: 'a+b c',
          recipients: [
            {
              index: 0,
              address: 'b@example.net',
              notify: ['SUCCESS', 'FAILURE'],
              originalRecipient: 'rfc822;x',
            },
            { index: 1, address: 'c@example.net' },
          ],
        }),
      },
    );
    expect(host.written).toContain(
      'MAIL FROM:<a@example.org> SIZE=20 BODY=8BITMIME RET=HDRS ENVID=a+2Bb+20c\r\n' +
        'RCPT TO:<b@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;x\r\nRCPT TO:<c@example.net>\r\nDATA\r\n',
    );
    expect(shown).toEqual(['0 sent 2.0.0 250 taken', '1 sent 2.0.0 250 taken']);
  });

  it('sends nothing but an empty message when a pipelined DATA was granted for nobody', async () => {
    const { shown, host } = await converse(
      [GREETING, PIPELINING, '250 ok\n450 4.2.0 later\n551 no\n354 go\n', '554 none\n', '250 reset\n'],
      { oneByOne },
    );
    expect(host.written.endsWith('DATA\r\n.\r\nRSET\r\n')).toBe(true);
    expect(shown.map((text) => text.slice(0, 15))).toEqual(['0 deferred 4.2.', '1 bounced 5.0.0']);
  });

  it('takes one reply for each recipient in LMTP', async () => {
    const { shown, host } = await converse(
      [GREETING, PIPELINING, '250 ok\n250 ok\n250 ok\n354 go\n', '250 2.0.0 saved\n452 4.2.2 full\n'],
      { oneByOne, settings: { protocol: 'lmtp' } },
    );
    expect(host.written).toMatch(/^LHLO me\.example\.org\r\n/);
    expect(shown).toEqual([
      '0 sent 2.0.0 250 2.0.0 saved',
      `1 deferred 4.2.2 host ${HOST} said: 452 4.2.2 full (in reply to end of DATA command)`,
    ]);
  });
});

describe('what fails', () => {
  const OK = '250 ok\n';
  it.each<[string, Script, string]>([
    ['no greeting', ['LOST'], `lost connection with ${HOST} while receiving the initial server greeting`],
    [
      'a silent host',
      ['SILENT'],
      `conversation with ${HOST} timed out while receiving the initial server greeting`,
    ],
    ['a refusing host', ['554 go away\n'], `host ${HOST} refused to talk to me: 554 go away`],
    [
      'a drop at EHLO',
      [GREETING, 'LOST'],
      `lost connection with ${HOST} while performing the EHLO handshake`,
    ],
    ['a drop at MAIL', [GREETING, PLAIN, 'LOST'], `lost connection with ${HOST} while sending MAIL FROM`],
    ['a drop at RCPT', [GREETING, PLAIN, OK, 'LOST'], `lost connection with ${HOST} while sending RCPT TO`],
    [
      'a drop at DATA',
      [GREETING, PLAIN, OK, OK, OK, 'LOST'],
      `lost connection with ${HOST} while sending DATA command`,
    ],
    [
      'a drop after the dot',
      [GREETING, PLAIN, OK, OK, OK, '354 go\n', 'LOST'],
      `lost connection with ${HOST} while sending end of data -- message may be sent more than once`,
    ],
    [
      'nonsense',
      [GREETING, 'hello\n'],
      `host ${HOST} gave a malformed reply while performing the EHLO handshake: hello`,
    ],
    ['our own name', [GREETING, '250 Me.example.org\n'], 'mail for example.net loops back to myself'],
  ])('%s', async (_name, script, text) => {
    const { failure, session } = await converse(script);
    expect(failure?.text).toBe(text);
    expect(failure?.permanent).toBe(text.endsWith('myself'));
    if (script.includes('LOST')) expect(session.usable).toBe(false);
  });

  it.each<[string, Script, string]>([
    ['MAIL', [GREETING, PLAIN, '451 4.3.0 no\n', OK], 'deferred 4.3.0 (in reply to MAIL FROM command)'],
    ['MAIL for good', [GREETING, PLAIN, '550 no\n', OK], 'bounced 5.0.0 (in reply to MAIL FROM command)'],
    ['DATA', [GREETING, PLAIN, OK, OK, OK, '451 no\n', OK], 'deferred 4.0.0 (in reply to DATA command)'],
    [
      'the message',
      [GREETING, PLAIN, OK, OK, OK, '354 go\n', '554 5.7.1 spam\n'],
      'bounced 5.7.1 (in reply to end of DATA command)',
    ],
    [
      'its size',
      [GREETING, '250-mx\n250 SIZE 10\n'],
      `bounced 5.3.4 message size 20 exceeds size limit 10 of server ${HOST}`,
    ],
  ])('%s refused: every recipient has the answer', async (_name, script, expected) => {
    const { shown } = await converse(script);
    const [status = '', dsn = '', ...rest] = expected.split(' ');
    expect(shown).toHaveLength(2);
    for (const [i, text] of shown.entries()) {
      expect(text).toMatch(new RegExp(`^${i} ${status} ${dsn} `));
      expect(text).toContain(rest.join(' '));
    }
  });

  it('falls back to HELO', async () => {
    const { shown, host } = await converse([GREETING, '502 what\n', PLAIN, OK, OK, OK, '354 go\n', OK]);
    expect(host.written).toMatch(/^EHLO me\.example\.org\r\nHELO me\.example\.org\r\n/);
    expect(shown).toHaveLength(2);
  });

  it('refuses an address that would end its command', async () => {
    const { shown, host } = await converse([GREETING, PLAIN], {
      message: message({ recipients: [{ index: 0, address: 'b@x>\r\nRSET' }] }),
    });
    expect(shown).toEqual(['0 bounced 5.1.3 bad address syntax']);
    expect(host.written).toBe('EHLO me.example.org\r\n');
  });

  it('does not send addresses beyond ASCII without SMTPUTF8', async () => {
    const { shown } = await converse([GREETING, PIPELINING], {
      message: message({ smtpUtf8: true, recipients: [{ index: 0, address: 'ü@example.net' }] }),
    });
    expect(shown[0]).toMatch(/^0 bounced 5\.6\.7 SMTPUTF8 is required/);
  });

  it('ends the connection before the dot when the message cannot be read', async () => {
    const broken = message({
      open: async () => ({
        size: 20,
        chunks: async function* () {
          yield Buffer.from('half\r\n');
          throw new Error('disk');
        },
      }),
    });
    const { failure, host } = await converse([GREETING, PLAIN, OK, OK, OK, '354 go\n'], { message: broken });
    expect(failure?.text).toBe('the message cannot be read: disk');
    expect(host.written).not.toContain('\r\n.\r\n');
    expect(host.closed).toBe(true);
  });
});

describe('TLS', () => {
  const STARTTLS = '250-mx\n250 STARTTLS\n';
  const level = (name: TlsLevel) => ({
    policy: { ...POLICY, level: name },
  });
  const rest: Script = ['250 ok\n', '250 ok\n', '250 ok\n', '354 go\n', '250 ok\n'];
  const secured: Script = [GREETING, STARTTLS, '220 go\n', PLAIN, ...rest];

  it.each<[TlsLevel, ClientTls | string, string]>([
    ['may', TLS, 'sent'],
    ['encrypt', TLS, 'sent'],
    ['verify', TLS, 'Server certificate not trusted'],
    ['verify', { ...TLS, trusted: true }, 'Server certificate not verified'],
    ['secure', { ...TLS, trusted: true }, 'Server certificate not verified'],
    ['secure', { ...TLS, trusted: true, verified: true }, 'sent'],
    ['dane', TLS, 'Server certificate not trusted'],
    ['dane', { ...TLS, trusted: true, verified: true }, 'sent'],
    ['dane-only', { ...TLS, trusted: true }, 'Server certificate not verified'],
    ['fingerprint', TLS, 'Server certificate not verified'],
    ['fingerprint', { ...TLS, verified: true }, 'sent'],
    ['dane', 'bad handshake', 'Cannot start TLS: handshake failure'],
    ['encrypt', 'bad handshake', 'Cannot start TLS: handshake failure'],
  ])('%s: %j ends in %s', async (name, tls, expected) => {
    const { shown, failure, host } = await converse(secured, { options: level(name), tls });
    if (expected !== 'sent') expect(failure?.text).toBe(expected);
    // RFC 3207 §4.2: what was said before counts no more.
    else expect([shown.length, host.written.split('EHLO').length]).toEqual([2, 3]);
  });

  it.each<[TlsLevel, boolean]>([
    ['none', true],
    ['may', true],
    ['encrypt', false],
    ['secure', false],
    ['dane', false],
    ['fingerprint', false],
  ])('%s without STARTTLS on offer: sends %s', async (name, sends) => {
    const { shown, failure } = await converse([GREETING, PLAIN, ...rest], { options: level(name) });
    expect(shown.length > 0).toBe(sends);
    if (!sends) expect(failure?.text).toBe(`TLS is required, but was not offered by host ${HOST}`);
  });

  it('refuses what came in clear text along with the 220', async () => {
    const { failure } = await converse([GREETING, STARTTLS, '220 go\n250 injected\n'], {
      options: level('may'),
    });
    expect(failure?.text).toBe(`host ${HOST} sent octets after its reply to STARTTLS`);
  });
});

describe('AUTH', () => {
  const credentials = { user: 'u', password: 'p' };
  const none = new Set<string>();
  const rest: Script = ['250 ok\n', '250 ok\n', '250 ok\n', '354 go\n', '250 ok\n'];
  it.each<[string, string, Script, Partial<ClientSettings>, string]>([
    ['PLAIN', 'PLAIN LOGIN', ['235 ok\n', ...rest], { saslSecurityOptions: none }, 'AUTH PLAIN AHUAcA==\r\n'],
    [
      'LOGIN',
      'LOGIN',
      ['334 VXNlcg==\n', '334 UGFzcw==\n', '235 ok\n', ...rest],
      { saslSecurityOptions: none },
      'AUTH LOGIN\r\ndQ==\r\ncA==\r\n',
    ],
  ])('%s', async (_name, offered, script, settings, expected) => {
    const { host, shown } = await converse([GREETING, `250-mx\n250 AUTH ${offered}\n`, ...script], {
      settings,
      options: { credentials },
    });
    expect(host.written).toContain(expected);
    expect(shown).toHaveLength(2);
  });

  it('sends no password in clear text by default', async () => {
    const { failure, host } = await converse([GREETING, '250-mx\n250 AUTH PLAIN LOGIN\n'], {
      options: { credentials },
    });
    expect(failure?.text).toContain('no mechanism available');
    expect(host.written).toBe('EHLO me.example.org\r\n');
  });

  it('waits when the password is refused', async () => {
    const { failure } = await converse([GREETING, '250-mx\n250 AUTH PLAIN\n', '535 5.7.8 no\n'], {
      settings: { saslSecurityOptions: none },
      options: { credentials },
    });
    expect(failure).toMatchObject({ permanent: false, dsn: '4.7.8' });
  });
});

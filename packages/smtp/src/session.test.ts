// Whole dialogs with a session, without a socket. Texts and log lines are those of a real Postfix 3.7.

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Dialog, type DialogOptions, TEST_TLS, fakeWorld } from './testing/index.ts';

const EHLO = 'EHLO client.example';
const MAIL = 'MAIL FROM:<bob@sender.example>';
const RCPT = 'RCPT TO:<alice@example.com>';
const base64 = (text: string): string => Buffer.from(text).toString('base64');
const PLAIN = `AUTH PLAIN ${base64('\0alice\0secret')}`;

async function greeted(options: DialogOptions = {}): Promise<Dialog> {
  const dialog = new Dialog(options);
  await dialog.say(EHLO);
  return dialog;
}

describe('greeting and EHLO', () => {
  it('greets at once, before the name of the client is known', () => {
    const dialog = new Dialog();
    expect(dialog.writes).toEqual(['220 mail.example.com ESMTP Postcote\r\n']);
  });

  it("announces in Postfix's order", async () => {
    const dialog = new Dialog({
      settings: { saslAuthEnable: true, brokenSaslAuthClients: true, tlsSecurityLevel: 'may' },
    });
    await dialog.read();
    expect((await dialog.say(EHLO)).split('\r\n')).toEqual([
      '250-mail.example.com',
      '250-PIPELINING',
      '250-SIZE 10240000',
      '250-VRFY',
      '250-ETRN',
      '250-STARTTLS',
      '250-AUTH PLAIN LOGIN',
      '250-AUTH=PLAIN LOGIN',
      '250-ENHANCEDSTATUSCODES',
      '250-8BITMIME',
      '250-DSN',
      '250-SMTPUTF8',
      '250 CHUNKING',
      '',
    ]);
  });

  it.each<[string, DialogOptions, RegExp]>([
    [
      'AUTH before TLS with smtpd_tls_auth_only',
      { settings: { saslAuthEnable: true, tlsAuthOnly: true } },
      /AUTH/,
    ],
    [
      'AUTH with noplaintext',
      { settings: { saslAuthEnable: true, saslSecurityOptions: new Set(['noplaintext']) } },
      /AUTH/,
    ],
    [
      'AUTH to excepted networks',
      { settings: { saslAuthEnable: true, isSaslException: () => true } },
      /AUTH/,
    ],
    ['STARTTLS within TLS', { settings: { tlsSecurityLevel: 'may' }, tls: TEST_TLS }, /STARTTLS/],
    [
      'STARTTLS without a certificate',
      { settings: { tlsSecurityLevel: 'may' }, tlsAvailable: false },
      /STARTTLS/,
    ],
    ['VRFY when disabled', { settings: { disableVrfyCommand: true } }, /VRFY/],
    [
      'what is discarded',
      { settings: { discardEhloKeywords: new Set(['pipelining', 'dsn', 'chunking']) } },
      /PIPELINING|DSN|CHUNKING/,
    ],
  ])('does not offer %s', async (_, options, keyword) => {
    expect(await new Dialog(options).say(EHLO)).not.toMatch(keyword);
  });

  it('takes names as they come, but none that would break a header', async () => {
    const dialog = new Dialog();
    await dialog.read();
    expect(await dialog.say('HELO a<b>;(c)"d\\')).toBe('250 mail.example.com\r\n');
    await dialog.say(MAIL, 'RCPT TO:<x@remote.example>');
    expect(dialog.world.logLines().join('\n')).toContain('helo=<a?b???c??d?>');
  });
});

describe('a transaction', () => {
  it('arrives in the queue, whole and octet by octet', async () => {
    const octets = [EHLO, MAIL, RCPT, 'DATA', 'Subject: x', '', '..', '.dot', 'body', '.', 'QUIT', ''].join(
      '\r\n',
    );
    for (const way of ['send', 'sendBytewise'] as const) {
      const dialog = new Dialog();
      await dialog.read();
      const replies = await dialog[way](octets);
      expect(replies.split('\r\n').slice(-7)).toEqual([
        '250 CHUNKING',
        '250 2.1.0 Ok',
        '250 2.1.5 Ok',
        '354 End data with <CR><LF>.<CR><LF>',
        '250 2.0.0 Ok: queued as Q1',
        '221 2.0.0 Bye',
        '',
      ]);
      expect(dialog.closed).toBe(true);
      const { messages } = dialog.world.queue;
      expect(messages).toHaveLength(1);
      expect(messages[0]?.octets).toMatch(/^Received: from client\.example \(unknown \[192\.0\.2\.7\]\)\r\n/);
      expect(messages[0]?.octets).toMatch(/\r\nSubject: x\r\n\r\n\.\r\ndot\r\nbody\r\n$/);
      expect(messages[0]?.envelope).toMatchObject({
        sender: 'bob@sender.example',
        recipients: [{ address: 'alice@example.com' }],
        helo: 'client.example',
        protocol: 'ESMTP',
        client: { address: '192.0.2.7', name: 'unknown' },
      });
      // Octet by octet, nothing is ever waiting where it should not.
      const lines = dialog.world
        .logLines()
        .filter((line) => !line.startsWith('improper command pipelining after EHLO'));
      expect(lines).toEqual([
        'connect from unknown[192.0.2.7]',
        'Q1: client=unknown[192.0.2.7]',
        'disconnect from unknown[192.0.2.7] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5',
      ]);
      expect(dialog.world.log).toHaveLength(way === 'send' ? 4 : 3);
    }
  });

  it('answers a pipelined group in one write', async () => {
    const dialog = await greeted();
    const before = dialog.writes.length;
    await dialog.say(MAIL, 'RCPT TO:<nobody@example.com>', RCPT, 'DATA');
    expect(dialog.writes.slice(before)).toEqual([
      '250 2.1.0 Ok\r\n550 5.1.1 <nobody@example.com>: Recipient address rejected: User unknown in local recipient table\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n',
    ]);
    expect(await dialog.say('.', MAIL, RCPT, 'DATA')).toBe(
      '250 2.0.0 Ok: queued as Q1\r\n250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n',
    );
    expect(await dialog.say('.', 'QUIT')).toBe('250 2.0.0 Ok: queued as Q2\r\n221 2.0.0 Bye\r\n');
    expect(dialog.world.queue.messages).toHaveLength(2);
  });

  it('keeps the order of commands while look-ups take their time', async () => {
    const world = fakeWorld();
    const waiting: (() => void)[] = [];
    const addresses = {
      classify: () => 'local' as const,
      verify: () =>
        new Promise<{ kind: 'known'; class: 'local' }>((resolve) =>
          waiting.push(() => resolve({ kind: 'known', class: 'local' })),
        ),
    };
    const dialog = new Dialog({ world: { ...world, ports: { ...world.ports, addresses } } });
    await dialog.say(EHLO);
    expect(await dialog.say(MAIL, RCPT, RCPT, 'NOOP')).toBe('');
    expect(waiting).toHaveLength(1);
    waiting[0]?.();
    expect(await dialog.read()).toBe('');
    waiting[1]?.();
    expect(await dialog.read()).toBe('250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.1.5 Ok\r\n250 2.0.0 Ok\r\n');
  });

  it('stops reading when input piles up behind a slow look-up', async () => {
    const world = fakeWorld();
    let answer: () => void = () => {};
    const addresses = {
      classify: () => 'local' as const,
      verify: () =>
        new Promise<{ kind: 'known'; class: 'local' }>(
          (resolve) => (answer = () => resolve({ kind: 'known', class: 'local' })),
        ),
    };
    const dialog = new Dialog({ world: { ...world, ports: { ...world.ports, addresses } } });
    await dialog.say(EHLO, MAIL, RCPT);
    dialog.session.receive(Buffer.alloc(40_000, 'x'));
    expect(dialog.paused).toBe(false);
    dialog.session.receive(Buffer.alloc(40_000, 'x'));
    expect(dialog.paused).toBe(true);
    answer();
    await dialog.read();
    expect(dialog.paused).toBe(false);
  });

  it('does not run commands for a client that never reads the answers', async () => {
    const dialog = await greeted();
    await dialog.read();
    dialog.blocked = true;
    await dialog.say('NOOP');
    expect(await dialog.say('NOOP', 'NOOP')).toBe('');
    dialog.drain();
    expect(await dialog.read()).toBe('250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n');
  });

  it.each<[string, string[], string]>([
    ['RCPT before MAIL', [RCPT], '503 5.5.1 Error: need MAIL command'],
    ['DATA before MAIL', ['DATA'], '503 5.5.1 Error: need RCPT command'],
    ['DATA before RCPT', [MAIL, 'DATA'], '554 5.5.1 Error: no valid recipients'],
    ['MAIL twice', [MAIL, MAIL], '503 5.5.1 Error: nested MAIL command'],
    ['RCPT after RSET', [MAIL, 'RSET', RCPT], '503 5.5.1 Error: need MAIL command'],
    ['RCPT after EHLO', [MAIL, EHLO, RCPT], '503 5.5.1 Error: need MAIL command'],
    ['DATA with a word', [MAIL, RCPT, 'DATA x'], '501 5.5.4 Syntax: DATA'],
    ['a size declared too big', [`${MAIL} SIZE=10240001`], '552 5.3.4 Message size exceeds fixed limit'],
    ['AUTH within it', [MAIL, PLAIN], '503 5.5.1 Error: MAIL transaction in progress'],
  ])('%s', async (_, lines, last) => {
    const dialog = await greeted({ settings: { saslAuthEnable: true } });
    expect((await dialog.say(...lines)).trimEnd().split('\r\n').at(-1)).toBe(last);
  });

  it('is refused when the disk is full', async () => {
    const dialog = await greeted();
    dialog.world.queue.room = 1000;
    await dialog.read();
    expect(await dialog.say(`${MAIL} SIZE=1001`)).toBe('452 4.3.1 Insufficient system storage\r\n');
  });

  it('limits recipients without calling the first too many errors', async () => {
    const dialog = await greeted({ settings: { recipientLimit: 1, recipientOvershootLimit: 1 } });
    await dialog.read();
    expect(await dialog.say(MAIL, RCPT, RCPT, RCPT, 'QUIT')).toContain(
      '250 2.1.5 Ok\r\n452 4.5.3 Error: too many recipients\r\n452',
    );
    expect(dialog.world.logLines().at(-1)).toBe(
      'disconnect from unknown[192.0.2.7] ehlo=1 mail=1 rcpt=2/3 quit=1 commands=5/6',
    );
  });
});

describe('what is not a command', () => {
  it.each<[string, string | Buffer, string]>([
    ['an unknown word', 'FROB\r\n', '500 5.5.2 Error: command not recognized\r\n'],
    ['HELP', 'HELP\r\n', '500 5.5.2 Error: command not recognized\r\n'],
    ['a name of Object.prototype', 'constructor\r\n', '500 5.5.2 Error: command not recognized\r\n'],
    ['an empty line', '\r\n', '500 5.5.2 Error: bad syntax\r\n'],
    ['NUL', 'NOOP \0\r\n', '500 5.5.2 Error: bad syntax\r\n'],
    ['broken UTF-8', Buffer.from('NOOP \xfc\r\n', 'latin1'), '500 5.5.2 Error: bad UTF-8 syntax\r\n'],
    ['a line too long', `NOOP ${'x'.repeat(3000)}\r\n`, '500 5.5.2 Error: line too long\r\n'],
    ['a line beyond all limits', `NOOP ${'x'.repeat(200_000)}\r\n`, '500 5.5.2 Error: line too long\r\n'],
  ])('%s leaves the session usable', async (_, octets, expected) => {
    const dialog = await greeted();
    await dialog.read();
    expect(await dialog.send(octets)).toBe(expected);
    expect(await dialog.say('NOOP')).toBe('250 2.0.0 Ok\r\n');
  });

  it.each(['GET / HTTP/1.1', 'POST /', 'CONNECT x', 'Subject: hello', '.', '<html>', '\u0016\u0003\u0001'])(
    '%j ends it',
    async (line) => {
      const dialog = await greeted();
      await dialog.read();
      expect(await dialog.say(line, MAIL)).toBe('221 2.7.0 Error: I can break rules, too. Goodbye.\r\n');
      expect(dialog.closed).toBe(true);
      expect(dialog.world.logLines().at(-2)).toMatch(
        /^warning: non-SMTP command from unknown\[192\.0\.2\.7\]: /,
      );
    },
  );
});

describe('limits', () => {
  it('ends a session of errors only', async () => {
    const dialog = new Dialog({ settings: { hardErrorLimit: 3 } });
    await dialog.read();
    expect(await dialog.say('X', 'X', 'X', 'NOOP')).toBe(
      `${'500 5.5.2 Error: command not recognized\r\n'.repeat(3)}421 4.7.0 mail.example.com Error: too many errors\r\n`,
    );
    expect(dialog.closed).toBe(true);
    expect(dialog.world.logLines()).toEqual([
      'connect from unknown[192.0.2.7]',
      'too many errors after UNKNOWN from unknown[192.0.2.7]',
      'disconnect from unknown[192.0.2.7] unknown=0/3 commands=0/3',
    ]);
  });

  it('sleeps before answers from the soft limit on', async () => {
    const dialog = new Dialog({ settings: { softErrorLimit: 2, errorSleepTime: 1234 } });
    await dialog.read();
    await dialog.say('X', 'X');
    expect(dialog.world.clock.slept).toEqual([]);
    await dialog.say('X', 'NOOP');
    expect(dialog.world.clock.slept).toEqual([1234, 1234]);
  });

  it('counts junk commands beyond their limit as errors, and forgives with the next message', async () => {
    const dialog = await greeted({
      settings: { junkCommandLimit: 2, hardErrorLimit: 4, softErrorLimit: 100 },
    });
    await dialog.say('NOOP', 'NOOP', 'NOOP', MAIL, RCPT, 'DATA');
    await dialog.say('.');
    await dialog.say('NOOP', 'NOOP', 'NOOP', 'NOOP', 'NOOP', 'NOOP');
    expect(dialog.closed).toBe(false);
    expect(await dialog.say('NOOP', 'NOOP', 'NOOP')).toContain('421 4.7.0');
    expect(dialog.closed).toBe(true);
  });

  it('says so when the client is silent', async () => {
    const dialog = await greeted({ settings: { timeout: 300_000 } });
    expect(dialog.idleTimeout).toBe(300_000);
    await dialog.read();
    dialog.session.timedOut();
    expect(await dialog.read()).toBe('421 4.4.2 mail.example.com Error: timeout exceeded\r\n');
    expect(dialog.closed).toBe(true);
    expect(dialog.world.logLines().slice(-2)).toEqual([
      'timeout after EHLO from unknown[192.0.2.7]',
      'disconnect from unknown[192.0.2.7] ehlo=1 commands=1',
    ]);
  });

  it.each<[string, string[], string]>([
    ['nothing', [], 'lost connection after CONNECT'],
    ['EHLO', [EHLO], 'lost connection after EHLO'],
    ['RCPT', [EHLO, MAIL, RCPT], 'lost connection after RCPT'],
    ['half a message', [EHLO, MAIL, RCPT, 'DATA', 'abcdef'], 'lost connection after DATA (8 bytes)'],
  ])('logs a connection lost after %s', async (_, lines, expected) => {
    const dialog = new Dialog();
    await dialog.read();
    for (const line of lines) await dialog.say(line);
    dialog.session.ended('connection closed');
    expect(dialog.world.logLines().at(-2)).toBe(`${expected} from unknown[192.0.2.7]`);
    expect(dialog.world.logLines().at(-1)).toMatch(/^disconnect from unknown\[192\.0\.2\.7\] /);
    expect(dialog.world.queue.messages).toEqual([]);
    expect(dialog.world.queue.aborted).toBe(dialog.world.queue.begun);
  });

  it('says nothing of a client that leaves once its message is through', async () => {
    const dialog = await greeted();
    await dialog.say(MAIL, RCPT, 'DATA');
    await dialog.say('.');
    dialog.session.ended('connection closed');
    expect(dialog.world.logLines().at(-2)).toBe('Q1: client=unknown[192.0.2.7]');
  });
});

describe('smtpd_delay_reject = no', () => {
  const origin = { file: 'main.cf', line: 1 };
  const list = (...words: string[]) => words.map((word) => ({ word, origin }));
  const none = {
    client: [],
    helo: [],
    sender: [],
    relay: [],
    recipient: [],
    data: [],
    endOfData: [],
    etrn: [],
  };

  it('refuses a client instead of greeting it, and all it says but QUIT', async () => {
    const dialog = new Dialog({
      settings: {
        delayReject: false,
        restrictions: { ...none, client: list('reject_unknown_client_hostname') },
      },
    });
    const refused = '450 4.7.25 Client host rejected: cannot find your hostname, [192.0.2.7]';
    expect(await dialog.read()).toBe(`${refused}\r\n`);
    expect(await dialog.say(EHLO, 'FROB')).toBe(
      '503 5.7.0 Error: access denied for unknown[192.0.2.7]\r\n'.repeat(2),
    );
    expect(await dialog.say('QUIT')).toBe('221 2.0.0 Bye\r\n');
    expect(dialog.world.logLines()).toEqual([
      'connect from unknown[192.0.2.7]',
      `NOQUEUE: reject: CONNECT from unknown[192.0.2.7]: ${refused}; proto=SMTP`,
      'disconnect from unknown[192.0.2.7] ehlo=0/1 quit=1 unknown=0/1 commands=1/3',
    ]);
  });

  it('greets a client that may come in once its name is known', async () => {
    const dialog = new Dialog({
      zone: { reverse: { '192.0.2.7': ['c.example'] }, addresses: { 'c.example': ['192.0.2.7'] } },
      settings: {
        delayReject: false,
        restrictions: { ...none, client: list('reject_unknown_client_hostname') },
      },
    });
    expect(dialog.writes).toEqual([]);
    expect(await dialog.read()).toBe('220 mail.example.com ESMTP Postcote\r\n');
  });

  it('judges HELO and sender at once, and goes on', async () => {
    const dialog = new Dialog({
      settings: {
        delayReject: false,
        heloRequired: true,
        restrictions: {
          ...none,
          helo: list('reject_non_fqdn_helo_hostname'),
          sender: list('reject_non_fqdn_sender'),
        },
      },
    });
    await dialog.read();
    expect(await dialog.say('EHLO localhost')).toBe(
      '504 5.5.2 <localhost>: Helo command rejected: need fully-qualified hostname\r\n',
    );
    expect(await dialog.say(MAIL)).toBe('503 5.5.1 Error: send HELO/EHLO first\r\n');
    await dialog.say(EHLO);
    expect(await dialog.say('MAIL FROM:<bob>')).toBe(
      '504 5.5.2 <bob>: Sender address rejected: need fully-qualified address\r\n',
    );
    expect(await dialog.say(MAIL, RCPT)).toBe('250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n');
  });

  it('judges DATA and the end of the message', async () => {
    const dialog = await greeted({
      settings: {
        restrictions: { ...none, data: list('reject_multi_recipient_bounce'), endOfData: list('reject') },
      },
    });
    await dialog.say('MAIL FROM:<>', RCPT, RCPT);
    expect(await dialog.say('DATA')).toBe(
      '550 5.5.3 <DATA>: Data command rejected: Multi-recipient bounce\r\n',
    );
    await dialog.say('RSET', MAIL, RCPT);
    await dialog.say('DATA');
    expect(await dialog.say('.')).toBe('554 5.7.1 <END-OF-MESSAGE>: End-of-data rejected: Access denied\r\n');
    expect(dialog.world.queue).toMatchObject({ messages: [], begun: 1, aborted: 1 });
    expect(dialog.world.logLines().at(-1)).toMatch(/^Q1: reject: END-OF-MESSAGE from /);
  });
});

describe('unauthorised pipelining', () => {
  it('is noticed when HELO was said', async () => {
    const dialog = new Dialog();
    await dialog.say('HELO x');
    await dialog.say(MAIL, RCPT, 'DATA');
    expect(dialog.world.logLines()).toContain(
      'improper command pipelining after MAIL from unknown[192.0.2.7]: RCPT TO:<alice@example.com>\\r\\nDATA\\r\\n',
    );
  });

  it('is noticed where a group must end', async () => {
    const dialog = await greeted();
    await dialog.say(MAIL, RCPT, 'DATA', 'Subject: x');
    expect(dialog.world.logLines()).toContain(
      'improper command pipelining after DATA from unknown[192.0.2.7]: Subject: x\\r\\n',
    );
  });

  it('is refused with smtpd_forbid_unauth_pipelining', async () => {
    const dialog = new Dialog({ settings: { forbidUnauthPipelining: true } });
    await dialog.read();
    expect(await dialog.say(EHLO, MAIL)).toBe('554 5.5.0 Error: SMTP protocol synchronization\r\n');
    expect(dialog.closed).toBe(true);
  });
});

describe('STARTTLS', () => {
  const settings = { tlsSecurityLevel: 'may', tlsLoglevel: 1, saslAuthEnable: true } as const;

  it('forgets everything that was said before it', async () => {
    const dialog = await greeted({ settings });
    await dialog.say(PLAIN, MAIL);
    expect(await dialog.say('STARTTLS')).toBe('220 2.0.0 Ready to start TLS\r\n');
    expect(dialog.tlsRequested).toBe(1);
    dialog.session.secured(TEST_TLS);
    expect(await dialog.say(RCPT)).toBe('503 5.5.1 Error: need MAIL command\r\n');
    expect(await dialog.say(EHLO)).not.toContain('STARTTLS');
    expect(await dialog.say('STARTTLS')).toBe('554 5.5.1 Error: TLS already active\r\n');
    expect(await dialog.say(PLAIN)).toBe('235 2.7.0 Authentication successful\r\n');
    expect(dialog.world.logLines()).toContain(
      'Anonymous TLS connection established from unknown[192.0.2.7]: TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)',
    );
  });

  it.each(['', MAIL, `${MAIL}\r\n${RCPT}\r\n`, 'partial line'])(
    'runs nothing injected behind it (%j)',
    async (injected) => {
      for (const late of [false, true]) {
        const dialog = await greeted({ settings });
        await dialog.read();
        const reply = await dialog.send(late ? 'STARTTLS\r\n' : `STARTTLS\r\n${injected}`);
        if (late) await dialog.send(injected);
        expect(reply).toBe('220 2.0.0 Ready to start TLS\r\n');
        dialog.session.secured(TEST_TLS);
        expect(await dialog.read()).toBe('');
        expect(await dialog.say('NOOP')).toBe('250 2.0.0 Ok\r\n');
        expect(await dialog.say(RCPT)).toBe('503 5.5.1 Error: need MAIL command\r\n');
      }
    },
  );

  it('is required before anything else with `encrypt`', async () => {
    const dialog = await greeted({ settings: { ...settings, tlsSecurityLevel: 'encrypt' } });
    await dialog.read();
    expect(await dialog.say(MAIL, PLAIN, 'VRFY alice', 'RSET')).toBe(
      '530 5.7.0 Must issue a STARTTLS command first\r\n'.repeat(4),
    );
    expect(await dialog.say('NOOP')).toBe('250 2.0.0 Ok\r\n');
  });

  it('cannot be had where it is not offered', async () => {
    expect(await (await greeted()).say('STARTTLS')).toContain('502 5.5.1 Error: command not implemented');
    const withoutCertificate = await greeted({ settings, tlsAvailable: false });
    expect(await withoutCertificate.say('STARTTLS')).toContain(
      '454 4.7.0 TLS not available due to local problem',
    );
  });

  it('logs a handshake that failed', async () => {
    const dialog = await greeted({ settings });
    await dialog.say('STARTTLS');
    dialog.session.ended('no shared cipher');
    expect(dialog.world.logLines().slice(-3)).toEqual([
      'SSL_accept error from unknown[192.0.2.7]: no shared cipher',
      'lost connection after STARTTLS from unknown[192.0.2.7]',
      'disconnect from unknown[192.0.2.7] ehlo=1 starttls=0/1 commands=1/2',
    ]);
  });
});

describe('AUTH', () => {
  const options = { settings: { saslAuthEnable: true } } as const;

  it.each<[string, string[], string]>([
    ['PLAIN with an initial response', [PLAIN], '235 2.7.0 Authentication successful'],
    ['PLAIN in two steps', ['AUTH PLAIN', base64('\0alice\0secret')], '235 2.7.0 Authentication successful'],
    ['LOGIN', ['AUTH LOGIN', base64('alice'), base64('secret')], '235 2.7.0 Authentication successful'],
    [
      'LOGIN with an initial response',
      [`AUTH LOGIN ${base64('alice')}`, base64('secret')],
      '235 2.7.0 Authentication successful',
    ],
    ['lower case', ['auth plain', base64('\0alice\0secret')], '235 2.7.0 Authentication successful'],
    [
      'a wrong password',
      [`AUTH PLAIN ${base64('\0alice\0wrong')}`],
      '535 5.7.8 Error: authentication failed: (reason unavailable)',
    ],
    [
      'an unknown user',
      [`AUTH PLAIN ${base64('\0nobody\0wrong')}`],
      '535 5.7.8 Error: authentication failed: (reason unavailable)',
    ],
    [
      'malformed',
      [`AUTH PLAIN ${base64('alice')}`],
      '535 5.7.8 Error: authentication failed: too few fields',
    ],
    ['cancelled', ['AUTH LOGIN', '*'], '501 5.7.0 Authentication aborted'],
    ['no mechanism', ['AUTH'], '501 5.5.4 Syntax: AUTH mechanism'],
    [
      'an unknown mechanism',
      ['AUTH CRAM-MD5'],
      '535 5.7.8 Error: authentication failed: Invalid authentication mechanism',
    ],
    ['twice', [PLAIN, PLAIN], '503 5.5.1 Error: already authenticated'],
    ['too long', ['AUTH LOGIN', 'x'.repeat(13_000)], '500 5.5.6 SASL response limit exceeded'],
  ])('%s', async (_, lines, last) => {
    const dialog = await greeted(options);
    let replies = '';
    for (const line of lines) replies += await dialog.say(line);
    expect(replies.trimEnd().split('\r\n').at(-1)).toBe(last);
    expect(await dialog.say('NOOP')).toBe('250 2.0.0 Ok\r\n');
  });

  it('is not there unless enabled, and only within TLS with smtpd_tls_auth_only', async () => {
    expect(await (await greeted()).say(PLAIN)).toContain('503 5.5.1 Error: authentication not enabled');
    const dialog = await greeted({ settings: { saslAuthEnable: true, tlsAuthOnly: true } });
    expect(await dialog.say(PLAIN)).toContain(
      '504 5.5.4 Encryption required for requested authentication mechanism',
    );
    expect(dialog.world.logins).toEqual([]);
  });

  it('tells the authenticator who asks, and the log nothing of passwords', async () => {
    const dialog = await greeted({ ...options, tls: TEST_TLS });
    await dialog.say(`AUTH PLAIN ${base64('\0alice\0hunter2')}`);
    expect(dialog.world.logins).toEqual([
      {
        service: 'smtp',
        mechanism: 'PLAIN',
        user: 'alice',
        password: 'hunter2',
        remoteAddress: '192.0.2.7',
        localAddress: '192.0.2.1',
        secured: true,
        sessionId: 'session-1',
      },
    ]);
    const log = dialog.world.logLines().join('\n');
    expect(log).toContain(
      'warning: unknown[192.0.2.7]: SASL PLAIN authentication failed: (reason unavailable), sasl_username=alice',
    );
    expect(log).not.toContain('hunter2');
    expect(log).not.toContain(base64('\0alice\0hunter2'));
  });

  it('keeps control characters of a user name out of the log', async () => {
    const dialog = await greeted(options);
    await dialog.say(`AUTH PLAIN ${base64('\0al\r\nice: x\0y')}`);
    expect(dialog.world.logLines().join('|')).toContain('sasl_username=al??ice: x');
  });

  it('is a temporary failure when nobody can decide', async () => {
    const dialog = await greeted({
      ...options,
      login: async () => ({ kind: 'unavailable', message: 'pam is away' }),
    });
    expect(await dialog.say(PLAIN)).toContain('454 4.7.0 Temporary authentication failure: ');
  });

  it('ends a session that goes on guessing', async () => {
    const dialog = await greeted({ settings: { saslAuthEnable: true, saslAttemptLimit: 2 } });
    const wrong = `AUTH PLAIN ${base64('\0alice\0wrong')}`;
    await dialog.say(wrong);
    expect(await dialog.say(wrong)).toBe('421 4.7.0 mail.example.com Error: too many errors\r\n');
    expect(dialog.closed).toBe(true);
  });

  it('names the user in log and envelope', async () => {
    const dialog = await greeted({ ...options, tls: TEST_TLS });
    await dialog.say(PLAIN, MAIL, 'RCPT TO:<carol@remote.example>', 'DATA');
    await dialog.say('.');
    expect(dialog.world.logLines()).toContain(
      'Q1: client=unknown[192.0.2.7], sasl_method=PLAIN, sasl_username=alice',
    );
    expect(dialog.world.queue.messages[0]?.envelope).toMatchObject({
      saslMethod: 'PLAIN',
      saslUser: 'alice',
    });
    expect(dialog.world.queue.messages[0]?.octets).toContain(' with ESMTPSA id Q1');
  });
});

describe('stopping', () => {
  it('ends an idle session at once', async () => {
    const dialog = await greeted();
    await dialog.read();
    dialog.session.shutDown();
    expect(await dialog.read()).toBe('421 4.3.2 mail.example.com Service shutting down\r\n');
    expect(dialog.closed).toBe(true);
  });

  it('lets a message come to its end', async () => {
    const dialog = await greeted();
    await dialog.say(MAIL, RCPT, 'DATA');
    dialog.session.shutDown();
    expect(dialog.closed).toBe(false);
    expect(await dialog.say('Subject: x', '.')).toBe(
      '250 2.0.0 Ok: queued as Q1\r\n421 4.3.2 mail.example.com Service shutting down\r\n',
    );
    expect(dialog.closed).toBe(true);
    expect(dialog.world.queue.messages).toHaveLength(1);
  });
});

describe('a fault of ours', () => {
  it('is a temporary failure and a line in the log', async () => {
    const world = fakeWorld();
    const addresses = {
      classify: () => 'local' as const,
      verify: () => Promise.reject(new Error('table on fire')),
    };
    const dialog = new Dialog({ world: { ...world, ports: { ...world.ports, addresses } } });
    await dialog.say(EHLO, MAIL);
    expect(await dialog.say(RCPT)).toBe('451 4.3.0 Error: internal error\r\n');
    expect(await dialog.say('NOOP')).toBe('250 2.0.0 Ok\r\n');
    expect(world.log.find(({ level }) => level === 'error')?.message).toMatch(
      /^error: session session-1 .*table on fire/,
    );
  });
});

describe('any input', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      ...[
        EHLO,
        'HELO x',
        MAIL,
        RCPT,
        'DATA',
        '.',
        'RSET',
        'NOOP',
        'BDAT 5',
        'BDAT 3 LAST',
        'BDAT x',
        'AUTH PLAIN',
        '*',
        'VRFY a',
        'ETRN b',
        'QUIT',
        'STARTTLS',
        'Subject: x',
        '',
      ].map((line) => `${line}\r\n`),
    ),
    fc.constantFrom('\r', '\n', '\0', '.', '\r\n.\r\n', '\n.\n', '\xff', 'x'.repeat(3000)),
    fc.string({ maxLength: 20 }),
  );

  it('neither throws nor depends on how it was cut, nor leaves a message half open', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(piece, { maxLength: 25 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 40 }),
        async (pieces, cuts) => {
          const input = Buffer.from(pieces.join(''), 'latin1');
          const run = async (chunks: readonly Buffer[]): Promise<unknown> => {
            const dialog = new Dialog({ settings: { errorSleepTime: 0, saslAuthEnable: true } });
            for (const chunk of chunks) await dialog.send(chunk);
            dialog.session.ended('over');
            await dialog.read();
            const { queue, log } = dialog.world;
            expect(queue.aborted + queue.messages.length).toBe(queue.begun);
            expect(log.filter(({ level }) => level === 'error')).toEqual([]);
            const replies = dialog.writes.join('');
            expect(replies).toMatch(/^(\d{3}[ -][^\r\n\0]*\r\n)*$/);
            return { replies, messages: queue.messages };
          };
          const chunks: Buffer[] = [];
          let at = 0;
          for (const cut of cuts) chunks.push(input.subarray(at, (at += cut)));
          chunks.push(input.subarray(at));
          expect(await run(chunks)).toEqual(await run([input]));
        },
      ),
      { numRuns: 60 },
    );
  });
});

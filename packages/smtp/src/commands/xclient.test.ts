// XCLIENT, XFORWARD, client rates and the footer of refusals, as dialogs. Texts are those of a real Postfix 3.7.

import { describe, expect, it } from 'vitest';
import { ClientLimits, NO_RATE_LIMITS } from '../client-limits.ts';
import type { SmtpSettings } from '../settings.ts';
import { Dialog, TEST_TLS, fakeWorld } from '../testing/index.ts';

const TRUSTED: Partial<SmtpSettings> = {
  isXclientHost: (address) => address === '192.0.2.7',
  isXforwardHost: (address) => address === '192.0.2.7',
  isMyNetwork: (address) => address === '10.0.0.1',
};
const MAIL = 'MAIL FROM:<bob@sender.example>';

async function greeted(settings: Partial<SmtpSettings> = TRUSTED): Promise<Dialog> {
  const dialog = new Dialog({ settings });
  await dialog.read();
  return dialog;
}

describe('XCLIENT', () => {
  it('is announced and taken where main.cf says so, and nowhere else', async () => {
    const trusted = await greeted();
    expect(await trusted.say('EHLO x')).toContain(
      '250-XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT\r\n250-XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT\r\n',
    );
    const stranger = await greeted({});
    expect(await stranger.say('EHLO x')).not.toContain('XCLIENT');
    expect(await stranger.say('XCLIENT ADDR=10.0.0.1')).toBe(
      '550 5.7.0 Error: insufficient authorization\r\n',
    );
    expect(await stranger.say('XFORWARD ADDR=10.0.0.1')).toBe(
      '550 5.7.0 Error: insufficient authorization\r\n',
    );
  });

  it('makes decisions and log lines those of the client it names', async () => {
    const dialog = await greeted();
    const line = 'XCLIENT NAME=in.example ADDR=10.0.0.1 PORT=99 HELO=h.example PROTO=ESMTP LOGIN=al+2Bice';
    expect(await dialog.say(line)).toBe('220 mail.example.com ESMTP Postcote\r\n');
    expect(await dialog.say(MAIL, 'RCPT TO:<far@away.example>', 'DATA')).toMatch(/250 .*250 .*354 /s);
    await dialog.say('x', '.');
    const [message] = dialog.world.queue.messages;
    expect(message?.envelope).toMatchObject({
      client: { address: '10.0.0.1', name: 'in.example', port: 99 },
      helo: 'h.example',
      saslUser: 'al+ice',
    });
    expect(message?.octets).toContain('Received: from h.example (in.example [10.0.0.1])');
    await dialog.say('QUIT');
    expect(dialog.world.logLines().at(-1)).toMatch(/^disconnect from in\.example\[10\.0\.0\.1\] .*xclient=1/);
  });

  it('is not for the client it named', async () => {
    const dialog = await greeted();
    await dialog.say('XCLIENT ADDR=203.0.113.9');
    expect(await dialog.say('XCLIENT ADDR=10.0.0.1')).toBe('550 5.7.0 Error: insufficient authorization\r\n');
  });

  it('forgets the login of before', async () => {
    const dialog = await greeted({ ...TRUSTED, saslAuthEnable: true });
    await dialog.say('EHLO x', `AUTH PLAIN ${Buffer.from('\0alice\0secret').toString('base64')}`);
    await dialog.say('XCLIENT ADDR=203.0.113.9', MAIL);
    expect(await dialog.say('RCPT TO:<far@away.example>')).toMatch(/^454 4\.7\.1 .*Relay access denied/);
  });

  it.each([
    ['XCLIENT', '501 5.5.4 Syntax: XCLIENT attribute=value...'],
    ['XCLIENT ADDR', '501 5.5.4 Error: attribute=value expected'],
    ['XCLIENT ADDR=', '501 5.5.4 Error: attribute=value expected'],
    [`XCLIENT HELO=${'x'.repeat(256)}`, '501 5.5.4 Error: attribute value too long'],
    ['XCLIENT ADDR=localhost', '501 5.5.4 Bad ADDR syntax: localhost'],
    ['XCLIENT NAME=-bad-', '501 5.5.4 Bad NAME syntax: -bad-'],
    ['XCLIENT PORT=123456', '501 5.5.4 Bad PORT syntax: 123456'],
    ['XCLIENT PROTO=LMTP', '501 5.5.4 Bad PROTO syntax: LMTP'],
    ['XCLIENT COLOUR=red', '501 5.5.4 Bad XCLIENT attribute name: COLOUR'],
    ['XFORWARD SOURCE=moon', '501 5.5.4 Bad SOURCE syntax: moon'],
  ])('refuses %s', async (line, answer) => {
    const dialog = await greeted();
    expect(await dialog.say(line)).toBe(`${answer}\r\n`);
  });

  it('waits for no transaction, and changes none', async () => {
    const dialog = await greeted();
    await dialog.say('EHLO x', MAIL);
    expect(await dialog.say('XCLIENT ADDR=10.0.0.1')).toBe(
      '503 5.5.1 Error: MAIL transaction in progress\r\n',
    );
  });

  it('XFORWARD is for the log', async () => {
    const dialog = await greeted();
    await dialog.say('EHLO x');
    expect(await dialog.say('XFORWARD NAME=spike.example ADDR=203.0.113.9 IDENT=ABC SOURCE=REMOTE')).toBe(
      '250 2.0.0 Ok\r\n',
    );
    await dialog.say(MAIL, 'RCPT TO:<alice@example.com>', 'DATA', 'x', '.');
    expect(dialog.world.logLines()).toContain(
      'Q1: client=unknown[192.0.2.7], orig_queue_id=ABC, orig_client=spike.example[203.0.113.9]',
    );
  });
});

describe('client rates', () => {
  const rates = { ...NO_RATE_LIMITS.rates };
  const limited = (more: Partial<typeof rates>): Partial<SmtpSettings> => ({
    rateLimits: { ...NO_RATE_LIMITS, rates: { ...rates, ...more } },
  });
  const worldOf = (): ReturnType<typeof fakeWorld> => {
    const world = fakeWorld();
    return { ...world, ports: { ...world.ports, limits: new ClientLimits(() => 0) } };
  };

  it('refuses one message too many, across connections', async () => {
    const world = worldOf();
    const settings = limited({ message: 2 });
    const first = new Dialog({ world, settings });
    await first.say('EHLO x', MAIL, 'RSET');
    const second = new Dialog({ world, settings });
    await second.read();
    expect(await second.say('HELO x')).toMatch(/^250 /);
    expect(await second.say(MAIL)).toMatch(/^250 /);
    await second.say('RSET');
    expect(await second.say(MAIL)).toBe('450 4.7.1 Error: too much mail from 192.0.2.7\r\n');
    expect(world.logLines()).toContain(
      'warning: Message delivery request rate limit exceeded: 3 from unknown[192.0.2.7] for service smtp',
    );
  });

  it('refuses recipients, AUTH and connections beyond theirs', async () => {
    const world = worldOf();
    const settings = { ...limited({ recipient: 1, auth: 1, connection: 1 }), saslAuthEnable: true };
    const dialog = new Dialog({ world, settings });
    await dialog.say('EHLO x', MAIL, 'RCPT TO:<alice@example.com>');
    expect(await dialog.say('RCPT TO:<bob@example.com>')).toBe(
      '450 4.7.1 Error: too many recipients from 192.0.2.7\r\n',
    );
    await dialog.say('RSET', 'AUTH PLAIN AAA=');
    expect(await dialog.say('AUTH PLAIN AAA=')).toBe(
      '450 4.7.1 Error: too many AUTH commands from 192.0.2.7\r\n',
    );
    const next = new Dialog({ world, settings });
    expect(await next.read()).toBe(
      '421 4.7.0 mail.example.com Error: too many connections from 192.0.2.7\r\n',
    );
    expect(next.closed).toBe(true);
  });

  it('counts new TLS sessions, not those taken up again', async () => {
    const world = worldOf();
    const settings: Partial<SmtpSettings> = { ...limited({ newTlsSession: 1 }), tlsSecurityLevel: 'may' };
    const begin = async (resumed: boolean): Promise<string> => {
      const dialog = new Dialog({ world, settings });
      await dialog.say('EHLO x', 'STARTTLS');
      dialog.session.secured(resumed ? { ...TEST_TLS, resumed: true } : TEST_TLS);
      return dialog.read();
    };
    expect(await begin(false)).toBe('');
    expect(await begin(true)).toBe('');
    expect(await begin(false)).toMatch(/^421 4\.7\.0 .*too many new TLS sessions/);
    const refused = new Dialog({ world, settings });
    await refused.say('EHLO x');
    expect(await refused.say('STARTTLS')).toBe(
      '454 4.7.0 Error: too many new TLS sessions from unknown[192.0.2.7]\r\n',
    );
  });

  it('spares exceptions and XCLIENT hosts', async () => {
    for (const spared of [{ isClientLimitException: () => true }, { isXclientHost: () => true }]) {
      const dialog = new Dialog({ world: worldOf(), settings: { ...limited({ message: 1 }), ...spared } });
      await dialog.say('EHLO x', MAIL, 'RSET');
      expect(await dialog.say(MAIL)).toMatch(/^250 /);
    }
  });
});

describe('keywords by address', () => {
  it('takes the place of the list for all', async () => {
    const discardEhloKeywordsFor = (address: string): ReadonlySet<string> | undefined =>
      address === '192.0.2.7' ? new Set(['dsn', 'silent-discard']) : undefined;
    const settings = { discardEhloKeywords: new Set(['chunking']), discardEhloKeywordsFor };
    const listed = await greeted(settings);
    const answer = await listed.say('EHLO x');
    expect(answer).toContain('CHUNKING');
    expect(answer).not.toContain('DSN');
    expect(listed.world.logLines().join()).not.toContain('discarding EHLO');
    const other = new Dialog({ settings, peer: { remoteAddress: '192.0.2.8' } });
    expect(await other.say('EHLO x')).not.toContain('CHUNKING');
  });
});

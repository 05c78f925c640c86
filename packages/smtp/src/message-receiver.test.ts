// Messages through DATA and BDAT: where they end, what is cleaned, what is refused, what their trace says.

import { describe, expect, it } from 'vitest';
import { AcceptError, ContentRejected } from './ports.ts';
import { Dialog, type DialogOptions, TEST_TLS } from './testing/index.ts';

const GREETING = ['EHLO client.example'];
const ENVELOPE = ['MAIL FROM:<bob@sender.example>', 'RCPT TO:<alice@example.com>'];

async function atData(options: DialogOptions = {}): Promise<Dialog> {
  const dialog = new Dialog(options);
  await dialog.say(...GREETING);
  await dialog.say(...ENVELOPE);
  await dialog.say('DATA');
  return dialog;
}

/** What is in the queue, without our `Received:` (three lines). */
const bodies = (dialog: Dialog): string[] =>
  dialog.world.queue.messages.map(({ octets }) => octets.split('\r\n').slice(3).join('\r\n'));

describe('the end of data', () => {
  // CVE-2023-51764 and kin: none of these ends the message.
  const SMUGGLED = 'MAIL FROM:<evil@x.example>\r\n';
  it.each<[string, string, string]>([
    ['LF.LF', 'a\n.\n', 'a\r\n\r\n'],
    ['LF.CRLF', 'a\n.\r\n', 'a\r\n\r\n'],
    ['CRLF.LF', 'a\r\n.\n', 'a\r\n\r\n'],
    ['CR.CR', 'a\r.\r', 'a . '],
    ['CR.CRLF', 'a\r.\r\n', 'a .\r\n'],
    ['CRLF.CR', 'a\r\n.\r', 'a\r\n '],
    ['LF.CR', 'a\n.\r', 'a\r\n '],
    ['CR.LF', 'a\r.\n', 'a .\r\n'],
    ['CRLF.CRCRLF', 'a\r\n.\r\r\n', 'a\r\n \r\n'],
    ['CRLF..CRLF', 'a\r\n..\r\n', 'a\r\n.\r\n'],
    ['CRLF.NULCRLF', 'a\r\n.\0\r\n', 'a\r\n\r\n'],
    ['NUL before the dot', 'a\r\n\0.\r\n', 'a\r\n.\r\n'],
    ['CRLF.x', 'a\r\n.x', 'a\r\nx'],
  ])('is not %s, whole and octet by octet', async (_, ending, kept) => {
    for (const way of ['send', 'sendBytewise'] as const) {
      const dialog = await atData();
      await dialog.read();
      expect(await dialog[way](`A: b\r\n\r\n${ending}${SMUGGLED}`)).toBe('');
      expect(await dialog[way]('\r\n.\r\n')).toBe('250 2.0.0 Ok: queued as Q1\r\n');
      expect(bodies(dialog)).toEqual([`A: b\r\n\r\n${kept}${SMUGGLED}\r\n`]);
      // No bare CR, bare LF or NUL is ever passed on.
      expect(bodies(dialog)[0]).not.toMatch(/\r(?!\n)|(?<!\r)\n|\0/);
    }
  });

  it('is refused with a bare LF when so configured, and nothing stays', async () => {
    const dialog = await atData({ settings: { forbidBareNewline: 'reject' } });
    await dialog.read();
    expect(await dialog.send('a\nb\r\n.\r\n')).toBe(
      '550 5.5.2 mail.example.com Error: bare <LF> received\r\n',
    );
    expect(dialog.world.queue).toMatchObject({ messages: [], begun: 1, aborted: 1 });
  });

  it('may come at once', async () => {
    const dialog = await atData();
    await dialog.send('.\r\n');
    expect(bodies(dialog)).toEqual(['']);
  });
});

describe('limits of a message', () => {
  it('swallows the rest of one too big, then says so', async () => {
    const dialog = await atData({ settings: { messageSizeLimit: 1000 } });
    await dialog.read();
    const line = `${'x'.repeat(98)}\r\n`;
    expect(await dialog.send(line.repeat(50))).toBe('');
    expect(dialog.world.queue.aborted).toBe(1);
    expect(await dialog.send('NOOP\r\n.\r\n')).toBe('552 5.3.4 Error: message file too big\r\n');
    expect(dialog.world.queue.messages).toEqual([]);
    expect(dialog.world.logLines()).toContain('warning: Q1: queue file size limit exceeded');
    expect(await dialog.say(...ENVELOPE)).toBe('250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n');
  });

  it('takes one of exactly the limit', async () => {
    const dialog = await atData({ settings: { messageSizeLimit: 1000 } });
    await dialog.read();
    expect(await dialog.send(`${'x'.repeat(98)}\r\n`.repeat(10) + '.\r\n')).toContain('250 2.0.0');
  });

  it.each([
    [48, '250 2.0.0 Ok: queued as Q1'],
    [49, '554 5.4.0 Error: too many hops'],
  ])('answers %i hops with %s', async (hops, reply) => {
    const dialog = await atData();
    await dialog.read();
    expect(await dialog.send(`${'Received: x\r\n'.repeat(hops)}\r\n.\r\n`)).toBe(`${reply}\r\n`);
  });

  it('takes lines of any length', async () => {
    const dialog = await atData();
    await dialog.send(`A: b\r\n\r\n${'y'.repeat(300_000)}\r\n.\r\n`);
    expect(bodies(dialog)[0]).toHaveLength(6 + 2 + 300_002);
  });
});

describe('the queue', () => {
  it.each<['begin' | 'write' | 'commit', Error, string]>([
    ['begin', new AcceptError('noSpace', 'full'), '452 4.3.1 Insufficient system storage'],
    ['write', new AcceptError('noSpace', 'full'), '452 4.3.1 Insufficient system storage'],
    ['commit', new AcceptError('noSpace', 'full'), '452 4.3.1 Insufficient system storage'],
    ['commit', new AcceptError('loop', 'round'), '451 4.6.0 Error: alias expansion error'],
    ['commit', new AcceptError('unavailable', 'away'), '451 4.3.0 Error: queue file write error'],
    ['commit', new Error('boom'), '451 4.3.0 Error: queue file write error'],
  ])('that fails in %s is a temporary failure, never a lie', async (operation, fault, reply) => {
    const dialog = new Dialog();
    dialog.world.queue.faults[operation] = fault;
    await dialog.say(...GREETING);
    await dialog.say(...ENVELOPE);
    const replies =
      (await dialog.say('DATA')) + (operation === 'begin' ? '' : await dialog.send('x\r\n.\r\n'));
    expect(replies).toContain(`${reply}\r\n`);
    expect(replies).not.toContain('queued as');
    expect(dialog.world.queue.messages).toEqual([]);
    expect(dialog.world.logLines().some((line) => line.includes(fault.message))).toBe(true);
  });

  it('slows the client down when it is slow', async () => {
    const dialog = await atData();
    let release: () => void = () => {};
    dialog.world.queue.slow = () => new Promise((resolve) => (release = resolve));
    dialog.session.receive(Buffer.alloc(10_000, 'x'));
    dialog.session.receive(Buffer.alloc(70_000, 'x'));
    expect(dialog.paused).toBe(true);
    dialog.world.queue.slow = undefined;
    release();
    await dialog.read();
    expect(dialog.paused).toBe(false);
    expect(await dialog.send('\r\n.\r\n')).toContain('250 2.0.0');
    expect(bodies(dialog)[0]).toHaveLength(80_004);
  });

  it('keeps a message whose client left after its end', async () => {
    const dialog = await atData();
    dialog.session.receive(Buffer.from('A: b\r\n\r\n.\r\n'));
    dialog.session.ended('connection closed');
    await dialog.read();
    expect(dialog.world.queue).toMatchObject({ aborted: 0, messages: [{ queueId: 'Q1' }] });
  });
});

describe('Received:', () => {
  const trace = (dialog: Dialog): string[] =>
    (dialog.world.queue.messages[0]?.octets ?? '').split('\r\n').slice(0, 5);

  it.each<[string, DialogOptions, string[], string[]]>([
    [
      'one recipient',
      {},
      [],
      [
        'Received: from client.example (unknown [192.0.2.7])',
        '\tby mail.example.com (Postcote) with ESMTP id Q1',
        expect.stringMatching(
          /^\tfor <alice@example\.com>; \w{3}, 2\d Nov 2026 \d\d:\d\d:\d\d [+-]\d{4} \(.+\)$/,
        ) as string,
      ],
    ],
    [
      'two recipients',
      {},
      ['RCPT TO:<bob@example.com>'],
      [
        'Received: from client.example (unknown [192.0.2.7])',
        '\tby mail.example.com (Postcote) with ESMTP id Q1;',
        expect.stringMatching(/^\t\w{3}, 2\d Nov 2026/) as string,
      ],
    ],
    [
      'IPv6',
      { peer: { remoteAddress: '2001:db8::7' } },
      [],
      ['Received: from client.example (unknown [IPv6:2001:db8::7])'],
    ],
    [
      'TLS',
      { tls: TEST_TLS, settings: { tlsReceivedHeader: true } },
      [],
      [
        'Received: from client.example (unknown [192.0.2.7])',
        '\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))',
        '\t(No client certificate requested)',
        '\tby mail.example.com (Postcote) with ESMTPS id Q1',
      ],
    ],
    [
      'a verified name',
      { zone: { reverse: { '192.0.2.7': ['c.example'] }, addresses: { 'c.example': ['192.0.2.7'] } } },
      [],
      ['Received: from client.example (c.example [192.0.2.7])'],
    ],
  ])('%s', async (_, options, more, expected) => {
    const dialog = new Dialog(options);
    await dialog.say(...GREETING);
    await dialog.say(...ENVELOPE, ...more);
    await dialog.say('DATA');
    await dialog.send('x: y\r\n\r\n.\r\n');
    expect(trace(dialog).slice(0, expected.length)).toEqual(expected);
  });

  it('says SMTP after HELO, and calls a client that never said it by its name', async () => {
    const dialog = new Dialog();
    await dialog.say(...ENVELOPE);
    await dialog.say('DATA');
    await dialog.send('.\r\n');
    expect(trace(dialog).slice(0, 2)).toEqual([
      'Received: from unknown (unknown [192.0.2.7])',
      '\tby mail.example.com (Postcote) with SMTP id Q1',
    ]);
  });

  it('waits for the name of the client, and only it does', async () => {
    const dialog = new Dialog();
    expect(dialog.world.dns.asked).toEqual(['PTR 192.0.2.7']);
  });
});

describe('local_header_rewrite_clients', () => {
  it('holds a client of this machine and no stranger', async () => {
    const local = await atData({ peer: { remoteAddress: '127.0.0.1', localAddress: '127.0.0.1' } });
    await local.send('Subject: x\r\n\r\nbody\r\n.\r\n');
    const stranger = await atData();
    await stranger.send('Subject: x\r\n\r\nbody\r\n.\r\n');
    expect([local, stranger].map(({ world }) => world.queue.messages[0]?.envelope.localHeaders)).toEqual([
      true,
      undefined,
    ]);
  });
});

describe('content that is refused', () => {
  it.each([
    ['5.7.1', 'no such words here', '550 5.7.1 no such words here\r\n'],
    ['4.7.0', 'not today', '451 4.7.0 not today\r\n'],
  ])('is answered %s', async (status, text, expected) => {
    const dialog = await atData();
    dialog.world.queue.faults.commit = new ContentRejected(status, text);
    expect(await dialog.send('Subject: x\r\n\r\nbody\r\n.\r\n')).toBe(expected);
  });
});

describe('BDAT', () => {
  const SUBJECT = 'Subject: x\r\n';
  it.each<[string, string[], string[], string[]]>([
    [
      'two chunks',
      [`BDAT 12\r\n${SUBJECT}`, 'BDAT 2 LAST\r\n\r\n'],
      ['250 2.0.0 Ok: 12 bytes', '250 2.0.0 Ok: 14 bytes queued as Q1'],
      [`${SUBJECT}\r\n`],
    ],
    [
      'an empty last chunk',
      [`BDAT 12\r\n${SUBJECT}`, 'bdat 0 last\r\n'],
      ['250 2.0.0 Ok: 12 bytes', '250 2.0.0 Ok: 12 bytes queued as Q1'],
      [SUBJECT],
    ],
    [
      'in one write',
      [`BDAT 12\r\n${SUBJECT}BDAT 2 LAST\r\n\r\nNOOP\r\n`],
      ['250 2.0.0 Ok: 12 bytes', '250 2.0.0 Ok: 14 bytes queued as Q1', '250 2.0.0 Ok'],
      [`${SUBJECT}\r\n`],
    ],
    [
      'dots mean nothing',
      ['BDAT 9 LAST\r\n\r\n.\r\n..\r\n'],
      ['250 2.0.0 Ok: 9 bytes queued as Q1'],
      ['\r\n.\r\n..\r\n'],
    ],
    ['no line end', ['BDAT 6 LAST\r\nA: b\r\n'], ['250 2.0.0 Ok: 6 bytes queued as Q1'], ['A: b\r\n']],
    [
      'bare LF and NUL',
      ['BDAT 10 LAST\r\nA: b\n\nc\0\nd'],
      ['250 2.0.0 Ok: 14 bytes queued as Q1'],
      ['A: b\r\n\r\nc\r\nd\r\n'],
    ],
    [
      'a null chunk',
      ['BDAT 0\r\n', 'BDAT 3 LAST\r\nabc', 'RSET\r\n'],
      ['551 5.7.1 Null BDAT request', '551 5.0.0 Discarded 3 bytes after earlier error', '250 2.0.0 Ok'],
      [],
    ],
    ['too big', ['BDAT 99999999999 LAST\r\nMAIL FROM:<x>\r\n'], [], []],
    [
      'DATA after it',
      [`BDAT 12\r\n${SUBJECT}`, 'DATA\r\n', 'RCPT TO:<bob@example.com>\r\n'],
      ['250 2.0.0 Ok: 12 bytes', '503 5.5.1 Error: DATA after BDAT', '503 5.5.1 Error: RCPT after BDAT'],
      [],
    ],
    [
      'RSET within',
      [`BDAT 12\r\n${SUBJECT}`, 'RSET\r\n', 'BDAT 1 LAST\r\nx'],
      ['250 2.0.0 Ok: 12 bytes', '250 2.0.0 Ok', '503 5.5.1 Error: need RCPT command'],
      [],
    ],
  ])('%s, whole and octet by octet', async (_, sends, replies, messages) => {
    for (const way of ['send', 'sendBytewise'] as const) {
      const dialog = new Dialog();
      await dialog.say(...GREETING);
      await dialog.say(...ENVELOPE);
      await dialog.read();
      let text = '';
      for (const octets of sends) text += await dialog[way](octets);
      expect(text).toBe(replies.map((line) => `${line}\r\n`).join(''));
      expect(bodies(dialog)).toEqual(messages);
      dialog.session.ended('over');
      await dialog.read();
      expect(dialog.world.queue.begun).toBe(dialog.world.queue.aborted + messages.length);
    }
  });

  it.each(['BDAT', 'BDAT x', 'BDAT -1', 'BDAT 1 FIRST', 'BDAT 1 LAST x', 'BDAT 9999999999999999'])(
    '%s ends the session',
    async (line) => {
      const dialog = new Dialog();
      await dialog.say(...GREETING);
      await dialog.say(...ENVELOPE);
      await dialog.read();
      expect(await dialog.say(line, 'RSET')).toBe('521 5.5.4 Syntax: BDAT count [LAST]\r\n');
      expect(dialog.closed).toBe(true);
    },
  );

  it('keeps to the size limit over all chunks', async () => {
    const dialog = new Dialog({ settings: { messageSizeLimit: 20 } });
    await dialog.say(...GREETING);
    await dialog.say(...ENVELOPE);
    await dialog.read();
    expect(await dialog.send(`BDAT 12\r\n${SUBJECT}`)).toBe('250 2.0.0 Ok: 12 bytes\r\n');
    expect(await dialog.send(`BDAT 12 LAST\r\n${SUBJECT}`)).toBe(
      '552 5.3.4 Chunk exceeds message size limit\r\n',
    );
    expect(dialog.world.queue).toMatchObject({ messages: [], aborted: 1 });
  });
});

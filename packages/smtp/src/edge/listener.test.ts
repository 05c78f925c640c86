// The listener over real sockets, and everything of smtp-server 3.21.6 that it leans on: these tests fail when an
// upgrade changes it.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type Socket, connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type SecureContext, createSecureContext, connect as connectTls } from 'node:tls';
import { SMTPServer } from 'smtp-server';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { defaultSmtpSettings } from '../settings.ts';
import { type FakeWorld, fakeWorld } from '../testing/index.ts';
import { type ListenerOptions, SmtpListenerServer } from './listener.ts';

let folder: string;
const contexts: SecureContext[] = [];
const certificates: string[] = [];

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'smtp-listener-'));
  for (const name of ['first', 'second']) {
    const key = path.join(folder, `${name}.key`);
    const cert = path.join(folder, `${name}.pem`);
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-keyout',
        key,
        '-out',
        cert,
        '-days',
        '2',
        '-subj',
        `/CN=${name}.example`,
      ],
      { stdio: 'ignore' },
    );
    contexts.push(createSecureContext({ key: readFileSync(key), cert: readFileSync(cert) }));
    certificates.push(`${name}.example`);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const running: SmtpListenerServer[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(running.splice(0).map((server) => server.stop(0)));
});

interface Started {
  readonly server: SmtpListenerServer;
  readonly world: FakeWorld;
}

async function start(options: Partial<ListenerOptions> = {}): Promise<Started> {
  const world = fakeWorld();
  const server = new SmtpListenerServer({
    implicitTls: false,
    settings: () => ({ ...defaultSmtpSettings('mail.example.com'), tlsSecurityLevel: 'may' }),
    tls: () => ({ secureContext: () => contexts[0] as SecureContext }),
    ports: world.ports,
    ...options,
  });
  await server.listen();
  running.push(server);
  return { server, world };
}

/** A client that reads until what it has matches. */
class Client {
  readonly socket: Socket;
  text = '';
  closed = false;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    sockets.push(socket);
    socket.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('latin1');
      this.#wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.text)) {
      if (this.closed) throw new Error(`closed; got ${JSON.stringify(this.text)}`);
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const { text } = this;
    this.text = '';
    return text;
  }

  async end(): Promise<void> {
    while (!this.closed) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  say(...lines: string[]): void {
    this.socket.write(lines.map((line) => `${line}\r\n`).join(''));
  }
}

const plain = (port: number): Client => new Client(connect({ port, host: '127.0.0.1' }));
const secure = (port: number): Client =>
  new Client(connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }));
const subjectOf = (client: Client): string =>
  String((client.socket as ReturnType<typeof connectTls>).getPeerCertificate().subject.CN);

const MESSAGE = ['Subject: x', '', 'body', '.'];
const ENVELOPE = ['MAIL FROM:<bob@sender.example>', 'RCPT TO:<alice@example.com>', 'DATA'];

describe('SmtpListenerServer', () => {
  it('takes a message over TCP and greets at once', async () => {
    const { server, world } = await start();
    // smtp-server's own connections wait a tenth of a second; on a busy machine one of ours may, too, but not all.
    let fastest = Infinity;
    for (let attempt = 0; attempt < 10 && fastest >= 90; attempt++) {
      const started = performance.now();
      const client = plain(server.port);
      await client.until(/^220 /);
      fastest = Math.min(fastest, performance.now() - started);
      client.socket.destroy();
    }
    expect(fastest).toBeLessThan(90);
    const client = plain(server.port);
    await client.until(/^220 /);
    client.say('EHLO x');
    await client.until(/250 CHUNKING/);
    client.say(...ENVELOPE);
    await client.until(/354 /);
    client.say(...MESSAGE, 'QUIT');
    await client.until(/250 2\.0\.0 Ok: queued as Q1\r\n221 2\.0\.0 Bye/);
    await client.end();
    expect(world.queue.messages[0]?.octets).toMatch(/Subject: x\r\n.*\r\nbody\r\n$/s);
  });

  it('says when it cannot listen', async () => {
    const { server } = await start();
    const second = new SmtpListenerServer({
      implicitTls: false,
      port: server.port,
      settings: () => defaultSmtpSettings('m'),
      tls: () => undefined,
      ports: fakeWorld().ports,
    });
    await expect(second.listen()).rejects.toThrow(/EADDRINUSE/);
  });

  it('switches to TLS, running nothing that was injected before', async () => {
    const { server, world } = await start();
    const client = plain(server.port);
    await client.until(/^220 /);
    client.say('EHLO x');
    await client.until(/250 CHUNKING/);
    client.say('STARTTLS');
    await client.until(/^220 2\.0\.0/);
    client.socket.removeAllListeners('data');
    const tls = new Client(connectTls({ socket: client.socket, rejectUnauthorized: false }));
    await new Promise((resolve) => tls.socket.once('secureConnect', resolve));
    tls.say('EHLO x');
    expect(await tls.until(/250 CHUNKING/)).not.toMatch(/STARTTLS/);
    tls.say(...ENVELOPE);
    await tls.until(/354 /);
    tls.say(...MESSAGE);
    await tls.until(/queued as/);
    expect(world.queue.messages[0]?.octets).toContain('with ESMTPS id Q1');
  });

  it('ends a session whose TLS handshake fails, and says why', async () => {
    const { server, world } = await start();
    const client = plain(server.port);
    await client.until(/^220 /);
    client.say('STARTTLS');
    await client.until(/^220 2\.0\.0/);
    client.say('this is no TLS record');
    await client.end();
    await expect.poll(() => world.logLines().at(-1)).toMatch(/^disconnect from /);
    expect(world.logLines().some((line) => line.startsWith('SSL_accept error from '))).toBe(true);
    expect(world.logLines()).toContainEqual(expect.stringMatching(/^lost connection after STARTTLS from /));
  });

  it('serves implicit TLS, each handshake with the certificate of the moment', async () => {
    let current = 0;
    const { server, world } = await start({
      implicitTls: true,
      tls: () => ({ secureContext: () => contexts[current] as SecureContext }),
    });
    const first = secure(server.port);
    await first.until(/^220 /);
    expect(subjectOf(first)).toBe(certificates[0]);
    current = 1;
    const second = secure(server.port);
    await second.until(/^220 /);
    expect(subjectOf(second)).toBe(certificates[1]);
    second.say('EHLO x');
    expect(await second.until(/250 CHUNKING/)).not.toMatch(/STARTTLS/);
    expect(world.logLines().every((line) => line.startsWith('connect from'))).toBe(true);
  });

  it('drops who speaks no TLS to an implicit TLS port, and anybody while there is no certificate', async () => {
    const { server, world } = await start({ implicitTls: true });
    const client = plain(server.port);
    client.say('EHLO x', 'EHLO x', 'EHLO x');
    await client.end();
    await expect
      .poll(() => world.logLines())
      .toContainEqual(expect.stringMatching(/^SSL_accept error from unknown\[127\.0\.0\.1\]: /));
    const none = await start({ implicitTls: true, tls: () => undefined });
    const refused = secure(none.server.port);
    await refused.end();
    expect(refused.text).toBe('');
  });

  it('turns away more connections than it may have', async () => {
    const { server } = await start({ maxConnections: 1 });
    const first = plain(server.port);
    await first.until(/^220 /);
    const second = plain(server.port);
    await second.end();
    expect(second.text).toBe('421 4.7.0 mail.example.com Error: too many connections from 127.0.0.1\r\n');
    first.say('QUIT');
    await first.end();
    await expect.poll(() => server.connections).toBe(0);
    await plain(server.port).until(/^220 /);
  });

  it('turns away more connections of an address than it may have, except where main.cf says so', async () => {
    const settings = { ...defaultSmtpSettings('mail.example.com'), clientConnectionCountLimit: 2 };
    const { server, world } = await start({ settings: () => settings });
    const [first, second] = [plain(server.port), plain(server.port)];
    await Promise.all([first, second].map((client) => client.until(/^220 /)));
    const third = plain(server.port);
    await third.end();
    expect(third.text).toBe('421 4.7.0 mail.example.com Error: too many connections from 127.0.0.1\r\n');
    expect(world.logLines().join('\n')).toContain(
      'warning: Connection concurrency limit exceeded: 3 from unknown[127.0.0.1] for service smtp',
    );
    first.say('QUIT');
    await first.end();
    await expect.poll(() => server.connections).toBe(1);
    await plain(server.port).until(/^220 /);
    Object.assign(settings, { isClientLimitException: (address: string) => address === '127.0.0.1' });
    await plain(server.port).until(/^220 /);
  });

  it('takes the client from the proxy’s header, before TLS too', async () => {
    const settings = {
      ...defaultSmtpSettings('mail.example.com'),
      upstreamProxy: 'haproxy' as const,
      upstreamProxyTimeout: 200,
    };
    const { server, world } = await start({ settings: () => settings });
    const client = plain(server.port);
    client.say('PROXY TCP4 203.0.113.9 192.0.2.1 4711 25');
    await client.until(/^220 /);
    client.say('EHLO x', 'QUIT');
    await client.end();
    await expect
      .poll(() => world.logLines().join('\n'))
      .toContain('disconnect from unknown[203.0.113.9] ehlo=1');
    const local = plain(server.port);
    local.say('PROXY UNKNOWN', 'EHLO x', 'QUIT');
    await local.until(/^221 /m);
    for (const [words, reason] of [
      [['EHLO x'], 'bad or missing protocol header'],
      [[], 'timeout error'],
    ] as const) {
      const bad = plain(server.port);
      bad.say(...words);
      await bad.end();
      expect(bad.text).toBe('');
      expect(world.logLines().at(-1)).toBe(`warning: haproxy read: ${reason} from 127.0.0.1`);
    }

    const wrapped = await start({ settings: () => settings, implicitTls: true });
    const socket = connect(wrapped.server.port, '127.0.0.1');
    sockets.push(socket);
    socket.write('PROXY TCP4 203.0.113.10 192.0.2.1 4711 465\r\n');
    const secured = connectTls({ socket, rejectUnauthorized: false });
    const greeting = await new Promise((done) => secured.once('data', (octets) => done(String(octets))));
    expect(greeting).toMatch(/^220 /);
    await expect
      .poll(() => wrapped.world.logLines().join('\n'))
      .toContain('connect from unknown[203.0.113.10]');
  });

  it('stops: idle sessions hear so, a message in flight is finished, the rest is cut off in time', async () => {
    const { server, world } = await start();
    const [idle, busy, stuck] = [plain(server.port), plain(server.port), plain(server.port)];
    await Promise.all([idle, busy, stuck].map((client) => client.until(/^220 /)));
    for (const client of [busy, stuck]) {
      client.say('EHLO x');
      await client.until(/250 CHUNKING/);
      client.say(...ENVELOPE);
      await client.until(/354 /);
    }
    const stopped = server.stop(300);
    expect(await idle.until(/421/)).toBe('421 4.3.2 mail.example.com Service shutting down\r\n');
    busy.say(...MESSAGE);
    await busy.until(/250 2\.0\.0 Ok: queued as Q\d\r\n421 4\.3\.2/);
    const started = performance.now();
    await stopped;
    expect(performance.now() - started).toBeLessThan(2000);
    await stuck.end();
    expect(world.queue.messages).toHaveLength(1);
    await expect.poll(() => world.queue.aborted).toBe(1);
    const late = plain(server.port);
    await late.end();
    expect(late.text).toBe('');
  });

  it('survives clients that reset the connection at any moment', async () => {
    const { server, world } = await start();
    for (const lines of [[], ['EHLO x'], ['EHLO x', ...ENVELOPE], ['EHLO x', ...ENVELOPE, 'half']]) {
      const client = plain(server.port);
      await client.until(/^220 /);
      client.say(...lines);
      client.socket.resetAndDestroy();
      await client.end();
    }
    await expect
      .poll(() => world.logLines().filter((line) => line.startsWith('disconnect from')).length)
      .toBe(4);
    expect(world.queue.messages).toEqual([]);
    expect(world.queue.aborted).toBe(world.queue.begun);
  });
});

describe('what is leaned on in smtp-server', () => {
  class Probe extends SMTPServer {
    readonly accepted: Socket[] = [];
    override connect(socket: Socket): void {
      this.accepted.push(socket);
    }
  }

  it('connect() gets every accepted socket, before any octet was read or written', async () => {
    const probe = new Probe({ logger: false, hideSTARTTLS: true });
    const server = probe.listen({ host: '127.0.0.1', port: 0 });
    await new Promise((resolve) => server.once('listening', resolve));
    const client = plain((server.address() as { port: number }).port);
    client.say('early');
    await expect.poll(() => probe.accepted.length).toBe(1);
    expect(probe.accepted[0]?.bytesWritten).toBe(0);
    expect(probe.accepted[0]?.listenerCount('data')).toBe(0);
    probe.accepted[0]?.destroy();
    await new Promise<void>((resolve) => probe.close(() => resolve()));
  });

  it('has the members that are overridden or used', () => {
    const probe = new Probe({ logger: false, hideSTARTTLS: true });
    expect(probe.connections).toBeInstanceOf(Set);
    expect(probe.secureContext).toBeInstanceOf(Map);
    expect(probe.secureContext.has('*')).toBe(true);
    for (const name of ['connect', '_acceptSocket', '_upgrade', 'close', 'listen'] as const)
      expect(probe[name]).toBeTypeOf('function');
  });

  it('close() calls send and close on what is left when closeTimeout is over, and calls back', async () => {
    const probe = new Probe({ logger: false, hideSTARTTLS: true, closeTimeout: 50 });
    const server = probe.listen({ host: '127.0.0.1', port: 0 });
    await new Promise((resolve) => server.once('listening', resolve));
    const client = plain((server.address() as { port: number }).port);
    await expect.poll(() => probe.accepted.length).toBe(1);
    const calls: string[] = [];
    probe.connections.add({ send: () => calls.push('send'), close: () => calls.push('close') } as never);
    await new Promise<void>((resolve) => probe.close(() => resolve()));
    expect(calls).toEqual(['send', 'close']);
    client.socket.destroy();
    probe.accepted[0]?.destroy();
  });
});

// reject_unverified_sender and reject_unverified_recipient: the daemon and a real Postfix probe the same scripted
// servers and must answer their clients alike; what was found out is still known after a restart.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LineClient } from '../support/line-client.ts';
import { freePorts } from '../support/ports.ts';
import { type Behaviour, ScriptedMx } from '../support/scripted-mx.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { type OurWorld, TestBed, type World, startOurs, startReal } from '../support/world.ts';

const REPLY_END = /^\d{3} /;

describeAsRoot('address verification', () => {
  let bed: TestBed;
  let ours: OurWorld;
  let real: World;
  let user: string;
  let port = 0;
  const servers: ScriptedMx[] = [];

  /** A domain whose exchange, at an address of its own, behaves so; without a behaviour nobody listens there. */
  async function domain(name: string, behaviour?: Behaviour): Promise<ScriptedMx | undefined> {
    const address = `127.67.0.${servers.length + 1 + Math.floor(Math.random() * 200)}`;
    bed.dns.set({ [name]: { mx: [[10, `mx.${name}`]], a: [address] }, [`mx.${name}`]: { a: [address] } });
    if (behaviour === undefined) return undefined;
    const server = await ScriptedMx.start(address, port, behaviour);
    servers.push(server);
    return server;
  }

  /** The reply to RCPT, once it is a last word; a stranger asks. */
  async function answer(side: World, sender: string, recipient = `${user}@example.com`): Promise<string> {
    const client = await LineClient.connect({ port: side.ports.smtp, from: '127.0.0.2', timeoutMs: 9_000 });
    try {
      await client.linesUntil(REPLY_END);
      await client.ask('EHLO client.example', REPLY_END);
      await client.ask(`MAIL FROM:<${sender}>`, REPLY_END);
      return (await client.ask(`RCPT TO:<${recipient}>`, REPLY_END)).join('\n');
    } finally {
      client.close();
    }
  }

  beforeAll(async () => {
    bed = await TestBed.open('verification');
    user = bed.users.one().name;
    [port = 0] = await freePorts(1);
    await domain('good.example', {});
    await domain('noone.example', { at: { RCPT: '550 5.1.1 no such user here' } });
    await domain('later.example', { at: { RCPT: '450 4.2.1 come again' } });
    await domain('mail.example', { at: { MAIL: '554 5.7.1 not from you' } });
    await domain('silent.example', { at: { RCPT: 'silence' } });
    await domain('drops.example', { at: { MAIL: 'drop' } });
    await domain('shut.example');
    await domain('relayed.example', { at: { RCPT: '550 5.1.1 unknown there' } });
    bed.dns.set({ 'null.example': { mx: [[0, '']] } });
    const settings = {
      main: [
        'smtpd_recipient_restrictions = reject_unauth_destination, reject_unverified_recipient, reject_unverified_sender',
        'unverified_sender_reject_code = 550',
        'unverified_recipient_reject_code = 550',
        'address_verify_poll_delay = 1s',
        'address_verify_poll_count = 4',
        'relay_domains = relayed.example',
        `smtp_tcp_port = ${port}`,
        'smtp_use_tls = no',
        'smtp_rcpt_timeout = 1s',
        'smtpd_peername_lookup = no',
        'smtp_host_lookup = dns',
        'smtp_dns_support_level = enabled',
      ],
      dovecot: [],
      aliases: [],
      virtual: ['alias@example.com noone@noone.example'],
    };
    // One after the other: each looks for free ports.
    ours = await startOurs(bed, { settings });
    real = await startReal(bed, { settings });
  });

  afterAll(async () => {
    await ours?.stop();
    await real?.stop();
    for (const server of servers) await server.stop();
    await bed?.close();
  });

  it.each([
    'x@good.example',
    'x@noone.example',
    'x@later.example',
    'x@mail.example',
    'x@silent.example',
    'x@drops.example',
    'x@shut.example',
    'x@null.example',
    'x@nowhere.example',
    'alias@example.com',
    '',
  ])('answers for the sender %j as Postfix does', async (sender) => {
    const [told, expected] = await Promise.all([answer(ours, sender), answer(real, sender)]);
    expect(told).toBe(expected);
  });

  it('answers for recipients as Postfix does', async () => {
    const recipient = 'x@relayed.example';
    const [told, expected] = await Promise.all([answer(ours, '', recipient), answer(real, '', recipient)]);
    expect(told).toBe(expected);
    expect(told).toMatch(
      /^550 5\.1\.1 <x@relayed\.example>: Recipient address rejected: undeliverable address: host /,
    );
  });

  it('sends no message, and says so in the log', async () => {
    await ours.daemon.waitForLog(/postfix\/smtp\[\d+\]: \w+: to=<x@good\.example>, .*status=deliverable \(/);
    await ours.daemon.waitForLog(/to=<x@noone\.example>, .*status=undeliverable \(host /);
    expect(servers.flatMap(({ taken }) => taken)).toEqual([]);
    expect(servers.flatMap(({ lines }) => lines).filter((line) => line.startsWith('DATA'))).toEqual([]);
    const senders = new Set(
      servers[0]?.lines.filter((line) => /^MAIL/i.test(line)).map((line) => /<(.*?)>/.exec(line)?.[1]),
    );
    expect([...senders]).toEqual(['double-bounce@lollipop.example.com']);
  });

  it('lets servers that are asked ask back', async () => {
    expect(await answer(ours, '', 'double-bounce@lollipop.example.com')).toBe('250 2.1.5 Ok');
  });

  it('knows after a restart what it found out, and asks nobody', async () => {
    const file = path.join(ours.dataDir, 'queue/verify_cache');
    expect(fs.statSync(file).mode & 0o777).toBe(0o600);
    const asked = servers[0]?.connections;
    await ours.daemon.stop();
    await ours.daemon.start();
    const started = performance.now();
    expect(await answer(ours, 'x@good.example')).toBe('250 2.1.5 Ok');
    expect(performance.now() - started).toBeLessThan(900);
    expect(servers[0]?.connections).toBe(asked);
  });
});

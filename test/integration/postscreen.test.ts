// A row of master.cf that runs postscreen: the daemon and a real one meet the same clients, say the same, and log the
// same about them. Who passed is known after a restart.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { LineClient } from '../support/line-client.ts';
import { freePorts } from '../support/ports.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { type OurWorld, TestBed, type World, startOurs, startReal } from '../support/world.ts';

const REPLY_END = /^\d{3} /;

/** Settings of one postscreen each. */
const SCREENS = {
  usual: [],
  enforcing: ['postscreen_greet_action=enforce'],
  dropping: ['postscreen_greet_action=drop', 'postscreen_greet_banner='],
  denying: ['postscreen_denylist_action=drop'],
  refusing: ['postscreen_denylist_action=enforce'],
  listing: [
    '{ postscreen_dnsbl_sites = block.example*2, other.example=127.0.0.[3..5], good.example*-4 }',
    'postscreen_dnsbl_threshold=2',
    'postscreen_dnsbl_action=drop',
  ],
  listingsoftly: [
    '{ postscreen_dnsbl_sites = block.example*2 }',
    'postscreen_dnsbl_action=enforce',
    'postscreen_greet_wait=1s',
  ],
} as const;
type ScreenName = keyof typeof SCREENS;
const NAMES = Object.keys(SCREENS) as ScreenName[];

interface Case {
  readonly screen: ScreenName;
  readonly from: string;
  /** Said before anything was heard. */
  readonly early?: string;
  /** Leaves after the teaser. */
  readonly leaves?: true;
  /** How the last line about it in the log begins. */
  readonly ends: string;
}

const CASES: readonly Case[] = [
  { screen: 'usual', from: '127.0.0.1', ends: 'ALLOWLISTED' },
  { screen: 'usual', from: '127.0.0.20', ends: 'PASS NEW' },
  { screen: 'usual', from: '127.0.0.21', early: 'EHLO early.example\r\n', ends: 'PREGREET' },
  { screen: 'usual', from: '127.0.0.22', leaves: true, ends: 'HANGUP' },
  { screen: 'enforcing', from: '127.0.0.23', early: 'EHLO early.example\r\n', ends: 'NOQUEUE' },
  { screen: 'enforcing', from: '127.0.0.24', ends: 'PASS NEW' },
  { screen: 'dropping', from: '127.0.0.25', early: 'HELO x\r\nMAIL FROM:<a@b>\r\n', ends: 'CONNECT' },
  { screen: 'dropping', from: '127.0.0.26', ends: 'CONNECT' },
  { screen: 'denying', from: '127.0.0.66', ends: 'DENYLISTED' },
  { screen: 'denying', from: '127.0.0.67', ends: 'PASS NEW' },
  { screen: 'refusing', from: '127.0.0.66', ends: 'NOQUEUE' },
  { screen: 'usual', from: '127.0.0.66', ends: 'PASS NEW' },
  { screen: 'listing', from: '127.0.0.30', ends: 'DNSBL' },
  { screen: 'listing', from: '127.0.0.31', ends: 'PASS NEW' },
  { screen: 'listing', from: '127.0.0.32', ends: 'PASS NEW' },
  { screen: 'listing', from: '127.0.0.33', ends: 'PASS NEW' },
  { screen: 'listingsoftly', from: '127.0.0.30', ends: 'NOQUEUE' },
];

const listed = (address: string, zone: string): string => `${address.split('.').reverse().join('.')}.${zone}`;

describeAsRoot('postscreen', () => {
  let bed: TestBed;
  let ours: OurWorld;
  let real: World;
  const ports = { ours: new Map<ScreenName, number>(), real: new Map<ScreenName, number>() };

  const rows = (numbers: ReadonlyMap<ScreenName, number>): string[] => [
    ...NAMES.flatMap((name) => [
      `127.0.0.1:${numbers.get(name) ?? 0} inet n - n - 1 postscreen`,
      `  -o syslog_name=postfix/${name}`,
      // A cache of its own each, so that nobody passes by another's test; only the usual one keeps its memory.
      ...(name === 'usual' ? [] : ['  -o postscreen_cache_map=']),
      ...SCREENS[name].map((setting) => `  -o ${setting}`),
    ]),
    'smtpd pass - - n - - smtpd',
    'dnsblog unix - - n - 0 dnsblog',
    'tlsproxy unix - - n - 0 tlsproxy',
  ];

  async function play(side: 'ours' | 'real', { screen, from, early, leaves }: Case): Promise<string[]> {
    const client = await LineClient.connect({ port: ports[side].get(screen) ?? 0, from, timeoutMs: 12_000 });
    const said: string[] = [];
    try {
      if (early !== undefined) client.send(early);
      if (leaves === true) return [await client.line()];
      said.push(...(await client.linesUntil(REPLY_END)));
      if (/^[45]/.test(said.at(-1) ?? '')) return said;
      if (early === undefined) client.send('EHLO late.example\r\n');
      // The real one forgets the rest of its greeting for who spoke early and is to be refused.
      if (said.at(-1)?.startsWith('250 ') === true) said.length = 0;
      else await client.linesUntil(REPLY_END);
      if (early !== undefined) said.length = 0;
      said.push(...(await client.ask('MAIL FROM:<x@sender.example>', REPLY_END)));
      said.push(...(await client.ask('RCPT TO:<postmaster@elsewhere.example>', REPLY_END)));
      said.push(...(await client.ask('QUIT', REPLY_END)));
      return said;
    } finally {
      client.close();
    }
  }

  /** Lines about one client, without ports and times. */
  function linesAbout(world: World, { screen, from }: Case): string[] {
    const kinds = /^(CONNECT|PREGREET|PASS|ALLOWLISTED|DENYLISTED|DNSBL|HANGUP|NOQUEUE)/;
    return world
      .log()
      .split('\n')
      .filter((line) => line.includes(`postfix/${screen}/postscreen[`) && line.includes(`[${from}]:`))
      .map((line) =>
        line
          .replace(/^.*?\]: /, '')
          .replace(/\]:\d+/g, ']:PORT')
          .replace(/after [\d.]+/, 'after T'),
      )
      .filter((line) => kinds.test(line));
  }

  beforeAll(async () => {
    bed = await TestBed.open('postscreen');
    bed.dns.set({
      [listed('127.0.0.30', 'block.example')]: { a: ['127.0.0.2'] },
      [listed('127.0.0.31', 'other.example')]: { a: ['127.0.0.4'] },
      [listed('127.0.0.32', 'other.example')]: { a: ['127.0.0.9'] },
      [listed('127.0.0.33', 'block.example')]: { a: ['127.0.0.2'] },
      [listed('127.0.0.33', 'good.example')]: { a: ['127.0.0.2'] },
    });
    const access = path.join(bed.folder, 'access.cidr');
    fs.writeFileSync(access, '127.0.0.66 reject\n127.0.0.67 dunno\n127.0.0.0/30 permit\n', { mode: 0o644 });
    const settings = {
      main: [
        'postscreen_greet_wait = 1s',
        `postscreen_access_list = permit_mynetworks, cidr:${access}`,
        'smtpd_relay_restrictions = reject_unauth_destination',
        'smtpd_recipient_restrictions =',
        'smtpd_peername_lookup = no',
      ],
      dovecot: [],
      aliases: [],
      virtual: [],
    };
    for (const side of ['ours', 'real'] as const) {
      const numbers = await freePorts(NAMES.length);
      NAMES.forEach((name, i) => ports[side].set(name, numbers[i] ?? 0));
      if (side === 'ours') ours = await startOurs(bed, { settings, extraMaster: rows(ports.ours) });
      else real = await startReal(bed, { settings, extraMaster: rows(ports.real) });
    }
  });

  afterAll(async () => {
    await ours?.stop();
    await real?.stop();
    await bed?.close();
  });

  it.each(
    CASES.map((one) => ({
      one,
      name: `${one.screen}: ${one.from} ${one.early ?? ''}${one.leaves ? 'leaves' : ''}`,
    })),
  )('does with $name as the real one', async ({ one }) => {
    const [told, expected] = await Promise.all([play('ours', one), play('real', one)]);
    const plain = (lines: string[]): string[] => lines.map((line) => line.replace(/ESMTP .*$/, 'ESMTP'));
    expect(plain(told)).toEqual(plain(expected));
    await eventually(() => {
      const expectedLines = linesAbout(real, one);
      expect(expectedLines.at(-1)).toMatch(new RegExp(`^${one.ends}`));
      expect(linesAbout(ours, one)).toEqual(expectedLines);
    }, 5000);
  });

  it('lets who passed pass at once, also after a restart', async () => {
    const one: Case = { screen: 'usual', from: '127.0.0.20', ends: 'PASS OLD' };
    await play('ours', one);
    await ours.daemon.waitForLog(/PASS OLD \[127\.0\.0\.20\]/);
    await ours.daemon.stop();
    await ours.daemon.start();
    await play('ours', one);
    await eventually(
      () => expect(ours.daemon.log.match(/PASS OLD \[127\.0\.0\.20\]/g)).toHaveLength(2),
      3000,
    );
    expect(fs.statSync(path.join(ours.dataDir, 'queue/postscreen_cache')).mode & 0o777).toBe(0o600);
  });
});

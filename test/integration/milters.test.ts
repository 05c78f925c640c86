// What filters say and what becomes of it: every row of the table, against a real Postfix and against ours, with the same
// filters following the same scripts. Replies, delivered messages, log lines of filters' decisions, and what the filters
// were told must be equal, but for what `docs/differences.md` lists.

import fs from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Commands } from '../support/commands.ts';
import { eventually } from '../support/eventually.ts';
import { NO_SETTINGS } from '../support/guide-config.ts';
import { LineClient } from '../support/line-client.ts';
import { makeFolder } from '../support/maildir-files.ts';
import { HEADER_CHECKS, MAPS, MESSAGE, type MilterRow, ROWS, USUAL } from '../support/milter-rows.ts';
import type { Account } from '../support/play-transcript.ts';
import { runProgram } from '../support/run-program.ts';
import { ScriptedMilter } from '../support/scripted-milter.ts';
import { describeAsRoot } from '../support/use-world.ts';
import { type OurWorld, TestBed, type World, startOurs, startReal } from '../support/world.ts';

const REPLY_END = /^\d{3} /;

/** The filter was told of the end, or had been sent away before. */
const isOver = (lines: readonly string[]): boolean => lines.at(-1) === 'quit';

interface Played {
  readonly said: readonly string[];
  readonly delivered: readonly string[];
  readonly decisions: readonly string[];
  readonly heard: readonly (readonly string[])[];
}

describeAsRoot('milters, beside the real Postfix', () => {
  let bed: TestBed;
  let real: World;
  let ours: OurWorld;
  let commands: Commands;
  let milters: readonly [ScriptedMilter, ScriptedMilter];
  let accounts: readonly [Account, Account, Account];
  const logged = new Map<World, number>();

  beforeAll(async () => {
    bed = await TestBed.open('milters');
    accounts = bed.users.create(3) as unknown as typeof accounts;
    for (const account of accounts) makeFolder(account, 'INBOX');
    milters = [await ScriptedMilter.start(), await ScriptedMilter.start()];
    const maps = path.join(bed.folder, 'milter-maps');
    const filled = MAPS.map(([address, value]) => `${address}/32 ${withPorts(value)}\n`).join('');
    fs.writeFileSync(maps, filled);
    const checks = path.join(bed.folder, 'milter-checks');
    fs.writeFileSync(checks, withNames(HEADER_CHECKS));
    bed.dns.set({ 'sender.example': { a: ['127.0.0.1'] } });
    const main = [
      `smtpd_milters = inet:127.0.0.1:${milters[0].port}, inet:127.0.0.1:${milters[1].port}`,
      `smtpd_milter_maps = cidr:${maps}`,
      `milter_header_checks = pcre:${checks}`,
      'milter_connect_macros = j {daemon_name} v _ {client_addr}',
      'milter_macro_v = Test',
      'milter_macro_daemon_name = daemon.example',
      'mynetworks = 127.0.0.0/8',
      'smtpd_recipient_restrictions = permit_mynetworks, reject',
      'smtpd_client_connection_rate_limit = 0',
      'smtpd_client_connection_count_limit = 0',
      'smtpd_error_sleep_time = 0',
      'smtpd_soft_error_limit = 100',
      'smtpd_hard_error_limit = 100',
    ];
    const settings = { ...NO_SETTINGS, main };
    real = await startReal(bed, { settings });
    ours = await startOurs(bed, { settings });
    commands = new Commands({
      folder: bed.newFolder('commands'),
      dataDir: ours.dataDir,
      postfixDir: ours.config.postfixDir,
    });
  });

  afterAll(async () => {
    await ours?.stop();
    await real?.stop();
    for (const milter of milters ?? []) await milter.stop();
    await bed?.close();
  });

  const withPorts = (text: string): string =>
    text.replaceAll('@1@', String(milters[0].port)).replaceAll('@2@', String(milters[1].port));
  const withNames = (text: string): string =>
    ['alice', 'bob', 'carol'].reduce(
      (filled, name, i) => filled.replaceAll(`@${name}@`, accounts[i]?.name ?? ''),
      text,
    );

  /** The same for both sides, and without what is never twice the same. */
  const plain = (text: string): string => {
    let shown = text;
    for (const [i, name] of ['alice', 'bob', 'carol'].entries())
      shown = shown.replaceAll(accounts[i]?.name ?? '', name);
    return (
      shown
        .replaceAll(String(milters[0].port), 'PORT1')
        .replaceAll(String(milters[1].port), 'PORT2')
        .replace(/queued as \w+/g, 'queued as ID')
        .replace(/\bi=\w+/g, 'i=ID')
        .replace(/<\d{14}\.\w+@/g, '<NEW@')
        .replace(/\w{3}, +\d+ \w{3} \d{4} [\d:]+ \+0000 \(UTC\)/g, 'NOW')
        // Messages get their id at DATA here, with the first recipient there.
        .replace(/^(rcpt .* \{)i=ID ?/, '$1')
    );
  };

  const scripts = (row: MilterRow): void => {
    milters.forEach((milter, i) => {
      const script = (i === 0 ? row.first : row.second) ?? {};
      const fill = (octets: Buffer): Buffer => {
        const text = octets.toString('latin1');
        if (!/@(alice|bob|carol)@/.test(text)) return octets;
        const data = Buffer.from(withNames(text.slice(4)), 'latin1');
        const head = Buffer.alloc(4);
        head.writeUInt32BE(data.length);
        return Buffer.concat([head, data]);
      };
      const on = Object.fromEntries(
        Object.entries(script.on ?? {}).map(([event, answers]) => [
          event,
          answers.map((answer) => (typeof answer === 'string' ? answer : answer.map(fill))),
        ]),
      );
      milter.follow({ ...script, on });
    });
  };

  async function converse(world: World, row: MilterRow): Promise<string[]> {
    const client = await LineClient.connect({ port: world.ports.smtp, ...(row.from && { from: row.from }) });
    const said: string[] = [];
    const hear = async (command: string, ask: () => Promise<readonly string[]>): Promise<string> => {
      const lines = await ask();
      said.push(`${command} → ${lines.join(' | ')}`);
      return lines.at(-1) ?? '';
    };
    try {
      let last = await hear('', () => client.linesUntil(REPLY_END));
      for (const line of row.dialog ?? USUAL) {
        if (/^[45]21/.test(last)) break;
        const isMessage = /^@MESSAGE@|^Subject: /.test(line);
        if (isMessage && !last.startsWith('354')) continue;
        const text = isMessage
          ? `${(line === '@MESSAGE@' ? (row.message ?? MESSAGE) : line).replace(/^\./gm, '..').replace(/\r?\n/g, '\r\n')}.`
          : withNames(line).replace(/^(BDAT \d+ LAST)\n/, '$1\r\n');
        const shown = isMessage ? 'message' : (line.split('\n', 1)[0] ?? '');
        if (text.startsWith('BDAT')) {
          client.send(text);
          last = await hear(shown, () => client.linesUntil(REPLY_END));
        } else last = await hear(shown, () => client.ask(text, REPLY_END));
      }
      return said;
    } finally {
      client.close();
    }
  }

  /** Every message that the row brought, as it was delivered or is held. */
  async function collect(world: World, expected: number): Promise<string[]> {
    const inboxes = accounts.map(({ home }) => path.join(home, 'mail/new'));
    const found: string[] = [];
    if (expected > 0) await eventually(async () => expect(await isIdle(world)).toBe(true), 20_000);
    for (const [i, folder] of inboxes.entries()) {
      for (const name of fs.existsSync(folder) ? fs.readdirSync(folder) : []) {
        const file = path.join(folder, name);
        found.push(`${['alice', 'bob', 'carol'][i] ?? ''}: ${stable(fs.readFileSync(file, 'latin1'))}`);
        fs.unlinkSync(file);
      }
    }
    return found.toSorted();
  }

  const queue = (world: World, ...args: string[]) =>
    world === ours
      ? commands.run(args[0] ?? '', args.slice(1))
      : runProgram(args[0] ?? '', [['-c', world.config.postfixDir], ...args.slice(1)]);

  /** Nothing waits; what is held is let go first, and told. */
  async function isIdle(world: World): Promise<boolean> {
    const { stdout } = await queue(world, 'postqueue', '-j');
    if (stdout.includes('"queue_name": "hold"') || stdout.includes('"queue_name":"hold"')) {
      await queue(world, 'postsuper', '-H', 'ALL');
      await queue(world, 'postqueue', '-f');
    }
    return stdout.trim() === '';
  }

  const stable = (message: string): string =>
    plain(message)
      .replace(/^Received: .*\n(?:[ \t].*\n)*?[ \t]+for <.*\n[ \t].*\n/m, 'Received: ours\n')
      .replace(/^Received: from client\.example.*\n(?:[ \t].*\n)*/m, 'Received: ours\n')
      .replace(/^Received: from (?:a|b)\.example.*\n(?:[ \t].*\n)*/m, 'Received: ours\n');

  /** Decisions of filters since the last time, without ids. */
  const decisions = (world: World): string[] => {
    // Later versions of Postfix, and ours, say once that a message will be held.
    const repeated = /^milter-hold: (RCPT|DATA|UNKNOWN) /;
    const found = [...world.log().matchAll(/: (milter-[\w-]+: (?:[A-Z-]+|header .*) from .*)$/gm)];
    const from = logged.get(world) ?? 0;
    logged.set(world, found.length);
    return found
      .slice(from)
      .flatMap(([, text = '']) =>
        repeated.test(text) ? [] : [plain(text).replace(/^(milter-hold: \S+ from \S+): .*?;/, '$1: REASON;')],
      );
  };

  /** Logs come by other ways than replies: the session's last line is waited for. */
  const sessionsOf = (world: World): number =>
    world.log().match(/\/smtpd(?:\[\d+\])?: disconnect from /g)?.length ?? 0;

  async function play(world: World, row: MilterRow): Promise<Played> {
    scripts(row);
    const before = sessionsOf(world);
    const said = (await converse(world, row)).map(plain);
    await eventually(() => expect(sessionsOf(world)).toBeGreaterThan(before));
    const accepted = said.filter((line) => /queued as/.test(line)).length;
    const delivered = await collect(world, accepted);
    // Filters hear of a session's end when the client knows it already.
    const goodbyes = milters.map((milter) => milter.heard);
    await eventually(() => {
      for (const lines of goodbyes) if (lines.length > 0) expect(isOver(lines)).toBe(true);
    }, 2000).catch(() => undefined);
    const heard = goodbyes.map((lines) =>
      lines.map((line) => plain(line).replace(/127\.0\.0\.\d+/g, 'ADDRESS')),
    );
    return { said, delivered, decisions: decisions(world), heard };
  }

  it.each(ROWS.map((row) => ({ name: row.name, row })))('$name', async ({ row }) => {
    const theirs = await play(real, row);
    const mine = await play(ours, row);
    if (row.differs === undefined) expect(mine).toEqual(theirs);
    else expect(mine).not.toEqual(theirs);
  });
});

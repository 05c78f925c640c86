// One side of the comparison of mail filters: a server with two scripted filters and three accounts of its own, so that
// both sides can play a row at the same time. A row is over when the queue is done with every message that it brought and
// the filters' connections are closed.

import fs from 'node:fs';
import path from 'node:path';
import { expect } from 'vitest';
import { Commands } from './commands.ts';
import { eventually } from './eventually.ts';
import { NO_SETTINGS } from './guide-config.ts';
import { LineClient } from './line-client.ts';
import { makeFolder } from './maildir-files.ts';
import { HEADER_CHECKS, MAPS, MESSAGE, type MilterRow, USUAL } from './milter-rows.ts';
import type { Account } from './play-transcript.ts';
import { runProgram } from './run-program.ts';
import { ScriptedMilter } from './scripted-milter.ts';
import type { Side } from './transcript.ts';
import { type OurWorld, type TestBed, type World, startOurs, startReal } from './world.ts';

export interface Played {
  readonly said: readonly string[];
  readonly delivered: readonly string[];
  readonly decisions: readonly string[];
  readonly heard: readonly (readonly string[])[];
}

const REPLY_END = /^\d{3} /;
const NAMES = ['alice', 'bob', 'carol'] as const;
/** A message that leaves no line when it goes (all its recipients were taken away): then the queue itself is asked. */
const ASK_QUEUE_AFTER_MS = 700;

/** What is in `one` and not in `other`, a line each. */
export function linesOnlyIn(one: Played, other: Played): string[] {
  const left = linesOf(other);
  return linesOf(one).filter((line) => {
    const at = left.indexOf(line);
    if (at === -1) return true;
    left.splice(at, 1);
    return false;
  });
}

/** What filters hear once the sides go different ways follows from the rest, and is left out. */
const linesOf = ({ said, delivered, decisions }: Played): string[] => [
  ...said.map((line) => `said ${line}`),
  ...delivered.map(
    (message) => `delivered ${/^\w+: /.exec(message)?.[0] ?? ''}${/^Subject:.*/m.exec(message)?.[0] ?? ''}`,
  ),
  ...decisions,
];

interface Surroundings {
  readonly milters: readonly [ScriptedMilter, ScriptedMilter];
  readonly accounts: readonly Account[];
}

type QueueCommand = (program: string, ...args: string[]) => Promise<{ readonly stdout: string }>;

export class MilterSide {
  readonly #world: World;
  readonly #milters: readonly [ScriptedMilter, ScriptedMilter];
  readonly #accounts: readonly Account[];
  readonly #queue: QueueCommand;
  #decided = 0;

  static async start(side: Side, bed: TestBed): Promise<MilterSide> {
    // In the order of their names: a redirection takes the first one's place.
    const accounts = bed.users.create(NAMES.length).toSorted((a, b) => (a.name < b.name ? -1 : 1));
    for (const account of accounts) makeFolder(account, 'INBOX');
    const milters = [await ScriptedMilter.start(), await ScriptedMilter.start()] as const;
    const folder = bed.newFolder(`filters-${side}`);
    const maps = path.join(folder, 'maps');
    const rows = MAPS.map(([address, value]) => `${address}/32 ${withPorts(value, milters)}\n`);
    fs.writeFileSync(maps, rows.join(''));
    const checks = path.join(folder, 'checks');
    fs.writeFileSync(checks, withNames(HEADER_CHECKS, accounts));
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
    if (side === 'real') {
      const world = await startReal(bed, { settings });
      const { postfixDir } = world.config;
      return new MilterSide(world, { milters, accounts }, (program, ...args) =>
        runProgram(program, [['-c', postfixDir], ...args]),
      );
    }
    const world: OurWorld = await startOurs(bed, { settings });
    const { dataDir, config } = world;
    const commands = new Commands({
      folder: bed.newFolder('commands'),
      dataDir,
      postfixDir: config.postfixDir,
    });
    return new MilterSide(world, { milters, accounts }, (program, ...args) => commands.run(program, args));
  }

  private constructor(world: World, { milters, accounts }: Surroundings, queue: QueueCommand) {
    this.#world = world;
    this.#milters = milters;
    this.#accounts = accounts;
    this.#queue = queue;
  }

  async stop(): Promise<void> {
    await this.#world.stop();
    for (const milter of this.#milters) await milter.stop();
  }

  async play(row: MilterRow): Promise<Played> {
    this.#follow(row);
    const before = this.#sessions;
    const said = await this.#converse(row);
    await eventually(() => expect(this.#sessions).toBeGreaterThan(before));
    for (const line of said) {
      const id = /queued as (\w+)/.exec(line)?.[1];
      if (id !== undefined) await this.#isDone(id);
    }
    // Filters hear of a session's end when the client knows it already.
    await eventually(() => expect(this.#milters.map(({ open }) => open)).toEqual([0, 0]));
    const heard = this.#milters.map((milter) =>
      milter.heard.map((line) => this.#plain(line).replace(/127\.0\.0\.\d+/g, 'ADDRESS')),
    );
    return {
      said: said.map((line) => this.#plain(line)),
      delivered: this.#collect(),
      decisions: this.#decisions(),
      heard,
    };
  }

  /** The same for both sides, and without what is never twice the same. */
  #plain(text: string): string {
    let shown = text;
    for (const [i, name] of NAMES.entries()) shown = shown.replaceAll(this.#accounts[i]?.name ?? '', name);
    return (
      shown
        .replaceAll(String(this.#milters[0].port), 'PORT1')
        .replaceAll(String(this.#milters[1].port), 'PORT2')
        .replace(/queued as \w+/g, 'queued as ID')
        .replace(/\bi=\w+/g, 'i=ID')
        .replace(/<\d{14}\.\w+@/g, '<NEW@')
        .replace(/\w{3}, +\d+ \w{3} \d{4} [\d:]+ \+0000 \(UTC\)/g, 'NOW')
        // Messages get their id at DATA here, with the first recipient there.
        .replace(/^(rcpt .* \{)i=ID ?/, '$1')
    );
  }

  #follow(row: MilterRow): void {
    this.#milters.forEach((milter, i) => {
      const script = (i === 0 ? row.first : row.second) ?? {};
      const on = Object.fromEntries(
        Object.entries(script.on ?? {}).map(([event, answers]) => [
          event,
          answers.map((answer) =>
            typeof answer === 'string' ? answer : answer.map((octets) => this.#named(octets)),
          ),
        ]),
      );
      milter.follow({ ...script, on });
    });
  }

  /** A frame with the accounts' names in it. */
  #named(octets: Buffer): Buffer {
    const text = octets.toString('latin1');
    if (!/@(alice|bob|carol)@/.test(text)) return octets;
    const data = Buffer.from(withNames(text.slice(4), this.#accounts), 'latin1');
    const head = Buffer.alloc(4);
    head.writeUInt32BE(data.length);
    return Buffer.concat([head, data]);
  }

  async #converse(row: MilterRow): Promise<string[]> {
    const client = await LineClient.connect({
      port: this.#world.ports.smtp,
      ...(row.from && { from: row.from }),
    });
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
          : withNames(line, this.#accounts).replace(/^(BDAT \d+ LAST)\n/, '$1\r\n');
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

  /** The queue keeps this message no longer. What is held is let go first. */
  async #isDone(id: string): Promise<void> {
    const isGone = (): boolean =>
      new RegExp(`: ${id}: (?:removed$|milter-(?:header-)?discard: )`, 'm').test(this.#world.log());
    const isHeld = new RegExp(`: ${id}: milter-(?:header-)?hold: `).test(this.#world.log());
    if (!isHeld) {
      const seen = await eventually(() => expect(isGone()).toBe(true), ASK_QUEUE_AFTER_MS).then(
        () => true,
        () => false,
      );
      if (seen) return;
    }
    await eventually(async () => {
      const { stdout } = await this.#queue('postqueue', '-j');
      if (/"queue_name": ?"hold"/.test(stdout)) {
        await this.#queue('postsuper', '-H', 'ALL');
        await this.#queue('postqueue', '-f');
      }
      expect(stdout).not.toContain(`"${id}"`);
    }, 30_000);
  }

  /** Every message that the row brought, as it was delivered. */
  #collect(): string[] {
    const found: string[] = [];
    for (const [i, { home }] of this.#accounts.entries()) {
      const folder = path.join(home, 'mail/new');
      for (const name of fs.existsSync(folder) ? fs.readdirSync(folder) : []) {
        const file = path.join(folder, name);
        found.push(`${NAMES[i] ?? ''}: ${this.#stable(fs.readFileSync(file, 'latin1'))}`);
        fs.unlinkSync(file);
      }
    }
    return found.toSorted();
  }

  #stable(message: string): string {
    return this.#plain(message)
      .replace(/^Received: .*\n(?:[ \t].*\n)*?[ \t]+for <.*\n[ \t].*\n/m, 'Received: ours\n')
      .replace(/^Received: from client\.example.*\n(?:[ \t].*\n)*/m, 'Received: ours\n')
      .replace(/^Received: from (?:a|b)\.example.*\n(?:[ \t].*\n)*/m, 'Received: ours\n');
  }

  /** Decisions of filters since the last time, without ids. */
  #decisions(): string[] {
    // Later versions of Postfix, and ours, say once that a message will be held.
    const repeated = /^milter-hold: (RCPT|DATA|UNKNOWN) /;
    const found = [...this.#world.log().matchAll(/: (milter-[\w-]+: (?:[A-Z-]+|header .*) from .*)$/gm)];
    const from = this.#decided;
    this.#decided = found.length;
    return found
      .slice(from)
      .flatMap(([, text = '']) =>
        repeated.test(text)
          ? []
          : [this.#plain(text).replace(/^(milter-hold: \S+ from \S+): .*?;/, '$1: REASON;')],
      );
  }

  /** Sessions that are over. Logs come by other ways than replies: the session's last line is waited for. */
  get #sessions(): number {
    return this.#world.log().match(/\/smtpd(?:\[\d+\])?: disconnect from /g)?.length ?? 0;
  }
}

const withPorts = (text: string, milters: readonly [ScriptedMilter, ScriptedMilter]): string =>
  text.replaceAll('@1@', String(milters[0].port)).replaceAll('@2@', String(milters[1].port));

const withNames = (text: string, accounts: readonly Account[]): string =>
  NAMES.reduce((filled, name, i) => filled.replaceAll(`@${name}@`, accounts[i]?.name ?? ''), text);

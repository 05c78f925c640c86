// Plays a transcript against servers that answer on loopback, whichever they are. Failure: a `DialogError` that
// names file and line, what was expected, what came, and the dialog so far.

import { setTimeout as sleep } from 'node:timers/promises';
import { DialogError, LineClient } from './line-client.ts';
import { countMessages, writeMaildir } from './maildir-files.ts';
import {
  type Expected,
  type Service,
  type Side,
  type Step,
  type Transcript,
  compilePattern,
  expandTemplate,
} from './transcript.ts';

export interface Account {
  readonly name: string;
  readonly password: string;
  readonly home: string;
  readonly uid: number;
  readonly gid: number;
}

export interface Stage {
  readonly side: Side;
  readonly ports: Readonly<Record<Service, number>>;
  /** `${hostname}` and the like. */
  readonly variables: Readonly<Record<string, string>>;
  /** One per `user:` of the transcript. */
  readonly accounts: ReadonlyMap<string, Account>;
}

const IMPLICIT_TLS: ReadonlySet<Service> = new Set(['smtps', 'imaps', 'pop3s']);
const ARRIVAL_LIMIT_MS = 20_000;
/** How long a line that need not come is waited for. */
const OPTIONAL_MS = 300;

class Player {
  readonly #transcript: Transcript;
  readonly #stage: Stage;
  readonly #variables: Map<string, string>;
  readonly #clients = new Map<number, LineClient>();

  constructor(transcript: Transcript, stage: Stage) {
    this.#transcript = transcript;
    this.#stage = stage;
    this.#variables = new Map(Object.entries(stage.variables));
    for (const [alias, account] of stage.accounts) {
      this.#variables.set(alias, account.name);
      this.#variables.set(`${alias}.password`, account.password);
    }
  }

  async play(): Promise<void> {
    try {
      const { steps } = this.#transcript;
      for (let i = 0; i < steps.length; i++) {
        const step = steps[i] as Step;
        if (step.side !== undefined && step.side !== this.#stage.side) continue;
        if (step.kind === 'send') i = this.#sendFrom(i, step.connection);
        else await this.#run(step);
      }
    } finally {
      for (const client of this.#clients.values()) client.close();
    }
  }

  /** Sends of one connection that follow one another leave as one write, so that pipelining is exact. */
  #sendFrom(first: number, connection: number): number {
    const pieces: Buffer[] = [];
    let i = first;
    for (; i < this.#transcript.steps.length; i++) {
      const step = this.#transcript.steps[i];
      if (step?.kind !== 'send' || step.connection !== connection) break;
      if (step.side !== undefined && step.side !== this.#stage.side) continue;
      pieces.push(expandTemplate(step.text, this.#lookup));
      if (step.crlf) pieces.push(Buffer.from('\r\n'));
    }
    this.#client(connection).send(Buffer.concat(pieces));
    return i - 1;
  }

  readonly #lookup = (name: string): string => {
    const value = this.#variables.get(name);
    if (value === undefined) throw new DialogError(`${this.#transcript.name}: no variable ${name}`);
    return value;
  };

  #client(connection: number): LineClient {
    const client = this.#clients.get(connection);
    if (client === undefined)
      throw new DialogError(`${this.#transcript.name}: connection ${connection} is not open`);
    return client;
  }

  async #run(step: Step): Promise<void> {
    try {
      await this.#step(step);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      throw new DialogError(`${this.#transcript.name}:${step.line} (${this.#stage.side}): ${error.message}`, {
        cause: error,
      });
    }
  }

  async #step(step: Step): Promise<void> {
    switch (step.kind) {
      case 'connect': {
        this.#clients.get(step.connection)?.close();
        const client = await LineClient.connect({
          port: this.#stage.ports[step.service],
          secure: IMPLICIT_TLS.has(step.service),
          ...(step.from === undefined ? {} : { from: step.from }),
        });
        this.#clients.set(step.connection, client);
        return;
      }
      case 'expect':
        await this.#expect(this.#client(step.connection), step.group);
        return;
      case 'find': {
        const client = this.#client(step.connection);
        while (!this.#matches(step.pattern, await this.#line(client)));
        return;
      }
      case 'starttls':
        await this.#client(step.connection).startTls();
        return;
      case 'closed':
        await this.#client(step.connection).expectClosed();
        return;
      case 'close':
        this.#client(step.connection).close();
        return;
      case 'silent':
        await this.#client(step.connection).expectSilence(step.ms);
        return;
      case 'wait':
        await sleep(step.ms);
        return;
      case 'arrived':
        await this.#arrived(step.user, step.folder, step.count);
        return;
      case 'send':
        return;
    }
  }

  async #arrived(user: string, folder: string, count: number): Promise<void> {
    const account = this.#stage.accounts.get(user);
    if (account === undefined) throw new DialogError(`no user ${user}`);
    const deadline = Date.now() + ARRIVAL_LIMIT_MS;
    for (;;) {
      const found = countMessages(account.home, folder);
      if (found >= count) {
        if (found > count) throw new DialogError(`${folder} holds ${found} messages, expected ${count}`);
        return;
      }
      if (Date.now() > deadline)
        throw new DialogError(`${folder} holds ${found} messages, expected ${count}`);
      await sleep(20);
    }
  }

  /** Whether the line matches; if so, keeps what the pattern captures. */
  #matches(pattern: string, line: string): boolean {
    const { regex, captures } = compilePattern(pattern, this.#lookup);
    const match = regex.exec(line);
    if (match === null) return false;
    captures.forEach((name, i) => this.#variables.set(name, match.groups?.[`g${i + 1}`] ?? ''));
    return true;
  }

  /** The next line as the transcript shows it: without what it cannot know of `\Recent`. */
  async #line(client: LineClient, timeoutMs?: number): Promise<string> {
    const line = await client.line(timeoutMs);
    if (this.#transcript.showsRecent) return line;
    if (/^\* \d+ RECENT$/.test(line)) return await this.#line(client, timeoutMs);
    return line.replace(/(FLAGS \([^)]*?) ?\\Recent ?([^)]*\))/, (_all, before: string, after: string) =>
      before.endsWith('(') || after === ')' ? before + after : `${before} ${after}`,
    );
  }

  async #expect(client: LineClient, group: readonly Expected[]): Promise<void> {
    const open = [...group];
    while (open.length > 0) {
      const satisfied = open.every((expected) => expected.optional);
      let line: string;
      try {
        line = await this.#line(client, satisfied ? OPTIONAL_MS : undefined);
      } catch (error) {
        if (satisfied) return;
        throw new DialogError(
          `expected ${this.#show(open)}\n${error instanceof Error ? error.message : ''}`,
          { cause: error },
        );
      }
      const found = open.findIndex((expected) => this.#matches(expected.pattern, line));
      if (found !== -1) {
        open.splice(found, 1);
      } else if (satisfied) {
        client.unread(line);
        return;
      } else {
        throw client.fail(`expected ${this.#show(open)}\n     got ${JSON.stringify(line)}`);
      }
    }
  }

  #show(open: readonly Expected[]): string {
    return open.map((expected) => `line ${expected.line}: ${expected.pattern}`).join('\n      or ');
  }
}

/** Writes the mail that the transcript asks for into the accounts' Maildirs, then plays. */
export async function playTranscript(transcript: Transcript, stage: Stage): Promise<void> {
  for (const user of transcript.users) {
    const account = stage.accounts.get(user);
    if (account === undefined) throw new DialogError(`${transcript.name}: no account for ${user}`);
    writeMaildir(account, {
      mails: transcript.mails.filter((mail) => mail.user === user),
      folders: transcript.folders.filter((entry) => entry.user === user).map((entry) => entry.folder),
      subscriptions: transcript.subscriptions
        .filter((entry) => entry.user === user)
        .map((entry) => entry.folder),
    });
  }
  await new Player(transcript, stage).play();
}

// The session after login, in the user's worker.
//
// Octets go to the reader as they come; one loop takes commands from it and runs them in order. While a command
// runs, further input waits in the reader, and beyond a bound in the socket. Everything a client or the storage can
// do wrong becomes a status; what nobody expected is logged, answered NO, and the session goes on.
//
// The state is a plain value at any rest between commands: `suspend` gives it away, `resume` takes it up again.

import { type Mailbox, MailboxError, type MailStore } from '@postcote/mailbox';
import { GatheringWriter, type Log, type ProtocolSession, type SessionHost } from '@postcote/wire';
import { CommandReader, type ReaderEvent } from '../codec/command-reader.ts';
import { DEFAULT_CODEC_LIMITS } from '../codec/limits.ts';
import { namesFromUtf8 } from '../codec/utf8-names.ts';
import { parseCommand } from '../codec/parse-command.ts';
import { bad, formatContinuation, formatStatus, no, ok, type Status } from '../codec/response.ts';
import type { Clock, ImapHandOff } from '../ports.ts';
import { type Answer, Appending, APPENDING, type AppendEvent, type CommandEvent } from './appending.ts';
import { type AnyRow, COMMANDS } from './commands/index.ts';
import { BrokenLiteral, FETCH } from './commands/fetch.ts';
import { CompressibleHost } from './compressible-host.ts';
import { type ImapUserSettings, type Outcome, SessionCore } from './core.ts';
import { Idling } from './idling.ts';
import { INTERNAL_ERROR, statusOfError } from './mailbox-errors.ts';
import { withInternalNames } from './namespace.ts';
import { SessionLog } from './session-log.ts';
import { MailboxReplaced, Selected } from './selected.ts';
import type { ImapSessionState } from './state.ts';

export interface ImapUserOptions {
  readonly host: SessionHost;
  readonly store: MailStore;
  readonly handOff: ImapHandOff;
  readonly settings: ImapUserSettings;
  readonly clock: Clock;
  readonly log: Log;
  /** The account's name, for the log. */
  readonly user: string;
  /** Of the process, for the log. */
  readonly pid: number;
}

/** DOVECOT: with delay-newmail, new messages are told in answer to these alone. */
const TELLS_NEW: ReadonlySet<string> = new Set(['NOOP', 'CHECK', 'IDLE', 'NOTIFY']);

/** Octets that may wait for a command to end before reading stops. */
const MAX_WAITING = 64 * 1024;
/** Numbers in a packed view; a mailbox with more gaps among its UIDs keeps its sessions awake. */
const MAX_PACKED_RANGES = 20_000;

export class ImapUserSession implements ProtocolSession {
  readonly #options: ImapUserOptions;
  readonly #host: CompressibleHost;
  readonly #core: SessionCore;
  readonly #out: GatheringWriter;
  readonly #reader: CommandReader;
  #running = false;
  #paused = false;
  #over = false;
  #stopping = false;
  #badCommands = 0;
  /** To be restored at `start`. */
  #asleep: ImapSessionState | undefined;
  readonly #appending: Appending;
  readonly #log: SessionLog;
  #idling: Idling | undefined;
  #lastCommand = '';
  #lastEnd = 0;
  /** A mailbox that NOTIFY watches may have changed. */
  #notifyDue = false;
  #followed: Mailbox | undefined;
  #unfollow: () => void = () => {};
  /** When the command under way began. */
  #begun = 0;

  constructor(options: ImapUserOptions) {
    this.#host = new CompressibleHost(options.host);
    this.#options = options;
    this.#out = new GatheringWriter(this.#host);
    this.#core = new SessionCore({ ...options, out: this.#out });
    this.#log = new SessionLog(options.log, {
      user: options.user,
      pid: options.pid,
      sessionId: options.handOff.sessionId,
      logoutFormat: options.settings.logoutFormat,
    });
    this.#core.logInfo = (text) => this.#log.info(text);
    this.#core.notifyHint = () => this.#notifyHint();
    const limit = options.settings.maxLineLength;
    this.#reader = new CommandReader({ ...DEFAULT_CODEC_LIMITS, maxCommand: limit, maxLiteral: limit });
    this.#appending = new Appending({
      core: this.#core,
      reader: this.#reader,
      logError: (error) => this.#log.error(error),
    });
  }

  /** Takes up a session that was put away, at `start`. The client notices nothing but what changed meanwhile. */
  static resume(options: ImapUserOptions, state: ImapSessionState): ImapUserSession {
    const session = new ImapUserSession({ ...options, handOff: state.handOff });
    session.#asleep = state;
    return session;
  }

  start(): void {
    const { handOff, settings } = this.#options;
    if (this.#asleep !== undefined) {
      void this.#wake(this.#asleep);
      return;
    }
    this.#host.setIdleTimeout(settings.idleTimeout);
    this.#out.text(formatStatus(handOff.tag, ok('Logged in', `CAPABILITY ${this.#core.capabilities}`)));
    this.#out.flush();
    this.#lastEnd = this.#options.clock.now();
  }

  receive(chunk: Buffer): void {
    if (this.#over) return;
    if (this.#host.compressing) this.#host.receive(chunk);
    else this.#take(chunk);
  }

  #take(chunk: Buffer): void {
    if (this.#over) return;
    this.#core.counters.input += chunk.length;
    this.#reader.push(chunk);
    if (!this.#running) void this.#work();
    else if (this.#reader.buffered > MAX_WAITING && !this.#paused) {
      this.#paused = true;
      this.#host.pause();
    }
  }

  /** TLS ends in the front; this side of it never negotiates. */
  secured(): void {}

  ended(reason: string): void {
    this.#host.ended();
    this.#finish(this.#endWords(reason));
  }

  timedOut(): void {
    // A long command is not an idle client; nor is one that takes its time to read the answer.
    if (this.#running) return;
    this.#bye('Disconnected for inactivity.', 'Inactivity');
  }

  shutDown(): void {
    this.#stopping = true;
    if (!this.#running) this.#bye('Server shutting down.', 'Server shutting down.');
  }

  /** Whether the session rests between commands, or idles, and what it knows would still be true later. */
  get canSuspend(): boolean {
    if (this.#over || this.#running || this.#appending.active || this.#reader.buffered > 0) return false;
    if (this.#idling === undefined && this.#reader.midCommand) return false;
    // What a followed search has told so far is not worth keeping: such clients are few.
    if ((this.#core.selected?.contexts.size ?? 0) > 0) return false;
    // What zlib remembers of both directions cannot be put away.
    if (this.#host.compressing || this.#core.notifying !== undefined) return false;
    const mailbox = this.#core.selected?.mailbox;
    if (mailbox === undefined) return true;
    return mailbox.keepsModseqs === true && (this.#idling === undefined || mailbox.watchPaths !== undefined);
  }

  get idling(): boolean {
    return this.#idling !== undefined;
  }

  /** While the client idles: where a change of its mailbox shows. */
  get watchPaths(): readonly string[] {
    return this.#idling === undefined ? [] : (this.#core.selected?.mailbox.watchPaths ?? []);
  }

  /**
   * The session as a value, or undefined while a command is under way. Afterwards this object is inert: the caller
   * keeps the connection and makes a new session with `resume`.
   */
  async suspend(): Promise<ImapSessionState | undefined> {
    if (!this.canSuspend) return undefined;
    if ((this.#core.selected?.pack().view.ranges.length ?? 0) > MAX_PACKED_RANGES) return undefined;
    // A last look: what the caller knows of the directories was true before it.
    await this.#idling?.tellNow();
    await this.#idling?.stop();
    // While that was awaited the client may have gone on.
    if (this.#over || this.#running || this.#reader.buffered > 0) return undefined;
    const { selected } = this.#core;
    const counters = { ...this.#core.counters, output: this.#out.octets };
    const state: ImapSessionState = {
      version: 1,
      handOff: { ...this.#options.handOff, enabled: [...this.#core.enabled], clientId: this.#core.clientId },
      counters,
      badCommands: this.#badCommands,
      lastCommand: this.#lastCommand,
      ...(selected === undefined ? {} : { selected: selected.pack() }),
      ...(this.#idling === undefined ? {} : { idleTag: this.#idling.tag }),
      closedLine:
        `<${this.#options.pid}><${this.#options.handOff.sessionId}>: ` +
        this.#log.endLine(this.#endWords('closed'), counters),
    };
    this.#over = true;
    this.#core.over = true;
    await this.#core.deselect();
    return state;
  }

  async #wake(state: ImapSessionState): Promise<void> {
    this.#running = true;
    await this.#restore(state);
    // What the client has said meanwhile.
    await this.#work();
    if (this.#stopping) this.shutDown();
  }

  async #restore(state: ImapSessionState): Promise<void> {
    const { clock, settings } = this.#options;
    Object.assign(this.#core.counters, state.counters);
    this.#out.octets = state.counters.output;
    this.#badCommands = state.badCommands;
    this.#lastCommand = state.lastCommand;
    this.#lastEnd = clock.now();
    this.#host.setIdleTimeout(settings.idleTimeout);
    if (state.idleTag !== undefined) this.#reader.expectLine();
    await this.#guard(async () => {
      if (state.selected !== undefined) {
        const mailbox = await this.#core.store.open(state.selected.name).catch((error: unknown) => {
          throw error instanceof MailboxError && error.code === 'nonexistent'
            ? new MailboxReplaced('mailbox was deleted', { cause: error })
            : error;
        });
        this.#core.selected = Selected.resume(mailbox, state.selected);
      }
      if (state.idleTag !== undefined) await this.#startIdling(state.idleTag, false);
    });
  }

  /** Runs what is in the reader, in order, until it is empty. */
  async #work(): Promise<void> {
    this.#running = true;
    this.#core.beginSlice();
    for (;;) {
      const event = this.#reader.next();
      if (this.#over) break;
      if (event === undefined) {
        // What NOTIFY asked for, in the rest between commands. Afterwards there may be more of them.
        if (!this.#notifyDue || this.#appending.active) break;
        await this.#guard(() => this.#tellNotified());
        continue;
      }
      const current = event;
      if (!this.#appending.active && this.#idling === undefined) this.#begun = this.#options.clock.now();
      await this.#guard(() => this.#handle(current));
      if (this.#stopping && !this.#over && !this.#appending.active) {
        this.#bye('Server shutting down.', 'Server shutting down.');
      }
      if (this.#core.shouldBreathe) await this.#core.breathe();
    }
    this.#followSelected();
    this.#out.flush();
    this.#running = false;
    if (this.#over) this.#release();
    if (this.#paused && !this.#over) {
      this.#paused = false;
      this.#host.resume();
    }
  }

  #notifyHint(): void {
    this.#notifyDue = true;
    if (!this.#running && !this.#over) void this.#work();
  }

  async #tellNotified(): Promise<void> {
    this.#notifyDue = false;
    const { notifying, selected } = this.#core;
    if (notifying === undefined) return;
    await notifying.tell();
    const group = notifying.selected;
    // While it idles the selected mailbox is told of anyway.
    if (group === undefined || selected === undefined || this.#idling !== undefined) return;
    const known = selected.uids.at(-1) ?? 0;
    const holds = group.filter.kind === 'selectedDelayed';
    await this.#sync({ sync: holds ? 'holdExpunges' : 'all', refresh: true }, 'NOTIFY');
    const last = selected.uids.at(-1) ?? 0;
    if (group.newItems === undefined || last <= known || this.#over) return;
    const set = { kind: 'ranges', ranges: [{ from: known + 1, to: last }] } as const;
    await this.#outcome(() =>
      FETCH.run(this.#core, { kind: 'fetch', numbering: 'uid', set, items: group.newItems ?? [] }),
    );
  }

  /** RFC 5465 §3.1: with a group for the selected mailbox, its changes are told as they come. */
  #followSelected(): void {
    const { selected, notifying } = this.#core;
    const wanted = notifying?.selected === undefined || this.#over ? undefined : selected?.mailbox;
    if (wanted === this.#followed) return;
    this.#unfollow();
    this.#followed = wanted;
    this.#unfollow = wanted?.watch(() => this.#notifyHint()) ?? (() => {});
  }

  /** Nothing leaves here as an exception. */
  async #guard(work: () => Promise<void> | void): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof MailboxReplaced) {
        this.#bye('Mailbox was replaced or deleted.', `Mailbox replaced: ${error.message}`);
        return;
      }
      this.#log.error(error);
      if (error instanceof BrokenLiteral) this.#closeNow(error.message);
      else this.#bye(INTERNAL_ERROR.text, 'Internal error');
    }
  }

  #handle(event: ReaderEvent): Promise<void> | void {
    switch (event.kind) {
      case 'command':
        return this.#appending.active || APPENDING.has(event.verb)
          ? this.#endAppend(event)
          : this.#run(event);
      case 'append':
        return this.#beginAppend(event);
      case 'data':
        return this.#appendData(event.bytes);
      case 'continue':
        this.#out.text(formatContinuation('OK'));
        return this.#out.flush();
      case 'line':
        return this.#endIdling(event.line);
      case 'invalid':
        return this.#invalid(event);
      case 'fatal':
        return this.#bye(event.text, event.text);
      default:
        return event satisfies never;
    }
  }

  async #run({ tag, verb, args }: CommandEvent): Promise<void> {
    this.#lastCommand = verb;
    this.#core.beginCommand(tag);
    const row = COMMANDS.get(verb);
    if (row === undefined) return this.#refuse(tag, `Error in IMAP command ${verb}: Unknown command`);
    // DOVECOT: the state counts before the arguments do.
    if (row.needsMailbox && this.#core.selected === undefined)
      return this.#refuse(tag, 'No mailbox selected');
    const command = parseCommand(verb, this.#core.utf8Names ? namesFromUtf8(verb, args) : args);
    if (command === 'unknown') return this.#refuse(tag, `Error in IMAP command ${verb}: Unknown command`);
    if (!command.ok) {
      if (command.kind === 'no') return this.#answer(tag, no(command.text, command.code));
      // DOVECOT: a SELECT that makes no sense has left the selected mailbox all the same; we keep it.
      return this.#refuse(tag, `Error in IMAP command ${verb}: ${command.text}`);
    }
    const named = withInternalNames(command.value, this.#core.settings.namespace);
    if (!named.ok) return this.#answer(tag, no(named.text, named.code));
    const outcome = await this.#outcome(() => row.run(this.#core, named.command));
    if (this.#over) return;
    if (outcome.next === 'idle') return this.#startIdling(tag, true);
    const problem = await this.#sync(row, verb);
    if (this.#over) return;
    this.#answer(tag, problem ?? outcome.status);
    if (outcome.next === 'compress') {
      // RFC 4978 §3: from behind the CRLF of this answer on.
      this.#out.flush();
      this.#host.compress(this.#reader.takeRest(), {
        deliver: (chunk) => this.#take(chunk),
        failed: (reason) => this.#closeNow(reason),
      });
      return;
    }
    if (outcome.next === 'logout') {
      this.#finish('Disconnected: Logged out');
      this.#host.close();
    }
  }

  /** Expected failures of storage are answers. */
  async #outcome(run: () => Promise<Outcome> | Outcome): Promise<Outcome> {
    try {
      return await run();
    } catch (error) {
      if (error instanceof MailboxError) {
        if (error.code === 'unavailable') this.#log.error(error);
        return { status: statusOfError(error) };
      }
      if (error instanceof BrokenLiteral || error instanceof MailboxReplaced) throw error;
      this.#log.error(error);
      return { status: INTERNAL_ERROR };
    }
  }

  /** Tells what changed. A status when storage refuses: changes are then told another time. */
  async #sync(row: Pick<AnyRow, 'sync' | 'refresh'>, verb: string): Promise<Status | undefined> {
    const { selected } = this.#core;
    if (selected === undefined || row.sync === 'none') return undefined;
    try {
      if (row.refresh) await selected.mailbox.refresh();
      const news = await selected.sync(this.#out, {
        holdExpunges: row.sync === 'holdExpunges',
        withUid: verb.startsWith('UID '),
        holdNew: !TELLS_NEW.has(verb) && this.#delaysNewMail,
        hideRecent: this.#core.rev2,
        condstore: this.#core.enabled.has('CONDSTORE'),
        qresync: this.#core.enabled.has('QRESYNC'),
      });
      if (news !== undefined && selected.contexts.size > 0)
        await selected.contexts.follow(this.#core, selected, news);
      return undefined;
    } catch (error) {
      if (!(error instanceof MailboxError)) throw error;
      if (error.code === 'nonexistent') throw new MailboxReplaced('mailbox was deleted', { cause: error });
      this.#log.error(error);
      return statusOfError(error);
    }
  }

  get #delaysNewMail(): boolean {
    return this.#options.settings.clientWorkarounds.includes('delay-newmail');
  }

  async #startIdling(tag: string, announce: boolean): Promise<void> {
    this.#reader.expectLine();
    if (announce) {
      this.#out.text(formatContinuation('idling'));
      this.#out.flush();
    }
    const { clock, settings } = this.#options;
    this.#idling = new Idling({
      tag,
      core: this.#core,
      clock,
      interval: settings.idleNotifyInterval,
      tell: () => this.#tellIdle(),
      tick: () => {
        this.#out.text('* OK Still here\r\n');
        this.#out.flush();
      },
    });
    await this.#idling.tellNow();
  }

  /** From `Idling`, one at a time: something may have changed. */
  async #tellIdle(): Promise<void> {
    if (this.#over || this.#idling === undefined) return;
    await this.#guard(async () => {
      await this.#sync({ sync: 'all', refresh: true }, 'IDLE');
      this.#out.flush();
    });
  }

  async #endIdling(line: Buffer): Promise<void> {
    const idling = this.#idling;
    if (idling === undefined) return;
    this.#idling = undefined;
    await idling.stop();
    // RFC 2177: DONE, in any case; anything else is the client's mistake.
    if (!/^done$/i.test(line.toString('latin1'))) return this.#refuse(idling.tag, 'Expected DONE.');
    this.#lastCommand = 'IDLE';
    this.#answer(idling.tag, ok('Idle completed.'));
  }

  async #beginAppend(event: AppendEvent): Promise<void> {
    this.#lastCommand = event.verb;
    const refused = await this.#appending.begin(event);
    if (refused !== undefined) return this.#give(refused);
    if (event.literal.synchronising) {
      this.#out.text(formatContinuation('OK'));
      this.#out.flush();
    }
  }

  async #appendData(bytes: Buffer): Promise<void> {
    const failed = await this.#appending.write(bytes);
    if (failed !== undefined) this.#give(failed);
  }

  async #endAppend(event: CommandEvent): Promise<void> {
    this.#lastCommand = event.verb;
    this.#core.beginCommand(event.tag);
    const status = await this.#appending.end(event);
    // The message is kept: that is the answer, whatever becomes of telling.
    await this.#sync({ sync: 'all', refresh: true }, event.verb);
    this.#answer(event.tag, status);
  }

  #give({ tag, status }: Answer): void {
    this.#answer(tag, status);
  }

  async #invalid({ tag, verb, text }: Extract<ReaderEvent, { readonly kind: 'invalid' }>): Promise<void> {
    await this.#appending.abort();
    if (this.#idling !== undefined) {
      const idling = this.#idling;
      this.#idling = undefined;
      await idling.stop();
      return this.#refuse(idling.tag, 'Expected DONE.');
    }
    // DOVECOT: these words for what has no tag, or no command.
    if (tag === '*') return this.#refuse('*', `Error in IMAP tag: ${text}`);
    this.#refuse(
      tag,
      verb === '' || text === 'Invalid command name'
        ? `Error in IMAP command: ${text}`
        : `Error in IMAP command ${verb}: ${text}`,
    );
  }

  #refuse(tag: string, text: string): void {
    this.#badCommands += 1;
    this.#respond(tag, bad(text));
    if (this.#badCommands >= this.#options.settings.maxBadCommands) {
      this.#bye('Too many invalid IMAP commands.', 'Too many invalid IMAP commands.');
    }
  }

  #answer(tag: string, status: Status): void {
    if (status.kind === 'BAD') return this.#refuse(tag, status.text);
    this.#badCommands = 0;
    this.#respond(tag, status);
  }

  #respond(tag: string, status: Status): void {
    if (this.#over) return;
    this.#out.text(
      formatStatus(tag, { ...status, text: `${status.text.replace(/\.$/, '')} (${this.#timing()}).` }),
    );
    if (this.#reader.buffered === 0) this.#out.flush();
    this.#lastEnd = this.#options.clock.now();
  }

  /** DOVECOT: how long the command ran, and how long it waited for locks, which we do not know. */
  #timing(): string {
    const seconds = Math.max(0, this.#options.clock.now() - this.#begun) / 1000;
    return `${seconds.toFixed(3)} + 0.000 secs`;
  }

  #bye(text: string, reason: string): void {
    if (this.#over) return;
    this.#out.text(formatStatus('*', { kind: 'BYE', text }));
    this.#closeNow(reason);
  }

  #closeNow(reason: string): void {
    this.#finish(`Disconnected: ${reason}`);
    this.#host.close();
  }

  /** Once: gives everything back and writes the line about the session. */
  #finish(words: string): void {
    if (this.#over) return;
    this.#out.flush();
    this.#over = true;
    this.#core.over = true;
    // A command under way ends first: it may still have flags to keep.
    if (!this.#running) this.#release();
    this.#log.end(words, { ...this.#core.counters, output: this.#out.octets });
  }

  #release(): void {
    const idling = this.#idling;
    this.#idling = undefined;
    const giveBack = async (): Promise<void> => {
      await idling?.stop();
      await this.#appending.abort();
      await this.#core.notifying?.stop();
      await this.#core.deselect();
    };
    void giveBack().catch((error: unknown) => this.#log.error(error));
  }

  #endWords(reason: string): string {
    const seconds = ((this.#options.clock.now() - this.#lastEnd) / 1000).toFixed(3);
    const last =
      this.#lastCommand === ''
        ? 'No commands sent'
        : this.#running
          ? `${this.#lastCommand} running`
          : `${this.#lastCommand} finished ${seconds} secs ago`;
    const why = /^(?:connection )?closed/.test(reason) ? '' : `: ${reason}`;
    return `Disconnected: Connection closed${why} (${last})`;
  }
}

// The POP3 session after login, in the user's worker (RFC 1939 TRANSACTION and UPDATE states). Its first words answer
// the command that logged in.
//
// Commands are read one after another (pipelining comes for free); answers stream with backpressure. Nothing throws:
// what the mailbox cannot do becomes `-ERR [SYS/TEMP]` and a line in the log, and a message that breaks off half-way
// ends the connection, for no answer can take back what was sent. Only QUIT removes messages.

import {
  type MailboxError,
  type MailStore,
  MailboxError as MailError,
  type MaybePromise,
} from '@postcote/mailbox';
import {
  DotWriter,
  GatheringWriter,
  LineFramer,
  type Log,
  type ProtocolSession,
  type SessionHost,
} from '@postcote/wire';
import { MAX_COMMAND_LINE, parseCommand } from './command.ts';
import { formatPrefix, formatTotals, type Totals } from './log-line.ts';
import { Maildrop } from './maildrop.ts';
import { topOfMessage, wholeMessage } from './message-stream.ts';
import { type PopWorkaround, workAround } from './client-workarounds.ts';
import type { Clock, PopHandOff } from './ports.ts';
import { echo, formatReply, negative, positive, type Reply } from './reply.ts';
import { parseUidlFormat } from './uidl-format.ts';
import { runUserCommand, type UserOutcome } from './user-commands.ts';

export interface PopUserSettings {
  /** DOVECOT: pop3_uidl_format; `parseUidlFormat` says whether it is one. */
  readonly uidlFormat: string;
  /** DOVECOT: pop3_no_flag_updates. */
  readonly noFlagUpdates: boolean;
  /** DOVECOT: pop3_enable_last; off when absent. */
  readonly enableLast?: boolean;
  /** DOVECOT: pop3_reuse_xuidl. */
  readonly reuseXuidl?: boolean;
  /** DOVECOT: pop3_uidl_duplicates = rename. */
  readonly renameDuplicates?: boolean;
  /** DOVECOT: pop3_deleted_flag; none when absent or empty. */
  readonly deletedFlag?: string;
  /** DOVECOT: pop3_client_workarounds. */
  readonly clientWorkarounds?: readonly PopWorkaround[];
  /** Milliseconds without a command. DOVECOT: ten minutes, as RFC 1939 §3 asks at least. */
  readonly idleTimeout?: number;
  /** Bad commands in a row. DOVECOT: 20. */
  readonly maxBadCommands?: number;
}

export interface PopUserOptions {
  readonly host: SessionHost;
  readonly store: MailStore;
  readonly handOff: PopHandOff;
  readonly settings: PopUserSettings;
  readonly log: Log;
  readonly user: string;
  readonly pid?: number;
  /** Without one, long listings do not let other sessions in between. */
  readonly clock?: Clock;
  /** DOVECOT: pop3_lock_session. Answers how to give the lock back, or undefined when another session has it. */
  readonly lock?: () => (() => void) | undefined;
}

const DEFAULT_IDLE_TIMEOUT = 600_000;
const DEFAULT_MAX_BAD_COMMANDS = 20;
/** Octets of input kept while a command runs. */
const MAX_PIPELINED = 64 * 1024;
const NO_CLOCK: Clock = { now: () => 0, after: () => () => {}, turn: () => Promise.resolve() };
const INTERNAL_ERROR = negative(
  'Internal error occurred. Refer to server log for more information.',
  'SYS/TEMP',
);

export class PopUserSession implements ProtocolSession {
  readonly #options: PopUserOptions;
  readonly #out: GatheringWriter;
  readonly #framer = new LineFramer({ maxLength: MAX_COMMAND_LINE });
  readonly #totals: Totals = {
    topCount: 0,
    topOctets: 0,
    retrCount: 0,
    retrOctets: 0,
    deleted: 0,
    messages: 0,
    octets: 0,
  };
  #drop: Maildrop | undefined;
  #unlock: () => void = () => {};
  /** A command or the opening is at work: the mailbox is given back after it. */
  #working = true;
  #state: 'opening' | 'ready' | 'busy' | 'over' = 'opening';
  /** Input came while commands were at work. */
  #arrived = false;
  #badCommands = 0;
  #paused = false;
  #stopping = false;
  /** Something was sent since the idle timer was set. */
  #progressed = false;

  constructor(options: PopUserOptions) {
    this.#options = options;
    this.#out = new GatheringWriter(options.host);
  }

  start(): void {
    this.#options.host.setIdleTimeout(this.#idleTimeout);
    void this.#open();
  }

  receive(chunk: Buffer): void {
    if (this.#state === 'over') return;
    this.#framer.push(chunk);
    this.#arrived = true;
    if (this.#state === 'ready') void this.#runAll();
    else if (this.#framer.pending > MAX_PIPELINED && !this.#paused) {
      this.#paused = true;
      this.#options.host.pause();
    }
  }

  /** TLS ends at the front; here it cannot happen. */
  secured(): void {}

  ended(reason: string): void {
    this.#finish(
      reason.startsWith('connection closed') ? 'Connection closed' : `Connection closed: ${reason}`,
    );
  }

  timedOut(): void {
    if (this.#state === 'busy' && this.#progressed) {
      // A slow reader is not idle.
      this.#progressed = false;
      this.#options.host.setIdleTimeout(this.#idleTimeout);
      return;
    }
    this.#disconnect('Disconnected for inactivity.', negative('Disconnected for inactivity.'));
  }

  shutDown(): void {
    this.#stopping = true;
    if (this.#state === 'ready') this.#stop();
  }

  get #idleTimeout(): number {
    return this.#options.settings.idleTimeout ?? DEFAULT_IDLE_TIMEOUT;
  }

  get #isOver(): boolean {
    return this.#state === 'over';
  }

  async #open(): Promise<void> {
    const { settings, store, lock, clock = NO_CLOCK } = this.#options;
    const uidl = parseUidlFormat(settings.uidlFormat);
    if (uidl.kind === 'invalid') {
      this.#log('error', uidl.message);
      this.#working = false;
      return this.#disconnect(uidl.message, negative('Server configuration is broken.', 'SYS/PERM'));
    }
    if (lock !== undefined) {
      const unlock = lock();
      if (unlock === undefined) {
        const text = 'Mailbox is locked by another POP3 session.';
        this.#working = false;
        return this.#disconnect(text, negative(text, 'IN-USE'));
      }
      this.#unlock = unlock;
    }
    try {
      const { noFlagUpdates, enableLast = false, reuseXuidl, renameDuplicates, deletedFlag = '' } = settings;
      const drop = await Maildrop.open(store, {
        uidlFormat: uidl.format,
        noFlagUpdates,
        enableLast,
        reuseXuidl: reuseXuidl === true,
        renameDuplicates: renameDuplicates === true,
        ...(deletedFlag === '' ? {} : { deletedFlag }),
        clock,
      });
      this.#drop = drop;
      this.#totals.messages = drop.total;
    } catch (error) {
      const answer = this.#answerTo(error, "Couldn't open INBOX");
      this.#working = false;
      return this.#disconnect(`Couldn't open INBOX: ${messageOf(error)}`, answer);
    }
    if (this.#isOver) return this.#release();
    this.#working = false;
    this.#send(positive('Logged in.'));
    this.#state = 'ready';
    await this.#runAll();
  }

  async #runAll(): Promise<void> {
    const drop = this.#drop;
    if (this.#state !== 'ready' || drop === undefined) return;
    this.#state = 'busy';
    this.#working = true;
    do {
      this.#arrived = false;
      await this.#runLines(drop);
    } while (this.#arrived && !this.#isOver && !this.#stopping);
    this.#working = false;
    this.#out.flush();
    if (this.#isOver) return this.#release();
    if (this.#stopping) return this.#stop();
    this.#state = 'ready';
    if (!this.#paused) return;
    this.#paused = false;
    this.#options.host.resume();
  }

  async #runLines(drop: Maildrop): Promise<void> {
    while (!this.#isOver && !this.#stopping) {
      const frame = this.#framer.next();
      if (frame === undefined || frame.kind === 'tooLong') {
        const tooLong = frame !== undefined || this.#framer.pending > MAX_COMMAND_LINE;
        if (tooLong) return this.#disconnect('Input line too long', negative('Input line too long.'));
        return;
      }
      await this.#runLine(frame.line, drop);
    }
  }

  async #runLine(line: Buffer, drop: Maildrop): Promise<void> {
    const { verb, args } = parseCommand(line);
    try {
      const running = runUserCommand(verb, args, drop);
      if (running === undefined) {
        const text = verb === '' ? 'Unknown command.' : `Unknown command: ${echo(verb)}`;
        return this.#take({ kind: 'reply', reply: negative(text) }, drop);
      }
      if (running instanceof Promise) this.#out.flush();
      await this.#take(running instanceof Promise ? await running : running, drop);
    } catch (error) {
      if (!this.#isOver) this.#send(this.#answerTo(error, verb));
    }
  }

  async #take(outcome: UserOutcome, drop: Maildrop): Promise<void> {
    if (this.#isOver) return;
    if (outcome.kind === 'quit') return this.#quit(drop);
    if (outcome.kind === 'message') {
      this.#badCommands = 0;
      return this.#sendMessage(outcome, drop);
    }
    this.#send(outcome.reply);
    if (outcome.kind === 'listing') {
      for await (const piece of outcome.pieces) {
        if (this.#isOver) return;
        await this.#write(piece);
      }
      await this.#write('.\r\n');
    }
    this.#countBadCommand(outcome.reply);
  }

  #countBadCommand(reply: Reply): void {
    if (reply.ok) {
      this.#badCommands = 0;
      return;
    }
    this.#badCommands++;
    if (this.#badCommands <= (this.#options.settings.maxBadCommands ?? DEFAULT_MAX_BAD_COMMANDS)) return;
    this.#disconnect('Too many bad commands.', negative('Too many bad commands.'));
  }

  async #sendMessage(outcome: Extract<UserOutcome, { kind: 'message' }>, drop: Maildrop): Promise<void> {
    const { reply, number, handle, part } = outcome;
    const totals = this.#totals;
    const whole = 'size' in part;
    if (whole) totals.retrCount++;
    else totals.topCount++;
    const octets = workAround(
      whole ? wholeMessage(handle, part.size) : topOfMessage(handle, part.bodyLines),
      this.#options.settings.clientWorkarounds ?? [],
    );
    let sent = 0;
    try {
      // The first piece before the answer: a message that is gone can still be refused then.
      let piece = await octets.next();
      const dots = new DotWriter();
      const write = (bytes: string | Buffer): MaybePromise<void> => {
        sent += bytes.length;
        return this.#write(bytes);
      };
      await write(formatReply(reply));
      while (piece.done !== true) {
        if (this.#isOver) return;
        await write(dots.push(piece.value));
        piece = await octets.next();
      }
      await write(dots.endLine());
      await this.#write('.\r\n');
    } catch (error) {
      if (sent > 0) {
        this.#log('error', `message ${number} broke off: ${messageOf(error)}`);
        return this.#disconnect(`Message ${number} broke off`);
      }
      if (!isMailboxError(error, 'expunged')) throw error;
      this.#send(negative(`Message ${number} expunged.`));
      return;
    } finally {
      if (whole) totals.retrOctets += sent;
      else totals.topOctets += sent;
      await octets.return?.();
    }
    if (whole) await this.#noteRetrieved(number, drop);
  }

  async #noteRetrieved(number: number, drop: Maildrop): Promise<void> {
    try {
      await drop.noteRetrieved(number);
    } catch (error) {
      this.#log('error', `cannot mark as read: ${messageOf(error)}`);
    }
  }

  async #quit(drop: Maildrop): Promise<void> {
    const doomed = drop.deletedCount;
    try {
      await drop.update();
      this.#totals.deleted = doomed;
    } catch (error) {
      const answer = this.#answerTo(error, 'QUIT');
      return this.#disconnect('Storage error during logout.', answer);
    }
    const text = doomed > 0 ? 'Logging out, messages deleted.' : 'Logging out.';
    this.#disconnect('Logged out', positive(text));
  }

  #stop(): void {
    this.#disconnect('Server shutting down.', negative('Server shutting down.', 'SYS/TEMP'));
  }

  /** What a client reads when the mailbox failed; the log has the rest. */
  #answerTo(error: unknown, doing: string): Reply {
    this.#log('error', `${doing}: ${messageOf(error)}`);
    if (isMailboxError(error, 'inUse')) return negative('Mailbox is locked, try again later.', 'IN-USE');
    return INTERNAL_ERROR;
  }

  #send(reply: Reply): void {
    this.#progressed = true;
    this.#out.text(formatReply(reply));
    // While commands run, their answers leave together.
    if (!this.#working) this.#out.flush();
  }

  #write(bytes: string | Buffer): MaybePromise<void> {
    if (bytes.length === 0 || this.#isOver) return;
    this.#progressed = true;
    if (typeof bytes === 'string') this.#out.text(bytes);
    else this.#out.bytes(bytes);
    if (this.#out.blocked) return this.#out.ready();
  }

  #disconnect(reason: string, reply?: Reply): void {
    if (this.#isOver) return;
    if (reply !== undefined) this.#send(reply);
    this.#out.flush();
    this.#finish(reason);
    this.#options.host.close();
  }

  /** The session's last line in the log. */
  #finish(reason: string): void {
    if (this.#isOver) return;
    this.#state = 'over';
    if (this.#drop !== undefined) this.#totals.octets = this.#drop.knownOctets;
    this.#log('info', `Disconnected: ${reason} ${formatTotals(this.#totals)}`);
    if (!this.#working) this.#release();
  }

  #release(): void {
    const drop = this.#drop;
    this.#drop = undefined;
    const unlock = this.#unlock;
    this.#unlock = () => {};
    void (drop?.close() ?? Promise.resolve())
      .catch((error: unknown) => this.#log('error', `closing INBOX: ${messageOf(error)}`))
      .finally(unlock);
  }

  #log(level: 'info' | 'error', message: string): void {
    const { log, user, pid, handOff } = this.#options;
    log(
      level,
      'dovecot',
      `${formatPrefix(user, pid, handOff)}: ${level === 'error' ? 'Error: ' : ''}${message}`,
    );
  }
}

function isMailboxError(error: unknown, code: MailboxError['code']): boolean {
  return error instanceof MailError && error.code === code;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

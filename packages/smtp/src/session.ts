// One SMTP session (RFC 5321), as Postfix's smtpd holds it: bytes in, replies out, over a `SessionHost`.
//
// The pump takes one thing after another out of what arrived: a command line, a line of a SASL exchange, a piece of a
// message. Whatever has to wait (DNS, tables, password, queue) stops the pump, not the connection: input queues up to
// a limit, and commands keep their order. Replies of one pipelined group leave in one write.
//
// Nothing a client sends throws; a fault of ours is a 451 and a log line, and the session goes on.

import { isUtf8 } from 'node:buffer';
import { LineFramer, type ProtocolSession, type SessionHost, type TlsInfo } from '@postcote/wire';
import { type ConversationBeginning, beginConversation } from './begin-conversation.ts';
import {
  greetingAfterMilters,
  introduceToMilters,
  judgeClient,
  nameClient,
  refuseConnection,
  waitsForName,
} from './client-arrival.ts';
import { countTlsSession } from './client-events.ts';
import { type FilteredCommand, filterCommand } from './command-filter.ts';
import { breaksGroup, gateCommand } from './command-gate.ts';
import { continueSasl } from './commands/auth.ts';
import {
  type Command,
  type Conversation,
  type Next,
  type Outcome,
  failed,
  resetTransaction,
} from './conversation.ts';
import { ErrorCount } from './error-count.ts';
import { endMilters, settleVerdict } from './milter-events.ts';
import { type Chunk, END_OF_MESSAGE, MessageIntake } from './message-intake.ts';
import { refuseCertificate } from './refuse-certificate.ts';
import { withFooter } from './reject-footer.ts';
import { type Reply, plainReply, printable, reply } from './reply.ts';
import type { Decision } from './restrictions/types.ts';
import { RequestDeadline } from './request-deadline.ts';
import { ReplyWriter } from './reply-writer.ts';
import { CommandCounts, SessionLog, escaped } from './session-log.ts';
import type { SmtpSettings } from './settings.ts';

export interface SmtpSessionOptions extends ConversationBeginning {
  readonly host: SessionHost;
}

type Mode =
  | { readonly kind: 'command' }
  | { readonly kind: 'sasl'; readonly exchange: Extract<Next, { kind: 'sasl' }> }
  | { readonly kind: 'message' }
  | { readonly kind: 'tls' }
  | { readonly kind: 'over' };

const COMMAND: Mode = { kind: 'command' };
const MESSAGE: Mode = { kind: 'message' };
const OVER: Mode = { kind: 'over' };

/** Octets of unread input at which reading stops. */
const INPUT_LIMIT = 64 * 1024;

const BAD_UTF8 = reply(500, '5.2', 'Error: bad UTF-8 syntax');
const TOO_LONG = reply(500, '5.2', 'Error: line too long');
const SASL_TOO_LONG = reply(500, '5.6', 'SASL response limit exceeded');
const NOT_RECOGNIZED = reply(500, '5.2', 'Error: command not recognized');
const SYNCHRONIZATION = reply(554, '5.0', 'Error: SMTP protocol synchronization');
const FAULT = reply(451, '3.0', 'Error: internal error');

export class SmtpSession implements ProtocolSession {
  readonly #host: SessionHost;
  readonly #settings: SmtpSettings;
  readonly #conversation: Conversation;
  readonly #lines: SessionLog;
  readonly #counts = new CommandCounts();
  readonly #errors: ErrorCount;
  readonly #framer: LineFramer;
  readonly #replies: ReplyWriter;
  readonly #intake: MessageIntake;
  #mode: Mode = COMMAND;
  /** What is being waited for; the pump stands meanwhile. */
  #waits = 0;
  /** The client does not take our replies. */
  #draining = false;
  #paused = false;
  #stopping = false;
  #running: Command | undefined;
  #deadline: RequestDeadline | undefined;
  /** What the next command is answered with, whatever it is. */
  #turnedAway: Reply | undefined;

  constructor(options: SmtpSessionOptions) {
    const { host, peer, ports } = options;
    this.#lines = new SessionLog(ports.log, options.settings.program, peer);
    this.#conversation = beginConversation(options, this.#lines);
    const { settings } = this.#conversation;
    this.#host = host;
    this.#settings = settings;
    this.#errors = new ErrorCount(settings);
    this.#framer = new LineFramer({
      maxLength: Math.max(settings.lineLengthLimit, settings.saslResponseLimit),
    });
    this.#replies = new ReplyWriter({
      host,
      clock: ports.clock,
      softBounce: settings.softBounce,
      ...(settings.rejectFooter === '' && settings.rejectFooterMaps === undefined
        ? {}
        : { footed: (value: Reply) => withFooter(this.#conversation, value) }),
    });
    if (settings.perRequestDeadline) this.#deadline = new RequestDeadline(ports.clock, settings);
    this.#intake = new MessageIntake(this.#conversation);
  }

  /** What the restriction lists decided last. */
  get lastDecision(): Decision | undefined {
    return this.#conversation.lastDecision;
  }

  start(): void {
    this.#host.setIdleTimeout(this.#settings.timeout);
    this.#lines.write('info', (client) => `connect from ${client}`);
    this.#logTls();
    nameClient(this.#conversation, this.#lines);
    const refused = refuseConnection(this.#conversation);
    if (refused !== undefined) return this.#sayLast(refused);
    this.#greet();
  }

  #greet(): void {
    const greeting = plainReply(220, this.#settings.banner);
    if (!waitsForName(this.#conversation)) {
      // The name is looked up meanwhile: nobody waits for it who does not need it.
      this.#say(greeting);
      this.#flush();
      return;
    }
    const { openMilters } = this.#settings;
    this.#wait(judgeClient(this.#conversation), (refused) => {
      this.#conversation.accessDenied = refused !== undefined;
      if (refused !== undefined || openMilters === undefined) return this.#say(refused ?? greeting);
      this.#wait(introduceToMilters(this.#conversation, openMilters), (verdict) =>
        this.#greetAfterMilters(greeting, verdict),
      );
    });
  }

  #greetAfterMilters(greeting: Reply, refused: Reply | undefined): void {
    if (this.#mode.kind === 'over') return endMilters(this.#conversation);
    const outcome = greetingAfterMilters(this.#settings, refused);
    switch (outcome.kind) {
      case 'greet':
        return this.#say(greeting);
      case 'unwelcome':
        this.#errors.countError();
        return this.#say(outcome.reply);
      case 'close':
        return this.#sayLast(outcome.reply);
    }
  }

  receive(chunk: Buffer): void {
    if (this.#mode.kind === 'over' || this.#mode.kind === 'tls') return;
    const kind = this.#mode.kind === 'message' ? 'message' : 'command';
    if (this.#waits === 0 && this.#deadline?.isOver(chunk.length, kind) === true) return this.timedOut();
    this.#framer.push(chunk);
    if (this.#waits === 0) this.#pump();
    // The memory is the host's again.
    this.#framer.keep();
    this.#throttle();
  }

  secured(tls: TlsInfo): void {
    if (this.#mode.kind !== 'tls') return;
    // RFC 3207 §4.2: nothing known from before counts.
    const conversation = this.#conversation;
    this.#framer.discard();
    resetTransaction(conversation);
    if (conversation.helo !== undefined) conversation.milters?.abort();
    conversation.tls = tls;
    conversation.helo = undefined;
    conversation.protocol = 'SMTP';
    conversation.login = undefined;
    this.#logTls();
    this.#mode = COMMAND;
    const refused = countTlsSession(conversation);
    if (refused !== undefined) return this.#sayLast(refused);
    this.#count(true);
    this.#turnedAway = refuseCertificate(conversation);
    this.#host.setIdleTimeout(this.#settings.timeout);
    if (this.#stopping) this.#sayGoodbye();
  }

  ended(reason: string): void {
    if (this.#mode.kind === 'over') return;
    if (this.#mode.kind === 'tls') {
      this.#lines.handshakeFailed(reason);
    }
    this.#logEnd('lost connection');
    this.#end();
  }

  timedOut(): void {
    // While something is being waited for it is not the client who is slow.
    if (this.#mode.kind === 'over' || (this.#waits > 0 && !this.#draining)) return;
    this.#logEnd('timeout');
    this.#sayLast(reply(421, '4.2', `${this.#settings.myhostname} Error: timeout exceeded`));
  }

  shutDown(): void {
    this.#stopping = true;
    if (this.#waits === 0 && (this.#mode.kind === 'command' || this.#mode.kind === 'sasl'))
      this.#sayGoodbye();
  }

  // ---- The pump ------------------------------------------------------------------------------------------------

  #pump(): void {
    while (this.#waits === 0) {
      let moved: boolean;
      try {
        moved = this.#step();
      } catch (error) {
        this.#fault(error);
        moved = true;
      }
      if (!moved) break;
    }
    if (this.#waits === 0 || this.#replies.isDue) this.#flush();
  }

  /** Takes one thing out of the input; false when there is none, or too little. */
  #step(): boolean {
    const mode = this.#mode;
    switch (mode.kind) {
      case 'over':
      case 'tls':
        return false;
      case 'message':
        return this.#readMessage();
      case 'command':
      case 'sasl': {
        if (this.#stopping) {
          this.#sayGoodbye();
          return false;
        }
        const framed = this.#framer.next();
        if (framed === undefined) return false;
        if (mode.kind === 'sasl')
          this.#runSasl(mode.exchange, framed.kind === 'line' ? framed.line : undefined);
        else if (framed.kind === 'tooLong' || framed.line.length > this.#settings.lineLengthLimit)
          this.#refuse(TOO_LONG);
        else if (framed.terminator === 'lf' && this.#settings.forbidBareNewline === 'reject')
          this.#refuseBareNewline();
        else this.#runLine(framed.line);
        return true;
      }
    }
  }

  /** Stops the pump until `work` has settled. */
  #wait<T>(work: Promise<T>, then: (value: T) => void): void {
    this.#waits++;
    work.then(
      (value) => {
        this.#waits--;
        if (this.#mode.kind === 'over') return;
        try {
          then(value);
        } catch (error) {
          this.#fault(error);
        }
        this.#goOn();
      },
      (error: unknown) => {
        this.#waits--;
        if (this.#mode.kind === 'over') return;
        this.#fault(error);
        this.#goOn();
      },
    );
  }

  #goOn(): void {
    if (this.#waits === 0) this.#pump();
    this.#throttle();
  }

  #throttle(): void {
    if (this.#mode.kind === 'over' || this.#mode.kind === 'tls') return;
    const full = this.#waits > 0 && this.#framer.pending > INPUT_LIMIT;
    if (full === this.#paused) return;
    this.#paused = full;
    if (full) this.#host.pause();
    else this.#host.resume();
  }

  // ---- Commands ------------------------------------------------------------------------------------------------

  #runLine(line: Buffer): void {
    if (this.#turnedAway !== undefined) return this.#refuse(this.#turnedAway);
    if (this.#settings.smtputf8Enable && !isUtf8(line)) return this.#refuse(BAD_UTF8);
    const text = line.toString(this.#settings.smtputf8Enable ? 'utf8' : 'latin1');
    const filtered = filterCommand(this.#conversation, text);
    if (filtered instanceof Promise) this.#wait(filtered, (command) => this.#runFiltered(command));
    else this.#runFiltered(filtered);
  }

  #runFiltered(filtered: FilteredCommand): void {
    if (filtered.kind === 'failed') return this.#sayLast(filtered.reply);
    const gated = gateCommand(this.#conversation, this.#counts, filtered.text);
    switch (gated.kind) {
      case 'run': {
        if (!this.#keepsGroups(gated.command)) return;
        this.#running = gated.command;
        return this.#await(gated.command.run(this.#conversation, gated.words));
      }
      case 'noop':
        this.#say(gated.reply);
        return this.#countJunk();
      case 'refused':
        return this.#refuse(gated.reply);
      case 'close':
        return this.#sayLast(gated.reply);
      case 'unknown':
        return this.#refuseUnknown(gated.word);
    }
  }

  #refuseUnknown(word: string): void {
    const { milters } = this.#conversation;
    if (milters === undefined) return this.#refuse(NOT_RECOGNIZED);
    // POSTFIX: the word alone, as it was typed.
    this.#wait(milters.unknown(word), (verdict) => {
      this.#refuse(settleVerdict(this.#conversation, verdict) ?? NOT_RECOGNIZED);
    });
  }

  /** False: the session is over. */
  #keepsGroups(command: Command): boolean {
    if (!breaksGroup(this.#conversation, command, this.#framer.pending)) return true;
    const shown = escaped(this.#peek(100));
    this.#lines.write(
      'info',
      (client) => `improper command pipelining after ${command.verb} from ${client}: ${shown}`,
    );
    if (!this.#settings.forbidUnauthPipelining) return true;
    this.#sayLast(SYNCHRONIZATION);
    return false;
  }

  #runSasl(exchange: Extract<Next, { kind: 'sasl' }>, line: Buffer | undefined): void {
    this.#mode = COMMAND;
    if (line === undefined || line.length > this.#settings.saslResponseLimit)
      return this.#conclude(failed(SASL_TOO_LONG));
    this.#await(
      continueSasl(this.#conversation, exchange.mechanism, exchange.step.next(line.toString('latin1'))),
    );
  }

  #await(outcome: Outcome | Promise<Outcome>): void {
    if (outcome instanceof Promise) this.#wait(outcome, (value) => this.#conclude(value));
    else this.#conclude(outcome);
  }

  /** Replies, counts, and does what the command asks for; an erring client waits first. */
  #conclude(outcome: Outcome): void {
    if (outcome.next?.kind === 'data') return this.#openMessage(outcome);
    const { sleep } = this.#conversation.ports.clock;
    const { delay } = this.#errors;
    if (outcome.reply === undefined || delay === 0 || sleep === undefined) return this.#answer(outcome);
    this.#flush();
    this.#wait(sleep(delay), () => this.#answer(outcome));
  }

  #answer({ reply: value, ok, next }: Outcome): void {
    if (value !== undefined) this.#say(value);
    this.#deadline?.begin();
    this.#intake.forgetChunks();
    switch (next?.kind) {
      case 'sasl':
        this.#mode = { kind: 'sasl', exchange: next };
        return;
      case 'data':
        return;
      case 'bdat':
        return this.#openChunk(next);
      case 'startTls':
        // Counted when the handshake is through.
        this.#switchToTls();
        return;
      case 'greet':
        this.#count(ok);
        return this.#beginAgain();
      case 'close':
        this.#count(ok);
        this.#close();
        return;
      case 'command':
      case undefined:
        this.#count(ok);
        // POSTFIX: whatever table or server asked for this code, it ends the session.
        if (value?.code === 421 || value?.code === 521) this.#close();
    }
  }

  #count(ok: boolean): void {
    const command = this.#running;
    this.#running = undefined;
    if (ok && command !== undefined) this.#counts.succeeded(command.verb);
    if (!ok) this.#errors.countError();
    if (command?.junk === true) this.#countJunk();
    this.#limitErrors();
  }

  #countJunk(): void {
    this.#errors.countJunk();
    this.#limitErrors();
  }

  /** A refusal outside of any command's own doing. */
  #refuse(value: Reply): void {
    this.#running = undefined;
    this.#conclude(failed(value));
  }

  #refuseBareNewline(): void {
    const { forbidBareNewlineRejectCode, myhostname } = this.#settings;
    this.#refuse(reply(forbidBareNewlineRejectCode, '5.2', `${myhostname} Error: bare <LF> received`));
  }

  #limitErrors(): void {
    if (this.#mode.kind === 'over' || !this.#errors.isTooMany) return;
    this.#logEnd('too many errors');
    this.#sayLast(reply(421, '7.0', `${this.#settings.myhostname} Error: too many errors`));
  }

  // ---- Messages ------------------------------------------------------------------------------------------------

  /** 354 is said when the queue has opened the message, so that its refusal is no lie. */
  #openMessage(outcome: Outcome): void {
    this.#wait(this.#intake.openData(), (refused) => {
      if (refused !== undefined) return this.#conclude(failed(refused));
      this.#answer(outcome);
      this.#mode = MESSAGE;
    });
  }

  #openChunk(chunk: Chunk): void {
    const opening = this.#intake.openChunk(chunk);
    this.#mode = MESSAGE;
    if (opening !== undefined) this.#wait(opening, () => {});
  }

  #readMessage(): boolean {
    const reading = this.#intake.read(this.#framer);
    switch (reading.kind) {
      case 'needMore':
        return false;
      case 'goOn':
        return true;
      case 'wait':
        this.#wait(reading.until, () => {});
        return true;
      case 'done':
        this.#mode = COMMAND;
        this.#conclude(reading.outcome);
        return true;
      case 'finish':
        this.#mode = COMMAND;
        this.#wait(reading.outcome, (outcome) => {
          // POSTFIX: who gets a message through has made up for what went wrong before.
          if (outcome.ok) this.#errors.forget();
          this.#conclude(outcome);
        });
        return true;
    }
  }

  // ---- The client ----------------------------------------------------------------------------------------------

  /** POSTFIX: what XCLIENT may say next is decided anew, for the client that it named. */
  #beginAgain(): void {
    const conversation = this.#conversation;
    const { peer, client } = conversation;
    if (!(client instanceof Promise)) this.#lines.renamed(client, peer.remoteAddress);
    endMilters(conversation);
    conversation.mayXclient = this.#settings.isXclientHost(peer.remoteAddress);
    this.#greet();
  }

  #switchToTls(): void {
    this.#flush();
    this.#framer.discard();
    this.#throttle();
    this.#mode = { kind: 'tls' };
    this.#host.startTls();
  }

  #logTls(): void {
    const { tls } = this.#conversation;
    if (tls !== undefined && this.#settings.tlsLoglevel >= 1) this.#lines.secured(tls);
  }

  // ---- Output and the end --------------------------------------------------------------------------------------

  #say(value: Reply): void {
    this.#replies.say(value);
  }

  #flush(): void {
    if (this.#mode.kind === 'over' || this.#replies.flush() || this.#draining) return;
    this.#draining = true;
    this.#wait(this.#host.drained(), () => {
      this.#draining = false;
    });
  }

  #sayGoodbye(): void {
    if (this.#mode.kind === 'over') return;
    this.#sayLast(reply(421, '3.2', `${this.#settings.myhostname} Service shutting down`));
  }

  #sayLast(value: Reply): void {
    this.#say(value);
    this.#close();
  }

  #close(): void {
    this.#flush();
    this.#end();
    this.#host.close();
  }

  /** The session is over: nothing half-done stays behind. */
  #end(): void {
    if (this.#mode.kind === 'over') return;
    this.#mode = OVER;
    this.#intake.drop();
    endMilters(this.#conversation);
    this.#framer.discard();
    const counts = this.#counts.format();
    this.#lines.write('info', (client) => `disconnect from ${client}${counts}`);
  }

  /** `lost connection after DATA (1234 bytes) from name[address]`. */
  #logEnd(reason: 'lost connection' | 'timeout' | 'too many errors'): void {
    let { where } = this.#conversation;
    if (this.#mode.kind === 'message') where += this.#intake.progress;
    // POSTFIX: a client that leaves once its message is through is nothing to speak of.
    else if (where === END_OF_MESSAGE && reason === 'lost connection') return;
    this.#lines.write('info', (client) => `${reason} after ${where} from ${client}`);
  }

  #fault(error: unknown): void {
    const text = printable(error instanceof Error ? (error.stack ?? error.message) : String(error));
    const { sessionId } = this.#conversation;
    this.#lines.write('error', (client) => `error: session ${sessionId} from ${client}: ${text}`);
    this.#running = undefined;
    this.#errors.countError();
    const inMessage = this.#mode.kind === 'message';
    this.#say(inMessage ? reply(421, '3.0', `${this.#settings.myhostname} Server local error`) : FAULT);
    if (inMessage) this.#close();
    else this.#limitErrors();
  }

  /** What waits in the input, without taking it. */
  #peek(count: number): Buffer {
    const rest = this.#framer.takeRest();
    this.#framer.push(rest);
    return rest.subarray(0, count);
  }
}

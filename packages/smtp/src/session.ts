// One SMTP session (RFC 5321), as Postfix's smtpd holds it: bytes in, replies out, over a `SessionHost`.
//
// The pump takes one thing after another out of what arrived: a command line, a line of a SASL exchange, a piece of a
// message. Whatever has to wait (DNS, tables, password, queue) stops the pump, not the connection: input queues up to
// a limit, and commands keep their order. Replies of one pipelined group leave in one write.
//
// Nothing a client sends throws; a fault of ours is a 451 and a log line, and the session goes on.

import { isUtf8 } from 'node:buffer';
import { LineFramer, type Peer, type ProtocolSession, type SessionHost, type TlsInfo } from '@postcote/wire';
import { type ClientName, type NamedClient, UNKNOWN_CLIENT, findClientName } from './client-name.ts';
import { countConnection, countTlsSession } from './client-events.ts';
import { splitCommandLine } from './command-line.ts';
import { continueSasl } from './commands/auth.ts';
import { COMMANDS } from './commands/table.ts';
import {
  type Command,
  type Conversation,
  type Next,
  type Outcome,
  type SmtpPorts,
  failed,
  resetTransaction,
} from './conversation.ts';
import { endMilters, sessionMacros, settleVerdict, tellMilters } from './milter-events.ts';
import { type Chunk, END_OF_MESSAGE, MessageIntake } from './message-intake.ts';
import { refusal } from './policy.ts';
import { refuseCertificate } from './refuse-certificate.ts';
import { type LookupAnswer, findFirst } from './restrictions/access-lookup.ts';
import { withFooter } from './reject-footer.ts';
import { type Reply, plainReply, printable, reply } from './reply.ts';
import type { Decision } from './restrictions/types.ts';
import { RequestDeadline } from './request-deadline.ts';
import { ReplyWriter } from './reply-writer.ts';
import { CommandCounts, SessionLog, escaped } from './session-log.ts';
import type { SmtpSettings } from './settings.ts';

export interface SmtpSessionOptions {
  readonly host: SessionHost;
  readonly peer: Peer;
  /** Of a connection that began with TLS. */
  readonly tls: TlsInfo | undefined;
  readonly settings: SmtpSettings;
  readonly ports: SmtpPorts;
  readonly sessionId: string;
  /** Whether the host can do `startTls`. Default true. */
  readonly tlsAvailable?: boolean;
  /** Connections this client has to the listener, this one included. */
  readonly connections?: number;
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
const UNKNOWN = 'UNKNOWN';

const BAD_SYNTAX = reply(500, '5.2', 'Error: bad syntax');
const BAD_UTF8 = reply(500, '5.2', 'Error: bad UTF-8 syntax');
const TOO_LONG = reply(500, '5.2', 'Error: line too long');
const SASL_TOO_LONG = reply(500, '5.6', 'SASL response limit exceeded');
const NOT_RECOGNIZED = reply(500, '5.2', 'Error: command not recognized');
const STARTTLS_FIRST = reply(530, '7.0', 'Must issue a STARTTLS command first');
const GOODBYE = reply(221, '7.0', 'Error: I can break rules, too. Goodbye.');
const NOOP_OK = reply(250, '0.0', 'Ok');
const SYNCHRONIZATION = reply(554, '5.0', 'Error: SMTP protocol synchronization');
const FAULT = reply(451, '3.0', 'Error: internal error');

/** POSTFIX: settled when the connection begins; XCLIENT does not change it. */
function settingsFor(settings: SmtpSettings, address: string): SmtpSettings {
  const discardEhloKeywords = settings.discardEhloKeywordsFor?.(address);
  return discardEhloKeywords === undefined ? settings : { ...settings, discardEhloKeywords };
}

export class SmtpSession implements ProtocolSession {
  readonly #host: SessionHost;
  readonly #settings: SmtpSettings;
  readonly #conversation: Conversation;
  readonly #lines: SessionLog;
  readonly #counts = new CommandCounts();
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
  #errors = 0;
  #junk = 0;
  #running: Command | undefined;
  #deadline: RequestDeadline | undefined;
  /** What the next command is answered with, whatever it is. */
  #turnedAway: Reply | undefined;

  constructor(options: SmtpSessionOptions) {
    const { host, peer, ports } = options;
    const settings = settingsFor(options.settings, peer.remoteAddress);
    this.#host = host;
    this.#settings = settings;
    this.#lines = new SessionLog(ports.log, settings.program, peer);
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
    const lines = this.#lines;
    this.#conversation = {
      settings,
      ports,
      peer,
      mayXclient: settings.isXclientHost(peer.remoteAddress),
      mayXforward: settings.isXforwardHost(peer.remoteAddress),
      forwarded: undefined,
      sessionId: options.sessionId,
      tls: options.tls,
      tlsAvailable: options.tlsAvailable ?? true,
      client: UNKNOWN_CLIENT,
      helo: undefined,
      protocol: 'SMTP',
      login: undefined,
      failedLogins: 0,
      transaction: undefined,
      transactions: 0,
      deferred: {},
      chunking: 'none',
      improperPipelining: false,
      accessDenied: false,
      milters: undefined,
      miltersInTransaction: false,
      milterFacts: {},
      ...(options.connections === undefined ? {} : { connections: options.connections }),
      where: 'CONNECT',
      log: (level, message) => lines.write(level, message),
      lastDecision: undefined,
    };
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
    this.#nameClient();
    const { tls } = this.#conversation;
    const refused =
      (tls === undefined ? undefined : countTlsSession(this.#conversation)) ??
      (tls === undefined ? undefined : refuseCertificate(this.#conversation)) ??
      countConnection(this.#conversation);
    if (refused !== undefined) {
      this.#say(refused);
      this.#close();
      return;
    }
    this.#greet();
  }

  #greet(): void {
    const greeting = plainReply(220, this.#settings.banner);
    const { delayReject, restrictions, openMilters } = this.#settings;
    if ((delayReject || restrictions.client.length === 0) && openMilters === undefined) {
      // The name is looked up meanwhile: nobody waits for it who does not need it.
      this.#say(greeting);
      this.#flush();
      return;
    }
    this.#wait(this.#judgeClient(), (refused) => {
      this.#conversation.accessDenied = refused !== undefined;
      if (refused !== undefined || openMilters === undefined) this.#say(refused ?? greeting);
      else
        this.#wait(this.#openMilters(openMilters), (verdict) => this.#greetAfterMilters(greeting, verdict));
    });
  }

  async #openMilters(open: NonNullable<SmtpSettings['openMilters']>): Promise<Reply | undefined> {
    const conversation = this.#conversation;
    const { peer } = conversation;
    conversation.milters = await open(peer.remoteAddress, {
      macros: sessionMacros(conversation),
      warn: (text) => conversation.log('warn', () => `warning: ${printable(text)}`),
    });
    const { name } = await conversation.client;
    const client = { name, address: peer.remoteAddress, port: peer.remotePort };
    return await tellMilters(conversation, {}, (milters) => milters.connect(client));
  }

  /** POSTFIX: a filter's temporary refusal of a client shows at its next commands, not in the greeting. */
  #greetAfterMilters(greeting: Reply, refused: Reply | undefined): void {
    const { myhostname } = this.#settings;
    if (this.#mode.kind === 'over') return endMilters(this.#conversation);
    if (refused?.code === 421) {
      this.#say(plainReply(421, `${myhostname} Service unavailable - try again later`));
      return this.#close();
    }
    if (refused === undefined || refused.code < 500) return this.#say(greeting);
    this.#errors++;
    this.#say(plainReply(554, `${myhostname} ESMTP not accepting connections`));
  }

  receive(chunk: Buffer): void {
    if (this.#mode.kind === 'over' || this.#mode.kind === 'tls') return;
    const kind = this.#mode.kind === 'message' ? 'message' : 'command';
    if (this.#waits === 0 && this.#deadline?.isOver(chunk.length, kind) === true) return this.timedOut();
    this.#framer.push(chunk);
    if (this.#waits === 0) this.#pump();
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
    if (refused !== undefined) {
      this.#say(refused);
      this.#close();
      return;
    }
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
    this.#say(reply(421, '4.2', `${this.#settings.myhostname} Error: timeout exceeded`));
    this.#close();
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
    const { commandFilter } = this.#settings;
    if (commandFilter === undefined) return this.#runText(text);
    const filtered = findFirst(commandFilter, [[text, 'full']]);
    if (filtered instanceof Promise) this.#wait(filtered, (answer) => this.#runFiltered(text, answer));
    else this.#runFiltered(text, filtered);
  }

  /** `smtpd_command_filter`: another command in this one's place. */
  #runFiltered(text: string, answer: LookupAnswer): void {
    const shown = printable(text).slice(0, 100);
    if (answer.kind === 'missing') return this.#runText(text);
    if (answer.kind === 'found') {
      const instead = printable(answer.value).slice(0, 100);
      this.#lines.write('info', (client) => `${client}: replacing command "${shown}" with "${instead}"`);
      return this.#runText(answer.value);
    }
    this.#lines.write(
      'warn',
      () => `warning: smtpd_command_filter: lookup error for "${shown}": ${answer.reason}`,
    );
    this.#say(reply(421, '3.0', `${this.#settings.myhostname} Server local data error`));
    this.#close();
  }

  #runText(text: string): void {
    const words = splitCommandLine(text);
    const first = words[0]?.text;
    if (first === undefined || text.includes('\0')) return this.#refuse(BAD_SYNTAX);
    const verb = first.toUpperCase();
    if (this.#settings.noopCommands.has(verb)) {
      this.#say(NOOP_OK);
      return this.#countJunk();
    }
    const command = COMMANDS.get(verb);
    this.#counts.begun(command?.verb ?? UNKNOWN);
    if (command === undefined) return this.#runUnknown(verb, text);
    if (this.#conversation.accessDenied && verb !== 'QUIT') return this.#refuseAccess();
    const { settings, tls } = this.#conversation;
    if (settings.tlsSecurityLevel === 'encrypt' && tls === undefined && command.beforeTls !== true) {
      return this.#refuse(STARTTLS_FIRST);
    }
    this.#conversation.where = command.verb;
    if (!this.#keepsGroups(command)) return;
    this.#running = command;
    const outcome = command.run(this.#conversation, words);
    if (outcome instanceof Promise) this.#wait(outcome, (value) => this.#conclude(value));
    else this.#conclude(outcome);
  }

  #runUnknown(verb: string, text: string): void {
    this.#conversation.where = UNKNOWN;
    // POSTFIX: a header line or an HTTP request: somebody abuses the client to talk to us.
    const { forbiddenCommands, forbidOddCommands, isForbiddenCommand } = this.#settings;
    const odd = (forbidOddCommands && !/^[A-Z]/.test(verb)) || isForbiddenCommand(verb);
    if (odd || /^[!-9;-~]+:/.test(verb) || forbiddenCommands.has(verb)) {
      const shown = printable(text).slice(0, 100);
      this.#lines.write('warn', (client) => `warning: non-SMTP command from ${client}: ${shown}`);
      this.#say(GOODBYE);
      return this.#close();
    }
    if (this.#conversation.accessDenied) return this.#refuseAccess();
    const { milters } = this.#conversation;
    if (milters === undefined) return this.#refuse(NOT_RECOGNIZED);
    // POSTFIX: the word alone, as it was typed.
    this.#wait(milters.unknown(text.trimStart().slice(0, verb.length)), (verdict) => {
      this.#refuse(settleVerdict(this.#conversation, verdict) ?? NOT_RECOGNIZED);
    });
  }

  /** RFC 2920 §3.1: who pipelines must have asked, and must wait where a group ends. False: the session is over. */
  #keepsGroups(command: Command): boolean {
    const conversation = this.#conversation;
    if (conversation.improperPipelining || this.#framer.pending === 0) return true;
    const { forbidUnauthPipelining } = this.#settings;
    if (conversation.protocol === 'ESMTP' && command.endsGroup !== true) return true;
    conversation.improperPipelining = true;
    const shown = escaped(this.#peek(100));
    this.#lines.write(
      'info',
      (client) => `improper command pipelining after ${command.verb} from ${client}: ${shown}`,
    );
    if (!forbidUnauthPipelining) return true;
    this.#say(SYNCHRONIZATION);
    this.#close();
    return false;
  }

  #runSasl(exchange: Extract<Next, { kind: 'sasl' }>, line: Buffer | undefined): void {
    this.#mode = COMMAND;
    if (line === undefined || line.length > this.#settings.saslResponseLimit)
      return this.#conclude(failed(SASL_TOO_LONG));
    const outcome = continueSasl(
      this.#conversation,
      exchange.mechanism,
      exchange.step.next(line.toString('latin1')),
    );
    if (outcome instanceof Promise) this.#wait(outcome, (value) => this.#conclude(value));
    else this.#conclude(outcome);
  }

  /** Replies, counts, and does what the command asks for; an erring client waits first. */
  #conclude(outcome: Outcome): void {
    if (outcome.next?.kind === 'data') return this.#openMessage(outcome);
    const { softErrorLimit, errorSleepTime } = this.#settings;
    const sleep = this.#conversation.ports.clock.sleep;
    if (
      outcome.reply === undefined ||
      this.#errors < softErrorLimit ||
      errorSleepTime === 0 ||
      sleep === undefined
    ) {
      return this.#answer(outcome);
    }
    this.#flush();
    this.#wait(sleep(errorSleepTime), () => this.#answer(outcome));
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
    if (!ok) this.#errors++;
    if (command?.junk === true) this.#countJunk();
    this.#limitErrors();
  }

  #countJunk(): void {
    if (this.#junk++ > this.#settings.junkCommandLimit) this.#errors++;
    this.#limitErrors();
  }

  /** A refusal outside of any command's own doing. */
  #refuse(value: Reply): void {
    this.#running = undefined;
    this.#conclude(failed(value));
  }

  #refuseAccess(): void {
    const { name } =
      this.#conversation.client instanceof Promise ? UNKNOWN_CLIENT : this.#conversation.client;
    this.#refuse(
      reply(503, '7.0', `Error: access denied for ${name}[${this.#conversation.peer.remoteAddress}]`),
    );
  }

  #refuseBareNewline(): void {
    const { forbidBareNewlineRejectCode, myhostname } = this.#settings;
    this.#refuse(reply(forbidBareNewlineRejectCode, '5.2', `${myhostname} Error: bare <LF> received`));
  }

  #limitErrors(): void {
    if (this.#mode.kind === 'over' || this.#errors < this.#settings.hardErrorLimit) return;
    this.#logEnd('too many errors');
    this.#say(reply(421, '7.0', `${this.#settings.myhostname} Error: too many errors`));
    this.#close();
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
          if (outcome.ok) this.#errors = this.#junk = 0;
          this.#conclude(outcome);
        });
        return true;
    }
  }

  // ---- The client ----------------------------------------------------------------------------------------------

  #nameClient(): void {
    const { ports, peer } = this.#conversation;
    if (!this.#settings.peernameLookup) {
      this.#lines.named(UNKNOWN_CLIENT);
      return;
    }
    const settle = ({ client, warning }: NamedClient): ClientName => {
      this.#conversation.client = client;
      this.#lines.named(client, warning);
      return client;
    };
    this.#conversation.client = findClientName(ports.dns, peer.remoteAddress).then(settle, () =>
      settle({ client: UNKNOWN_CLIENT }),
    );
  }

  async #judgeClient(): Promise<Reply | undefined> {
    await this.#conversation.client;
    if (this.#settings.delayReject) return undefined;
    return refusal(this.#conversation, { moment: 'connect' });
  }

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
    this.#say(reply(421, '3.2', `${this.#settings.myhostname} Service shutting down`));
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
    this.#errors++;
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

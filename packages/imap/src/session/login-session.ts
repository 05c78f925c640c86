// The session before login: unprivileged, and stingy. It reads a handful of commands with tight limits, asks for
// one password at a time, and gives the connection away when one is right.
//
// Whatever goes wrong ends in a BAD, a NO or a BYE; nothing throws. After `attach` the session does nothing more.

import type { Log, Peer, ProtocolSession, SessionHost, TlsInfo } from '@postcote/wire';
import { loginCapabilities } from '../capabilities.ts';
import type { CommandOf } from '../codec/command.ts';
import { CommandReader, type ReaderEvent } from '../codec/command-reader.ts';
import { LOGIN_CODEC_LIMITS } from '../codec/limits.ts';
import { parseCommand } from '../codec/parse-command.ts';
import { bad, formatContinuation, formatStatus, no, ok, type Status } from '../codec/response.ts';
import type { Clock, ImapHandOff, ImapLogin, Sasl, SaslStep } from '../ports.ts';
import { describeClientId, formatServerId } from './server-id.ts';

export interface ImapLoginSettings {
  /** DOVECOT: login_greeting. */
  readonly greeting: string;
  /** DOVECOT: disable_plaintext_auth; connections from the machine itself and those with TLS are exempt. */
  readonly disablePlaintextAuth: boolean;
  readonly tlsAvailable: boolean;
  /** Milliseconds from the greeting to a login. DOVECOT: three minutes. */
  readonly loginTimeout: number;
  /** Commands that make no sense. DOVECOT: the third ends the session, whatever was between them. */
  readonly maxBadCommands: number;
  /** DOVECOT: imap_capability, imap_id_send, imap_id_log. */
  readonly capability: string;
  readonly idSend: string;
  readonly idLog: string;
}

export const DEFAULT_LOGIN_SETTINGS: ImapLoginSettings = {
  greeting: 'Dovecot ready.',
  disablePlaintextAuth: true,
  tlsAvailable: true,
  loginTimeout: 180_000,
  maxBadCommands: 3,
  capability: '',
  idSend: 'name *',
  idLog: '',
};

export interface ImapLoginOptions {
  readonly host: SessionHost;
  readonly peer: Peer;
  /** Present on connections that are TLS from the start. */
  readonly tls?: TlsInfo | undefined;
  readonly settings: ImapLoginSettings;
  readonly sasl: Sasl;
  readonly login: ImapLogin;
  readonly clock: Clock;
  readonly log: Log;
  readonly sessionId: string;
}

type Phase =
  | { readonly kind: 'commands' }
  | { readonly kind: 'sasl'; readonly tag: string; readonly mechanism: string; step: SaslStep }
  | { readonly kind: 'asking' }
  | { readonly kind: 'startingTls' }
  | { readonly kind: 'over' };

const BAD_COMMAND = bad('Error in IMAP command received by server.');
/** Octets kept while a password is being checked. */
const MAX_PIPELINED = 16 * 1024;

export class ImapLoginSession implements ProtocolSession {
  readonly #options: ImapLoginOptions;
  readonly #reader = new CommandReader(LOGIN_CODEC_LIMITS);
  readonly #started: number;
  #phase: Phase = { kind: 'commands' };
  #tls: TlsInfo | undefined;
  #paused = false;
  #badCommands = 0;
  #clientId: Readonly<Record<string, string>> = {};
  #attempts = 0;
  #lastUser = '';
  #lastMethod = '';
  /** Why there was no login, for the log; the first reason stays. */
  #hindrance: string | undefined;
  #cancelTimer: () => void = () => {};
  #stopping = false;

  constructor(options: ImapLoginOptions) {
    this.#options = options;
    this.#tls = options.tls;
    this.#started = options.clock.now();
  }

  start(): void {
    const { clock, settings } = this.#options;
    this.#cancelTimer = clock.after(settings.loginTimeout, () => this.#expire());
    this.#write(formatStatus('*', ok(settings.greeting, `CAPABILITY ${this.#capabilities()}`)));
  }

  receive(chunk: Buffer): void {
    if (this.#phase.kind === 'over' || this.#phase.kind === 'startingTls') return;
    this.#reader.push(chunk);
    if (this.#phase.kind === 'asking' && this.#reader.buffered > MAX_PIPELINED) this.#pause();
    this.#readAll();
  }

  secured(tls: TlsInfo): void {
    if (this.#phase.kind !== 'startingTls') return;
    // RFC 3501 §6.2.1: all that was known before counts for nothing.
    this.#reader.discard();
    this.#clientId = {};
    this.#badCommands = 0;
    this.#tls = tls;
    this.#phase = { kind: 'commands' };
  }

  ended(reason: string): void {
    this.#finish(reason === 'closed' ? 'Connection closed' : disconnectReason(reason));
  }

  timedOut(): void {
    this.#expire();
  }

  shutDown(): void {
    this.#stopping = true;
    if (this.#phase.kind !== 'asking') this.#sayBye('Server shutting down.', 'Server shutting down.');
  }

  get #secured(): boolean {
    const { peer } = this.#options;
    // DOVECOT: a client on this machine needs no TLS.
    return this.#tls !== undefined || peer.remoteAddress === peer.localAddress;
  }

  #capabilities(): string {
    const { settings, sasl } = this.#options;
    return loginCapabilities({
      setting: settings.capability,
      startTls: settings.tlsAvailable && this.#tls === undefined,
      passwords: this.#mayUsePassword,
      mechanisms: sasl.mechanisms,
    });
  }

  get #mayUsePassword(): boolean {
    return this.#secured || !this.#options.settings.disablePlaintextAuth;
  }

  #readAll(): void {
    while (this.#phase.kind === 'commands' || this.#phase.kind === 'sasl') {
      const event = this.#reader.next();
      if (event === undefined) return;
      this.#handle(event);
    }
  }

  #handle(event: ReaderEvent): void {
    switch (event.kind) {
      case 'continue':
        return this.#write(formatContinuation('OK'));
      case 'line':
        return this.#continueSasl(event.line.toString('latin1'));
      case 'invalid':
        if (this.#phase.kind === 'sasl') {
          const { tag } = this.#phase;
          this.#phase = { kind: 'commands' };
          return this.#refuseBad(tag, 'Authentication response too long');
        }
        // DOVECOT: shown, and not counted.
        if (SCAN_ERRORS_SHOWN.has(event.text)) return this.#answer(event.tag, bad(event.text));
        return this.#refuseBad(event.tag, BAD_COMMAND.text);
      case 'fatal':
        return this.#sayBye(event.text, event.text);
      case 'append':
        this.#reader.refuseLiteral();
        return this.#refuseBad(event.tag, BAD_COMMAND.text);
      case 'command':
        return this.#run(event);
      case 'data':
        return;
      default:
        return event satisfies never;
    }
  }

  #run(event: Extract<ReaderEvent, { readonly kind: 'command' }>): void {
    const result = VERBS.has(event.verb) ? parseCommand(event.verb, event.args) : 'unknown';
    if (result === 'unknown' || !result.ok) return this.#refuseBad(event.tag, BAD_COMMAND.text);
    const command = result.value;
    const { tag } = event;
    switch (command.kind) {
      case 'capability':
        this.#write(`* CAPABILITY ${this.#capabilities()}\r\n`);
        return this.#answer(tag, ok('Pre-login capabilities listed, post-login capabilities have more.'));
      case 'noop':
        return this.#answer(tag, ok('NOOP completed.'));
      case 'id':
        this.#clientId = Object.fromEntries(command.fields);
        this.#logClientId(command.fields);
        this.#write(formatServerId(this.#options.settings.idSend));
        return this.#answer(tag, ok('ID completed.'));
      case 'enable':
        this.#write('* ENABLED\r\n');
        return this.#answer(tag, ok('ENABLE ignored in non-authenticated state.'));
      case 'logout':
        this.#write(formatStatus('*', { kind: 'BYE', text: 'Logging out' }));
        this.#answer(tag, ok('Logout completed.'));
        return this.#close('Aborted login by logging out');
      case 'startTls':
        return this.#startTls(tag);
      case 'login':
        if (this.#refusePlaintext(tag)) return;
        return this.#ask(tag, { method: 'PLAIN', user: command.user, password: command.password });
      case 'authenticate':
        return this.#authenticate(tag, command);
      default:
        return this.#refuseBad(tag, BAD_COMMAND.text);
    }
  }

  #logClientId(fields: ReadonlyMap<string, string>): void {
    const { log, settings, sessionId } = this.#options;
    const words = describeClientId(fields, settings.idLog);
    if (words === undefined) return;
    log('info', 'dovecot', `imap-login: ${words}: user=<>, ${this.#where('')}`, { session: sessionId });
  }

  #startTls(tag: string): void {
    if (this.#tls !== undefined) return this.#answer(tag, bad('TLS is already active.'));
    if (!this.#options.settings.tlsAvailable) return this.#answer(tag, bad("TLS support isn't enabled."));
    this.#answer(tag, ok('Begin TLS negotiation now.'));
    // Commands injected behind STARTTLS are dropped here and by the host (CVE-2011-0411 and its many heirs).
    this.#reader.discard();
    this.#phase = { kind: 'startingTls' };
    this.#options.host.startTls();
  }

  #refusePlaintext(tag: string): boolean {
    if (this.#mayUsePassword) return false;
    this.#hindrance ??= 'tried to use disallowed plaintext auth';
    this.#write(
      formatStatus('*', {
        kind: 'BAD',
        code: 'ALERT',
        text:
          'Plaintext authentication not allowed without SSL/TLS, but your client did it anyway. ' +
          'If anyone was listening, the password was exposed.',
      }),
    );
    this.#answer(
      tag,
      no('Plaintext authentication disallowed on non-secure (SSL/TLS) connections.', 'PRIVACYREQUIRED'),
    );
    return true;
  }

  #authenticate(tag: string, command: CommandOf<'authenticate'>): void {
    const { sasl } = this.#options;
    if (!sasl.mechanisms.includes(command.mechanism)) {
      this.#hindrance ??= 'tried to use unsupported auth mechanism';
      this.#lastMethod = logWord(command.mechanism);
      return this.#answer(tag, no('Unsupported authentication mechanism.', 'ALERT'));
    }
    if (this.#refusePlaintext(tag)) return;
    this.#saslStep(
      {
        kind: 'sasl',
        tag,
        mechanism: command.mechanism,
        step: sasl.startSasl(command.mechanism, command.initial),
      },
      'initial response',
    );
  }

  #continueSasl(line: string): void {
    const phase = this.#phase;
    if (phase.kind !== 'sasl' || phase.step.kind !== 'challenge') return;
    this.#saslStep({ ...phase, step: phase.step.next(line) }, 'continued response');
  }

  #saslStep(phase: Extract<Phase, { readonly kind: 'sasl' }>, where: string): void {
    const { step, tag, mechanism } = phase;
    this.#phase = { kind: 'commands' };
    this.#lastMethod = mechanism;
    switch (step.kind) {
      case 'challenge':
        this.#phase = phase;
        this.#reader.expectLine();
        return this.#write(formatContinuation(step.text));
      case 'credentials':
        return this.#ask(tag, {
          method: mechanism === 'LOGIN' ? 'LOGIN' : 'PLAIN',
          user: step.user,
          password: step.password,
        });
      case 'cancelled':
        return this.#answer(tag, bad('Authentication aborted by client.'));
      case 'malformed':
        this.#attempts += 1;
        if (step.reason === 'invalid base64')
          return this.#answer(tag, bad(`Invalid base64 data in ${where}`));
        return this.#answer(tag, no('Authentication failed.', 'AUTHENTICATIONFAILED'));
      case 'unknownMechanism':
        return this.#answer(tag, no('Unsupported authentication mechanism.', 'ALERT'));
      default:
        return step satisfies never;
    }
  }

  #ask(
    tag: string,
    given: { readonly method: 'PLAIN' | 'LOGIN'; readonly user: string; readonly password: string },
  ): void {
    this.#phase = { kind: 'asking' };
    this.#attempts += 1;
    this.#lastUser = given.user;
    this.#lastMethod = given.method;
    // The authenticator has its own time limit.
    this.#cancelTimer();
    this.#options.host.setIdleTimeout(0);
    this.#askAndAnswer(tag, given).catch((error: unknown) => {
      this.#options.log(
        'error',
        'dovecot',
        `imap-login: ${String(error)}, session=<${this.#options.sessionId}>`,
      );
      this.#finish('Internal error');
      this.#options.host.close();
    });
  }

  async #askAndAnswer(
    tag: string,
    given: { readonly method: 'PLAIN' | 'LOGIN'; readonly user: string; readonly password: string },
  ): Promise<void> {
    const { peer, login, sessionId, log, clock, settings } = this.#options;
    const handOff: ImapHandOff = {
      tag,
      remoteAddress: peer.remoteAddress,
      remotePort: peer.remotePort,
      localAddress: peer.localAddress,
      localPort: peer.localPort,
      secured: this.#secured,
      sessionId,
      enabled: [],
      clientId: this.#clientId,
    };
    let verdict: Awaited<ReturnType<ImapLogin>>;
    try {
      verdict = await login(
        {
          service: 'imap',
          mechanism: given.method,
          user: given.user,
          password: given.password,
          remoteAddress: peer.remoteAddress,
          localAddress: peer.localAddress,
          secured: this.#secured,
          sessionId,
        },
        handOff,
      );
    } catch (error) {
      verdict = { kind: 'unavailable', message: String(error) };
    }
    if (this.#phase.kind !== 'asking') {
      // The client left meanwhile; a worker that waits for the connection learns of it from the edge.
      return;
    }
    if (verdict.kind === 'granted') {
      this.#phase = { kind: 'over' };
      const mpid = verdict.workerPid === undefined ? '' : `mpid=${verdict.workerPid}, `;
      log(
        'info',
        'dovecot',
        `imap-login: Login: user=<${logWord(verdict.user)}>, method=${given.method}, ${this.#where(mpid)}`,
        { session: sessionId },
      );
      verdict.attach(this.#reader.takeRest());
      return;
    }
    this.#phase = { kind: 'commands' };
    if (verdict.kind === 'refused') {
      this.#answer(tag, no('Authentication failed.', 'AUTHENTICATIONFAILED'));
    } else {
      log(
        'warn',
        'dovecot',
        `imap-login: Temporary authentication failure: user=<${logWord(given.user)}>, session=<${sessionId}>: ${verdict.message}`,
      );
      this.#answer(tag, no('Temporary authentication failure.', 'UNAVAILABLE'));
    }
    if (this.#stopping) return this.#sayBye('Server shutting down.', 'Server shutting down.');
    this.#cancelTimer = clock.after(settings.loginTimeout, () => this.#expire());
    this.#unpause();
    this.#readAll();
  }

  #refuseBad(tag: string, text: string): void {
    this.#badCommands += 1;
    if (this.#badCommands >= this.#options.settings.maxBadCommands) {
      return this.#sayBye('Too many invalid IMAP commands.', 'Too many invalid commands');
    }
    this.#answer(tag, bad(text));
  }

  #expire(): void {
    if (this.#phase.kind === 'asking') return;
    this.#sayBye('Disconnected for inactivity.', 'Inactivity');
  }

  #sayBye(text: string, reason: string): void {
    if (this.#phase.kind === 'over') return;
    if (this.#phase.kind !== 'startingTls') this.#write(formatStatus('*', { kind: 'BYE', text }));
    this.#close(reason);
  }

  #close(reason: string): void {
    this.#finish(reason);
    this.#options.host.close();
  }

  /** Once: the line that says how the connection ended without a login. */
  #finish(reason: string): void {
    if (this.#phase.kind === 'over') return;
    this.#phase = { kind: 'over' };
    this.#cancelTimer();
    this.#reader.discard();
    const { log, clock, sessionId } = this.#options;
    const seconds = Math.round((clock.now() - this.#started) / 1000);
    const why =
      this.#attempts > 0
        ? `auth failed, ${this.#attempts} attempts in ${seconds} secs`
        : (this.#hindrance ?? `no auth attempts in ${seconds} secs`);
    const method = this.#lastMethod === '' ? '' : `method=${this.#lastMethod}, `;
    log(
      'info',
      'dovecot',
      `imap-login: Disconnected: ${reason} (${why}): user=<${logWord(this.#lastUser)}>, ${method}${this.#where('')}`,
      { session: sessionId },
    );
  }

  #where(mpid: string): string {
    const { peer, sessionId } = this.#options;
    const secured = this.#tls !== undefined ? 'TLS, ' : this.#secured ? 'secured, ' : '';
    return `rip=${peer.remoteAddress}, lip=${peer.localAddress}, ${mpid}${secured}session=<${sessionId}>`;
  }

  #answer(tag: string, status: Status): void {
    this.#write(formatStatus(tag, status));
  }

  #write(text: string): void {
    this.#options.host.write(text);
  }

  #pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    this.#options.host.pause();
  }

  #unpause(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#options.host.resume();
  }
}

/** DOVECOT: of the tokeniser's complaints these are shown before login. */
const SCAN_ERRORS_SHOWN: ReadonlySet<string> = new Set([
  `Missing '"'`,
  'Invalid characters in atom',
  '8bit data in atom',
]);

/** Verbs known before login; the rest is BAD, whatever it may be afterwards. */
const VERBS: ReadonlySet<string> = new Set([
  'CAPABILITY',
  'NOOP',
  'ID',
  'ENABLE',
  'LOGOUT',
  'STARTTLS',
  'LOGIN',
  'AUTHENTICATE',
]);

/** What a client calls itself, in a log line that others parse: no brackets, no control characters, no end. */
function logWord(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return text.slice(0, 255).replaceAll(/[\x00-\x1f\x7f<>]/g, '?');
}

export function disconnectReason(reason: string): string {
  return reason.startsWith('connection closed') ? 'Connection closed' : `Connection closed: ${reason}`;
}

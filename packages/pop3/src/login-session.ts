// The POP3 session before login (RFC 1939 §4, RFC 2449, RFC 2595, RFC 5034): greets, offers TLS, asks for a password,
// and gives the connection away when it was right. It runs unprivileged and is stingy: short lines, few commands.
//
// Nothing throws. After `attach` the session is inert; the worker at the other end answers the last command.

import {
  LineFramer,
  type Log,
  type LoginRequest,
  type Peer,
  type ProtocolSession,
  type SessionHost,
  type TlsInfo,
} from '@postcote/wire';
import { loginCapabilities } from './capabilities.ts';
import { MAX_COMMAND_LINE, parseCommand, type PopCommand } from './command.ts';
import { runLang } from './language.ts';
import { formatWhere } from './log-line.ts';
import type { Clock, PopHandOff, PopLogin, Sasl, SaslStep } from './ports.ts';
import { formatReply, negative, positive, type Reply } from './reply.ts';

export interface PopLoginSettings {
  /** DOVECOT: login_greeting. */
  readonly greeting: string;
  /** DOVECOT: disable_plaintext_auth; connections from the machine itself and those with TLS are exempt. */
  readonly disablePlaintextAuth: boolean;
  readonly tlsAvailable: boolean;
  /** Milliseconds from the greeting to a login. DOVECOT: three minutes. */
  readonly loginTimeout: number;
  /** Bad commands in a row. DOVECOT: the third ends the session. */
  readonly maxBadCommands: number;
}

export const DEFAULT_LOGIN_SETTINGS: PopLoginSettings = {
  greeting: 'Dovecot ready.',
  disablePlaintextAuth: true,
  tlsAvailable: true,
  loginTimeout: 180_000,
  maxBadCommands: 3,
};

export interface PopLoginOptions {
  readonly host: SessionHost;
  readonly peer: Peer;
  /** Present on connections that are TLS from the start. */
  readonly tls?: TlsInfo | undefined;
  readonly settings: PopLoginSettings;
  readonly sasl: Sasl;
  readonly login: PopLogin;
  readonly clock: Clock;
  readonly log: Log;
  readonly sessionId: string;
}

type Phase =
  | { readonly kind: 'commands'; readonly user: string | undefined }
  | {
      readonly kind: 'sasl';
      readonly mechanism: string;
      readonly step: Extract<SaslStep, { kind: 'challenge' }>;
    }
  | { readonly kind: 'asking' }
  | { readonly kind: 'startingTls' }
  | { readonly kind: 'over' };

type Credentials = Pick<LoginRequest, 'mechanism' | 'user' | 'password'>;

/** What a command leads to. `bad` ones are counted. */
type Outcome =
  | { readonly kind: 'reply'; readonly reply: Reply; readonly bad?: true; readonly user?: string }
  | { readonly kind: 'lines'; readonly reply: Reply; readonly lines: readonly string[] }
  | { readonly kind: 'sasl'; readonly mechanism: string; readonly step: SaslStep; readonly initial: boolean }
  | { readonly kind: 'login'; readonly credentials: Credentials }
  | { readonly kind: 'startTls' }
  | { readonly kind: 'quit' };

/** Octets kept while a password is being checked. */
const MAX_PIPELINED = 16 * 1024;
const IDLE: Phase = { kind: 'commands', user: undefined };

export class PopLoginSession implements ProtocolSession {
  readonly #options: PopLoginOptions;
  readonly #framer = new LineFramer({ maxLength: MAX_COMMAND_LINE });
  readonly #started: number;
  #phase: Phase = IDLE;
  #tls: TlsInfo | undefined;
  #paused = false;
  #badCommands = 0;
  #attempts = 0;
  #lastUser = '';
  #lastMethod = '';
  /** Why there was no login, for the log, where it was not a wrong password. */
  #hindrance: string | undefined;
  #cancelTimer: () => void = () => {};
  #stopping = false;

  constructor(options: PopLoginOptions) {
    this.#options = options;
    this.#tls = options.tls;
    this.#started = options.clock.now();
  }

  start(): void {
    const { clock, settings } = this.#options;
    this.#cancelTimer = clock.after(settings.loginTimeout, () => this.#expire());
    this.#send(positive(settings.greeting));
  }

  receive(chunk: Buffer): void {
    if (this.#phase.kind === 'over' || this.#phase.kind === 'startingTls') return;
    this.#framer.push(chunk);
    this.#readAll();
  }

  secured(tls: TlsInfo): void {
    if (this.#phase.kind !== 'startingTls') return;
    // RFC 2595 §4: what was said before counts for nothing.
    this.#framer.discard();
    this.#badCommands = 0;
    this.#tls = tls;
    this.#phase = IDLE;
  }

  ended(reason: string): void {
    if (this.#phase.kind === 'over') return;
    this.#finish(
      reason.startsWith('connection closed') ? 'Connection closed' : `Connection closed: ${reason}`,
    );
  }

  timedOut(): void {
    this.#expire();
  }

  shutDown(): void {
    this.#stopping = true;
    if (this.#phase.kind !== 'asking') this.#stop();
  }

  get #mayUsePassword(): boolean {
    return this.#isSecured || !this.#options.settings.disablePlaintextAuth;
  }

  get #isSecured(): boolean {
    const { peer } = this.#options;
    // DOVECOT: a client on this machine needs no TLS.
    return this.#tls !== undefined || peer.remoteAddress === peer.localAddress;
  }

  #readAll(): void {
    while (this.#phase.kind === 'commands' || this.#phase.kind === 'sasl') {
      const frame = this.#framer.next();
      if (frame === undefined) {
        if (this.#framer.pending > MAX_COMMAND_LINE) this.#refuseLongLine();
        return;
      }
      if (frame.kind === 'tooLong') return this.#refuseLongLine();
      if (this.#phase.kind === 'sasl') {
        const { mechanism, step } = this.#phase;
        this.#takeSaslStep(mechanism, step.next(frame.line.toString('latin1')), false);
      } else {
        this.#apply(this.#run(parseCommand(frame.line), this.#phase.user));
      }
    }
    if (this.#phase.kind === 'asking' && this.#framer.pending > MAX_PIPELINED && !this.#paused) {
      this.#paused = true;
      this.#options.host.pause();
    }
  }

  #refuseLongLine(): void {
    this.#send(negative('Input buffer full, aborting'));
    this.#finish('Input buffer full');
    this.#options.host.close();
  }

  #run(command: PopCommand, user: string | undefined): Outcome {
    const row = COMMANDS.get(command.verb);
    if (row === undefined) return { kind: 'reply', reply: negative('Unknown command.'), bad: true };
    return row(command.args, {
      user,
      secured: this.#tls !== undefined,
      tlsAvailable: this.#options.settings.tlsAvailable,
      mayUsePassword: this.#mayUsePassword,
      sasl: this.#options.sasl,
    });
  }

  #apply(outcome: Outcome): void {
    if (outcome.kind !== 'reply' || outcome.bad === undefined) this.#badCommands = 0;
    switch (outcome.kind) {
      case 'reply':
        this.#send(outcome.reply);
        if (outcome.user !== undefined) this.#phase = { kind: 'commands', user: outcome.user };
        if (outcome.reply.code === 'AUTH') this.#noteHindrance(outcome.reply);
        if (outcome.bad !== undefined) this.#countBadCommand();
        return;
      case 'lines':
        this.#options.host.write(
          `${formatReply(outcome.reply)}${outcome.lines.map((line) => `${line}\r\n`).join('')}.\r\n`,
        );
        return;
      case 'sasl':
        this.#takeSaslStep(outcome.mechanism, outcome.step, outcome.initial);
        return;
      case 'login':
        void this.#ask(outcome.credentials);
        return;
      case 'startTls':
        this.#send(positive('Begin TLS negotiation now.'));
        this.#phase = { kind: 'startingTls' };
        // RFC 2595 §4: octets already here were sent in the clear and are not commands.
        this.#framer.discard();
        this.#options.host.startTls();
        return;
      case 'quit':
        this.#send(positive('Logging out'));
        this.#finish('Aborted login by logging out');
        this.#options.host.close();
    }
  }

  #noteHindrance(reply: Reply): void {
    this.#hindrance = reply.text.startsWith('Unsupported')
      ? 'tried to use unsupported auth mechanism'
      : 'tried to use disallowed plaintext auth';
  }

  #countBadCommand(): void {
    this.#badCommands++;
    if (this.#badCommands < this.#options.settings.maxBadCommands) return;
    this.#send(negative('Too many invalid bad commands.'));
    this.#finish('Disconnected: Too many bad commands');
    this.#options.host.close();
  }

  #takeSaslStep(mechanism: string, step: SaslStep, initial: boolean): void {
    this.#lastMethod = mechanism;
    switch (step.kind) {
      case 'challenge':
        this.#phase = { kind: 'sasl', mechanism, step };
        this.#options.host.write(`+ ${step.text}\r\n`);
        return;
      case 'credentials':
        void this.#ask({
          mechanism: mechanism === 'LOGIN' ? 'LOGIN' : 'PLAIN',
          user: step.user,
          password: step.password,
        });
        return;
      case 'cancelled':
        this.#phase = IDLE;
        this.#send(negative('Authentication aborted by client.'));
        return;
      case 'malformed':
        this.#phase = IDLE;
        if (/base64/.test(step.reason ?? '')) {
          this.#hindrance = 'sent invalid base64 in response';
          const text = initial ? 'Invalid base64 data in initial response' : 'Invalid base64 in response';
          return this.#send(negative(text, 'AUTH'));
        }
        this.#attempts++;
        return this.#send(negative('Authentication failed.', 'AUTH'));
      case 'unknownMechanism':
        this.#phase = IDLE;
        this.#hindrance = 'tried to use unsupported auth mechanism';
        this.#send(negative('Unsupported authentication mechanism.', 'AUTH'));
    }
  }

  async #ask(credentials: Credentials): Promise<void> {
    const { peer, sessionId, login, log } = this.#options;
    this.#phase = { kind: 'asking' };
    this.#lastUser = credentials.user;
    this.#lastMethod = credentials.mechanism === 'LOGIN' ? 'LOGIN' : 'PLAIN';
    this.#hindrance = undefined;
    this.#cancelTimer();
    const request: LoginRequest = {
      service: 'pop3',
      ...credentials,
      remoteAddress: peer.remoteAddress,
      localAddress: peer.localAddress,
      secured: this.#tls !== undefined,
      sessionId,
    };
    const verdict = await login(request, this.#handOff(credentials)).catch(
      (error: unknown) =>
        ({ kind: 'unavailable', message: error instanceof Error ? error.message : String(error) }) as const,
    );
    // The client may have gone while we asked.
    if ((this.#phase as Phase).kind !== 'asking') return;
    if (verdict.kind === 'granted') {
      this.#phase = { kind: 'over' };
      const where = formatWhere(this.#where, verdict.workerPid);
      log(
        'info',
        'dovecot',
        `pop3-login: Login: user=<${verdict.user}>, method=${this.#lastMethod}, ${where}`,
      );
      this.#resume();
      verdict.attach(Buffer.from(this.#framer.takeRest()));
      return;
    }
    this.#attempts++;
    if (verdict.kind === 'refused') this.#send(negative('Authentication failed.', 'AUTH'));
    else {
      // RFC 3206 §3: the client should not ask its user for another password.
      log('warn', 'dovecot', `pop3-login: Error: user=<${credentials.user}>: ${verdict.message}`);
      this.#send(negative('Temporary authentication failure.', 'SYS/TEMP'));
    }
    this.#resumeCommands();
  }

  #resumeCommands(): void {
    this.#phase = IDLE;
    if (this.#stopping) return this.#stop();
    const { clock, settings } = this.#options;
    this.#cancelTimer = clock.after(settings.loginTimeout, () => this.#expire());
    this.#resume();
    this.#readAll();
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#options.host.resume();
  }

  #handOff(credentials: Credentials): PopHandOff {
    const { peer, sessionId } = this.#options;
    return {
      protocol: 'pop3',
      sessionId,
      remoteAddress: peer.remoteAddress,
      remotePort: peer.remotePort,
      localAddress: peer.localAddress,
      localPort: peer.localPort,
      secured: this.#tls !== undefined,
      mechanism: credentials.mechanism,
    };
  }

  #expire(): void {
    // While a password is being checked, the one who checks it minds the time.
    if (this.#phase.kind === 'over' || this.#phase.kind === 'asking') return;
    if (this.#phase.kind !== 'startingTls') this.#send(negative('Disconnected for inactivity.'));
    this.#finish('Inactivity');
    this.#options.host.close();
  }

  #stop(): void {
    if (this.#phase.kind === 'over') return;
    if (this.#phase.kind !== 'startingTls') this.#send(negative('Server shutting down.', 'SYS/TEMP'));
    this.#finish('Server shutting down.');
    this.#options.host.close();
  }

  #send(reply: Reply): void {
    this.#options.host.write(formatReply(reply));
  }

  get #where(): Parameters<typeof formatWhere>[0] {
    const { peer, sessionId } = this.#options;
    return { ...peer, sessionId, tls: this.#tls !== undefined, secured: this.#isSecured };
  }

  /** The session's last line in the log. */
  #finish(reason: string): void {
    this.#cancelTimer();
    this.#phase = { kind: 'over' };
    const seconds = Math.round((this.#options.clock.now() - this.#started) / 1000);
    const attempts =
      this.#hindrance ??
      (this.#attempts > 0
        ? `auth failed, ${this.#attempts} attempts in ${seconds} secs`
        : `no auth attempts in ${seconds} secs`);
    const method = this.#lastMethod === '' ? '' : `method=${this.#lastMethod}, `;
    const who = `user=<${this.#lastUser}>, ${method}${formatWhere(this.#where)}`;
    this.#options.log('info', 'dovecot', `pop3-login: Disconnected: ${reason} (${attempts}): ${who}`);
  }
}

interface Context {
  readonly user: string | undefined;
  readonly secured: boolean;
  readonly tlsAvailable: boolean;
  readonly mayUsePassword: boolean;
  readonly sasl: Sasl;
}

type Run = (args: string, context: Context) => Outcome;

const reply = (reply: Reply): Outcome => ({ kind: 'reply', reply });
const PLAINTEXT_REFUSED = negative(
  'Plaintext authentication disallowed on non-secure (SSL/TLS) connections.',
  'AUTH',
);

const COMMANDS: ReadonlyMap<string, Run> = new Map<string, Run>([
  ['CAPA', runCapa],
  ['STLS', runStls],
  ['USER', runUser],
  ['PASS', runPass],
  ['AUTH', runAuth],
  ['LANG', runLangCommand],
  ['UTF8', runUtf8],
  ['APOP', () => reply(negative('APOP not enabled.'))],
  ['QUIT', () => ({ kind: 'quit' })],
]);

// RFC 2449 §5
function runCapa(_: string, context: Context): Outcome {
  const lines = loginCapabilities({
    startTls: context.tlsAvailable && !context.secured,
    passwords: context.mayUsePassword,
    mechanisms: context.sasl.mechanisms,
  });
  return { kind: 'lines', reply: positive(), lines };
}

function runLangCommand(args: string): Outcome {
  const { reply, lines } = runLang(args);
  return lines === undefined ? { kind: 'reply', reply } : { kind: 'lines', reply, lines };
}

// RFC 6856 §2: from here on everything may be UTF-8. Messages are given as they are in any case, and names are read as
// UTF-8, so that there is nothing to switch.
function runUtf8(args: string): Outcome {
  return reply(args === '' ? positive('UTF8 enabled.') : negative('UTF8 takes no arguments.'));
}

// RFC 2595 §4
function runStls(_: string, { secured, tlsAvailable }: Context): Outcome {
  if (secured) return reply(negative('TLS is already active.'));
  if (!tlsAvailable) return reply(negative("TLS support isn't enabled."));
  return { kind: 'startTls' };
}

// RFC 1939 §7
function runUser(user: string, { mayUsePassword }: Context): Outcome {
  if (!mayUsePassword) return reply(PLAINTEXT_REFUSED);
  return { kind: 'reply', reply: positive(), user };
}

// RFC 1939 §7
function runPass(password: string, { user, mayUsePassword }: Context): Outcome {
  if (!mayUsePassword) return reply(PLAINTEXT_REFUSED);
  if (user === undefined) return reply(negative('No username given.'));
  return { kind: 'login', credentials: { mechanism: 'USER', user, password } };
}

// RFC 5034 §4
function runAuth(args: string, { mayUsePassword, sasl }: Context): Outcome {
  // DOVECOT: without an argument the mechanisms are listed, as clients older than CAPA expect.
  if (args === '') {
    return { kind: 'lines', reply: positive(), lines: mayUsePassword ? sasl.mechanisms : [] };
  }
  const space = args.indexOf(' ');
  const mechanism = (space === -1 ? args : args.slice(0, space)).toUpperCase();
  if (!sasl.mechanisms.includes(mechanism)) {
    return reply(negative('Unsupported authentication mechanism.', 'AUTH'));
  }
  if (!mayUsePassword) return reply(negative('Plaintext authentication disabled.', 'AUTH'));
  const initial = space === -1 ? undefined : args.slice(space + 1);
  const step = initial === undefined ? sasl.startSasl(mechanism) : sasl.startSasl(mechanism, initial);
  return { kind: 'sasl', mechanism, step, initial: initial !== undefined };
}

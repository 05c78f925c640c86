// One filter over one SMTP session: what it is told, what it answers, and where that leaves it. POSTFIX: milter8.c.
//
// The connection begins with the session and ends with it. Whatever goes wrong with it (silence, an end, nonsense) is a
// line in the log and the filter's default action, which stays for the rest of the session. Nothing rejects.

import type { MilterChannel, OpenChannel } from './channel.ts';
import type { Inspected } from './content.ts';
import { type Frame, formatFrame, formatShort, formatString } from './frames.ts';
import { type MacroSettings, type Stage } from './macros.ts';
import { type MacroStage, formatOffer, parseProtocol, readAnswer } from './negotiation.ts';
import { CHUNK, COMMAND, COMMAND_NAMES, type CommandLetter, STEP } from './protocol.ts';
import { type Response, readResponse } from './response.ts';
import { type MilterService, parseEndpoint } from './service.ts';
import { REJECTED, TRY_LATER, type Verdict, misconfigured, reply, softened, unavailable } from './verdict.ts';

export interface MilterOptions {
  readonly service: MilterService;
  readonly open: OpenChannel;
  readonly softBounce: boolean;
  /** A line for the log, in Postfix's words without `warning: `. */
  warn(text: string): void;
}

export interface ConnectFacts {
  readonly name: string;
  /** Without brackets or prefix; `unknown` when it is. */
  readonly address: string;
  readonly port: number;
}

type State =
  | 'closed'
  | 'ready'
  | 'envelope'
  | 'message'
  /** It wants to hear nothing more of this session, of this message; or it refused the session. */
  | 'acceptSession'
  | 'acceptMessage'
  | 'refuseSession'
  | 'failed';

export type Macros = readonly Buffer[];

interface Event {
  readonly letter: CommandLetter;
  /** The step by which a filter says that it does not want this event, and the one by which it will not answer. */
  readonly omit: number;
  readonly silent: number;
  readonly macros: Macros;
  readonly parts: readonly Uint8Array[];
  readonly timeout: number;
  readonly message?: Inspected;
}

/** Octets that wait for a filter that answers nothing. */
const UNSENT = 256 * 1024;
/** Edits that one filter may ask for of one message. */
const MAX_EDITS = 10_000;
const UNAVAILABLE = reply('421 4.7.0 Service unavailable');

export class Milter {
  readonly #options: MilterOptions;
  #state: State = 'closed';
  #channel: MilterChannel | undefined;
  #steps = 0;
  #unknownSteps = 0;
  #macros: ReadonlyMap<MacroStage, readonly string[]> = new Map();
  /** What is said to everything from here on. */
  #standing: Verdict | undefined;
  #skipping: CommandLetter | undefined;

  constructor(options: MilterOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.service.name;
  }

  get standing(): Verdict | undefined {
    return this.#standing;
  }

  /** Whether it wants to hear of recipients that were refused. */
  get wantsRejected(): boolean {
    return (this.#steps & STEP.rejectedRecipients) !== 0;
  }

  /** The macros it is told at this moment: its own choice, or the settings'. */
  macroNames(stage: Stage, settings: MacroSettings): readonly string[] {
    return (stage === 'unknown' ? undefined : this.#macros.get(stage)) ?? settings.names[stage];
  }

  /** Opens the connection and settles what is spoken. */
  async open(): Promise<void> {
    if (this.#state !== 'closed' || this.#channel !== undefined) return;
    const { service, open } = this.#options;
    const offer = parseProtocol(service.protocol);
    if (typeof offer === 'string') return this.#misconfigured(`milter ${this.name}: ${offer}`);
    const endpoint = parseEndpoint(service.name);
    if (typeof endpoint === 'string') return this.#misconfigured(endpoint);
    try {
      this.#channel = await open(endpoint, service.connectTimeout);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return this.#failed(`connect to Milter service ${this.name}: ${reason}`);
    }
    this.#channel.send(formatOffer(offer));
    const frame = await this.#receive(COMMAND.negotiate, service.commandTimeout);
    if (frame === undefined) {
      this.#options.warn(`milter ${this.name}: read error in initial handshake`);
      return;
    }
    const answer = readAnswer(frame, offer);
    if (typeof answer === 'string') return this.#failed(`milter ${this.name}: ${answer}`);
    for (const warning of answer.warnings) this.#options.warn(`milter ${this.name}: ${warning}`);
    this.#steps = answer.steps;
    this.#unknownSteps = answer.unknownSteps;
    this.#macros = answer.macros;
    this.#state = 'ready';
  }

  async connect({ name, address, port }: ConnectFacts, macros: Macros): Promise<Verdict | undefined> {
    if (this.#state !== 'ready') return this.#standing;
    this.#state = 'envelope';
    // Sendmail's form of a client without a name.
    const shown = name === 'unknown' && address !== 'unknown' ? `[${address}]` : name;
    const parts: Uint8Array[] = [formatString(shown)];
    const family = address === 'unknown' ? 'U' : address.includes(':') ? '6' : '4';
    parts.push(Buffer.from(family));
    if (family !== 'U') parts.push(formatShort(port), formatString(address));
    return await this.#tell(this.#command('connect', macros, parts));
  }

  async helo(name: string, macros: Macros): Promise<Verdict | undefined> {
    if (this.#state !== 'envelope' && this.#state !== 'acceptMessage') return this.#standing;
    return await this.#tell(this.#command('helo', macros, [formatString(name)]));
  }

  /** `words`: the address as the client gave it, and its parameters. */
  mail(words: readonly string[], macros: Macros): Promise<Verdict | undefined> {
    return this.#inEnvelope('mail', macros, words);
  }

  rcpt(words: readonly string[], macros: Macros): Promise<Verdict | undefined> {
    return this.#inEnvelope('rcpt', macros, words);
  }

  data(macros: Macros): Promise<Verdict | undefined> {
    return this.#inEnvelope('data', macros, []);
  }

  unknown(line: string, macros: Macros): Promise<Verdict | undefined> {
    return this.#inEnvelope('unknown', macros, [line]);
  }

  /** Shows it the message, and carries out what it wants changed. */
  async message(
    message: Inspected,
    macros: { readonly endOfHeader: Macros; readonly endOfMessage: Macros },
  ): Promise<Verdict | undefined> {
    if (this.#state !== 'envelope') return this.#standing;
    this.#state = 'message';
    let verdict: Verdict | undefined;
    try {
      verdict = await this.#show(message, macros);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.warn(`milter ${this.name}: reading the message: ${reason}`);
      verdict = reply('451 4.3.0 Error: queue file read error');
    }
    if (this.#state === 'message' || this.#state === 'acceptMessage') this.#state = 'envelope';
    // POSTFIX: what went wrong with one message is for the next ones a filter that is not there.
    if (this.#hasFailed) this.#standing = unavailable(this.#options.service.defaultAction).verdict;
    return verdict;
  }

  /** The transaction is over, however it ended. */
  abort(): void {
    if (this.#state !== 'envelope' && this.#state !== 'message' && this.#state !== 'acceptMessage') return;
    this.#channel?.send(formatFrame(COMMAND.abort));
    void this.#channel?.flush(this.#options.service.commandTimeout);
    this.#skipping = undefined;
    this.#state = 'envelope';
  }

  /** The session is over. */
  end(): void {
    if (this.#state === 'envelope' || this.#state === 'message' || this.#state === 'acceptMessage')
      this.#channel?.send(formatFrame(COMMAND.quit));
    this.#close();
    this.#state = 'closed';
    this.#standing = undefined;
  }

  get #hasFailed(): boolean {
    return this.#state === 'failed';
  }

  #close(): void {
    this.#channel?.end();
    this.#channel = undefined;
  }

  async #inEnvelope(
    kind: 'mail' | 'rcpt' | 'data' | 'unknown',
    macros: Macros,
    words: readonly string[],
  ): Promise<Verdict | undefined> {
    if (this.#state !== 'envelope') return this.#standing;
    return await this.#tell(this.#command(kind, macros, words.map(formatString)));
  }

  #command(kind: keyof typeof STEPS_OF, macros: Macros, parts: readonly Uint8Array[]): Event {
    return { ...STEPS_OF[kind], macros, parts, timeout: this.#options.service.commandTimeout };
  }

  async #show(
    message: Inspected,
    macros: { readonly endOfHeader: Macros; readonly endOfMessage: Macros },
  ): Promise<Verdict | undefined> {
    const timeout = this.#options.service.contentTimeout;
    const goesOn = (verdict: Verdict | undefined): boolean =>
      verdict === undefined && this.#state === 'message';
    let verdict: Verdict | undefined;
    if (!this.#omits(STEP.noHeaders)) {
      for (const { name, value } of message.fields) {
        const parts = [formatString(name), formatString(this.#withoutSpace(value))];
        verdict = await this.#tell({ ...STEPS_OF.header, macros: macros.endOfHeader, parts, timeout });
        if (!goesOn(verdict)) return verdict;
        if (this.#skipping === COMMAND.header) break;
      }
    }
    if (!this.#omits(STEP.noEndOfHeader)) {
      verdict = await this.#tell({ ...STEPS_OF.endOfHeader, macros: macros.endOfHeader, parts: [], timeout });
      if (!goesOn(verdict)) return verdict;
    }
    if (!this.#omits(STEP.noBody)) {
      for await (const octets of chunksOf(message.body())) {
        verdict = await this.#tell({
          ...STEPS_OF.body,
          macros: macros.endOfMessage,
          parts: [octets],
          timeout,
        });
        if (!goesOn(verdict)) return verdict;
        if (this.#skipping === COMMAND.body) break;
      }
    }
    return await this.#tell({
      ...STEPS_OF.endOfMessage,
      macros: macros.endOfMessage,
      parts: [],
      timeout,
      message,
    });
  }

  /** Sendmail swallows one space after the colon, unless the filter asked for it. */
  #withoutSpace(value: Buffer): Buffer {
    return (this.#steps & STEP.leadingSpace) === 0 && value[0] === 0x20 ? value.subarray(1) : value;
  }

  #omits(step: number): boolean {
    return ((this.#steps | this.#unknownSteps) & step) !== 0;
  }

  async #tell(event: Event): Promise<Verdict | undefined> {
    const channel = this.#channel;
    if (channel === undefined || this.#standing !== undefined) return this.#standing;
    if ((event.omit & this.#unknownSteps) !== 0) return undefined;
    if (this.#skipping === event.letter) return undefined;
    this.#skipping = undefined;
    channel.send(formatFrame(COMMAND.macro, Buffer.from(event.letter), ...event.macros));
    if ((event.omit & this.#steps) !== 0) return undefined;
    channel.send(formatFrame(event.letter, ...event.parts));
    if ((event.silent & this.#steps) === 0) return await this.#answer(event);
    if (channel.unsent < UNSENT) return undefined;
    const reason = await channel.flush(event.timeout);
    if (reason !== undefined) this.#failed(`milter ${this.name}: error writing command: ${reason}`);
    return this.#standing;
  }

  /** Reads responses until one decides. */
  async #answer(event: Event): Promise<Verdict | undefined> {
    const changes = new Changes(event.message);
    for (;;) {
      const frame = await this.#receive(event.letter, event.timeout);
      if (frame === undefined) return changes.outcome(this.#standing, 'failed');
      const response = readResponse(frame, event.message !== undefined);
      switch (response.kind) {
        case 'progress':
          continue;
        case 'quarantine':
          changes.hold = { kind: 'hold', reason: response.reason };
          continue;
        case 'edit': {
          const problem = await changes.apply(response.edit, (this.#steps & STEP.leadingSpace) !== 0);
          if (problem === undefined) continue;
          this.#misconfigured(`milter ${this.name}: ${problem}`);
          return changes.outcome(this.#standing, 'failed');
        }
        case 'broken':
          if (response.misconfigured) this.#misconfigured(`milter ${this.name}: ${response.reason}`);
          else this.#failed(`milter ${this.name}: ${response.reason}`);
          return changes.outcome(this.#standing, 'failed');
        case 'unexpected':
          this.#failed(
            `milter ${this.name}: unexpected filter response ${response.name} after event ${nameOf(event.letter)}`,
          );
          return changes.outcome(this.#standing, 'failed');
        default:
          return changes.outcome(this.#decide(event.letter, response), 'decided');
      }
    }
  }

  #decide(letter: CommandLetter, response: Decision): Verdict | undefined {
    const ofSession = letter === COMMAND.connect || letter === COMMAND.helo;
    switch (response.kind) {
      case 'continue':
        return undefined;
      case 'skip':
        this.#skipping = letter;
        return undefined;
      case 'accept':
        // Libmilter ends its side when a session is accepted or refused as a whole.
        if (ofSession) this.#close();
        this.#state = ofSession ? 'acceptSession' : 'acceptMessage';
        return undefined;
      case 'discard':
        if (ofSession) {
          this.#options.warn(`milter ${this.name}: DISCARD action is not allowed for connect or helo`);
          return undefined;
        }
        this.#state = 'acceptMessage';
        return { kind: 'discard' };
      case 'shutdown':
        this.#refuseSession({ kind: 'shutdown' });
        return this.#standing;
      case 'reject':
        return this.#refuse(ofSession, REJECTED);
      case 'tempfail':
        return this.#refuse(ofSession, TRY_LATER);
      case 'reply':
        return this.#refuse(ofSession, reply(response.text));
    }
  }

  #refuse(ofSession: boolean, verdict: Verdict): Verdict {
    const said = this.#options.softBounce ? softened(verdict) : verdict;
    if (ofSession) this.#refuseSession(said);
    return said;
  }

  #refuseSession(verdict: Verdict): void {
    this.#close();
    this.#state = 'refuseSession';
    this.#standing = verdict;
  }

  async #receive(letter: CommandLetter, timeout: number): Promise<Frame | undefined> {
    const channel = this.#channel;
    if (channel === undefined) return undefined;
    const received = await channel.receive(timeout);
    if (received.kind === 'frame') return received.frame;
    const what = received.ofStream ? `can't read ${nameOf(letter)} reply packet header: ` : '';
    this.#failed(`milter ${this.name}: ${what}${received.reason}`);
    return undefined;
  }

  #failed(text: string): void {
    this.#giveUp(text, unavailable(this.#options.service.defaultAction));
  }

  #misconfigured(text: string): void {
    this.#giveUp(text, misconfigured(this.#options.service.defaultAction));
  }

  #giveUp(text: string, { verdict, warning }: ReturnType<typeof unavailable>): void {
    this.#options.warn(text);
    if (warning !== undefined) this.#options.warn(`milter ${this.name}: ${warning}`);
    // Replies may be under way: nobody can find the place again.
    this.#channel?.destroy();
    this.#channel = undefined;
    this.#state = 'failed';
    this.#standing = verdict;
  }
}

type Decision = Extract<
  Response,
  { readonly kind: 'continue' | 'skip' | 'accept' | 'discard' | 'shutdown' | 'reject' | 'tempfail' | 'reply' }
>;

/** What a filter wants changed while it makes up its mind. */
class Changes {
  readonly #message: Inspected | undefined;
  #problem: string | undefined;
  #body: 'untouched' | 'replacing' | 'replaced' = 'untouched';
  #count = 0;
  hold: Verdict | undefined;

  constructor(message: Inspected | undefined) {
    this.#message = message;
  }

  /** The answer is what is wrong with asking for it. What cannot be made is kept for the end. */
  async apply(edit: Parameters<Inspected['apply']>[0], leadingSpace: boolean): Promise<string | undefined> {
    if (++this.#count > MAX_EDITS && edit.kind !== 'replaceBody')
      return `more than ${MAX_EDITS} changes of one message`;
    if (edit.kind !== 'replaceBody') {
      if (this.#body === 'replacing') this.#body = 'replaced';
    } else if (this.#body === 'replaced') {
      return "body replacement requests can't currently be mixed with other requests";
    } else {
      this.#body = 'replacing';
    }
    this.#problem ??= await this.#message?.apply(edit, { leadingSpace });
    return undefined;
  }

  /** POSTFIX: half a body is worse than none: a filter that dies within it refuses the message. */
  outcome(verdict: Verdict | undefined, end: 'decided' | 'failed'): Verdict | undefined {
    const isFinal = verdict !== undefined && verdict.kind !== 'hold';
    if (end === 'failed' && this.#body === 'replacing' && !isFinal) return UNAVAILABLE;
    if (this.#problem !== undefined && (verdict?.kind !== 'reply' || verdict.text.startsWith('5')))
      return verdict?.kind === 'discard' || verdict?.kind === 'shutdown' ? verdict : reply(this.#problem);
    return verdict ?? this.hold;
  }
}

const STEPS_OF = {
  connect: { letter: COMMAND.connect, omit: STEP.noConnect, silent: STEP.silentConnect },
  helo: { letter: COMMAND.helo, omit: STEP.noHelo, silent: STEP.silentHelo },
  mail: { letter: COMMAND.mail, omit: STEP.noMail, silent: STEP.silentMail },
  rcpt: { letter: COMMAND.rcpt, omit: STEP.noRcpt, silent: STEP.silentRcpt },
  data: { letter: COMMAND.data, omit: STEP.noData, silent: STEP.silentData },
  unknown: { letter: COMMAND.unknown, omit: STEP.noUnknown, silent: STEP.silentUnknown },
  header: { letter: COMMAND.header, omit: STEP.noHeaders, silent: STEP.silentHeader },
  endOfHeader: { letter: COMMAND.endOfHeader, omit: STEP.noEndOfHeader, silent: STEP.silentEndOfHeader },
  body: { letter: COMMAND.body, omit: STEP.noBody, silent: STEP.silentBody },
  endOfMessage: { letter: COMMAND.endOfBody, omit: 0, silent: 0 },
} as const;

const nameOf = (letter: string): string => COMMAND_NAMES.get(letter) ?? '(unknown MTA event)';

/** The body in pieces as large as a frame of the protocol takes. */
async function* chunksOf(body: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let kept: Buffer[] = [];
  let length = 0;
  for await (const piece of body) {
    kept.push(piece);
    length += piece.length;
    while (length >= CHUNK) {
      const whole = kept.length === 1 ? (kept[0] as Buffer) : Buffer.concat(kept, length);
      yield whole.subarray(0, CHUNK);
      kept = [whole.subarray(CHUNK)];
      length -= CHUNK;
    }
  }
  if (length > 0) yield Buffer.concat(kept, length);
}

// One message on its way into the queue: its header checked, rewritten and completed, its body checked. POSTFIX:
// cleanup(8), cleanup_message.c.
//
// CRLF lines in, in any chunking; CRLF lines out. What the checks decided about the message as a whole stands in
// `verdict` once `finish` has settled. Bounded: one field of `header_size_limit` and one line of `line_length_limit`
// are held. Nothing is given on any more once the message is refused.

import { askChecks } from './ask-checks.ts';
import { toText } from './binary-text.ts';
import { type CheckAction, LOG_WORDS, readAction } from './check-actions.ts';
import { fieldName, findField } from './header-fields.ts';
import type { MapContext } from './map-address.ts';
import { MIME_FAULTS, MessageWalk, type MimeFault, type WalkEvent } from './message-walk.ts';
import { type MissingFacts, missingFields } from './missing-headers.ts';
import type { RewriteContext } from './rewrite-context.ts';
import { addressChanges, fieldSteps } from './rewrite-header.ts';
import type { CheckTable, CleanupSettings, Overrides } from './settings.ts';
import { type Steps, runSteps } from './steps.ts';

export interface MessageFacts extends MissingFacts {
  /** Last recipient, for the log. */
  readonly recipient: string | undefined;
  /** `client.example[192.0.2.1]`, `local`. */
  readonly origin: string;
  readonly protocol: string | undefined;
  readonly helo: string | undefined;
  /** Undefined: this client's header addresses stay as they are, and nothing is completed. */
  readonly context: RewriteContext | undefined;
  readonly overrides: Overrides;
  /** A refused message is returned: the rest of it is wanted. */
  readonly goesOnWhenRefused: boolean;
}

export interface CleanupLog {
  info(text: string): void;
  warn(text: string): void;
}

export interface CleanupPorts extends CleanupLog {
  /** Settles when others had their turn: much work for one message is cut in pieces by it. */
  pause?(): Promise<unknown>;
}

export interface Verdict {
  /** `5.7.1 text`; a 4 in front: for now. */
  reject: string | undefined;
  hold: boolean;
  discard: boolean;
  /** `transport:destination` */
  filter: string | undefined;
  redirect: string | undefined;
  readonly bcc: string[];
  /** A table could not be asked: the message cannot be taken now. */
  failure: Error | undefined;
}

export type Emit = (piece: Buffer) => void;

const LF = 0x0a;
const CR = 0x0d;
const EMPTY = Buffer.alloc(0);
const MAX_BCC = 1000;
/** Octets of fields with addresses between two pauses: some milliseconds at worst. */
const ADDRESSES_AT_ONCE = 8192;

type Place = 'header' | 'body';

type CheckOutcome =
  | { readonly kind: 'keep' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'replace'; readonly text: string };

interface Checks {
  readonly table: CheckTable;
  readonly title: string;
}

export class CleanupStream {
  readonly verdict: Verdict = {
    reject: undefined,
    hold: false,
    discard: false,
    filter: undefined,
    redirect: undefined,
    bcc: [],
    failure: undefined,
  };
  readonly #settings: CleanupSettings;
  readonly #facts: MessageFacts;
  readonly #log: CleanupPorts;
  readonly #walk: MessageWalk;
  readonly #mapping: MapContext | undefined;
  readonly #seen = new Set<string>();
  #resent = false;
  #sincePause = 0;
  /** Whether checks are (still) made. */
  #checking: boolean;
  /** Every octet from here on goes through untouched. */
  #passing = false;
  #held: Buffer = EMPTY;
  #out: string[] = [];
  #backlog: Buffer[] = [];
  #running: Promise<void> | undefined;

  constructor(settings: CleanupSettings, facts: MessageFacts, log: CleanupPorts) {
    this.#settings = settings;
    this.#facts = facts;
    this.#log = log;
    this.#checking = !facts.overrides.noHeaderBodyChecks;
    this.#walk = new MessageWalk(walkOptions(settings, this.#checking));
    this.#mapping = facts.overrides.noAddressMappings
      ? undefined
      : { settings, warn: (text) => this.#warn(text) };
  }

  /** Settles when the octets were taken. The chunk belongs to the caller again at once. */
  write(chunk: Buffer, emit: Emit): Promise<void> | undefined {
    if (this.#running !== undefined) {
      this.#backlog.push(Buffer.from(chunk));
      return this.#running;
    }
    if (this.#passing) {
      this.#emitPassing(chunk, emit);
      return undefined;
    }
    // Tables may have to be asked meanwhile.
    const wait = runSteps(this.#take(Buffer.from(chunk), emit));
    if (wait === undefined) return undefined;
    this.#running = wait.then(() => this.#catchUp(emit));
    return this.#running;
  }

  /** The message is over. */
  async finish(emit: Emit): Promise<Verdict> {
    await this.#running;
    if (!this.#passing) await runSteps(this.#end(emit));
    this.#noteFaults();
    return this.verdict;
  }

  async #catchUp(emit: Emit): Promise<void> {
    for (let next = this.#backlog.shift(); next !== undefined; next = this.#backlog.shift()) {
      if (this.#passing) this.#emitPassing(next, emit);
      else await runSteps(this.#take(next, emit));
    }
    this.#running = undefined;
  }

  get #isRefused(): boolean {
    const isRejected = this.verdict.reject !== undefined && !this.#facts.goesOnWhenRefused;
    return isRejected || this.verdict.failure !== undefined;
  }

  #emitPassing(chunk: Buffer, emit: Emit): void {
    if (!this.#isRefused && chunk.length > 0) emit(chunk);
  }

  *#take(chunk: Buffer, emit: Emit): Steps<void> {
    const octets = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = EMPTY;
    const { lineLengthLimit } = this.#settings;
    let at = 0;
    while (at < octets.length && !this.#passing) {
      const end = octets.indexOf(LF, at);
      const stop = end === -1 ? octets.length : end;
      const limit = at + lineLengthLimit;
      if (end === -1 && octets.length - at <= lineLengthLimit) break;
      if (stop - (octets[stop - 1] === CR ? 1 : 0) > limit) {
        yield* this.#line(octets.toString('latin1', at, limit), false);
        at = limit;
        continue;
      }
      if (end === -1) break;
      yield* this.#line(
        octets.toString('latin1', at, octets[end - 1] === CR && end > at ? end - 1 : end),
        true,
      );
      at = end + 1;
    }
    this.#flush(emit);
    if (this.#passing) this.#emitPassing(octets.subarray(at), emit);
    else this.#held = Buffer.from(octets.subarray(at));
  }

  *#end(emit: Emit): Steps<void> {
    const rest = this.#held;
    this.#held = EMPTY;
    if (rest.length > 0) yield* this.#line(rest.toString('latin1'), false);
    for (const event of this.#walk.end()) yield* this.#event(event);
    this.#flush(emit);
  }

  #flush(emit: Emit): void {
    if (this.#out.length > 0 && !this.#isRefused) emit(Buffer.from(this.#out.join(''), 'latin1'));
    this.#out = [];
  }

  *#line(text: string, ends: boolean): Steps<void> {
    for (const event of this.#walk.line(text, ends)) yield* this.#event(event);
    if (this.#isRefused) this.#passing = true;
    else if (ends && this.#walk.pastHeader && !this.#watchesBody) this.#passing = true;
  }

  /** Whether anything looks at what follows the header. */
  get #watchesBody(): boolean {
    const { bodyChecks, mimeHeaderChecks, nestedHeaderChecks } = this.#settings;
    return (
      this.#checking &&
      ((bodyChecks ?? mimeHeaderChecks ?? nestedHeaderChecks) !== undefined || isStrict(this.#settings))
    );
  }

  *#event(event: WalkEvent): Steps<void> {
    if (this.#isRefused) return;
    try {
      if (event.kind === 'field') yield* this.#field(event);
      else if (event.kind === 'headerEnd') this.#complete();
      else yield* this.#text(event);
    } catch (error) {
      this.verdict.failure = error instanceof Error ? error : new Error(String(error));
    }
  }

  // ---- The header --------------------------------------------------------------------------------------------------

  *#field({ part, name, text }: Extract<WalkEvent, { kind: 'field' }>): Steps<void> {
    let field: { readonly name: string; readonly text: string } | undefined = { name, text };
    const isMime = findField(name.toLowerCase())?.mime === true;
    const checks = this.#checksFor(isMime ? 'part' : part);
    if (checks !== undefined) field = yield* this.#checkField(field, checks);
    if (field === undefined || this.#isRefused) return;
    const lower = field.name.toLowerCase();
    if (part !== 'primary' || isMime) return this.#put(field.text);
    const kind = findField(lower);
    const drops = this.#settings.messageDropHeaders.has(lower);
    if (kind !== undefined) this.#seen.add(lower);
    if (kind?.resent === true) this.#resent = true;
    if (drops) return;
    const { context } = this.#facts;
    if (kind?.holds === undefined || context === undefined) return this.#put(field.text);
    const changes = addressChanges(context, this.#mapping, kind.holds);
    const tokenLimit = this.#settings.headerAddressTokenLimit;
    const pause = this.#log.pause;
    this.#sincePause += field.text.length;
    if (pause !== undefined && this.#sincePause > ADDRESSES_AT_ONCE) {
      this.#sincePause = 0;
      yield pause();
    }
    this.#put(yield* fieldSteps(field.text, { tokenLimit, changes, pause }));
  }

  #checksFor(part: 'primary' | 'part' | 'nested'): Checks | undefined {
    if (!this.#checking) return undefined;
    const { headerChecks, mimeHeaderChecks, nestedHeaderChecks } = this.#settings;
    const [table, title] =
      part === 'primary'
        ? [headerChecks, 'header_checks']
        : part === 'part'
          ? [mimeHeaderChecks, 'mime_header_checks']
          : [nestedHeaderChecks, 'nested_header_checks'];
    return table === undefined ? undefined : { table, title };
  }

  /** The field as it is then; undefined: it is left out. */
  *#checkField(
    field: { readonly name: string; readonly text: string },
    checks: Checks,
  ): Steps<{ readonly name: string; readonly text: string } | undefined> {
    const action = yield* this.#ask(checks, field.text, field.name);
    if (action === undefined) return field;
    const outcome = this.#act(action, 'header', field.text);
    if (outcome.kind === 'keep') return field;
    if (outcome.kind === 'drop') return undefined;
    return { name: fieldName(outcome.text) ?? field.name, text: outcome.text };
  }

  /** Where the header ends. */
  #complete(): void {
    const { context } = this.#facts;
    if (context === undefined && !this.#settings.alwaysAddMissingHeaders) return;
    const { fields, warning } = missingFields(this.#seen, this.#resent, {
      facts: this.#facts,
      settings: this.#settings,
    });
    if (warning !== undefined) this.#warn(warning);
    for (const field of fields) this.#put(field);
  }

  /** A whole field. POSTFIX: lines that went through rewriting are indented by a tab. */
  #put(field: string): void {
    this.#out.push(field.replace(/\n(?![ \t])/g, '\n\t').replaceAll('\n', '\r\n'), '\r\n');
  }

  // ---- The body ----------------------------------------------------------------------------------------------------

  *#text({ text, ends, offset }: Extract<WalkEvent, { kind: 'text' }>): Steps<void> {
    const lineEnd = ends ? '\r\n' : '';
    const { bodyChecks: table, bodyChecksSizeLimit: limit } = this.#settings;
    if (table !== undefined && this.#checking && (limit === 0 || offset < limit)) {
      const action = yield* this.#ask({ table, title: 'body_checks' }, text, '');
      if (action !== undefined) {
        const outcome = this.#act(action, 'body', text);
        if (outcome.kind === 'drop') return;
        if (outcome.kind === 'replace') {
          this.#out.push(outcome.text, lineEnd);
          return;
        }
      }
    }
    this.#out.push(text, lineEnd);
  }

  // ---- Checks ------------------------------------------------------------------------------------------------------

  *#ask({ table, title }: Checks, text: string, name: string): Steps<CheckAction | undefined> {
    let value: string | undefined;
    try {
      value = yield* askChecks(table, text, name);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#warn(`${title} map lookup problem -- message not accepted, try again later: ${why}`);
      throw error;
    }
    return value === undefined ? undefined : readAction(value, name === '' ? 'body' : 'header', title);
  }

  #act(action: CheckAction, place: Place, content: string): CheckOutcome {
    const { verdict } = this;
    if (action.kind === 'none') {
      if (action.warning !== undefined) this.#log.warn(printable(toText(action.warning)));
      return { kind: 'keep' };
    }
    if (action.kind === 'ignore') return { kind: 'drop' };
    if (action.kind === 'hold' && (verdict.hold || verdict.discard)) return { kind: 'keep' };
    this.#logAction(action, place, content);
    switch (action.kind) {
      case 'reject':
        verdict.reject = toText(action.reason);
        this.#checking = false;
        break;
      case 'pass':
        this.#checking = false;
        break;
      case 'discard':
        verdict.discard = true;
        this.#checking = false;
        break;
      case 'hold':
        verdict.hold = true;
        break;
      case 'filter':
        verdict.filter = toText(action.text);
        break;
      case 'redirect':
        verdict.redirect = toText(action.text);
        this.#checking = false;
        break;
      case 'bcc':
        if (verdict.bcc.length < MAX_BCC) verdict.bcc.push(toText(action.text));
        break;
      case 'prepend':
        if (place === 'header') this.#put(action.text);
        else this.#out.push(action.text, '\r\n');
        break;
      case 'replace':
        return { kind: 'replace', text: action.text };
      case 'strip':
        return { kind: 'drop' };
      default:
    }
    return { kind: 'keep' };
  }

  #logAction(action: Exclude<CheckAction, { kind: 'none' | 'ignore' }>, place: Place, content: string): void {
    const text = toText(action.kind === 'reject' ? action.reason : action.text);
    const { protocol, helo } = this.#facts;
    const proto = protocol === undefined ? '' : ` proto=${protocol}`;
    const hello = helo === undefined ? '' : ` helo=<${helo}>`;
    const what = `${LOG_WORDS[action.kind]}: ${place} ${toText(content.slice(0, 200))}`;
    const line = `${this.#facts.queueId}: ${what}${this.#origin}${proto}${hello}${text === '' ? '' : `: ${text}`}`;
    this.#log.info(printable(line));
  }

  /** Whose message it is, as log lines say it. */
  get #origin(): string {
    const { origin, sender, recipient } = this.#facts;
    return ` from ${origin}; from=<${sender}>${recipient === undefined ? '' : ` to=<${recipient}>`}`;
  }

  /** What the walker found, and the settings do not forgive. */
  #noteFaults(): void {
    if (this.verdict.reject !== undefined || this.verdict.failure !== undefined) return;
    const fault = (Object.keys(MIME_FAULTS) as MimeFault[]).find((name) => this.#walk.faults.has(name));
    if (fault === undefined) return;
    const text = toText(this.#walk.faults.get(fault) ?? '');
    this.#log.info(
      printable(`${this.#facts.queueId}: reject: mime-error ${MIME_FAULTS[fault]}: ${text}${this.#origin}`),
    );
    this.verdict.reject = `5.6.0 ${MIME_FAULTS[fault]}`;
  }

  #warn(text: string): void {
    this.#log.warn(printable(`${this.#facts.queueId}: ${text}`));
  }
}

/** POSTFIX: what is no printable text shows as `?`. */
// oxlint-disable-next-line no-control-regex -- control characters must not reach the log
const printable = (text: string): string => text.replace(/[\x00-\x1f\x7f-\x9f\ufffd]/g, '?');

const isStrict = (settings: CleanupSettings): boolean =>
  settings.strict7bitHeaders ||
  settings.strict8bitmime ||
  settings.strict8bitmimeBody ||
  settings.strictMimeEncodingDomain;

function walkOptions(
  settings: CleanupSettings,
  checking: boolean,
): ConstructorParameters<typeof MessageWalk>[0] {
  const { headerChecks, mimeHeaderChecks, nestedHeaderChecks, bodyChecks } = settings;
  const mime = checking && !settings.disableMimeInputProcessing;
  const checks = headerChecks ?? mimeHeaderChecks ?? nestedHeaderChecks ?? bodyChecks;
  return {
    headerSizeLimit: settings.headerSizeLimit,
    nestingLimit: settings.mimeNestingLimit,
    boundaryLengthLimit: settings.mimeBoundaryLengthLimit,
    disableMime: settings.disableMimeInputProcessing,
    reportNesting: mime && (checks !== undefined || isStrict(settings)),
    report8bitHeader: mime && (settings.strict8bitmime || settings.strict7bitHeaders),
    report8bitBody: mime && (settings.strict8bitmime || settings.strict8bitmimeBody),
    reportEncodingDomain: mime && settings.strictMimeEncodingDomain,
  };
}

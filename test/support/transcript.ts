// Transcripts: readable dialogs with mail servers (test/transcripts/README.md describes the language). This file
// turns their text into steps, and templates into bytes or patterns. Pure: `play-transcript.ts` does the talking.
// A mistake in a transcript is a `TranscriptError` that names file and line.

export type Side = 'ours' | 'real';

export const SERVICES = ['smtp', 'submission', 'smtps', 'imap', 'imaps', 'pop3', 'pop3s'] as const;
export type Service = (typeof SERVICES)[number];

export class TranscriptError extends Error {
  override readonly name = 'TranscriptError';
}

export interface Expected {
  readonly line: number;
  readonly pattern: string;
  readonly optional: boolean;
}

export type Step = { readonly line: number; readonly side?: Side } & (
  | {
      readonly kind: 'connect';
      readonly connection: number;
      readonly service: Service;
      readonly from?: string;
    }
  | { readonly kind: 'send'; readonly connection: number; readonly text: string; readonly crlf: boolean }
  /** The next lines, in any order where there are several. */
  | { readonly kind: 'expect'; readonly connection: number; readonly group: readonly Expected[] }
  /** Any lines until one that matches. */
  | { readonly kind: 'find'; readonly connection: number; readonly pattern: string }
  | { readonly kind: 'starttls' | 'closed' | 'close'; readonly connection: number }
  | { readonly kind: 'silent'; readonly connection: number; readonly ms: number }
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'arrived'; readonly user: string; readonly folder: string; readonly count: number }
);

export interface PreparedMail {
  readonly user: string;
  readonly folder: string;
  readonly flags: readonly string[];
  /** In `new/`, as a delivery leaves it. */
  readonly fresh: boolean;
  readonly text: string;
}

export interface Transcript {
  readonly name: string;
  readonly why: string;
  readonly users: readonly string[];
  readonly mails: readonly PreparedMail[];
  readonly folders: readonly { readonly user: string; readonly folder: string }[];
  readonly subscriptions: readonly { readonly user: string; readonly folder: string }[];
  /** Lines added to main.cf, dovecot.conf, aliases and virtual. */
  readonly settings: {
    readonly main: readonly string[];
    readonly dovecot: readonly string[];
    readonly aliases: readonly string[];
    readonly virtual: readonly string[];
  };
  /** `\Recent` depends on what a server remembers of earlier sessions: left out of view unless this is set. */
  readonly showsRecent: boolean;
  /** Entries of docs/differences.md that this dialog shows. */
  readonly differs: readonly string[];
  readonly steps: readonly Step[];
}

type MutableSettings = { [K in keyof Transcript['settings']]: string[] };

class Parser {
  readonly #name: string;
  readonly #lines: readonly string[];
  #at = 0;
  #differs: string | undefined;
  readonly users: string[] = [];
  readonly mails: PreparedMail[] = [];
  readonly folders: { user: string; folder: string }[] = [];
  readonly subscriptions: { user: string; folder: string }[] = [];
  readonly settings: MutableSettings = { main: [], dovecot: [], aliases: [], virtual: [] };
  readonly differs: string[] = [];
  readonly steps: Step[] = [];
  #showsRecent = false;
  readonly #open = new Set<number>();

  constructor(name: string, text: string) {
    this.#name = name;
    this.#lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  }

  parse(): Transcript {
    const why = /^# (.+)$/.exec(this.#lines[0] ?? '')?.[1];
    if (why === undefined) throw this.#error('the first line says why the transcript exists: "# …"');
    this.#at = 1;
    for (; this.#at < this.#lines.length; this.#at++) {
      const line = this.#lines[this.#at] ?? '';
      if (line.trim() === '' || line.startsWith('#')) continue;
      if (/^\d/.test(line)) this.#dialog(line);
      else this.#directive(line);
    }
    if (this.steps.length === 0) throw this.#error('the transcript has no steps');
    return {
      name: this.#name,
      why,
      users: this.users,
      mails: this.mails,
      folders: this.folders,
      subscriptions: this.subscriptions,
      settings: this.settings,
      showsRecent: this.#showsRecent,
      differs: this.differs,
      steps: this.steps,
    };
  }

  #error(message: string): TranscriptError {
    return new TranscriptError(`${this.#name}:${this.#at + 1}: ${message}`);
  }

  #known(user: string): string {
    if (!this.users.includes(user)) throw this.#error(`no "user: ${user}" above`);
    return user;
  }

  #directive(line: string): void {
    const match = /^(\w+):\s*(.*?)\s*$/.exec(line);
    if (match === null) throw this.#error(`not understood: ${line}`);
    const [, key = '', value = ''] = match;
    const words = value.split(/\s+/);
    const at = this.#at + 1;
    switch (key) {
      case 'user':
        if (!/^[a-z]{1,12}$/.test(value)) throw this.#error('a user has a short lower-case name');
        this.users.push(value);
        return;
      case 'mail': {
        const [user = '', folder = '', ...flags] = words;
        if (folder === '') throw this.#error('mail: USER FOLDER [new | FLAG…]');
        this.mails.push({
          user: this.#known(user),
          folder,
          flags: flags.filter((flag) => flag !== 'new'),
          fresh: flags.includes('new'),
          text: this.#block(),
        });
        return;
      }
      case 'folder':
      case 'subscribed': {
        const [user = '', folder = ''] = words;
        if (folder === '') throw this.#error(`${key}: USER FOLDER`);
        (key === 'folder' ? this.folders : this.subscriptions).push({ user: this.#known(user), folder });
        return;
      }
      case 'main':
      case 'dovecot':
      case 'aliases':
      case 'virtual':
        this.settings[key].push(value);
        return;
      case 'differs':
        if (!/^[a-z0-9-]+$/.test(value)) throw this.#error('differs: NAME-OF-THE-ENTRY');
        this.#differs = value;
        if (!this.differs.includes(value)) this.differs.push(value);
        return;
      case 'recent':
        if (value !== 'shown') throw this.#error('recent: shown');
        this.#showsRecent = true;
        return;
      case 'wait':
        this.steps.push({ kind: 'wait', ms: this.#milliseconds(value), line: at });
        return;
      case 'arrived': {
        const [user = '', folder = '', count = ''] = words;
        if (!/^\d+$/.test(count)) throw this.#error('arrived: USER FOLDER COUNT');
        this.steps.push({ kind: 'arrived', user: this.#known(user), folder, count: Number(count), line: at });
        return;
      }
      default:
        throw this.#error(`unknown directive ${key}:`);
    }
  }

  /** Lines `| …` that follow, joined with LF. */
  #block(): string {
    let text = '';
    while (this.#lines[this.#at + 1]?.startsWith('|')) {
      this.#at++;
      text += `${(this.#lines[this.#at] ?? '').replace(/^\| ?/, '')}\n`;
    }
    if (text === '') throw this.#error('lines "| …" with the text must follow');
    return text;
  }

  #milliseconds(text: string): number {
    const match = /^(\d+)ms$/.exec(text);
    if (match === null) throw this.#error('a time is written like 300ms');
    return Number(match[1]);
  }

  #dialog(line: string): void {
    const match = /^(\d+) (ours|real)?(\S+)(?: (.*))?$/.exec(line);
    if (match === null) throw this.#error(`not understood: ${line}`);
    const [, digits = '', sideText, mark = '', text = ''] = match;
    const connection = Number(digits);
    const side: { side?: Side } = sideText === 'ours' || sideText === 'real' ? { side: sideText } : {};
    if (side.side !== undefined && this.#differs === undefined) {
      throw this.#error('a step of one side alone needs a "differs: …" above');
    }
    const base = { line: this.#at + 1, connection, ...side };
    if (mark === 'connect') {
      const words = text.split(' ');
      const service = SERVICES.find((known) => known === words[0]);
      if (service === undefined) throw this.#error(`connect to one of ${SERVICES.join(', ')}`);
      this.#open.add(connection);
      const from = words[1] === 'from' ? words[2] : undefined;
      this.steps.push({ kind: 'connect', ...base, service, ...(from === undefined ? {} : { from }) });
      return;
    }
    if (!this.#open.has(connection)) throw this.#error(`connection ${connection} was not opened`);
    switch (mark) {
      case '>':
      case '>|':
        this.steps.push({ kind: 'send', ...base, text, crlf: mark === '>' });
        return;
      case '>>':
        this.steps.push({
          kind: 'send',
          ...base,
          text: this.#block().replaceAll('\n', '\\x0d\\x0a'),
          crlf: false,
        });
        return;
      case '<':
        this.#pattern(text);
        this.steps.push({
          kind: 'expect',
          ...base,
          group: [{ line: base.line, pattern: text, optional: false }],
        });
        return;
      case '<?':
      case '<&':
      case '<&?':
        this.#pattern(text);
        this.#grouped({ line: base.line, pattern: text, optional: mark.endsWith('?') }, base);
        return;
      case '<*':
        this.#pattern(text);
        this.steps.push({ kind: 'find', ...base, pattern: text });
        return;
      case 'starttls':
      case 'closed':
      case 'close':
        this.steps.push({ kind: mark, ...base });
        return;
      case 'silent':
        this.steps.push({ kind: 'silent', ...base, ms: this.#milliseconds(text) });
        return;
      default:
        throw this.#error(`unknown mark ${mark}`);
    }
  }

  /** Adjacent `<&` lines of one connection make one group; `<?` stands alone. */
  #grouped(expected: Expected, base: { line: number; connection: number; side?: Side }): void {
    const last = this.steps.at(-1);
    const joins =
      last?.kind === 'expect' &&
      last.connection === base.connection &&
      last.side === base.side &&
      last.line === base.line - 1 &&
      !/^\d+ (?:ours|real)?<\?/.test(this.#lines[this.#at] ?? '') &&
      /^\d+ (?:ours|real)?<&/.test(this.#lines[this.#at - 1] ?? '');
    if (joins)
      this.steps[this.steps.length - 1] = { ...last, line: base.line, group: [...last.group, expected] };
    else this.steps.push({ kind: 'expect', ...base, group: [expected] });
  }

  #pattern(text: string): void {
    try {
      compilePattern(text, () => 'x');
    } catch (error) {
      throw this.#error(`bad pattern: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

export function parseTranscript(name: string, text: string): Transcript {
  return new Parser(name, text).parse();
}

/** The value of `${name}`. Throws when there is none. */
export type Lookup = (name: string) => string;

/** Position of the brace that closes the one at `open`, or -1. */
function closingBrace(text: string, open: number): number {
  let depth = 0;
  for (let i = open; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === '{') depth++;
    else if (text[i] === '}' && --depth === 0) return i;
  }
  return -1;
}

interface Placeholder {
  /** '' for `${…}`, else `base64`, `repeat`, `size`. */
  readonly name: string;
  readonly body: string;
  readonly end: number;
}

function placeholderAt(text: string, at: number): Placeholder | undefined {
  const head = /^\$(base64|repeat)?\{/.exec(text.slice(at, at + 9));
  if (head === null) return undefined;
  const open = at + head[0].length - 1;
  const close = closingBrace(text, open);
  if (close === -1) return undefined;
  return { name: head[1] ?? '', body: text.slice(open + 1, close), end: close + 1 };
}

/** Bytes to send: `\xHH`, `${name}`, `$base64{…}`, `$repeat{n,…}`; everything else as UTF-8. */
export function expandTemplate(text: string, lookup: Lookup): Buffer {
  const pieces: Buffer[] = [];
  let plain = '';
  const flush = (): void => {
    if (plain !== '') pieces.push(Buffer.from(plain, 'utf8'));
    plain = '';
  };
  for (let i = 0; i < text.length;) {
    const hex = /^\\x([0-9a-fA-F]{2})/.exec(text.slice(i, i + 4));
    if (hex !== null) {
      flush();
      pieces.push(Buffer.from(hex[1] ?? '', 'hex'));
      i += 4;
      continue;
    }
    const placeholder = text[i] === '$' ? placeholderAt(text, i) : undefined;
    if (placeholder === undefined) {
      plain += text[i++];
      continue;
    }
    flush();
    pieces.push(expandPlaceholder(placeholder, lookup));
    i = placeholder.end;
  }
  flush();
  return Buffer.concat(pieces);
}

function expandPlaceholder(placeholder: Placeholder, lookup: Lookup): Buffer {
  switch (placeholder.name) {
    case 'base64':
      return Buffer.from(expandTemplate(placeholder.body, lookup).toString('base64'));
    case 'repeat': {
      const comma = placeholder.body.indexOf(',');
      const unit = expandTemplate(placeholder.body.slice(comma + 1), lookup);
      return Buffer.alloc(Number(placeholder.body.slice(0, comma)) * unit.length, unit);
    }
    default:
      return Buffer.from(lookup(placeholder.body), 'utf8');
  }
}

export interface CompiledPattern {
  readonly regex: RegExp;
  /** Names captured, in the order of the groups. */
  readonly captures: readonly string[];
}

const escapeRegex = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);

/**
 * A pattern for one line as latin-1 text: `…` matches anything, `${=regex}` a regular expression, `${name=regex}`
 * also keeps what matched, other placeholders as in `expandTemplate`.
 */
export function compilePattern(text: string, lookup: Lookup): CompiledPattern {
  const captures: string[] = [];
  let source = '';
  let plain = '';
  const flush = (): void => {
    source += escapeRegex(expandTemplate(plain, lookup).toString('latin1'));
    plain = '';
  };
  for (let i = 0; i < text.length;) {
    if (text[i] === '…') {
      flush();
      source += '.*?';
      i++;
      continue;
    }
    const placeholder = text[i] === '$' ? placeholderAt(text, i) : undefined;
    const matcher = placeholder?.name === '' ? /^([\w.]*)=(.*)$/s.exec(placeholder.body) : null;
    if (placeholder === undefined || matcher === null) {
      plain += placeholder === undefined ? text[i] : text.slice(i, placeholder.end);
      i = placeholder?.end ?? i + 1;
      continue;
    }
    flush();
    const [, name = '', regex = ''] = matcher;
    if (name === '') source += `(?:${regex})`;
    else {
      captures.push(name);
      source += `(?<g${captures.length}>${regex})`;
    }
    i = placeholder.end;
  }
  flush();
  return { regex: new RegExp(`^${source}$`, 's'), captures };
}

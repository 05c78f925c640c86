// The words of a header field that holds addresses, in and out. POSTFIX: tok822: RFC 822 with much patience: what is
// not understood is kept, missing commas are put in, comments move behind the address they stand in.
//
// Works on binary strings (one character per octet), linear in their length, never throws.

/** One-character operators; `%` and `!` count because not all the world is RFC 822. */
const OPERATORS = '|%!()<>@,;:".[]';

// What a character is, as bits: a field of 100 kB is looked at character by character.
const BLANK = 1;
const OPERATOR = 2;
const ENDS_ATOM = 4;
const WANTS_QUOTES = 8;

const CLASSES = new Uint8Array(256);
for (let code = 0; code <= 0x20; code++) CLASSES[code] = WANTS_QUOTES;
CLASSES[0x7f] = WANTS_QUOTES;
for (const char of ' \t\r\n') CLASSES[char.charCodeAt(0)] = BLANK | ENDS_ATOM | WANTS_QUOTES;
for (const char of OPERATORS) CLASSES[char.charCodeAt(0)] = OPERATOR | ENDS_ATOM | WANTS_QUOTES;
const BACKSLASH = 0x5c;
CLASSES[BACKSLASH] = WANTS_QUOTES;

const classOf = (code: number): number => CLASSES[code] ?? 0;

export type TokenKind =
  | 'end'
  | 'atom'
  | 'quoted'
  | 'literal'
  | 'comment'
  | 'operator'
  /** The colon after a group's name. */
  | 'group'
  /** What stands where an address may stand; its words are `inner`. */
  | 'address';

export interface Token {
  kind: TokenKind;
  /** Without quotes or brackets; of a comment, with them. */
  text: string;
  /** Of an address: its spelling outside, as `rewrite` leaves it. */
  external: string;
  previous: Token | undefined;
  next: Token | undefined;
}

function makeToken(kind: TokenKind, text: string): Token {
  return { kind, text, external: '', previous: undefined, next: undefined };
}

export interface Scanned {
  readonly tokens: readonly Token[];
  /** There was more than the limit. */
  readonly cut: boolean;
}

/** `limit`: tokens at most; 0 for all. */
export function scanTokens(text: string, limit = 0): Scanned {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length;) {
    const bits = classOf(text.charCodeAt(at));
    if ((bits & BLANK) !== 0) {
      at++;
      continue;
    }
    if (limit > 0 && tokens.length >= limit) return { tokens, cut: true };
    if ((bits & OPERATOR) === 0) {
      const run = readAtom(text, at);
      tokens.push(makeToken(run.wantsQuotes ? 'quoted' : 'atom', run.text));
      at = run.end;
      continue;
    }
    const char = text[at] ?? '';
    if (char === '(') {
      const end = commentEnd(text, at);
      tokens.push(makeToken('comment', text.slice(at, end)));
      at = end;
    } else if (char === '[' || char === '"') {
      const run = readEnclosed(text, at + 1, char === '[' ? ']' : '"');
      tokens.push(makeToken(char === '[' ? 'literal' : 'quoted', run.text));
      at = run.end;
    } else {
      tokens.push(makeToken('operator', char));
      at++;
    }
  }
  return { tokens, cut: false };
}

function commentEnd(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === BACKSLASH) at++;
    else if (char === 0x28) depth++;
    else if (char === 0x29 && --depth === 0) return at + 1;
  }
  return text.length;
}

interface Run {
  readonly text: string;
  readonly end: number;
}

const unfolded = (text: string): string => text.replace(/[\t\r\n]/g, ' ');

function readEnclosed(text: string, start: number, close: string): Run {
  const closing = close.charCodeAt(0);
  let read = '';
  let from = start;
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === closing) return { text: unfolded(read + text.slice(from, at)), end: at + 1 };
    if (code === BACKSLASH) {
      read += text.slice(from, at);
      from = ++at;
    }
  }
  return { text: unfolded(read + text.slice(from)), end: text.length };
}

/** `wantsQuotes`: an atom that came to hold such a character, by a backslash or because nobody should send it. */
function readAtom(text: string, start: number): Run & { readonly wantsQuotes: boolean } {
  let read = '';
  let from = start;
  let at = start;
  let bits = 0;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH) {
      read += text.slice(from, at);
      from = ++at;
      if (at < text.length) bits |= classOf(text.charCodeAt(at));
      continue;
    }
    const of = classOf(code);
    if ((of & ENDS_ATOM) !== 0) break;
    bits |= of;
  }
  const end = Math.min(at, text.length);
  if (from === start) return { text: text.slice(from, end), end, wantsQuotes: (bits & WANTS_QUOTES) !== 0 };
  return { text: unfolded(read + text.slice(from, end)), end, wantsQuotes: (bits & WANTS_QUOTES) !== 0 };
}

/** The tokens as a list with an end on either side. */
function link(tokens: readonly Token[]): { readonly first: Token; readonly last: Token } {
  const first = makeToken('end', '');
  let before = first;
  for (const token of tokens) {
    join(before, token);
    before = token;
  }
  const last = makeToken('end', '');
  join(before, last);
  return { first, last };
}

function join(left: Token, right: Token): void {
  left.next = right;
  right.previous = left;
}

type Word = Pick<Token, 'kind' | 'text'>;

const is = (token: Word, operator: string): boolean => token.kind === 'operator' && token.text === operator;

const beforeOf = (token: Token): Token => token.previous as Token;

/** What the words between become an address of; with `comma`, one that was missing goes before it. */
function group(left: Token, right: Token, comma: boolean): void {
  if (left === right || left.next === right) return;
  let external = '';
  for (let token = left.next; token !== undefined && token !== right; token = token.next)
    external += wordOf(token);
  const address = makeToken('address', '');
  address.external = external;
  join(left, address);
  join(address, right);
  if (!comma) return;
  const separator = makeToken('operator', ',');
  join(left, separator);
  join(separator, address);
}

/**
 * The tokens of a field's value with its addresses found. Read from right to left: an address sits between the token
 * looked at and `right`.
 */
export function parseAddresses(text: string, limit: number): Scanned {
  const { tokens, cut } = scanTokens(text, limit);
  if (tokens.length === 0) return { tokens, cut };
  const { first, last } = link(tokens);
  let right = last;
  let at = beforeOf(last);
  let wordAllowed = true;
  let inGroup = false;
  const moveComment = (comment: Token): Token => {
    const before = beforeOf(comment);
    if (comment.next !== undefined && comment.next !== right) {
      join(before, comment.next);
      join(beforeOf(right), comment);
      join(comment, right);
    }
    right = comment;
    return before;
  };
  while (at.kind !== 'end') {
    if (at.kind === 'comment') {
      at = moveComment(at);
      continue;
    }
    if (is(at, ';')) {
      group(at, right, true);
      right = at;
      inGroup = true;
      wordAllowed = true;
    } else if (is(at, ':') && inGroup) {
      at.kind = 'group';
      group(at, right, false);
      while (at.kind !== 'end' && !is(at, ',')) at = beforeOf(at);
      right = at;
      // The comma is looked at in its turn; the group's state goes on, as Postfix has it.
      continue;
    } else if (is(at, '>')) {
      group(at, right, true);
      right = at;
      while (at.kind !== 'end' && !is(at, '<')) at = at.kind === 'comment' ? moveComment(at) : beforeOf(at);
      group(at, right, false);
      while (at.kind !== 'end' && !(at.kind === 'operator' && '>;,:'.includes(at.text))) at = beforeOf(at);
      right = at;
      wordAllowed = true;
      continue;
    } else if (at.kind === 'atom' || at.kind === 'quoted' || at.kind === 'literal') {
      if (!wordAllowed) {
        group(at, right, true);
        right = at.next as Token;
      }
      wordAllowed = false;
    } else if (is(at, ',')) {
      group(at, right, false);
      right = at;
      wordAllowed = true;
    } else {
      wordAllowed = true;
    }
    at = beforeOf(at);
  }
  group(at, right, false);
  const found: Token[] = [];
  for (let token = first.next; token !== undefined && token !== last; token = token.next) found.push(token);
  return { tokens: found, cut };
}

const copyQuoted = (text: string, special: RegExp): string => text.replace(special, '\\$&');

function wordOf(token: Token): string {
  switch (token.kind) {
    case 'quoted':
      return `"${copyQuoted(token.text, /["\\\r\n]/g)}"`;
    case 'literal':
      return `[${copyQuoted(token.text, /[\\\r\n]/g)}]`;
    case 'group':
      return ':';
    case 'address':
      return isPlainAddress(token.external) ? token.external : quoteLocal(internalise(token.external));
    default:
      return token.text;
  }
}

const isWord = (token: Word): boolean =>
  token.kind !== 'operator' && token.kind !== 'group' && token.kind !== 'end';

function wantsSpace(token: Word, next: Word | undefined): boolean {
  if (next === undefined) return false;
  if (token.kind === 'group' || is(token, ',') || is(next, '<')) return true;
  return isWord(token) && isWord(next);
}

/** As a program holds an address: without quotes. */
export function internalise(external: string): string {
  return isPlainAddress(external) ? external : innerText(scanTokens(external).tokens);
}

/** The words of an address without quotes, a blank where two would run together. */
export function innerText(words: readonly Word[]): string {
  let text = '';
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as Word;
    text += word.kind === 'literal' ? `[${word.text}]` : word.text;
    if (wantsSpace(word, words[i + 1])) text += ' ';
  }
  return text;
}

// RFC 5322 §3.2.3; octets beyond ASCII stand as they are.
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const DOT_STRING = /^[^.()<>@,;:\\"[\]\x00-\x20\x7f]+(?:\.[^.()<>@,;:\\"[\]\x00-\x20\x7f]+)*$/;

const PLAIN =
  // oxlint-disable-next-line no-control-regex -- control characters are what this is about
  /^[^.()<>@,;:\\"[\]\x00-\x20\x7f]+(?:\.[^.()<>@,;:\\"[\]\x00-\x20\x7f]+)*(?:@[^.()<>@,;:\\"[\]\x00-\x20\x7f]+(?:\.[^.()<>@,;:\\"[\]\x00-\x20\x7f]+)*)?$/;

/** `bob`, `bob.b@host.example`: the same outside and inside, as nearly all addresses are. */
export const isPlainAddress = (external: string): boolean => PLAIN.test(external);

/** With the local part in quotes where that takes quotes. */
export function quoteLocal(internal: string): string {
  const at = internal.lastIndexOf('@');
  const local = at === -1 ? internal : internal.slice(0, at);
  if (DOT_STRING.test(local)) return internal;
  return `"${copyQuoted(local, /["\\\r]/g)}"${at === -1 ? '' : internal.slice(at)}`;
}

/** Text beside one address; more is dropped, as it has broken mail programs. */
const MAX_BESIDE = 250;

/** The value of the field, each address on a line of its own. */
export function formatAddresses(tokens: readonly Token[]): string {
  const out: string[] = [];
  let item = '';
  let address: Token | undefined;
  let addressLength = 0;
  const endItem = (): void => {
    if (address !== undefined && item.length - addressLength > MAX_BESIDE) item = `<${wordOf(address)}>`;
    out.push(item);
    item = '';
    address = undefined;
    addressLength = 0;
  };
  for (let index = 0; index < tokens.length; index++) {
    const token = tokens[index] as Token;
    if (is(token, ',')) {
      endItem();
      out.push(',\n');
      continue;
    }
    const word = wordOf(token);
    item += word;
    if (token.kind === 'address') {
      address = token;
      addressLength = word.length;
    }
    if (wantsSpace(token, tokens[index + 1])) item += ' ';
  }
  endItem();
  return out.join('');
}

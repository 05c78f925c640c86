// Parameter expansion as Postfix 3.x does it:
//   $name  ${name}  $(name)           the value, expanded; an undefined name is empty
//   ${name?text}  ${name:text}        text when the value is not empty / is empty
//   ${name?{a}:{b}}                   white space round {…} is ignored; the branch not taken is not looked at
//   ${{a} OP {b}?…:…}                 == != < <= > >= (numbers when both sides are all digits), and the same with
//                                     `level` appended, which compares 3.6 and 3.10 by their parts
//   $$                                one dollar
// Returns a value or the reason it cannot be had; never throws. Depth and size are bounded.

export type Expansion =
  | { readonly ok: true; readonly value: string }
  | { readonly ok: false; readonly reason: string };

/** The expanded value of another parameter; undefined when nobody defined it. */
export type NameLookup = (name: string) => Expansion | undefined;

const MAX_NESTING = 100;
const MAX_EXPANDED = 1 << 20;

const NAME = /^[A-Za-z0-9_]+/;

const failed = (reason: string): Expansion => ({ ok: false, reason });
const done = (value: string): Expansion => ({ ok: true, value });

export function expand(text: string, lookup: NameLookup): Expansion {
  return expandNested(text, lookup, 0);
}

function expandNested(text: string, lookup: NameLookup, depth: number): Expansion {
  if (!text.includes('$')) return done(text);
  if (depth > MAX_NESTING) return failed('the nesting of ${…} is too deep');
  let out = '';
  let at = 0;
  while (at < text.length) {
    const dollar = text.indexOf('$', at);
    if (dollar === -1) {
      out += text.slice(at);
      break;
    }
    out += text.slice(at, dollar);
    const next = text[dollar + 1];
    if (next === '$') {
      out += '$';
      at = dollar + 2;
    } else if (next === '{' || next === '(') {
      const close = findClose(text, dollar + 1);
      if (close === -1) return failed(`"${text.slice(dollar)}" has no closing "${next === '{' ? '}' : ')'}"`);
      const inner = expandBraced(text.slice(dollar + 2, close), lookup, depth + 1);
      if (!inner.ok) return inner;
      out += inner.value;
      at = close + 1;
    } else {
      const name = NAME.exec(text.slice(dollar + 1, dollar + 257))?.[0];
      if (name === undefined) return failed(`"$" is not followed by a name (write "$$" for a dollar sign)`);
      const value = lookup(name) ?? done('');
      if (!value.ok) return value;
      out += value.value;
      at = dollar + 1 + name.length;
    }
    if (out.length > MAX_EXPANDED) return failed('the expanded value is too long');
  }
  return done(out);
}

/** Index of the bracket that closes the one at `open`, counting only its own kind; -1 when there is none. */
function findClose(text: string, open: number): number {
  const opening = text[open];
  const closing = opening === '{' ? '}' : ')';
  let level = 0;
  for (let at = open; at < text.length; at += 1) {
    if (text[at] === opening) level += 1;
    else if (text[at] === closing && --level === 0) return at;
  }
  return -1;
}

/** What stands between `${` and `}`. */
function expandBraced(body: string, lookup: NameLookup, depth: number): Expansion {
  const text = body.trimStart();
  if (text.startsWith('{')) return expandComparison(text, lookup, depth);
  const name = NAME.exec(text)?.[0];
  if (name === undefined) return failed(`"\${${body}}" does not start with a parameter name`);
  const value = lookup(name) ?? done('');
  if (!value.ok) return value;
  const rest = text.slice(name.length).trimStart();
  if (rest === '') return value;
  return expandBranches(rest, value.value !== '', { lookup, depth });
}

interface Context {
  readonly lookup: NameLookup;
  readonly depth: number;
}

/** `?text`, `:text`, `?{a}`, `:{b}`, `?{a}:{b}`. */
function expandBranches(rest: string, isTrue: boolean, context: Context): Expansion {
  const mark = rest[0];
  if (mark !== '?' && mark !== ':') return failed(`"?" or ":" is expected before "${rest}"`);
  const body = rest.slice(1);
  const braced = takeBraced(body);
  if (typeof braced === 'string') return failed(braced);
  if (mark === ':') {
    if (braced !== undefined && braced.rest !== '') return failed(`"${braced.rest}" is one word too many`);
    if (isTrue) return done('');
    return expandNested(braced?.text ?? body, context.lookup, context.depth);
  }
  const whenTrue = braced?.text ?? body;
  const afterwards = braced?.rest ?? '';
  let whenFalse = '';
  if (afterwards !== '') {
    if (!afterwards.startsWith(':')) return failed(`":" is expected before "${afterwards}"`);
    const second = takeBraced(afterwards.slice(1));
    if (typeof second === 'string') return failed(second);
    if (second !== undefined && second.rest !== '') return failed(`"${second.rest}" is one word too many`);
    whenFalse = second?.text ?? afterwards.slice(1);
  }
  return expandNested(isTrue ? whenTrue : whenFalse, context.lookup, context.depth);
}

/** `{text} rest`; undefined when there is no brace; a string is a complaint. */
function takeBraced(text: string): { text: string; rest: string } | string | undefined {
  const trimmed = text.trimStart();
  if (!trimmed.startsWith('{')) return undefined;
  const close = findClose(trimmed, 0);
  if (close === -1) return `"${trimmed}" has no closing "}"`;
  return { text: trimmed.slice(1, close).trim(), rest: trimmed.slice(close + 1).trim() };
}

function expandComparison(text: string, lookup: NameLookup, depth: number): Expansion {
  const left = takeBraced(text);
  if (left === undefined || typeof left === 'string') return failed(left ?? '"{" is expected');
  const operator = /^([=!]=|[<>]=?)(level)?/.exec(left.rest);
  if (operator === null) return failed(`a comparison is expected before "${left.rest}"`);
  const right = takeBraced(left.rest.slice(operator[0].length));
  if (right === undefined || typeof right === 'string') {
    return failed(right ?? `"{" is expected after "${operator[0]}"`);
  }
  const a = expandNested(left.text, lookup, depth);
  if (!a.ok) return a;
  const b = expandNested(right.text, lookup, depth);
  if (!b.ok) return b;
  const order = operator[2] === undefined ? compareValues(a.value, b.value) : compareLevels(a.value, b.value);
  if (order === undefined) return failed(`"${a.value}" and "${b.value}" are not both compatibility levels`);
  const isTrue = holds(operator[1] ?? '', order);
  if (right.rest === '') return done(isTrue ? 'true' : '');
  return expandBranches(right.rest, isTrue, { lookup, depth });
}

function holds(operator: string, order: number): boolean {
  switch (operator) {
    case '==':
      return order === 0;
    case '!=':
      return order !== 0;
    case '<':
      return order < 0;
    case '<=':
      return order <= 0;
    case '>':
      return order > 0;
    default:
      return order >= 0;
  }
}

const DIGITS = /^[0-9]+$/;

function compareValues(a: string, b: string): number {
  if (DIGITS.test(a) && DIGITS.test(b)) return Number(a) - Number(b);
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** `major[.minor[.patch]]`; undefined when either is not one. */
export function compareLevels(a: string, b: string): number | undefined {
  const left = parseLevel(a);
  const right = parseLevel(b);
  if (left === undefined || right === undefined) return undefined;
  for (let part = 0; part < 3; part += 1) {
    const order = (left[part] ?? 0) - (right[part] ?? 0);
    if (order !== 0) return order;
  }
  return 0;
}

function parseLevel(text: string): number[] | undefined {
  return /^\d{1,9}(\.\d{1,9}){0,2}$/.test(text) ? text.split('.').map(Number) : undefined;
}

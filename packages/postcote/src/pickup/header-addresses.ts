// Addresses in the header of mail written on this machine: `To: bob` means `bob@$myorigin`. POSTFIX: cleanup's
// rewriting in local context. Only what is incomplete is touched; comments, phrases and folding stay as they are.

/** Completes one address, given as it stands in the header. */
export type CompleteAddress = (address: string) => string;

/** POSTFIX: the header fields whose addresses are rewritten (header_opts.c: HDR_OPT_RR). */
export const ADDRESS_FIELDS: ReadonlySet<string> = new Set(
  [
    'from',
    'sender',
    'reply-to',
    'to',
    'cc',
    'bcc',
    'errors-to',
    'return-receipt-to',
    'disposition-notification-to',
  ].flatMap((name) => [name, `resent-${name}`]),
);

/** A run of the text that is no comment, at nesting depth 0. */
interface Item {
  readonly start: number;
  readonly end: number;
}

/** The value of a field with its addresses completed. One pass over the text. */
export function completeAddresses(value: string, complete: CompleteAddress): string {
  let out = '';
  let done = 0;
  for (const item of splitItems(value)) {
    const address = findAddress(value, item);
    if (address === undefined) continue;
    const text = value.slice(address.start, address.end);
    const full = complete(text);
    if (full === text) continue;
    out += value.slice(done, address.start) + full;
    done = address.end;
  }
  return out + value.slice(done);
}

/** What stands between commas, colons of groups and semicolons. */
function* splitItems(value: string): Generator<Item> {
  let start = 0;
  let inAngle = false;
  for (let at = 0; at < value.length;) {
    const char = value[at];
    if (char === '"' || char === '(' || char === '[') {
      at = skip(value, at);
      continue;
    }
    if (char === '<') inAngle = true;
    else if (char === '>') inAngle = false;
    else if (!inAngle && (char === ',' || char === ';' || char === ':')) {
      // Before a colon stands the name of a group.
      if (char !== ':') yield { start, end: at };
      start = at + 1;
    }
    at++;
  }
  yield { start, end: value.length };
}

/** The address within an item: in angle brackets, or the item's only word. */
function findAddress(value: string, { start, end }: Item): Item | undefined {
  let word: Item | undefined;
  let words = 0;
  for (let at = start; at < end;) {
    const char = value[at] ?? '';
    if (char === '<') return findInAngle(value, at + 1, end);
    if (char === '(' || /\s/.test(char)) {
      at = char === '(' ? skip(value, at) : at + 1;
      continue;
    }
    const from = at;
    while (at < end && !/[\s(<]/.test(value[at] ?? ''))
      at = /["[]/.test(value[at] ?? '') ? skip(value, at) : at + 1;
    word = { start: from, end: Math.min(at, end) };
    words++;
  }
  return words === 1 ? word : undefined;
}

function findInAngle(value: string, from: number, end: number): Item | undefined {
  let at = from;
  while (at < end && value[at] !== '>')
    at = value[at] === '"' || value[at] === '(' ? skip(value, at) : at + 1;
  const inner = value.slice(from, Math.min(at, end));
  // Blanks or comments inside: a person's puzzle, left alone.
  return inner === '' || /[\s(]/.test(inner) ? undefined : { start: from, end: from + inner.length };
}

/** Past a quoted string, a comment or a literal that begins here; unclosed ones run to the end. */
function skip(value: string, start: number): number {
  const opening = value[start];
  const closing = opening === '"' ? '"' : opening === '(' ? ')' : ']';
  let depth = 0;
  for (let at = start; at < value.length; at++) {
    const char = value[at];
    if (char === '\\') at++;
    else if (opening === '(' && char === '(') depth++;
    else if (char === closing && at > start && (opening !== '(' || --depth === 0)) return at + 1;
  }
  return value.length;
}

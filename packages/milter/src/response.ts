// What a filter answers, as one typed value. Pure: a frame in, a response or what is wrong with it out; never throws.

import { type FieldKind, type Frame, readFields } from './frames.ts';
import { RESPONSE_NAMES } from './protocol.ts';

export type Edit =
  | { readonly kind: 'addHeader'; readonly name: Buffer; readonly value: Buffer }
  /** `index`: where in the header as it will be delivered; 0 is the top. */
  | { readonly kind: 'insertHeader'; readonly index: number; readonly name: Buffer; readonly value: Buffer }
  /** `index`: which of the fields of that name; 1 is the first. An empty value removes it. */
  | { readonly kind: 'changeHeader'; readonly index: number; readonly name: Buffer; readonly value: Buffer }
  | { readonly kind: 'changeSender'; readonly address: Buffer; readonly parameters: Buffer }
  | { readonly kind: 'addRecipient'; readonly address: Buffer; readonly parameters: Buffer }
  | { readonly kind: 'removeRecipient'; readonly address: Buffer }
  | { readonly kind: 'replaceBody'; readonly octets: Buffer };

export type Response =
  | { readonly kind: 'progress' }
  | { readonly kind: 'continue' }
  | { readonly kind: 'accept' }
  | { readonly kind: 'discard' }
  | { readonly kind: 'reject' }
  | { readonly kind: 'tempfail' }
  | { readonly kind: 'shutdown' }
  | { readonly kind: 'skip' }
  /** SMTP lines, CRLF between them. */
  | { readonly kind: 'reply'; readonly text: string }
  | { readonly kind: 'quarantine'; readonly reason: string }
  | { readonly kind: 'edit'; readonly edit: Edit }
  /** `misconfigured`: it speaks the protocol but asks for what cannot be. */
  | { readonly kind: 'broken'; readonly reason: string; readonly misconfigured?: true }
  | { readonly kind: 'unexpected'; readonly name: string };

/** Responses that are one letter and nothing else. */
const BARE: ReadonlyMap<string, Response> = new Map<string, Response>([
  ['p', { kind: 'progress' }],
  ['c', { kind: 'continue' }],
  ['a', { kind: 'accept' }],
  ['d', { kind: 'discard' }],
  ['r', { kind: 'reject' }],
  ['t', { kind: 'tempfail' }],
  ['4', { kind: 'shutdown' }],
  ['s', { kind: 'skip' }],
]);

/** Characters of a quarantine's reason that go on. */
const MAX_REASON = 100;

const nameOf = (letter: string): string => RESPONSE_NAMES.get(letter) ?? '(unknown filter reply)';

export function readResponse({ letter, data }: Frame, atEndOfMessage: boolean): Response {
  const bare = BARE.get(letter);
  if (bare !== undefined) {
    if (data.length === 0) return bare;
    return {
      kind: 'broken',
      reason: `reply ${nameOf(letter)} was followed by ${data.length} data bytes`,
    };
  }
  if (letter === 'y') return readReply(data);
  if (letter === 'q') return { kind: 'quarantine', reason: textOf(withoutNul(data)).slice(0, MAX_REASON) };
  const edit = atEndOfMessage ? readEdit(letter, data) : undefined;
  return edit ?? { kind: 'unexpected', name: nameOf(letter) };
}

const withoutNul = (data: Buffer): Buffer => {
  const end = data.indexOf(0);
  return end === -1 ? data : data.subarray(0, end);
};

const textOf = (data: Buffer): string => data.toString('utf8');

/** One line of a reply: a code, a separator, and an enhanced code of the same class if any. */
const REPLY_LINE = /^([45][0-9]{2})([ -])(.*)$/;

/**
 * Every line is looked at: what does not have the form of a reply would put words into the server's mouth. Then `%%`
 * stands for `%`, and a single one for nothing: sendmail takes the text as a format.
 */
function readReply(data: Buffer): Response {
  const text = textOf(data.at(-1) === 0 ? data.subarray(0, -1) : data);
  const lines = text.split('\r\n');
  const code = lines[0]?.slice(0, 3);
  const isWellFormed = lines.every((line, index) => {
    const match = REPLY_LINE.exec(line);
    if (match === null || match[1] !== code || /[\r\n\0]/.test(line)) return false;
    const isLast = index === lines.length - 1;
    const rest = match[3] ?? '';
    return match[2] === (isLast ? ' ' : '-') && (!/^[0-9]/.test(rest) || rest[0] === code?.[0]);
  });
  if (!isWellFormed)
    return { kind: 'broken', reason: `malformed reply: ${text.slice(0, 200)}`, misconfigured: true };
  return { kind: 'reply', text: text.replace(/%(%?)/g, '$1') };
}

interface EditForm {
  readonly fields: readonly FieldKind[];
  make(values: readonly (number | Buffer)[]): Edit | string;
}

const octets = (value: number | Buffer | undefined): Buffer =>
  Buffer.isBuffer(value) ? value : Buffer.alloc(0);
const count = (value: number | Buffer | undefined): number => (typeof value === 'number' ? value : 0);

const EDITS: ReadonlyMap<string, EditForm> = new Map<string, EditForm>([
  [
    'h',
    {
      fields: ['string', 'string'],
      make: ([name, value]) => ({ kind: 'addHeader', name: octets(name), value: octets(value) }),
    },
  ],
  [
    'i',
    {
      fields: ['long', 'string', 'string'],
      make([index, name, value]) {
        return { kind: 'insertHeader', index: count(index), name: octets(name), value: octets(value) };
      },
    },
  ],
  [
    'm',
    {
      fields: ['long', 'string', 'string'],
      make([index, name, value]) {
        if (octets(name).length === 0) return 'null change header name';
        // Sendmail takes 0 for the first.
        return { kind: 'changeHeader', index: count(index) || 1, name: octets(name), value: octets(value) };
      },
    },
  ],
  [
    'e',
    {
      fields: ['string', 'optional'],
      make: ([address, parameters]) => ({
        kind: 'changeSender',
        address: octets(address),
        parameters: octets(parameters),
      }),
    },
  ],
  [
    '+',
    {
      fields: ['string'],
      make: ([address]) => ({
        kind: 'addRecipient',
        address: octets(address),
        parameters: octets(undefined),
      }),
    },
  ],
  [
    '2',
    {
      fields: ['string', 'optional'],
      make: ([address, parameters]) => ({
        kind: 'addRecipient',
        address: octets(address),
        parameters: octets(parameters),
      }),
    },
  ],
  ['-', { fields: ['string'], make: ([address]) => ({ kind: 'removeRecipient', address: octets(address) }) }],
]);

function readEdit(letter: string, data: Buffer): Response | undefined {
  if (letter === 'b') return { kind: 'edit', edit: { kind: 'replaceBody', octets: data } };
  const form = EDITS.get(letter);
  if (form === undefined) return undefined;
  const values = readFields(data, form.fields);
  if (typeof values === 'string') return { kind: 'broken', reason: values };
  const edit = form.make(values);
  return typeof edit === 'string'
    ? { kind: 'broken', reason: edit, misconfigured: true }
    : { kind: 'edit', edit };
}

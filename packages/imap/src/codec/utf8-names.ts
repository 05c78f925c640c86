// Mailbox names in UTF-8 (RFC 6855 §3, RFC 9051 §5.1), for clients that enabled them. Inside, and for all others, names are
// in modified UTF-7; here they change form on their way in and out.

import type { Arg } from './arg.ts';
import { formatAstring, formatLiteral } from './response.ts';
import { decodeMailboxName, encodeMailboxName } from './utf7.ts';

/** Which of the arguments that are no lists are names; `all`: those in lists too. */
const NAMES: ReadonlyMap<string, readonly number[] | 'all'> = new Map<string, readonly number[] | 'all'>([
  ['SELECT', [0]],
  ['EXAMINE', [0]],
  ['CREATE', [0]],
  ['DELETE', [0]],
  ['RENAME', [0, 1]],
  ['SUBSCRIBE', [0]],
  ['UNSUBSCRIBE', [0]],
  ['STATUS', [0]],
  ['LIST', 'all'],
  ['LSUB', 'all'],
  ['APPEND', [0]],
  ['REPLACE', [1]],
  ['UID REPLACE', [1]],
  ['COPY', [1]],
  ['UID COPY', [1]],
  ['MOVE', [1]],
  ['UID MOVE', [1]],
  ['GETMETADATA', [0]],
  ['GETQUOTAROOT', [0]],
  ['SETMETADATA', [0]],
  ['GETACL', [0]],
  ['MYRIGHTS', [0]],
]);

/** The arguments with names in modified UTF-7. What is not UTF-8 stays, and is refused as a name. */
export function namesFromUtf8(verb: string, args: readonly Arg[]): readonly Arg[] {
  const names = NAMES.get(verb);
  if (names === undefined) return args;
  let position = 0;
  return args.map((arg) => {
    if (arg.kind === 'list') {
      // Patterns; the options before them and behind RETURN hold no names that this would change.
      return names === 'all' && position > 0 ? { kind: 'list', items: arg.items.map(fromUtf8) } : arg;
    }
    const isName = names === 'all' || names.includes(position);
    position += 1;
    return isName ? fromUtf8(arg) : arg;
  });
}

const strict = new TextDecoder('utf-8', { fatal: true });

function fromUtf8(arg: Arg): Arg {
  if (arg.kind === 'list') return arg;
  const bytes = arg.kind === 'atom' ? Buffer.from(arg.text, 'latin1') : arg.bytes;
  if (!bytes.some((octet) => octet >= 0x80 || octet === 0x26)) return arg;
  try {
    const name = encodeMailboxName(strict.decode(bytes).normalize('NFC'));
    return { kind: 'string', bytes: Buffer.from(name, 'latin1'), form: 'quoted' };
  } catch {
    return arg;
  }
}

/** A name in UTF-8, one character per octet, quoted where it must be. */
export function formatUtf8Name(name: string): string {
  const text = decodeMailboxName(name);
  if (text === undefined || text === name) return formatAstring(name);
  const octets = Buffer.from(text, 'utf8').toString('latin1');
  // oxlint-disable-next-line no-control-regex
  if (/[\x00-\x1f\x7f]/.test(octets)) return formatLiteral(octets);
  return `"${octets.replaceAll(/["\\]/g, '\\$&')}"`;
}

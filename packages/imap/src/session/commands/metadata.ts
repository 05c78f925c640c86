// GETMETADATA and SETMETADATA (RFC 5464), with /private/specialuse (RFC 6154 §5) to look at.

import { type Annotations, MailboxError } from '@postcote/mailbox';
import type { CommandOf } from '../../codec/command.ts';
import { formatAstring, formatLiteral, no, ok, type Status } from '../../codec/response.ts';
import { type CommandRow, done, type SessionCore } from '../core.ts';
import { missingMailbox } from '../mailbox-errors.ts';

const SPECIAL_USE = '/private/specialuse';
/** RFC 5464 §6.2.1: entries of the account that only the administrator sets. */
const FIXED: ReadonlySet<string> = new Set(['/shared/admin', '/shared/comment']);

const ROW = { needsMailbox: false, sync: 'none', refresh: false } as const;

export const GETMETADATA: CommandRow<'getMetadata'> = {
  kinds: ['getMetadata'],
  ...ROW,
  async run(core, command) {
    const { mailbox, maxSize } = command;
    let all: Annotations;
    try {
      all = await annotationsOf(core, mailbox);
    } catch (error) {
      if (isMissing(error)) return done(missingMailbox(core.shown(mailbox)));
      throw error;
    }
    const values = select(all, command);
    let longest = 0;
    const words: string[] = [];
    for (const [entry, value] of values) {
      if (value !== null && maxSize !== undefined && value.length > maxSize)
        longest = Math.max(longest, value.length);
      else words.push(`${formatAstring(entry)} ${value === null ? 'NIL' : formatValue(value)}`);
    }
    const name = mailbox === '' ? '""' : core.formatName(mailbox);
    if (words.length > 0) core.out.text(`* METADATA ${name} (${words.join(' ')})\r\n`);
    return done(ok('Getmetadata completed.', longest > 0 ? `METADATA LONGENTRIES ${longest}` : undefined));
  },
};

async function annotationsOf({ store }: SessionCore, name: string): Promise<Annotations> {
  const kept = (await store.readAnnotations?.(name)) ?? new Map<string, Buffer>();
  if (name === '') return kept;
  const use = (await store.list()).find((entry) => entry.name === name)?.specialUse;
  return use === undefined ? kept : new Map([...kept, [SPECIAL_USE, Buffer.from(use)]]);
}

/** DOVECOT: what was asked by name and is not there is NIL; with a depth, what is below. */
function select(
  all: Annotations,
  { entries, depth }: CommandOf<'getMetadata'>,
): ReadonlyMap<string, Buffer | null> {
  const found = new Map<string, Buffer | null>();
  for (const entry of entries) {
    const own = all.get(entry);
    if (own !== undefined || depth === 0) found.set(entry, own ?? null);
    if (depth === 0) continue;
    for (const [name, value] of all) {
      if (!name.startsWith(`${entry}/`)) continue;
      if (depth === 'infinity' || !name.includes('/', entry.length + 1)) found.set(name, value);
    }
  }
  return found;
}

/** DOVECOT: values are literals. */
function formatValue(value: Buffer): string {
  const text = value.toString('latin1');
  return text.includes('\0') ? `~{${value.length}}\r\n${text}` : formatLiteral(text);
}

export const SETMETADATA: CommandRow<'setMetadata'> = {
  kinds: ['setMetadata'],
  ...ROW,
  async run(core, { mailbox, values }) {
    const { store } = core;
    for (const entry of values.keys()) {
      const isFixed = entry === SPECIAL_USE || (mailbox === '' && FIXED.has(entry));
      if (isFixed) return done(no(`The ${entry} attribute cannot be changed.`, 'CANNOT'));
    }
    if (store.writeAnnotations === undefined) return done(no('Metadata cannot be kept here.', 'CANNOT'));
    try {
      await store.writeAnnotations(mailbox, values);
    } catch (error) {
      if (isMissing(error)) return done(missingMailbox(core.shown(mailbox)));
      if (error instanceof MailboxError && error.code === 'limit') return done(TOO_MUCH);
      throw error;
    }
    return done(ok('Setmetadata completed.'));
  },
};

const TOO_MUCH: Status = no('Too many or too large metadata values.', 'METADATA TOOMANY');

function isMissing(error: unknown): boolean {
  return error instanceof MailboxError && (error.code === 'nonexistent' || error.code === 'badName');
}

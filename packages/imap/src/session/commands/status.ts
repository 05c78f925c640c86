// STATUS (RFC 3501 §6.3.10, RFC 7162, RFC 8438 SIZE, RFC 8474, RFC 7889), and the same of LIST RETURN (STATUS …).

import { MailboxError, type MailboxName, type MailboxStatus, type MessageRecord } from '@postcote/mailbox';
import type { StatusItem } from '../../codec/command.ts';
import { no, ok } from '../../codec/response.ts';
import { mailboxId } from '../../fetch/object-id.ts';
import { type CommandRow, done, type SessionCore } from '../core.ts';
import { missingMailbox } from '../mailbox-errors.ts';

export const STATUS: CommandRow<'status'> = {
  kinds: ['status'],
  needsMailbox: false,
  sync: 'none',
  refresh: false,
  async run(core, { mailbox, items }) {
    if (mailbox === '') return done(no('Invalid mailbox name: Name is empty', 'CANNOT'));
    if (items.includes('HIGHESTMODSEQ')) core.enableCondstore();
    let answer: string;
    try {
      answer = await statusResponse(core, mailbox, items);
    } catch (error) {
      if (error instanceof MailboxError && (error.code === 'nonexistent' || error.code === 'badName')) {
        return done(missingMailbox(core.shown(mailbox)));
      }
      throw error;
    }
    core.out.text(answer);
    // DOVECOT: says that a client which asks so has misread RFC 3501.
    if (core.selected?.mailbox.name === mailbox)
      return done(ok('Status on selected mailbox completed.', 'CLIENTBUG'));
    return done(ok('Status completed.'));
  },
};

/** What only an opened mailbox tells. */
interface Opened {
  readonly size: number;
  /** Of the messages flagged \\Deleted. */
  readonly deletedSize: number;
  readonly id: string;
}

const NEEDS_OPENING: ReadonlySet<StatusItem> = new Set<StatusItem>(['SIZE', 'MAILBOXID', 'DELETED-STORAGE']);

export async function statusResponse(
  core: SessionCore,
  name: MailboxName,
  items: readonly StatusItem[],
): Promise<string> {
  const status = await core.store.status(name);
  const opened = items.some((item) => NEEDS_OPENING.has(item)) ? await look(core, name, items) : undefined;
  const values: string[] = [];
  // DOVECOT: in this order, whatever the order asked.
  for (const [item, value] of VALUES)
    if (items.includes(item)) values.push(`${item} ${value(status, opened, core)}`);
  return `* STATUS ${core.formatName(name)} (${values.join(' ')})\r\n`;
}

type Value = (status: MailboxStatus, opened: Opened | undefined, core: SessionCore) => string | number;

const VALUES: readonly (readonly [StatusItem, Value])[] = [
  ['MESSAGES', (status) => status.messages],
  ['RECENT', (status) => status.recent],
  ['UIDNEXT', (status) => status.uidNext],
  ['UIDVALIDITY', (status) => status.uidValidity],
  ['UNSEEN', (status) => status.unseen],
  ['DELETED', (status) => status.deleted],
  ['HIGHESTMODSEQ', (status) => status.highestModseq],
  ['SIZE', (_, opened) => opened?.size ?? 0],
  ['DELETED-STORAGE', (_, opened) => opened?.deletedSize ?? 0],
  ['MAILBOXID', (_, opened) => `(${opened?.id ?? ''})`],
  ['APPENDLIMIT', (_, __, { settings }) => settings.maxAppend],
];

async function look(core: SessionCore, name: MailboxName, items: readonly StatusItem[]): Promise<Opened> {
  const mailbox = await core.store.open(name);
  const measured = items.includes('SIZE')
    ? mailbox.records
    : items.includes('DELETED-STORAGE')
      ? mailbox.records.filter(isDeleted)
      : [];
  try {
    let size = 0;
    let deletedSize = 0;
    for (const record of measured) {
      if (core.shouldBreathe) await core.breathe();
      try {
        const own = (await mailbox.message(record.uid)?.size()) ?? 0;
        size += own;
        if (isDeleted(record)) deletedSize += own;
      } catch (error) {
        if (!(error instanceof MailboxError && error.code === 'expunged')) throw error;
      }
    }
    return { size, deletedSize, id: mailboxId(mailbox) };
  } finally {
    await mailbox.close();
  }
}

const isDeleted = ({ flags }: MessageRecord): boolean => flags.includes('\\Deleted');

// SELECT, EXAMINE, CLOSE, UNSELECT, CHECK, STATUS (RFC 3501 §6.3.1, §6.4, RFC 3691).

import { MailboxError, type MailboxStatus } from '@postcote/mailbox';
import type { StatusItem } from '../../codec/command.ts';
import { formatAstring, no, ok } from '../../codec/response.ts';
import { type CommandRow, done, type SessionCore } from '../core.ts';
import { missingMailbox } from '../mailbox-errors.ts';
import type { Selected } from '../selected.ts';

export const SELECT: CommandRow<'select'> = {
  kinds: ['select'],
  needsMailbox: false,
  sync: 'none',
  refresh: false,
  async run(core, { mailbox, readOnly }) {
    // RFC 3501 §6.3.1: the mailbox selected so far is given up even when this fails.
    if (core.selected !== undefined) {
      await core.deselect();
      core.out.text('* OK [CLOSED] Previous mailbox closed.\r\n');
    }
    if (mailbox === '') return done(no('Invalid mailbox name: Name is empty', 'CANNOT'));
    let opened;
    try {
      opened = await core.store.open(mailbox);
    } catch (error) {
      if (!(error instanceof MailboxError)) throw error;
      if (error.code === 'nonexistent' || error.code === 'badName') return done(missingMailbox(mailbox));
      throw error;
    }
    let selected: Selected;
    try {
      await opened.refresh();
      selected = await core.select(opened, readOnly);
    } catch (error) {
      await opened.close();
      throw error;
    }
    describe(core, selected);
    return done(readOnly ? ok('Examine completed.', 'READ-ONLY') : ok('Select completed.', 'READ-WRITE'));
  },
};

/** In Dovecot's order. Outlook needs EXISTS and UIDVALIDITY. */
function describe(core: SessionCore, selected: Selected): void {
  const { mailbox, uids } = selected;
  let text = selected.flagResponses();
  text += `* ${uids.length} EXISTS\r\n* ${selected.recentCount} RECENT\r\n`;
  const unseen = mailbox.records.findIndex(({ flags }) => !flags.includes('\\Seen'));
  if (unseen !== -1) text += `* OK [UNSEEN ${unseen + 1}] First unseen.\r\n`;
  text += `* OK [UIDVALIDITY ${mailbox.uidValidity}] UIDs valid\r\n`;
  text += `* OK [UIDNEXT ${mailbox.uidNext}] Predicted next UID\r\n`;
  core.out.text(text);
}

export const CLOSE: CommandRow<'close'> = {
  kinds: ['close'],
  needsMailbox: true,
  sync: 'none',
  refresh: false,
  async run(core) {
    const { selected } = core;
    if (selected !== undefined && !selected.readOnly) {
      // RFC 3501 §6.4.2: expunges without telling; only what this client could know of.
      const doomed = deletedUids(selected);
      if (doomed.length > 0) await selected.mailbox.expunge(doomed);
      core.counters.expunged += doomed.length;
    }
    await core.deselect();
    return done(ok('Close completed.'));
  },
};

/** The messages of the view that carry `\Deleted` now. */
export function deletedUids(selected: Selected): number[] {
  const { uids } = selected;
  const deleted: number[] = [];
  for (let index = 0; index < uids.length; index++) {
    const uid = uids[index] as number;
    if (selected.record(uid, index)?.flags.includes('\\Deleted') === true) deleted.push(uid);
  }
  return deleted;
}

export const UNSELECT: CommandRow<'unselect'> = {
  kinds: ['unselect'],
  needsMailbox: true,
  sync: 'none',
  refresh: false,
  async run(core) {
    await core.deselect();
    return done(ok('Unselect completed.'));
  },
};

export const CHECK: CommandRow<'check'> = {
  kinds: ['check'],
  needsMailbox: true,
  sync: 'all',
  refresh: true,
  run: () => done(ok('Check completed.')),
};

export const STATUS: CommandRow<'status'> = {
  kinds: ['status'],
  needsMailbox: false,
  sync: 'none',
  refresh: false,
  async run({ store, out }, { mailbox, items }) {
    if (mailbox === '') return done(no('Invalid mailbox name: Name is empty', 'CANNOT'));
    let status: MailboxStatus;
    try {
      status = await store.status(mailbox);
    } catch (error) {
      if (error instanceof MailboxError && (error.code === 'nonexistent' || error.code === 'badName')) {
        return done(missingMailbox(mailbox));
      }
      throw error;
    }
    out.text(formatStatusResponse(mailbox, { status, items }));
    return done(ok('Status completed.'));
  },
};

// DOVECOT: in this order, whatever the order asked.
const STATUS_VALUES: readonly (readonly [StatusItem, (status: MailboxStatus) => number])[] = [
  ['MESSAGES', (status) => status.messages],
  ['RECENT', (status) => status.recent],
  ['UIDNEXT', (status) => status.uidNext],
  ['UIDVALIDITY', (status) => status.uidValidity],
  ['UNSEEN', (status) => status.unseen],
];

export function formatStatusResponse(
  name: string,
  answer: { readonly status: MailboxStatus; readonly items: readonly StatusItem[] },
): string {
  const values = STATUS_VALUES.filter(([item]) => answer.items.includes(item));
  const text = values.map(([item, value]) => `${item} ${value(answer.status)}`).join(' ');
  return `* STATUS ${formatAstring(name)} (${text})\r\n`;
}

// SELECT, EXAMINE, CLOSE, UNSELECT, CHECK (RFC 3501 §6.3.1, §6.4, RFC 3691, RFC 7162).

import { MailboxError } from '@postcote/mailbox';
import { bad, no, ok } from '../../codec/response.ts';
import { type CommandRow, done, type SessionCore } from '../core.ts';
import { missingMailbox } from '../mailbox-errors.ts';
import { mailboxId } from '../../fetch/object-id.ts';
import { tellResync } from '../resync.ts';
import type { Selected } from '../selected.ts';

export const SELECT: CommandRow<'select'> = {
  kinds: ['select'],
  needsMailbox: false,
  sync: 'none',
  refresh: false,
  async run(core, { mailbox, readOnly, condstore, qresync }) {
    // RFC 7162 §3.2.5: only after ENABLE.
    if (qresync !== undefined && !core.enabled.has('QRESYNC'))
      return done(bad('Error in IMAP command SELECT: QRESYNC not enabled'));
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
      if (error.code === 'nonexistent' || error.code === 'badName')
        return done(missingMailbox(core.shown(mailbox)));
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
    // Without a word: the description tells.
    if (condstore) core.enabled.add('CONDSTORE');
    describe(core, selected);
    if (qresync?.uidValidity === selected.mailbox.uidValidity) await tellResync(core, selected, qresync);
    return done(readOnly ? ok('Examine completed.', 'READ-ONLY') : ok('Select completed.', 'READ-WRITE'));
  },
};

/** In Dovecot's order. Outlook needs EXISTS and UIDVALIDITY. */
function describe(core: SessionCore, selected: Selected): void {
  const { mailbox, uids } = selected;
  let text = selected.flagResponses();
  text += `* ${uids.length} EXISTS\r\n`;
  if (!core.rev2) text += `* ${selected.recentCount} RECENT\r\n`;
  const unseen = mailbox.records.findIndex(({ flags }) => !flags.includes('\\Seen'));
  if (unseen !== -1 && !core.rev2) text += `* OK [UNSEEN ${unseen + 1}] First unseen.\r\n`;
  text += `* OK [UIDVALIDITY ${mailbox.uidValidity}] UIDs valid\r\n`;
  text += `* OK [UIDNEXT ${mailbox.uidNext}] Predicted next UID\r\n`;
  // RFC 7162 §3.1.2: what a store forgets when it closes is no use to the client.
  if (mailbox.keepsModseqs === true) text += `* OK [HIGHESTMODSEQ ${mailbox.highestModseq}] Highest\r\n`;
  else if (core.enabled.has('CONDSTORE')) text += '* OK [NOMODSEQ] No permanent mod-sequences\r\n';
  text += `* OK [MAILBOXID (${mailboxId(mailbox)})] Mailbox id\r\n`;
  // RFC 9051 §6.3.2: under which name it was opened.
  if (core.rev2) text += `* LIST () ${core.separator} ${core.formatName(mailbox.name)}\r\n`;
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

// STORE, COPY, MOVE, EXPUNGE (RFC 3501 §6.4, RFC 4315 UIDPLUS, RFC 6851 MOVE).

import { type CopyResult, MailboxError } from '@postcote/mailbox';
import { formatNumbers, lowerBound } from '../../codec/sequence-set.ts';
import { bad, no, ok } from '../../codec/response.ts';
import { type CommandRow, done, type Outcome, type SessionCore } from '../core.ts';
import { missingMailbox } from '../mailbox-errors.ts';
import { deletedUids } from './select.ts';

export const STORE: CommandRow<'store'> = {
  kinds: ['store'],
  needsMailbox: true,
  sync: 'holdExpunges',
  refresh: false,
  async run(core, { set, numbering, mode, silent, flags, unchangedSince }) {
    const { selected, counters } = core;
    if (selected === undefined) return NO_MAILBOX;
    if (unchangedSince !== undefined) core.enableCondstore();
    // DOVECOT: says OK, and says that nothing happened.
    if (selected.readOnly) return done(ok('Store ignored with read-only mailbox.'));
    const ranges = selected.resolve(set, numbering);
    if (ranges === undefined) return done(bad('Error in IMAP command STORE: Invalid messageset'));
    const uids = selected.uidsOf(ranges);
    if (uids.length === 0) return done(ok('Store completed.'));
    const known = silent ? selected.known(uids) : [];
    const condition = unchangedSince === undefined ? {} : { unchangedSince };
    const result = await selected.mailbox.store(uids, { mode, flags }, condition);
    if (silent) selected.silence(known);
    if (mode !== 'remove' && flags.includes('\\Deleted'))
      counters.deleted += uids.length - result.expunged.length - result.modified.length;
    if (result.modified.length > 0) {
      // RFC 7162 §3.1.3: those that somebody else changed first.
      const sorted = [...result.modified].sort((a, b) => a - b);
      const numbers = numbering === 'uid' ? sorted : sorted.map((uid) => lowerBound(selected.uids, uid) + 1);
      return done(ok('Conditional store failed.', `MODIFIED ${formatNumbers(numbers)}`));
    }
    if (result.expunged.length === 0) return done(ok('Store completed.'));
    return done(ok('Some messages were already expunged.', 'EXPUNGEISSUED'));
  },
};

export const EXPUNGE: CommandRow<'expunge'> = {
  kinds: ['expunge'],
  needsMailbox: true,
  sync: 'all',
  refresh: false,
  async run(core, { uids }) {
    const { selected, counters } = core;
    if (selected === undefined) return NO_MAILBOX;
    if (selected.readOnly) return done(no('Mailbox is read-only.', 'READ-ONLY'));
    let doomed = deletedUids(selected);
    if (uids !== undefined) {
      const asked = new Set(selected.uidsOf(selected.resolve(uids, 'uid') ?? []));
      doomed = doomed.filter((uid) => asked.has(uid));
    }
    if (doomed.length > 0) await selected.mailbox.expunge(doomed);
    counters.expunged += doomed.length;
    return done(ok('Expunge completed.', expungeModseq(core, doomed.length)));
  },
};

/** RFC 7162 §3.2.7: with QRESYNC the answer tells the sequence that the expunge had. */
function expungeModseq(core: SessionCore, expunged: number): string | undefined {
  if (expunged === 0 || !core.enabled.has('QRESYNC') || core.selected === undefined) return undefined;
  return `HIGHESTMODSEQ ${core.selected.mailbox.highestModseq}`;
}

export const COPY: CommandRow<'copy' | 'move'> = {
  kinds: ['copy', 'move'],
  needsMailbox: true,
  sync: 'all',
  refresh: false,
  async run(core, { kind, set, numbering, mailbox }) {
    const { selected, counters } = core;
    if (selected === undefined) return NO_MAILBOX;
    const word = kind === 'copy' ? 'Copy' : 'Move';
    if (kind === 'move' && selected.readOnly) return done(no('Mailbox is read-only.', 'READ-ONLY'));
    const ranges = selected.resolve(set, numbering);
    if (ranges === undefined)
      return done(bad(`Error in IMAP command ${word.toUpperCase()}: Invalid messageset`));
    const uids = selected.uidsOf(ranges);
    if (uids.length === 0) return done(ok('No messages found.'));
    let result: CopyResult;
    try {
      result = await selected.mailbox[kind](uids, mailbox);
    } catch (error) {
      if (error instanceof MailboxError && error.code === 'nonexistent') {
        return done(missingMailbox(core.shown(mailbox), 'TRYCREATE'));
      }
      throw error;
    }
    if (kind === 'move') counters.expunged += result.source.length;
    if (result.source.length === 0) {
      return done(no('Some of the requested messages no longer exist.', 'EXPUNGEISSUED'));
    }
    const code = `COPYUID ${result.uidValidity} ${formatNumbers(result.source)} ${formatNumbers(result.target)}`;
    if (kind === 'copy') return done(ok('Copy completed.', code));
    // RFC 6851 §4.3: before the expunges.
    core.out.text(`* OK [${code}] Moved UIDs.\r\n`);
    return done(ok('Move completed.'));
  },
};

export const NO_MAILBOX: Outcome = done(bad('No mailbox selected.'));

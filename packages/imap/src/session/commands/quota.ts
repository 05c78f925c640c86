// GETQUOTA, GETQUOTAROOT, SETQUOTA (RFC 9208). Without a quota in the store the commands are unknown.

import { MailboxError, type QuotaRoot } from '@postcote/mailbox';
import { formatString, no, ok, type Status } from '../../codec/response.ts';
import { type CommandRow, done, type SessionCore } from '../core.ts';
import { missingMailbox } from '../mailbox-errors.ts';

const ROW = { needsMailbox: false, sync: 'none', refresh: false } as const;
/** RFC 9208 §5.1: storage is told in units of 1024 octets. */
const UNIT = 1024;

export const GETQUOTAROOT: CommandRow<'getQuotaRoot'> = {
  kinds: ['getQuotaRoot'],
  ...ROW,
  async run(core, { mailbox }) {
    const { quota } = core.store;
    if (quota === undefined) return done(NO_QUOTA);
    // DOVECOT: a name that could be made has roots as well; RFC 9208 §4.1.2 wants that for APPEND with TRYCREATE.
    try {
      await core.store.status(mailbox);
    } catch (error) {
      if (!(error instanceof MailboxError)) throw error;
      if (error.code === 'badName') return done(missingMailbox(core.shown(mailbox)));
    }
    const roots = await quota.roots();
    const names = roots.map(({ name }) => ` ${formatString(octets(name))}`).join('');
    core.out.text(`* QUOTAROOT ${core.formatName(mailbox)}${names}\r\n`);
    for (const root of roots) tell(core, root);
    return done(ok('Getquotaroot completed.'));
  },
};

export const GETQUOTA: CommandRow<'getQuota'> = {
  kinds: ['getQuota'],
  ...ROW,
  async run(core, { root }) {
    const found = (await core.store.quota?.roots())?.find(({ name }) => name === root);
    if (found === undefined) return done(core.store.quota === undefined ? NO_QUOTA : NO_ROOT);
    tell(core, found);
    return done(ok('Getquota completed.'));
  },
};

export const SETQUOTA: CommandRow<'setQuota'> = {
  kinds: ['setQuota'],
  ...ROW,
  async run(core, { root }) {
    const { quota } = core.store;
    if (quota === undefined) return done(NO_QUOTA);
    const isThere = (await quota.roots()).some(({ name }) => name === root);
    return done(isThere ? no('Quota can be changed only by admin', 'NOPERM') : NO_ROOT);
  },
};

const NO_ROOT: Status = no("Quota root doesn't exist", 'NONEXISTENT');
const NO_QUOTA: Status = no('There are no quotas here.', 'CANNOT');

function tell(core: SessionCore, { name, storage, messages }: QuotaRoot): void {
  const words: string[] = [];
  if (storage !== undefined) words.push(`STORAGE ${kilobytes(storage.used)} ${kilobytes(storage.limit)}`);
  if (messages !== undefined) words.push(`MESSAGE ${Math.max(0, messages.used)} ${messages.limit}`);
  core.out.text(`* QUOTA ${formatString(octets(name))} (${words.join(' ')})\r\n`);
}

/** DOVECOT: rounded up. */
const kilobytes = (count: number): number => Math.ceil(Math.max(0, count) / UNIT);

/** One character for each octet, as the way out has it. */
const octets = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

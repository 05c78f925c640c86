// CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE.

import { MailboxError } from '@postcote/mailbox';
import { no, ok, type Status } from '../../codec/response.ts';
import { mailboxId } from '../../fetch/object-id.ts';
import { type CommandRow, done, type Outcome, type SessionCore } from '../core.ts';
import { missingMailbox } from '../mailbox-errors.ts';
import { nameProblem } from '../name-check.ts';

const ON_NAMES = { needsMailbox: false, sync: 'none', refresh: false } as const;

export const CREATE: CommandRow<'create'> = {
  kinds: ['create'],
  ...ON_NAMES,
  async run(core, { mailbox, uses }) {
    const problem = invalidName(mailbox);
    if (problem !== undefined) return problem;
    await core.store.create(mailbox, uses.length === 0 ? {} : { specialUse: uses.join(' ') });
    return done(ok('Create completed.', await createdId(core, mailbox)));
  },
};

/** RFC 8474 §4.1. */
async function createdId({ store }: SessionCore, name: string): Promise<string | undefined> {
  try {
    const mailbox = await store.open(name);
    await mailbox.close();
    return `MAILBOXID (${mailboxId(mailbox)})`;
  } catch (error) {
    if (error instanceof MailboxError) return undefined;
    throw error;
  }
}

export const DELETE: CommandRow<'delete'> = {
  kinds: ['delete'],
  ...ON_NAMES,
  async run(core, { mailbox }) {
    if (mailbox === 'INBOX') return done(no("INBOX can't be deleted"));
    if (mailbox === '') return done(no("Storage root can't be deleted", 'CANNOT'));
    return translate(
      async () => {
        // DOVECOT: the mailbox one stands in may be deleted; it is closed first.
        if (core.selected?.mailbox.name === mailbox) await core.deselect();
        await core.store.delete(mailbox);
        return ok('Delete completed.');
      },
      {
        nonexistent: missingMailbox(core.shown(mailbox), 'NONEXISTENT'),
        cannot: no('Mailbox has children, delete them first'),
      },
    );
  },
};

export const RENAME: CommandRow<'rename'> = {
  kinds: ['rename'],
  ...ON_NAMES,
  async run(core, { from, to }) {
    const { store } = core;
    if (from === 'INBOX') return done(no("Renaming INBOX isn't supported", 'CANNOT'));
    const problem = invalidName(to);
    if (problem !== undefined) return problem;
    if (to.startsWith(`${from}/`)) return done(no("Can't rename mailbox under its own child"));
    return translate(
      async () => {
        await store.rename(from, to);
        return ok('Rename completed.');
      },
      {
        nonexistent: missingMailbox(core.shown(from), 'NONEXISTENT'),
        alreadyExists: no('Target mailbox already exists', 'ALREADYEXISTS'),
      },
    );
  },
};

export const SUBSCRIBE: CommandRow<'subscribe'> = {
  kinds: ['subscribe'],
  ...ON_NAMES,
  run: (core, { mailbox }) =>
    translate(
      async () => {
        await core.store.subscribe(mailbox);
        return ok('Subscribe completed.');
      },
      { nonexistent: missingMailbox(core.shown(mailbox)), badName: missingMailbox(core.shown(mailbox)) },
    ),
};

export const UNSUBSCRIBE: CommandRow<'unsubscribe'> = {
  kinds: ['unsubscribe'],
  ...ON_NAMES,
  async run({ store }, { mailbox }) {
    await store.unsubscribe(mailbox);
    return done(ok('Unsubscribe completed.'));
  },
};

function invalidName(name: string): Outcome | undefined {
  const problem = nameProblem(name);
  return problem === undefined ? undefined : done(no(`Invalid mailbox name: ${problem}`, 'CANNOT'));
}

/** Runs, and words the storage's refusals that mean something of their own here. */
async function translate(
  work: () => Promise<Status>,
  words: Readonly<Partial<Record<MailboxError['code'], Status>>>,
): Promise<Outcome> {
  try {
    return done(await work());
  } catch (error) {
    const status = error instanceof MailboxError ? words[error.code] : undefined;
    if (status === undefined) throw error;
    return done(status);
  }
}

// What a client reads when storage refuses: one place, in Dovecot's words. The error's own message is for the log.

import type { MailboxError, MailboxErrorCode } from '@postcote/mailbox';
import { no, type Status } from '../codec/response.ts';

const WORDS: Readonly<Record<MailboxErrorCode, readonly [code: string | undefined, text: string]>> = {
  nonexistent: ['NONEXISTENT', "Mailbox doesn't exist"],
  alreadyExists: ['ALREADYEXISTS', 'Mailbox already exists'],
  badName: ['CANNOT', 'Invalid mailbox name'],
  cannot: ['CANNOT', 'Operation is not possible for this mailbox'],
  noPermission: ['NOPERM', 'Permission denied'],
  limit: ['LIMIT', 'Too many keywords in this mailbox'],
  overQuota: ['OVERQUOTA', 'Quota exceeded (mailbox for user is full)'],
  noSpace: ['OVERQUOTA', 'Not enough disk space'],
  inUse: ['INUSE', 'Timeout while waiting for lock'],
  expunged: ['EXPUNGEISSUED', 'Some of the requested messages no longer exist.'],
  unavailable: ['SERVERBUG', 'Internal error occurred. Refer to server log for more information.'],
};

export function statusOfError(error: MailboxError): Status {
  const [code, text] = WORDS[error.code];
  return no(error.said ? error.message : text, code);
}

/** For what nobody expected. */
export const INTERNAL_ERROR: Status = no(WORDS.unavailable[1], 'SERVERBUG');

/** DOVECOT: SELECT, STATUS and SUBSCRIBE name the mailbox without a code; COPY, MOVE and APPEND say TRYCREATE. */
export function missingMailbox(name: string, code?: 'TRYCREATE' | 'NONEXISTENT'): Status {
  return no(`Mailbox doesn't exist: ${name}`, code);
}

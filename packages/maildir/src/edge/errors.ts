// File system errors as the port's errors. Whatever a call below this package throws passes through here once.

import { MailboxError, type MailboxErrorCode } from '@postcote/mailbox';

const CODES: ReadonlyMap<string, MailboxErrorCode> = new Map([
  ['ENOSPC', 'noSpace'],
  ['EDQUOT', 'overQuota'],
  ['EACCES', 'noPermission'],
  ['EPERM', 'noPermission'],
  ['EROFS', 'noPermission'],
  ['ENAMETOOLONG', 'badName'],
]);

export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

export function isMissing(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

export function toMailboxError(error: unknown, what: string): MailboxError {
  if (error instanceof MailboxError) return error;
  const detail = error instanceof Error ? error.message : String(error);
  return new MailboxError(CODES.get(errorCode(error)) ?? 'unavailable', `${what}: ${detail}`, {
    cause: error,
  });
}

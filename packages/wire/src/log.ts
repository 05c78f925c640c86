// The log as every package sees it: one event, one line. Where the lines go, and how control characters are
// escaped, is decided by the composition root.

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal';

/**
 * Writes one line. `program` is the name log filters look for (`postfix/smtpd`, `imap-login`, `dovecot`…);
 * `message` is the text as Postfix or Dovecot words it; `fields` are for structured readers.
 * Never pass a password, not even inside `fields`.
 */
export type Log = (
  level: LogLevel,
  program: string,
  message: string,
  fields?: Readonly<Record<string, unknown>>,
) => void;

/** A log that keeps nothing, for tests and tools. */
export const silentLog: Log = () => {};

// main.cf → what local delivery does. Read on the privileged side; what cannot be kept is said as a problem.

import { type MailLocation, type PostfixSettings, type Problem, notice, refuse } from '@postcote/config';
import type { DeliveredHeader, ExpansionType, LocalSettings, LockStyle, MailboxPlace } from './settings.ts';

const TYPES: readonly ExpansionType[] = ['alias', 'forward', 'include'];
const STYLES: readonly LockStyle[] = ['fcntl', 'flock', 'dotlock'];
const HEADERS: readonly DeliveredHeader[] = ['command', 'file', 'forward'];

export function readLocalSettings(
  s: PostfixSettings,
  location: MailLocation,
  problems: Problem[],
): LocalSettings {
  const words = <Word extends string>(name: string, known: readonly Word[]): readonly Word[] => {
    const found = new Set<Word>();
    for (const word of s.list(name)) {
      const match = known.find((one) => one === word.toLowerCase());
      if (match !== undefined) found.add(match);
      else if (name !== 'propagate_unmatched_extensions')
        problems.push(refuse(s.originOfWord(name, word), { name, value: word, message: 'is not known' }));
    }
    return [...found];
  };
  const ms = (name: string): number => s.time(name) * 1000;
  const sizeLimit = s.int('mailbox_size_limit');
  const messageLimit = s.int('message_size_limit');
  if (sizeLimit !== 0 && (messageLimit === 0 || sizeLimit < messageLimit)) {
    const origin = s.origin('mailbox_size_limit') ??
      s.origin('message_size_limit') ?? { file: 'main.cf', line: 0 };
    const message = `is smaller than message_size_limit (${messageLimit}): larger mail for a file or an mbox comes back`;
    problems.push(notice(origin, { name: 'mailbox_size_limit', value: String(sizeLimit), message }));
  }
  return {
    forwardPath: s
      .string('forward_path')
      .split(/[\s,]+/)
      .filter((word) => word !== ''),
    forwardFilter: s.string('forward_expansion_filter'),
    recipientDelimiter: s.string('recipient_delimiter'),
    ownerRequestSpecial: s.bool('owner_request_special'),
    propagate: words('propagate_unmatched_extensions', TYPES),
    allowCommands: words('allow_mail_to_commands', TYPES),
    allowFiles: words('allow_mail_to_files', TYPES),
    lineLimit: Math.max(1, s.int('line_length_limit')),
    requireHome: s.bool('require_home_directory'),
    mailboxCommand: s.string('mailbox_command'),
    mailbox: mailboxPlace(s, location),
    strictOwner: s.bool('strict_mailbox_ownership'),
    sizeLimit,
    prepend: words('prepend_delivered_header', HEADERS),
    locks: {
      styles: words('mailbox_delivery_lock', STYLES),
      attempts: Math.max(1, s.int('deliver_lock_attempts')),
      delay: ms('deliver_lock_delay'),
      staleAfter: ms('stale_lock_time'),
    },
    command: {
      timeLimit: ms('command_time_limit'),
      shell: s.string('local_command_shell'),
      directory: s.string('command_execution_directory'),
      filter: s.string('command_expansion_filter'),
      directoryFilter: s.string('execution_directory_expansion_filter'),
      environment: exportedEnvironment(s.list('export_environment'), process.env),
      fileSizeLimit: sizeLimit,
    },
  };
}

export function readLockStyles(words: readonly string[]): readonly LockStyle[] {
  return STYLES.filter((style) => words.some((word) => word.toLowerCase() === style));
}

/** POSTFIX: without either setting it would be an mbox in /var/mail; here it is where mail is read. */
function mailboxPlace(s: PostfixSettings, location: MailLocation): MailboxPlace {
  const escape = (path: string): string => path.replaceAll('%', '%%');
  const home = s.string('home_mailbox');
  if (home !== '') return { kind: home.endsWith('/') ? 'maildir' : 'mbox', path: `~/${escape(home)}` };
  const spool = s.string('mail_spool_directory');
  if (!s.isSet('mail_spool_directory') || spool === '') return { kind: 'maildir', path: location.path };
  if (spool.endsWith('/')) return { kind: 'maildir', path: `${escape(spool)}%u/` };
  return { kind: 'mbox', path: `${escape(spool)}/%u` };
}

/** POSTFIX: `name` with its value here, or `name=value`. */
export function exportedEnvironment(
  items: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const exported: Record<string, string> = {};
  for (const item of items) {
    const text = item.replace(/^\{\s*|\s*\}$/g, '');
    const equals = text.indexOf('=');
    const name = equals === -1 ? text : text.slice(0, equals).trim();
    const value = equals === -1 ? environment[name] : text.slice(equals + 1).trim();
    if (name !== '' && value !== undefined) exported[name] = value;
  }
  return exported;
}

// What local delivery needs of main.cf, as plain values: the supervisor reads them, workers get them with their
// assignment. Names as in main.cf; times in milliseconds, sizes in octets, 0 for no limit.

export type ExpansionType = 'alias' | 'forward' | 'include';
export type LockStyle = 'fcntl' | 'flock' | 'dotlock';
export type DeliveredHeader = 'command' | 'file' | 'forward';

export interface LockSettings {
  readonly styles: readonly LockStyle[];
  readonly attempts: number;
  readonly delay: number;
  readonly staleAfter: number;
}

export interface CommandSettings {
  readonly timeLimit: number;
  /** local_command_shell; empty for /bin/sh, and none where the command needs none. */
  readonly shell: string;
  /** command_execution_directory, unexpanded; empty for `/`. */
  readonly directory: string;
  /** Characters that pass command_expansion_filter. */
  readonly filter: string;
  readonly directoryFilter: string;
  /** export_environment with its values. */
  readonly environment: Readonly<Record<string, string>>;
  /** Largest file a command may write: mailbox_size_limit. */
  readonly fileSizeLimit: number;
}

export type MailboxPlace =
  /** Templates of paths: home_mailbox or mail_spool_directory. */
  { readonly kind: 'maildir' | 'mbox'; readonly path: string };

export interface LocalSettings {
  /** Unexpanded; empty: .forward files are not looked at. */
  readonly forwardPath: readonly string[];
  readonly forwardFilter: string;
  readonly recipientDelimiter: string;
  readonly ownerRequestSpecial: boolean;
  /** propagate_unmatched_extensions, as far as it is about files. */
  readonly propagate: readonly ExpansionType[];
  readonly allowCommands: readonly ExpansionType[];
  readonly allowFiles: readonly ExpansionType[];
  readonly lineLimit: number;
  readonly requireHome: boolean;
  readonly mailboxCommand: string;
  readonly mailbox: MailboxPlace;
  readonly strictOwner: boolean;
  readonly sizeLimit: number;
  readonly prepend: readonly DeliveredHeader[];
  readonly locks: LockSettings;
  readonly command: CommandSettings;
}

/** Postfix 3.7's defaults, for what main.cf does not say and for tests. */
export const EXPANSION_FILTER = '1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

export const DEFAULT_LOCAL_SETTINGS: LocalSettings = {
  forwardPath: ['$home/.forward${recipient_delimiter}${extension}', '$home/.forward'],
  forwardFilter: EXPANSION_FILTER,
  recipientDelimiter: '',
  ownerRequestSpecial: true,
  propagate: [],
  allowCommands: ['alias', 'forward'],
  allowFiles: ['alias', 'forward'],
  lineLimit: 2048,
  requireHome: false,
  mailboxCommand: '',
  mailbox: { kind: 'maildir', path: '~/mail' },
  strictOwner: true,
  sizeLimit: 51_200_000,
  prepend: ['command', 'file', 'forward'],
  locks: { styles: ['fcntl', 'dotlock'], attempts: 20, delay: 1000, staleAfter: 500_000 },
  command: {
    timeLimit: 1_000_000,
    shell: '',
    directory: '',
    filter: EXPANSION_FILTER,
    directoryFilter: EXPANSION_FILTER,
    environment: {},
    fileSizeLimit: 51_200_000,
  },
};

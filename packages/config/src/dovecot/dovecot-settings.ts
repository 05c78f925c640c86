// dovecot.conf in any of its three dialects → one typed object. Where a file and line matters to a message, the value
// carries its origin.

import type { Origin, Problem } from '../origin.ts';
import type { MailLocation } from './mail-location.ts';
import type { DovecotTree } from './parse.ts';
import type { QuotaSettings } from './quota.ts';
import type { TextIndexSettings } from './text-index.ts';

export type DovecotDialect = '1.x' | '2.3' | '2.4';
export type MailProtocol = 'imap' | 'pop3';

export interface DovecotListener {
  readonly protocol: MailProtocol;
  /** An address, or `0.0.0.0` / `::` for every address of that family. */
  readonly address: string;
  readonly port: number;
  /** TLS from the first octet. */
  readonly implicitTls: boolean;
  readonly origin: Origin;
}

export interface CertificateFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile?: string;
  readonly keyPassword?: string;
  readonly origin: Origin;
}

export interface MailNamespace {
  readonly name: string;
  readonly type: 'private' | 'shared' | 'public';
  /** `INBOX.`, or empty. */
  readonly prefix: string;
  /** Undefined: the layout's own (`/` for LAYOUT=fs, `.` otherwise). */
  readonly separator: string | undefined;
  readonly isInbox: boolean;
  readonly isHidden: boolean;
  readonly list: 'yes' | 'no' | 'children';
  readonly subscriptions: boolean;
  /** Its own mail_location; undefined for the common one. */
  readonly location: MailLocation | undefined;
  readonly origin: Origin;
}

export interface SpecialMailbox {
  /** Without the namespace's prefix, `/` between levels as written. */
  readonly name: string;
  /** `\\Sent`, `\\Trash`, …; may be empty when only `auto` is set. */
  readonly uses: readonly string[];
  readonly auto: 'no' | 'create' | 'subscribe';
}

/** What a `protocol x { }` block may change. */
export interface ProtocolSettings {
  readonly mailMaxUseripConnections: number;
  readonly clientWorkarounds: readonly string[];
  readonly logoutFormat: string | undefined;
}

export interface Pop3Settings extends ProtocolSettings {
  readonly uidlFormat: string;
  readonly noFlagUpdates: boolean;
  readonly enableLast: boolean;
  readonly reuseXuidl: boolean;
  readonly saveUidl: boolean;
  readonly lockSession: boolean;
  readonly deletedFlag: string;
  readonly uidlDuplicates: string;
}

export interface ImapSettings extends ProtocolSettings {
  /** `imap_capability`: empty, a whole list, or words with `+`. */
  readonly capability: string;
  /** Seconds. */
  readonly idleNotifyInterval: number;
  /** Seconds of rest until sessions are put to sleep; 0: never; undefined where dovecot.conf does not say. */
  readonly hibernateTimeout: number | undefined;
  readonly maxLineLength: number;
  readonly idSend: string;
  readonly idLog: string;
}

export interface AuthSettings {
  /** Upper case: PLAIN, LOGIN. */
  readonly mechanisms: readonly string[];
  readonly usernameFormat: string;
  readonly usernameChars: string;
  /** Seconds. */
  readonly failureDelay: number;
  /** True: no plaintext password before TLS (loopback excepted). */
  readonly disablePlaintext: boolean;
  /** The PAM service; `%s` stands for the protocol's name. */
  readonly pamService: string;
  readonly passdbDrivers: readonly string[];
  readonly userdbDrivers: readonly string[];
  /** Sockets on which other programs (Postfix) ask for authentication. */
  readonly clientSockets: readonly AuthSocket[];
}

export interface AuthSocket {
  readonly path: string;
  readonly mode: number | undefined;
  readonly user: string | undefined;
  readonly group: string | undefined;
  readonly origin: Origin;
}

export interface DovecotSettings {
  readonly file: string;
  /** False when there is no dovecot.conf: nothing is served then. */
  readonly isPresent: boolean;
  readonly dialect: DovecotDialect;
  readonly protocols: ReadonlySet<MailProtocol>;
  readonly listeners: readonly DovecotListener[];
  readonly ssl: 'no' | 'yes' | 'required';
  readonly certificate: CertificateFiles | undefined;
  /** By server name (`local_name`). */
  readonly namedCertificates: ReadonlyMap<string, CertificateFiles>;
  /** `TLSv1.2` */
  readonly sslMinProtocol: string;
  readonly sslCipherList: string;
  readonly sslPreferServerCiphers: boolean;
  readonly auth: AuthSettings;
  readonly mailLocation: MailLocation;
  readonly namespaces: readonly MailNamespace[];
  readonly specialMailboxes: readonly SpecialMailbox[];
  readonly textIndex: TextIndexSettings;
  /** Undefined: there is no quota. */
  readonly quota: QuotaSettings | undefined;
  readonly firstValidUid: number;
  /** 0: no upper bound. */
  readonly lastValidUid: number;
  readonly mailPrivilegedGroup: string;
  readonly mailFsync: 'optimized' | 'always' | 'never';
  /** Seconds; 0: the default of the kind of lock. */
  readonly mailMaxLockTimeout: number;
  readonly dotlockUseExcl: boolean;
  readonly maildirCopyWithHardlinks: boolean;
  readonly maildirBrokenFilenameSizes: boolean;
  readonly maildirVeryDirtySyncs: boolean;
  readonly loginGreeting: string;
  readonly imap: ImapSettings;
  readonly pop3: Pop3Settings;
  /** Any other setting by name: of a protocol's block, else of the file, else the default. */
  setting(name: string, protocol?: MailProtocol): string | undefined;
  origin(name: string, protocol?: MailProtocol): Origin | undefined;
  readonly tree: DovecotTree;
  readonly problems: readonly Problem[];
}

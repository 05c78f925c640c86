// What a mailbox worker needs of the configuration, as one plain value that the supervisor derives and sends: a
// worker reads no configuration of its own.

import type { QuotaSettings } from '@postcote/config';
import type { Namespaces } from '@postcote/imap';
import type { PopWorkaround } from '@postcote/pop3';
import type { LocalSettings } from '../local/settings.ts';

export interface WorkerSettings {
  readonly mail: {
    /** Templates of paths, as in mail_location. */
    readonly root: string;
    readonly layout: 'fs' | 'maildir++';
    /** Mailbox name → RFC 6154 use. */
    readonly specialUse: readonly (readonly [name: string, use: string])[];
    /**
     * Where the index is kept: a template of a path (INDEX= of mail_location), `MEMORY` for nowhere, '' for the folder that
     * the supervisor makes.
     */
    readonly index: string;
    /** Octets; see `TextOptions` of the store. `maxSize` 0: none. */
    readonly texts: { readonly automatic: boolean; readonly maxMessage: number; readonly maxSize: number };
    /** Mailboxes made for everybody (DOVECOT: `auto`). */
    readonly automatic: readonly { readonly name: string; readonly subscribe: boolean }[];
    /** Absent: there is no quota. */
    readonly quota?: QuotaSettings;
    /** Milliseconds to wait for another program's lock; 0 for the default. */
    readonly lockTimeout: number;
  };
  /** Where local mail goes, and what .forward files and aliases may do. */
  readonly local: LocalSettings;
  readonly imap: {
    /** Prefix and separator of mailbox names. */
    readonly namespace: Namespaces;
    /** Milliseconds (DOVECOT: imap_idle_notify_interval). */
    readonly idleNotifyInterval: number;
    /** Milliseconds of rest until a user's sessions are put to sleep; 0: never (DOVECOT: imap_hibernate_timeout). */
    readonly hibernateTimeout: number;
    readonly maxLineLength: number;
    /** DOVECOT: imap_capability, imap_id_send, imap_id_log, imap_client_workarounds, imap_logout_format. */
    readonly capability: string;
    readonly idSend: string;
    readonly idLog: string;
    readonly clientWorkarounds: readonly string[];
    readonly logoutFormat?: string;
    readonly maxUserIpConnections: number;
  };
  readonly pop3: {
    readonly uidlFormat: string;
    readonly noFlagUpdates: boolean;
    readonly enableLast: boolean;
    readonly reuseXuidl: boolean;
    readonly renameDuplicates: boolean;
    /** Empty: none. */
    readonly deletedFlag: string;
    readonly clientWorkarounds: readonly PopWorkaround[];
    readonly lockSession: boolean;
    readonly maxUserIpConnections: number;
  };
}

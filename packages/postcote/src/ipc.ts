// What our processes tell one another over the channel between parent and child. Control only; mail travels over
// sockets. Every message is a plain value with a `type`; sockets ride along as handles.

import type { MailPolicy } from '@postcote/auth';
import type { LoginRequest } from '@postcote/wire';
import type { IndexAction } from './control/index-inquiry.ts';
import type { DeliveryTask } from './local/delivery-task.ts';
import type { WorkerSettings } from './worker/settings.ts';

/** Where the configuration and the data are; the same for all processes of one server. */
export interface ServerPaths {
  readonly postfixDirectory: string;
  readonly dovecotConf: string;
  readonly dataDirectory: string;
  /** Development only: accounts from a file in place of PAM and the system's users. */
  readonly usersFile?: string;
}

/** An account as the privileged side resolved it. */
export interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  readonly shell?: string;
  /** Only runs what aliases and master.cf name: no mailbox, and no groups but its own. */
  readonly commandsOnly?: true;
}

/** A bound socket that a child finds among its descriptors. */
export interface PassedListener {
  readonly fd: number;
  readonly protocol: 'smtp' | 'imap' | 'pop3';
  readonly implicitTls: boolean;
  /** Which of the configuration's listeners this is: `smtp inet`, `imaps`, for the log and the settings. */
  readonly service: string;
  readonly address: string;
  readonly port: number;
}

export interface TlsFiles {
  readonly certificate: string;
  readonly key: string;
  /** For the log when the pair is refused. */
  readonly source: string;
  /** Pairs for clients that ask for these names (SNI). DOVECOT: local_name. */
  readonly named?: readonly (readonly [name: string, files: TlsFiles])[];
}

/** Tables that only root may read (passwords for other servers), as text by their paths. */
export type SecretTables = readonly (readonly [path: string, text: string])[];

export type SupervisorToFront =
  | {
      readonly type: 'start';
      readonly paths: ServerPaths;
      readonly listeners: readonly PassedListener[];
      readonly smtpTls?: TlsFiles;
      readonly mailboxTls?: TlsFiles;
      readonly secretTables: SecretTables;
      readonly authSocket: string;
      readonly deliverSocket: string;
      readonly queueDirectory: string;
      /** Where commands ask, and where `sendmail` leaves mail. */
      readonly control: {
        readonly adminFd: number;
        readonly publicFd: number;
        readonly maildrop: string;
      };
      /** Development: who has mail, in place of the system's accounts. */
      readonly userNames?: readonly string[];
      /** What to become before the first connection; absent when there are no privileges to give up. */
      readonly identity?: { readonly name: string; readonly uid: number; readonly gid: number };
    }
  | {
      readonly type: 'reload';
      readonly smtpTls?: TlsFiles;
      readonly mailboxTls?: TlsFiles;
      readonly secretTables: SecretTables;
    }
  | { readonly type: 'shutDown' };

export type FrontToSupervisor =
  | { readonly type: 'ready' }
  | { readonly type: 'failed'; readonly message: string }
  | { readonly type: 'reloaded' };

/** What dovecot.conf says of accounts and passwords. */
export interface AuthSettings {
  readonly policy: MailPolicy;
  readonly usernameFormat: string;
  /** Milliseconds (DOVECOT: auth_failure_delay). */
  readonly failureDelay: number;
  /** The PAM service that `passdb { driver = pam }` names, when it names one. */
  readonly pamService?: string;
}

export type SupervisorToAuthenticator =
  | {
      readonly type: 'start';
      readonly paths: ServerPaths;
      readonly listenerFd: number;
      /** A users file may serve under root only then. */
      readonly loopbackOnly: boolean;
      readonly auth: AuthSettings;
    }
  /** Who may have mail and how names are written; delays and the PAM service stay until the next start. */
  | { readonly type: 'reload'; readonly auth: AuthSettings }
  | { readonly type: 'shutDown' };

/** With the connection to hand on as the message's handle. */
export interface GrantMessage {
  readonly type: 'grant';
  readonly account: Account;
  readonly request: Omit<LoginRequest, 'password'>;
  readonly handOff: unknown;
}

export type AuthenticatorToSupervisor =
  | { readonly type: 'ready' }
  /** It cannot work at all: no PAM service, no compiled binding. */
  | { readonly type: 'failed'; readonly message: string }
  | GrantMessage;

export type SupervisorToWorker =
  | {
      readonly type: 'assign';
      readonly account: Account;
      readonly changeIdentity: boolean;
      readonly settings: WorkerSettings;
      /** A folder of that user's for the index, unless the settings have one; absent where it could not be made. */
      readonly indexFolder?: string;
    }
  | {
      readonly type: 'connection';
      readonly kind: 'imap' | 'pop3';
      readonly handOff: unknown;
      readonly remoteAddress: string;
    }
  | { readonly type: 'connection'; readonly kind: 'deliver'; readonly task: DeliveryTask }
  | { readonly type: 'connection'; readonly kind: 'index'; readonly action: IndexAction }
  /** A sleeping session comes back, with what its client has said meanwhile. */
  | {
      readonly type: 'connection';
      readonly kind: 'wake';
      readonly session: SleepingSession;
      readonly said: string;
    }
  | { readonly type: 'ping' }
  | { readonly type: 'leave' }
  /** Say goodbye to the clients; mail may still come in. */
  | { readonly type: 'endSessions' }
  | { readonly type: 'shutDown' };

/**
 * An IMAP session without its worker: what the worker said of it, given back as it is when the session wakes. Its
 * connection rides along.
 */
export interface SleepingSession {
  /** The session's own word; the keeper does not look into it. */
  readonly state: unknown;
  readonly remoteAddress: string;
  /** What the client said in the last moment, as base64. */
  readonly said: string;
  /** The client idles: it is told of changes in these directories since they had these signatures, and now and then that we are still there. */
  readonly idling: boolean;
  readonly watched: readonly (readonly [path: string, signature: string])[];
  /** Milliseconds between keepalives while idling; 0: none. */
  readonly keepalive: number;
  /** `<pid><session>: words`, for the log, should the client leave. */
  readonly closedLine: string;
}

export type WorkerToSupervisor =
  | { readonly type: 'asleep'; readonly session: SleepingSession }
  | { readonly type: 'started' }
  | { readonly type: 'pong' }
  /** Nothing to do since the `connections`th connection was handed over: may leave. */
  | { readonly type: 'idle'; readonly connections: number };

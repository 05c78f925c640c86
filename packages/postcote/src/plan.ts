// From the configuration files to what the server does: one plain value for the supervisor, and the refusals and
// notices an administrator must read. Reads files with the caller's rights, keys included.

import { insideName, readNamespaces } from './worker/namespaces.ts';
import type { Namespaces } from '@postcote/imap';
import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { DEFAULT_MAIL_POLICY, type MailPolicy, parseUserNameFormat } from '@postcote/auth';
import {
  type CertificateFiles,
  type DovecotSettings,
  type MailLocation,
  type PostfixSettings,
  type Problem,
  type TableSpec,
  formatOrigin,
  formatProblem,
  notice,
  parseTableSpec,
  refuse,
} from '@postcote/config';
import { type LoadedConfiguration, loadConfiguration } from '@postcote/config/edge';
import { POP_WORKAROUNDS, type PopWorkaround, parseUidlFormat } from '@postcote/pop3';
import { SUPPORTED_RESTRICTIONS } from '@postcote/smtp';
import { silentLog } from '@postcote/wire';
import { parsePipeService } from './local/pipe-service.ts';
import { readLocalSettings } from './local/read-settings.ts';
import { filterProblems } from './front/filters/filter-settings.ts';
import type { AuthSettings, PassedListener, SecretTables, ServerPaths, TlsFiles } from './ipc.ts';
import type { WorkerSettings } from './worker/settings.ts';

export interface ServerPlan {
  readonly listeners: readonly Omit<PassedListener, 'fd'>[];
  readonly smtpTls?: TlsFiles;
  readonly mailboxTls?: TlsFiles;
  readonly secretTables: SecretTables;
  readonly mailPolicy: MailPolicy;
  readonly auth: AuthSettings;
  readonly worker: WorkerSettings;
  readonly mailOwner: string;
  readonly maxWorkers: number;
  /** For what is looked up at each delivery: aliases, master.cf, virtual mailboxes. */
  readonly configuration: LoadedConfiguration;
  /** Lines for the log: what is not honoured. */
  readonly notices: readonly string[];
}

/** `smtp [::]:25, imaps 127.0.0.1:993`, for people. */
export function formatListeners(listeners: ServerPlan['listeners']): string {
  return listeners
    .map(({ protocol, service, address, port }) => {
      // A row of master.cf may be named by its address and port alone.
      const name = service.includes(':') || service === String(port) ? protocol : service;
      return `${name} ${address.includes(':') ? `[${address}]` : address}:${port}`;
    })
    .join(', ');
}

/** The server must not start: what decides who may send or read is not understood. One line a reason. */
export class RefusedConfiguration extends Error {
  override readonly name = 'RefusedConfiguration';
  readonly lines: readonly string[];
  constructor(lines: readonly string[]) {
    super(lines.join('\n'));
    this.lines = lines;
  }
}

/** Throws `RefusedConfiguration`. */
export async function planServer(paths: ServerPaths): Promise<ServerPlan> {
  const configuration = loadConfiguration({
    postfixDirectory: paths.postfixDirectory,
    dovecotConf: paths.dovecotConf,
    supportedRestrictions: SUPPORTED_RESTRICTIONS,
    // What is wrong comes back as problems; only later edits of tables would be logged.
    log: silentLog,
  });
  const { postfix, dovecot } = configuration;
  const problems: Problem[] = [...configuration.problems];
  const smtpTls = readSmtpTls(postfix, problems);
  const mailboxTls = readMailboxTls(dovecot, problems);
  const listeners = planListeners(configuration, { smtp: smtpTls, mailbox: mailboxTls }, problems);
  checkPipes(configuration, problems);
  const worker = planWorker(postfix, dovecot, problems);
  planFilters(configuration, problems);
  const auth = planAuth(dovecot, problems);
  if (listeners.length === 0)
    problems.push(
      refuse(
        { file: paths.postfixDirectory, line: 0 },
        {
          name: '',
          message: `nothing to serve: no smtpd in master.cf and no protocol in ${paths.dovecotConf}`,
        },
      ),
    );
  const refusals = problems.filter(({ severity }) => severity === 'refuse');
  if (refusals.length > 0) throw new RefusedConfiguration(refusals.map(formatProblem));
  return {
    listeners,
    ...(smtpTls === undefined ? {} : { smtpTls }),
    ...(mailboxTls === undefined ? {} : { mailboxTls }),
    secretTables: readSecretTables(configuration),
    mailPolicy: auth.policy,
    auth,
    worker,
    mailOwner: postfix.string('mail_owner'),
    maxWorkers: Math.max(1, postfix.int('default_process_limit')),
    configuration,
    notices: problems.map(formatProblem),
  };
}

/** Rows of pipe(8) that cannot be run are said at start, not when their first mail waits. */
function checkPipes({ master }: LoadedConfiguration, problems: Problem[]): void {
  for (const { name, type, command, arguments: words, origin } of master?.services ?? []) {
    if (type !== 'unix' || command !== 'pipe') continue;
    const parsed = parsePipeService(name, words);
    if (typeof parsed === 'string')
      problems.push(notice(origin, { name, message: `mail for this pipe service will wait: ${parsed}` }));
  }
}

/**
 * What the sending side needs and only root may read as a rule: passwords for other servers, and our key as a client.
 * Read here, so that the front need not be able to.
 */
function readSecretTables({ postfix, master }: LoadedConfiguration): SecretTables {
  const services = (master?.services ?? []).filter(({ type }) => type === 'unix');
  const all = [postfix, ...services.map(({ overrides, name }) => postfix.withOverrides(overrides, name))];
  const paths = new Set<string>();
  for (const settings of all) {
    for (const protocol of ['smtp', 'lmtp']) {
      for (const spec of settings.list(`${protocol}_sasl_password_maps`)) {
        const parsed: TableSpec | string = parseTableSpec(spec);
        if (typeof parsed !== 'string' && parsed.kind === 'file') paths.add(parsed.path);
      }
      const keys = [
        settings.string(`${protocol}_tls_key_file`),
        settings.string(`${protocol}_tls_eckey_file`),
        ...settings.list(`${protocol}_tls_chain_files`),
      ];
      for (const key of keys) if (key !== '' && key !== 'none') paths.add(key);
    }
  }
  return [...paths].flatMap((path) => {
    try {
      return [[path, readFileSync(path, 'utf8')] as const];
    } catch {
      // Whoever opens it says why it cannot be read.
      return [];
    }
  });
}

function planListeners(
  { listeners, dovecot }: LoadedConfiguration,
  tls: { readonly smtp: TlsFiles | undefined; readonly mailbox: TlsFiles | undefined },
  problems: Problem[],
): Omit<PassedListener, 'fd'>[] {
  const planned: Omit<PassedListener, 'fd'>[] = [];
  for (const { service, address, port, implicitTls, origin } of listeners) {
    if (implicitTls && tls.smtp === undefined)
      problems.push(
        refuse(origin, {
          name: service,
          message: 'TLS from the first octet needs smtpd_tls_cert_file and smtpd_tls_key_file in main.cf',
        }),
      );
    planned.push({ protocol: 'smtp', service, address, port, implicitTls });
  }
  for (const { protocol, address, port, implicitTls, origin } of dovecot.listeners) {
    if (implicitTls && tls.mailbox === undefined)
      problems.push(
        refuse(origin, {
          name: `${protocol}s`,
          message: 'needs a certificate: ssl_cert and ssl_key are not set',
        }),
      );
    planned.push({ protocol, service: implicitTls ? `${protocol}s` : protocol, address, port, implicitTls });
  }
  return planned;
}

/** A filter that is not asked as its author meant lets mail in that should not come in. */
function planFilters({ postfix, listeners }: LoadedConfiguration, problems: Problem[]): void {
  const told = new Set<string>();
  for (const settings of [postfix, ...listeners.map((listener) => listener.settings)]) {
    for (const { name, message } of filterProblems(settings)) {
      if (told.has(message)) continue;
      told.add(message);
      problems.push(refuse(settings.origin(name) ?? { file: 'main.cf', line: 0 }, { name, message }));
    }
  }
}

function readSmtpTls(postfix: PostfixSettings, problems: Problem[]): TlsFiles | undefined {
  const certFile = postfix.string('smtpd_tls_cert_file');
  const keyFile = postfix.string('smtpd_tls_key_file') || certFile;
  // POSTFIX: `none` says that there is no certificate, on purpose.
  if (certFile === '' || certFile === 'none') return undefined;
  const origin = postfix.origin('smtpd_tls_cert_file') ?? { file: 'main.cf', line: 0 };
  return readPair({ certFile, keyFile, origin, name: 'smtpd_tls_cert_file' }, problems);
}

function readMailboxTls(dovecot: DovecotSettings, problems: Problem[]): TlsFiles | undefined {
  const files = dovecot.certificate;
  if (files === undefined || dovecot.ssl === 'no') return undefined;
  const pair = readDovecotPair(files, problems);
  if (pair === undefined) return undefined;
  const named = [...dovecot.namedCertificates].flatMap(([name, namedFiles]) => {
    const namedPair = readDovecotPair(namedFiles, problems);
    return namedPair === undefined ? [] : [[name, namedPair] as const];
  });
  return named.length === 0 ? pair : { ...pair, named };
}

function readDovecotPair(files: CertificateFiles, problems: Problem[]): TlsFiles | undefined {
  if (files.keyPassword !== undefined)
    problems.push(
      refuse(files.origin, {
        name: 'ssl_key_password',
        message: 'keys with a password are not supported: store the key without one',
      }),
    );
  return readPair({ ...files, name: 'ssl_cert' }, problems);
}

function readPair(
  files: {
    readonly certFile: string;
    readonly keyFile: string;
    readonly origin: { readonly file: string; readonly line: number };
    readonly name: string;
  },
  problems: Problem[],
): TlsFiles | undefined {
  const { certFile, keyFile, origin, name } = files;
  const read = (path: string): string => {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      const reason = error instanceof Error && 'code' in error ? String(error.code) : String(error);
      problems.push(
        refuse(origin, {
          name,
          value: path,
          message: `${reason === 'ENOENT' ? 'there is no such file' : `cannot be read (${reason})`}; postcote init makes a self-signed pair`,
        }),
      );
      return '';
    }
  };
  const certificate = read(certFile);
  const key = read(keyFile);
  if (certificate === '' || key === '') return undefined;
  const fault = faultOfPair(certificate, key);
  if (fault !== undefined) {
    problems.push(refuse(origin, { name, value: certFile, message: `${fault} (key: ${keyFile})` }));
    return undefined;
  }
  return { certificate, key, source: `${formatOrigin(origin)}: ${certFile}` };
}

/** What keeps the two from being used; looked at here so that a bad edit leaves the pair of before in force. */
function faultOfPair(certificate: string, key: string): string | undefined {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))
      ? undefined
      : 'the key does not belong to the certificate';
  } catch (error) {
    return `is not usable: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function planAuth(dovecot: DovecotSettings, problems: Problem[]): AuthSettings {
  const { auth } = dovecot;
  if (parseUserNameFormat(auth.usernameFormat) === undefined)
    problems.push(
      refuse(dovecot.origin('auth_username_format') ?? { file: dovecot.file, line: 0 }, {
        name: 'auth_username_format',
        value: auth.usernameFormat,
        message: 'is not understood; %u, %n, %d with L and U are',
      }),
    );
  return {
    policy: {
      ...DEFAULT_MAIL_POLICY,
      firstValidUid: dovecot.firstValidUid,
      lastValidUid: dovecot.lastValidUid,
    },
    usernameFormat: auth.usernameFormat,
    failureDelay: auth.failureDelay * 1000,
    // `%s` stands for the protocol; the authenticator then looks for the usual names.
    ...(auth.pamService === '' || auth.pamService.includes('%') ? {} : { pamService: auth.pamService }),
  };
}

function planWorker(postfix: PostfixSettings, dovecot: DovecotSettings, problems: Problem[]): WorkerSettings {
  const { mailLocation, imap, pop3 } = dovecot;
  const namespace = readNamespaces(dovecot, problems);
  const format = parseUidlFormat(pop3.uidlFormat);
  if (format.kind === 'invalid')
    problems.push(
      refuse(dovecot.origin('pop3_uidl_format', 'pop3') ?? { file: dovecot.file, line: 0 }, {
        name: 'pop3_uidl_format',
        value: pop3.uidlFormat,
        message: `${format.message}; with other UIDLs every client would download everything again`,
      }),
    );
  return {
    mail: {
      root: mailLocation.path,
      layout: layoutOf(mailLocation, dovecot, problems),
      specialUse: specialUseOf(dovecot, namespace),
      automatic: dovecot.specialMailboxes.flatMap(({ name, auto }) =>
        auto === 'no' ? [] : [{ name: insideName(name, namespace), subscribe: auto === 'subscribe' }],
      ),
      index: mailLocation.indexPath ?? '',
      texts: dovecot.textIndex,
      ...(dovecot.quota === undefined ? {} : { quota: dovecot.quota }),
      lockTimeout: dovecot.mailMaxLockTimeout * 1000,
    },
    local: readLocalSettings(postfix, mailLocation, problems),
    imap: {
      namespace,
      idleNotifyInterval: imap.idleNotifyInterval * 1000,
      hibernateTimeout: (imap.hibernateTimeout ?? DEFAULT_HIBERNATE_TIMEOUT) * 1000,
      maxLineLength: imap.maxLineLength,
      capability: imap.capability,
      idSend: imap.idSend,
      idLog: imap.idLog,
      clientWorkarounds: imap.clientWorkarounds,
      ...(imap.logoutFormat === undefined ? {} : { logoutFormat: imap.logoutFormat }),
      maxUserIpConnections: imap.mailMaxUseripConnections,
    },
    pop3: {
      uidlFormat: pop3.uidlFormat,
      noFlagUpdates: pop3.noFlagUpdates,
      enableLast: pop3.enableLast,
      reuseXuidl: pop3.reuseXuidl,
      renameDuplicates: pop3.uidlDuplicates === 'rename',
      deletedFlag: pop3.deletedFlag,
      clientWorkarounds: pop3.clientWorkarounds.filter((word): word is PopWorkaround =>
        POP_WORKAROUNDS.has(word),
      ),
      lockSession: pop3.lockSession,
      maxUserIpConnections: pop3.mailMaxUseripConnections,
    },
  };
}

/** Seconds. DOVECOT: its default is not to; there a process costs a few megabytes, here a worker is a runtime. */
const DEFAULT_HIBERNATE_TIMEOUT = 30;

/** As Debian's 15-mailboxes.conf has them, and one for archives: where dovecot.conf names no use of any mailbox. */
const USUAL_MAILBOXES: readonly (readonly [name: string, use: string])[] = [
  ['Drafts', '\\Drafts'],
  ['Junk', '\\Junk'],
  ['Trash', '\\Trash'],
  ['Sent', '\\Sent'],
  ['Sent Messages', '\\Sent'],
  ['Archive', '\\Archive'],
];

function specialUseOf(
  { specialMailboxes }: DovecotSettings,
  namespace: Namespaces,
): WorkerSettings['mail']['specialUse'] {
  const named = specialMailboxes.flatMap(({ name, uses }) =>
    uses.length === 0 ? [] : [[insideName(name, namespace), uses.join(' ')] as const],
  );
  return named.length === 0 ? USUAL_MAILBOXES : named;
}

function layoutOf(
  location: MailLocation,
  dovecot: DovecotSettings,
  problems: Problem[],
): WorkerSettings['mail']['layout'] {
  if (location.layout !== 'index') return location.layout;
  problems.push(
    refuse(dovecot.origin('mail_location') ?? { file: dovecot.file, line: 0 }, {
      name: 'LAYOUT',
      value: 'index',
      message: 'is not supported; fs and maildir++ are',
    }),
  );
  return 'fs';
}

// Reads dovecot.conf through the `System` port and settles everything the server asks for. What is not honoured is
// said by `report.ts`, from the same tree.

import { notice, refuse, type Origin, type Problem } from '../origin.ts';
import type { System } from '../system.ts';
import { readAuthentication } from './authentication.ts';
import { readCertificate, readNamedCertificates } from './certificates.ts';
import { dovecotDefault } from './defaults.ts';
import type {
  DovecotSettings,
  ImapSettings,
  MailProtocol,
  Pop3Settings,
  ProtocolSettings,
} from './dovecot-settings.ts';
import { planDovecot } from './listeners.ts';
import { readMailboxes } from './mailboxes.ts';
import { isYes, normaliseDovecot, type Normalised } from './normalise.ts';
import { parseDovecot, readValues, sectionsOf, type DovecotNode, type DovecotSetting } from './parse.ts';
import { readQuota } from './quota.ts';
import { readTextIndex } from './text-index.ts';
import { parseDovecotSize, parseDovecotTime, splitWords } from './values.ts';

export function readDovecot(file: string, system: System): DovecotSettings {
  const read = system.readFile(file);
  const text = read.kind === 'text' ? read.text : undefined;
  const tree = parseDovecot(file, text ?? '', system);
  const problems: Problem[] = [...tree.problems];
  const nowhere = { file, line: 0 };
  if (read.kind === 'missing') {
    problems.push(
      notice(nowhere, { name: '', message: 'there is no dovecot.conf here; IMAP and POP3 are not served' }),
    );
  } else if (read.kind === 'unreadable') {
    problems.push(refuse(nowhere, { name: '', message: `it cannot be read: ${read.reason}` }));
  }
  const normalised = normaliseDovecot(tree.nodes);
  const scopes = makeScopes(normalised);
  const value = (name: string, protocol?: MailProtocol): string => scopes.setting(name, protocol) ?? '';

  const ssl = readSslMode(scopes, problems);
  const isPresent = text !== undefined;
  const plan = planDovecot({ ...normalised, hasTls: ssl !== 'no', file, system });
  const mailboxes = readMailboxes({ ...normalised, file });
  const authentication = readAuthentication({ nodes: normalised.nodes, read: (name) => value(name), file });
  const certificate = readCertificate(normalised.nodes);
  const textIndex = readTextIndex(normalised.nodes);
  const quota = readQuota({ ...normalised, setting: scopes.setting });
  const isServed = isPresent && plan.listeners.length > 0;
  if (isServed && ssl !== 'no' && certificate === undefined) {
    const message = 'ssl is on but no certificate is named; set ssl_cert and ssl_key, or ssl = no';
    problems.push(refuse(scopes.origin('ssl') ?? nowhere, { name: 'ssl_cert', message }));
  }
  if (isPresent) problems.push(...plan.problems, ...mailboxes.problems, ...authentication.problems);
  problems.push(...textIndex.problems, ...quota.problems);

  return {
    file,
    isPresent,
    dialect: normalised.dialect,
    protocols: isPresent ? plan.protocols : new Set(),
    listeners: isPresent ? plan.listeners : [],
    ssl,
    certificate,
    namedCertificates: readNamedCertificates(normalised.nodes),
    sslMinProtocol: value('ssl_min_protocol'),
    sslCipherList: value('ssl_cipher_list'),
    sslPreferServerCiphers: isYes(value('ssl_prefer_server_ciphers')),
    auth: authentication.auth,
    mailLocation: mailboxes.location,
    namespaces: mailboxes.namespaces,
    specialMailboxes: mailboxes.special,
    textIndex: textIndex.settings,
    quota: quota.settings,
    firstValidUid: numberOf(value('first_valid_uid'), 500),
    lastValidUid: numberOf(value('last_valid_uid'), 0),
    mailPrivilegedGroup: value('mail_privileged_group'),
    mailFsync: fsyncOf(value('mail_fsync')),
    mailMaxLockTimeout: parseDovecotTime(value('mail_max_lock_timeout')) ?? 0,
    dotlockUseExcl: isYes(value('dotlock_use_excl')),
    maildirCopyWithHardlinks: isYes(value('maildir_copy_with_hardlinks')),
    maildirBrokenFilenameSizes: isYes(value('maildir_broken_filename_sizes')),
    maildirVeryDirtySyncs: isYes(value('maildir_very_dirty_syncs')),
    loginGreeting: value('login_greeting'),
    imap: readImap(value, scopes.origin('imap_hibernate_timeout', 'imap') !== undefined),
    pop3: readPop3(value),
    setting: scopes.setting,
    origin: scopes.origin,
    tree: { nodes: normalised.nodes, problems: tree.problems },
    problems,
  };
}

interface Scopes {
  setting(name: string, protocol?: MailProtocol): string | undefined;
  origin(name: string, protocol?: MailProtocol): Origin | undefined;
}

function makeScopes({ nodes, dialect }: Normalised): Scopes {
  const root = readValues(nodes);
  const scopes = new Map<MailProtocol, Map<string, DovecotSetting>>(
    (['imap', 'pop3'] as const).map((protocol) => [protocol, readValues(protocolNodes(nodes, protocol))]),
  );
  const find = (name: string, protocol?: MailProtocol): DovecotSetting | undefined =>
    (protocol === undefined ? undefined : scopes.get(protocol)?.get(name)) ?? root.get(name);
  return {
    setting: (name, protocol) => find(name, protocol)?.value ?? dovecotDefault(name, dialect),
    origin: (name, protocol) => find(name, protocol)?.origin,
  };
}

// DOVECOT: `protocol imap`, `protocol imap pop3` and `protocol !lmtp` all apply.
function protocolNodes(nodes: readonly DovecotNode[], protocol: MailProtocol): DovecotNode[] {
  return sectionsOf(nodes, 'protocol')
    .filter(({ label }) => {
      const words = splitWords(label);
      return words.includes(protocol) || (label.startsWith('!') && !words.includes(`!${protocol}`));
    })
    .flatMap(({ children }) => children);
}

function readSslMode(scopes: Scopes, problems: Problem[]): DovecotSettings['ssl'] {
  const text = (scopes.setting('ssl') ?? 'yes').toLowerCase();
  if (text === 'required') return 'required';
  if (text === 'yes' || text === 'y' || text === '1') return 'yes';
  if (text === 'no' || text === 'n' || text === '0') return 'no';
  const origin = scopes.origin('ssl');
  const message = 'this is none of no, yes and required';
  if (origin !== undefined) problems.push(refuse(origin, { name: 'ssl', value: text, message }));
  return 'required';
}

type Value = (name: string, protocol?: MailProtocol) => string;

function readProtocol(protocol: MailProtocol, value: Value): ProtocolSettings {
  const logoutFormat = value(`${protocol}_logout_format`, protocol);
  return {
    mailMaxUseripConnections: numberOf(value('mail_max_userip_connections', protocol), 10),
    clientWorkarounds: splitWords(value(`${protocol}_client_workarounds`, protocol)),
    logoutFormat: logoutFormat === '' ? undefined : logoutFormat,
  };
}

function readImap(value: Value, saysHibernate: boolean): ImapSettings {
  return {
    ...readProtocol('imap', value),
    capability: value('imap_capability', 'imap'),
    idleNotifyInterval: parseDovecotTime(value('imap_idle_notify_interval', 'imap')) ?? 120,
    maxLineLength: parseDovecotSize(value('imap_max_line_length', 'imap')) ?? 65_536,
    hibernateTimeout: saysHibernate
      ? (parseDovecotTime(value('imap_hibernate_timeout', 'imap')) ?? undefined)
      : undefined,
    idSend: value('imap_id_send', 'imap'),
    idLog: value('imap_id_log', 'imap'),
  };
}

function readPop3(value: Value): Pop3Settings {
  return {
    ...readProtocol('pop3', value),
    uidlFormat: value('pop3_uidl_format', 'pop3'),
    noFlagUpdates: isYes(value('pop3_no_flag_updates', 'pop3')),
    enableLast: isYes(value('pop3_enable_last', 'pop3')),
    reuseXuidl: isYes(value('pop3_reuse_xuidl', 'pop3')),
    saveUidl: isYes(value('pop3_save_uidl', 'pop3')),
    lockSession: isYes(value('pop3_lock_session', 'pop3')),
    deletedFlag: value('pop3_deleted_flag', 'pop3'),
    uidlDuplicates: value('pop3_uidl_duplicates', 'pop3'),
  };
}

function numberOf(text: string, standIn: number): number {
  return /^\d{1,10}$/.test(text) ? Number(text) : standIn;
}

function fsyncOf(text: string): DovecotSettings['mailFsync'] {
  return text === 'always' || text === 'never' ? text : 'optimized';
}

// The 1.x and 2.4 dialects in the words of 2.3, so that one reader serves all three. Names are translated, never
// dropped: what cannot be translated stays and is reported as not honoured.

import { readValues, type DovecotNode, type DovecotSection, type DovecotSetting } from './parse.ts';
import type { DovecotDialect } from './dovecot-settings.ts';

export interface Normalised {
  readonly dialect: DovecotDialect;
  readonly nodes: readonly DovecotNode[];
}

export function normaliseDovecot(nodes: readonly DovecotNode[]): Normalised {
  const dialect = detectDialect(nodes);
  return { dialect, nodes: nodes.flatMap((node) => translate(node, dialect)) };
}

const OLD_NAMES: ReadonlySet<string> = new Set([
  'auth_process_size',
  'default_mail_env',
  'login_max_processes_count',
  'login_processes_count',
  'login_user',
  'mail_extra_groups',
  'ssl_ca_file',
  'ssl_cert_file',
  'ssl_disable',
  'ssl_key_file',
  'ssl_listen',
  'ssl_parameters_regenerate',
]);

const NEW_NAMES: ReadonlySet<string> = new Set([
  'auth_allow_cleartext',
  'dovecot_config_version',
  'dovecot_storage_version',
  'mail_driver',
  'mail_inbox_path',
  'mail_path',
  'mailbox_list_layout',
  'ssl_server_cert_file',
  'ssl_server_key_file',
]);

function detectDialect(nodes: readonly DovecotNode[]): DovecotDialect {
  let isOld = false;
  for (const node of nodes) {
    if (node.kind === 'setting') {
      if (NEW_NAMES.has(node.name)) return '2.4';
      isOld ||= OLD_NAMES.has(node.name);
      isOld ||= node.name === 'protocols' && /\b(imaps|pop3s)\b/.test(node.value);
    } else if (node.name === 'auth' && node.label !== '') {
      isOld = true;
    } else if (node.name === 'protocol') {
      isOld ||= node.children.some(({ name }) => name === 'listen' || name === 'ssl_listen');
    }
  }
  return isOld ? '1.x' : '2.3';
}

/** Renamed and otherwise unchanged; `file` marks values that became `<file`. */
const RENAMED: ReadonlyMap<string, { readonly name: string; readonly isFile?: boolean }> = new Map([
  ['default_mail_env', { name: 'mail_location' }],
  ['ssl_ca_file', { name: 'ssl_ca', isFile: true }],
  ['ssl_cert_file', { name: 'ssl_cert', isFile: true }],
  ['ssl_key_file', { name: 'ssl_key', isFile: true }],
  ['ssl_server_ca_file', { name: 'ssl_ca', isFile: true }],
  ['ssl_server_cert_file', { name: 'ssl_cert', isFile: true }],
  ['ssl_server_key_file', { name: 'ssl_key', isFile: true }],
  ['ssl_server_key_password', { name: 'ssl_key_password' }],
  ['ssl_server_prefer_ciphers', { name: 'ssl_server_prefer_ciphers' }],
  ['managesieve', { name: 'sieve' }],
]);

/** 2.4's lists may be written as sections: `protocols { imap = yes }`. */
const LIST_SECTIONS: ReadonlySet<string> = new Set([
  'auth_mechanisms',
  'imap_client_workarounds',
  'login_trusted_networks',
  'mail_plugins',
  'pop3_client_workarounds',
  'protocols',
]);

function translate(node: DovecotNode, dialect: DovecotDialect): DovecotNode[] {
  return node.kind === 'setting' ? translateSetting(node) : translateSection(node, dialect);
}

function translateSetting(node: DovecotSetting): DovecotNode[] {
  switch (node.name) {
    case 'ssl_disable':
      return isYes(node.value) ? [{ ...node, name: 'ssl', value: 'no' }] : [];
    case 'auth_allow_cleartext':
      return [{ ...node, name: 'disable_plaintext_auth', value: isYes(node.value) ? 'no' : 'yes' }];
    case 'ssl_server_prefer_ciphers':
      return [{ ...node, name: 'ssl_prefer_server_ciphers', value: node.value === 'server' ? 'yes' : 'no' }];
    default: {
      const renamed = RENAMED.get(node.name);
      if (renamed === undefined) return [node];
      return [{ ...node, name: renamed.name, isFile: renamed.isFile ?? node.isFile }];
    }
  }
}

function translateSection(node: DovecotSection, dialect: DovecotDialect): DovecotNode[] {
  if (LIST_SECTIONS.has(node.name)) return [listFromSection(node)];
  if (node.name === 'auth' && node.label !== '') return node.children.flatMap((child) => liftFromAuth(child));
  if (node.name === 'ssl_server') {
    const prefixed = node.children.map((child) => ({ ...child, name: `ssl_server_${child.name}` }));
    return prefixed.flatMap((child) => translate(child, dialect));
  }
  const children = node.children.flatMap((child) => translate(child, dialect));
  if (node.name === 'passdb' || node.name === 'userdb') return [withDriver({ ...node, children })];
  if (node.name === 'protocol' && node.label === 'managesieve')
    return [{ ...node, label: 'sieve', children }];
  return [{ ...node, children }];
}

function listFromSection(node: DovecotSection): DovecotSetting {
  const words = [...readValues(node.children)].filter(([, { value }]) => isYes(value)).map(([name]) => name);
  return {
    kind: 'setting',
    name: node.name,
    value: words.join(' '),
    isFile: false,
    isAppended: false,
    origin: node.origin,
  };
}

/** `passdb pam { args = … }` → `passdb { driver = pam args = … }`. */
function withDriver(node: DovecotSection): DovecotSection {
  const hasDriver = node.children.some((child) => child.kind === 'setting' && child.name === 'driver');
  if (node.label === '' || hasDriver) return node;
  const driver: DovecotSetting = {
    kind: 'setting',
    name: 'driver',
    value: node.label,
    isFile: false,
    isAppended: false,
    origin: node.origin,
  };
  return { ...node, label: '', children: [driver, ...node.children] };
}

/** What stood inside 1.x's `auth default { }`. */
function liftFromAuth(child: DovecotNode): DovecotNode[] {
  if (child.kind === 'setting') {
    return [{ ...child, name: child.name.startsWith('auth_') ? child.name : `auth_${child.name}` }];
  }
  if (child.name === 'passdb' || child.name === 'userdb') return [withDriver(child)];
  if (child.name === 'socket' && child.label === 'listen') return [authService(child)];
  return [child];
}

/** `socket listen { client { path mode user group } }` → `service auth { unix_listener path { … } }`. */
function authService(socket: DovecotSection): DovecotSection {
  const listeners = socket.children.flatMap((child): DovecotSection[] => {
    if (child.kind !== 'section') return [];
    const standIn = child.name === 'master' ? 'auth-master' : 'auth-client';
    const path = readValues(child.children).get('path')?.value ?? standIn;
    const rest = child.children.filter(({ name }) => name !== 'path');
    const type: DovecotSetting = {
      kind: 'setting',
      name: 'type',
      value: child.name,
      isFile: false,
      isAppended: false,
      origin: child.origin,
    };
    return [{ ...child, name: 'unix_listener', label: path, children: [type, ...rest] }];
  });
  return { kind: 'section', name: 'service', label: 'auth', children: listeners, origin: socket.origin };
}

/** DOVECOT: yes, y, 1 and true in any case. */
export function isYes(value: string): boolean {
  return /^(y|yes|1|true)$/i.test(value);
}

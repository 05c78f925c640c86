// passdb, userdb and what surrounds them. System accounts through PAM are what this server authenticates; any other
// source of users or passwords, and any restriction on them that is not understood, is a refusal by name.

import { notice, refuse, type Problem } from '../origin.ts';
import type { AuthSettings, AuthSocket } from './dovecot-settings.ts';
import {
  readValues,
  sectionsOf,
  type DovecotNode,
  type DovecotSection,
  type DovecotSetting,
} from './parse.ts';
import { isYes } from './normalise.ts';
import { parseDovecotTime, splitWords } from './values.ts';

export interface AuthSource {
  readonly nodes: readonly DovecotNode[];
  /** Own value or default. */
  readonly read: (name: string) => string;
  readonly file: string;
}

const DEFAULT_PAM_SERVICE = 'dovecot';
const OFFERED: ReadonlySet<string> = new Set(['PLAIN', 'LOGIN']);

/** Settings of a passdb that do not change who gets in. */
const HARMLESS: ReadonlySet<string> = new Set([
  'driver',
  'args',
  'name',
  'service_name',
  'passdb_pam_service_name',
  'passdb_driver',
  'userdb_driver',
  'auth_verbose',
  'default_fields',
]);

export function readAuthentication(source: AuthSource): { auth: AuthSettings; problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const passdbs = sectionsOf(source.nodes, 'passdb');
  const userdbs = sectionsOf(source.nodes, 'userdb');
  const pam = passdbs
    .map((section) => checkPassdb(section, problems))
    .find((service) => service !== undefined);
  for (const section of userdbs) checkUserdb(section, problems);
  if (passdbs.length === 0) {
    const message = 'no passdb is named; system accounts are checked through PAM (service "dovecot")';
    problems.push(notice({ file: source.file, line: 0 }, { name: 'passdb', message }));
  }
  return {
    auth: {
      mechanisms: readMechanisms(source, problems),
      usernameFormat: source.read('auth_username_format'),
      usernameChars: source.read('auth_username_chars'),
      failureDelay: parseDovecotTime(source.read('auth_failure_delay')) ?? 2,
      disablePlaintext: isYes(source.read('disable_plaintext_auth')),
      pamService: pam ?? DEFAULT_PAM_SERVICE,
      passdbDrivers: passdbs.map((section) => driverOf(section)?.value ?? ''),
      userdbDrivers: userdbs.map((section) => driverOf(section)?.value ?? ''),
      clientSockets: readClientSockets(source),
    },
    problems,
  };
}

function driverOf(section: DovecotSection): DovecotSetting | undefined {
  const values = readValues(section.children);
  return values.get('driver') ?? values.get('passdb_driver') ?? values.get('userdb_driver');
}

/** The PAM service it names. */
function checkPassdb(section: DovecotSection, problems: Problem[]): string | undefined {
  const driver = driverOf(section);
  const name = driver?.value ?? '';
  const origin = driver?.origin ?? section.origin;
  checkExtras(section, 'passdb', problems);
  switch (name) {
    case 'pam':
      return readPamService(section);
    case 'shadow':
    case 'passwd': {
      const message = `system accounts are checked through PAM (service "${DEFAULT_PAM_SERVICE}"), not by reading the password file`;
      problems.push(notice(origin, { name: 'passdb', value: name, message }));
      return undefined;
    }
    default: {
      const message = `passwords of kind "${name}" are not supported; only system accounts through PAM are`;
      problems.push(refuse(origin, { name: 'passdb', value: name, message }));
      return undefined;
    }
  }
}

// DOVECOT: args = [options] [service name]; `*` and `%s` stand for the protocol's own name.
function readPamService(section: DovecotSection): string {
  const values = readValues(section.children);
  const named = values.get('service_name') ?? values.get('passdb_pam_service_name');
  if (named !== undefined) return named.value;
  const words = splitWords(values.get('args')?.value ?? '').filter(
    (word) =>
      !/^(-session|session=|setcred=|cache_key=|failure_show_msg=|max_requests=|blocking=)/.test(word),
  );
  const service = words[words.length - 1] ?? DEFAULT_PAM_SERVICE;
  return service === '*' || service === '%s' || service === '%{protocol}' ? '%s' : service;
}

function checkUserdb(section: DovecotSection, problems: Problem[]): void {
  const driver = driverOf(section);
  const name = driver?.value ?? '';
  checkExtras(section, 'userdb', problems);
  if (name === 'passwd' || name === 'prefetch') return;
  const message = `users of kind "${name}" are not supported; only system accounts (driver "passwd") are`;
  problems.push(refuse(driver?.origin ?? section.origin, { name: 'userdb', value: name, message }));
}

function checkExtras(section: DovecotSection, kind: string, problems: Problem[]): void {
  for (const child of section.children) {
    if (HARMLESS.has(child.name) || (child.kind === 'setting' && /^(|no)$/.test(child.value))) continue;
    const value = child.kind === 'setting' ? child.value : '{…}';
    const message = `in a ${kind} this may decide who gets in and is not understood; remove it or this ${kind}`;
    problems.push(refuse(child.origin, { name: child.name, value, message }));
  }
}

function readMechanisms(source: AuthSource, problems: Problem[]): string[] {
  const setting = readValues(source.nodes).get('auth_mechanisms');
  const words = splitWords(source.read('auth_mechanisms')).map((word) => word.toUpperCase());
  const offered = words.filter((word) => OFFERED.has(word));
  for (const word of words) {
    if (OFFERED.has(word) || setting === undefined) continue;
    const message = 'this mechanism is not offered: the system keeps no verifier for it';
    problems.push(notice(setting.origin, { name: 'auth_mechanisms', value: word.toLowerCase(), message }));
  }
  if (offered.length === 0 && setting !== undefined) {
    const message = 'neither plain nor login is among them, so nobody could log in';
    problems.push(refuse(setting.origin, { name: 'auth_mechanisms', value: setting.value, message }));
  }
  return offered;
}

function readClientSockets(source: AuthSource): AuthSocket[] {
  const sections = sectionsOf(source.nodes, 'service')
    .filter(({ label }) => label === 'auth')
    .flatMap(({ children }) => sectionsOf(children, 'unix_listener'));
  return sections.flatMap((section): AuthSocket[] => {
    const values = readValues(section.children);
    const type = values.get('type')?.value ?? typeByName(section.label);
    const mode = Number.parseInt(values.get('mode')?.value ?? '0600', 8);
    if (type !== 'client' || mode === 0) return [];
    const path = section.label.startsWith('/')
      ? section.label
      : `${source.read('base_dir')}/${section.label}`;
    return [
      {
        path,
        mode: Number.isNaN(mode) ? undefined : mode,
        user: values.get('user')?.value,
        group: values.get('group')?.value,
        origin: section.origin,
      },
    ];
  });
}

// DOVECOT: the end of a socket's name says what is spoken on it.
function typeByName(path: string): string {
  return /(-|\/|^)(userdb|master|login|token|worker)(-[a-z]+)?$/.test(path) ? 'other' : 'client';
}

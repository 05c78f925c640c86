// main.cf's parameters that only some restriction words look at, and those of TLS beyond the key pair → typed values.

import { readFileSync, readdirSync } from 'node:fs';
import type { LookupTable, PostfixSettings, TableRegistry } from '@postcote/config';
import {
  type AccessSettings,
  DEFAULT_TLS_RULES,
  type TempfailAction,
  type TlsRules,
  type UnverifiedRules,
  parseTlsProtocols,
} from '@postcote/smtp';

export function accessSettingsOf(s: PostfixSettings, tables: TableRegistry): AccessSettings {
  const maps = (name: string): LookupTable | undefined =>
    s.list(name).length === 0 ? undefined : tables.parameter(s, name);
  const permits = tables.matchList(s, 'smtpd_log_access_permit_actions');
  const relayDomains = tables.matchList(s, 'relay_domains');
  const backup = tables.matchList(s, 'permit_mx_backup_networks');
  return {
    unknownAddressTempfail: tempfail(s, 'unknown_address_tempfail_action'),
    unknownHeloTempfail: tempfail(s, 'unknown_helo_hostname_tempfail_action'),
    unverifiedSender: unverified(s, 'sender'),
    unverifiedRecipient: unverified(s, 'recipient'),
    verifyPollCount: s.int('address_verify_poll_count'),
    verifyPollDelay: s.time('address_verify_poll_delay') * 1000,
    mapsRblDomains: s.list('maps_rbl_domains'),
    isMxBackupNetwork:
      s.list('permit_mx_backup_networks').length === 0
        ? undefined
        : (address) => surely(() => backup.matches({ address })),
    isRelayDomain: (name) => surely(() => relayDomains.matches({ name })),
    logsPermit:
      s.list('smtpd_log_access_permit_actions').length === 0
        ? () => false
        : (name) => surely(() => permits.matches({ name })),
    relayClientcerts: maps('relay_clientcerts'),
    tlsAskCcert: asksForCertificate(s),
    tlsReqCcert: s.bool('smtpd_tls_req_ccert') && isTlsRequired(s),
    tlsRules: tlsRulesOf(s),
    perRequestDeadline: s.bool('smtpd_per_request_deadline'),
    minDataRate: Math.max(1, s.int('smtpd_min_data_rate')),
    isForbiddenCommand: forbiddenByTable(s, tables),
    commandFilter: maps('smtpd_command_filter'),
    rejectFooterMaps: maps('smtpd_reject_footer_maps'),
  };
}

/** What cannot be answered at once is no. */
function surely(ask: () => boolean | Promise<boolean>): boolean {
  try {
    return ask() === true;
  } catch {
    return false;
  }
}

const tempfail = (s: PostfixSettings, name: string): TempfailAction =>
  s.string(name).toLowerCase() === 'defer' ? 'defer' : 'defer_if_permit';

function unverified(s: PostfixSettings, who: 'sender' | 'recipient'): UnverifiedRules {
  return {
    deferCode: s.int(`unverified_${who}_defer_code`),
    rejectCode: s.int(`unverified_${who}_reject_code`),
    reason: s.string(`unverified_${who}_reject_reason`),
    tempfail: tempfail(s, `unverified_${who}_tempfail_action`),
  };
}

// POSTFIX: `smtpd_tls_req_ccert` counts only where TLS is required, and asks where it is not.
const asksForCertificate = (s: PostfixSettings): boolean =>
  s.bool('smtpd_tls_ask_ccert') || s.bool('smtpd_tls_req_ccert');

const isTlsRequired = (s: PostfixSettings): boolean =>
  s.bool('smtpd_tls_wrappermode') ||
  s.string('smtpd_tls_security_level').toLowerCase() === 'encrypt' ||
  (s.string('smtpd_tls_security_level') === '' && s.bool('smtpd_enforce_tls'));

/** Throws, with the parameter's name, when nothing is left to speak or a file of authorities cannot be read. */
function tlsRulesOf(s: PostfixSettings): TlsRules {
  const isRequired = isTlsRequired(s);
  const name = isRequired ? 'smtpd_tls_mandatory_protocols' : 'smtpd_tls_protocols';
  const versions = parseTlsProtocols(s.list(name));
  if (versions === undefined)
    throw new Error(`${name} = ${s.string(name)} leaves neither TLS 1.2 nor TLS 1.3, which are all there is`);
  const excluded = [
    ...words(s.string('smtpd_tls_exclude_ciphers')),
    ...(isRequired ? words(s.string('smtpd_tls_mandatory_exclude_ciphers')) : []),
  ];
  const askCertificate = asksForCertificate(s);
  return {
    ...DEFAULT_TLS_RULES,
    ...versions,
    excludedCiphers: excluded.filter((word) => /^[A-Za-z0-9+_-]+$/.test(word)),
    askCertificate,
    fingerprintDigest: s.string('smtpd_tls_fingerprint_digest'),
    authorities: askCertificate ? authorities(s) : [],
  };
}

const words = (text: string): string[] => text.split(/[\s,:]+/).filter((word) => word !== '');

function authorities(s: PostfixSettings): string[] {
  const file = s.string('smtpd_tls_CAfile');
  const folder = s.string('smtpd_tls_CApath');
  const fromFolder =
    folder === ''
      ? []
      : // OpenSSL looks for `HASH.N`; other names beside them are other programs'.
        readdirSync(folder)
          .filter((entry) => /^[0-9a-f]{8}\.[0-9]+$/.test(entry))
          .map((entry) => readFileSync(`${folder}/${entry}`, 'utf8'));
  return [...(file === '' ? [] : [readFileSync(file, 'utf8')]), ...fromFolder];
}

/** The tables among the words of `smtpd_forbidden_commands`. */
function forbiddenByTable(s: PostfixSettings, tables: TableRegistry): (verb: string) => boolean {
  const name = 'smtpd_forbidden_commands';
  const opened = s
    .list(name)
    // The one that stands there by default is built in.
    .filter((word) => /^[a-z]+:/.test(word) && !word.startsWith('regexp:{{/^[^A-Z]/'))
    .map((word) => tables.open(word, { parameter: name, origin: s.originOfWord(name, word) }));
  return (verb) =>
    opened.some((table) => {
      try {
        const entry = table.find(verb);
        return entry !== undefined && !(entry instanceof Promise);
      } catch {
        return false;
      }
    });
}

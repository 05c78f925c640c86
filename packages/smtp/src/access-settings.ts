// Settings of a listener that only some restriction words and replies look at: tables, codes, and what a temporary
// failure comes to. Names and defaults are Postfix's; times are milliseconds.

import type { AccessTable } from './ports.ts';
import type { Reply } from './reply.ts';
import { DEFAULT_TLS_RULES, type TlsRules } from './tls-rules.ts';

/** `reject_tempfail_action` and its kin. */
export type TempfailAction = 'defer_if_permit' | 'defer';

/** `unverified_sender_…` or `unverified_recipient_…`. */
export interface UnverifiedRules {
  readonly deferCode: number;
  readonly rejectCode: number;
  /** In place of what the probe brought; empty: that. */
  readonly reason: string;
  readonly tempfail: TempfailAction;
}

export interface AccessSettings {
  readonly unknownAddressTempfail: TempfailAction;
  readonly unknownHeloTempfail: TempfailAction;
  readonly unverifiedSender: UnverifiedRules;
  readonly unverifiedRecipient: UnverifiedRules;
  /** `address_verify_poll_count`, `address_verify_poll_delay`. */
  readonly verifyPollCount: number;
  readonly verifyPollDelay: number;
  readonly mapsRblDomains: readonly string[];
  /** `permit_mx_backup_networks`; absent: any. */
  readonly isMxBackupNetwork: ((address: string) => boolean) | undefined;
  /** `relay_domains`, as this listener has it. */
  readonly isRelayDomain: (name: string) => boolean;
  /** `smtpd_log_access_permit_actions`. */
  readonly logsPermit: (action: string) => boolean;
  readonly relayClientcerts: AccessTable | undefined;
  readonly tlsAskCcert: boolean;
  readonly tlsReqCcert: boolean;
  readonly tlsRules: TlsRules;
  readonly perRequestDeadline: boolean;
  readonly minDataRate: number;
  /** By the tables of `smtpd_forbidden_commands`. */
  readonly isForbiddenCommand: (verb: string) => boolean;
  readonly commandFilter: AccessTable | undefined;
  readonly rejectFooterMaps: AccessTable | undefined;
  /** postscreen found something: every recipient is refused with this. */
  readonly screened?: Reply;
}

const UNVERIFIED: UnverifiedRules = {
  deferCode: 450,
  rejectCode: 450,
  reason: '',
  tempfail: 'defer_if_permit',
};

export const DEFAULT_ACCESS_SETTINGS: AccessSettings = {
  unknownAddressTempfail: 'defer_if_permit',
  unknownHeloTempfail: 'defer_if_permit',
  unverifiedSender: UNVERIFIED,
  unverifiedRecipient: UNVERIFIED,
  verifyPollCount: 3,
  verifyPollDelay: 3000,
  mapsRblDomains: [],
  isMxBackupNetwork: undefined,
  isRelayDomain: () => false,
  logsPermit: () => false,
  relayClientcerts: undefined,
  tlsAskCcert: false,
  tlsReqCcert: false,
  tlsRules: DEFAULT_TLS_RULES,
  perRequestDeadline: false,
  minDataRate: 500,
  isForbiddenCommand: () => false,
  commandFilter: undefined,
  rejectFooterMaps: undefined,
};

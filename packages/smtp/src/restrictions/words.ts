// The table of restriction words. A word that is not here is not understood: the composition root refuses to start
// on it (`checkSettings`), because a list with a hole in it decides who may send.

import { ACCESS_WORDS } from './words-access.ts';
import { BASIC_WORDS } from './words-basic.ts';
import { CERTIFICATE_WORDS } from './words-certificate.ts';
import { DNS_WORDS } from './words-dns.ts';
import { DNSXL_WORDS } from './words-dnsxl.ts';
import { LOGIN_WORDS } from './words-login.ts';
import { POLICY_WORDS } from './words-policy.ts';
import { RELAY_WORDS } from './words-relay.ts';
import { VERIFY_WORDS } from './words-verify.ts';
import type { RestrictionWord } from './types.ts';

export const RESTRICTION_WORDS: ReadonlyMap<string, RestrictionWord> = new Map(
  [
    ...BASIC_WORDS,
    ...DNS_WORDS,
    ...DNSXL_WORDS,
    ...ACCESS_WORDS,
    ...LOGIN_WORDS,
    ...POLICY_WORDS,
    ...RELAY_WORDS,
    ...CERTIFICATE_WORDS,
    ...VERIFY_WORDS,
  ].map((row) => [row.word, row]),
);

/** Stands before another word: that word's refusal becomes a log line. */
export const WARN_IF_REJECT = 'warn_if_reject';

export const SUPPORTED_RESTRICTIONS: ReadonlySet<string> = new Set([
  ...RESTRICTION_WORDS.keys(),
  WARN_IF_REJECT,
]);

/** Words that take an argument of their own (`reject_rbl_client zen.example`). */
export const RESTRICTIONS_WITH_ARGUMENT: ReadonlySet<string> = new Set(
  [...RESTRICTION_WORDS.values()].filter((row) => row.argument !== 'none').map((row) => row.word),
);

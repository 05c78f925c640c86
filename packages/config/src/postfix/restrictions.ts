// smtpd_*_restrictions → a list of words with their arguments, each knowing its line. Whether a word is supported is
// the caller's set to say; a word nobody knows is a refusal, for it decides who may send.

import { originOfWord, type Definition } from './main-cf.ts';
import type { Origin } from '../origin.ts';
import { splitList, stripBraces } from './values.ts';

export interface Restriction {
  /** Lower case, `check_recipient_access`; the name of a restriction class as it was defined. */
  readonly word: string;
  /** `hash:/etc/postfix/access`, `zen.spamhaus.org=127.0.0.[2..11]`, `inet:127.0.0.1:10023`. */
  readonly argument?: string;
  /** The argument as a brace list had further attributes: `{ inet:…, timeout=10s }` → `timeout=10s`. */
  readonly attributes?: readonly string[];
  readonly origin: Origin;
}

/** Where a list has no line of its own. */
export const builtInOrigin: Origin = { file: '(default)', line: 0 };

const TAKES_ARGUMENT =
  /^(check_[a-z0-9_]+_access|check_policy_service|reject_rbl_client|reject_rbl|reject_rhsbl_[a-z_]+|permit_dnswl_client|permit_rhswl_client|reject_maps_rbl_domain|sleep)$/;

/** POSTFIX: a bare `type:table` is short for the list's own access check. */
const OWN_ACCESS_CHECK: ReadonlyMap<string, string> = new Map([
  ['smtpd_client_restrictions', 'check_client_access'],
  ['smtpd_helo_restrictions', 'check_helo_access'],
  ['smtpd_sender_restrictions', 'check_sender_access'],
  ['smtpd_relay_restrictions', 'check_recipient_access'],
  ['smtpd_recipient_restrictions', 'check_recipient_access'],
  ['smtpd_etrn_restrictions', 'check_etrn_access'],
]);

export interface RestrictionSource {
  /** The list's parameter, or the name of a restriction class. */
  readonly name: string;
  /** Expanded. */
  readonly value: string;
  readonly definition: Definition | undefined;
  readonly classes: ReadonlySet<string>;
}

export function takesArgument(word: string): boolean {
  return TAKES_ARGUMENT.test(word);
}

export function parseRestrictions(source: RestrictionSource): Restriction[] {
  const items = splitList(source.value);
  const restrictions: Restriction[] = [];
  for (let at = 0; at < items.length; at += 1) {
    const item = items[at] ?? '';
    const origin = source.definition === undefined ? builtInOrigin : originOfWord(source.definition, item);
    const word = source.classes.has(item) ? item : item.toLowerCase();
    if (TAKES_ARGUMENT.test(word)) {
      at += 1;
      restrictions.push({ word, origin, ...readArgument(items[at]) });
    } else if (item.includes(':') && OWN_ACCESS_CHECK.has(source.name)) {
      restrictions.push({ word: OWN_ACCESS_CHECK.get(source.name) ?? '', argument: item, origin });
    } else {
      restrictions.push({ word, origin });
    }
  }
  return restrictions;
}

function readArgument(item: string | undefined): { argument?: string; attributes?: readonly string[] } {
  if (item === undefined) return {};
  if (!item.startsWith('{')) return { argument: item };
  const [argument = '', ...attributes] = splitList(stripBraces(item));
  return { argument, ...(attributes.length > 0 && { attributes }) };
}

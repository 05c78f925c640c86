// Words about relaying for others that ask more than a list of domains: `permit_mx_backup` (this machine is a mail
// exchanger of second choice), and `check_relay_domains`, which reject_unauth_destination took the place of.
// POSTFIX: smtpd_check.c: permit_mx_backup, i_am_mx, all_auth_mx_addr, check_relay_domains.

import { isAddressLiteral } from '../address.ts';
import type { DnsAnswer, MxRecord } from '../ports.ts';
import { STRANGER, relayVerdict } from '../relay.ts';
import { reply } from '../reply.ts';
import { once, whenReady } from './look-up-once.ts';
import type { RestrictionInput, RestrictionWord, Subject, WordVerdict } from './types.ts';

const pass = (saw: string): WordVerdict => ({ kind: 'pass', saw });
const permit = (saw: string): WordVerdict => ({ kind: 'permit', saw });

/** Exchangers of a domain that are looked at. */
const MAX_EXCHANGERS = 100;

const isNullMx = (records: readonly MxRecord[]): boolean =>
  records.length === 1 && ['', '.'].includes(records[0]?.exchange ?? '');

interface Exchangers {
  readonly primary: readonly string[];
  readonly backup: readonly string[];
}

function sortExchangers(records: readonly MxRecord[]): Exchangers {
  const known = records.slice(0, MAX_EXCHANGERS);
  const best = Math.min(...known.map(({ preference }) => preference));
  const named = (isBest: boolean): string[] =>
    known.filter(({ preference }) => (preference === best) === isBest).map(({ exchange }) => exchange);
  return { primary: named(true), backup: named(false) };
}

/** What one look-up failure on the way turns a later refusal into. */
class Doubts {
  readonly #subject: Subject;
  first: WordVerdict | undefined;

  constructor(subject: Subject) {
    this.#subject = subject;
  }

  add(what: string): void {
    const { name, label } = this.#subject;
    this.first ??= {
      kind: 'deferIfReject',
      saw: what,
      reply: reply(450, '4.4', `<${name}>: ${label} rejected: ${what}`),
    };
  }
}

function addressesOf(input: RestrictionInput, host: string): DnsAnswer<string> | Promise<DnsAnswer<string>> {
  return once<string>(input, `a:${host}`, () => input.dns.addresses(host));
}

/** POSTFIX: the resolver's words; where it asks for a host, the system library's. */
const dnsReason = (answer: DnsAnswer<unknown>): string =>
  answer.kind === 'failed' ? answer.reason.replace(/^Name service error for [^:]*: /, '') : 'Host not found';
const hostReason = (answer: DnsAnswer<unknown>): string =>
  answer.kind === 'failed' ? 'Temporary failure in name resolution' : 'Name or service not known';

async function isMine(input: RestrictionInput, hosts: readonly string[], doubts: Doubts): Promise<boolean> {
  // POSTFIX: by name first: that costs nothing.
  if (hosts.some((domain) => input.addresses.classify({ local: 'postmaster', domain }) === 'local'))
    return true;
  for (const host of hosts) {
    const answer = await addressesOf(input, host);
    if (answer.kind !== 'found') {
      doubts.add(`Unable to look up mail exchanger host ${host}: ${hostReason(answer)}`);
      continue;
    }
    if (answer.records.some((address) => input.settings.isOwnAddress(address))) return true;
  }
  return false;
}

async function allInNetworks(
  input: RestrictionInput,
  hosts: readonly string[],
  doubts: Doubts,
): Promise<boolean> {
  const { isMxBackupNetwork } = input.settings;
  if (isMxBackupNetwork === undefined) return true;
  for (const host of hosts) {
    const answer = await addressesOf(input, host);
    if (answer.kind !== 'found') {
      doubts.add(`Unable to look up host ${host} as mail exchanger: ${dnsReason(answer)}`);
      return false;
    }
    if (!answer.records.every(isMxBackupNetwork)) return false;
  }
  return true;
}

const permitMxBackup: RestrictionWord = {
  word: 'permit_mx_backup',
  cost: 'dns',
  needs: 'recipient',
  argument: 'none',
  async run(input) {
    const { recipient, addresses, settings } = input;
    const mailbox = recipient?.mailbox;
    if (recipient === undefined || mailbox === undefined) return pass('no recipient');
    const rules = { classify: addresses.classify.bind(addresses), rules: settings };
    const verdict = relayVerdict(STRANGER, mailbox, rules);
    if (verdict.kind === 'allowed') return permit(`destination ${verdict.because}`);
    const domain = mailbox.domain;
    if (verdict.because === 'routed' || domain === undefined || isAddressLiteral(domain))
      return pass(`destination ${verdict.because}`);
    const doubts = new Doubts({ name: recipient.display, label: 'Recipient address' });
    const mx = await once<MxRecord>(input, `mx:${domain}`, () => input.dns.mx(domain));
    if (mx.kind === 'failed') doubts.add(`Unable to look up mail exchanger information: ${dnsReason(mx)}`);
    if (mx.kind !== 'found' || isNullMx(mx.records))
      return doubts.first ?? pass(`${domain} has no mail exchangers`);
    const { primary, backup } = sortExchangers(mx.records);
    const unless = (saw: string): WordVerdict => doubts.first ?? pass(saw);
    if (await isMine(input, primary, doubts)) return unless(`this machine is first choice for ${domain}`);
    if (backup.length === 0 || !(await isMine(input, backup, doubts)))
      return unless(`this machine is no mail exchanger of ${domain}`);
    if (!(await allInNetworks(input, primary, doubts)))
      return unless(`the exchangers of ${domain} are not in permit_mx_backup_networks`);
    return permit(`this machine is a backup mail exchanger of ${domain}`);
  },
};

const OBSOLETE =
  'support for restriction "check_relay_domains" will be removed from Postfix; use "reject_unauth_destination" instead';

const checkRelayDomains: RestrictionWord = {
  word: 'check_relay_domains',
  cost: 'dns',
  needs: 'recipient',
  argument: 'none',
  run: (input) =>
    whenReady(input.clientName(), ({ name }): WordVerdict => {
      const { recipient, addresses, settings } = input;
      const mailbox = recipient?.mailbox;
      if (recipient === undefined || mailbox === undefined) return pass('no recipient');
      const warnings = [OBSOLETE];
      if (name !== 'unknown' && settings.isRelayDomain(name))
        return { ...permit(`${name} is in relay_domains`), warnings };
      const rules = { classify: addresses.classify.bind(addresses), rules: settings };
      const verdict = relayVerdict(STRANGER, mailbox, rules);
      if (verdict.kind === 'allowed') return { ...permit(`destination ${verdict.because}`), warnings };
      const text = `<${recipient.display}>: Recipient address rejected: Relay access denied`;
      return {
        kind: 'reject',
        saw: `destination ${verdict.because}`,
        reply: reply(settings.codes.relayDomains, '7.1', text),
        warnings,
      };
    }),
};

export const RELAY_WORDS: readonly RestrictionWord[] = [permitMxBackup, checkRelayDomains];

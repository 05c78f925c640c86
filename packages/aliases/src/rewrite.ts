// Bringing an address into its full form, and finding out where it really goes.
//
// `rewrite` completes what a person left out (POSTFIX: trivial-rewrite's rewriting in local context).
// `resolve` then takes off domains that are ours for as long as the rest names another place
// (`user%there@here`): mail for elsewhere is never mistaken for ours because ours stands last.

import { formatMailbox, type FullMailbox } from './mailbox-address.ts';
import type {
  AddressClass,
  AddressPorts,
  AddressRules,
  DomainMatcher,
  EnvelopeMailbox,
  OwnDomains,
} from './ports.ts';

export function rewrite(mailbox: EnvelopeMailbox, rules: AddressRules): FullMailbox {
  let { local } = mailbox;
  let domain = mailbox.domain ?? '';
  if (domain === '') {
    const moved = moveRouting(local, rules);
    if (moved !== undefined) ({ local, domain } = moved);
    else if (rules.appendAtMyorigin) domain = rules.myorigin;
  }
  // Not dot-dot: such a name is broken and stays so.
  if (domain.endsWith('.') && !domain.endsWith('..') && domain.length > 1) domain = domain.slice(0, -1);
  if (rules.appendDotMydomain && rules.mydomain !== '' && /^[^.[\]]+$/.test(domain)) {
    domain = `${domain}.${rules.mydomain}`;
  }
  return { local, domain };
}

/** The site a bare local part names by `site!user` or `user%site`. */
function moveRouting(local: string, rules: AddressRules): FullMailbox | undefined {
  if (rules.swapBangpath) {
    const bang = local.indexOf('!');
    if (bang > 0) return { local: local.slice(bang + 1), domain: local.slice(0, bang) };
  }
  if (rules.allowPercentHack) {
    const percent = local.lastIndexOf('%');
    if (percent > 0 && percent < local.length - 1) {
      return { local: local.slice(0, percent), domain: local.slice(percent + 1) };
    }
  }
  return undefined;
}

export interface Resolved extends FullMailbox {
  readonly class: AddressClass;
  /** The sender chose a way through us: `user%there@here`. */
  readonly routed: boolean;
}

/** Ways through ourselves that are followed; each takes a domain off, so the address gets shorter. */
const MAX_ROUTING = 50;

/** Throws what a table throws, and `SlowTableError` for one that does not answer at once. */
export function resolve(mailbox: EnvelopeMailbox, rules: AddressRules, ports: AddressPorts): Resolved {
  let current = rewrite(mailbox, rules);
  let routed = false;
  for (let step = 0; isLocalDomain(current.domain, ports); step++) {
    const next = readRouting(current.local, rules);
    if (next === undefined) {
      // POSTFIX: mail for nobody at one of our domains is the postmaster's.
      const local = current.local === '' ? 'postmaster' : current.local;
      return { local, domain: current.domain, class: 'local', routed };
    }
    // POSTFIX: follows without end; the rest of such an address is nobody's here.
    if (step === MAX_ROUTING) return { ...next, class: 'default', routed: true };
    current = rewrite(next, rules);
    routed = true;
  }
  return { ...current, class: classifyForeign(current.domain, ports), routed };
}

/** POSTFIX: `resolve_dequoted_address`: the local part is read again, also when it was quoted. */
function readRouting(local: string, rules: AddressRules): FullMailbox | undefined {
  const at = local.lastIndexOf('@');
  if (at !== -1) return { local: local.slice(0, at), domain: local.slice(at + 1) };
  return moveRouting(local, rules);
}

/** Whether a domain is final for the local delivery agent: `mydestination`, or a literal of our own addresses. */
export function isLocalDomain(domain: string, ports: OwnDomains): boolean {
  const literal = /^\[(?:IPv6:)?([0-9A-Fa-f:.]+)\]$/i.exec(domain);
  if (literal?.[1] !== undefined) return ports.isOwnAddress(literal[1]);
  return domain !== '' && has(ports.mydestination, domain);
}

/** A list of domains that has to be waited for: a class is needed at once, while RCPT is read. */
export class SlowTableError extends Error {
  override readonly name = 'SlowTableError';
}

function has(list: DomainMatcher, name: string): boolean {
  const answer = list.matches({ name });
  if (!(answer instanceof Promise)) return answer;
  answer.catch(() => {});
  throw new SlowTableError(`a table in a list of domains does not answer at once (asked for ${name})`);
}

function classifyForeign(domain: string, ports: AddressPorts): AddressClass {
  if (domain === '') return 'default';
  if (has(ports.virtualAliasDomains, domain)) return 'virtualAlias';
  if (has(ports.virtualMailboxDomains, domain)) return 'virtualMailbox';
  if (has(ports.relayDomains, domain)) return 'relay';
  return 'default';
}

export const formatFull = (mailbox: FullMailbox): string =>
  formatMailbox(mailbox.domain === '' ? { local: mailbox.local } : mailbox);

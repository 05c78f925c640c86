// Who carries mail for an address and where to: transport(5), relayhost, sender-dependent relay hosts and the default
// transports, as Postfix's trivial-rewrite decides it. Pure; tables are asked through a port.

import type { AddressClass } from './../ports.ts';

/** A lookup table as the config package opens it. Throws (or rejects) when it cannot be asked now. */
export interface TransportTable {
  find(
    key: string,
    scope?: 'full' | 'partial',
  ): { readonly value: string } | undefined | Promise<{ readonly value: string } | undefined>;
}

export interface TransportRules {
  readonly relayhost: string;
  /** `smtp`, `relay`, `virtual`, `local:$myhostname`: `transport` or `transport:nexthop`. */
  readonly defaultTransport: string;
  readonly relayTransport: string;
  readonly virtualTransport: string;
  readonly recipientDelimiter: string;
  readonly transportMaps?: TransportTable;
  readonly senderDependentRelayhostMaps?: TransportTable;
  readonly senderDependentDefaultTransportMaps?: TransportTable;
}

export interface Route {
  readonly transport: string;
  readonly nexthop: string;
}

/** `smtp:[host]:587` → transport and next hop; either may be empty. The transport's name holds no colon. */
export function parseTransport(text: string): Route {
  const colon = text.indexOf(':');
  if (colon === -1) return { transport: text.trim(), nexthop: '' };
  return { transport: text.slice(0, colon).trim(), nexthop: text.slice(colon + 1).trim() };
}

export interface RouteQuestion {
  readonly recipient: string;
  /** Empty for `<>`. */
  readonly sender: string;
  readonly class: AddressClass;
}

/** Rejects when a table cannot answer. Undefined: a local address that no table sends elsewhere. */
export async function findRoute(question: RouteQuestion, rules: TransportRules): Promise<Route | undefined> {
  const domain = question.recipient.slice(question.recipient.lastIndexOf('@') + 1).toLowerCase();
  const standard = question.class === 'local' ? undefined : await standardRoute(question, domain, rules);
  const row = await findTransportRow(question.recipient, domain, rules);
  if (row === undefined) return standard;
  const { transport, nexthop } = parseTransport(row);
  // POSTFIX: an empty transport keeps what it would have been; an empty next hop is the recipient's domain.
  if (transport === '' && nexthop === '') return standard;
  if (transport !== '') return { transport, nexthop: nexthop === '' ? domain : nexthop };
  return standard === undefined ? undefined : { transport: standard.transport, nexthop };
}

async function standardRoute(
  { sender, class: addressClass }: RouteQuestion,
  domain: string,
  rules: TransportRules,
): Promise<Route> {
  if (addressClass === 'virtualMailbox' || addressClass === 'virtualAlias')
    return withNexthop(parseTransport(rules.virtualTransport), domain);
  const relayhost = (await senderRelayhost(sender, rules)) ?? rules.relayhost;
  if (addressClass === 'relay') {
    const route = parseTransport(rules.relayTransport);
    // POSTFIX: mail for relay_domains goes through relayhost too.
    return withNexthop(route, relayhost === '' ? domain : relayhost);
  }
  const bySender = await findBySender(sender, rules.senderDependentDefaultTransportMaps);
  const route = parseTransport(bySender ?? rules.defaultTransport);
  return withNexthop(route, relayhost === '' ? domain : relayhost);
}

const withNexthop = ({ transport, nexthop }: Route, standIn: string): Route => ({
  transport,
  nexthop: nexthop === '' ? standIn : nexthop,
});

async function senderRelayhost(sender: string, rules: TransportRules): Promise<string | undefined> {
  const found = await findBySender(sender, rules.senderDependentRelayhostMaps);
  // POSTFIX: DUNNO ends the search without a result.
  return found === undefined || found.toUpperCase() === 'DUNNO' ? undefined : found;
}

async function findBySender(sender: string, table: TransportTable | undefined): Promise<string | undefined> {
  if (table === undefined) return undefined;
  const key = sender === '' ? '<>' : sender;
  const whole = await table.find(key);
  if (whole !== undefined) return whole.value.trim();
  const at = sender.lastIndexOf('@');
  return at === -1 ? undefined : (await table.find(sender.slice(at), 'partial'))?.value.trim();
}

// transport(5): user+extension@domain, user@domain, domain, .domain of each parent, *.
async function findTransportRow(
  recipient: string,
  domain: string,
  { transportMaps: table, recipientDelimiter }: TransportRules,
): Promise<string | undefined> {
  if (table === undefined) return undefined;
  const whole = await table.find(recipient);
  if (whole !== undefined) return whole.value;
  const keys: string[] = [];
  const local = recipient.slice(0, Math.max(0, recipient.lastIndexOf('@')));
  const cut = [...local].findIndex((c, i) => i > 0 && recipientDelimiter.includes(c));
  if (cut > 0) keys.push(`${local.slice(0, cut)}@${domain}`);
  keys.push(domain);
  for (let dot = domain.indexOf('.', 1); dot !== -1; dot = domain.indexOf('.', dot + 1))
    keys.push(domain.slice(dot));
  keys.push('*');
  for (const key of keys) {
    const found = await table.find(key, 'partial');
    if (found !== undefined) return found.value;
  }
  return undefined;
}

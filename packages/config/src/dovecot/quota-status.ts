// `service quota-status { }`: where Postfix asks at RCPT whether a mailbox has room, and what is answered
// (`quota_status_*` in `plugin { }`).

import { readValues, sectionsOf, type DovecotNode } from './parse.ts';

export interface QuotaStatusSettings {
  /** TCP ports, and paths of sockets as written. */
  readonly ports: readonly number[];
  readonly paths: readonly string[];
  /** Actions of access(5). DOVECOT: `OK` where nothing is set. */
  readonly success: string;
  readonly noUser: string;
  readonly overQuota: string;
}

export function readQuotaStatus(
  nodes: readonly DovecotNode[],
  exceededMessage: string,
): QuotaStatusSettings | undefined {
  const services = sectionsOf(nodes, 'service').filter(({ label }) => label === 'quota-status');
  const children = services.flatMap((service) => service.children);
  const ports = sectionsOf(children, 'inet_listener').flatMap((listener) => {
    const port = Number(readValues(listener.children).get('port')?.value ?? 0);
    return Number.isInteger(port) && port > 0 ? [port] : [];
  });
  const paths = sectionsOf(children, 'unix_listener').map(({ label }) => label);
  if (ports.length + paths.length === 0) return undefined;
  const plugin = readValues([...nodes, ...sectionsOf(nodes, 'plugin').flatMap((one) => one.children)]);
  const text = (name: string, standIn: string): string =>
    plugin.get(`quota_status_${name}`)?.value || standIn;
  return {
    ports,
    paths,
    success: text('success', 'OK'),
    noUser: text('nouser', 'REJECT Unknown user'),
    overQuota: text('overquota', `554 5.2.2 ${exceededMessage}`),
  };
}

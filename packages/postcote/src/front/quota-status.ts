// Answers `check_policy_service` where it names the quota-status service of dovecot.conf, as that service did: does the
// message fit into the recipient's mailbox? Who has several mailboxes, or none here, is not asked about. What cannot be told
// now is no reason to refuse: the delivery tells.

import { isAbsolute, join } from 'node:path';
import type { Addresses } from '@postcote/aliases';
import type { DovecotSettings } from '@postcote/config';
import type { PolicyAnswer, PolicyService } from '@postcote/smtp';

type QuotaStatusSettings = NonNullable<NonNullable<DovecotSettings['quota']>['status']>;

export interface QuotaStatusPorts {
  /** The one local user that an address leads to; `unknown` when there is nobody; undefined when it is not one user's mailbox. */
  userOf(address: string): Promise<string | 'unknown' | undefined>;
  /** Whether so many octets more fit. Rejects when that cannot be known now. */
  hasRoom(user: string, octets: number): Promise<boolean>;
}

/** Whether a `check_policy_service` word means the service of dovecot.conf. */
export function isQuotaStatus(
  server: string,
  settings: QuotaStatusSettings | undefined,
  queueDirectory: string,
): boolean {
  if (settings === undefined) return false;
  const inet = /^(?:inet:)?(?:localhost|127\.0\.0\.1|\[::1\]|\[127\.0\.0\.1\]):(\d+)$/.exec(server);
  if (inet !== null) return settings.ports.includes(Number(inet[1]));
  const unix = /^unix:(.+)$/.exec(server)?.[1];
  if (unix === undefined) return false;
  const path = isAbsolute(unix) ? unix : join(queueDirectory, unix);
  return settings.paths.includes(path);
}

export class QuotaStatus implements PolicyService {
  readonly context: string;
  readonly defaultAction: string;
  readonly #settings: QuotaStatusSettings;
  readonly #ports: QuotaStatusPorts;

  constructor(
    settings: QuotaStatusSettings,
    ports: QuotaStatusPorts,
    service: { readonly context: string; readonly defaultAction: string },
  ) {
    this.#settings = settings;
    this.#ports = ports;
    this.context = service.context;
    this.defaultAction = service.defaultAction;
  }

  async ask(attributes: readonly (readonly [name: string, value: string])[]): Promise<PolicyAnswer> {
    const values = new Map(attributes);
    const { success, noUser, overQuota } = this.#settings;
    try {
      const user = await this.#ports.userOf(values.get('recipient') ?? '');
      if (user === 'unknown') return action(noUser);
      const octets = Number(values.get('size') ?? 0) || 0;
      // DOVECOT: a size that is not told counts as one octet, so that a full mailbox shows.
      const fits = user === undefined || (await this.#ports.hasRoom(user, Math.max(1, octets)));
      return action(fits ? success : overQuota);
    } catch {
      return action(success);
    }
  }
}

const action = (text: string): PolicyAnswer => ({ kind: 'action', action: text });

/** The one local user that an address leads to. */
export async function mailboxUserOf(
  addresses: Pick<Addresses, 'expand'>,
  address: string,
): Promise<string | 'unknown' | undefined> {
  const { destinations, problem } = await addresses.expand(address);
  const [only, ...others] = destinations;
  if (problem !== undefined || only === undefined || others.length > 0) return undefined;
  if (only.kind === 'undeliverable') return only.permanent ? 'unknown' : undefined;
  return only.kind === 'local' ? only.user : undefined;
}

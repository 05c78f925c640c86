// The address verification of a front: its memory in the data folder, its probes through the settings of the moment.

import { join } from 'node:path';
import type { PostfixSettings } from '@postcote/config';
import type { Log } from '@postcote/wire';
import { type Routing, resolveRecipient } from '../address-book.ts';
import { KeptMap } from '../kept-map.ts';
import { type ProbePorts, prober } from './probe.ts';
import {
  AddressVerification,
  type KnownAddress,
  type VerifySettings,
  readKnownAddress,
} from './verification.ts';
import { verifySender } from './verify-sender.ts';

export interface VerificationOptions extends Pick<ProbePorts, 'sender' | 'service'> {
  /** The front's own folder. */
  readonly folder: string;
  readonly log: Log;
  readonly postfix: () => PostfixSettings;
  /** By `address_verify_…`'s transports. */
  readonly routing: () => Routing;
}

/** Addresses remembered: some 60 MiB. */
const MAX_ADDRESSES = 200_000;

export function openVerification(options: VerificationOptions): AddressVerification {
  const { folder, log, postfix, routing, sender, service } = options;
  const known = new KeptMap<KnownAddress>({
    path: join(folder, 'verify_cache'),
    maxEntries: MAX_ADDRESSES,
    read: readKnownAddress,
    log,
  });
  const verification = new AddressVerification({
    known,
    now: () => Date.now(),
    settings: () => verifySettingsOf(postfix()),
    probe: prober({
      log,
      sender,
      service,
      verifySender: () => verifySender(postfix(), Date.now()),
      resolve: (address, from) => resolveRecipient(routing(), address, from),
    }),
  });
  const interval = postfix().time('address_verify_cache_cleanup_interval') * 1000;
  if (interval > 0) setInterval(() => verification.sweep(), interval).unref();
  return verification;
}

function verifySettingsOf(s: PostfixSettings): VerifySettings {
  const ms = (name: string): number => s.time(`address_verify_${name}_time`) * 1000;
  return {
    positiveExpire: ms('positive_expire'),
    positiveRefresh: ms('positive_refresh'),
    negativeExpire: ms('negative_expire'),
    negativeRefresh: ms('negative_refresh'),
    negativeCache: s.bool('address_verify_negative_cache'),
    pendingLimit: s.int('address_verify_pending_request_limit'),
  };
}

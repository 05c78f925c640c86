// How mail that the server writes itself comes into the queue: straight, or past checks and filters where
// `internal_mail_filter_classes` says so. POSTFIX: int_filt_flags(). All notices of ours are of the class `bounce`; of
// the class `notify` (transcripts of protocol errors) there are none.
//
// A notice that is refused is not made: what it would have told of stays in the queue and is tried again.

import type { LoadedConfiguration } from '@postcote/config/edge';
import type { NoticeWriter, QueueEnvelope } from '@postcote/queue';
import type { Log } from '@postcote/wire';
import { CleanupEntrance, type Entrance } from './cleanup-entrance.ts';
import { type EntrancePolicy, type EntrancePorts, entrancePolicyOf } from './cleanup-settings.ts';

export interface NoticeEntranceOptions {
  /** Filters, and the queue behind them. */
  readonly filtered: Entrance;
  readonly direct: Entrance;
  readonly log: Log;
  /** As the settings are now; undefined: nobody looks at notices. */
  policy(): EntrancePolicy | undefined;
}

export class NoticeEntrance {
  readonly #options: NoticeEntranceOptions;

  constructor(options: NoticeEntranceOptions) {
    this.#options = options;
  }

  async begin(envelope: QueueEnvelope): Promise<NoticeWriter> {
    const { filtered, direct, log, policy } = this.#options;
    const now = policy();
    if (now === undefined) return await direct.begin(envelope);
    const cleanup = new CleanupEntrance({ next: filtered, log, policy: () => now });
    return await cleanup.begin({ ...envelope, protocol: 'local' });
  }
}

/** POSTFIX: internal mail is completed and mapped, and nobody gets a copy of it. */
export function noticePolicyOf(
  configuration: LoadedConfiguration,
  ports: EntrancePorts,
): EntrancePolicy | undefined {
  const { postfix } = configuration;
  if (!postfix.list('internal_mail_filter_classes').includes('bounce')) return undefined;
  const policy = entrancePolicyOf(configuration, postfix, ports);
  const cleanup = { ...policy.cleanup, alwaysBcc: '', senderBccMaps: [], recipientBccMaps: [] };
  const overrides = { noAddressMappings: false, noHeaderBodyChecks: false };
  return { ...policy, cleanup, overrides, contentFilter: '' };
}

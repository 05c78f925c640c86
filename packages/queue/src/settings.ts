// The queue's settings, with Postfix's defaults. Times are milliseconds, sizes octets.

import type { TemplatesRead } from './bounce-template.ts';
import type { ConcurrencySettings, Feedback } from './concurrency.ts';

export interface QueueSettings {
  readonly queueRunDelay: number;
  readonly minimalBackoff: number;
  readonly maximalBackoff: number;
  /** qmgr_message_active_limit: messages held in memory; the rest wait on disk. */
  readonly activeLimit: number;
  /** qmgr_message_recipient_limit: recipients of active messages held in memory. */
  readonly activeRecipientLimit: number;
  /** default_process_limit: deliveries at once per transport. */
  readonly processLimit: number;
  /** default_destination_concurrency_limit. */
  readonly destinationConcurrency: number;
  /** `<transport>_destination_concurrency_limit` where it differs. */
  readonly transportConcurrency: Readonly<Record<string, number>>;
  /** initial_destination_concurrency, default_destination_concurrency_{positive,negative}_feedback, …_failed_cohort_limit. */
  readonly initialConcurrency: number;
  readonly positiveFeedback: Feedback;
  readonly negativeFeedback: Feedback;
  readonly failedCohorts: number;
  /** What transports have of their own: <transport>_… and the rows of master.cf. */
  readonly transports: Readonly<Record<string, TransportLimits>>;
  /** transport_retry_time: after a transport itself failed. */
  readonly transportRetry: number;
  /** defer_transports: tried when somebody flushes, else never. */
  readonly deferTransports: ReadonlySet<string>;
  /** default_destination_recipient_limit: recipients in one job. */
  readonly destinationRecipients: number;
  readonly transportRecipients: Readonly<Record<string, number>>;
  readonly queueMinfree: number;
  /** 0: no limit. */
  readonly messageSizeLimit: number;
  readonly longQueueIds: boolean;
  /** Largest message kept inside the database; larger ones are files beside it. */
  readonly inlineLimit: number;
  /** Octets of fresh messages kept in memory until delivered. */
  readonly cacheLimit: number;
  /** maximal_queue_lifetime, bounce_queue_lifetime: what is older is returned after its next attempt. */
  readonly maximalLifetime: number;
  readonly bounceLifetime: number;
  /** delay_warning_time; 0: no warnings. */
  readonly delayWarning: number;
  /** soft_bounce: permanent failures wait like temporary ones. */
  readonly softBounce: boolean;
  readonly notices: NoticeSettings;
}

export interface TransportLimits {
  /** maxproc of its row in master.cf; 0: no limit. */
  readonly processes?: number;
  readonly initial?: number;
  readonly positive?: Feedback;
  readonly negative?: Feedback;
  readonly cohorts?: number;
  /** <transport>_destination_rate_delay: between deliveries to one destination, which come one at a time then. */
  readonly rateDelay?: number;
  /** <transport>_transport_rate_delay: between any two of its deliveries. */
  readonly transportRateDelay?: number;
}

export function processLimitOf(settings: QueueSettings, transport: string): number {
  return settings.transports[transport]?.processes ?? settings.processLimit;
}

export function concurrencyOf(settings: QueueSettings, transport: string): ConcurrencySettings {
  const own = settings.transports[transport];
  const limit = settings.transportConcurrency[transport] ?? settings.destinationConcurrency;
  return {
    initial: own?.initial ?? settings.initialConcurrency,
    limit: (own?.rateDelay ?? 0) > 0 ? 1 : limit,
    positive: own?.positive ?? settings.positiveFeedback,
    negative: own?.negative ?? settings.negativeFeedback,
    cohorts: own?.cohorts ?? settings.failedCohorts,
  };
}

/** How notifications look, and who gets those that nobody else can get. */
export interface NoticeSettings {
  readonly myhostname: string;
  readonly mailName: string;
  /** bounce_size_limit: larger messages come back as their header. 0: no limit. */
  readonly sizeLimit: number;
  /** double_bounce_sender with its domain. */
  readonly doubleBounceSender: string;
  /** 2bounce_notice_recipient, bounce_notice_recipient, delay_notice_recipient. */
  readonly doubleBounceRecipient: string;
  readonly bounceRecipient: string;
  readonly delayRecipient: string;
  /** bounce_template_file */
  readonly templates: TemplatesRead['templates'];
  /** notify_classes, in lower case. */
  readonly classes: ReadonlySet<string>;
}

/**
 * POSTFIX: the defaults of postconf, but `local_destination_concurrency_limit`: Postfix's 2 guards mbox locks
 * and commands; a Maildir gains from parallel fsyncs (see docs/queue.md for the figures).
 */
export const defaultQueueSettings: QueueSettings = {
  queueRunDelay: 300_000,
  minimalBackoff: 300_000,
  maximalBackoff: 4_000_000,
  activeLimit: 20_000,
  activeRecipientLimit: 20_000,
  processLimit: 100,
  destinationConcurrency: 20,
  transportConcurrency: { local: 8 },
  initialConcurrency: 5,
  positiveFeedback: { value: 1, over: 'one' },
  negativeFeedback: { value: 1, over: 'one' },
  failedCohorts: 1,
  transports: {},
  transportRetry: 60_000,
  deferTransports: new Set(),
  destinationRecipients: 50,
  transportRecipients: { local: 1 },
  queueMinfree: 0,
  messageSizeLimit: 10_240_000,
  longQueueIds: false,
  inlineLimit: 64 * 1024,
  cacheLimit: 32 * 1024 * 1024,
  maximalLifetime: 432_000_000,
  bounceLifetime: 432_000_000,
  delayWarning: 0,
  softBounce: false,
  notices: {
    myhostname: 'localhost',
    mailName: 'Postfix',
    sizeLimit: 50_000,
    doubleBounceSender: 'double-bounce@localhost',
    doubleBounceRecipient: 'postmaster',
    bounceRecipient: 'postmaster',
    delayRecipient: 'postmaster',
    templates: {},
    classes: new Set(['resource', 'software']),
  },
};

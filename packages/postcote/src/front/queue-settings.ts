// main.cf and the rows of master.cf → the queue's settings.

import { readFileSync } from 'node:fs';
import type { PostfixSettings } from '@postcote/config';
import type { LoadedConfiguration } from '@postcote/config/edge';
import {
  defaultQueueSettings,
  type Feedback,
  parseFeedback,
  readTemplates,
  timeInUnit,
  type QueueSettings,
  type TransportLimits,
} from '@postcote/queue';
import type { Log } from '@postcote/wire';

/** Throws, with what is wrong, for a value that the queue cannot follow. */
export function queueSettingsOf({ postfix, master }: LoadedConfiguration, log: Log): Partial<QueueSettings> {
  const ms = (name: string): number => postfix.time(name) * 1000;
  return {
    queueRunDelay: ms('queue_run_delay'),
    minimalBackoff: ms('minimal_backoff_time'),
    maximalBackoff: ms('maximal_backoff_time'),
    activeLimit: postfix.int('qmgr_message_active_limit'),
    processLimit: postfix.int('default_process_limit'),
    destinationConcurrency: postfix.int('default_destination_concurrency_limit'),
    maximalLifetime: ms('maximal_queue_lifetime'),
    bounceLifetime: ms('bounce_queue_lifetime'),
    delayWarning: ms('delay_warning_time'),
    softBounce: postfix.bool('soft_bounce'),
    notices: {
      myhostname: postfix.string('myhostname'),
      mailName: postfix.string('mail_name'),
      sizeLimit: postfix.int('bounce_size_limit'),
      doubleBounceSender: `${postfix.string('double_bounce_sender')}@${postfix.string('myorigin')}`,
      doubleBounceRecipient: postfix.string('2bounce_notice_recipient'),
      bounceRecipient: postfix.string('bounce_notice_recipient'),
      delayRecipient: postfix.string('delay_notice_recipient'),
      templates: templatesOf(postfix, log),
      classes: new Set(postfix.list('notify_classes').map((word) => word.toLowerCase())),
    },
    ...transportSettingsOf(postfix, master),
    activeRecipientLimit: postfix.int('qmgr_message_recipient_limit'),
    destinationRecipients: postfix.int('default_destination_recipient_limit'),
    queueMinfree: postfix.int('queue_minfree'),
    messageSizeLimit: postfix.int('message_size_limit'),
    longQueueIds: postfix.bool('enable_long_queue_ids'),
  };
}

/** POSTFIX: what cannot be used in it is a warning, and the server's own words stay. */
function templatesOf(s: PostfixSettings, log: Log): QueueSettings['notices']['templates'] {
  const file = s.string('bounce_template_file');
  if (file === '') return {};
  const valueOf = (name: string): string | undefined =>
    timeInUnit(name, (parameter) => s.time(parameter)) ??
    (s.raw(name) === undefined ? undefined : s.string(name));
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    log('warn', 'postfix/bounce', `bounce_template_file: ${String(error)}: using the words of the server`);
  }
  const { templates, problems } = readTemplates(text, valueOf);
  for (const problem of problems)
    log('warn', 'postfix/bounce', `${file}:${problem}: using the words of the server for it`);
  return templates;
}

/** Transports that every installation has, whatever master.cf says. */
const USUAL = ['local', 'smtp', 'relay', 'lmtp', 'virtual', 'error', 'retry', 'discard'];

/** POSTFIX: `<transport>_…` for every row of master.cf, `default_…` where that is not set. */
function transportSettingsOf(
  s: PostfixSettings,
  master: LoadedConfiguration['master'],
): Partial<QueueSettings> {
  const rows = new Map(
    (master?.services ?? []).filter(({ type }) => type === 'unix').map((row) => [row.name, row]),
  );
  const concurrency: Record<string, number> = { ...defaultQueueSettings.transportConcurrency };
  const recipients: Record<string, number> = { ...defaultQueueSettings.transportRecipients };
  const transports: Record<string, TransportLimits> = {};
  for (const name of new Set([...USUAL, ...rows.keys()])) {
    const set = (rest: string): string | undefined =>
      s.isSet(`${name}_${rest}`) ? `${name}_${rest}` : undefined;
    const limit = set('destination_concurrency_limit');
    if (limit !== undefined) concurrency[name] = s.int(limit);
    const size = set('destination_recipient_limit');
    // One mailbox, one delivery: what Postfix joins is joined after it.
    if (size !== undefined && name !== 'local') recipients[name] = s.int(size);
    const initial = set('initial_destination_concurrency');
    const positive = set('destination_concurrency_positive_feedback');
    const negative = set('destination_concurrency_negative_feedback');
    const cohorts = set('destination_concurrency_failed_cohort_limit');
    const processes = rows.get(name)?.processLimit;
    const rateDelay = s.time(set('destination_rate_delay') ?? 'default_destination_rate_delay') * 1000;
    const transportRateDelay = s.time(set('transport_rate_delay') ?? 'default_transport_rate_delay') * 1000;
    transports[name] = {
      ...(initial === undefined ? {} : { initial: s.int(initial) }),
      ...(positive === undefined ? {} : { positive: feedbackOf(s, positive) }),
      ...(negative === undefined ? {} : { negative: feedbackOf(s, negative) }),
      ...(cohorts === undefined ? {} : { cohorts: s.int(cohorts) }),
      ...(processes === undefined ? {} : { processes }),
      ...(rateDelay > 0 ? { rateDelay } : {}),
      ...(transportRateDelay > 0 ? { transportRateDelay } : {}),
    };
  }
  return {
    transportConcurrency: concurrency,
    transportRecipients: recipients,
    transports,
    initialConcurrency: s.int('initial_destination_concurrency'),
    positiveFeedback: feedbackOf(s, 'default_destination_concurrency_positive_feedback'),
    negativeFeedback: feedbackOf(s, 'default_destination_concurrency_negative_feedback'),
    failedCohorts: s.int('default_destination_concurrency_failed_cohort_limit'),
    transportRetry: s.time('transport_retry_time') * 1000,
    deferTransports: new Set(s.list('defer_transports')),
  };
}

function feedbackOf(s: PostfixSettings, name: string): Feedback {
  const feedback = parseFeedback(s.string(name));
  if (feedback !== undefined) return feedback;
  throw new Error(
    `${name} = ${s.string(name)} is no number from 0 to 1, perhaps over "concurrency" or "sqrt_concurrency"`,
  );
}

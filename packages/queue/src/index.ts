// Public entry of the package.
export type {
  Destination,
  EnvelopeClient,
  EnvelopeRecipient,
  MessageEnvelope,
  Notify,
  QueueEnvelope,
  QueuedRecipient,
  RecipientPart,
} from './envelope.ts';
export { QueueError } from './ports.ts';
export type {
  Deliverer,
  DeliveryJob,
  DeliveryResult,
  MessageBody,
  QueueClock,
  Resolution,
  Resolve,
  ResolvedRecipient,
  Route,
} from './ports.ts';
export type { NoticeWriter } from './notifier.ts';
export { readTemplates, timeInUnit } from './bounce-template.ts';
export { type Feedback, parseFeedback } from './concurrency.ts';
export { defaultQueueSettings } from './settings.ts';
export type { NoticeSettings, QueueSettings, TransportLimits } from './settings.ts';
export { formatQueueId, parseQueueId } from './queue-id.ts';
export { nextAttempt } from './schedule.ts';
export { formatDelay, formatDeliveryLine } from './log-lines.ts';

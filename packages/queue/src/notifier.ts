// Decides who is told what about a message's recipients, and puts the notifications into the queue.
//
// Contract: `notify` settles when every notification it made is durable; it rejects when one could not be kept, and the
// recipients must then stay in the queue. Nothing is ever sent about a message from `<>` to anybody but, when
// `notify_classes` says so, the postmaster.

import type { Log } from '@postcote/wire';
import type { EnvelopeRecipient, MessageEnvelope, Notify, QueueEnvelope } from './envelope.ts';
import { formatNotice, type NoticeKind, type NoticeRecipient } from './notice.ts';
import type { MessageBody, QueueClock } from './ports.ts';
import type { QueuedMessage } from './schedule-store.ts';
import type { QueueSettings } from './settings.ts';

/** The queue's own entrance. */
export interface NoticeWriter {
  readonly queueId: string;
  write(chunk: Uint8Array): Promise<void> | undefined;
  commit(): Promise<{ readonly queueId: string }>;
}

export interface NotifierOptions {
  begin(envelope: QueueEnvelope): Promise<NoticeWriter>;
  openBody(message: QueuedMessage): Promise<MessageBody>;
  readonly clock: QueueClock;
  readonly log: Log;
  settings(): QueueSettings;
}

export interface Notices {
  readonly failures: readonly NoticeRecipient[];
  readonly delays: readonly NoticeRecipient[];
  readonly successes: readonly NoticeRecipient[];
}

const PROGRAM = 'postfix/bounce';
const NAMES: Readonly<Record<NoticeKind, string>> = {
  failure: 'sender non-delivery notification',
  delay: 'sender delay notification',
  success: 'sender delivery status notification',
};
/** Octets of a header that come back when the message itself is too large. */
const MAX_HEADER = 64 * 1024;

export class Notifier {
  readonly #options: NotifierOptions;

  constructor(options: NotifierOptions) {
    this.#options = options;
  }

  async notify(message: QueuedMessage, notices: Notices): Promise<void> {
    await this.#notifyAll(message, 'failure', notices.failures.filter(asksFor('FAILURE')));
    await this.#notifyAll(message, 'delay', notices.delays.filter(asksFor('DELAY')));
    await this.#notifyAll(message, 'success', notices.successes);
  }

  async #notifyAll(
    message: QueuedMessage,
    kind: NoticeKind,
    recipients: readonly NoticeRecipient[],
  ): Promise<void> {
    const bySender = new Map<string, NoticeRecipient[]>();
    for (const one of recipients) {
      const sender = one.recipient.sender ?? message.envelope.sender;
      const together = bySender.get(sender) ?? [];
      bySender.set(sender, together);
      together.push(one);
    }
    for (const [sender, together] of bySender) await this.#notifySender(message, kind, { sender, together });
  }

  async #notifySender(
    message: QueuedMessage,
    kind: NoticeKind,
    { sender, together }: { readonly sender: string; readonly together: readonly NoticeRecipient[] },
  ): Promise<void> {
    const { log } = this.#options;
    const { notices } = this.#options.settings();
    if (isDoubleBounce(sender, notices.doubleBounceSender)) {
      log('warn', PROGRAM, `${message.queueId}: undeliverable postmaster notification discarded`);
      return;
    }
    if (sender !== '') {
      const id = await this.#send(message, kind, { together, to: sender, from: '', forPostmaster: false });
      log('info', PROGRAM, `${message.queueId}: ${NAMES[kind]}: ${id}`);
      const copyTo =
        kind === 'failure' && notices.classes.has('bounce')
          ? notices.bounceRecipient
          : kind === 'delay' && notices.classes.has('delay')
            ? notices.delayRecipient
            : undefined;
      if (copyTo !== undefined) await this.#tellPostmaster(message, kind, { together, to: copyTo });
      return;
    }
    // RFC 5321 §6.1: nobody is told about a notification's own failure but the postmaster.
    if (kind !== 'failure') return;
    if (notices.classes.has('2bounce')) {
      await this.#tellPostmaster(message, kind, { together, to: notices.doubleBounceRecipient });
      return;
    }
    const addresses = together.map(({ recipient }) => `<${recipient.address}>`).join(', ');
    log('warn', PROGRAM, `${message.queueId}: undeliverable notification to ${addresses} discarded`);
  }

  async #tellPostmaster(
    message: QueuedMessage,
    kind: NoticeKind,
    { together, to }: { readonly together: readonly NoticeRecipient[]; readonly to: string },
  ): Promise<void> {
    const from = this.#options.settings().notices.doubleBounceSender;
    const id = await this.#send(message, kind, { together, to, from, forPostmaster: true });
    const name = kind === 'delay' ? 'postmaster delay notification' : 'postmaster non-delivery notification';
    this.#options.log('info', PROGRAM, `${message.queueId}: ${name}: ${id}`);
  }

  async #send(
    message: QueuedMessage,
    kind: NoticeKind,
    how: {
      readonly together: readonly NoticeRecipient[];
      readonly to: string;
      readonly from: string;
      readonly forPostmaster: boolean;
    },
  ): Promise<string> {
    const { clock } = this.#options;
    const { notices, maximalLifetime } = this.#options.settings();
    const writer = await this.#options.begin(noticeEnvelope(how.to, how.from, message.envelope));
    const original = await this.#original(message, kind);
    const octets = formatNotice(
      {
        kind,
        queueId: message.queueId,
        envelope: message.envelope,
        arrivedAt: message.arrivedAt,
        retryUntil: message.arrivedAt + maximalLifetime,
        recipients: how.together,
        original: original.octets,
        whole: original.whole,
      },
      { queueId: writer.queueId, to: how.to, now: clock.now(), forPostmaster: how.forPostmaster },
      notices,
    );
    await writer.write(octets);
    const { queueId } = await writer.commit();
    return queueId;
  }

  // RFC 3461 §4.3, §6.2: RET=FULL concerns failures only. POSTFIX: a message over bounce_size_limit comes back as its
  // header.
  async #original(
    message: QueuedMessage,
    kind: NoticeKind,
  ): Promise<{ readonly octets: Uint8Array; readonly whole: boolean }> {
    const { sizeLimit } = this.#options.settings().notices;
    const whole =
      kind === 'failure' && message.envelope.ret !== 'HDRS' && (sizeLimit === 0 || message.size <= sizeLimit);
    let body: MessageBody;
    try {
      body = await this.#options.openBody(message);
    } catch {
      // The notification is worth more than its attachment.
      return { octets: new Uint8Array(0), whole: false };
    }
    if (body.kind === 'octets') return { octets: body.octets, whole };
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of body.stream()) {
      chunks.push(chunk);
      size += chunk.length;
      if (!whole && size >= MAX_HEADER) break;
    }
    return { octets: Buffer.concat(chunks), whole };
  }
}

/** RFC 3461 §4.1: without NOTIFY the sender hears of failures and, as far as we please, of delays. */
function asksFor(what: Notify): (one: NoticeRecipient) => boolean {
  return ({ recipient: { notify } }) => notify === undefined || notify.includes(what);
}

/** Whether a recipient that was reached is to be reported: to its mailbox, or to a host that reports nothing itself. */
export function wantsSuccess({ recipient, result }: NoticeRecipient): boolean {
  return (
    result.status === 'sent' && recipient.notify?.includes('SUCCESS') === true && result.dsnPassedOn !== true
  );
}

function isDoubleBounce(sender: string, doubleBounceSender: string): boolean {
  return sender !== '' && sender.toLowerCase() === doubleBounceSender.toLowerCase();
}

function noticeEnvelope(to: string, from: string, about: MessageEnvelope): QueueEnvelope {
  const recipient: EnvelopeRecipient = { address: to };
  return {
    sender: from,
    recipients: [recipient],
    smtpUtf8: about.smtpUtf8 && /[^\0-\x7f]/.test(to),
    client: { address: '127.0.0.1', port: 0, name: 'localhost', reverseName: 'localhost' },
    helo: 'localhost',
    protocol: 'SMTP',
  };
}

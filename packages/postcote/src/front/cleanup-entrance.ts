// The way into the queue that every message takes once, from SMTP as from the maildrop folder: its envelope rewritten,
// its header and body checked, then what stands behind (filters that are asked, the queue).
//
// `begin` throws `AcceptError`; `commit` throws `ContentRejected` when the content is refused. Nothing is kept then.

import { setImmediate } from 'node:timers/promises';
import {
  type CleanEnvelope,
  CleanupStream,
  type Verdict,
  cleanEnvelope,
  redirectedFrom,
} from '@postcote/cleanup';
import {
  AcceptError,
  type AcceptedEnvelope,
  ContentRejected,
  type EnvelopeRecipient,
  type IncomingMessage,
  type MessageContext,
  formatMailDate,
} from '@postcote/smtp';
import type { Log } from '@postcote/wire';
import type { EntrancePolicy } from './cleanup-settings.ts';

/** The envelope as the stages behind see it. */
export type InnerEnvelope = Omit<AcceptedEnvelope, 'messageSize' | 'protocol' | 'recipients'> & {
  readonly protocol: string;
  readonly recipients: readonly (EnvelopeRecipient & { readonly original?: string })[];
  readonly noMappings?: true;
  readonly refused?: string;
};

/** What stands behind: the queue, or a stage before it. */
export interface Entrance {
  begin(envelope: InnerEnvelope, context?: MessageContext): Promise<EnteringMessage>;
}

export type EnteringMessage = Omit<IncomingMessage, 'amend'> & {
  amend(envelope: InnerEnvelope): void;
};

export interface CleanupOptions {
  readonly next: Entrance;
  readonly log: Log;
  /** As the settings are now. */
  policy(): EntrancePolicy;
}

/** How the message came in, where the envelope does not say it. */
export interface EntranceFacts {
  /** For a `From:` that is missing. */
  readonly fullName?: string;
  /** POSTFIX: mail from this machine whose content is refused comes back; mail from elsewhere is not taken. */
  readonly bouncesRefusals?: true;
  /** The session's filters, for the stage behind. */
  readonly context?: MessageContext | undefined;
}

export class CleanupEntrance {
  readonly #options: CleanupOptions;

  constructor(options: CleanupOptions) {
    this.#options = options;
  }

  async begin(envelope: InnerEnvelope, facts: EntranceFacts = {}): Promise<EnteringMessage> {
    const { next, log, policy: policyNow } = this.#options;
    const policy = policyNow();
    const rewriting = new EnvelopeRewriting(policy, (text) =>
      log('warn', policy.program, `warning: ${text}`),
    );
    const clean = await rewriting.rewrite(envelope);
    const inner = await next.begin(clean, facts.context);
    return new CleanedMessage(inner, { policy, log, given: envelope, clean, rewriting, facts });
  }
}

class EnvelopeRewriting {
  readonly #policy: EntrancePolicy;
  readonly #warn: (text: string) => void;

  constructor(policy: EntrancePolicy, warn: (text: string) => void) {
    this.#policy = policy;
    this.#warn = warn;
  }

  /** `verdict`: what the content's checks said. Throws `AcceptError` when a table cannot answer. */
  async rewrite(given: InnerEnvelope, verdict?: Verdict): Promise<InnerEnvelope> {
    const { cleanup: settings, overrides, contentFilter } = this.#policy;
    const redirect = verdict?.redirect;
    const replaced = redirect === undefined ? undefined : redirectedFrom(given.recipients);
    let clean: CleanEnvelope<InnerEnvelope['recipients'][number]>;
    try {
      clean = await cleanEnvelope(
        {
          sender: given.sender,
          recipients: redirect === undefined ? given.recipients : [{ address: redirect }],
          ...(verdict === undefined ? {} : { copies: verdict.bcc }),
        },
        { settings, overrides, warn: this.#warn },
      );
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new AcceptError('unavailable', reason, { cause: error });
    }
    const { filter: _, hold, discard, ...rest } = given;
    const filter = redirect === undefined ? (verdict?.filter ?? given.filter ?? contentFilter) : '';
    return {
      ...rest,
      sender: clean.sender,
      recipients: clean.recipients.map(({ given: recipient, address, original }) => ({
        ...(recipient ?? { notify: ['NEVER'] as const }),
        address,
        original: !this.#policy.originalRecipients
          ? ''
          : replaced !== undefined && recipient?.address === redirect
            ? (replaced.original ?? replaced.address)
            : original,
      })),
      ...(filter === '' ? {} : { filter }),
      ...(overrides.noAddressMappings ? { noMappings: true as const } : {}),
      ...(hold === true || verdict?.hold === true ? { hold: true as const } : {}),
      ...(discard === true || verdict?.discard === true ? { discard: true as const } : {}),
    };
  }
}

interface Circumstances {
  readonly policy: EntrancePolicy;
  readonly log: Log;
  readonly given: InnerEnvelope;
  readonly clean: InnerEnvelope;
  readonly rewriting: EnvelopeRewriting;
  readonly facts: EntranceFacts;
}

class CleanedMessage implements EnteringMessage {
  readonly #inner: EnteringMessage;
  readonly #circumstances: Circumstances;
  readonly #stream: CleanupStream;
  #given: InnerEnvelope;
  #amended = false;
  #waiting: Promise<void> | undefined;

  constructor(inner: EnteringMessage, circumstances: Circumstances) {
    this.#inner = inner;
    this.#circumstances = circumstances;
    this.#given = circumstances.given;
    const { policy, log, given, clean, facts } = circumstances;
    const date = new Date();
    const isLocal = given.protocol === 'local';
    this.#stream = new CleanupStream(
      policy.cleanup,
      {
        queueId: inner.queueId,
        sender: clean.sender,
        recipient: clean.recipients.at(-1)?.address,
        fullName: facts.fullName,
        date,
        mailDate: formatMailDate(date),
        origin: isLocal ? 'local' : `${given.client.name}[${given.client.address}]`,
        protocol: isLocal ? undefined : given.protocol,
        helo: isLocal ? undefined : given.helo,
        context: isLocal || given.localHeaders === true ? policy.localContext : policy.remoteContext,
        overrides: policy.overrides,
        goesOnWhenRefused: facts.bouncesRefusals === true,
      },
      {
        info: (text) => log('info', policy.program, text),
        warn: (text) => log('warn', policy.program, `warning: ${text}`),
        pause: () => setImmediate(),
      },
    );
  }

  get queueId(): string {
    return this.#inner.queueId;
  }

  readonly #pass = (piece: Buffer): void => {
    const wait = this.#inner.write(piece);
    if (wait !== undefined) this.#waiting = wait;
  };

  write(chunk: Uint8Array): Promise<void> | undefined {
    const octets = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    const taken = this.#stream.write(octets, this.#pass);
    return taken === undefined ? this.#takeWaiting() : taken.then(() => this.#takeWaiting());
  }

  /** What the queue wants waited for. */
  #takeWaiting(): Promise<void> | undefined {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    return waiting;
  }

  amend(envelope: InnerEnvelope): void {
    this.#given = envelope;
    this.#amended = true;
  }

  async commit(): Promise<{ readonly queueId: string }> {
    try {
      return await this.#commit();
    } catch (error) {
      await this.#inner.abort();
      throw error;
    }
  }

  async #commit(): Promise<{ readonly queueId: string }> {
    const verdict = await this.#stream.finish(this.#pass);
    await this.#takeWaiting();
    if (verdict.failure !== undefined)
      throw new AcceptError('unavailable', verdict.failure.message, { cause: verdict.failure });
    if (verdict.reject !== undefined) return await this.#refuse(verdict.reject);
    const { hold, discard, filter, redirect, bcc } = verdict;
    const decided = hold || discard || filter !== undefined || redirect !== undefined || bcc.length > 0;
    if (this.#amended || decided)
      this.#inner.amend(await this.#circumstances.rewriting.rewrite(this.#given, verdict));
    return await this.#inner.commit();
  }

  async #refuse(reason: string): Promise<{ readonly queueId: string }> {
    const [status = '5.7.1', ...words] = reason.split(' ');
    const { facts, clean } = this.#circumstances;
    // What can be taken later is not returned now.
    if (facts.bouncesRefusals !== true || status.startsWith('4'))
      throw new ContentRejected(status, words.join(' '));
    const { filter: _, hold: __, ...envelope } = clean;
    this.#inner.amend({ ...envelope, ret: 'HDRS', refused: reason });
    return await this.#inner.commit();
  }

  async abort(): Promise<void> {
    await this.#inner.abort();
  }
}

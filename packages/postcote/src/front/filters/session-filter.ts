// The stage in which the filters of an SMTP session see its messages. Mail of sessions without filters goes straight on.

import { type BodyStore, type EditableMessage, Milters, type Verdict } from '@postcote/milter';
import type { CheckTable } from '@postcote/cleanup';
import { type MessageContext, MessageRefused } from '@postcote/smtp';
import type { Log } from '@postcote/wire';
import type { EnteringMessage, Entrance, InnerEnvelope } from '../cleanup-entrance.ts';
import { FilteredMessage, type Inspection } from './filtered-message.ts';

export interface FilterStageOptions {
  readonly next: Entrance;
  readonly log: Log;
  openBody(): BodyStore;
  limits(): FilterLimits;
}

export interface FilterLimits {
  readonly messageSizeLimit: number;
  readonly headerSizeLimit: number;
  /** `milter_header_checks`. */
  readonly headerChecks?: CheckTable;
}

export class SessionFilter implements Entrance {
  readonly #options: FilterStageOptions;

  constructor(options: FilterStageOptions) {
    this.#options = options;
  }

  async begin(envelope: InnerEnvelope, context?: MessageContext): Promise<EnteringMessage> {
    const { next, log, openBody, limits } = this.#options;
    const inner = await next.begin(envelope);
    const milters = context?.milters;
    if (context === undefined || !(milters instanceof Milters)) return inner;
    return new FilteredMessage({
      inner,
      envelope,
      openBody,
      log,
      ...limits(),
      inspect: (message, given, note) =>
        given.discard === true
          ? Promise.resolve({})
          : inspectNow(message, { milters, macros: context.macros(inner.queueId), note }),
      refuse(reply) {
        throw new MessageRefused(reply);
      },
    });
  }
}

async function inspectNow(
  message: EditableMessage,
  {
    milters,
    macros,
    note,
  }: {
    readonly milters: Milters;
    readonly macros: Parameters<Milters['message']>[1];
    readonly note: (event: string, verdict: Verdict) => Inspection;
  },
): Promise<Inspection> {
  const verdict = await milters.message(message, macros);
  return verdict === undefined ? {} : note('END-OF-MESSAGE', verdict);
}

// The stage in which `non_smtpd_milters` see mail of this machine's own programs. POSTFIX: cleanup(8) plays the SMTP
// session for them that there never was: connect, EHLO, MAIL, RCPT, DATA, and then the message.
//
// What they refuse comes back to its sender; what they refuse for now stays where it was and is tried again.

import {
  type EditableMessage,
  type MacroLookup,
  type Milters,
  type Verdict,
  formatEnvelopeAddress,
  parseEnvelopeAddress,
} from '@postcote/milter';
import { socketOpener } from '@postcote/milter/edge';
import { AcceptError } from '@postcote/smtp';
import type { EnteringMessage, Entrance, InnerEnvelope } from '../cleanup-entrance.ts';
import type { FilterSettings } from './filter-settings.ts';
import { FilteredMessage, type Inspection } from './filtered-message.ts';
import { miltersOf } from './open-milters.ts';
import type { FilterStageOptions } from './session-filter.ts';

export interface LocalFilterOptions extends FilterStageOptions {
  readonly myhostname: () => string;
  /** Of a message that filters refuse: see `FilteredMessageOptions`. */
  refuse(reply: string, envelope: InnerEnvelope): InnerEnvelope;
  /** As they are now; undefined: local mail is not filtered. */
  settings(): FilterSettings | undefined;
}

const NAME = 'localhost';
const ADDRESS = '127.0.0.1';

export class LocalFilter implements Entrance {
  readonly #options: LocalFilterOptions;

  constructor(options: LocalFilterOptions) {
    this.#options = options;
  }

  async begin(envelope: InnerEnvelope): Promise<EnteringMessage> {
    const { next, log, openBody, limits, settings, myhostname, refuse } = this.#options;
    const inner = await next.begin(envelope);
    const filters = settings();
    if (filters === undefined || envelope.discard === true) return inner;
    return new FilteredMessage({
      inner,
      envelope,
      openBody,
      log,
      ...limits(),
      async inspect(message, given, note) {
        const play = new PlayedSession(given, { filters, queueId: inner.queueId, myhostname: myhostname() });
        const milters = miltersOf(filters.services, {
          settings: filters,
          open: socketOpener(filters.queueDirectory),
          facts: {
            macros: play.macros,
            warn: (text) => log('warn', 'postfix/cleanup', `warning: ${inner.queueId}: ${text}`),
          },
        });
        try {
          return await play.run(milters, message, note);
        } finally {
          milters.end();
        }
      },
      refuse,
    });
  }
}

/** POSTFIX: cleanup(8) bounces what pickup(8) brings, and leaves with it what may be taken later. */
export function returnRefused(reply: string, envelope: InnerEnvelope): InnerEnvelope {
  const reason = reply.slice(4).split('\r\n')[0] ?? '';
  if (!reply.startsWith('5')) throw new AcceptError('unavailable', `refused for now by a milter: ${reason}`);
  const { hold: _, ...rest } = envelope;
  return { ...rest, ret: 'HDRS', refused: /^5\.\d/.test(reason) ? reason : `5.7.1 ${reason}` };
}

interface Circumstances {
  readonly filters: FilterSettings;
  readonly queueId: string;
  readonly myhostname: string;
}

class PlayedSession {
  readonly #envelope: InnerEnvelope;
  readonly #values: Map<string, string>;

  constructor(envelope: InnerEnvelope, { filters, queueId, myhostname }: Circumstances) {
    this.#envelope = envelope;
    this.#values = new Map([
      ['{daemon_name}', filters.daemonName],
      ['{v}', filters.version],
      ['{_}', `${NAME} [${ADDRESS}]`],
      ['{j}', myhostname],
      ['{client_addr}', ADDRESS],
      ['{client_name}', NAME],
      ['{client_port}', '0'],
      ['{client_ptr}', NAME],
      ['{daemon_addr}', ADDRESS],
      ['{daemon_port}', '0'],
      ['{i}', queueId],
    ]);
  }

  readonly macros: MacroLookup = (name) => this.#values.get(name);

  async run(
    milters: Milters,
    message: EditableMessage,
    note: (event: string, verdict: Verdict) => Inspection,
  ): Promise<Inspection> {
    let outcome: Inspection = {};
    for (const [event, ask] of this.#events(milters, message)) {
      const verdict = await ask();
      if (verdict === undefined) continue;
      const said = outcome.hold === true && verdict.kind === 'hold' ? outcome : note(event, verdict);
      if (said.refused !== undefined) return event === 'RCPT' ? CANNOT_REFUSE_RECIPIENT : said;
      outcome = { ...outcome, ...said };
      if (outcome.discard === true) break;
    }
    return outcome;
  }

  *#events(
    milters: Milters,
    message: EditableMessage,
  ): Generator<readonly [event: string, ask: () => Promise<Verdict | undefined>]> {
    yield ['CONNECT', () => milters.connect({ name: NAME, address: ADDRESS, port: 0 })];
    yield ['EHLO', () => milters.helo(NAME)];
    const sender = quoted(this.#envelope.sender);
    this.#values.set('{mail_addr}', sender);
    yield ['MAIL', () => milters.mail([sender])];
    for (const { address } of this.#envelope.recipients) {
      const recipient = quoted(address);
      this.#values.set('{rcpt_addr}', recipient);
      yield ['RCPT', () => milters.rcpt([recipient])];
    }
    yield ['DATA', () => milters.data()];
    yield ['END-OF-MESSAGE', () => milters.message(message, this.macros)];
  }
}

/** POSTFIX: one recipient of such mail cannot be refused alone. */
const CANNOT_REFUSE_RECIPIENT: Inspection = { refused: '451 4.3.5 Server configuration error' };

/** As it stands on the wire, without brackets. */
function quoted(address: string): string {
  const parsed = parseEnvelopeAddress(address);
  return parsed === undefined || parsed === null ? address : formatEnvelopeAddress(parsed);
}

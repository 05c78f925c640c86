// What filters want done with a session or a message, when it is not to go on as if there were no filter.

export type Verdict =
  /** The message is to be held. */
  | { readonly kind: 'hold'; readonly reason: string }
  /** It is to be taken and thrown away. */
  | { readonly kind: 'discard' }
  /** The session is to end. */
  | { readonly kind: 'shutdown' }
  /** SMTP lines with their code, CRLF between them. */
  | { readonly kind: 'reply'; readonly text: string };

export const reply = (text: string): Verdict => ({ kind: 'reply', text });

export const REJECTED = reply('550 5.7.1 Command rejected');
export const TRY_LATER = reply('451 4.7.1 Service unavailable - try again later');
/** `%s` of Postfix's log when a quarantine names no reason. */
export const HOLD_TEXT = 'milter triggers HOLD action';
export const DISCARD_TEXT = 'milter triggers DISCARD action';

const CONFIGURATION = '4.3.5 Server configuration problem - try again later';

export interface ActionVerdict {
  /** Undefined: go on as if there were no filter. */
  readonly verdict: Verdict | undefined;
  readonly warning?: string;
}

/** `milter_default_action` when a filter cannot be reached or does not answer as it should. */
export function unavailable(defaultAction: string): ActionVerdict {
  switch (defaultAction.toLowerCase()) {
    case 'accept':
      return { verdict: undefined };
    case 'reject':
      return { verdict: reply('550 5.5.0 Service unavailable') };
    case 'tempfail':
      return { verdict: TRY_LATER };
    case 'shutdown':
      return { verdict: reply('421 4.7.1 Service unavailable - try again later') };
    case 'quarantine':
      return { verdict: { kind: 'hold', reason: '' } };
    default:
      return {
        verdict: reply(`451 ${CONFIGURATION}`),
        warning: `unrecognized default action: ${defaultAction}`,
      };
  }
}

/** The same when the filter is misconfigured: no permanent refusal comes of that. */
export function misconfigured(defaultAction: string): ActionVerdict {
  switch (defaultAction.toLowerCase()) {
    case 'accept':
      return { verdict: undefined };
    case 'shutdown':
      return { verdict: reply(`421 ${CONFIGURATION}`) };
    case 'quarantine':
      return { verdict: { kind: 'hold', reason: '' } };
    default:
      return { verdict: reply(`451 ${CONFIGURATION}`) };
  }
}

/** POSTFIX: with `soft_bounce` a filter's refusals are temporary too, enhanced code included. */
export function softened(verdict: Verdict): Verdict {
  if (verdict.kind !== 'reply') return verdict;
  const lines = verdict.text.split('\r\n').map((line) => line.replace(/^5([0-9]{2}[ -])(5?)/, softLine));
  return reply(lines.join('\r\n'));
}

const softLine = (_: string, rest: string, enhanced: string): string =>
  `4${rest}${enhanced === '5' ? '4' : ''}`;

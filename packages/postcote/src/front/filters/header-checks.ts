// `milter_header_checks`: what an administrator says of header fields that filters make. One for each message; carries
// the answers' effects until the message's end. POSTFIX: cleanup_milter_hbc_extend().

import {
  type CheckAction,
  type CheckTable,
  askChecks,
  fieldName,
  readAction,
  runSteps,
  toText,
} from '@postcote/cleanup';
import type { HeaderVerdict } from '@postcote/milter';

export interface HeaderEffects {
  hold?: true;
  discard?: true;
  redirect?: string;
  filter?: string;
  readonly copies: string[];
  /** The reply that a REJECT came to. */
  refused?: string;
}

export interface HeaderCheckPorts {
  /** `milter-header-ACTION: header TEXT …: MORE`. */
  note(action: string, line: string, text: string): void;
  warn(text: string): void;
}

const TITLE = 'milter_header_checks';
const MAX_COPIES = 1000;
const LATER = '451 4.3.0 Error: queue file write error';
const KEEP: HeaderVerdict = { kind: 'keep' };
const IGNORE: HeaderVerdict = { kind: 'ignore' };

export class MilterHeaderChecks {
  readonly effects: HeaderEffects = { copies: [] };
  readonly #table: CheckTable;
  readonly #ports: HeaderCheckPorts;
  /** Nothing more is asked once it is settled what becomes of the message. */
  #settled = false;

  constructor(table: CheckTable, ports: HeaderCheckPorts) {
    this.#table = table;
    this.#ports = ports;
  }

  /** `line`: octets as characters, LF between the lines of a folded field. */
  readonly check = async (line: string): Promise<HeaderVerdict> => {
    if (this.#settled) return KEEP;
    let value: string | undefined;
    try {
      value = await runSteps(askChecks(this.#table, line, fieldName(line) ?? ''));
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#ports.warn(`${TITLE} map lookup problem -- message not accepted, try again later: ${why}`);
      return { kind: 'refuse', reply: LATER };
    }
    return value === undefined ? KEEP : this.#act(readAction(value, 'header', TITLE), line);
  };

  #act(action: CheckAction, line: string): HeaderVerdict {
    const { effects } = this;
    if (action.kind === 'ignore') return IGNORE;
    if (action.kind === 'none') {
      if (action.warning !== undefined) this.#ports.warn(toText(action.warning));
      return KEEP;
    }
    if (action.kind === 'prepend') {
      this.#ports.warn('the milter_header/body_checks prepend action is not implemented');
      return KEEP;
    }
    const text = toText(action.kind === 'reject' ? action.reason : action.text);
    this.#ports.note(action.kind === 'warn' ? 'warning' : action.kind, toText(line), text);
    switch (action.kind) {
      case 'reject':
        this.#settled = true;
        effects.refused = `${text.startsWith('4') ? 450 : 550} ${text}`;
        return { kind: 'refuse', reply: effects.refused };
      case 'discard':
        this.#settled = true;
        effects.discard = true;
        return IGNORE;
      case 'redirect':
        this.#settled = true;
        effects.redirect = text;
        return KEEP;
      case 'hold':
        effects.hold = true;
        return KEEP;
      case 'filter':
        effects.filter = text;
        return KEEP;
      case 'bcc':
        if (effects.copies.length < MAX_COPIES) effects.copies.push(text);
        return KEEP;
      case 'strip':
        return IGNORE;
      case 'replace':
        return { kind: 'replace', text: action.text };
      default:
        return KEEP;
    }
  }
}

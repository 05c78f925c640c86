// Runs restriction lists the way smtpd_check.c does: word by word until one permits or rejects; DEFER_IF_PERMIT
// is remembered across lists, DEFER_IF_REJECT within a stage (client, HELO, sender, recipient). Lists that tables
// answer with are run in place, to a limited depth. The result explains itself: every word that ran, where it was
// written and what it saw.
//
// Pure but for the ports in its input. Runs without a turn of the event loop as long as no word has to wait.

import { type Reply, printable, reply } from '../reply.ts';
import type { RestrictionItem } from '../settings.ts';
import type {
  Decision,
  Note,
  OnPermit,
  Remark,
  RestrictionClass,
  RestrictionInput,
  Subject,
  TraceStep,
  WordVerdict,
} from './types.ts';
import { forbidden } from './access-result.ts';
import { RESTRICTION_WORDS, WARN_IF_REJECT } from './words.ts';

export interface ListRun {
  readonly list: RestrictionClass;
  readonly items: readonly RestrictionItem[];
  readonly subject: Subject;
}

/** POSTFIX: lists within lists. */
const MAX_DEPTH = 100;

/** POSTFIX: what a configuration that cannot be followed comes to. */
const MISCONFIGURED = reply(451, '3.5', 'Server configuration error');

/** Words whose permission is about the recipient. */
const ABOUT_RECIPIENT: ReadonlySet<string> = new Set([
  'permit_auth_destination',
  'permit_mx_backup',
  'check_relay_domains',
]);

/** What earlier commands left, and whether the question is decided now. */
export interface Pending {
  readonly deferIfPermit?: Reply | undefined;
  /** False: a DEFER_IF_PERMIT waits for a later command. */
  readonly isLast: boolean;
}

/** Evaluates several lists in order; each ends at its first permit. */
export function evaluateLists(
  runs: readonly ListRun[],
  input: RestrictionInput,
  pending: Pending = { isLast: true },
): Decision | Promise<Decision> {
  return new Evaluation(runs, input, pending).goOn();
}

/** A list being run: one of the settings, or one that a table answered with. */
interface Frame {
  readonly items: readonly RestrictionItem[];
  readonly subject: Subject;
  at: number;
  /** `warn_if_reject` stands before the next word. */
  warnNext: boolean;
  /** It stood before the word that brought this list. */
  readonly warnAll: boolean;
  readonly onPermit: OnPermit | undefined;
}

class Evaluation {
  readonly #runs: readonly ListRun[];
  readonly #isLast: boolean;
  readonly #input: RestrictionInput;
  readonly #trace: TraceStep[] = [];
  readonly #remarks: Remark[] = [];
  readonly #warnings: Reply[] = [];
  #deferIfPermit: Reply | undefined;
  #deferIfReject: Reply | undefined;
  #run: ListRun | undefined;
  #frames: Frame[] = [];
  #next = 0;

  constructor(runs: readonly ListRun[], input: RestrictionInput, pending: Pending) {
    this.#isLast = pending.isLast;
    this.#deferIfPermit = pending.deferIfPermit;
    this.#runs = runs;
    this.#input = input;
  }

  goOn(): Decision | Promise<Decision> {
    for (;;) {
      if (this.#input.effects?.discard === true) return this.#permission();
      const frame = this.#frames.at(-1);
      if (frame === undefined) {
        if (!this.#beginList()) return this.#conclude();
        continue;
      }
      const item = frame.items[frame.at++];
      if (item === undefined) {
        this.#frames.pop();
        continue;
      }
      if (item.word === WARN_IF_REJECT) {
        frame.warnNext = true;
        continue;
      }
      const verdict = this.#runWord(item, frame);
      if (verdict instanceof Promise) {
        return verdict.then((value) => this.#settle(frame, item, value) ?? this.goOn());
      }
      const decision = this.#settle(frame, item, verdict);
      if (decision !== undefined) return decision;
    }
  }

  #beginList(): boolean {
    const before = this.#run?.list;
    const run = this.#runs[this.#next++];
    this.#run = run;
    if (run === undefined) return false;
    // POSTFIX: SMTPD_CHECK_RESET, at the beginning of each stage.
    if (stageOf(run.list) !== stageOf(before)) this.#deferIfReject = undefined;
    this.#frames = [frameOf(run)];
    return true;
  }

  #runWord(item: RestrictionItem, frame: Frame): WordVerdict | Promise<WordVerdict> {
    const row = RESTRICTION_WORDS.get(item.word);
    if (row === undefined) {
      return {
        kind: 'fault',
        saw: `unknown word ${item.word}`,
        warnings: [`unknown smtpd restriction: "${item.word}"`],
      };
    }
    if (row.needs !== 'nothing' && this.#input[row.needs] === undefined)
      return { kind: 'pass', saw: `no ${row.needs} yet` };
    return row.run(this.#input, frame.subject, item.argument ?? '', item);
  }

  /** The decision, or undefined to go on. */
  #settle(frame: Frame, item: RestrictionItem, verdict: WordVerdict): Decision | undefined {
    const warnOnly = frame.warnNext || frame.warnAll;
    frame.warnNext = false;
    this.#record(item, verdict, warnOnly);
    switch (verdict.kind) {
      case 'pass':
        return undefined;
      case 'permit':
        this.#notePermission(item, verdict, frame);
        return this.#permitted();
      case 'list':
        if (this.#frames.length > MAX_DEPTH) {
          this.#warn(`access table entry for ${verdict.subject.name} causes unreasonable recursion`);
          return this.#rejection(MISCONFIGURED);
        }
        this.#frames.push({ ...frameOf(verdict), warnAll: warnOnly, onPermit: verdict.onPermit });
        return undefined;
      case 'fault':
        return this.#rejection(MISCONFIGURED);
      case 'deferIfReject':
        // POSTFIX: raised under warn_if_reject too, lest legitimate mail be refused.
        this.#deferIfReject ??= verdict.reply;
        return undefined;
      case 'deferIfPermit':
        if (warnOnly) this.#warnOfReject(verdict.reply);
        else this.#deferIfPermit ??= verdict.reply;
        return undefined;
      case 'reject':
        if (!warnOnly) return this.#rejection(verdict.reply);
        this.#warnOfReject(verdict.reply);
        return undefined;
    }
  }

  /** A permission ends the list it is in, and what that means for the list around it, and so on outwards. */
  #permitted(): Decision | undefined {
    while (this.#frames.length > 0) {
      const rule = this.#frames.pop()?.onPermit;
      if (rule?.kind === 'distrust') return undefined;
      if (rule?.kind === 'forbid') {
        for (const text of forbidden(rule)) this.#warn(text);
        return this.#rejection(MISCONFIGURED);
      }
    }
    return undefined;
  }

  #record(item: RestrictionItem, verdict: WordVerdict, warnOnly: boolean): void {
    for (const text of verdict.warnings ?? []) this.#warn(text);
    if (verdict.note !== undefined) this.#remarks.push({ kind: 'note', note: verdict.note });
    this.#trace.push({
      list: this.#run?.list ?? 'client',
      word: item.word,
      ...(item.argument === undefined ? {} : { argument: item.argument }),
      origin: item.origin,
      verdict: verdict.kind,
      saw: verdict.saw,
      ...(warnOnly ? { warnOnly: true as const } : {}),
    });
  }

  /** POSTFIX: smtpd_log_access_permit_actions; what a pending deferral overrules is not logged. */
  #notePermission(
    item: RestrictionItem,
    { permission }: Extract<WordVerdict, { kind: 'permit' }>,
    frame: Frame,
  ): void {
    const action = permission?.action ?? item.word;
    if (this.#deferIfPermit !== undefined || !this.#input.settings.logsPermit(action)) return;
    // POSTFIX: a blank where a table would be named.
    const from = permission === undefined ? ' ' : ` from ${permission.from}`;
    const recipient = this.#input.recipient?.display ?? '';
    const subject =
      permission?.subject ??
      (item.word === 'permit' ? frame.subject : undefined) ??
      (ABOUT_RECIPIENT.has(item.word) ? { name: recipient, label: 'Recipient address' } : undefined);
    const note: Note =
      subject === undefined
        ? { kind: 'permit', text: `action=${action} for Client host=`, ofClient: true }
        : { kind: 'permit', text: printable(`action=${action} for ${subject.label}=${subject.name}${from}`) };
    this.#remarks.push({ kind: 'note', note });
  }

  #warn(text: string): void {
    this.#remarks.push({ kind: 'warning', text });
  }

  #warnOfReject(value: Reply): void {
    this.#remarks.push({ kind: 'rejectWarning', reply: value });
    this.#warnings.push(value);
  }

  #conclude(): Decision {
    const due = this.#isLast ? this.#deferIfPermit : undefined;
    return due === undefined ? this.#permission() : this.#rejection(due);
  }

  #permission(): Decision {
    return {
      kind: 'permit',
      ...(this.#deferIfPermit === undefined ? {} : { deferIfPermit: this.#deferIfPermit }),
      trace: this.#trace,
      remarks: this.#remarks,
      warnings: this.#warnings,
    };
  }

  #rejection(value: Reply): Decision {
    const temporary = value.code >= 500 ? this.#deferIfReject : undefined;
    return {
      kind: 'reject',
      reply: temporary ?? value,
      trace: this.#trace,
      remarks: this.#remarks,
      warnings: this.#warnings,
    };
  }
}

function frameOf({ items, subject }: Pick<Frame, 'items' | 'subject'>): Frame {
  return { items, subject, at: 0, warnNext: false, warnAll: false, onPermit: undefined };
}

/** Relay and recipient lists are one stage. */
const stageOf = (list: RestrictionClass | undefined): RestrictionClass | undefined =>
  list === 'relay' ? 'recipient' : list;

// Runs restriction lists the way smtpd_check.c does: word by word until one permits or rejects; DEFER_IF_PERMIT
// and DEFER_IF_REJECT are remembered across lists. The result explains itself: every word that ran, where it was
// written and what it saw.
//
// Pure but for the ports in its input. Runs without a turn of the event loop as long as no word has to wait.

import { type Reply, reply } from '../reply.ts';
import type { RestrictionItem } from '../settings.ts';
import type { RecipientVerdict } from '../ports.ts';
import type { RejectCodes } from '../settings.ts';
import type {
  Decision,
  RestrictionClass,
  RestrictionInput,
  Subject,
  TraceStep,
  WordVerdict,
} from './types.ts';
import { RESTRICTION_WORDS, WARN_IF_REJECT } from './words.ts';

export interface ListRun {
  readonly list: RestrictionClass;
  readonly items: readonly RestrictionItem[];
  readonly subject: Subject;
}

interface Progress {
  readonly trace: TraceStep[];
  readonly warnings: Reply[];
  deferIfPermit?: Reply;
  deferIfReject?: Reply;
}

/** POSTFIX: what a word nobody knows would do, had the start-up check let it through. */
const MISCONFIGURED = reply(451, '3.5', 'Server configuration error');

/** Evaluates several lists in order; each ends at its first permit. */
export function evaluateLists(
  runs: readonly ListRun[],
  input: RestrictionInput,
): Decision | Promise<Decision> {
  const progress: Progress = { trace: [], warnings: [] };
  return continueLists({ runs, input, progress, at: 0 });
}

interface Evaluation {
  readonly runs: readonly ListRun[];
  readonly input: RestrictionInput;
  readonly progress: Progress;
  at: number;
}

function continueLists(evaluation: Evaluation): Decision | Promise<Decision> {
  const { runs, input, progress } = evaluation;
  while (evaluation.at < runs.length) {
    const run = runs[evaluation.at++];
    if (run === undefined) break;
    const rejected = runList(run, input, progress);
    if (rejected instanceof Promise) {
      return rejected.then((value) => (value === undefined ? continueLists(evaluation) : value));
    }
    if (rejected !== undefined) return rejected;
  }
  if (progress.deferIfPermit !== undefined) return rejection(progress.deferIfPermit, progress);
  return { kind: 'permit', trace: progress.trace, warnings: progress.warnings };
}

/** A rejection, or undefined to go on with the next list. */
function runList(
  run: ListRun,
  input: RestrictionInput,
  progress: Progress,
): Decision | undefined | Promise<Decision | undefined> {
  return continueList({ run, input, progress, at: 0, warnOnly: false });
}

interface ListState {
  readonly run: ListRun;
  readonly input: RestrictionInput;
  readonly progress: Progress;
  at: number;
  warnOnly: boolean;
}

function continueList(state: ListState): Decision | undefined | Promise<Decision | undefined> {
  const { run, input } = state;
  while (state.at < run.items.length) {
    const item = run.items[state.at++];
    if (item === undefined) break;
    if (item.word === WARN_IF_REJECT) {
      state.warnOnly = true;
      continue;
    }
    const verdict = runWord(item, input, run.subject);
    if (verdict instanceof Promise) {
      return verdict.then((value) => {
        const step = settle(state, item, value);
        return step === 'next' ? continueList(state) : step;
      });
    }
    const step = settle(state, item, verdict);
    if (step !== 'next') return step;
  }
  return undefined;
}

function runWord(
  item: RestrictionItem,
  input: RestrictionInput,
  subject: Subject,
): WordVerdict | Promise<WordVerdict> {
  const row = RESTRICTION_WORDS.get(item.word);
  if (row === undefined) return { kind: 'reject', saw: `unknown word ${item.word}`, reply: MISCONFIGURED };
  if (row.needs !== 'nothing' && input[row.needs] === undefined)
    return { kind: 'pass', saw: `no ${row.needs} yet` };
  return row.run(input, subject, item.argument ?? '');
}

function settle(
  state: ListState,
  item: RestrictionItem,
  verdict: WordVerdict,
): 'next' | Decision | undefined {
  const { progress, run } = state;
  const warnOnly = state.warnOnly;
  state.warnOnly = false;
  progress.trace.push({
    list: run.list,
    word: item.word,
    ...(item.argument === undefined ? {} : { argument: item.argument }),
    origin: item.origin,
    verdict: verdict.kind,
    saw: verdict.saw,
    ...(warnOnly ? { warnOnly: true as const } : {}),
  });
  if (verdict.kind === 'permit') return undefined;
  if (verdict.kind === 'pass') return 'next';
  if (warnOnly) {
    progress.warnings.push(verdict.reply);
    return 'next';
  }
  if (verdict.kind === 'deferIfPermit') progress.deferIfPermit ??= verdict.reply;
  else if (verdict.kind === 'deferIfReject') progress.deferIfReject ??= verdict.reply;
  else return rejection(verdict.reply, progress);
  return 'next';
}

function rejection(value: Reply, progress: Progress): Decision {
  const temporary = value.code >= 500 ? progress.deferIfReject : undefined;
  return { kind: 'reject', reply: temporary ?? value, trace: progress.trace, warnings: progress.warnings };
}

const UNKNOWN_CODES: ReadonlyMap<string, (codes: RejectCodes) => number> = new Map([
  ['local', (codes) => codes.unknownLocalRecipient],
  ['relay', (codes) => codes.unknownRelayRecipient],
  ['virtualAlias', (codes) => codes.unknownVirtualAlias],
  ['virtualMailbox', (codes) => codes.unknownVirtualMailbox],
]);

/** The refusal of a recipient that no table knows (`smtpd_reject_unlisted_recipient`), or undefined. */
export function unlistedRecipientReply(
  verdict: RecipientVerdict,
  display: string,
  codes: RejectCodes,
): Reply | undefined {
  if (verdict.kind === 'known') return undefined;
  if (verdict.kind === 'unavailable') return reply(451, '3.0', `<${display}>: Temporary lookup failure`);
  const code = UNKNOWN_CODES.get(verdict.class)?.(codes) ?? codes.unknownLocalRecipient;
  return reply(code, '1.1', `<${display}>: Recipient address rejected: ${verdict.text}`);
}

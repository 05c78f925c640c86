// SEARCH and SORT with their UID forms: the plain responses, ESEARCH (RFC 4731, 5267), `$` (RFC 5182), and searches that
// are followed (RFC 5267).

import type { CommandOf } from '../../codec/command.ts';
import { bad, formatString, no, ok } from '../../codec/response.ts';
import type { PartialRange, SearchReturns } from '../../codec/search-key.ts';
import { formatNumbers } from '../../codec/sequence-set.ts';
import { sortMessages } from '../../sort/sort-messages.ts';
import { type CommandRow, done, type SessionCore } from '../core.ts';
import { findMessages, highestModseq, programFor } from '../finding.ts';
import type { Selected } from '../selected.ts';
import { NO_MAILBOX } from './messages.ts';

const ALL: SearchReturns = { words: new Set(['ALL']) };

type SearchOrSort = CommandOf<'search' | 'sort'>;

export const SEARCH: CommandRow<'search' | 'sort'> = {
  kinds: ['search', 'sort'],
  needsMailbox: true,
  sync: 'holdExpunges',
  refresh: false,
  async run(core, command) {
    const { selected } = core;
    if (selected === undefined) return NO_MAILBOX;
    // RFC 9051 §6.4.4: the plain response is gone.
    const returns = command.returns ?? (core.rev2 && command.kind === 'search' ? ALL : undefined);
    const follows = returns?.words.has('UPDATE') === true;
    if (follows && selected.contexts.has(core.tag)) {
      return done(bad(`Error in IMAP command ${command.kind.toUpperCase()}: Duplicate search update tag`));
    }
    const program = programFor(core, selected, command.key);
    if (program.usesModseq) core.enableCondstore();
    // RFC 5182 §2.1: a search that fails leaves nothing saved.
    if (returns?.words.has('SAVE') === true) selected.save([]);
    const found = await findMessages(core, selected, program);
    const ordered =
      command.kind === 'sort'
        ? await sortMessages(core, selected, { found, criteria: command.criteria })
        : found;
    const modseqOf = program.usesModseq
      ? (indices: readonly number[]) => highestModseq(selected, indices)
      : undefined;
    const result: SearchResult = { command, ordered, number: numberer(selected, command), modseqOf };
    if (returns === undefined) {
      core.out.text(formatPlain(result));
    } else {
      if (returns.words.has('SAVE')) save(selected, { returns, ordered });
      if (follows) follow(core, selected, { command, found });
      core.out.text(formatEsearch(core.tag, result, returns));
    }
    return done(ok(command.kind === 'sort' ? 'Sort completed.' : 'Search completed.'));
  },
};

interface SearchResult {
  readonly command: SearchOrSort;
  /** Indices in the order of the answer. */
  readonly ordered: readonly number[];
  readonly number: (index: number) => number;
  /** Present where the search asked for modification sequences. */
  readonly modseqOf: ((indices: readonly number[]) => number) | undefined;
}

function numberer(selected: Selected, { numbering }: SearchOrSort): (index: number) => number {
  const { uids } = selected;
  return numbering === 'uid' ? (index) => uids[index] as number : (index) => index + 1;
}

function formatPlain({ command, ordered, number, modseqOf }: SearchResult): string {
  const word = command.kind.toUpperCase();
  if (ordered.length === 0) return `* ${word}\r\n`;
  const modseq = modseqOf === undefined ? '' : ` (MODSEQ ${modseqOf(ordered)})`;
  return `* ${word} ${ordered.map(number).join(' ')}${modseq}\r\n`;
}

/** RFC 4731 §3.1; MIN and MAX are left out where nothing was found. Empty where nothing is to be said. */
function formatEsearch(tag: string, result: SearchResult, returns: SearchReturns): string {
  const { command, ordered, number, modseqOf } = result;
  const { words } = returns;
  const head = `* ESEARCH (TAG ${formatString(tag)})${command.numbering === 'uid' ? ' UID' : ''}`;
  let text = '';
  const first = ordered[0];
  const last = ordered.at(-1);
  let told: readonly number[] = ordered;
  if (first !== undefined && last !== undefined) {
    if (words.has('MIN')) text += ` MIN ${number(first)}`;
    if (words.has('MAX')) text += ` MAX ${number(last)}`;
    if (words.has('ALL')) text += ` ALL ${formatNumbers(ordered.map(number))}`;
    if (!words.has('ALL') && !words.has('COUNT') && !words.has('PARTIAL')) {
      if (words.has('MIN') || words.has('MAX'))
        told = [...(words.has('MIN') ? [first] : []), ...(words.has('MAX') ? [last] : [])];
    }
  }
  if (words.has('COUNT')) text += ` COUNT ${ordered.length}`;
  if (returns.partial !== undefined) {
    const { from, to } = returns.partial;
    const part = slicePartial(ordered, returns.partial);
    text += ` PARTIAL (${from}:${to} ${part.length === 0 ? 'NIL' : formatNumbers(part.map(number))})`;
  }
  if (modseqOf !== undefined && ordered.length > 0) text += ` MODSEQ ${modseqOf(told)}`;
  // RFC 5182 §2.1: SAVE alone asks for no answer.
  const isSilent = text === '' && words.has('SAVE') && words.size === 1;
  return isSilent ? '' : `${head}${text}\r\n`;
}

/** RFC 9394 §3.1: positions below zero count from the end, the last being -1. */
function slicePartial(ordered: readonly number[], { from, to }: PartialRange): readonly number[] {
  if (from > 0) return ordered.slice(from - 1, to);
  const end = ordered.length + from + 1;
  return ordered.slice(Math.max(0, ordered.length + to), Math.max(0, end));
}

/** RFC 5182 §2.1: with MIN or MAX and neither ALL nor COUNT, only what they give is kept. */
function save(
  selected: Selected,
  { returns, ordered }: { readonly returns: SearchReturns; readonly ordered: readonly number[] },
): void {
  const { words, partial } = returns;
  let kept = ordered;
  if (partial !== undefined && !words.has('COUNT')) kept = slicePartial(ordered, partial);
  else if (!words.has('ALL') && !words.has('COUNT') && (words.has('MIN') || words.has('MAX'))) {
    kept = [...(words.has('MIN') ? ordered.slice(0, 1) : []), ...(words.has('MAX') ? ordered.slice(-1) : [])];
  }
  const uids = new Set(kept.map((index) => selected.uids[index] as number));
  selected.save([...uids].sort((a, b) => a - b));
}

function follow(
  core: SessionCore,
  selected: Selected,
  { command, found }: { readonly command: SearchOrSort; readonly found: readonly number[] },
): void {
  const accepted = selected.contexts.add({
    tag: core.tag,
    numbering: command.numbering,
    key: command.key,
    members: new Set(found.map((index) => selected.uids[index] as number)),
  });
  // RFC 5267 §4.3.1.
  if (!accepted) core.out.text(`* NO [NOUPDATE ${formatString(core.tag)}] Too many updated searches.\r\n`);
}

export const CANCELUPDATE: CommandRow<'cancelUpdate'> = {
  kinds: ['cancelUpdate'],
  needsMailbox: true,
  sync: 'none',
  refresh: false,
  run({ selected }, { tags }) {
    return done(selected?.contexts.cancel(tags) === true ? ok('Updates cancelled.') : no('Unknown tag.'));
  },
};

// SEARCH and UID SEARCH, with the plain response or ESEARCH (RFC 4731).

import type { CommandOf, Numbering } from '../../codec/command.ts';
import { formatString, ok } from '../../codec/response.ts';
import { formatRange, rangesOf } from '../../codec/sequence-set.ts';
import { SearchProgram } from '../../search/search-program.ts';
import { type CommandRow, done, type SessionCore } from '../core.ts';
import type { Selected } from '../selected.ts';
import { NO_MAILBOX } from './messages.ts';

export const SEARCH: CommandRow<'search'> = {
  kinds: ['search'],
  needsMailbox: true,
  sync: 'holdExpunges',
  refresh: false,
  async run(core, command) {
    const { selected } = core;
    if (selected === undefined) return NO_MAILBOX;
    const found = await findMessages(core, { selected, command });
    if (command.returns !== undefined) core.out.text(formatEsearch(core.tag, command, found));
    else core.out.text(found.length === 0 ? '* SEARCH\r\n' : `* SEARCH ${found.join(' ')}\r\n`);
    return done(ok('Search completed.'));
  },
};

/** Sequence numbers or UIDs, ascending. */
async function findMessages(
  core: SessionCore,
  what: { readonly selected: Selected; readonly command: CommandOf<'search'> },
): Promise<readonly number[]> {
  const { selected, command } = what;
  const program = new SearchProgram(command.key, {
    count: selected.uids.length,
    lastUid: selected.uids.at(-1) ?? 0,
    now: core.clock.now(),
    zone: core.settings.zone,
  });
  await program.consult(selected.mailbox);
  const found: number[] = [];
  const { uids } = selected;
  for (let index = 0; index < uids.length && !core.over; index++) {
    if (core.shouldBreathe) await core.breathe();
    const uid = uids[index] as number;
    const record = selected.record(uid, index);
    if (record === undefined) continue;
    const message = {
      seq: index + 1,
      record,
      recent: selected.isRecent(uid),
      open: () => selected.mailbox.message(uid),
    };
    const matched = program.matches(message);
    if (typeof matched === 'boolean' ? matched : await matched)
      found.push(numberOf(message, command.numbering));
  }
  return found;
}

function numberOf(
  message: { readonly seq: number; readonly record: { readonly uid: number } },
  numbering: Numbering,
): number {
  return numbering === 'uid' ? message.record.uid : message.seq;
}

/** RFC 4731 §3.1; MIN and MAX are left out where nothing was found. */
export function formatEsearch(tag: string, command: CommandOf<'search'>, found: readonly number[]): string {
  const returns = command.returns ?? new Set();
  const words = [`* ESEARCH (TAG ${formatString(tag)})`];
  if (command.numbering === 'uid') words.push('UID');
  const first = found[0];
  const last = found.at(-1);
  if (first !== undefined && last !== undefined) {
    if (returns.has('MIN')) words.push(`MIN ${first}`);
    if (returns.has('MAX')) words.push(`MAX ${last}`);
    if (returns.has('ALL')) words.push(`ALL ${rangesOf(found).map(formatRange).join(',')}`);
  }
  if (returns.has('COUNT')) words.push(`COUNT ${found.length}`);
  return `${words.join(' ')}\r\n`;
}

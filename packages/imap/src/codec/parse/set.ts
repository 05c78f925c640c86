// The set of messages that most commands begin with.

import type { ArgCursor } from '../arg.ts';
import { badArguments, type Numbering, type Parsed, parsed } from '../command.ts';
import { parseSequenceSet, type SequenceSet } from '../sequence-set.ts';

export function parseSet(cursor: ArgCursor, numbering: Numbering): Parsed<SequenceSet> {
  const text = cursor.atom();
  if (text === undefined) return badArguments();
  const set = parseSequenceSet(text);
  if (set === undefined) return invalidSet(numbering);
  return parsed(set);
}

export function invalidSet(numbering: Numbering): ReturnType<typeof badArguments> {
  return badArguments(numbering === 'uid' ? 'Invalid uidset' : 'Invalid messageset');
}

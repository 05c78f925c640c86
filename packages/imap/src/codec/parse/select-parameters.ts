// The parameters of SELECT and EXAMINE (RFC 7162 §3.1.8, §3.2.5).
//
//   "(" ["CONDSTORE"] ["QRESYNC" SP "(" uidvalidity SP modseq [SP known-uids] [SP "(" numbers SP uids ")"] ")"] ")"

import { type Arg, ArgCursor, argText } from '../arg.ts';
import { badArguments, type CommandOf, type Parsed, parsed, type QresyncParameters } from '../command.ts';
import { parseModseq } from '../modseq.ts';
import { parseSequenceSet, type SequenceSet } from '../sequence-set.ts';

export function parseSelectParameters(
  list: readonly Arg[],
): Parsed<Pick<CommandOf<'select'>, 'condstore' | 'qresync'>> {
  const cursor = new ArgCursor(list);
  let condstore = false;
  let qresync: QresyncParameters | undefined;
  while (!cursor.atEnd) {
    const word = cursor.word();
    if (word === 'CONDSTORE') {
      condstore = true;
    } else if (word === 'QRESYNC') {
      const values = cursor.list();
      if (values === undefined) return badArguments('QRESYNC parameters missing');
      const parameters = parseQresync(new ArgCursor(values));
      if (!parameters.ok) return parameters;
      qresync = parameters.value;
    } else {
      return badArguments('Unknown SELECT parameter');
    }
  }
  return parsed(qresync === undefined ? { condstore } : { condstore, qresync });
}

function parseQresync(cursor: ArgCursor): Parsed<QresyncParameters> {
  const validity = argText(cursor.take()) ?? '';
  const modseq = parseModseq(argText(cursor.take()) ?? '', 0);
  if (!/^[1-9]\d{0,9}$/.test(validity) || modseq === undefined)
    return badArguments('Invalid QRESYNC parameters');
  const known = cursor.peek()?.kind === 'atom' ? fixedSet(cursor.atom()) : undefined;
  if (known === 'invalid') return badArguments('Invalid QRESYNC known-uids');
  const pairs = cursor.list();
  const numbers = pairs === undefined ? undefined : fixedSet(argText(pairs[0]));
  const uids = pairs === undefined ? undefined : fixedSet(argText(pairs[1]));
  if (numbers === 'invalid' || uids === 'invalid' || !cursor.atEnd)
    return badArguments('Invalid QRESYNC parameters');
  return parsed({
    uidValidity: Number(validity),
    modseq,
    ...(known === undefined ? {} : { knownUids: known }),
    ...(numbers === undefined || uids === undefined ? {} : { matches: { numbers, uids } }),
  });
}

/** RFC 7162 §7: neither `*` nor `$` in these. */
function fixedSet(text: string | undefined): SequenceSet | 'invalid' {
  const set = text === undefined || text.includes('*') ? undefined : parseSequenceSet(text);
  return set === undefined || set.kind === 'saved' ? 'invalid' : set;
}

// NOTIFY (RFC 5465).
//
//   notify      = "NOTIFY" SP ("NONE" / "SET" [SP "STATUS"] 1*(SP event-group))
//   event-group = "(" filter SP ("NONE" / "(" 1*(event) ")") ")"

import { type Arg, ArgCursor, argBytes } from '../arg.ts';
import { badArguments, type CommandOf, type Parsed, type ParseFailure, parsed } from '../command.ts';
import type { NotifyEvent, NotifyFilter, NotifyGroup } from '../notify.ts';
import { parseItemList } from './fetch.ts';
import { parseMailboxName } from './mailbox-name.ts';

const MAX_GROUPS = 50;
const MAX_NAMES = 1000;

const EVENTS: ReadonlyMap<string, NotifyEvent> = new Map<string, NotifyEvent>([
  ['MESSAGENEW', 'MessageNew'],
  ['MESSAGEEXPUNGE', 'MessageExpunge'],
  ['FLAGCHANGE', 'FlagChange'],
  ['MAILBOXNAME', 'MailboxName'],
  ['SUBSCRIPTIONCHANGE', 'SubscriptionChange'],
]);
const UNSUPPORTED: ReadonlySet<string> = new Set([
  'ANNOTATIONCHANGE',
  'MAILBOXMETADATACHANGE',
  'SERVERMETADATACHANGE',
]);
/** RFC 5465 §5: what is asked for and not to be had is named along with all that is. */
const BAD_EVENT: ParseFailure = {
  ok: false,
  kind: 'no',
  code: `BADEVENT (${[...EVENTS.values()].join(' ')})`,
  text: 'Unsupported event',
};

export function parseNotify(args: readonly Arg[]): Parsed<CommandOf<'notify'>> {
  const cursor = new ArgCursor(args);
  const word = cursor.word();
  if (word === 'NONE')
    return cursor.atEnd ? parsed({ kind: 'notify', groups: [], status: false }) : badArguments();
  if (word !== 'SET') return badArguments('Unknown NOTIFY command');
  const status = cursor.peek()?.kind === 'atom';
  if (status && cursor.word() !== 'STATUS') return badArguments();
  const groups: NotifyGroup[] = [];
  while (!cursor.atEnd) {
    const list = cursor.list();
    if (list === undefined || groups.length >= MAX_GROUPS) return badArguments();
    const group = parseGroup(new ArgCursor(list));
    if (!group.ok) return group;
    groups.push(group.value);
  }
  return groups.length === 0
    ? badArguments('Missing event group')
    : parsed({ kind: 'notify', groups, status });
}

function parseGroup(cursor: ArgCursor): Parsed<NotifyGroup> {
  const filter = parseFilter(cursor);
  if (!filter.ok) return filter;
  if (cursor.peek()?.kind === 'atom') {
    return cursor.word() === 'NONE' && cursor.atEnd
      ? parsed({ filter: filter.value, events: new Set() })
      : badArguments();
  }
  const list = cursor.list();
  if (list === undefined || !cursor.atEnd) return badArguments();
  const events = new Set<NotifyEvent>();
  let newItems: NotifyGroup['newItems'];
  const words = new ArgCursor(list);
  while (!words.atEnd) {
    const word = words.word() ?? '';
    if (UNSUPPORTED.has(word)) return BAD_EVENT;
    const event = EVENTS.get(word);
    if (event === undefined) return badArguments('Unknown event');
    events.add(event);
    const items = event === 'MessageNew' ? words.list() : undefined;
    if (items === undefined) continue;
    const parsedItems = parseItemList(items);
    if (!parsedItems.ok) return parsedItems;
    newItems = parsedItems.value;
  }
  const isSelected = filter.value.kind === 'selected' || filter.value.kind === 'selectedDelayed';
  if (newItems !== undefined && !isSelected) return badArguments('Fetch items are for the selected mailbox');
  return parsed({ filter: filter.value, events, ...(newItems === undefined ? {} : { newItems }) });
}

function parseFilter(cursor: ArgCursor): Parsed<NotifyFilter> {
  const word = cursor.word();
  switch (word) {
    case 'SELECTED':
      return parsed({ kind: 'selected' });
    case 'SELECTED-DELAYED':
      return parsed({ kind: 'selectedDelayed' });
    case 'INBOXES':
    case 'PERSONAL':
    case 'SUBSCRIBED':
      return parsed({
        kind: word === 'INBOXES' ? 'inboxes' : word === 'PERSONAL' ? 'personal' : 'subscribed',
      });
    case 'SUBTREE':
    case 'MAILBOXES': {
      const items = cursor.list() ?? [cursor.take()].filter((arg) => arg !== undefined);
      const names: string[] = [];
      for (const item of items) {
        if (argBytes(item) === undefined || names.length >= MAX_NAMES) return badArguments();
        const name = parseMailboxName(new ArgCursor([item]));
        if (!name.ok) return name;
        names.push(name.value);
      }
      if (names.length === 0) return badArguments();
      return parsed({ kind: word === 'SUBTREE' ? 'subtree' : 'mailboxes', names });
    }
    default:
      return badArguments('Unknown mailbox filter');
  }
}

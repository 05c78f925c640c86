// LIST and LSUB (RFC 3501 §6.3.8-9) with LIST-EXTENDED (RFC 5258), CHILDREN (RFC 3348), LIST-STATUS (RFC 5819),
// SPECIAL-USE (RFC 6154).

import { INBOX, MailboxError, type MailboxEntry } from '@postcote/mailbox';
import type { ListCommand } from '../../codec/command.ts';
import { formatAstring, ok } from '../../codec/response.ts';
import { type CommandRow, done, type SessionCore } from '../core.ts';
import { ListPattern } from '../list-pattern.ts';
import { isUnderInbox, prefixParents, shownName } from '../namespace.ts';
import { statusResponse } from './status.ts';

export const LIST: CommandRow<'list'> = {
  kinds: ['list'],
  needsMailbox: false,
  sync: 'none',
  refresh: false,
  async run(core, command) {
    if (!command.extended && command.patterns[0] === '') {
      // RFC 3501 §6.3.8: an empty name asks for the separator.
      core.out.text(`* LIST (\\Noselect) ${core.separator} ""\r\n`);
      return done(ok('List completed.'));
    }
    const entries = await core.store.list();
    const { namespace } = core.settings;
    const patterns = command.patterns.map(
      (pattern) => new ListPattern(command.reference + pattern, namespace.separator),
    );
    const isAsked = (shown: string): boolean => patterns.some((pattern) => pattern.matches(shown));
    const matches = (name: string): boolean => {
      const shown = shownName(name, namespace);
      return shown !== undefined && isAsked(shown);
    };
    const parents = command.select.has('RECURSIVEMATCH')
      ? parentsOfSelected(
          entries.filter(({ name }) => !matches(name)),
          command,
        )
      : undefined;
    for (const entry of withImpliedParents(entries, parents)) {
      if (core.shouldBreathe) await core.breathe();
      if (!matches(entry.name)) continue;
      const holdsAll = entry.name === INBOX && entries.length > 1 && isUnderInbox(namespace);
      await listOne(core, { command, entry: holdsAll ? { ...entry, hasChildren: true } : entry, parents });
    }
    if (command.select.size === 0) {
      for (const parent of prefixParents(namespace).filter(isAsked))
        core.out.text(`* LIST (\\Noselect \\HasChildren) ${core.separator} ${formatAstring(parent)}\r\n`);
    }
    return done(ok('List completed.'));
  },
};

interface ListOne {
  readonly command: ListCommand;
  readonly entry: MailboxEntry;
  readonly parents: ReadonlySet<string> | undefined;
}

async function listOne(core: SessionCore, { command, entry, parents }: ListOne): Promise<void> {
  const selected = isSelectedBy(entry, command);
  // RFC 5258 §3.5: the parent of something selected, when it is not selected itself.
  const childInfo = parents?.has(entry.name) === true;
  if (!selected && !childInfo) return;
  if (!entry.exists && !command.select.has('SUBSCRIBED')) return;
  const info = childInfo
    ? ` (CHILDINFO ("${command.select.has('SUBSCRIBED') ? 'SUBSCRIBED' : 'SPECIAL-USE'}"))`
    : '';
  core.out.text(
    `* LIST (${attributes(entry, command)}) ${core.separator} ${core.formatName(entry.name)}${info}\r\n`,
  );
  if (command.status.length === 0 || !entry.selectable || !entry.exists) return;
  try {
    core.out.text(await statusResponse(core, entry.name, command.status));
  } catch (error) {
    // RFC 5819 §2: a mailbox whose status cannot be had is listed without one.
    if (!(error instanceof MailboxError)) throw error;
  }
}

function isSelectedBy(entry: MailboxEntry, { select }: ListCommand): boolean {
  if (select.has('SUBSCRIBED') && !entry.subscribed) return false;
  return !select.has('SPECIAL-USE') || entry.specialUse !== undefined;
}

// DOVECOT: attributes in this order; without RETURN plain LIST gives children and special use, an extended one only what
// it selected by.
function attributes(entry: MailboxEntry, { select, returns, extended }: ListCommand): string {
  const plain = returns === undefined && !extended;
  const words: string[] = [];
  if (entry.subscribed && (select.has('SUBSCRIBED') || returns?.has('SUBSCRIBED') === true))
    words.push('\\Subscribed');
  if (!entry.exists) words.push('\\NonExistent');
  else if (!entry.selectable) words.push('\\Noselect');
  if (plain || returns?.has('CHILDREN') === true)
    words.push(entry.hasChildren ? '\\HasChildren' : '\\HasNoChildren');
  if (
    entry.specialUse !== undefined &&
    (plain || select.has('SPECIAL-USE') || returns?.has('SPECIAL-USE') === true)
  ) {
    words.push(entry.specialUse);
  }
  return words.join(' ');
}

/** RFC 5258 §3.5: `entries` are those that the patterns leave out; the others speak for themselves. */
function parentsOfSelected(entries: readonly MailboxEntry[], command: ListCommand): Set<string> {
  const parents = new Set<string>();
  for (const entry of entries) {
    if (isSelectedBy(entry, command)) for (const parent of parentsOf(entry.name)) parents.add(parent);
  }
  return parents;
}

function* parentsOf(name: string): Generator<string> {
  for (let at = name.indexOf('/'); at !== -1; at = name.indexOf('/', at + 1)) yield name.slice(0, at);
}

/** A subscribed name may outlive its parents. */
function withImpliedParents(
  entries: readonly MailboxEntry[],
  parents: ReadonlySet<string> | undefined,
): readonly MailboxEntry[] {
  if (parents === undefined) return entries;
  const known = new Set(entries.map(({ name }) => name));
  const implied = [...parents].filter((name) => !known.has(name)).map(missingEntry);
  return [...entries, ...implied];
}

function missingEntry(name: string): MailboxEntry {
  return { name, selectable: false, hasChildren: true, subscribed: false, exists: false };
}

export const LSUB: CommandRow<'lsub'> = {
  kinds: ['lsub'],
  needsMailbox: false,
  sync: 'none',
  refresh: false,
  async run(core, { reference, pattern }) {
    const { store, out } = core;
    if (pattern === '') {
      out.text(`* LSUB (\\Noselect) ${core.separator} ""\r\n`);
      return done(ok('Lsub completed.'));
    }
    const { namespace } = core.settings;
    const matcher = new ListPattern(reference + pattern, namespace.separator);
    const matches = (name: string): boolean => {
      const shown = shownName(name, namespace);
      return shown !== undefined && matcher.matches(shown);
    };
    const subscribed = new Map<string, string>();
    for (const entry of await store.list()) {
      if (core.shouldBreathe) await core.breathe();
      if (!entry.subscribed) continue;
      if (matches(entry.name)) {
        subscribed.set(entry.name, entry.exists && !entry.selectable ? '\\Noselect' : '');
      } else if (pattern.includes('%')) {
        // RFC 3501 §6.3.9: `%` shows the parent of a subscribed name as \Noselect.
        for (const parent of parentsOf(entry.name)) {
          if (!subscribed.has(parent) && matches(parent)) subscribed.set(parent, '\\Noselect');
        }
      }
    }
    for (const [name, attribute] of subscribed)
      out.text(`* LSUB (${attribute}) ${core.separator} ${core.formatName(name)}\r\n`);
    return done(ok('Lsub completed.'));
  },
};

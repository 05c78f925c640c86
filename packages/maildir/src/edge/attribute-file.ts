// Annotations and special uses of a store, in the root's `dovecot-attributes`: where Dovecot keeps them too when
// `mail_attribute_dict = file:%h/mail/dovecot-attributes`.

import { checkAnnotations, type Annotations, MailboxError, type MailboxName } from '@postcote/mailbox';
import { formatAttributes, parseAttributes } from '../attributes.ts';
import type { StoreContext } from './context.ts';
import { readText } from './disk.ts';
import { rewriteLocked } from './locked-rewrite.ts';

const NAME = 'dovecot-attributes';
const MAX_SIZE = 16 * 1024 * 1024;
/** DOVECOT: annotations of the account are INBOX's, with this before their name. */
const OF_ACCOUNT = 'vendor/vendor.dovecot/pvt/server/';
/** Which mailbox is for what, by name: our own, for looking up every mailbox's GUID would cost a look into each. */
const USES = 'priv/postcote/specialuse/';
const KINDS = [
  ['priv/', '/private/'],
  ['shared/', '/shared/'],
] as const;

export function readAnnotations(context: StoreContext, guid: string, ofAccount: boolean): Annotations {
  const found = new Map<string, Buffer>();
  for (const [key, value] of readAll(context)) {
    for (const [stored, shown] of KINDS) {
      const prefix = `${stored}${guid}/${ofAccount ? OF_ACCOUNT : ''}`;
      if (!key.startsWith(prefix)) continue;
      const entry = key.slice(prefix.length);
      if (ofAccount || !entry.startsWith(OF_ACCOUNT)) found.set(shown + entry, Buffer.from(value, 'latin1'));
    }
  }
  return found;
}

export async function writeAnnotations(
  context: StoreContext,
  of: { readonly guid: string; readonly ofAccount: boolean },
  changes: ReadonlyMap<string, Buffer | null>,
): Promise<void> {
  const after = new Map(readAnnotations(context, of.guid, of.ofAccount));
  for (const [entry, value] of changes) {
    if (value === null) after.delete(entry);
    else after.set(entry, value);
  }
  checkAnnotations(after);
  await change(context, (all) => {
    for (const [entry, value] of changes) {
      const kind = KINDS.find(([, shown]) => entry.startsWith(shown));
      if (kind === undefined) throw new MailboxError('cannot', `annotation ${entry}`);
      const key = `${kind[0]}${of.guid}/${of.ofAccount ? OF_ACCOUNT : ''}${entry.slice(kind[1].length)}`;
      if (value === null) all.delete(key);
      else all.set(key, value.toString('latin1'));
    }
  });
}

export function readSpecialUses(context: StoreContext): Map<MailboxName, string> {
  const uses = new Map<MailboxName, string>();
  for (const [key, value] of readAll(context))
    if (key.startsWith(USES)) uses.set(key.slice(USES.length), value);
  return uses;
}

export async function writeSpecialUse(context: StoreContext, name: MailboxName, use: string): Promise<void> {
  await change(context, (all) => all.set(USES + name, use));
}

/** A mailbox and its children have another name, or none any more. */
export async function moveSpecialUses(
  context: StoreContext,
  from: MailboxName,
  to: MailboxName | undefined,
): Promise<void> {
  const concerned = [...readSpecialUses(context).keys()].filter(
    (name) => name === from || (to !== undefined && name.startsWith(`${from}/`)),
  );
  if (concerned.length === 0) return;
  await change(context, (all) => {
    for (const name of concerned) {
      const use = all.get(USES + name);
      all.delete(USES + name);
      if (to !== undefined && use !== undefined) all.set(USES + to + name.slice(from.length), use);
    }
  });
}

function readAll(context: StoreContext): Map<string, string> {
  const read = readText(`${context.root}/${NAME}`, MAX_SIZE);
  return read ? parseAttributes(read.text) : new Map();
}

async function change(context: StoreContext, edit: (all: Map<string, string>) => void): Promise<void> {
  await rewriteLocked(context, NAME, () => {
    const all = readAll(context);
    edit(all);
    return formatAttributes(all);
  });
}

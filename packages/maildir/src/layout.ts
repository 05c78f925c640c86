// From mailbox names to directories and back, for Dovecot's LAYOUT=fs and Maildir++. Pure. Directories are
// relative to the root, '' being the root itself, which is also INBOX.
//
//   fs         A/B is `A/B`, children of INBOX are in `INBOX/`
//   maildir++  A/B is `.A.B`, children of INBOX are `.INBOX.x`; a component cannot hold a dot

import { badName, checkName, INBOX, type MailboxName } from '@postcote/mailbox';

export type LayoutName = 'fs' | 'maildir++';

export interface Layout {
  readonly name: LayoutName;
  /** What separates components in a legacy subscriptions file. */
  readonly separator: string;
  /** The directory of an acceptable name; throws `badName`. */
  directory(name: MailboxName): string;
  /** Checks a name and makes it canonical; throws `badName`. */
  check(name: string): MailboxName;
}

/** Directories that hold messages, and links to the outside. */
const RESERVED_COMPONENTS: ReadonlySet<string> = new Set(['cur', 'new', 'tmp']);

/** Plain files beside the top folders: a new folder of that name would take their place. */
export function isReservedTop(component: string): boolean {
  return (
    component === 'subscriptions' ||
    component === 'subscriptions.lock' ||
    component === 'maildirsize' ||
    component.startsWith('dovecot')
  );
}

export function isReservedComponent(component: string): boolean {
  return RESERVED_COMPONENTS.has(component);
}

function checkShared(name: string): MailboxName {
  const canonical = checkName(name);
  const components = canonical.split('/');
  if (components.some(isReservedComponent)) throw badName(name);
  return canonical;
}

export const FS_LAYOUT: Layout = {
  name: 'fs',
  separator: '/',
  check: checkShared,
  directory: (name) => {
    const checked = checkShared(name);
    return checked === INBOX ? '' : checked;
  },
};

/** A directory name holds 255 octets. */
const MAX_DIRECTORY_LENGTH = 255;

export const MAILDIRPP_LAYOUT: Layout = {
  name: 'maildir++',
  separator: '.',
  check: (name) => {
    const checked = checkShared(name);
    if (checked.includes('.') || checked.length >= MAX_DIRECTORY_LENGTH) throw badName(name);
    return checked;
  },
  directory: (name) => {
    const checked = MAILDIRPP_LAYOUT.check(name);
    return checked === INBOX ? '' : `.${checked.replaceAll('/', '.')}`;
  },
};

export function layoutOf(name: LayoutName): Layout {
  return name === 'fs' ? FS_LAYOUT : MAILDIRPP_LAYOUT;
}

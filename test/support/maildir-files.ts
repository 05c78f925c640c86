// Maildirs as files: what tests prepare before a server runs, and what they look at afterwards. It knows the
// format of `LAYOUT=fs` Maildirs but shares no code with what is under test.

import fs from 'node:fs';
import path from 'node:path';

export interface Owner {
  readonly home: string;
  readonly uid: number;
  readonly gid: number;
}

export interface MaildirContent {
  readonly mails: readonly {
    readonly folder: string;
    readonly flags: readonly string[];
    readonly fresh: boolean;
    readonly text: string;
  }[];
  readonly folders?: readonly string[];
  readonly subscriptions?: readonly string[];
}

const FLAG_LETTERS: Readonly<Record<string, string>> = {
  '\\Draft': 'D',
  '\\Flagged': 'F',
  '\\Answered': 'R',
  '\\Seen': 'S',
  '\\Deleted': 'T',
};

/** Deliveries of the first prepared mail; each further one is a minute later. */
const FIRST_DELIVERY = 1_700_000_000;

export function folderPath(home: string, folder: string): string {
  return folder === 'INBOX' ? path.join(home, 'mail') : path.join(home, 'mail', folder);
}

function makeDirectory(owner: Owner, directory: string): void {
  if (fs.existsSync(directory)) return;
  makeDirectory(owner, path.dirname(directory));
  fs.mkdirSync(directory, { mode: 0o700 });
  fs.chownSync(directory, owner.uid, owner.gid);
}

export function writeOwned(owner: Owner, file: string, content: string | Uint8Array): void {
  fs.writeFileSync(file, content, { mode: 0o600 });
  fs.chownSync(file, owner.uid, owner.gid);
}

export function makeFolder(owner: Owner, folder: string): void {
  for (const part of ['cur', 'new', 'tmp'])
    makeDirectory(owner, path.join(folderPath(owner.home, folder), part));
}

/** Makes `~/mail` with these messages, in this order of arrival. */
export function writeMaildir(owner: Owner, content: MaildirContent): void {
  makeFolder(owner, 'INBOX');
  for (const folder of content.folders ?? []) makeFolder(owner, folder);
  const keywords = new Map<string, string[]>();
  content.mails.forEach((mail, index) => {
    const seconds = FIRST_DELIVERY + 60 * index;
    const directory = folderPath(owner.home, mail.folder);
    makeFolder(owner, mail.folder);
    const known = keywords.get(mail.folder) ?? [];
    keywords.set(mail.folder, known);
    const letters = mail.flags.map((flag) => {
      const letter = FLAG_LETTERS[flag];
      if (letter !== undefined) return letter;
      if (!known.includes(flag)) known.push(flag);
      return String.fromCharCode(0x61 + known.indexOf(flag));
    });
    const base = `${seconds}.M${index}P1.prepared`;
    const name = mail.fresh ? `new/${base}` : `cur/${base}:2,${letters.toSorted().join('')}`;
    const file = path.join(directory, name);
    writeOwned(owner, file, mail.text);
    fs.utimesSync(file, seconds, seconds);
  });
  for (const [folder, names] of keywords) {
    if (names.length === 0) continue;
    const lines = names.map((name, i) => `${i} ${name}\n`).join('');
    writeOwned(owner, path.join(folderPath(owner.home, folder), 'dovecot-keywords'), lines);
  }
  if ((content.subscriptions ?? []).length > 0) {
    const lines = (content.subscriptions ?? []).map((name) => `${name.replaceAll('/', '\t')}\n`).join('');
    writeOwned(owner, path.join(owner.home, 'mail/subscriptions'), `V\t2\n\n${lines}`);
  }
}

export interface StoredMessage {
  readonly file: string;
  /** The name before `:2,`. */
  readonly base: string;
  readonly flags: string;
  readonly fresh: boolean;
  readonly bytes: Buffer;
}

function listed(directory: string): string[] {
  try {
    return fs.readdirSync(directory).filter((name) => !name.startsWith('.'));
  } catch {
    return [];
  }
}

export function countMessages(home: string, folder: string): number {
  const directory = folderPath(home, folder);
  return listed(path.join(directory, 'new')).length + listed(path.join(directory, 'cur')).length;
}

/** The messages of a folder as files, new/ first, each by name. Files that vanish meanwhile are left out. */
export function readMessages(home: string, folder = 'INBOX'): StoredMessage[] {
  const messages: StoredMessage[] = [];
  for (const part of ['new', 'cur']) {
    const directory = path.join(folderPath(home, folder), part);
    for (const name of listed(directory).toSorted()) {
      const file = path.join(directory, name);
      try {
        const bytes = fs.readFileSync(file);
        const [base = '', info = ''] = name.split(':2,');
        messages.push({ file, base, flags: info, fresh: part === 'new', bytes });
      } catch {
        continue;
      }
    }
  }
  return messages;
}

// What dovecot.conf says of namespaces, as the sessions need it: the one with the INBOX is shown; further private ones
// that lead to the same mail are understood. DOVECOT: without a word the separator is the layout's.

import { type DovecotSettings, type MailNamespace, notice, type Problem, refuse } from '@postcote/config';
import type { Namespaces } from '@postcote/imap';

export function readNamespaces(dovecot: DovecotSettings, problems: Problem[]): Namespaces {
  const { namespaces, mailLocation } = dovecot;
  const own = mailLocation.layout === 'fs' ? '/' : '.';
  const main = namespaces.find(({ isInbox }) => isInbox) ?? namespaces[0];
  const separator = separatorOf(main, own, problems);
  const hidden = [];
  for (const other of namespaces) {
    if (other === main || other.type !== 'private') continue;
    if (other.location !== undefined && other.location.path !== mailLocation.path) {
      const { origin, name } = other;
      const message = 'not honoured: mail in a second place is not shown';
      problems.push(notice(origin, { name: 'namespace', value: name, message }));
    } else {
      hidden.push({ prefix: other.prefix, separator });
    }
  }
  return { prefix: main?.prefix ?? '', separator, ...(hidden.length === 0 ? {} : { hidden }) };
}

function separatorOf(main: MailNamespace | undefined, own: string, problems: Problem[]): string {
  const separator = main?.separator ?? own;
  // RFC 3501: one character, and none that patterns or modified UTF-7 need.
  const isUsable = separator.length === 1 && !/[\w&%*"\\\s]/.test(separator);
  const endsWell = main === undefined || main.prefix === '' || main.prefix.endsWith(separator);
  if (main !== undefined && !(isUsable && endsWell)) {
    const message = isUsable
      ? 'a prefix ends with the separator'
      : 'this cannot be a separator; "." and "/" can';
    const name = isUsable ? 'prefix' : 'separator';
    problems.push(refuse(main.origin, { name, value: isUsable ? main.prefix : separator, message }));
  }
  return separator;
}

/** Of `mailbox NAME { }`, which is written with the namespace's separator. */
export function insideName(name: string, { separator }: Namespaces): string {
  return name.replaceAll(separator, '/');
}

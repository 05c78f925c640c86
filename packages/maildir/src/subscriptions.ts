// The `subscriptions` file, both formats. Pure. Version 2 (read since Dovecot 2.2.17, written since 2.3) begins
// with `V<TAB>2` and an empty line and separates a name's components by TAB; the legacy format has one
// `/`-separated name a line. Both keep names in modified UTF-7. The format found is the format kept.

import type { MailboxName } from '@postcote/mailbox';

export interface Subscriptions {
  readonly version: 1 | 2;
  /** In file order, without duplicates. */
  readonly names: readonly MailboxName[];
}

export const NO_SUBSCRIPTIONS: Subscriptions = { version: 2, names: [] };

/** `separator` is what legacy files of this layout put between components. */
export function parseSubscriptions(text: string, separator: string): Subscriptions {
  const lines = text.split('\n').map((line) => (line.endsWith('\r') ? line.slice(0, -1) : line));
  const version = lines[0] === 'V\t2' ? 2 : 1;
  const names = new Set<MailboxName>();
  for (const line of version === 2 ? lines.slice(1) : lines) {
    if (line === '') continue;
    const parts = version === 2 ? line.split('\t').map(unescape) : line.split(separator);
    names.add(parts.join('/'));
  }
  return { version: text === '' ? 2 : version, names: [...names] };
}

export function formatSubscriptions(subscriptions: Subscriptions, separator: string): string {
  const { version, names } = subscriptions;
  const lines = names.map((name) => {
    const parts = name.split('/');
    return version === 2 ? parts.map(escape).join('\t') : parts.join(separator);
  });
  return (version === 2 ? 'V\t2\n\n' : '') + lines.map((line) => `${line}\n`).join('');
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['\x01', '1'],
  ['\t', 't'],
  ['\n', 'n'],
  ['\r', 'r'],
  ['\0', '0'],
]);
const UNESCAPES: ReadonlyMap<string, string> = new Map(
  [...ESCAPES].map(([plain, letter]) => [letter, plain]),
);

function escape(component: string): string {
  return component.replace(/[\x01\t\n\r\0]/g, (c) => `\x01${ESCAPES.get(c) ?? ''}`);
}

function unescape(component: string): string {
  return component.replace(/\x01(.?)/gs, (_, letter: string) => UNESCAPES.get(letter) ?? letter);
}

// The right-hand side of aliases(5): addresses, `\user`, `|command`, `/file/name`, `:include:/file/name`, of
// which the last three may be quoted to hold blanks. `.forward` files and the files of `:include:` have the same
// grammar, and `~/name` for a file below the home.

import { parseAddressList } from './address-list.ts';
import type { EnvelopeMailbox } from './ports.ts';

export type AliasTarget =
  | { readonly kind: 'address'; readonly mailbox: EnvelopeMailbox }
  /** `\user`: that account's mailbox, with no further alias. */
  | { readonly kind: 'user'; readonly name: string }
  | { readonly kind: 'command' | 'file' | 'include'; readonly target: string };

/** The destinations of an alias, in order. Never throws. */
export function parseAliasTargets(value: string): AliasTarget[] {
  return splitTopLevel(value).flatMap(readItem);
}

function readItem(item: string): AliasTarget[] {
  const text = item.trim();
  const inner = /^"((?:[^"\\]|\\.)*)"$/s.exec(text);
  const plain = inner?.[1] === undefined ? text : inner[1].replace(/\\(.)/gs, '$1');
  if (plain.startsWith('|')) return [{ kind: 'command', target: plain.slice(1).trim() }];
  if (/^[/~]/.test(plain) && (inner !== null || !/[\s@]/.test(plain)))
    return [{ kind: 'file', target: plain }];
  const include = /^:include:\s*"?([^"]*)"?$/i.exec(plain);
  if (include?.[1] !== undefined) return [{ kind: 'include', target: include[1].trim() }];
  const user = /^\\([^\s@,;:<>()"]+)$/.exec(plain);
  if (user?.[1] !== undefined) return [{ kind: 'user', name: user[1] }];
  return parseAddressList(text).map(({ local, domain, quoted }) => {
    // POSTFIX: commas may be missing: `"|command" bob`.
    const whole = domain === undefined ? local : `${local}@${domain}`;
    if (quoted && whole.startsWith('|')) return { kind: 'command', target: whole.slice(1).trim() };
    if (whole.startsWith('/') || whole.startsWith('~')) return { kind: 'file', target: whole };
    return { kind: 'address', mailbox: domain === undefined ? { local } : { local, domain } };
  });
}

/** Items between commas that stand outside quotes, comments and brackets. */
function splitTopLevel(value: string): string[] {
  const items: string[] = [];
  let start = 0;
  let quoted = false;
  let comments = 0;
  for (let at = 0; at < value.length; at++) {
    const char = value[at];
    if (char === '\\' && (quoted || comments > 0)) at++;
    else if (char === '"' && comments === 0) quoted = !quoted;
    else if (!quoted && char === '(') comments++;
    else if (!quoted && char === ')' && comments > 0) comments--;
    else if (!quoted && comments === 0 && char === ',') {
      items.push(value.slice(start, at));
      start = at + 1;
    }
  }
  items.push(value.slice(start));
  return items;
}

// A recipient of local(8) taken apart, and the names that main.cf's values may use of it: $user, $home, $extension…
// Values come from the network: whatever a filter does not pass becomes `_`.

import { splitExtension } from '@postcote/aliases';
import { type Expansion, expand } from '@postcote/config';

export interface LocalRecipient {
  /** `user+ext@domain`, as the log shows it. */
  readonly address: string;
  /** In lower case, without the extension. */
  readonly user: string;
  /** Without its delimiter; undefined when there is none. */
  readonly extension: string | undefined;
  /** The delimiter of the extension, or the first of recipient_delimiter. */
  readonly delimiter: string;
  /** `user+ext`, in lower case. */
  readonly local: string;
  readonly domain: string;
  readonly home?: string;
  readonly shell?: string;
}

export function readLocalRecipient(
  address: string,
  rules: { readonly recipientDelimiter: string; readonly ownerRequestSpecial: boolean },
): LocalRecipient {
  const at = address.lastIndexOf('@');
  const local = (at === -1 ? address : address.slice(0, at)).toLowerCase();
  const domain = at === -1 ? '' : address.slice(at + 1).toLowerCase();
  const split = splitExtension(local, rules);
  const extension = split?.extension.slice(1);
  return {
    address,
    user: split?.user ?? local,
    // POSTFIX: an extension with a slash in it would lead elsewhere in the file system.
    extension: extension === undefined || /[/\0]/.test(extension) ? undefined : extension,
    delimiter: split?.extension[0] ?? rules.recipientDelimiter[0] ?? '',
    local,
    domain,
  };
}

export interface DeliveryExpansion {
  readonly expansion: Expansion;
  /** A name without a value was used: `forward_path` goes on to the next file then. */
  readonly isUndefined: boolean;
  readonly usesExtension: boolean;
}

/** POSTFIX: local_expand(3). */
export function expandDelivery(
  text: string,
  recipient: LocalRecipient,
  filter: string | undefined,
): DeliveryExpansion {
  let isUndefined = false;
  let usesExtension = false;
  const values: Readonly<Record<string, string | undefined>> = {
    user: recipient.user,
    home: recipient.home,
    shell: recipient.shell,
    domain: recipient.domain,
    local: recipient.local,
    mailbox: recipient.local,
    recipient: recipient.address,
    extension: recipient.extension,
    recipient_delimiter: recipient.delimiter === '' ? undefined : recipient.delimiter,
  };
  const expansion = expand(text, (name) => {
    const value = Object.hasOwn(values, name) ? values[name] : undefined;
    if (value === undefined) {
      isUndefined = true;
      return undefined;
    }
    if (name === 'extension') usesExtension = true;
    return { ok: true, value: filter === undefined ? value : censor(value, filter) };
  });
  return { expansion, isUndefined, usesExtension };
}

/** Every character outside the filter becomes `_`. */
export function censor(value: string, filter: string): string {
  const allowed = new Set(filter);
  let out = '';
  for (const char of value) out += allowed.has(char) ? char : '_'.repeat(Buffer.byteLength(char));
  return out;
}

// `recipient_delimiter`: user+extension. POSTFIX: split_addr(3).

export interface SplitLocalPart {
  readonly user: string;
  /** With its delimiter: `+lists`. */
  readonly extension: string;
}

const NEVER_SPLIT = new Set(['postmaster', 'mailer-daemon', 'double-bounce']);

/** Undefined when there is nothing to split off. */
export function splitExtension(
  local: string,
  rules: { readonly recipientDelimiter: string; readonly ownerRequestSpecial: boolean },
): SplitLocalPart | undefined {
  if (rules.recipientDelimiter === '' || NEVER_SPLIT.has(local.toLowerCase())) return undefined;
  // `owner-list` and `list-request` are names of their own when `-` is the delimiter.
  if (rules.ownerRequestSpecial && rules.recipientDelimiter.includes('-')) {
    if (/^owner-./i.test(local) || /.-request$/i.test(local)) return undefined;
  }
  for (let at = 1; at < local.length; at++) {
    if (!rules.recipientDelimiter.includes(local[at] ?? '')) continue;
    return { user: local.slice(0, at), extension: local.slice(at) };
  }
  return undefined;
}

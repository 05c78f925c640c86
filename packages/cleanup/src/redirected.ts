// Whose place a redirection takes, which `X-Original-To:` shows. POSTFIX: qmgr_message_sort(): the recipient whose domain,
// and then whose address, comes first in the alphabet. Pure.

export function redirectedFrom<Recipient extends { readonly address: string }>(
  recipients: readonly Recipient[],
): Recipient | undefined {
  let first: Recipient | undefined;
  let firstKey = '';
  for (const recipient of recipients) {
    const key = sortKey(recipient.address);
    if (first !== undefined && key >= firstKey) continue;
    first = recipient;
    firstKey = key;
  }
  return first;
}

/** An address without a domain comes last. */
function sortKey(address: string): string {
  const at = address.lastIndexOf('@');
  const domain = at === -1 ? '\uffff' : address.slice(at + 1);
  return `${domain}\0${address}`.toLowerCase();
}

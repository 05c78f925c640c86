// Refusals of addresses of ours that no table knows. POSTFIX: check_rcpt_maps, with its codes and texts.

import type { RecipientVerdict } from '../ports.ts';
import { type Reply, reply } from '../reply.ts';
import type { RejectCodes } from '../settings.ts';

const UNKNOWN_CODES: ReadonlyMap<string, (codes: RejectCodes) => number> = new Map([
  ['local', (codes) => codes.unknownLocalRecipient],
  ['relay', (codes) => codes.unknownRelayRecipient],
  ['virtualAlias', (codes) => codes.unknownVirtualAlias],
  ['virtualMailbox', (codes) => codes.unknownVirtualMailbox],
]);

/** The refusal of an address that no table knows (`reject_unlisted_…`), or undefined. */
export function unlistedReply(
  verdict: RecipientVerdict,
  who: { readonly display: string; readonly role: 'sender' | 'recipient' },
  codes: RejectCodes,
): Reply | undefined {
  if (verdict.kind === 'known') return undefined;
  if (verdict.kind === 'unavailable') return reply(451, '3.0', `<${who.display}>: Temporary lookup failure`);
  const code = UNKNOWN_CODES.get(verdict.class)?.(codes) ?? codes.unknownLocalRecipient;
  const [detail, label] =
    who.role === 'sender' ? (['1.0', 'Sender address'] as const) : (['1.1', 'Recipient address'] as const);
  if (verdict.detail !== undefined) {
    // POSTFIX: a user who moved is 550 whatever the class.
    const moved = verdict.class === 'virtualAlias' ? code : 550;
    return reply(moved, verdict.detail, `<${who.display}>: ${label} rejected: ${verdict.text}`);
  }
  return reply(code, detail, `<${who.display}>: ${label} rejected: ${verdict.text}`);
}

/** Of a recipient (`smtpd_reject_unlisted_recipient`). */
export function unlistedRecipientReply(
  verdict: RecipientVerdict,
  display: string,
  codes: RejectCodes,
): Reply | undefined {
  return unlistedReply(verdict, { display, role: 'recipient' }, codes);
}

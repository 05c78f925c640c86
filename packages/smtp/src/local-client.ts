// Whether a client's headers are written on this site, so that incomplete addresses in them are completed in our own
// name. POSTFIX: `local_header_rewrite_clients`.

import type { Conversation } from './conversation.ts';

export function isLocalClient({ settings, peer, login }: Conversation): boolean {
  return settings.localHeaderRewriteClients.some((word) => {
    // An address of this machine speaks to us from the address it speaks to.
    if (word === 'permit_inet_interfaces') return peer.remoteAddress === peer.localAddress;
    if (word === 'permit_mynetworks') return settings.isMyNetwork(peer.remoteAddress);
    if (word === 'permit_sasl_authenticated') return login !== undefined;
    if (word === 'check_address_map') return settings.isLocalHeaderAddress(peer.remoteAddress);
    return false;
  });
}

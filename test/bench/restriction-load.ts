// What a list of restrictions costs that asks a map of 100,000 entries about client, greeting, sender and recipient.

import type { SideOptions } from './sides.ts';

export const MAP_ENTRIES = 100_000;

export function restrictionOptions(): SideOptions {
  const rows = Array.from({ length: MAP_ENTRIES }, (_, i) => `blocked${i}.example REJECT blocked\n`);
  return {
    tables: { access: rows.join('') },
    main: (folder) => {
      const map = `hash:${folder}/access`;
      return [
        `smtpd_client_restrictions = check_client_access ${map}`,
        `smtpd_helo_restrictions = check_helo_access ${map}`,
        `smtpd_sender_restrictions = check_sender_access ${map}`,
        `smtpd_recipient_restrictions = check_recipient_access ${map}, permit_mynetworks, reject_unauth_destination`,
      ];
    },
  };
}

// What a worker is to do with the mail of one delivery connection. Made on the privileged side from the configuration
// and the machine's tables: nothing in it comes from the network but an address that a table was asked for.

import type { LockStyle } from './settings.ts';
import type { PipeService } from './pipe-service.ts';

export type DeliveryTask =
  /** The worker's own user. `mailboxCommand`: of mailbox_command_maps. */
  | { readonly kind: 'user'; readonly mailboxCommand?: string }
  /** What an alias names; `home` only where the alias file, or the list, is an account's own. */
  | {
      readonly kind: 'alias';
      readonly alias: string;
      readonly what: 'command' | 'file' | 'include';
      readonly target: string;
      readonly ownRights: boolean;
    }
  | { readonly kind: 'pipe'; readonly service: PipeService; readonly timeLimit: number }
  /** `mailbox`: below virtual_mailbox_base; ends in `/` for a Maildir. */
  | {
      readonly kind: 'virtual';
      readonly mailbox: string;
      readonly sizeLimit: number;
      readonly locks: readonly LockStyle[];
    };

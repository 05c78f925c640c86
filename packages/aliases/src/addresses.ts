// The package's face: one object that answers what SMTP, the queue and the command line ask about recipients.

import {
  type ExpandOptions,
  type Expansion,
  expand,
  expandForwarded,
  type ForwardedRecipient,
} from './expand.ts';
import type { FullMailbox } from './mailbox-address.ts';
import type { AddressClass, AddressPorts, AddressRules, EnvelopeMailbox } from './ports.ts';
import { type Resolved, resolve, rewrite } from './rewrite.ts';
import { type RecipientVerdict, verify } from './verify.ts';

/** Of the shape of the SMTP package's `Addresses` port. */
export interface Addresses {
  /** Throws when a table of domains fails: a temporary failure. */
  classify(mailbox: EnvelopeMailbox): AddressClass;
  verify(mailbox: EnvelopeMailbox): Promise<RecipientVerdict>;
  expand(recipient: EnvelopeMailbox | string, options?: ExpandOptions): Promise<Expansion>;
  /** What the addresses of a .forward file or of a list come to. */
  expandForwarded(forwarded: ForwardedRecipient): Promise<Expansion>;
  /** The address in full: `bob` is `bob@$myorigin`. */
  rewrite(mailbox: EnvelopeMailbox): FullMailbox;
  /** Where it goes after routing through ourselves is undone, and its class. Throws like `classify`. */
  resolve(mailbox: EnvelopeMailbox): Resolved;
}

export function createAddresses(rules: AddressRules, ports: AddressPorts): Addresses {
  return {
    classify: (mailbox) => resolve(mailbox, rules, ports).class,
    verify: (mailbox) => verify(mailbox, rules, ports),
    expand: (recipient, options) => expand(recipient, { rules, ports }, options),
    expandForwarded: (forwarded) => expandForwarded(forwarded, { rules, ports }),
    rewrite: (mailbox) => rewrite(mailbox, rules),
    resolve: (mailbox) => resolve(mailbox, rules, ports),
  };
}

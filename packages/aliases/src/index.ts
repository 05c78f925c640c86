// Public entry of the package: what a recipient's address means on this machine. Pure; tables, lists of domains
// and accounts come through `AddressPorts`.

export { findAddress, type TableHit } from './address-lookup.ts';
export { type Addresses, createAddresses } from './addresses.ts';
export { type ListedAddress, parseAddressList } from './address-list.ts';
export { type AliasTarget, parseAliasTargets } from './alias-targets.ts';
export { splitExtension, type SplitLocalPart } from './delimiter.ts';
export { type Destination, destinationKey } from './destinations.ts';
export type { ExpandOptions, Expansion, ForwardedRecipient } from './expand.ts';
export { formatLocalPart, formatMailbox, type FullMailbox, parseMailbox } from './mailbox-address.ts';
export {
  type AddressClass,
  type AddressPorts,
  type AddressRules,
  type AddressTable,
  DEFAULT_ADDRESS_RULES,
  type DomainMatcher,
  type EnvelopeMailbox,
  type ExtensionPolicy,
  type MaybePromise,
  NO_DOMAINS,
  type Origin,
  type OwnDomains,
  type TableAnswer,
  type UnknownUser,
  type UnknownUserFate,
} from './ports.ts';
export { formatFull, isLocalDomain, type Resolved, rewrite, SlowTableError } from './rewrite.ts';
export { type ExpansionStep, formatStep } from './steps.ts';
export type { RecipientVerdict } from './verify.ts';
export { type ExpansionProblem, MAX_LOOKUPS } from './virtual-expansion.ts';

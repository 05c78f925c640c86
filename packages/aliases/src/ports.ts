// What address rewriting needs from the world: tables, lists of domains, the machine's users and addresses.
// The composition root supplies them from @postcote/config.

export type MaybePromise<T> = T | Promise<T>;

/** Where a table's line stands, for explanations. */
export interface Origin {
  readonly file: string;
  readonly line: number;
}

export interface TableAnswer {
  readonly value: string;
  readonly origin?: Origin;
}

/**
 * A lookup table; @postcote/config's `LookupTable` is one. Keys are given as the address spells them; a table of
 * fixed strings compares without regard to case. `partial` keys (`user`, `@domain`, an address without its
 * extension) are asked of fixed tables only, never of patterns. Throws or rejects for a temporary failure.
 */
export interface AddressTable {
  /** As in main.cf: `hash:/etc/postfix/virtual`. */
  readonly describe: string;
  find(key: string, scope?: 'full' | 'partial'): MaybePromise<TableAnswer | undefined>;
}

/** Where Postfix's address resolution puts a recipient's domain (ADDRESS_CLASS_README). */
export type AddressClass = 'local' | 'virtualAlias' | 'virtualMailbox' | 'relay' | 'default';

export type ExtensionPolicy = 'canonical' | 'virtual' | 'alias' | 'forward' | 'include' | 'generic';

/** Settings that are plain values, by their names in main.cf. */
export interface AddressRules {
  readonly myorigin: string;
  readonly mydomain: string;
  readonly appendAtMyorigin: boolean;
  readonly appendDotMydomain: boolean;
  readonly swapBangpath: boolean;
  readonly allowPercentHack: boolean;
  /** Each character is a delimiter; empty for none. */
  readonly recipientDelimiter: string;
  readonly propagateUnmatchedExtensions: ReadonlySet<ExtensionPolicy>;
  readonly ownerRequestSpecial: boolean;
  readonly expandOwnerAlias: boolean;
  readonly virtualAliasExpansionLimit: number;
  readonly virtualAliasRecursionLimit: number;
  readonly virtualAliasAddressLengthLimit: number;
  readonly showUserUnknownTableName: boolean;
}

/** Postfix 3.7's defaults under compatibility level 0 (`appendDotMydomain` is off from level 1 on). */
export const DEFAULT_ADDRESS_RULES: Omit<AddressRules, 'myorigin' | 'mydomain'> = {
  appendAtMyorigin: true,
  appendDotMydomain: true,
  swapBangpath: true,
  allowPercentHack: true,
  recipientDelimiter: '',
  propagateUnmatchedExtensions: new Set<ExtensionPolicy>(['canonical', 'virtual']),
  ownerRequestSpecial: true,
  expandOwnerAlias: false,
  virtualAliasExpansionLimit: 1000,
  virtualAliasRecursionLimit: 1000,
  virtualAliasAddressLengthLimit: 1000,
  showUserUnknownTableName: true,
};

/** A list of domains as main.cf writes them; @postcote/config's `MatchList` is one. Throws like a table. */
export interface DomainMatcher {
  matches(subject: { readonly name?: string }): MaybePromise<boolean>;
}

/** No domain at all. */
export const NO_DOMAINS: DomainMatcher = { matches: () => false };

export interface AddressPorts {
  /** `mydestination`; address literals are asked of `isOwnAddress`. */
  readonly mydestination: DomainMatcher;
  /** `virtual_alias_domains`; its default is `$virtual_alias_maps`. */
  readonly virtualAliasDomains: DomainMatcher;
  readonly virtualMailboxDomains: DomainMatcher;
  readonly relayDomains: DomainMatcher;
  /** Whether an address (no brackets, no `IPv6:`) is one of ours: `inet_interfaces`, `proxy_interfaces`. */
  isOwnAddress(address: string): boolean;
  readonly virtualAliasMaps: readonly AddressTable[];
  readonly aliasMaps: readonly AddressTable[];
  /** Absent or empty: every local recipient is taken (`local_recipient_maps =`). */
  readonly localRecipientMaps?: readonly AddressTable[];
  readonly virtualMailboxMaps?: readonly AddressTable[];
  readonly relayRecipientMaps?: readonly AddressTable[];
  /** `recipient_canonical_maps` and `canonical_maps`: whoever they hold is known. */
  readonly canonicalMaps?: readonly AddressTable[];
  readonly relocatedMaps?: readonly AddressTable[];
  /** Whether an account of this name (lower case) can receive mail. Throws for a temporary failure. */
  hasLocalUser(name: string): MaybePromise<boolean>;
  /** Who gets mail for nobody here; absent or undefined: it comes back. */
  unknownUser?(recipient: UnknownUser): MaybePromise<UnknownUserFate | undefined>;
}

/** What finding an address's keys asks of the world. */
export type OwnDomains = Pick<AddressPorts, 'mydestination' | 'isOwnAddress'>;

export interface UnknownUser {
  readonly user: string;
  /** The local part with its extension, in lower case. */
  readonly local: string;
  readonly domain: string;
  readonly extension: string;
}

/** `fallback_transport`, `luser_relay`. */
export type UnknownUserFate =
  | { readonly kind: 'transport'; readonly transport: string }
  | { readonly kind: 'relay'; readonly address: string };

/** A mailbox of an envelope, unquoted: `"a b"@Example.COM` is `{local: 'a b', domain: 'Example.COM'}`. */
export interface EnvelopeMailbox {
  readonly local: string;
  readonly domain?: string;
}

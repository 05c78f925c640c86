// What main.cf says of the way into the queue, as values and tables. Names are Postfix's in camelCase.

import type { AddressRules, AddressTable, OwnDomains } from '@postcote/aliases';

export type MaybePromise<T> = T | Promise<T>;

/** A list of tables whose keys are header fields or lines of text. Throws or rejects when it cannot answer now. */
export interface CheckTable {
  readonly describe: string;
  find(key: string): MaybePromise<{ readonly value: string } | undefined>;
}

export type AddressPlace = 'envelope_sender' | 'envelope_recipient' | 'header_sender' | 'header_recipient';

/** One of the three `…canonical_maps`, and where it counts. */
export interface CanonicalMap {
  /** `canonical_maps`, for the log. */
  readonly title: string;
  readonly tables: readonly AddressTable[];
  readonly classes: ReadonlySet<AddressPlace>;
}

export interface Masquerade {
  /** In order; `!` before a name exempts it and its subdomains. */
  readonly domains: readonly string[];
  readonly classes: ReadonlySet<AddressPlace>;
  isException(localPart: string): MaybePromise<boolean>;
}

export interface CleanupTables {
  /** In the order in which they are asked. */
  readonly canonical: readonly CanonicalMap[];
  readonly senderBccMaps: readonly AddressTable[];
  readonly recipientBccMaps: readonly AddressTable[];
  readonly headerChecks?: CheckTable;
  readonly mimeHeaderChecks?: CheckTable;
  readonly nestedHeaderChecks?: CheckTable;
  readonly bodyChecks?: CheckTable;
}

export interface CleanupSettings extends CleanupTables {
  readonly rules: AddressRules;
  /** For the keys of addresses: which domains are ours. */
  readonly ports: OwnDomains;
  readonly masquerade?: Masquerade;
  readonly remoteHeaderRewriteDomain: string;
  readonly alwaysAddMissingHeaders: boolean;
  readonly alwaysBcc: string;
  readonly emptyAddressRecipient: string;
  readonly undisclosedRecipientsHeader: string;
  /** Lower case. */
  readonly messageDropHeaders: ReadonlySet<string>;
  readonly headerFromFormat: 'standard' | 'obsolete';
  readonly myhostname: string;
  readonly longQueueIds: boolean;
  readonly headerSizeLimit: number;
  readonly headerAddressTokenLimit: number;
  readonly bodyChecksSizeLimit: number;
  readonly mimeNestingLimit: number;
  readonly mimeBoundaryLengthLimit: number;
  readonly lineLengthLimit: number;
  readonly disableMimeInputProcessing: boolean;
  readonly strict7bitHeaders: boolean;
  readonly strict8bitmime: boolean;
  readonly strict8bitmimeBody: boolean;
  readonly strictMimeEncodingDomain: boolean;
}

/** `receive_override_options`. */
export interface Overrides {
  readonly noAddressMappings: boolean;
  readonly noHeaderBodyChecks: boolean;
}

export const NO_OVERRIDES: Overrides = { noAddressMappings: false, noHeaderBodyChecks: false };

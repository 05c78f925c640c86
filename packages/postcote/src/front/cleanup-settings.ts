// main.cf, with the overrides of a listener and of the cleanup service it names → what is done to mail on its way in.

import type { LookupTable, PostfixSettings, TableRegistry } from '@postcote/config';
import type { LoadedConfiguration } from '@postcote/config/edge';
import {
  type AddressPlace,
  type CanonicalMap,
  type CheckTable,
  type CleanupSettings,
  type Overrides,
  type RewriteContext,
} from '@postcote/cleanup';
import { addressRulesOf } from './address-book.ts';

/** What one entrance does to the mail that comes through it. */
export interface EntrancePolicy {
  readonly cleanup: CleanupSettings;
  readonly overrides: Overrides;
  /** `content_filter`; empty for none. */
  readonly contentFilter: string;
  /** `transport:` without a next hop goes to the recipient's domain; POSTFIX: default_filter_nexthop. */
  readonly localContext: RewriteContext;
  /** For clients that are not ours: undefined leaves their headers alone. */
  readonly remoteContext: RewriteContext | undefined;
  /** `postfix/cleanup` */
  readonly program: string;
  readonly originalRecipients: boolean;
}

export interface EntrancePorts {
  isOwnAddress(address: string): boolean;
}

/** `door`: the settings of the smtpd or pickup service. */
export function entrancePolicyOf(
  { postfix, master, tables }: LoadedConfiguration,
  door: PostfixSettings,
  ports: EntrancePorts,
): EntrancePolicy {
  const name = door.string('cleanup_service_name');
  const row = master?.services.find((service) => service.name === name && service.command === 'cleanup');
  const settings = row === undefined ? postfix : postfix.withOverrides(row.overrides, row.name);
  const cleanup = cleanupSettingsOf(settings, tables, ports);
  const options = new Set(door.list('receive_override_options').map((word) => word.toLowerCase()));
  const { rules } = cleanup;
  const remote = cleanup.remoteHeaderRewriteDomain;
  return {
    cleanup,
    overrides: {
      // A cleanup service without virtual_alias_maps of its own leaves recipients as they are.
      noAddressMappings: options.has('no_address_mappings'),
      noHeaderBodyChecks: options.has('no_header_body_checks'),
    },
    contentFilter: door.string('content_filter'),
    localContext: { ...rules, origin: rules.myorigin, domain: rules.mydomain },
    remoteContext: remote === '' ? undefined : { ...rules, origin: remote, domain: remote },
    program: `${settings.string('syslog_name')}/cleanup`,
    originalRecipients: settings.bool('enable_original_recipient'),
  };
}

function cleanupSettingsOf(s: PostfixSettings, tables: TableRegistry, ports: EntrancePorts): CleanupSettings {
  const maps = (name: string): readonly LookupTable[] =>
    s.list(name).length === 0 ? [] : [tables.parameter(s, name)];
  const checks = (name: string): CheckTable | undefined => maps(name)[0];
  const masqueradeDomains = s.list('masquerade_domains');
  const exceptions = tables.matchList(s, 'masquerade_exceptions');
  const canonical = (title: string): readonly CanonicalMap[] => {
    const found = maps(title);
    if (found.length === 0) return [];
    return [{ title, tables: found, classes: placesOf(s, title.replace('_maps', '_classes')) }];
  };
  return {
    rules: addressRulesOf(s),
    ports: {
      mydestination: tables.matchList(s, 'mydestination'),
      isOwnAddress: (address) => ports.isOwnAddress(address),
    },
    // POSTFIX: the sender's or the recipients' own table first; each knows only its own classes.
    canonical: [
      ...canonical('sender_canonical_maps'),
      ...canonical('recipient_canonical_maps'),
      ...canonical('canonical_maps'),
    ],
    ...(masqueradeDomains.length === 0
      ? {}
      : {
          masquerade: {
            domains: masqueradeDomains,
            classes: placesOf(s, 'masquerade_classes'),
            isException: (local) => exceptions.matches({ name: local }),
          },
        }),
    senderBccMaps: maps('sender_bcc_maps'),
    recipientBccMaps: maps('recipient_bcc_maps'),
    ...named('headerChecks', checks('header_checks')),
    ...named('mimeHeaderChecks', checks('mime_header_checks')),
    ...named('nestedHeaderChecks', checks('nested_header_checks')),
    ...named('bodyChecks', checks('body_checks')),
    remoteHeaderRewriteDomain: s.string('remote_header_rewrite_domain'),
    alwaysAddMissingHeaders: s.bool('always_add_missing_headers'),
    alwaysBcc: s.string('always_bcc'),
    emptyAddressRecipient: s.string('empty_address_recipient'),
    undisclosedRecipientsHeader: s.string('undisclosed_recipients_header'),
    messageDropHeaders: new Set(s.list('message_drop_headers').map((name) => name.toLowerCase())),
    headerFromFormat: s.string('header_from_format') === 'obsolete' ? 'obsolete' : 'standard',
    myhostname: s.string('myhostname'),
    longQueueIds: s.bool('enable_long_queue_ids'),
    headerSizeLimit: s.int('header_size_limit'),
    headerAddressTokenLimit: s.int('header_address_token_limit'),
    bodyChecksSizeLimit: s.int('body_checks_size_limit'),
    mimeNestingLimit: s.int('mime_nesting_limit'),
    mimeBoundaryLengthLimit: s.int('mime_boundary_length_limit'),
    lineLengthLimit: s.int('line_length_limit'),
    disableMimeInputProcessing: s.bool('disable_mime_input_processing'),
    strict7bitHeaders: s.bool('strict_7bit_headers'),
    strict8bitmime: s.bool('strict_8bitmime'),
    strict8bitmimeBody: s.bool('strict_8bitmime_body'),
    strictMimeEncodingDomain: s.bool('strict_mime_encoding_domain'),
  };
}

const named = <Name extends string>(
  name: Name,
  table: CheckTable | undefined,
): Partial<Record<Name, CheckTable>> =>
  table === undefined ? {} : ({ [name]: table } as Partial<Record<Name, CheckTable>>);

const PLACES: ReadonlySet<string> = new Set([
  'envelope_sender',
  'envelope_recipient',
  'header_sender',
  'header_recipient',
]);

const placesOf = (s: PostfixSettings, name: string): ReadonlySet<AddressPlace> =>
  new Set(
    s
      .list(name)
      .map((word) => word.toLowerCase())
      .filter((word): word is AddressPlace => PLACES.has(word)),
  );

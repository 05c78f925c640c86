// What the front runs by: the configuration of both replaced servers, read in one go, and all that follows from it for
// listeners, routing and delivery. Read at the start and again at each reload; throws what keeps it from being used.

import { networkInterfaces } from 'node:os';
import type { Addresses } from '@postcote/aliases';
import { MECHANISMS } from '@postcote/auth';
import type { PostfixSettings } from '@postcote/config';
import { type LoadedConfiguration, loadConfiguration } from '@postcote/config/edge';
import { DEFAULT_LOGIN_SETTINGS as DEFAULT_IMAP_LOGIN_SETTINGS } from '@postcote/imap';
import { DEFAULT_LOGIN_SETTINGS as DEFAULT_POP_LOGIN_SETTINGS } from '@postcote/pop3';
import {
  type PolicyService,
  SUPPORTED_RESTRICTIONS,
  type ScreenSettings,
  type SmtpSettings,
} from '@postcote/smtp';
import { PolicyServer, type PolicyServerOptions, type SendService } from '@postcote/smtp/edge';
import type { Log } from '@postcote/wire';
import type { SupervisorToFront } from '../ipc.ts';
import { type Routing, openAddressBook, rowOf } from './address-book.ts';
import { type EntrancePolicy, entrancePolicyOf } from './cleanup-settings.ts';
import type { MessageRouting } from './filter-route.ts';
import { type FilterSettings, filterSettingsOf } from './filters/filter-settings.ts';
import { noticePolicyOf } from './notice-entrance.ts';
import type { LocalRouting } from './local-deliverer.ts';
import type { MailboxLoginSettings } from './mailbox-login.ts';
import { MailboxTransports } from './mailbox-transports.ts';
import { isQuotaStatus, mailboxUserOf, QuotaStatus } from './quota-status.ts';
import { screenSettingsOf } from './screen-settings.ts';
import { readSendServices, transportRulesOf } from './send-services.ts';
import { smtpSettingsOf } from './smtp-settings.ts';

type Start = Extract<SupervisorToFront, { type: 'start' }>;

/** What the front runs by until it is told to read again. */
export interface FrontSettings {
  readonly configuration: LoadedConfiguration;
  readonly addresses: Addresses;
  readonly routing: MessageRouting;
  /** How probes of addresses go. */
  readonly verifyRouting: Routing;
  readonly local: LocalRouting;
  /** Transports of master.cf that run with other rights than ours, by name. */
  readonly programs: ReadonlyMap<string, 'pipe' | 'virtual'>;
  readonly services: ReadonlyMap<string, SendService>;
  readonly own: ReadonlySet<string>;
  readonly smtp: ReadonlyMap<string, SmtpSettings>;
  /** What is done to mail on its way in, by listener. */
  readonly entrances: ReadonlyMap<string, EntrancePolicy>;
  readonly pickup: EntrancePolicy;
  /** Undefined where nobody looks at notices of our own. */
  readonly notices: EntrancePolicy | undefined;
  /** `non_smtpd_milters`. */
  readonly localFilters: FilterSettings | undefined;
  /** By listener, where postscreen stands in front. */
  readonly screens: ReadonlyMap<string, ScreenSettings>;
  readonly mailbox: MailboxLoginSettings;
}

export interface FrontSettingsSource extends Pick<Start, 'paths' | 'secretTables'> {
  /** Whether the system has such an account. */
  hasUser(name: string): Promise<boolean>;
  /** Whether so many octets more fit into a user's mailbox. */
  hasRoom(user: string, octets: number): Promise<boolean>;
}

/** Reads the configuration as it is now. */
export function readFrontSettings(source: FrontSettingsSource, log: Log): FrontSettings {
  const given = new Map(source.secretTables);
  const { postfixDirectory, dovecotConf } = source.paths;
  const configuration = loadConfiguration({
    postfixDirectory,
    dovecotConf,
    supportedRestrictions: SUPPORTED_RESTRICTIONS,
    log,
    given,
    account: (database, name) => account(source, database, name),
  });
  const { postfix, tables, dovecot } = configuration;
  const own = new Set(
    Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address)),
  );
  const isOwnAddress = (address: string): boolean => own.has(address);
  const transports = new MailboxTransports(postfix, tables);
  const addresses = openAddressBook(postfix, tables, {
    transports,
    hasLocalUser: (name) => source.hasUser(name),
    isOwnAddress,
  });
  const servers = sharedPolicyServers();
  const status = dovecot.quota?.status;
  const policyServer = (options: PolicyServerOptions): PolicyService =>
    status !== undefined && isQuotaStatus(options.server, status, options.queueDirectory)
      ? new QuotaStatus(
          status,
          { ...source, userOf: (address) => mailboxUserOf(addresses, address) },
          options,
        )
      : servers(options);
  const smtp = new Map(
    configuration.listeners.map((listener) => [
      listenerKey(listener.service, listener.address, listener.port),
      smtpSettingsOf(listener, { tables, policyServer, isOwnAddress }),
    ]),
  );
  const entrances = new Map(
    configuration.listeners.map((listener) => [
      listenerKey(listener.service, listener.address, listener.port),
      entrancePolicyOf(configuration, listener.settings, { isOwnAddress }),
    ]),
  );
  for (const address of postfix.list('proxy_interfaces')) own.add(address.replace(/^\[|\]$/g, ''));
  const routing: MessageRouting = {
    addresses,
    rules: transportRulesOf(configuration),
    localTransport: localTransport(postfix),
    myhostname: postfix.string('myhostname'),
    filter: {
      defaultNexthop: postfix.string('default_filter_nexthop'),
      myhostname: postfix.string('myhostname'),
    },
  };
  return {
    configuration,
    addresses,
    routing,
    local: {
      addresses,
      myhostname: postfix.string('myhostname'),
      recipientDelimiter: postfix.string('recipient_delimiter'),
      ownerRequestSpecial: postfix.bool('owner_request_special'),
      prependsWhenForwarding: postfix.list('prepend_delivered_header').includes('forward'),
      mailboxTransport: (user) => transports.mailbox(user),
      rowOf: (destination, sender) => rowOf(routing, destination, sender),
    },
    verifyRouting: {
      addresses,
      rules: transportRulesOf(configuration, 'address_verify_'),
      localTransport: localTransport(postfix, 'address_verify_local_transport'),
      myhostname: postfix.string('myhostname'),
    },
    programs: programsOf(configuration),
    services: readSendServices(configuration, given, { isOwnAddress, log }),
    own,
    smtp,
    entrances,
    notices: noticePolicyOf(configuration, { isOwnAddress }),
    localFilters: localFiltersOf(configuration),
    pickup: entrancePolicyOf(configuration, pickupSettingsOf(configuration), { isOwnAddress }),
    screens: screensOf(configuration),
    mailbox: mailboxSettingsOf(dovecot),
  };
}

/** A line for `unix:passwd.byname`, whose presence is all that anybody looks at. */
async function account(
  source: FrontSettingsSource,
  database: 'passwd' | 'group',
  name: string,
): Promise<string | undefined> {
  return database === 'passwd' && (await source.hasUser(name)) ? name : undefined;
}

/** Lists that name the same policy server share its connections. */
function sharedPolicyServers(): (options: PolicyServerOptions) => PolicyServer {
  const servers = new Map<string, PolicyServer>();
  return (options) => {
    const key = JSON.stringify(options);
    const server = servers.get(key) ?? new PolicyServer(options);
    servers.set(key, server);
    return server;
  };
}

/** POSTFIX: local mail goes where local_transport says, and from local(8) on where mailbox_transport says. */
function localTransport(
  postfix: LoadedConfiguration['postfix'],
  parameter: 'local_transport' | 'address_verify_local_transport' = 'local_transport',
): string {
  const local = postfix.string(parameter);
  return /^local(:|$)/.test(local) ? '' : local;
}

/** Without a master.cf there is the one that every installation has. */
function programsOf({ master }: LoadedConfiguration): Map<string, 'pipe' | 'virtual'> {
  const programs = new Map<string, 'pipe' | 'virtual'>([['virtual', 'virtual']]);
  for (const { name, type, command } of master?.services ?? []) {
    if (type !== 'unix') continue;
    if (command === 'pipe' || command === 'virtual') programs.set(name, command);
    else programs.delete(name);
  }
  return programs;
}

export const listenerKey = (service: string, address: string, port: number): string =>
  `${service} ${address} ${port}`;

/** `non_smtpd_milters` as the row of cleanup has it; the row of pickup may switch it off. */
function localFiltersOf(configuration: LoadedConfiguration): FilterSettings | undefined {
  const { postfix, master, tables } = configuration;
  if (pickupSettingsOf(configuration).list('receive_override_options').includes('no_milters'))
    return undefined;
  const row = master?.services.find(({ command }) => command === 'cleanup');
  const settings = row === undefined ? postfix : postfix.withOverrides(row.overrides, row.name);
  return filterSettingsOf(settings, 'non_smtpd_milters', tables);
}

function screensOf({ listeners, tables }: LoadedConfiguration): ReadonlyMap<string, ScreenSettings> {
  const screens = new Map<string, ScreenSettings>();
  for (const { service, address, port, screen } of listeners)
    if (screen !== undefined)
      screens.set(listenerKey(service, address, port), screenSettingsOf(screen, tables));
  return screens;
}

/** The row of master.cf that takes mail from this machine's programs. */
function pickupSettingsOf({ postfix, master }: LoadedConfiguration): PostfixSettings {
  const row = master?.services.find(({ command }) => command === 'pickup');
  return row === undefined ? postfix : postfix.withOverrides(row.overrides, row.name);
}

function mailboxSettingsOf(dovecot: LoadedConfiguration['dovecot']): MailboxLoginSettings {
  const common = {
    greeting: dovecot.loginGreeting,
    disablePlaintextAuth: dovecot.auth.disablePlaintext || dovecot.ssl === 'required',
  };
  return {
    mechanisms: mechanismsOf(dovecot),
    imap: {
      ...DEFAULT_IMAP_LOGIN_SETTINGS,
      ...common,
      capability: dovecot.imap.capability,
      idSend: dovecot.imap.idSend,
      idLog: dovecot.imap.idLog,
    },
    pop3: { ...DEFAULT_POP_LOGIN_SETTINGS, ...common },
  };
}

/** Those of dovecot.conf that there are; without a dovecot.conf all. */
export function mechanismsOf(dovecot: LoadedConfiguration['dovecot']): readonly string[] {
  return dovecot.isPresent ? MECHANISMS.filter((name) => dovecot.auth.mechanisms.includes(name)) : MECHANISMS;
}

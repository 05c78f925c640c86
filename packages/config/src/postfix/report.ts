// What must be said about a main.cf and master.cf before serving from them: values that cannot be read, words that
// nobody knows, tables that cannot be opened, and every parameter that has no effect.

import { notice, refuse, type Origin, type Problem } from '../origin.ts';
import { looksLikeTable } from '../tables/table-spec.ts';
import type { TableRegistry } from '../tables/table-registry.ts';
import {
  explainNotHonoured,
  honouredParameters,
  isHonouredForTransport,
  otherVersionsParameters,
} from './honoured-parameters.ts';
import { restrictionListNames } from './known-settings.ts';
import type { SmtpListener } from './listeners.ts';
import type { Definition } from './main-cf.ts';
import { findParameter, parameterNames } from './parameter-table.ts';
import { touch, type PostfixSettings } from './postfix-settings.ts';
import { takesArgument, type Restriction } from './restrictions.ts';
import { nearestName } from './nearest-name.ts';

export interface PostfixReportOptions {
  /** Restriction words the server can carry out. */
  readonly supportedRestrictions: ReadonlySet<string>;
  /** Parameters that have an effect; `honouredParameters` when left out. */
  readonly honoured?: ReadonlySet<string>;
}

/** Each problem once, in the order of files and lines. */
export function checkPostfix(
  settings: PostfixSettings,
  listeners: readonly SmtpListener[],
  tables: TableRegistry,
  options: PostfixReportOptions,
): Problem[] {
  const all = [
    settings,
    ...listeners.flatMap(({ settings: own, screen }) => (screen === undefined ? [own] : [own, screen])),
  ];
  const problems = new Map<string, Problem>();
  const keep = (found: readonly Problem[]): void => {
    for (const problem of found) {
      problems.set(`${problem.file}:${problem.line}:${problem.name}:${problem.message}`, problem);
    }
  };
  keep(settings.main.problems);
  const userNames = referencedNames(all);
  for (const one of all) {
    keep(checkValues(one));
    keep(checkNames(one, userNames, options.honoured ?? honouredParameters));
    keep(checkRestrictionLists(one, tables, options.supportedRestrictions));
    keep(checkRelay(one));
    keep(checkSendingTls(one));
    keep(checkProxy(one));
    keep(checkPostscreen(one));
    openLists(one, tables, options.honoured ?? honouredParameters);
    keep(one.problems);
  }
  keep(tables.problems);
  return [...problems.values()];
}

/** The lists that the server opens whether main.cf sets them or not. */
const ALWAYS_OPENED_TABLES = ['alias_maps', 'virtual_alias_maps', 'local_recipient_maps'];
const ALWAYS_OPENED_LISTS = ['mynetworks', 'mydestination', 'relay_domains', 'virtual_alias_domains'];

function openLists(settings: PostfixSettings, tables: TableRegistry, honoured: ReadonlySet<string>): void {
  for (const name of ALWAYS_OPENED_TABLES) tables.parameter(settings, name);
  for (const name of ALWAYS_OPENED_LISTS) tables.matchList(settings, name);
  for (const [name] of definitionsOf(settings)) {
    if (!honoured.has(name) || findParameter(name)?.type.kind !== 'list') continue;
    if (name.endsWith('_maps') || name.endsWith('_checks')) tables.parameter(settings, name);
    // Filters are named like tables: `inet:host:port`.
    else if (name.endsWith('_milters')) continue;
    else if (settings.list(name).some((item) => looksLikeTable(item))) tables.matchList(settings, name);
  }
}

function* definitionsOf(settings: PostfixSettings): Iterable<[string, Definition]> {
  yield* settings.main.definitions;
  yield* settings.overrides;
}

function checkValues(settings: PostfixSettings): readonly Problem[] {
  for (const [name] of definitionsOf(settings)) {
    const parameter = findParameter(name);
    if (parameter === undefined) settings.string(name);
    else touch(settings, parameter);
  }
  return settings.problems;
}

/** Names that other values mention, and restriction classes: the administrator's own, not typing errors. */
function referencedNames(all: readonly PostfixSettings[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const settings of all) {
    for (const [, { value }] of definitionsOf(settings)) {
      for (const match of value.matchAll(/\$[{(]?\s*([A-Za-z0-9_]{1,256})/g)) names.add(match[1] ?? '');
    }
    for (const name of settings.list('smtpd_restriction_classes')) names.add(name);
  }
  return names;
}

/** Names of a protocol that is not spoken: without it every client would have the proxy's address. */
function checkProxy(settings: PostfixSettings): readonly Problem[] {
  return ['smtpd_upstream_proxy_protocol', 'postscreen_upstream_proxy_protocol'].flatMap((name) => {
    const value = settings.string(name);
    if (value === '' || value === 'haproxy') return [];
    const origin = settings.origin(name) ?? { file: settings.main.file, line: 0 };
    return [refuse(origin, { name, value, message: 'the only protocol known here is haproxy' })];
  });
}

function checkNames(
  settings: PostfixSettings,
  userNames: ReadonlySet<string>,
  honoured: ReadonlySet<string>,
): Problem[] {
  const problems: Problem[] = [];
  for (const [name, { value, origin }] of definitionsOf(settings)) {
    if (honoured.has(name) || isHonouredForTransport(name)) continue;
    const isKnown = findParameter(name) !== undefined || otherVersionsParameters.has(name);
    if (isKnown) {
      if (value === '') continue;
      const { message, mustRefuse } = explainNotHonoured(name);
      const isOff = value.toLowerCase() === 'no';
      problems.push(
        (mustRefuse && !isOff ? refuse : notice)(origin, {
          name,
          value,
          message: `not honoured: ${message}`,
        }),
      );
    } else if (!userNames.has(name)) {
      problems.push(unknownName(name, value, origin));
    }
  }
  return problems;
}

function unknownName(name: string, value: string, origin: Origin): Problem {
  const nearest = nearestName(name, parameterNames());
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
  return notice(origin, {
    name,
    value,
    message: `no parameter has this name, and nothing refers to it${hint}`,
  });
}

function checkRestrictionLists(
  settings: PostfixSettings,
  tables: TableRegistry,
  supported: ReadonlySet<string>,
): Problem[] {
  const problems: Problem[] = [];
  const classes = new Set(settings.list('smtpd_restriction_classes'));
  for (const list of [...restrictionListNames, ...classes]) {
    for (const restriction of settings.restrictions(list)) {
      const problem = checkRestriction(list, restriction, supported);
      if (problem !== undefined) problems.push(problem);
      else openArgument(restriction, tables);
    }
  }
  return problems;
}

const POLICY_SERVER = /^(inet:.*:[0-9]{1,5}|(unix|local):.+)$/;

function checkRestriction(
  list: string,
  restriction: Restriction,
  supported: ReadonlySet<string>,
): Problem | undefined {
  const { word, argument, origin } = restriction;
  if (!supported.has(word)) {
    const nearest = nearestName(word, supported.values());
    const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
    const message = `"${word}" is a restriction that this server cannot carry out, so it does not start${hint}`;
    return refuse(origin, { name: list, value: word, message });
  }
  if (takesArgument(word) && argument === undefined) {
    return refuse(origin, { name: list, value: word, message: `"${word}" needs an argument` });
  }
  if (word === 'check_policy_service' && !POLICY_SERVER.test(argument ?? '')) {
    const message = 'a policy server is named as inet:host:port or unix:path';
    return refuse(origin, { name: list, value: argument ?? '', message });
  }
  return undefined;
}

function openArgument({ word, argument, origin }: Restriction, tables: TableRegistry): void {
  if (argument === undefined || !/^check_.*_access$/.test(word)) return;
  tables.open(argument, { parameter: word, origin });
}

/** Levels that the sending side knows. Less than what was asked for must not pass unnoticed. */
const TLS_LEVELS: ReadonlySet<string> = new Set([
  '',
  'none',
  'may',
  'encrypt',
  'fingerprint',
  'dane',
  'dane-only',
  'verify',
  'secure',
]);

function checkSendingTls(settings: PostfixSettings): readonly Problem[] {
  return (['smtp', 'lmtp'] as const).flatMap((protocol) => {
    const name = `${protocol}_tls_security_level`;
    const value = settings.string(name);
    const origin = settings.origin(name);
    const level = value.toLowerCase();
    if (origin === undefined) return [];
    if (!TLS_LEVELS.has(level)) {
      const message = `this is no level of TLS security; these are: ${[...TLS_LEVELS].join(' ').trim()}`;
      return [refuse(origin, { name, value, message })];
    }
    // POSTFIX: would start, and keep every message waiting.
    if (level.startsWith('dane') && settings.string(`${protocol}_dns_support_level`) !== 'dnssec') {
      const message = `no mail would leave: it needs ${protocol}_dns_support_level = dnssec, and a validating resolver on this machine`;
      return [refuse(origin, { name, value, message })];
    }
    return [];
  });
}

/** Words of postscreen's lists that cannot be carried out would let in whom they were to keep out. */
function checkPostscreen(settings: PostfixSettings): readonly Problem[] {
  const problems: Problem[] = [];
  const complain = (name: string, value: string, message: string): void => {
    const origin = settings.origin(name);
    if (origin !== undefined) problems.push(refuse(origin, { name, value, message }));
  };
  for (const name of ['greet', 'dnsbl', 'denylist'].map((test) => `postscreen_${test}_action`)) {
    const value = settings.string(name);
    if (!/^(ignore|enforce|drop)$/i.test(value)) complain(name, value, 'is none of ignore, enforce and drop');
  }
  for (const word of settings.list('postscreen_dnsbl_sites'))
    if (!/^[^*]+(\*-?[0-9]{1,6})?$/.test(word))
      complain('postscreen_dnsbl_sites', word, 'is no list with a weight: name=filter*weight');
  for (const word of settings.list('postscreen_access_list'))
    if (!/^(permit_mynetworks|permit|reject|dunno)$/i.test(word) && !looksLikeTable(word))
      complain(
        'postscreen_access_list',
        word,
        'is none of permit_mynetworks, permit, reject, dunno and type:table',
      );
  for (const name of ['pipelining', 'non_smtp_command', 'bare_newline'].map(
    (test) => `postscreen_${test}_enable`,
  ))
    if (settings.bool(name))
      complain(name, 'yes', 'tests after the greeting are not made; remove this line to run without');
  return problems;
}

const CLOSES_THE_RELAY: ReadonlySet<string> = new Set([
  'reject_unauth_destination',
  'defer_unauth_destination',
  'reject',
  'defer',
  'defer_if_permit',
]);

// POSTFIX: refuses to receive mail unless one of the two lists stops strangers from relaying.
function checkRelay(settings: PostfixSettings): readonly Problem[] {
  const lists = ['smtpd_relay_restrictions', 'smtpd_recipient_restrictions'];
  const isClosed = (list: string): boolean =>
    settings.restrictions(list).some(({ word }) => CLOSES_THE_RELAY.has(word));
  if (lists.some(isClosed)) return [];
  const blamed = lists.find((list) => settings.isSet(list)) ?? 'smtpd_relay_restrictions';
  const origin = settings.origin(blamed) ?? { file: settings.main.file, line: 0 };
  const message =
    'anybody could relay mail through this server: put reject_unauth_destination into smtpd_relay_restrictions or smtpd_recipient_restrictions';
  return [refuse(origin, { name: blamed, value: settings.string(blamed), message })];
}

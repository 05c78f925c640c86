// main.cf's milter parameters → the records that the milter package runs on, and what is wrong with them.

import {
  type LookupTable,
  type PostfixSettings,
  type TableRegistry,
  parseTime,
  splitList,
  stripBraces,
} from '@postcote/config';
import {
  DEFAULT_MACROS,
  type MacroSettings,
  type MilterService,
  parseEndpoint,
  parseMacroDefaults,
  parseMacroNames,
  parseProtocol,
} from '@postcote/milter';

export interface FilterSettings {
  /** Of `smtpd_milters` or `non_smtpd_milters`. */
  readonly services: readonly MilterService[];
  /** `smtpd_milter_maps`. */
  readonly maps: LookupTable | undefined;
  /** The filters that a value of `smtpd_milter_maps` names. */
  servicesIn(text: string): readonly MilterService[];
  readonly macros: MacroSettings;
  readonly daemonName: string;
  readonly version: string;
  readonly softBounce: boolean;
  /** What a path that is not absolute is relative to. */
  readonly queueDirectory: string;
}

/** `no_milters` in `receive_override_options`: nobody is asked. */
const NO_MILTERS = 'no_milters';
/** POSTFIX: in either parameter or in the maps. */
const DISABLE = /^disable$/i;
const ACTIONS = new Set(['accept', 'reject', 'tempfail', 'quarantine', 'shutdown']);
const TIMES = ['connect_timeout', 'command_timeout', 'content_timeout'] as const;
const WORDS = ['default_action', 'protocol'] as const;

/** Undefined where no mail of this way in is filtered. */
export function filterSettingsOf(
  s: PostfixSettings,
  parameter: 'smtpd_milters' | 'non_smtpd_milters',
  tables: TableRegistry,
): FilterSettings | undefined {
  const hasMaps = parameter === 'smtpd_milters' && s.list('smtpd_milter_maps').length > 0;
  const items = s.list(parameter);
  if (s.list('receive_override_options').includes(NO_MILTERS) || (items.length === 0 && !hasMaps))
    return undefined;
  const services = servicesOf(items, s);
  if (services.length === 0 && !hasMaps) return undefined;
  const defaults = parseMacroDefaults(s.list('milter_macro_defaults'));
  return {
    services,
    maps: hasMaps ? tables.parameter(s, 'smtpd_milter_maps') : undefined,
    servicesIn: (text) => servicesOf(splitList(text), s),
    macros: {
      names: macroNamesOf(s),
      defaults: typeof defaults === 'string' ? DEFAULT_MACROS.defaults : defaults,
    },
    daemonName: s.string('milter_macro_daemon_name'),
    version: s.string('milter_macro_v'),
    softBounce: s.bool('soft_bounce'),
    queueDirectory: s.string('queue_directory'),
  };
}

function macroNamesOf(s: PostfixSettings): MacroSettings['names'] {
  const names = (name: string): readonly string[] => parseMacroNames(s.list(name).join(' '));
  return {
    connect: names('milter_connect_macros'),
    helo: names('milter_helo_macros'),
    mail: names('milter_mail_macros'),
    rcpt: names('milter_rcpt_macros'),
    data: names('milter_data_macros'),
    endOfHeader: names('milter_end_of_header_macros'),
    endOfMessage: names('milter_end_of_data_macros'),
    unknown: names('milter_unknown_command_macros'),
  };
}

function servicesOf(items: readonly string[], s: PostfixSettings): readonly MilterService[] {
  if (items.length === 1 && DISABLE.test(items[0] ?? '')) return [];
  return items.map((item) => {
    const { name, attributes } = readItem(item);
    const time = (which: (typeof TIMES)[number]): number =>
      (parseTime(attributes.get(which) ?? '', 's') ?? s.time(`milter_${which}`)) * 1000;
    return {
      name,
      defaultAction: attributes.get('default_action') ?? s.string('milter_default_action'),
      protocol: attributes.get('protocol') ?? s.string('milter_protocol'),
      connectTimeout: time('connect_timeout'),
      commandTimeout: time('command_timeout'),
      contentTimeout: time('content_timeout'),
    };
  });
}

/** `inet:host:port`, or `{ inet:host:port, name=value, { name = value } }`. */
function readItem(item: string): { readonly name: string; readonly attributes: ReadonlyMap<string, string> } {
  const [name = '', ...rest] = item.startsWith('{') ? splitList(stripBraces(item)) : [item];
  const attributes = new Map(
    rest.map((attribute) => {
      const text = stripBraces(attribute);
      const equals = text.indexOf('=');
      return equals === -1 ? [text, ''] : [text.slice(0, equals).trim(), text.slice(equals + 1).trim()];
    }),
  );
  return { name, attributes };
}

/** What keeps filters from being asked as their author meant, one sentence each. */
export function filterProblems(
  s: PostfixSettings,
): readonly { readonly name: string; readonly message: string }[] {
  const problems: { name: string; message: string }[] = [];
  const check = (name: string, problem: string | undefined): void => {
    if (problem !== undefined) problems.push({ name, message: problem });
  };
  const used = ['smtpd_milters', 'non_smtpd_milters'].filter((name) => s.list(name).length > 0);
  for (const name of used) for (const item of s.list(name)) check(name, problemOf(item));
  if (used.length === 0 && s.list('smtpd_milter_maps').length === 0) return problems;
  check('milter_default_action', problemOfAction(s.string('milter_default_action')));
  check('milter_protocol', problemOfProtocol(s.string('milter_protocol')));
  const defaults = parseMacroDefaults(s.list('milter_macro_defaults'));
  check('milter_macro_defaults', typeof defaults === 'string' ? defaults : undefined);
  return problems;
}

function problemOf(item: string): string | undefined {
  if (DISABLE.test(item)) return undefined;
  const { name, attributes } = readItem(item);
  const endpoint = parseEndpoint(name);
  if (typeof endpoint === 'string') return endpoint;
  for (const [attribute, value] of attributes) {
    const problem = problemOfAttribute(attribute, value);
    if (problem !== undefined) return `${name}: ${problem}`;
  }
  return undefined;
}

function problemOfAttribute(attribute: string, value: string): string | undefined {
  if (attribute === 'default_action') return problemOfAction(value);
  if (attribute === 'protocol') return problemOfProtocol(value);
  if ((TIMES as readonly string[]).includes(attribute))
    return parseTime(value, 's') === undefined ? `${attribute}: "${value}" is no time` : undefined;
  return `unknown attribute "${attribute}"; there are ${[...WORDS, ...TIMES].join(', ')}`;
}

const problemOfAction = (action: string): string | undefined =>
  ACTIONS.has(action.toLowerCase())
    ? undefined
    : `unrecognized default action "${action}"; there are ${[...ACTIONS].join(', ')}`;

function problemOfProtocol(protocol: string): string | undefined {
  const parsed = parseProtocol(protocol);
  return typeof parsed === 'string' ? `${parsed}; there are 2, 3, 4 and 6` : undefined;
}

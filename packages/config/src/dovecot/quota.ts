// Quotas: `plugin { quota = maildir:User quota  quota_rule = *:storage=1G … }` of 1.x to 2.3, and 2.4's `quota name { }`.
// What is read here counts only where mail_plugins holds `quota` (2.3) or a quota is named (2.4). Limits are octets and
// messages; 0 is no limit.

import { notice, type Problem } from '../origin.ts';
import type { DovecotDialect } from './dovecot-settings.ts';
import { isYes } from './normalise.ts';
import {
  readValues,
  sectionsOf,
  type DovecotNode,
  type DovecotSection,
  type DovecotSetting,
} from './parse.ts';
import { readQuotaStatus, type QuotaStatusSettings } from './quota-status.ts';
import { parseDovecotSize, splitWords } from './values.ts';

/** A limit as written: a number of its own, or a part of or an addition to the default rule's. */
export interface QuotaAmount {
  readonly value: number;
  readonly kind: 'absolute' | 'percent' | 'more' | 'morePercent';
}

export interface QuotaRule {
  /** `*` or the name of a mailbox as clients see it, with `*` and `?` in it standing for any characters. */
  readonly mailbox: string;
  /** Its messages do not count. */
  readonly ignore: boolean;
  readonly storage?: QuotaAmount;
  readonly messages?: QuotaAmount;
}

export interface QuotaRootSettings {
  readonly name: string;
  /** `maildir` keeps the sum in `maildirsize`; what others keep elsewhere is counted. */
  readonly driver: 'maildir' | 'count';
  readonly rules: readonly QuotaRule[];
  /** What the last message may go beyond the limit by. */
  readonly grace: QuotaAmount;
  readonly enforce: boolean;
  readonly hidden: boolean;
}

export interface QuotaSettings {
  readonly roots: readonly QuotaRootSettings[];
  readonly exceededMessage: string;
  /** Octets of one message; 0: no limit. */
  readonly maxMessageSize: number;
  /** Mail that does not fit waits instead of coming back. */
  readonly fullTempfail: boolean;
  /** GETQUOTA and kin: the imap_quota plugin. */
  readonly imap: boolean;
  /** Absent: nobody asks before the mail comes. */
  readonly status?: QuotaStatusSettings;
}

interface QuotaSource {
  readonly nodes: readonly DovecotNode[];
  readonly dialect: DovecotDialect;
  setting(name: string): string | undefined;
}

interface Reading {
  readonly values: ReadonlyMap<string, DovecotSetting>;
  readonly problems: Problem[];
}

const EXCEEDED = 'Quota exceeded (mailbox for user is full)';
const TEN_PERCENT: QuotaAmount = { value: 10, kind: 'percent' };

/** Settings of `plugin { }` that are honoured or spoken of here. */
export function isQuotaSetting(name: string): boolean {
  return /^quota\d*(_|$)/.test(name);
}

export function readQuota({ nodes, dialect, setting }: QuotaSource): {
  readonly settings: QuotaSettings | undefined;
  readonly problems: readonly Problem[];
} {
  const problems: Problem[] = [];
  const words = pluginWords(nodes);
  const plugin = readValues([...nodes, ...sectionsOf(nodes, 'plugin').flatMap(({ children }) => children)]);
  const reading = { values: plugin, problems };
  const sections = sectionsOf(nodes, 'quota').filter(({ label }) => label !== '');
  const isOn = words.has('quota') || words.has('imap_quota') || (dialect === '2.4' && sections.length > 0);
  const roots = isOn ? [...rootsOfPlugin(reading), ...rootsOfSections(sections, nodes, reading)] : [];
  for (const node of plugin.values()) if (isOn) noticeUnread(node, problems);
  if (roots.length === 0) return { settings: undefined, problems };
  const text = (name: string): string => plugin.get(name)?.value ?? '';
  const exceededMessage = text('quota_exceeded_message') || EXCEEDED;
  const status = readQuotaStatus(nodes, exceededMessage);
  return {
    settings: {
      roots,
      exceededMessage,
      maxMessageSize: parseDovecotSize(text('quota_max_mail_size') || text('quota_mail_size')) ?? 0,
      fullTempfail: isYes(setting('quota_full_tempfail') ?? 'no'),
      imap: words.has('imap_quota'),
      ...(status === undefined ? {} : { status }),
    },
    problems,
  };
}

/** Of the file and of every protocol: what is kept is one mailbox, whoever comes to it. */
function pluginWords(nodes: readonly DovecotNode[]): ReadonlySet<string> {
  const all = [...nodes, ...sectionsOf(nodes, 'protocol').flatMap(({ children }) => children)];
  return new Set(
    all.flatMap((node) =>
      node.kind === 'setting' && node.name === 'mail_plugins' ? splitWords(node.value) : [],
    ),
  );
}

const SPOKEN_OF: readonly (readonly [name: RegExp, message: string])[] = [
  [/^quota\d*_warning\d*$/, 'not honoured: no program is run when a mailbox fills up'],
  [/^quota\d*_over_(flag|script|status)/, 'not honoured: over-quota flags and scripts are not kept'],
  [/^quota\d*_set$/, 'not honoured: limits are set in this file only'],
  [/^quota\d*_vsizes?$/, 'not honoured: sizes on disk are what counts'],
];

function noticeUnread({ name, value, origin }: DovecotSetting, problems: Problem[]): void {
  const message = SPOKEN_OF.find(([names]) => names.test(name))?.[1];
  if (message !== undefined) problems.push(notice(origin, { name, value, message }));
}

/** `quota`, `quota2`, … each with `quota_rule`, `quota_rule2`, … and `quota2_rule`, …; the first that is missing ends it. */
function rootsOfPlugin(reading: Reading): QuotaRootSettings[] {
  const roots: QuotaRootSettings[] = [];
  for (let number = 1; ; number++) {
    const key = number === 1 ? 'quota' : `quota${number}`;
    const setting = reading.values.get(key);
    if (setting === undefined || setting.value === '') return roots;
    const root = readRoot(key, setting, reading);
    if (root !== undefined) roots.push(root);
  }
}

// DOVECOT: driver ":" name *(":" option)
function readRoot(key: string, setting: DovecotSetting, reading: Reading): QuotaRootSettings | undefined {
  const [driverWord = '', name = '', ...options] = setting.value.split(':');
  const driver = driverOf(driverWord.trim(), setting, reading.problems);
  if (driver === undefined) return undefined;
  const rules: QuotaRule[] = [];
  for (let number = 1; ; number++) {
    const rule = reading.values.get(`${key}_rule${number === 1 ? '' : number}`);
    if (rule === undefined) break;
    const read = parseQuotaRule(rule.value);
    if (read !== undefined) rules.push(read);
    else complain(rule, 'this is no rule (*:storage=1G:messages=1000); it has no effect', reading.problems);
  }
  const grace = reading.values.get(`${key}_grace`);
  const words = new Set(options.map((option) => option.trim().toLowerCase()));
  return {
    name,
    driver,
    rules,
    grace: (grace === undefined ? undefined : parseAmount(grace.value, 1)) ?? TEN_PERCENT,
    enforce: !words.has('noenforcing'),
    hidden: words.has('hidden'),
  };
}

function driverOf(
  word: string,
  setting: DovecotSetting,
  problems: Problem[],
): QuotaRootSettings['driver'] | undefined {
  switch (word.toLowerCase()) {
    case 'maildir':
      return 'maildir';
    case 'count':
    case 'dirsize':
      return 'count';
    case 'dict':
      complain(setting, 'what is used is counted here; the dictionary is neither read nor written', problems);
      return 'count';
    default:
      complain(
        setting,
        `quotas of kind "${word}" are not kept here; what the system enforces counts`,
        problems,
      );
      return undefined;
  }
}

function complain({ name, value, origin }: DovecotSetting, message: string, problems: Problem[]): void {
  problems.push(notice(origin, { name, value, message }));
}

/** `*:storage=1G:messages=1000`, `Trash:storage=+100M`, `Junk:ignore`. Undefined: not a rule. */
export function parseQuotaRule(text: string): QuotaRule | undefined {
  const colon = text.indexOf(':');
  if (colon < 1) return undefined;
  const mailbox = text.slice(0, colon);
  let ignore = false;
  let storage: QuotaAmount | undefined;
  let messages: QuotaAmount | undefined;
  for (const part of text.slice(colon + 1).split(':')) {
    const equals = part.indexOf('=');
    const word = (equals === -1 ? part : part.slice(0, equals)).trim().toLowerCase();
    const value = equals === -1 ? '' : part.slice(equals + 1);
    if (word === 'ignore') {
      ignore = true;
    } else if (word === 'storage' || word === 'bytes') {
      // DOVECOT: a bare number of storage= is in kilobytes.
      storage = parseAmount(value, word === 'storage' ? 1024 : 1);
      if (storage === undefined) return undefined;
    } else if (word === 'messages') {
      messages = parseAmount(value, 1);
      if (messages === undefined) return undefined;
    } else if (word !== '' && word !== 'backend') {
      return undefined;
    }
  }
  return {
    mailbox: mailbox === '?' ? '*' : mailbox,
    ignore,
    ...(storage === undefined ? {} : { storage }),
    ...(messages === undefined ? {} : { messages }),
  };
}

/** `unit`: what a bare number counts. `95%%` is how a percent sign is written in `plugin { }`. */
function parseAmount(text: string, unit: number): QuotaAmount | undefined {
  const match = /^([+-]?)(.*?)(%%?)?$/.exec(text.trim());
  if (match === null) return undefined;
  const [, sign = '', digits = '', percent] = match;
  const number = /^\d{1,15}$/.test(digits) ? Number(digits) : undefined;
  const value = percent === undefined && number === undefined ? parseDovecotSize(digits) : number;
  if (value === undefined) return undefined;
  const relative = sign !== '';
  const signed = sign === '-' ? -value : value;
  if (percent !== undefined) return { value: signed, kind: relative ? 'morePercent' : 'percent' };
  return { value: number === undefined ? signed : signed * unit, kind: relative ? 'more' : 'absolute' };
}

/** 2.4: settings with or without the name's prefix; a mailbox's additions stand in its own section. */
function rootsOfSections(
  sections: readonly DovecotSection[],
  nodes: readonly DovecotNode[],
  { problems }: Reading,
): QuotaRootSettings[] {
  const mailboxRules = sectionsOf(nodes, 'namespace').flatMap((namespace) => rulesOfMailboxes(namespace));
  return sections.flatMap((section): QuotaRootSettings[] => {
    const values = new Map(
      [...readValues(section.children)].map(([name, setting]) => [name.replace(/^quota_/, ''), setting]),
    );
    const driver = values.get('driver');
    const kind = driver === undefined ? 'count' : driverOf(driver.value, driver, problems);
    if (kind === undefined) return [];
    const warnings = sectionsOf(section.children, 'warning');
    for (const { origin, label } of warnings)
      problems.push(notice(origin, { name: `warning ${label}`.trim(), message: SPOKEN_OF[0]?.[1] ?? '' }));
    const grace = values.get('storage_grace');
    return [
      {
        name: values.get('name')?.value ?? section.label,
        driver: kind,
        rules: [ruleOf('*', values), ...mailboxRules],
        grace: (grace === undefined ? undefined : parseAmount(grace.value, 1)) ?? TEN_PERCENT,
        enforce: isYes(values.get('enforce')?.value ?? 'yes'),
        hidden: isYes(values.get('hidden')?.value ?? 'no'),
      },
    ];
  });
}

function rulesOfMailboxes(namespace: DovecotSection): QuotaRule[] {
  const prefix = readValues(namespace.children).get('prefix')?.value ?? '';
  return sectionsOf(namespace.children, 'mailbox').flatMap((section): QuotaRule[] => {
    const all = readValues(section.children);
    const values = new Map(
      [...all].flatMap(([name, setting]) =>
        name.startsWith('quota_') ? [[name.slice('quota_'.length), setting] as const] : [],
      ),
    );
    if (values.size === 0) return [];
    return [ruleOf(prefix + (all.get('name')?.value ?? section.label), values)];
  });
}

function ruleOf(mailbox: string, values: ReadonlyMap<string, DovecotSetting>): QuotaRule {
  const amount = (name: string, kind: QuotaAmount['kind']): QuotaAmount | undefined => {
    const text = values.get(name)?.value;
    if (text === undefined || /^unlimited$/i.test(text)) return undefined;
    const value = kind === 'percent' ? Number(/^\d{1,6}/.exec(text)?.[0] ?? 'x') : parseDovecotSize(text);
    return value === undefined || Number.isNaN(value) ? undefined : { value, kind };
  };
  const storage =
    amount('storage_extra', 'more') ??
    amount('storage_percentage', 'percent') ??
    amount('storage_size', 'absolute');
  const messages =
    amount('message_extra', 'more') ??
    amount('message_percentage', 'percent') ??
    amount('message_count', 'absolute');
  return {
    mailbox,
    ignore: isYes(values.get('ignore')?.value ?? 'no'),
    ...(storage === undefined ? {} : { storage }),
    ...(messages === undefined ? {} : { messages }),
  };
}

// Where mail lies and how it is shown: mail_location or 2.4's mail_* settings, namespaces, special-use mailboxes.

import { notice, refuse, type Origin, type Problem } from '../origin.ts';
import type { DovecotDialect, MailNamespace, SpecialMailbox } from './dovecot-settings.ts';
import { layoutOf, parseMailLocation, type MailLocation } from './mail-location.ts';
import { isYes } from './normalise.ts';
import {
  readValues,
  sectionsOf,
  type DovecotNode,
  type DovecotSection,
  type DovecotSetting,
} from './parse.ts';
import { splitWords } from './values.ts';

export interface MailboxSource {
  readonly nodes: readonly DovecotNode[];
  readonly dialect: DovecotDialect;
  readonly file: string;
}

export interface Mailboxes {
  readonly location: MailLocation;
  readonly namespaces: readonly MailNamespace[];
  readonly special: readonly SpecialMailbox[];
  readonly problems: readonly Problem[];
}

/** DOVECOT: unset means it looks for what is there; the first place it looks at for a Maildir is this one. */
const DEFAULT_LOCATION = 'maildir:~/Maildir';

export function readMailboxes(source: MailboxSource): Mailboxes {
  const problems: Problem[] = [];
  const root = readValues(source.nodes);
  const location = readLocation(root, problems) ?? withoutLocation(source, problems);
  const sections = mergeByLabel(sectionsOf(source.nodes, 'namespace'));
  const namespaces = sections.map((section) => readNamespace(section, source.dialect, problems));
  if (namespaces.length > 0 && !namespaces.some(({ isInbox }) => isInbox)) {
    const [first] = namespaces;
    const message = 'no namespace has inbox = yes, so nobody would have an INBOX';
    if (first !== undefined)
      problems.push(refuse(first.origin, { name: 'namespace', value: first.name, message }));
  }
  const special = sections.flatMap((section) => readSpecial(section));
  const byDefault = defaultNamespace({ file: source.file, line: 0 });
  return { location, namespaces: namespaces.length === 0 ? [byDefault] : namespaces, special, problems };
}

function defaultNamespace(origin: Origin): MailNamespace {
  return {
    name: '',
    type: 'private',
    prefix: '',
    separator: undefined,
    isInbox: true,
    isHidden: false,
    list: 'yes',
    subscriptions: true,
    location: undefined,
    origin,
  };
}

function withoutLocation(source: MailboxSource, problems: Problem[]): MailLocation {
  const message = `no mail_location is set; ${DEFAULT_LOCATION} is used for everybody`;
  problems.push(notice({ file: source.file, line: 0 }, { name: 'mail_location', message }));
  return parseMailLocation(DEFAULT_LOCATION);
}

/** Of the whole file or of a namespace; undefined when it sets none. */
function readLocation(
  values: ReadonlyMap<string, DovecotSetting>,
  problems: Problem[],
): MailLocation | undefined {
  const whole = values.get('mail_location') ?? values.get('location');
  if (whole !== undefined && whole.value !== '') {
    const location = parseMailLocation(whole.value);
    checkLocation(location, whole, problems);
    return location;
  }
  const driver = values.get('mail_driver');
  const path = values.get('mail_path');
  if (driver === undefined && path === undefined) return undefined;
  const location: MailLocation = {
    driver: (driver?.value ?? 'maildir').toLowerCase(),
    path: path?.value ?? '',
    layout: layoutOf(values.get('mailbox_list_layout')?.value),
    inboxPath: emptyAsAbsent(values.get('mail_inbox_path')?.value),
    indexPath: emptyAsAbsent(values.get('mail_index_path')?.value),
    controlPath: emptyAsAbsent(values.get('mail_control_path')?.value),
    others: new Map(),
  };
  const blamed = driver ?? path;
  if (blamed !== undefined) checkLocation(location, blamed, problems);
  return location;
}

function emptyAsAbsent(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}

const IGNORED_OPTIONS: ReadonlySet<string> = new Set([
  'UTF-8',
  'UTF8',
  'VOLATILEDIR',
  'LISTINDEX',
  'NO-NOSELECT',
]);

function checkLocation(location: MailLocation, setting: DovecotSetting, problems: Problem[]): void {
  const complain = (message: string): void => {
    problems.push(refuse(setting.origin, { name: setting.name, value: setting.value, message }));
  };
  if (location.driver !== 'maildir') {
    complain(`mail of kind "${location.driver}" is not supported; convert it to Maildir first (dsync does)`);
  } else if (location.path === '') {
    complain('the folder is missing: maildir:~/Maildir, for example');
  } else if (location.layout === 'index') {
    complain('LAYOUT=index is not supported; LAYOUT=fs and Maildir++ are');
  }
  if (location.inboxPath !== undefined && plainPath(location.inboxPath) !== plainPath(location.path)) {
    complain('an INBOX outside the folder of the other mailboxes is not supported');
  }
  if (location.controlPath !== undefined && plainPath(location.controlPath) !== plainPath(location.path)) {
    complain(
      'CONTROL= keeps the UIDs elsewhere and is not supported; clients would download everything again',
    );
  }
  for (const [name, value] of location.others) {
    if (IGNORED_OPTIONS.has(name)) {
      problems.push(
        notice(setting.origin, {
          name: setting.name,
          value: `${name}=${value}`,
          message: 'this part has no effect',
        }),
      );
    } else {
      // DIRNAME, SUBSCRIPTIONS, MAILBOXDIR: mail would be looked for in the wrong place.
      complain(`"${name}" is not supported`);
    }
  }
}

function plainPath(template: string): string {
  return template.replace(/^(%h|%\{home\})(?=\/|$)/, '~').replace(/\/+$/, '');
}

/** DOVECOT: blocks of one name add up. Unnamed ones stand for themselves. */
function mergeByLabel(sections: readonly DovecotSection[]): DovecotSection[] {
  const merged = new Map<string, DovecotSection>();
  for (const [index, section] of sections.entries()) {
    const key = section.label === '' ? `\0${index}` : section.label;
    const earlier = merged.get(key);
    merged.set(
      key,
      earlier === undefined ? section : { ...earlier, children: [...earlier.children, ...section.children] },
    );
  }
  return [...merged.values()];
}

function readNamespace(section: DovecotSection, dialect: DovecotDialect, problems: Problem[]): MailNamespace {
  const values = readValues(section.children);
  const text = (name: string): string => values.get(name)?.value ?? '';
  const flag = (name: string, standIn: boolean): boolean => {
    const setting = values.get(name);
    return setting === undefined ? standIn : isYes(setting.value);
  };
  // 1.x labels a namespace by its type.
  const type = (dialect === '1.x' && isType(section.label) ? section.label : text('type')) || 'private';
  if (type !== 'private') {
    const message = 'shared and public namespaces are not offered; their mail stays unseen';
    problems.push(notice(section.origin, { name: 'namespace', value: section.label, message }));
  }
  const list = text('list').toLowerCase();
  return {
    name: section.label,
    type: isType(type) ? type : 'private',
    prefix: text('prefix'),
    separator: emptyAsAbsent(text('separator')),
    isInbox: flag('inbox', false),
    isHidden: flag('hidden', false),
    list: list === 'children' ? 'children' : flag('list', true) ? 'yes' : 'no',
    subscriptions: flag('subscriptions', true),
    location: readLocation(values, type === 'private' ? problems : []),
    origin: section.origin,
  };
}

function isType(word: string): word is MailNamespace['type'] {
  return word === 'private' || word === 'shared' || word === 'public';
}

function readSpecial(namespace: DovecotSection): SpecialMailbox[] {
  return sectionsOf(namespace.children, 'mailbox').map((section) => {
    const values = readValues(section.children);
    const auto = (values.get('auto')?.value ?? 'no').toLowerCase();
    return {
      name: values.get('name')?.value ?? section.label,
      uses: splitWords(values.get('special_use')?.value ?? ''),
      auto: auto === 'subscribe' || auto === 'create' ? auto : isYes(auto) ? 'create' : 'no',
    };
  });
}

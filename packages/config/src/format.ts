// The effective settings as text, the way `postconf -n` and `doveconf -n` print them, each with the file and line it
// came from. For people to read: a trailing `# file:line` is no part of either file format.

import { dovecotDefault, dovecotNames } from './dovecot/defaults.ts';
import type { DovecotSettings } from './dovecot/dovecot-settings.ts';
import { readValues, type DovecotNode, type DovecotSection, type DovecotSetting } from './dovecot/parse.ts';
import { formatOrigin, type Origin } from './origin.ts';
import type { MasterCf } from './postfix/master-cf.ts';
import { parameterNames } from './postfix/parameter-table.ts';
import type { PostfixSettings } from './postfix/postfix-settings.ts';

export interface FormatOptions {
  /** What the files set, and nothing else. */
  readonly nonDefaultOnly: boolean;
}

export interface PostfixFormatOptions extends FormatOptions {
  /** `$name` filled in (`postconf -x`). */
  readonly isExpanded?: boolean;
  /** With master.cf, the services' own settings follow as `submission/inet/name = value` (`postconf -P`). */
  readonly master?: MasterCf | undefined;
}

export function formatPostfix(settings: PostfixSettings, options: PostfixFormatOptions): string {
  const set = [...settings.main.definitions.keys()];
  const names = options.nonDefaultOnly ? set : [...new Set([...parameterNames(), ...set])];
  const lines = names.sort(byCodePoint).map((name) => {
    const value = options.isExpanded === true ? settings.string(name) : (settings.raw(name) ?? '');
    return formatLine(name, value, settings.origin(name));
  });
  for (const service of options.master?.services ?? []) {
    const own =
      options.isExpanded === true ? settings.withOverrides(service.overrides, service.name) : undefined;
    for (const [name, { value, origin }] of service.overrides) {
      lines.push(formatLine(`${service.name}/${service.type}/${name}`, own?.string(name) ?? value, origin));
    }
  }
  return lines.map((line) => `${line}\n`).join('');
}

function byCodePoint(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function formatLine(name: string, value: string, origin: Origin | undefined): string {
  const shown = value.replace(/\s+/g, ' ').trim();
  return `${`${name} = ${shown}`.trimEnd()}  # ${origin === undefined ? 'default' : formatOrigin(origin)}`;
}

export function formatDovecot(settings: DovecotSettings, options: FormatOptions): string {
  const lines: string[] = [];
  const root = readValues(settings.tree.nodes);
  const names = options.nonDefaultOnly ? [...root.keys()] : [...new Set([...dovecotNames(), ...root.keys()])];
  const blocks = mergeSections(settings.tree.nodes);
  const entries: [name: string, text: string[]][] = [];
  for (const name of names) {
    const setting = root.get(name);
    const standIn = dovecotDefault(name, settings.dialect);
    if (options.nonDefaultOnly && setting !== undefined && setting.value === standIn) continue;
    const value = setting === undefined ? (standIn ?? '') : shownValue(setting);
    entries.push([name, [formatLine(name, value, setting?.origin)]]);
  }
  for (const block of blocks) {
    const text = formatBlock(block, '');
    // DOVECOT: protocol blocks come last, for they override.
    if (text.length > 0) entries.push([block.name === 'protocol' ? '\u{10ffff}' : block.name, text]);
  }
  for (const [, text] of entries.sort(([a], [b]) => byCodePoint(a, b))) lines.push(...text);
  return lines.map((line) => `${line}\n`).join('');
}

function shownValue(setting: DovecotSetting): string {
  if (/password|_key_|api_key|nonce/.test(setting.name) && !setting.isFile) return '(hidden)';
  return setting.isFile ? `<${setting.value}` : setting.value;
}

function formatBlock(section: DovecotSection, indent: string): string[] {
  const inner: string[] = [];
  const values = [...readValues(section.children)].sort(([a], [b]) => byCodePoint(a, b));
  for (const [name, setting] of values)
    inner.push(`${indent}  ${formatLine(name, shownValue(setting), setting.origin)}`);
  for (const child of mergeSections(section.children)) inner.push(...formatBlock(child, `${indent}  `));
  const isNamed =
    section.name === 'inet_listener' || section.name === 'unix_listener' || section.name === 'mailbox';
  if (inner.length === 0 && !isNamed) return [];
  const label = /\s/.test(section.label) ? `"${section.label}"` : section.label;
  return [
    `${indent}${`${section.name} ${label}`.trim()} {  # ${formatOrigin(section.origin)}`,
    ...inner,
    `${indent}}`,
  ];
}

const ADDS_UP: ReadonlySet<string> = new Set([
  'inet_listener',
  'mailbox',
  'namespace',
  'plugin',
  'protocol',
  'service',
  'unix_listener',
]);

/** Blocks of one name and label add up, except passdb and userdb. */
function mergeSections(nodes: readonly DovecotNode[]): DovecotSection[] {
  const merged = new Map<string, DovecotSection>();
  for (const [index, node] of nodes.entries()) {
    if (node.kind !== 'section') continue;
    const key = ADDS_UP.has(node.name) ? `${node.name} ${node.label}` : `${index}`;
    const earlier = merged.get(key);
    merged.set(
      key,
      earlier === undefined ? node : { ...earlier, children: [...earlier.children, ...node.children] },
    );
  }
  return [...merged.values()];
}

// main.cf plus one service's `-o` overrides, as values. Settings by name (`bool`, `int`, `time`, `string`, `list`,
// `restrictions`), each settled once and remembered, and the well-known ones typed in `known`. Reading never throws:
// what cannot be read is a problem of severity `refuse`, and the default stands in for it meanwhile.

import { refuse, type Origin, type Problem } from '../origin.ts';
import type { System } from '../system.ts';
import { expand, type Expansion } from './expand.ts';
import { settleKnownSettings, type KnownSettings } from './known-settings.ts';
import {
  addressFamilies,
  defaultDomain,
  defaultHostname,
  defaultNetworks,
  ownInterfaces,
  type NetworksStyle,
} from './machine-defaults.ts';
import type { Definition, MainCf } from './main-cf.ts';
import { originOfWord } from './main-cf.ts';
import { findParameter, rawParameters, type Parameter } from './parameter-table.ts';
import { builtInOrigin, parseRestrictions, type Restriction } from './restrictions.ts';
import { parseBool, parseInteger, parseTime, splitList } from './values.ts';

export interface SettingsSource {
  readonly main: MainCf;
  readonly system: System;
  /** Of master.cf, by parameter. */
  readonly overrides?: ReadonlyMap<string, Definition>;
  /** `smtp`, `submission`, `127.0.0.1:10025`: the value of `$service_name`. */
  readonly serviceName?: string;
}

const ALL_FAMILIES: ReadonlySet<4 | 6> = new Set([4, 6] as const);

export class PostfixSettings {
  readonly #source: SettingsSource;
  readonly #expanded = new Map<string, Expansion>();
  readonly #values = new Map<string, unknown>();
  readonly #problems = new Map<string, Problem>();
  #known: KnownSettings | undefined;
  #classNames: ReadonlySet<string> | undefined;
  /** Lists being read, for classes that contain themselves. */
  readonly #openClasses: string[] = [];

  constructor(source: SettingsSource) {
    this.#source = source;
  }

  /** The well-known settings, typed. Settled at the first use and kept. */
  get known(): KnownSettings {
    this.#known ??= settleKnownSettings(this);
    return this.#known;
  }

  /** What was wrong with the values read so far; `checkPostfix` reads all that main.cf sets. */
  get problems(): readonly Problem[] {
    return [...this.#problems.values()];
  }

  get main(): MainCf {
    return this.#source.main;
  }

  get overrides(): ReadonlyMap<string, Definition> {
    return this.#source.overrides ?? NO_OVERRIDES;
  }

  /** The same main.cf with a service's overrides. */
  withOverrides(overrides: ReadonlyMap<string, Definition>, serviceName: string): PostfixSettings {
    return new PostfixSettings({ ...this.#source, overrides, serviceName });
  }

  /** Where the value was set; undefined for a default. */
  definition(name: string): Definition | undefined {
    return this.overrides.get(name) ?? this.#source.main.definitions.get(name);
  }

  origin(name: string): Origin | undefined {
    return this.definition(name)?.origin;
  }

  isSet(name: string): boolean {
    return this.definition(name) !== undefined;
  }

  /** As written or as defaulted, unexpanded; undefined for a name nobody defined. */
  raw(name: string): string | undefined {
    const defined = this.definition(name);
    if (defined !== undefined) return defined.value;
    return this.#machineDefault(name) ?? findParameter(name)?.defaultValue;
  }

  /** Expanded; empty for an unknown name. */
  string(name: string): string {
    const expansion = this.#expand(name);
    if (expansion === undefined) return '';
    if (expansion.ok) return expansion.value;
    this.#complain(name, `${expansion.reason}`);
    return '';
  }

  bool(name: string): boolean {
    return this.#settled(name, (text) => parseBool(text), 'is neither yes nor no') ?? false;
  }

  int(name: string): number {
    return this.#settled(name, (text) => parseInteger(text), 'is not a whole number') ?? 0;
  }

  /** Seconds. */
  time(name: string): number {
    const type = findParameter(name)?.type;
    const unit = type?.kind === 'time' ? type.unit : 's';
    return (
      this.#settled(name, (text) => parseTime(text, unit), 'is not a time (a number and s, m, h, d or w)') ??
      0
    );
  }

  list(name: string): readonly string[] {
    return this.#settled(name, (text) => splitList(text), '') ?? [];
  }

  /** A restriction list, or a restriction class by its name; classes within are replaced by what they hold. */
  restrictions(name: string): readonly Restriction[] {
    return this.#settled(name, (value) => this.#readRestrictions(name, value), '') ?? [];
  }

  /** Words that stand elsewhere than in main.cf: what an access table answers with. */
  restrictionsIn(text: string, origin: Origin): readonly Restriction[] {
    const classes = this.#classes();
    const written = parseRestrictions({ name: '', value: text, definition: undefined, classes });
    return written.flatMap((restriction, index) =>
      classes.has(restriction.word)
        ? underWarning(this.restrictions(restriction.word), written[index - 1])
        : [{ ...restriction, origin }],
    );
  }

  /** The line that holds a word of this parameter's value. */
  originOfWord(name: string, word: string): Origin {
    const definition = this.definition(name);
    return definition === undefined ? builtInOrigin : originOfWord(definition, word);
  }

  #settled<Value>(
    name: string,
    read: (text: string) => Value | undefined,
    complaint: string,
  ): Value | undefined {
    if (this.#values.has(name)) return this.#values.get(name) as Value;
    let value = read(this.string(name));
    if (value === undefined) {
      this.#complain(name, complaint);
      const standIn = findParameter(name)?.defaultValue ?? '';
      const expansion = expand(standIn, (other) => this.#expand(other));
      value = expansion.ok ? read(expansion.value) : undefined;
    }
    this.#values.set(name, value);
    return value;
  }

  #complain(name: string, message: string): void {
    if (this.#problems.has(name)) return;
    const origin = this.origin(name) ?? builtInOrigin;
    this.#problems.set(name, refuse(origin, { name, value: this.raw(name) ?? '', message }));
  }

  #expand(name: string): Expansion | undefined {
    const remembered = this.#expanded.get(name);
    if (remembered !== undefined) return remembered;
    const raw = this.raw(name);
    if (raw === undefined) return undefined;
    // Stands until the value is known: whoever meets it on the way has come full circle.
    this.#expanded.set(name, { ok: false, reason: `the value refers to itself through "$${name}"` });
    const expansion: Expansion = rawParameters.has(name)
      ? { ok: true, value: raw }
      : expand(raw, (other) => this.#expand(other));
    const finished = name === 'myorigin' && expansion.ok ? this.#readNameFile(expansion.value) : expansion;
    this.#expanded.set(name, finished);
    return finished;
  }

  // POSTFIX: (Debian) `myorigin = /etc/mailname` means the first line of that file.
  #readNameFile(value: string): Expansion {
    if (!value.startsWith('/')) return { ok: true, value };
    const read = this.#source.system.readFile(value);
    if (read.kind === 'text') {
      const name = (read.text.split('\n', 1)[0] ?? '').trim();
      if (name !== '') return { ok: true, value: name };
      return {
        ok: false,
        reason: `the first line of ${value} is empty; it should hold this machine's mail name`,
      };
    }
    const what = read.kind === 'missing' ? 'does not exist' : `cannot be read (${read.reason})`;
    return { ok: false, reason: `${value} ${what}; write this machine's mail name into it` };
  }

  // POSTFIX: a class is its list in its place; `warn_if_reject` before it covers all of it.
  #readRestrictions(name: string, value: string): Restriction[] {
    const classes = this.#classes();
    const written = parseRestrictions({ name, value, definition: this.definition(name), classes });
    this.#openClasses.push(name);
    const flat = written.flatMap((restriction, index): readonly Restriction[] => {
      if (!classes.has(restriction.word)) return [restriction];
      if (this.#openClasses.includes(restriction.word)) {
        this.#complain(restriction.word, 'this restriction class contains itself');
        return [{ ...restriction, word: 'reject' }];
      }
      return underWarning(this.restrictions(restriction.word), written[index - 1]);
    });
    this.#openClasses.pop();
    return flat;
  }

  #classes(): ReadonlySet<string> {
    this.#classNames ??= new Set(this.list('smtpd_restriction_classes'));
    return this.#classNames;
  }

  #machineDefault(name: string): string | undefined {
    const { system } = this.#source;
    switch (name) {
      case 'myhostname':
        return defaultHostname(system.hostname(), this.definition('mydomain')?.value);
      case 'mydomain':
        return defaultDomain(this.string('myhostname'));
      case 'mynetworks':
        return this.#ownNetworks();
      case 'config_directory':
        return this.#source.main.file.replace(/\/[^/]*$/, '');
      case 'service_name':
        return this.#source.serviceName ?? '';
      default:
        return undefined;
    }
  }

  #ownNetworks(): string {
    const style = this.string('mynetworks_style');
    if (style !== 'host' && style !== 'subnet' && style !== 'class') {
      this.#complain('mynetworks_style', 'is none of host, subnet and class');
    }
    const families = addressFamilies(this.list('inet_protocols')) ?? ALL_FAMILIES;
    const chosen = { inetInterfaces: this.list('inet_interfaces'), families };
    const own = ownInterfaces(this.#source.system.interfaces(), chosen);
    return defaultNetworks(
      own,
      style === 'subnet' || style === 'class' ? (style satisfies NetworksStyle) : 'host',
    );
  }
}

/** `warn_if_reject` before a class stands before each of its words. */
function underWarning(
  members: readonly Restriction[],
  before: Restriction | undefined,
): readonly Restriction[] {
  if (before?.word !== 'warn_if_reject') return members;
  return members.flatMap((member, at) => (at === 0 ? [member] : [before, member]));
}

const NO_OVERRIDES: ReadonlyMap<string, Definition> = new Map();

/** Reads a value by its own type, for its complaints. */
export function touch(settings: PostfixSettings, parameter: Parameter): void {
  switch (parameter.type.kind) {
    case 'bool':
      settings.bool(parameter.name);
      return;
    case 'int':
      settings.int(parameter.name);
      return;
    case 'time':
      settings.time(parameter.name);
      return;
    default:
      settings.string(parameter.name);
  }
}

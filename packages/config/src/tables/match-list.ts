// Postfix's match lists: `mynetworks`, `mydestination`, `relay_domains`, … Items are tried in order, the first that
// matches decides: names, `.domain`, addresses, networks, `!item`, `/file` (its words take its place), `type:table`.

import {
  networkContains,
  parseIpAddress,
  parseIpNetwork,
  type IpAddress,
  type IpNetwork,
} from '../ip-address.ts';
import { refuse, type Origin, type Problem } from '../origin.ts';
import { splitList } from '../postfix/values.ts';
import type { System } from '../system.ts';
import { whenReady, type LookupTable, type MaybePromise } from './lookup-table.ts';
import { looksLikeTable } from './table-spec.ts';

export interface MatchSubject {
  /** A host or domain name, in any case. */
  readonly name?: string;
  readonly address?: string;
}

export interface MatchList {
  /** May throw `TableError` (or reject with it). */
  matches(subject: MatchSubject): MaybePromise<boolean>;
}

/**
 * `exact`: the whole name (`mydestination`). `dotted`: `.example.com` also matches its subdomains.
 * `subdomains`: plain `example.com` does (`parent_domain_matches_subdomains`).
 */
export type NameMatching = 'exact' | 'dotted' | 'subdomains';

export interface MatchListSource {
  readonly parameter: string;
  readonly items: readonly string[];
  readonly originOf: (item: string) => Origin;
  /** How names are compared; addresses and networks always count. */
  readonly names: NameMatching;
  readonly system: System;
  readonly openTable: (spec: string, origin: Origin) => { table: LookupTable; problems: readonly Problem[] };
}

type Pattern = { readonly isNegated: boolean } & (
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'network'; readonly network: IpNetwork }
  | { readonly kind: 'table'; readonly table: LookupTable }
);

const MAX_INCLUDES = 10;

export function compileMatchList(source: MatchListSource): { list: MatchList; problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const patterns: Pattern[] = [];
  const addItems = (items: readonly string[], originOf: (item: string) => Origin, depth: number): void => {
    for (const item of items) {
      const isNegated = item.startsWith('!');
      const body = item.replace(/^!+\s*/, '');
      const origin = originOf(item);
      if (body.startsWith('/')) {
        const text = readIncluded(source, { path: body, origin, depth });
        if (typeof text !== 'string') problems.push(text);
        else addItems(includedItems(text, isNegated), () => ({ file: body, line: 0 }), depth + 1);
        continue;
      }
      const pattern = readPattern(source, { body, origin, isNegated });
      problems.push(...pattern.problems);
      if (pattern.pattern !== undefined) patterns.push(pattern.pattern);
    }
  };
  addItems(source.items, source.originOf, 0);
  return { list: makeList(patterns, source.names), problems };
}

function includedItems(text: string, isNegated: boolean): string[] {
  const lines = text.split('\n').filter((line) => !/^\s*#/.test(line));
  return lines.flatMap((line) => splitList(line)).map((item) => (isNegated ? `!${item}` : item));
}

function readIncluded(
  source: MatchListSource,
  { path, origin, depth }: { readonly path: string; readonly origin: Origin; readonly depth: number },
): string | Problem {
  const complain = (message: string): Problem =>
    refuse(origin, { name: source.parameter, value: path, message });
  if (depth >= MAX_INCLUDES) return complain('files that name files are nested too deeply');
  const read = source.system.readFile(path);
  if (read.kind === 'text') return read.text;
  return complain(
    read.kind === 'missing' ? 'this file does not exist; create it or remove it from the list' : read.reason,
  );
}

function readPattern(
  source: MatchListSource,
  {
    body,
    origin,
    isNegated,
  }: { readonly body: string; readonly origin: Origin; readonly isNegated: boolean },
): { pattern?: Pattern; problems: readonly Problem[] } {
  if (looksLikeTable(body)) {
    const { table, problems } = source.openTable(body, origin);
    return { pattern: { kind: 'table', table, isNegated }, problems };
  }
  const looksNumeric = /^\[|^[\d.]+(\/\d+)?$|:/.test(body);
  if (looksNumeric || body.includes('/')) {
    const network = parseIpNetwork(body);
    if (typeof network !== 'string')
      return { pattern: { kind: 'network', network, isNegated }, problems: [] };
    return { problems: [refuse(origin, { name: source.parameter, value: body, message: network })] };
  }
  return { pattern: { kind: 'name', name: body.toLowerCase(), isNegated }, problems: [] };
}

interface Subject {
  readonly name: string | undefined;
  readonly addressText: string | undefined;
  readonly address: IpAddress | undefined;
}

function makeList(patterns: readonly Pattern[], names: NameMatching): MatchList {
  const decideFrom = (start: number, subject: Subject): MaybePromise<boolean> => {
    for (let index = start; index < patterns.length; index += 1) {
      const pattern = patterns[index];
      if (pattern === undefined) break;
      if (pattern.kind === 'table') {
        return whenReady(matchesTable(pattern.table, subject, names), (found) =>
          found ? !pattern.isNegated : decideFrom(index + 1, subject),
        );
      }
      const found =
        pattern.kind === 'network'
          ? subject.address !== undefined && networkContains(pattern.network, subject.address)
          : matchesName(pattern.name, subject, names);
      if (found) return !pattern.isNegated;
    }
    return false;
  };
  return {
    matches: ({ name, address }) =>
      decideFrom(0, {
        name: name?.toLowerCase(),
        addressText: address,
        address: address === undefined ? undefined : parseIpAddress(address),
      }),
  };
}

function matchesName(pattern: string, { name, addressText }: Subject, names: NameMatching): boolean {
  if (addressText !== undefined && pattern === addressText.toLowerCase()) return true;
  if (name === undefined) return false;
  if (pattern === name) return true;
  if (pattern.startsWith('.')) return names === 'dotted' && name.endsWith(pattern);
  return names === 'subdomains' && name.endsWith(`.${pattern}`);
}

/** POSTFIX: the name, then its parents (with a leading dot where plain parents do not match); then the address. */
function matchesTable(table: LookupTable, subject: Subject, names: NameMatching): MaybePromise<boolean> {
  const keys: [key: string, scope: 'full' | 'partial'][] = [];
  if (subject.name !== undefined) {
    keys.push([subject.name, 'full']);
    let dot = names === 'exact' ? -1 : subject.name.indexOf('.');
    for (; dot !== -1; dot = subject.name.indexOf('.', dot + 1)) {
      keys.push([subject.name.slice(names === 'subdomains' ? dot + 1 : dot), 'partial']);
    }
  }
  if (subject.addressText !== undefined) keys.push([subject.addressText, 'full']);
  const ask = (index: number): MaybePromise<boolean> => {
    const next = keys[index];
    if (next === undefined) return false;
    return whenReady(table.find(next[0], next[1]), (entry) => entry !== undefined || ask(index + 1));
  };
  return ask(0);
}

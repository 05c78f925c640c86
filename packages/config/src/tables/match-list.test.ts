import { describe, expect, it } from 'vitest';
import { makeMemorySystem, makeMemoryTables } from '../testing/index.ts';
import { compileMatchList, type MatchSubject, type NameMatching } from './match-list.ts';
import { openTable } from './open-table.ts';

const files = {
  '/l/nets': '# office\n192.0.2.0/24 !198.51.100.7\n198.51.100.0/24\n',
  '/l/map': 'example.com x\n.sub.org x\n',
};

function compile(
  items: readonly string[],
  names: NameMatching = 'dotted',
): ReturnType<typeof compileMatchList> {
  const ports = makeMemoryTables({ files });
  return compileMatchList({
    parameter: 'p',
    items,
    originOf: () => ({ file: 'main.cf', line: 5 }),
    names,
    system: makeMemorySystem({ files }),
    openTable: (spec, origin) =>
      openTable({ spec, parameter: 'p', origin, isAliasFormat: false, isDefault: false }, ports),
  });
}

describe('match lists', () => {
  it.each<[string[], MatchSubject, boolean]>([
    [['127.0.0.0/8', '[::1]/128'], { address: '127.0.0.1' }, true],
    [['127.0.0.0/8', '[::1]/128'], { address: '::1' }, true],
    [['127.0.0.0/8'], { address: '::ffff:127.0.0.1' }, true],
    [['127.0.0.0/8'], { address: '10.0.0.1' }, false],
    [['!10.0.0.1', '10.0.0.0/8'], { address: '10.0.0.1' }, false],
    [['!10.0.0.1', '10.0.0.0/8'], { address: '10.0.0.2' }, true],
    [['/l/nets'], { address: '192.0.2.9' }, true],
    [['/l/nets'], { address: '198.51.100.7' }, false],
    [['!/l/nets', '0.0.0.0/0'], { address: '192.0.2.9' }, false],
    [['example.com'], { name: 'Example.COM' }, true],
    [['example.com'], { name: 'a.example.com' }, false],
    [['.example.com'], { name: 'a.example.com' }, true],
    [['hash:/l/map'], { name: 'example.com' }, true],
    [['hash:/l/map'], { name: 'a.sub.org' }, true],
    [['hash:/l/map'], { name: 'sub.org' }, false],
    [[], { name: 'x', address: '127.0.0.1' }, false],
  ])('%j and %j: %s', async (items, subject, expected) => {
    const { list, problems } = compile(items);
    expect(problems).toEqual([]);
    expect(await list.matches(subject)).toBe(expected);
  });

  it('compares whole names in exact lists, and parents where subdomains count', async () => {
    expect(await compile(['.example.com'], 'exact').list.matches({ name: 'a.example.com' })).toBe(false);
    expect(await compile(['example.com'], 'subdomains').list.matches({ name: 'a.example.com' })).toBe(true);
    expect(await compile(['example.com'], 'subdomains').list.matches({ name: 'aexample.com' })).toBe(false);
  });

  it.each(['10.0.0/8', '1.2.3.4/24', '[::1', 'host/24', '/l/missing', 'ldap:/x'])('refuses %s', (item) => {
    expect(compile([item]).problems).toEqual([expect.objectContaining({ severity: 'refuse', line: 5 })]);
  });
});

import { describe, expect, it } from 'vitest';
import { makeMemoryTables } from '../testing/index.ts';
import { makeSearchList, TableError } from './lookup-table.ts';
import { openTable, type OpenedTable, type OpenRequest } from './open-table.ts';
import { looksLikeTable } from './table-spec.ts';

const files = {
  '/t/map': 'key value\nUser@Example.com  a, b\n',
  '/t/aliases': 'root: user\n',
  '/t/cidr': '1.2.3.0/24 net\nif 10.0.0.0/8\n10.1.0.0/16 ten\n!10.2.0.0/16 not2\nendif\n2001:db8::/32 six\n',
  '/t/re': '/^x/ pattern\n',
};
const passwd = { root: 'root:x:0:0:root:/root:/bin/sh' };
const open = (spec: string, more: Partial<OpenRequest> = {}): OpenedTable =>
  openTable(
    {
      spec,
      parameter: 'p',
      origin: { file: 'main.cf', line: 3 },
      isAliasFormat: false,
      isDefault: false,
      ...more,
    },
    makeMemoryTables({ files, passwd }),
  );

describe('openTable', () => {
  it.each([
    ['hash:/t/map', 'user@EXAMPLE.com', 'a, b'],
    ['hash:/t/map.db', 'key', 'value'],
    ['lmdb:/t/map', 'nobody', undefined],
    ['proxy:btree:/t/map', 'key', 'value'],
    ['regexp:/t/re', 'xyz', 'pattern'],
    ['cidr:/t/cidr', '1.2.3.9', 'net'],
    ['cidr:/t/cidr', '10.1.2.3', 'ten'],
    ['cidr:/t/cidr', '10.2.2.2', undefined],
    ['cidr:/t/cidr', '10.3.3.3', 'not2'],
    ['cidr:/t/cidr', '2001:db8::1', 'six'],
    ['cidr:/t/cidr', 'host', undefined],
    ['inline:{a=b,{Key = v w}}', 'KEY', 'v w'],
    ['static:{a b}', 'anything', 'a b'],
    ['unionmap:{inline:{x=1},inline:{x=2}}', 'x', '1,2'],
    ['unionmap:{inline:{x=1},inline:{y=2}}', 'z', undefined],
    ['pipemap:{inline:{x=y},inline:{y=z}}', 'x', 'z'],
    ['pipemap:{inline:{x=y},inline:{q=z}}', 'x', undefined],
    ['unix:passwd.byname', 'root', passwd.root],
    ['environ:x', 'NOBODY', undefined],
  ])('%s of %s', async (spec, key, expected) => {
    const { table, problems } = open(spec);
    expect(problems).toEqual([]);
    expect(await table.lookup(key)).toBe(expected);
  });

  it('asks patterns and static tables for whole keys only', async () => {
    for (const spec of ['regexp:/t/re', 'static:x', 'cidr:/t/cidr']) {
      expect(await open(spec).table.lookup('x', 'partial')).toBeUndefined();
    }
    expect(await open('hash:/t/map').table.lookup('key', 'partial')).toBe('value');
  });

  it('reads aliases(5) where the parameter says so', async () => {
    expect(await open('hash:/t/aliases', { isAliasFormat: true }).table.find('ROOT')).toEqual({
      value: 'user',
      origin: { file: '/t/aliases', line: 1 },
    });
  });

  it('asks several tables in order', async () => {
    const list = makeSearchList([open('inline:{a=1}').table, open('inline:{a=2,b=3}').table]);
    expect([await list.lookup('a'), await list.lookup('b'), await list.lookup('c')]).toEqual([
      '1',
      '3',
      undefined,
    ]);
  });

  it.each([
    ['ldap:/etc/postfix/ldap.cf', 'ldap'],
    ['mysql:/x', 'mysql'],
    ['nis:mail.aliases', 'nis'],
    ['hsah:/etc/postfix/virtual', 'hsah'],
    ['hash:relative', 'absolute'],
    ['hash:/t/missing', 'create it'],
    ['inline:{x}', 'key=value'],
    ['unix:shadow.byname', 'shadow'],
    ['/t/map', 'type:name'],
    ['pipemap:{ldap:/x}', 'ldap'],
  ])('refuses %s and then fails every lookup', (spec, word) => {
    const { table, problems } = open(spec);
    expect(problems).toEqual([
      expect.objectContaining({ severity: 'refuse', file: 'main.cf', line: 3, name: 'p' }),
    ]);
    expect(problems[0]?.message).toContain(word);
    expect(() => table.lookup('key')).toThrow(TableError);
  });

  it('takes a missing default for empty', async () => {
    const { table, problems } = open('hash:/t/missing', { isDefault: true });
    expect(problems).toEqual([expect.objectContaining({ severity: 'notice' })]);
    expect(await table.lookup('key')).toBeUndefined();
  });

  it('fails on purpose', () => {
    expect(() => open('fail:x').table.lookup('k')).toThrow(TableError);
  });
});

describe('looksLikeTable', () => {
  it.each([
    ['hash:/x', true],
    ['proxy:unix:passwd.byname', true],
    ['[::1]/128', false],
    ['::1', false],
    ['fe80::1', false],
    ['2001:db8::/32', false],
    ['example.com', false],
    ['cidr:/x', true],
  ])('%s', (item, expected) => expect(looksLikeTable(item)).toBe(expected));
});

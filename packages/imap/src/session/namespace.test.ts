import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { memoryStore, UserClient } from '../testing/index.ts';
import { internalName, isUnderInbox, type Namespaces, prefixParents, shownName } from './namespace.ts';

const DOTS: Namespaces = { prefix: 'INBOX.', separator: '.', hidden: [{ prefix: '', separator: '.' }] };
const STRICT: Namespaces = { prefix: 'INBOX.', separator: '.' };
const MINE: Namespaces = { prefix: 'Mail/Mine/', separator: '/' };

describe('names', () => {
  it.each([
    [STRICT, 'INBOX', 'INBOX'],
    [STRICT, 'inbox.Work.2024', 'Work/2024'],
    [STRICT, 'INBOX.x.', 'x'],
    [STRICT, 'INBOX.', 'INBOX'],
    [STRICT, 'INBOX.inbox.Z', 'INBOX/Z'],
    [STRICT, 'Foo', undefined],
    [STRICT, 'INBOXX', undefined],
    [STRICT, 'INBOX.a/b', undefined],
    [DOTS, 'Foo.Bar', 'Foo/Bar'],
    [DOTS, 'INBOX.Foo', 'Foo'],
    [MINE, 'Mail/Mine/a/b', 'a/b'],
    [MINE, 'Mail/Mine', undefined],
    [MINE, 'a', undefined],
  ])('%j: %s', (namespaces, shown, inside) => {
    const read = internalName(shown, namespaces);
    expect(read.ok ? read.name : undefined).toBe(inside);
  });

  it('come back as they went', () => {
    const part = fc.stringMatching(/^[a-z0-9]{1,8}$/).filter((text) => text !== 'inbox');
    const name = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
    fc.assert(
      fc.property(name, fc.constantFrom(STRICT, MINE, DOTS), (inside, namespaces) => {
        const shown = shownName(inside, namespaces) ?? '';
        expect(internalName(shown, namespaces)).toEqual({ ok: true, name: inside });
      }),
    );
  });

  it('have parents that only the prefix makes', () => {
    expect(prefixParents(MINE)).toEqual(['Mail', 'Mail/Mine']);
    expect(prefixParents(STRICT)).toEqual([]);
    expect([isUnderInbox(STRICT), isUnderInbox(MINE)]).toEqual([true, false]);
    expect(shownName('a.b', STRICT)).toBeUndefined();
  });
});

describe('a session', () => {
  const client = (namespace: Namespaces): UserClient => {
    const store = memoryStore();
    store.seed('INBOX', []);
    store.seed('a', []);
    store.seed('a/b', []);
    return new UserClient({ store, settings: { namespace } });
  };

  it('lists, makes and renames below a prefix', async () => {
    const one = client(MINE);
    expect(await one.run('LIST "" *')).toEqual([
      '* LIST (\\HasNoChildren) "/" INBOX',
      '* LIST (\\HasChildren) "/" Mail/Mine/a',
      '* LIST (\\HasNoChildren) "/" Mail/Mine/a/b',
      '* LIST (\\Noselect \\HasChildren) "/" Mail',
      '* LIST (\\Noselect \\HasChildren) "/" Mail/Mine',
      'T OK List completed.',
    ]);
    expect((await one.run('RENAME Mail/Mine/a Mail/Mine/c')).at(-1)).toBe('T OK Rename completed.');
    expect((await one.run('RENAME Mail/Mine/c c')).at(-1)).toMatch(/^T NO Client tried/);
    expect((await one.run('SELECT Mail/Mine/c/b')).at(-1)).toMatch(/^T OK/);
  });

  it('appends and joins by shown names', async () => {
    const one = client(STRICT);
    expect((await one.run('APPEND INBOX.a {3+}\r\na: ')).at(-1)).toMatch(/^T OK \[APPENDUID/);
    expect((await one.run('APPEND INBOX CATENATE (URL "/INBOX.a/;UID=1")')).at(-1)).toMatch(/^T OK/);
    expect((await one.run('APPEND INBOX CATENATE (URL "/a/;UID=1")')).at(-1)).toMatch(/^T NO \[BADURL/);
    expect((await one.run('APPEND a {3+}\r\na: ')).at(-1)).toMatch(/^T NO Client tried/);
  });
});

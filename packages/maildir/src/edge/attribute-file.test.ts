import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { formatAttributes, parseAttributes } from '../attributes.ts';
import { makeTemporaryRoot, type TemporaryRoot } from '../testing/index.ts';
import { openMaildirStore } from './store.ts';

describe('annotations in a Maildir', () => {
  let root: TemporaryRoot;
  beforeEach(() => {
    root = makeTemporaryRoot();
  });
  afterEach(() => root.remove());

  it('stay with a mailbox through renames, in the form Dovecot reads', async () => {
    const store = openMaildirStore({ root: root.path, allowRoot: true });
    await store.create('Box', { specialUse: '\\Archive' });
    await store.writeAnnotations?.('Box', new Map([['/shared/comment', Buffer.from('a\r\nb\t')]]));
    await store.writeAnnotations?.('', new Map([['/private/vendor/x', Buffer.from('1')]]));
    await store.rename('Box', 'Other');
    const again = openMaildirStore({ root: root.path, allowRoot: true });
    expect((await again.readAnnotations?.('Other'))?.get('/shared/comment')?.toString()).toBe('a\r\nb\t');
    expect([...((await again.readAnnotations?.('INBOX')) ?? [])]).toEqual([]);
    expect((await again.readAnnotations?.(''))?.get('/private/vendor/x')?.toString()).toBe('1');
    expect((await again.list()).find(({ name }) => name === 'Other')?.specialUse).toBe('\\Archive');
    const { guid } = await again.open('Other');
    expect(readFileSync(join(root.path, 'dovecot-attributes'), 'latin1')).toContain(
      `shared/${guid}/comment\na\x01r\x01nb\x01t\n`,
    );
    await again.delete('Other');
    await again.create('Other');
    expect((await again.list()).find(({ name }) => name === 'Other')?.specialUse).toBeUndefined();
    expect((await again.readAnnotations?.('Other'))?.size).toBe(0);
  });

  it('makes what is to be there', async () => {
    const automatic = [
      { name: 'Sent', subscribe: true },
      { name: 'INBOX', subscribe: false },
      { name: '../bad', subscribe: false },
      { name: 'Junk', subscribe: false },
    ];
    const store = openMaildirStore({ root: root.path, allowRoot: true, automatic });
    const entries = await store.list();
    expect(entries.map(({ name, subscribed }) => `${name} ${subscribed}`)).toEqual([
      'INBOX false',
      'Junk false',
      'Sent true',
    ]);
    await store.unsubscribe('Sent');
    const again = openMaildirStore({ root: root.path, allowRoot: true, automatic });
    expect((await again.list()).some(({ subscribed }) => subscribed)).toBe(false);
  });

  it('reads what it writes', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string({ unit: 'binary-ascii', minLength: 1 }), fc.string({ unit: 'binary-ascii' })),
        (values) => {
          const all = new Map(Object.entries(values));
          expect(parseAttributes(formatAttributes(all))).toEqual(new Map([...all].sort()));
        },
      ),
    );
  });
});

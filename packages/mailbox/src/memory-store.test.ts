import { describe, expect, it } from 'vitest';
import { MailboxError, openMemoryStore } from './index.ts';
import { describeMailStore } from './testing/contract.ts';

describeMailStore('memory', async () => {
  const store = openMemoryStore();
  return { store, keywordLimit: 26, outside: (name) => adapt(store, name), dispose: async () => {} };
});

function adapt(store: ReturnType<typeof openMemoryStore>, name: string) {
  const outside = store.outside(name);
  return { ...outside, deliver: (content: string) => outside.deliver({ content }) };
}

describe('memory store', () => {
  it('is seeded', async () => {
    const store = openMemoryStore({ firstUidValidity: 77, specialUse: new Map([['Sent', '\\Sent']]) });
    const uids = store.seed('Sent', [
      { content: 'a: b\n\nc\n', flags: ['\\Seen'], pop3Uidl: 'old-1' },
      { content: 'd: e\n\n', recent: false },
    ]);
    const sent = await store.open('Sent');
    expect(sent.uidValidity).toBe(78);
    expect(sent.message(uids[0] ?? 0)?.pop3Uidl).toBe('old-1');
    expect(sent.unclaimedRecent).toEqual([uids[0]]);
    expect((await store.list()).find((e) => e.name === 'Sent')?.specialUse).toBe('\\Sent');
  });

  it('fails once on demand and has a quota', async () => {
    const store = openMemoryStore({ quota: 10 });
    store.failNext('open', new MailboxError('inUse', 'for a test'));
    await expect(store.open('INBOX')).rejects.toMatchObject({ code: 'inUse' });
    await store.open('INBOX');
    const writer = await store.beginAppend('INBOX', { flags: [] });
    await writer.write(Buffer.alloc(11));
    await expect(writer.commit()).rejects.toMatchObject({ code: 'overQuota' });
  });
});

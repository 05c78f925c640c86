// UTF8=ACCEPT (RFC 6855) and IMAP4rev2 (RFC 9051), switched on by ENABLE.

import { describe, expect, it } from 'vitest';
import { ManualClock, memoryStore, UserClient } from '../testing/index.ts';

const octets = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

describe.each(['UTF8=ACCEPT', 'IMAP4rev2'])('ENABLE %s', (extension) => {
  it('takes and gives names in UTF-8', async () => {
    const one = new UserClient({ store: memoryStore() });
    await one.run('CREATE "Entw&APw-rfe"');
    expect(await one.run(`ENABLE ${extension}`)).toEqual([`* ENABLED ${extension}`, 'T OK Enabled.']);
    await one.run(octets('CREATE "Grüße/A & B"'));
    await one.run(octets('SUBSCRIBE "Grüße/A & B"'));
    expect((await one.run(octets('LIST "" (Gr* "Entwü%")'))).slice(0, -1)).toEqual([
      octets('* LIST () "/" "Entwürfe"'),
      octets('* LIST (\\Noselect) "/" "Grüße"'),
      octets('* LIST () "/" "Grüße/A & B"'),
    ]);
    expect((await one.run('LSUB "" *'))[0]).toBe(octets('* LSUB () "/" "Grüße/A & B"'));
    expect((await one.run(octets('STATUS "Entwürfe" (MESSAGES)')))[0]).toBe(
      octets('* STATUS "Entwürfe" (MESSAGES 0)'),
    );
    const message = octets('Subject: Grüße\r\n\r\nx');
    expect(
      (await one.run(`${octets('APPEND "Entwürfe"')} (\\Seen) {${message.length}+}\r\n${message}`)).at(-1),
    ).toMatch(/^T OK \[APPENDUID/);
    expect((await one.run(octets('RENAME "Entwürfe" Drafts'))).at(-1)).toMatch(/^T OK/);
    expect((await one.run('CREATE "\xff\xfe"')).at(-1)).toMatch(/^T NO/);
    await one.sleepAndWake();
    expect((await one.run('LSUB "" *'))[0]).toBe(octets('* LSUB () "/" "Grüße/A & B"'));
  });
});

describe('UTF8=ACCEPT', () => {
  it('takes messages in UTF8 (…)', async () => {
    const one = new UserClient({ store: memoryStore() });
    await one.run('ENABLE UTF8=ACCEPT');
    const message = octets('Subject: Grüße\r\n\r\nx');
    expect((await one.run(`APPEND INBOX (\\Seen) UTF8 (~{${message.length}+}\r\n${message})`)).at(-1)).toBe(
      'T OK [APPENDUID 1000 1] Append completed.',
    );
    expect((await one.run(`APPEND INBOX UTF8 ({${message.length}+}\r\n${message})`)).at(-1)).toMatch(
      /^T BAD/,
    );
    await one.run('SELECT INBOX');
    expect((await one.run('FETCH 1 (BODY.PEEK[])')).join('\r\n')).toContain(octets('Subject: Grüße\r\nx)'));
  });
});

describe('IMAP4rev2', () => {
  it('knows no recent messages, answers SEARCH with ESEARCH and SELECT with LIST', async () => {
    const store = memoryStore();
    store.seed('INBOX', [{ content: 'a: b\n\nx' }]);
    const one = new UserClient({ store });
    await one.run('ENABLE IMAP4rev2');
    const answer = await one.run('SELECT INBOX');
    expect(answer.join()).not.toMatch(/RECENT|UNSEEN/);
    expect(answer).toContain('* LIST () "/" INBOX');
    expect((await one.run('SEARCH ALL'))[0]).toBe('* ESEARCH (TAG "T_") ALL 1');
    expect((await one.run('UID SEARCH DELETED'))[0]).toBe('* ESEARCH (TAG "T_") UID');
    store.outside('INBOX').deliver({ content: 'a: c\n\nx' });
    expect(await one.run('NOOP')).toEqual(['* 2 EXISTS', 'T OK NOOP completed.']);
    expect((await one.run('FETCH 1:2 (FLAGS)')).join()).not.toContain('Recent');
  });
});

describe('INPROGRESS', () => {
  it('is told every ten seconds of a long search', async () => {
    const store = memoryStore();
    store.seed(
      'INBOX',
      Array.from({ length: 50 }, () => ({ content: 'a: b\n\nx' })),
    );
    const clock = new ManualClock();
    const one = new UserClient({ store, clock });
    await one.run('SELECT INBOX');
    const open = store.open.bind(store);
    store.open = async (name) => {
      const mailbox = await open(name);
      const message = mailbox.message.bind(mailbox);
      // Each message costs a second.
      mailbox.message = (uid) => {
        clock.advance(1000);
        return message(uid);
      };
      return mailbox;
    };
    await one.run('SELECT INBOX');
    const answer = await one.run('SEARCH BODY x');
    expect(answer.filter((line) => line.includes('INPROGRESS'))).toEqual([
      expect.stringMatching(/^\* OK \[INPROGRESS \("T3" (?:9|1\d) 50\)\] /),
      expect.stringMatching(/^\* OK \[INPROGRESS \("T3" (?:19|2\d) 50\)\] /),
      expect.stringMatching(/^\* OK \[INPROGRESS \("T3" (?:29|3\d) 50\)\] /),
      expect.stringMatching(/^\* OK \[INPROGRESS \("T3" (?:39|4\d) 50\)\] /),
    ]);
    expect(answer.at(-1)).toBe('T OK Search completed.');
  });
});

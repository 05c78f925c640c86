import { describe, expect, it } from 'vitest';
import { memoryStore, UserClient } from '../testing/index.ts';

const MESSAGE = 'From: Ann <ann@example.com>\r\nSubject: Hello\r\n\r\nbody text\r\n';

describe('ImapUserSession', () => {
  it('greets with the tagged answer of the login', () => {
    const client = new UserClient();
    client.session.start();
    expect(client.host.take()).toMatch(/^L OK \[CAPABILITY IMAP4rev1 .*SPECIAL-USE .*\] Logged in\r\n$/);
  });

  it.each([1, 3, Infinity])('selects, appends, fetches, in chunks of %s', async (chunk) => {
    const store = memoryStore();
    const client = new UserClient({ store, chunk });
    expect(
      await client.run(
        `APPEND INBOX (\\SEEN $label1) "07-Feb-1994 21:52:25 -0800" {${MESSAGE.length}+}\r\n${MESSAGE}`,
      ),
    ).toEqual(['T OK [APPENDUID 1000 1] Append completed.']);
    expect(await client.run('SELECT inbox')).toEqual([
      '* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $label1)',
      '* OK [PERMANENTFLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft $label1 \\*)] Flags permitted.',
      '* 1 EXISTS',
      '* 1 RECENT',
      '* OK [UIDVALIDITY 1000] UIDs valid',
      '* OK [UIDNEXT 2] Predicted next UID',
      '* OK [HIGHESTMODSEQ 2] Highest',
      expect.stringMatching(/^\* OK \[MAILBOXID \(F[\w-]+\)\] /),
      'T OK [READ-WRITE] Select completed.',
    ]);
    expect(
      await client.run(
        'FETCH 1 (BODY.PEEK[HEADER.FIELDS (subject "X-None")] FLAGS UID INTERNALDATE RFC822.SIZE)',
      ),
    ).toEqual([
      '* 1 FETCH (FLAGS (\\Seen \\Recent $label1) UID 1 INTERNALDATE "08-Feb-1994 05:52:25 +0000" RFC822.SIZE 58 BODY[HEADER.FIELDS (SUBJECT X-NONE)] {18}',
      'Subject: Hello',
      ')',
      'T OK Fetch completed.',
    ]);
    expect(await client.run('UID FETCH 50:* BODY[TEXT]<5.100>')).toEqual([
      '* 1 FETCH (UID 1 BODY[TEXT]<5> {6}',
      'text',
      ')',
      'T OK Fetch completed.',
    ]);
    expect(await client.run('SEARCH SUBJECT hell NOT DELETED')).toEqual([
      '* SEARCH 1',
      'T OK Search completed.',
    ]);
  });
});

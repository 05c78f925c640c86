// Whatever a client sends: the session answers, ends with BYE, or waits; nothing unforeseen is ever logged.

import fc from 'fast-check';
import { describe, it } from 'vitest';
import { memoryStore, UserClient } from '../testing/index.ts';

const word = fc.constantFrom(
  'FETCH',
  'UID',
  'STORE',
  'SEARCH',
  'COPY',
  'MOVE',
  'EXPUNGE',
  'LIST',
  'LSUB',
  'STATUS',
  'SELECT',
  'EXAMINE',
  'CREATE',
  'DELETE',
  'RENAME',
  'SUBSCRIBE',
  'APPEND',
  'IDLE',
  'NOOP',
  'CLOSE',
  'UNSELECT',
  'CHECK',
  'INBOX',
  'Box',
  'Box/x',
  '"a\\"b"',
  '1',
  '1:*',
  '*',
  '2,1',
  '99',
  '(',
  ')',
  'FLAGS',
  '+FLAGS.SILENT',
  '(\\Deleted)',
  '(\\Seen kw)',
  'BODY[]',
  'BODY.PEEK[HEADER.FIELDS (Subject)]',
  'BODY[1.MIME]',
  'BODY[TEXT]<2.3>',
  'ALL',
  'ENVELOPE',
  'BODYSTRUCTURE',
  'NOT',
  'OR',
  'SEEN',
  'BODY',
  'body',
  'SUBJECT',
  'x',
  'RETURN',
  '(COUNT ALL)',
  '""',
  '%',
  '(MESSAGES)',
  '{3+}\r\nabc',
  '{3}',
  '{3}\r\nabc',
  '~{2+}\r\na\0',
  '&AOk-',
  '&',
  '\xe9',
  '\0',
  'DONE',
);

const line = fc.array(word, { minLength: 1, maxLength: 6 }).map((words) => `t ${words.join(' ')}\r\n`);
const useful = fc.constantFrom(
  't SELECT INBOX\r\n',
  't UID FETCH 1:* (FLAGS BODY[])\r\n',
  't STORE 1 +FLAGS (\\Deleted)\r\n',
  't EXPUNGE\r\n',
  't CREATE Box\r\n',
  't IDLE\r\nDONE\r\n',
);

describe('any input', () => {
  it('is answered', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(line, useful), { maxLength: 12 }),
        fc.constantFrom(1, 7, Infinity),
        async (lines, chunk) => {
          const store = memoryStore();
          store.seed('INBOX', [{ content: 'Subject: x\r\n\r\nbody\r\n' }, { content: 'no header' }]);
          const client = new UserClient({ store, chunk });
          client.send('s SELECT INBOX\r\n');
          client.send(lines.join(''));
          // Ends whatever waits: a literal, IDLE, an open list.
          client.send('abc\r\nDONE\r\n)\r\nabc\r\nz LOGOUT\r\nz LOGOUT\r\n');
          const text = await client.until((received) => / BYE /.test(received) || client.host.closed);
          for (const response of text.split('\r\n')) {
            if (response.startsWith('t ') && !/^t (?:OK|NO|BAD) \S/.test(response)) throw new Error(response);
          }
          const unforeseen = client.logLines.find((logged) => logged.startsWith('error'));
          if (unforeseen !== undefined) throw new Error(unforeseen);
        },
      ),
      { numRuns: 200 },
    );
  });
});

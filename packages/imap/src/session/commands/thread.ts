// THREAD and UID THREAD (RFC 5256).

import { MailboxError, type MessageHandle } from '@postcote/mailbox';
import { baseSubject, decodeWords, fieldValue, parseHeaderFields, parseMessageIds } from '@postcote/mime';
import { ok } from '../../codec/response.ts';
import { collationKey } from '../../sort/collation.ts';
import { sentTime } from '../../sort/sort-key.ts';
import { threadBySubject } from '../../thread/ordered-subject.ts';
import { threadByReferences } from '../../thread/references.ts';
import { formatThreads, type ThreadedMessage } from '../../thread/threads.ts';
import { type CommandRow, done } from '../core.ts';
import { findMessages, programFor } from '../finding.ts';
import { NO_MAILBOX } from './messages.ts';

export const THREAD: CommandRow<'thread'> = {
  kinds: ['thread'],
  needsMailbox: true,
  sync: 'holdExpunges',
  refresh: false,
  async run(core, { numbering, key, algorithm }) {
    const { selected } = core;
    if (selected === undefined) return NO_MAILBOX;
    const program = programFor(core, selected, key);
    if (program.usesModseq) core.enableCondstore();
    const messages: ThreadedMessage[] = [];
    for (const index of await findMessages(core, selected, program)) {
      if (core.shouldBreathe) await core.breathe();
      const uid = selected.uids[index] as number;
      const handle = selected.mailbox.message(uid);
      if (handle === undefined) continue;
      try {
        messages.push(await readMessage(handle, numbering === 'uid' ? uid : index + 1));
      } catch (error) {
        if (!(error instanceof MailboxError && error.code === 'expunged')) throw error;
      }
    }
    const breathe = (): Promise<void> | undefined => (core.shouldBreathe ? core.breathe() : undefined);
    const roots =
      algorithm === 'ORDEREDSUBJECT'
        ? await threadBySubject(messages, breathe)
        : await threadByReferences(messages, { bySubject: algorithm === 'REFERENCES', breathe });
    core.out.text(roots.length === 0 ? '* THREAD\r\n' : `* THREAD ${formatThreads(roots)}\r\n`);
    return done(ok('Thread completed.'));
  },
};

/** Ids of one message that are followed: more are nobody's thread. */
const MAX_REFERENCES = 200;

async function readMessage(handle: MessageHandle, number: number): Promise<ThreadedMessage> {
  const header = await handle.header();
  const values: Record<string, string> = {};
  for (const field of parseHeaderFields(header)) {
    const name = field.name.toLowerCase();
    if (FIELDS.has(name)) values[name] = fieldValue(header, field);
  }
  const subject = baseSubject(decodeWords(values['subject'] ?? ''));
  const references = parseMessageIds(values['references'] ?? '').slice(-MAX_REFERENCES);
  return {
    number,
    time: sentTime(values['date'] ?? null) ?? (await handle.internalDate()).getTime(),
    messageId: parseMessageIds(values['message-id'] ?? '')[0],
    // RFC 5256: the first id of In-Reply-To where References has none.
    references: references.length > 0 ? references : parseMessageIds(values['in-reply-to'] ?? '').slice(0, 1),
    subject: collationKey(subject.text),
    isReply: subject.isReply,
  };
}

const FIELDS: ReadonlySet<string> = new Set(['date', 'subject', 'message-id', 'references', 'in-reply-to']);

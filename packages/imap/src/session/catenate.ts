// The URLs of CATENATE (RFC 4469): octets of a message that is here already go into the new one.

import { type Mailbox, MailboxError } from '@postcote/mailbox';
import { parseImapUrl, type ImapUrl } from '../codec/imap-url.ts';
import { no, type Status } from '../codec/response.ts';
import { sectionOf } from '../fetch/message-response.ts';
import type { OpenAppend } from './append.ts';
import type { SessionCore } from './core.ts';
import { internalName } from './namespace.ts';

/** A status when the URL gives nothing. Throws what writing throws. */
export async function copyUrl(
  core: SessionCore,
  text: string,
  into: OpenAppend,
): Promise<Status | undefined> {
  const parsed = parseImapUrl(text);
  if (!parsed.ok) return badUrl(text, parsed.text);
  const { url } = parsed;
  if (url.mailbox === undefined) {
    if (core.selected === undefined) return badUrl(text, 'No mailbox selected');
    return copySection(core, { mailbox: core.selected.mailbox, url, text, into });
  }
  let mailbox: Mailbox;
  const inside = internalName(url.mailbox, core.settings.namespace);
  if (!inside.ok) return badUrl(text, inside.text);
  try {
    mailbox = await core.store.open(inside.name);
  } catch (error) {
    if (!(error instanceof MailboxError)) throw error;
    return badUrl(text, `Mailbox doesn't exist: ${url.mailbox}`);
  }
  try {
    return await copySection(core, { mailbox, url, text, into });
  } finally {
    await mailbox.close();
  }
}

async function copySection(
  core: SessionCore,
  what: {
    readonly mailbox: Mailbox;
    readonly url: ImapUrl;
    readonly text: string;
    readonly into: OpenAppend;
  },
): Promise<Status | undefined> {
  const { mailbox, url, text, into } = what;
  if (url.uidValidity !== undefined && url.uidValidity !== mailbox.uidValidity)
    return badUrl(text, 'Invalid UIDVALIDITY');
  const handle = mailbox.message(url.uid);
  if (handle === undefined) return badUrl(text, 'Message not found');
  try {
    const { content, length } = await sectionOf(handle, url);
    if (!into.hasRoomFor(length)) return no('Message is too large.', 'TOOBIG');
    if (Buffer.isBuffer(content)) {
      await into.write(content);
      return undefined;
    }
    for await (const chunk of handle.stream(content.range)) {
      await into.write(chunk);
      if (core.shouldBreathe) await core.breathe();
    }
    return undefined;
  } catch (error) {
    if (error instanceof MailboxError && error.code === 'expunged') return badUrl(text, 'Message not found');
    throw error;
  }
}

/** RFC 4469 §4.2. */
function badUrl(url: string, text: string): Status {
  return no(`${text}.`, `BADURL ${url.replaceAll(/[^\x21-\x5c\x5e-\x7e]/g, '?').slice(0, 1000)}`);
}

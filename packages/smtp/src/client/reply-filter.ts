// smtp_reply_filter: each line of a server's reply, as it came, may be replaced by what a table answers; for servers whose
// codes mean something else. An answer that is no reply line leaves the line as it was.

import { type ServerReply, replyOf } from './reply-reader.ts';
import type { TransportTable } from './transport.ts';

/** Never rejects. */
export async function filterReply(reply: ServerReply, table: TransportTable): Promise<ServerReply> {
  const lines: { readonly code: number; readonly text: string }[] = [];
  for (const [i, line] of reply.lines.entries()) {
    const whole = `${reply.code}${i === reply.lines.length - 1 ? ' ' : '-'}${line}`;
    const match = /^([2-5]\d\d)(?:[ -](.*))?$/.exec((await answerOf(whole, table)) ?? '');
    lines.push(
      match === null ? { code: reply.code, text: line } : { code: Number(match[1]), text: match[2] ?? '' },
    );
  }
  // POSTFIX: the last line's code counts.
  return replyOf(
    lines.at(-1)?.code ?? reply.code,
    lines.map(({ text }) => text),
  );
}

async function answerOf(line: string, table: TransportTable): Promise<string | undefined> {
  try {
    return (await table.find(line))?.value;
  } catch {
    return undefined;
  }
}

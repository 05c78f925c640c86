// postcat(1) -q: a queued message with its envelope.

import type { ShownEnvelope } from '../../control/protocol.ts';
import { type CommandContext, Fatal, print } from './context.ts';
import { getopt } from './getopt.ts';
import { asked } from './postqueue.ts';

const USAGE =
  'usage: postcat [-b (body text)] [-c config_dir] [-e (envelope)] [-h (headers)] -q (queue ID) [-v] queue_id…';

interface Parts {
  readonly envelope: boolean;
  readonly header: boolean;
  readonly body: boolean;
}

export async function postcat(args: readonly string[], context: CommandContext): Promise<number> {
  const { options, rest, complaints } = getopt(args, 'bc:dehoqv');
  for (const complaint of complaints) process.stderr.write(`${context.program}: ${complaint}\n`);
  const has = (letter: string): boolean => options.some(([one]) => one === letter);
  if (complaints.length > 0 || rest.length === 0) throw new Fatal(USAGE);
  if (!has('q')) throw new Fatal('the queue has no files to name: use -q with a queue ID');
  const some = has('b') || has('e') || has('h');
  const parts: Parts = {
    envelope: !some || has('e'),
    header: !some || has('h'),
    body: !some || has('b'),
  };
  for (const id of rest) await show(context, id, parts);
  return 0;
}

async function show(context: CommandContext, id: string, parts: Parts): Promise<void> {
  let head: ShownEnvelope | undefined;
  const recipients: ShownEnvelope['recipients'][number][] = [];
  const splitter = new HeaderSplitter(parts);
  const marks = parts.envelope;
  for await (const answer of asked(context, { op: 'show', id }, 'mail system is down')) {
    if (answer.type === 'failed') throw new Fatal(`open queue file ${id}: ${answer.reason}`);
    if (answer.type === 'envelope') {
      head ??= answer;
      recipients.push(...answer.recipients);
    } else if (answer.type === 'octets' && head !== undefined) {
      if (!splitter.begun && marks) print(formatEnvelope(head, recipients));
      splitter.push(Buffer.from(answer.base64, 'base64'));
    }
  }
  if (head === undefined) return;
  if (!splitter.begun && marks) print(formatEnvelope(head, recipients));
  if (marks) print(`*** HEADER EXTRACTED ${place(head)} ***\n*** MESSAGE FILE END ${place(head)} ***\n`);
}

const place = ({ queue, id }: ShownEnvelope): string => `${queue}/${id}`;

function formatEnvelope(head: ShownEnvelope, recipients: ShownEnvelope['recipients']): string {
  const lines = [
    `*** ENVELOPE RECORDS ${place(head)} ***`,
    `message_size: ${String(head.size).padStart(15)}`,
    `message_arrival_time: ${new Date(head.arrivedAt).toString().replace(/^(\w+ \w+ \d+) (\d+) ([\d:]+) .*$/, '$1 $3 $2')}`,
    `sender: ${head.sender}`,
    ...recipients.flatMap(({ address, original }) => [
      `original_recipient: ${original}`,
      `recipient: ${address}`,
    ]),
    `*** MESSAGE CONTENTS ${place(head)} ***`,
  ];
  return `${lines.join('\n')}\n`;
}

/** Prints header, body or both, with the line ends of files. */
class HeaderSplitter {
  readonly #parts: Parts;
  #held = '';
  #inHeader = true;
  begun = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  push(octets: Buffer): void {
    this.begun = true;
    let text = this.#held + octets.toString('latin1');
    // The stored message has nothing but CRLF: a CR at the end awaits its LF.
    this.#held = text.endsWith('\r') ? '\r' : '';
    text = text.slice(0, text.length - this.#held.length).replaceAll('\r\n', '\n');
    if (!this.#inHeader) return this.#write(text, this.#parts.body);
    const whole = this.#tail + text;
    const end = whole.indexOf('\n\n');
    if (end === -1) {
      this.#write(text, this.#parts.header);
      this.#tail = whole.slice(-1);
      return;
    }
    this.#inHeader = false;
    const at = end + 1 - this.#tail.length;
    this.#write(text.slice(0, at), this.#parts.header);
    this.#write(text.slice(at), this.#parts.body);
  }

  #tail = '';

  #write(text: string, wanted: boolean): void {
    if (wanted && text !== '') print(Buffer.from(text, 'latin1'));
  }
}

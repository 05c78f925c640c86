// sendmail(1): leaves a message in the maildrop folder, where the server finds it, now or when it runs again. It has no
// privilege; that the file is the caller's own is what tells the server who sends (control/kernel-owner.ts).

import {
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { askOthers, findLine } from '../../control/local-users.ts';
import { MAILDROP } from '../../control/places.ts';
import { secretName } from '../../control/secret-name.ts';
import { isHeaderLine } from '../../pickup/local-header-lines.ts';
import { MAX_RECIPIENTS, type Submission, formatSubmission } from '../../pickup/submission-file.ts';
import {
  type CommandContext,
  EX_DATAERR,
  EX_NOPERM,
  EX_OSERR,
  Fatal,
  defaultConfigDirectory,
  mentionsSetting,
  pause,
  print,
} from './context.ts';
import { type SendmailOptions, readSendmailOptions, recipientsOf } from './sendmail-options.ts';

/** POSTFIX: message_size_limit. */
const DEFAULT_SIZE_LIMIT = 10_240_000;
const CHUNK = 64 * 1024;
/** A header longer than this names no more recipients. */
const MAX_HEADER = 4 * 1024 * 1024;
const LF = 0x0a;

export async function sendmail(args: readonly string[], context: CommandContext): Promise<number> {
  const options = readSendmailOptions(args, context.program);
  if ('complaint' in options) {
    for (const detail of options.details) process.stderr.write(`${context.program}: ${detail}\n`);
    throw new Fatal(options.complaint);
  }
  if (options.mode === 'deliver') return await submit(options, context);
  // Sending is what it is called for by the thousand: the rest is loaded when it is wanted.
  const { flush, mailq } = await import('./postqueue.ts');
  switch (options.mode) {
    case 'mailq':
      return await mailq([], context);
    case 'newaliases':
      return await (await import('./postmap.ts')).newaliases([], context);
    case 'flush':
      return await flush(context, { op: 'flush' });
    case 'flushSite':
      return await flush(context, { op: 'flushSite', site: options.flushed });
    case 'flushMessage':
      return await flush(context, { op: 'flushMessage', id: options.flushed });
    case 'start':
      return await (await import('./postfix.ts')).postfix(['start'], context);
    case 'smtp':
      return await speakSmtp(options);
    default:
      return await verify(options, context);
  }
}

interface Caller {
  readonly uid: number;
  readonly name: string;
  readonly fullName: string;
}

async function findCaller(): Promise<Caller> {
  const uid = process.getuid?.() ?? 0;
  const line = findLine(readFileSync('/etc/passwd', 'utf8'), uid) ?? (await askOthers(uid));
  if (line === undefined) throw new Fatal(`no login name found for user ID ${uid}`, EX_OSERR);
  const [name = '', , , , gecos = ''] = line.split(':');
  // finger(1): up to the first comma; `&` stands for the login name.
  const capital = name.slice(0, 1).toUpperCase() + name.slice(1);
  return { uid, name, fullName: (gecos.split(',')[0] ?? '').replaceAll('&', capital) };
}

async function submit(options: SendmailOptions, context: CommandContext): Promise<number> {
  const caller = await findCaller();
  const who = `${caller.name}(${caller.uid})`;
  const config = options.configDirectory ?? defaultConfigDirectory();
  await checkAuthorized(caller, config);
  const input = new MessageInput(options.dotIsText);
  const header = options.extract ? input.readHeader() : '';
  const recipients = [...new Set([...options.recipients, ...recipientsOf(header)])];
  if (recipients.length === 0)
    throw new Fatal(
      options.extract
        ? `${who}: No recipient addresses found in message header`
        : `${who}: Recipient addresses must be specified on the command line or via the -t option`,
    );
  if (recipients.length > MAX_RECIPIENTS) throw new Fatal(`${who}: too many recipients`, EX_DATAERR);
  const fullName = clean(options.fullName ?? process.env['NAME'] ?? caller.fullName);
  const submission: Submission = {
    sender: clean(options.sender ?? caller.name),
    ...(fullName === '' ? {} : { fullName }),
    recipients: recipients.map(clean),
    ...options.dsn,
  };
  drop({ submission, input, limit: await sizeLimit(config), who }, context);
  return 0;
}

/** Control characters have no business in an address or a name. */
const clean = (text: string): string => text.replace(/\p{Cc}/gu, '').slice(0, 1024);

function drop(
  mail: {
    readonly submission: Submission;
    readonly input: MessageInput;
    readonly limit: number;
    readonly who: string;
  },
  context: CommandContext,
): void {
  const { submission, input, limit, who } = mail;
  const folder = join(context.dataDirectory, MAILDROP);
  const name = secretName();
  const draft = join(folder, `n-${name}`);
  let descriptor: number;
  try {
    descriptor = openSync(draft, 'wx', 0o640);
  } catch (error) {
    throw new Fatal(`${who}: cannot leave mail in ${folder}: ${(error as Error).message}`);
  }
  try {
    // For the folder's group, the server's, whatever the caller's umask says.
    fchmodSync(descriptor, 0o640);
    writeAll(descriptor, Buffer.from(formatSubmission(submission)));
    let octets = 0;
    for (const chunk of input.chunks()) {
      octets += chunk.length;
      if (limit > 0 && octets > limit) throw new Fatal(`${who}: message file too big`);
      writeAll(descriptor, chunk);
    }
    fsyncSync(descriptor);
    renameSync(draft, join(folder, `m-${name}`));
  } catch (error) {
    unlinkSync(draft);
    if (error instanceof Fatal) throw error;
    throw new Fatal(`${who}: queue file write error: ${(error as Error).message}`);
  } finally {
    closeSync(descriptor);
  }
}

function writeAll(descriptor: number, octets: Uint8Array): void {
  for (let at = 0; at < octets.length;) at += writeSync(descriptor, octets, at);
}

/** The message on standard input; without -i it ends at a line with a dot. */
class MessageInput {
  readonly #dotIsText: boolean;
  #held = Buffer.alloc(0);
  #carry = '';
  #atLineStart = true;
  #ended = false;

  constructor(dotIsText: boolean) {
    this.#dotIsText = dotIsText;
  }

  /** The header, which `chunks` gives again. */
  readHeader(): string {
    let read = Buffer.alloc(0);
    let end: number | undefined;
    while (end === undefined && read.length < MAX_HEADER) {
      const chunk = this.#read();
      if (chunk === undefined) break;
      read = Buffer.concat([read, chunk]);
      end = headerEnd(read);
    }
    this.#held = read;
    return read.toString('latin1', 0, end ?? read.length);
  }

  *chunks(): Generator<Buffer> {
    if (this.#held.length > 0) yield this.#held;
    for (let chunk = this.#read(); chunk !== undefined; chunk = this.#read()) yield chunk;
  }

  #read(): Buffer | undefined {
    if (this.#ended) return undefined;
    const buffer = Buffer.allocUnsafe(CHUNK);
    let length: number;
    try {
      length = readSync(0, buffer, 0, CHUNK, null);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EOF') return undefined;
      if (code !== 'EAGAIN') throw error;
      // A pipe or a terminal that somebody made non-blocking.
      pause();
      return Buffer.alloc(0);
    }
    if (length === 0) return this.#takeCarry();
    return this.#untilDot(buffer.subarray(0, length));
  }

  /** At the end: a dot that no line end follows ends the message too. */
  #takeCarry(): Buffer | undefined {
    const carry = this.#carry;
    this.#ended = true;
    return carry === '' || carry.startsWith('.') ? undefined : Buffer.from(carry, 'latin1');
  }

  #untilDot(chunk: Buffer): Buffer {
    if (this.#dotIsText) return chunk;
    const text = this.#carry + chunk.toString('latin1');
    this.#carry = '';
    const dot = (this.#atLineStart ? /(?:^|\n)\.\r?\n/ : /\n\.\r?\n/).exec(text);
    if (dot !== null) {
      this.#ended = true;
      return Buffer.from(text.slice(0, dot.index + (text[dot.index] === '\n' ? 1 : 0)), 'latin1');
    }
    // What may be the beginning of such a line waits for the rest of it.
    const open = (this.#atLineStart ? /(?:^|\n)\.?\r?$/ : /\n\.?\r?$/).exec(text);
    if (open === null || text.length === 0) {
      this.#atLineStart = text.endsWith('\n');
      return Buffer.from(text, 'latin1');
    }
    const keep = open.index + (text[open.index] === '\n' ? 1 : 0);
    this.#carry = text.slice(keep);
    this.#atLineStart = true;
    return Buffer.from(text.slice(0, keep), 'latin1');
  }
}

/** Where the header ends, or undefined while it goes on. */
function headerEnd(octets: Buffer): number | undefined {
  for (let at = 0; ;) {
    const end = octets.indexOf(LF, at);
    if (end === -1) return undefined;
    const line = octets.toString('latin1', at, end).replace(/\r$/, '');
    if (!isHeaderLine(line, at === 0) && !(at === 0 && /^>*From /.test(line))) return at;
    at = end + 1;
  }
}

async function sizeLimit(config: string): Promise<number> {
  if (!mentionsSetting(config, 'message_size_limit')) return DEFAULT_SIZE_LIMIT;
  const { readSettings } = await import('./settings.ts');
  return readSettings(config).int('message_size_limit');
}

/** The server decides by the file's owner; asked here too, so that the caller hears of it. */
async function checkAuthorized({ uid, name }: Caller, config: string): Promise<void> {
  if (uid === 0 || !mentionsSetting(config, 'authorized_submit_users')) return;
  const { isAuthorized } = await import('./settings.ts');
  if (!(await isAuthorized(config, 'authorized_submit_users', name)))
    throw new Fatal(`User ${name}(${uid}) is not allowed to submit mail`, EX_NOPERM);
}

/** -bv. POSTFIX: mails a report; here, as with the program of that name, it is printed. */
async function verify({ recipients }: SendmailOptions, context: CommandContext): Promise<number> {
  const { asked } = await import('./postqueue.ts');
  const request = { op: 'verify' as const, addresses: recipients };
  let status = 0;
  for await (const answer of asked(context, request, 'Cannot verify addresses - mail system is down')) {
    if (answer.type !== 'verified') continue;
    print(`${answer.address}... ${answer.text}\n`);
    if (answer.kind !== 'known') status = 1;
  }
  return status;
}

/** -bs: a session on standard input and output, with the server itself. */
async function speakSmtp({ configDirectory }: SendmailOptions): Promise<number> {
  const [{ smtpPlace }, { connect }, { withCrlf }] = await Promise.all([
    import('./settings.ts'),
    import('node:net'),
    import('./with-crlf.ts'),
  ]);
  const place = smtpPlace(configDirectory ?? defaultConfigDirectory());
  return await new Promise((resolve, reject) => {
    const socket = connect(place.port, place.host);
    socket.once('error', (error) => reject(new Fatal(`the SMTP service does not answer: ${error.message}`)));
    socket.once('close', () => {
      process.stdin.destroy();
      resolve(0);
    });
    process.stdin.pipe(withCrlf()).pipe(socket);
    socket.pipe(process.stdout, { end: false });
  });
}

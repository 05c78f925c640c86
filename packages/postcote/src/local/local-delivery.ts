// Carries local mail out with the rights that the process has: a user's .forward file and what it names, the mailbox,
// what aliases name besides addresses, pipe(8) rows, virtual mailboxes. POSTFIX: local(8), pipe(8), virtual(8).
//
// What is done is derived here from the user's own files, or comes from the privileged side; of what the front says,
// addresses count and nothing else. A part that a .forward file or list no longer names is not run.

import { stat } from 'node:fs/promises';
import { MailboxError } from '@postcote/mailbox';
import type { MessageWriter, Log } from '@postcote/wire';
import { wasDeliveredTo } from '../delivery/delivered-to.ts';
import { type DeliveryHeader, type DeliveryPart, formatDeliveryHeaders } from '../delivery/protocol.ts';
import type { DeliveryVerdict, DeliveryWriter } from '../delivery/receive.ts';
import { commandEnvironment } from './command-environment.ts';
import type { DeliveryTask } from './delivery-task.ts';
import {
  type ForwardTarget,
  type Forwarding,
  readForwarding,
  readList,
  TooManyTargets,
} from './forward-file.ts';
import { appendToFile, wordsOf } from './mbox.ts';
import { MessageBody } from './message-body.ts';
import { type CopyRules, formatHead, type HeadRules, MessageCopy } from './message-text.ts';
import { cleanOutput, failed, type LocalResult, readCommandEnd, sent } from './outcome.ts';
import { expandArgv } from './pipe-service.ts';
import { expandDelivery, type LocalRecipient, readLocalRecipient } from './recipient.ts';
import { runCommand } from './run-command.ts';
import type { DeliveredHeader, LocalSettings, LockStyle, MailboxPlace } from './settings.ts';

export interface LocalDeliveryPorts {
  readonly account: {
    readonly name: string;
    readonly uid: number;
    readonly home: string;
    readonly shell?: string;
  };
  settings(): LocalSettings;
  readonly log: Log;
  /** The Maildir at a path, as the process keeps it. */
  openMaildir(path: string): MessageWriter<unknown>;
  /** `~/mail`, `/var/mail/%u` → this account's. */
  expandPath(template: string): string;
  /** DOVECOT: quota_full_tempfail: mail beyond a quota waits; otherwise it comes back. */
  readonly fullTempfail?: boolean;
}

/** The first thing a delivery needs to know is known before its message comes. */
export async function beginLocalDelivery(
  task: DeliveryTask,
  header: DeliveryHeader,
  ports: LocalDeliveryPorts,
): Promise<DeliveryWriter> {
  try {
    return await new LocalDelivery(header, ports).begin(task);
  } catch (error) {
    if (!(error instanceof TooManyTargets)) throw error;
    return verdictAlone({ kind: 'result', result: failed('4.6.0', error.message) });
  }
}

class LocalDelivery {
  readonly #header: DeliveryHeader;
  readonly #ports: LocalDeliveryPorts;
  readonly #settings: LocalSettings;

  constructor(header: DeliveryHeader, ports: LocalDeliveryPorts) {
    this.#header = header;
    this.#ports = ports;
    this.#settings = ports.settings();
  }

  async begin(task: DeliveryTask): Promise<DeliveryWriter> {
    switch (task.kind) {
      case 'user':
        return await this.#beginUser(task.mailboxCommand);
      case 'alias':
        return await this.#beginAlias(task);
      case 'pipe':
        return this.#collect((body) => this.#pipe(task, body));
      case 'virtual':
        return this.#beginVirtual(task);
    }
  }

  async #beginUser(mailboxCommand: string | undefined): Promise<DeliveryWriter> {
    const { part } = this.#header;
    const { home } = this.#ports.account;
    if (this.#settings.requireHome && (await stat(home).catch(() => undefined)) === undefined)
      return refusal(failed('4.3.0', `cannot access home directory ${home}`));
    const recipient = this.#recipientAs(this.#ports.account);
    if (part?.kind === 'mailbox') return this.#beginMailbox(recipient, mailboxCommand);
    const forwarding = await this.#readForwarding(recipient);
    if (part === undefined) {
      if (forwarding === undefined) return this.#beginMailbox(recipient, mailboxCommand);
      return verdictAlone({ kind: 'forwarded', ...forwarding });
    }
    // Taken out of the file meanwhile: then the mailbox it is, so that nothing is lost.
    if (!isNamedIn(part, forwarding?.targets)) return this.#beginMailbox(recipient, mailboxCommand);
    return this.#beginPart(part, recipient);
  }

  async #readForwarding(recipient: LocalRecipient): Promise<Forwarding | undefined> {
    return await readForwarding(recipient, this.#settings, {
      uid: this.#ports.account.uid,
      warn: (text) => this.#warn(text),
    });
  }

  async #beginAlias(task: Extract<DeliveryTask, { kind: 'alias' }>): Promise<DeliveryWriter> {
    const { allowCommands, allowFiles } = this.#settings;
    const recipient = this.#aliasRecipient(task);
    const { part } = this.#header;
    if (task.what === 'include') {
      const targets = await readList(task.target, this.#settings, {
        uid: this.#ports.account.uid,
        warn: (text) => this.#warn(text),
      });
      const propagates = this.#settings.propagate.includes('include');
      if (part === undefined) return verdictAlone({ kind: 'forwarded', targets, propagates });
      if (isNamedIn(part, targets)) return this.#beginPart(part, recipient);
      return refusal(failed('5.2.0', `${task.target} no longer names what this mail was for`));
    }
    if (task.what === 'command') {
      if (!allowCommands.includes('alias')) return refusal(failed('5.7.1', 'mail to command is restricted'));
      return this.#beginPart({ kind: 'command', target: task.target }, recipient);
    }
    if (!allowFiles.includes('alias')) return refusal(failed('5.7.1', 'mail to file is restricted'));
    return this.#beginPart({ kind: 'file', target: task.target }, recipient);
  }

  #beginPart({ kind, target }: DeliveryPart, recipient: LocalRecipient): DeliveryWriter {
    if (kind === 'command') return this.#collect((body) => this.#runLine(target, recipient, body));
    const path = pathOf(target, recipient.home);
    if (path === undefined) {
      this.#warn(`bad home directory syntax for: ${target}`);
      return refusal(failed('5.3.5', 'mail system configuration error'));
    }
    if (path.endsWith('/')) return this.#intoMaildir(path, 'delivered to maildir');
    return this.#collect(async (body) => {
      const fault = await this.#append(path, body, {
        mayLackDotlock: true,
        // POSTFIX: a program is not to be turned into a mailbox.
        check: ({ isFile, mode }) =>
          isFile && (mode & 0o111) !== 0 ? failed('5.7.1', 'file is executable') : undefined,
      });
      if (fault === undefined) return sent(`delivered to file: ${path}`);
      return { ...fault, text: `cannot append message to file ${path}: ${fault.text}` };
    });
  }

  #beginMailbox(recipient: LocalRecipient, mailboxCommand: string | undefined): DeliveryWriter {
    if (this.#header.mailboxElsewhere === true) return verdictAlone({ kind: 'elsewhere' });
    const command = mailboxCommand ?? this.#settings.mailboxCommand;
    if (command !== '') return this.#collect((body) => this.#runLine(command, recipient, body));
    return this.#intoPlace(this.#settings.mailbox, recipient.user);
  }

  #intoPlace({ kind, path: template }: MailboxPlace, user: string): DeliveryWriter {
    const path = this.#ports.expandPath(template);
    if (kind === 'maildir') return this.#intoMaildir(path);
    return this.#collect(async (body) => {
      const fault = await this.#append(path, body, {
        // POSTFIX: has the spool folder's group for the lock file; a user's own process has not, and locks the file.
        mayLackDotlock: !template.startsWith('~'),
        check: (file) => this.#own(file, path),
      });
      if (fault === undefined) return sent('delivered to mailbox');
      return { ...fault, text: `cannot update mailbox ${path} for user ${user}. ${fault.text}` };
    });
  }

  #beginVirtual(task: Extract<DeliveryTask, { kind: 'virtual' }>): DeliveryWriter {
    const { mailbox, sizeLimit, locks } = task;
    if (mailbox.endsWith('/')) return this.#intoMaildir(mailbox);
    return this.#collect(async (body) => {
      const check = (file: { readonly isFile: boolean; readonly uid: number }) => this.#own(file, mailbox);
      const fault = await this.#append(mailbox, body, {
        mayLackDotlock: false,
        check,
        sizeLimit,
        locks,
        dsn: '4.2.0',
      });
      if (fault === undefined) return sent('delivered to mailbox');
      return { ...fault, text: `delivery failed to mailbox ${mailbox}: ${fault.text}` };
    });
  }

  #own(file: { readonly isFile: boolean; readonly uid: number }, path: string): LocalResult | undefined {
    if (!file.isFile) return failed('5.2.0', `destination ${path} is not a regular file`);
    if (!this.#settings.strictOwner || file.uid === this.#ports.account.uid) return undefined;
    return failed('4.2.0', `destination ${path} is not owned by recipient`);
  }

  /** The message goes on as it comes in; nothing waits for its end. */
  #intoMaildir(path: string, text?: string): DeliveryWriter {
    const writer = this.#ports.openMaildir(path);
    const head = this.#prepends('file')
      ? formatDeliveryHeaders(this.#header)
      : this.#head({ returnPath: true, originalTo: true });
    const opened = writer.write(Buffer.from(head, 'utf8'));
    const fullTempfail = this.#ports.fullTempfail === true;
    return {
      write(chunk) {
        if (!(opened instanceof Promise)) return writer.write(chunk);
        const own = Buffer.from(chunk);
        return opened.then(() => writer.write(own));
      },
      abort: () => writer.abort(),
      async commit() {
        await opened;
        try {
          await writer.commit();
        } catch (error) {
          if (!(error instanceof MailboxError && error.code === 'overQuota' && error.said)) throw error;
          // DOVECOT: a quota of its own bounces; the system's, as Postfix has it, may be gone tomorrow.
          const result = failed(fullTempfail ? '4.2.2' : '5.2.2', error.message);
          return { kind: 'result', result };
        }
        return text === undefined ? { kind: 'stored' } : { kind: 'result', result: sent(text) };
      },
    };
  }

  async #append(
    path: string,
    body: MessageBody,
    how: {
      readonly mayLackDotlock: boolean;
      readonly check: NonNullable<Parameters<typeof appendToFile>[0]['check']>;
      readonly sizeLimit?: number;
      readonly dsn?: string;
      readonly locks?: readonly LockStyle[];
    },
  ): Promise<LocalResult | undefined> {
    const { sizeLimit = this.#settings.sizeLimit, dsn = '5.2.0' } = how;
    const head = this.#head({
      fromLine: true,
      returnPath: true,
      originalTo: true,
      deliveredTo: this.#prepends('file'),
    });
    const chunks = copyOf(head, body, { quoteFrom: true, blankLine: true });
    const { mayLackDotlock, check } = how;
    const locks = { ...this.#settings.locks, ...(how.locks === undefined ? {} : { styles: how.locks }) };
    return await appendToFile({ path, chunks, locks, mayLackDotlock, check, sizeLimit, dsn });
  }

  async #runLine(line: string, recipient: LocalRecipient, body: MessageBody): Promise<LocalResult> {
    const { command: settings } = this.#settings;
    const { sender, originalRecipient, client = {} } = this.#header;
    const { expansion } = expandDelivery(settings.directory, recipient, settings.directoryFilter);
    if (!expansion.ok) {
      this.#warn(`command_execution_directory: ${expansion.reason}`);
      return failed('4.3.5', 'mail system configuration error');
    }
    const head = this.#head({
      fromLine: true,
      returnPath: true,
      originalTo: true,
      deliveredTo: this.#prepends('command'),
    });
    const { end, output } = await runCommand({
      command: line,
      shell: settings.shell,
      environment: commandEnvironment(recipient, { sender, originalRecipient, client }, settings),
      directory: expansion.value === '' ? '/' : expansion.value,
      timeLimit: settings.timeLimit,
      fileSizeLimit: settings.fileSizeLimit,
      input: copyOf(head, body, {}),
    });
    return readCommandEnd(end, line, output) ?? sent(`delivered to command: ${line}`);
  }

  async #pipe(
    { service, timeLimit }: Extract<DeliveryTask, { kind: 'pipe' }>,
    body: MessageBody,
  ): Promise<LocalResult> {
    const { header } = this;
    const { pipe, client = {}, sender, queueId } = header;
    if (pipe === undefined) throw new Error('a pipe delivery without recipients');
    const { flags, name } = service;
    for (const flag of ['D', 'O']) {
      if (!flags.includes(flag) || pipe.recipients.length === 1) continue;
      this.#warn(`pipe flag \`${flag}' requires ${name}_destination_recipient_limit = 1`);
      return failed('4.3.5', 'mail system configuration error');
    }
    if (service.size !== 0 && body.size > service.size) return failed('5.2.3', 'message too large');
    const fault = addressFault([sender, ...pipe.recipients.map(({ address }) => address)]);
    if (fault !== undefined) return fault;
    const [only = ''] = header.recipients;
    if (flags.includes('D') && (await wasDeliveredTo(only, body.read())))
      return failed('5.4.6', `mail forwarding loop for ${only}`);
    const envelope = { sender, queueId, client, size: body.size, ...pipe };
    const argv = expandArgv(service, envelope, this.#settings.recipientDelimiter);
    const head = formatHead(
      {
        sender: sender === '' ? service.nullSender : sender,
        originalRecipient: header.originalRecipient,
        deliveredTo: header.recipients,
      },
      {
        fromLine: flags.includes('F'),
        returnPath: flags.includes('R'),
        originalTo: flags.includes('O'),
        deliveredTo: flags.includes('D'),
      },
      new Date(),
    );
    const { end, output } = await runCommand({
      command: argv,
      environment: this.#settings.command.environment,
      directory: service.directory === '' ? '/' : service.directory,
      timeLimit,
      fileSizeLimit: this.#settings.command.fileSizeLimit,
      input: copyOf(head, body, {
        quoteFrom: flags.includes('>'),
        quoteDots: flags.includes('.'),
        blankLine: flags.includes('B'),
        lineEnd: service.lineEnd,
      }),
    });
    const said = cleanOutput(output).slice(0, 100);
    return (
      readCommandEnd(end, argv[0], output) ??
      sent(`delivered via ${name} service${said === '' ? '' : ` (${said})`}`)
    );
  }

  get header(): DeliveryHeader {
    return this.#header;
  }

  /** Takes the whole message, then does one thing with it. */
  #collect(deliver: (body: MessageBody) => Promise<LocalResult>): DeliveryWriter {
    const body = new MessageBody();
    let written: Promise<void> = Promise.resolve();
    return {
      write(chunk) {
        const own = Buffer.from(chunk);
        written = written.then(() => body.write(own));
        return written;
      },
      async abort() {
        await written.catch(() => {});
        await body.close();
      },
      async commit() {
        await written;
        try {
          return { kind: 'result', result: await deliver(body) };
        } catch (error) {
          return { kind: 'result', result: failed('4.3.0', wordsOf(error)) };
        } finally {
          await body.close();
        }
      },
    };
  }

  #head(rules: HeadRules): string {
    const { sender, originalRecipient, recipients } = this.#header;
    return formatHead({ sender, originalRecipient, deliveredTo: recipients }, rules, new Date());
  }

  #prepends(kind: DeliveredHeader): boolean {
    return this.#settings.prepend.includes(kind);
  }

  #recipientAs(account: LocalDeliveryPorts['account'] | undefined): LocalRecipient {
    const recipient = readLocalRecipient(this.#header.recipients[0] ?? '', this.#settings);
    if (account === undefined) return recipient;
    const { name, home, shell } = account;
    // The account may be reached by an alias: whose .forward file counts is not the address's matter.
    const own = recipient.user === name.toLowerCase();
    const { extension, delimiter } = recipient;
    const local = extension === undefined ? name : `${name}${delimiter}${extension}`;
    return {
      ...recipient,
      user: name,
      ...(own ? {} : { local, extension: undefined }),
      home,
      ...(shell === undefined ? {} : { shell }),
    };
  }

  /** POSTFIX: USER and LOGNAME are the alias; home and shell are there where the rights are an account's own. */
  #aliasRecipient({
    alias,
    ownRights,
  }: {
    readonly alias: string;
    readonly ownRights: boolean;
  }): LocalRecipient {
    const recipient = this.#recipientAs(undefined);
    const { home, shell } = this.#ports.account;
    const rights = ownRights ? { home, ...(shell === undefined ? {} : { shell }) } : {};
    if (recipient.user === alias || recipient.local === alias) return { ...recipient, ...rights };
    const address = `${alias}@${recipient.domain}`;
    return { ...recipient, ...rights, address, user: alias, local: alias, extension: undefined };
  }

  #warn(text: string): void {
    this.#ports.log('warn', 'postfix/local', `${this.#header.queueId}: ${text}`);
  }
}

function isNamedIn(part: DeliveryPart, targets: readonly ForwardTarget[] | undefined): boolean {
  return (
    targets?.some(
      (one) =>
        (one.kind === 'command' || one.kind === 'file') &&
        one.kind === part.kind &&
        one.target === part.target,
    ) === true
  );
}

/** `~/name` is below the home; `~user` is nobody's. */
function pathOf(target: string, home: string | undefined): string | undefined {
  if (!target.startsWith('~')) return target;
  return target.startsWith('~/') && home !== undefined
    ? `${home.replace(/\/+$/, '')}${target.slice(1)}`
    : undefined;
}

/** POSTFIX: allow_min_user: what begins with `-` would be an option to the command. */
function addressFault(addresses: readonly string[]): LocalResult | undefined {
  for (const address of addresses) {
    if (/^"?-/.test(address)) return failed('5.1.3', `bad address syntax: ${address}`);
    if (/[\0-\x1f\x7f]/.test(address)) return failed('5.1.3', 'bad address syntax: control character');
  }
  return undefined;
}

async function* copyOf(
  head: string,
  body: MessageBody,
  rules: CopyRules,
): AsyncGenerator<Buffer, void, undefined> {
  const lineEnd = rules.lineEnd ?? '\n';
  yield Buffer.from(lineEnd === '\r\n' ? head : head.replaceAll('\r\n', lineEnd), 'utf8');
  const copy = new MessageCopy(rules);
  for await (const chunk of body.read()) {
    const piece = copy.push(chunk);
    if (piece.length > 0) yield piece;
  }
  const end = copy.end();
  if (end.length > 0) yield end;
}

/** The message is read and forgotten. */
function verdictAlone(verdict: DeliveryVerdict): DeliveryWriter {
  return { write: () => undefined, abort: async () => {}, commit: async () => verdict };
}

const refusal = (result: LocalResult): DeliveryWriter => verdictAlone({ kind: 'result', result });

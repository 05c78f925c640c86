// Raw clients for the three protocols, as thin as they can be: they log in, send one command and give back the lines.
// Anything unexpected throws with the dialog so far.

import { type ConnectOptions, LineClient } from './line-client.ts';
import type { Account } from './play-transcript.ts';

type Target = Omit<ConnectOptions, 'timeoutMs'> & { readonly timeoutMs?: number };

export class SmtpClient {
  readonly line: LineClient;

  private constructor(line: LineClient) {
    this.line = line;
  }

  /** Connects, reads the greeting and says EHLO. */
  static async connect(target: Target): Promise<SmtpClient> {
    const client = new SmtpClient(await LineClient.connect(target));
    await client.expect('220');
    await client.command('EHLO client.example', '250');
    return client;
  }

  /** The lines of one reply, which must have this code. */
  async expect(code: string): Promise<string[]> {
    const lines = await this.line.linesUntil(/^\d{3}(?: |$)/);
    if (!(lines.at(-1) ?? '').startsWith(code))
      throw this.line.fail(`expected ${code}, got ${lines.join(' / ')}`);
    return lines;
  }

  async command(text: string, code: string): Promise<string[]> {
    this.line.send(`${text}\r\n`);
    return await this.expect(code);
  }

  async startTls(): Promise<void> {
    await this.command('STARTTLS', '220');
    await this.line.startTls();
    await this.command('EHLO client.example', '250');
  }

  async authenticate(account: Pick<Account, 'name' | 'password'>): Promise<void> {
    const credentials = Buffer.from(`\0${account.name}\0${account.password}`).toString('base64');
    await this.command(`AUTH PLAIN ${credentials}`, '235');
  }

  /** Sends one message with CRLF lines; gives the queue id from the reply. */
  async deliver(sender: string, recipients: readonly string[], message: string): Promise<string> {
    await this.command(`MAIL FROM:<${sender}>`, '250');
    for (const recipient of recipients) await this.command(`RCPT TO:<${recipient}>`, '250');
    await this.command('DATA', '354');
    this.line.send(`${message.replaceAll(/^\./gm, '..')}\r\n.\r\n`);
    const reply = (await this.expect('250')).join(' ');
    return /queued as (\w+)/.exec(reply)?.[1] ?? '';
  }

  async quit(): Promise<void> {
    await this.command('QUIT', '221');
    this.line.close();
  }
}

export class ImapClient {
  readonly line: LineClient;
  #tag = 0;

  private constructor(line: LineClient) {
    this.line = line;
  }

  static async connect(target: Target): Promise<ImapClient> {
    const client = new ImapClient(await LineClient.connect(target));
    await client.line.linesUntil(/^\* (?:OK|PREAUTH)/);
    return client;
  }

  static async login(target: Target, account: Pick<Account, 'name' | 'password'>): Promise<ImapClient> {
    const client = await ImapClient.connect(target);
    await client.command(`LOGIN ${account.name} ${account.password}`);
    return client;
  }

  /** Lines of the response, the tagged one last; it must be OK unless another status is wanted. */
  async command(text: string, status: 'OK' | 'NO' | 'BAD' = 'OK'): Promise<string[]> {
    const tag = `t${++this.#tag}`;
    this.line.send(`${tag} ${text}\r\n`);
    const lines = await this.line.linesUntil(new RegExp(`^${tag} `));
    if (!(lines.at(-1) ?? '').startsWith(`${tag} ${status}`)) throw this.line.fail(`expected ${status}`);
    return lines;
  }

  /** What was selected: UIDVALIDITY, UIDNEXT, the number of messages. */
  async select(folder = 'INBOX'): Promise<{ uidValidity: number; uidNext: number; exists: number }> {
    const text = (await this.command(`SELECT "${folder}"`)).join('\n');
    const number = (pattern: RegExp): number => Number(pattern.exec(text)?.[1]);
    return {
      uidValidity: number(/\[UIDVALIDITY (\d+)\]/),
      uidNext: number(/\[UIDNEXT (\d+)\]/),
      exists: number(/^\* (\d+) EXISTS/m),
    };
  }

  /** UID and sorted flags of every message, without `\Recent`. */
  async flags(): Promise<Map<number, string>> {
    const found = new Map<number, string>();
    for (const line of await this.command('UID FETCH 1:* (UID FLAGS)')) {
      const match = /FETCH \(UID (\d+) FLAGS \(([^)]*)\)/.exec(line);
      if (match === null) continue;
      const flags = (match[2] ?? '').split(' ').filter((flag) => flag !== '' && flag !== '\\Recent');
      found.set(Number(match[1]), flags.toSorted().join(' '));
    }
    return found;
  }

  async logout(): Promise<void> {
    await this.command('LOGOUT');
    this.line.close();
  }
}

export class Pop3Client {
  readonly line: LineClient;

  private constructor(line: LineClient) {
    this.line = line;
  }

  static async login(target: Target, account: Pick<Account, 'name' | 'password'>): Promise<Pop3Client> {
    const client = new Pop3Client(await LineClient.connect(target));
    await client.expectOk();
    await client.command(`USER ${account.name}`);
    await client.command(`PASS ${account.password}`);
    return client;
  }

  async expectOk(): Promise<string> {
    const line = await this.line.line();
    if (!line.startsWith('+OK')) throw this.line.fail(`expected +OK, got ${line}`);
    return line;
  }

  async command(text: string): Promise<string> {
    this.line.send(`${text}\r\n`);
    return await this.expectOk();
  }

  /** The lines of a multi-line response, unstuffed. */
  async lines(text: string): Promise<string[]> {
    await this.command(text);
    const lines = await this.line.linesUntil(/^\.$/);
    return lines.slice(0, -1).map((line) => (line.startsWith('.') ? line.slice(1) : line));
  }

  async quit(): Promise<void> {
    await this.command('QUIT');
    this.line.close();
  }
}

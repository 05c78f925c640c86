// The log lines of one session, in order: they name the client, and its name is known only when the DNS has answered,
// so lines wait for it. Commands are counted for the `disconnect from` line.

import type { Log, LogLevel, Peer, TlsInfo } from '@postcote/wire';
import type { ClientName } from './client-name.ts';
import { COMMANDS } from './commands/table.ts';
import { printable } from './reply.ts';

type Line = readonly [level: LogLevel, message: (client: string) => string];

export class SessionLog {
  readonly #log: Log;
  readonly #program: string;
  readonly #peer: Peer;
  #client: string | undefined;
  #waiting: Line[] = [];

  constructor(log: Log, program: string, peer: Peer) {
    this.#log = log;
    this.#program = program;
    this.#peer = peer;
  }

  write(level: LogLevel, message: (client: string) => string): void {
    if (this.#client === undefined) this.#waiting.push([level, message]);
    else this.#log(level, this.#program, message(this.#client));
  }

  /** Lines that waited are written now. POSTFIX: a warning about the name comes before all of them. */
  named(client: ClientName, warning?: string): void {
    if (warning !== undefined) this.#log('warn', this.#program, `warning: ${warning}`);
    this.#client = `${client.name}[${this.#peer.remoteAddress}]`;
    for (const [level, message] of this.#waiting) this.#log(level, this.#program, message(this.#client));
    this.#waiting = [];
  }

  /** XCLIENT: lines from here on are another client's. */
  renamed(client: ClientName, address: string): void {
    this.named(client);
    this.#client = `${client.name}[${address}]`;
  }

  secured(tls: TlsInfo): void {
    const exchange = tls.keyExchange === undefined ? '' : ` key-exchange ${tls.keyExchange}`;
    const facts = `${tls.protocol} with cipher ${tls.cipher} (${tls.usedBits}/${tls.algorithmBits} bits)${exchange}`;
    this.write('info', (client) => `${trustOf(tls)} TLS connection established from ${client}: ${facts}`);
  }

  handshakeFailed(reason: string): void {
    this.write('info', (client) => `SSL_accept error from ${client}: ${tlsReason(reason)}`);
  }
}

/** POSTFIX: what is known of the other side by its certificate. */
function trustOf({ client }: TlsInfo): string {
  if (client === undefined) return 'Anonymous';
  return client.trusted ? 'Trusted' : 'Untrusted';
}

interface Count {
  total: number;
  succeeded: number;
}

/** ` ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4`. */
export class CommandCounts {
  readonly #counts = new Map<string, Count>();

  /** `verb` as the table knows it, or `UNKNOWN`. */
  begun(verb: string): void {
    const count = this.#counts.get(verb);
    if (count === undefined) this.#counts.set(verb, { total: 1, succeeded: 0 });
    else count.total++;
  }

  succeeded(verb: string): void {
    const count = this.#counts.get(verb);
    if (count !== undefined) count.succeeded++;
  }

  format(): string {
    let text = '';
    const all: Count = { total: 0, succeeded: 0 };
    for (const verb of [...COMMANDS.keys(), 'UNKNOWN']) {
      const count = this.#counts.get(verb);
      if (count === undefined) continue;
      text += ` ${verb.toLowerCase()}=${formatCount(count)}`;
      all.total += count.total;
      all.succeeded += count.succeeded;
    }
    return `${text} commands=${all.total === 0 ? '0/0' : formatCount(all)}`;
  }
}

function formatCount({ total, succeeded }: Count): string {
  return succeeded === total ? String(succeeded) : `${succeeded}/${total}`;
}

/** What went wrong, out of OpenSSL's `40ED…:error:0A00010B:SSL routines:function:wrong version number:file.c:77:`. */
export function tlsReason(text: string): string {
  const words = /:SSL routines:[^:]*:([^:]+)/.exec(text)?.[1] ?? text;
  return printable(words.trim()).slice(0, 200);
}

/** Octets as the log shows them: `RSET\r\n`. */
export function escaped(octets: Buffer): string {
  return printable(
    octets.toString('latin1').replace(/\r/g, '\\r').replace(/\n/g, '\\n').replace(/\t/g, '\\t'),
  );
}

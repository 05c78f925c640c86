// A mail server that behaves as a test says: what it answers at each phase, where it falls silent, where it drops the
// connection. It keeps what it was sent, octet for octet.

import net from 'node:net';
import tls from 'node:tls';
import fs from 'node:fs';
import type { CertificateFiles } from './certificate.ts';

export type Phase = 'connect' | 'EHLO' | 'HELO' | 'STARTTLS' | 'MAIL' | 'RCPT' | 'DATA' | 'body' | 'end';

export interface Behaviour {
  /** A reply line, `drop`, or `silence`, in place of what a willing server does. */
  readonly at?: Partial<Record<Phase, string>>;
  /** Keywords of the EHLO reply. */
  readonly keywords?: readonly string[];
  readonly certificate?: CertificateFiles;
  readonly lmtp?: boolean;
  /** Milliseconds until the message's end is answered. */
  readonly slowness?: number;
}

export interface TakenMail {
  readonly commands: readonly string[];
  /** With dots still stuffed, without the final one. */
  readonly octets: string;
}

export class ScriptedMx {
  readonly #server = net.createServer();
  readonly #sockets = new Set<net.Socket>();
  readonly taken: TakenMail[] = [];
  /** Every line of every session, bodies left out. */
  readonly lines: string[] = [];
  connections = 0;
  /** Addresses that connections came from. */
  readonly peers: string[] = [];
  behaviour: Behaviour = {};

  static async start(address: string, port: number, behaviour: Behaviour = {}): Promise<ScriptedMx> {
    const mx = new ScriptedMx();
    mx.behaviour = behaviour;
    mx.#server.on('connection', (socket) => mx.#serve(socket));
    await new Promise<void>((resolve, reject) => {
      mx.#server.once('error', reject);
      mx.#server.listen(port, address, resolve);
    });
    return mx;
  }

  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(plain: net.Socket): void {
    this.connections++;
    this.peers.push(plain.remoteAddress ?? '');
    const { at = {}, keywords = [], certificate, lmtp = false, slowness = 0 } = this.behaviour;
    let socket = plain;
    let buffer = '';
    let inBody = false;
    let commands: string[] = [];
    let recipients = 0;
    this.#sockets.add(plain);
    const act = (phase: Phase, reply: string): boolean => {
      const told = at[phase];
      if (told === 'drop') socket.destroy();
      else if (told !== 'silence') socket.write(`${told ?? reply}\r\n`);
      return told === undefined;
    };
    const run = (line: string): void => {
      this.lines.push(line);
      const verb = line.split(/[ :]/, 1)[0]?.toUpperCase() ?? '';
      commands.push(line);
      if (verb === 'EHLO' || verb === 'LHLO') {
        const words = [...keywords, ...(certificate !== undefined && socket === plain ? ['STARTTLS'] : [])];
        const all = ['scripted', ...words];
        act('EHLO', all.map((word, i) => `250${i === all.length - 1 ? ' ' : '-'}${word}`).join('\r\n'));
      } else if (verb === 'HELO') act('HELO', '250 scripted');
      else if (verb === 'STARTTLS') {
        if (act('STARTTLS', '220 go') && certificate !== undefined) secure(certificate);
      } else if (verb === 'MAIL') {
        recipients = 0;
        commands = [line];
        act('MAIL', '250 2.1.0 ok');
      } else if (verb === 'RCPT') {
        if (act('RCPT', '250 2.1.5 ok')) recipients++;
      } else if (verb === 'DATA') {
        inBody = act('DATA', '354 go');
        if (inBody && at.body === 'drop') socket.destroy();
      } else if (verb === 'QUIT') socket.end('221 bye\r\n');
      else socket.write('250 2.0.0 ok\r\n');
    };
    const receive = (chunk: Buffer): void => {
      buffer += chunk.toString('latin1');
      for (;;) {
        if (inBody) {
          const end = buffer.startsWith('.\r\n') ? 0 : buffer.indexOf('\r\n.\r\n');
          if (end === -1 || at.body === 'silence') return;
          const octets = end === 0 ? '' : buffer.slice(0, end + 2);
          buffer = buffer.slice(end === 0 ? 3 : end + 5);
          inBody = false;
          const reply = '250 2.0.0 taken as 1';
          const replies = lmtp ? Array.from({ length: recipients }, () => reply) : [reply];
          const mail = { commands, octets };
          const answer = (): void => {
            if (act('end', replies.join('\r\n'))) this.taken.push(mail);
          };
          if (slowness === 0) answer();
          else setTimeout(answer, slowness);
          commands = [];
          continue;
        }
        const end = buffer.indexOf('\r\n');
        if (end === -1) return;
        const line = buffer.slice(0, end);
        buffer = buffer.slice(end + 2);
        run(line);
      }
    };
    const secure = (files: CertificateFiles): void => {
      plain.off('data', receive);
      const secured = new tls.TLSSocket(plain, {
        isServer: true,
        cert: fs.readFileSync(files.certFile),
        key: fs.readFileSync(files.keyFile),
      });
      secured.on('error', () => {});
      secured.on('data', receive);
      socket = secured;
    };
    plain.on('error', () => {});
    plain.on('close', () => this.#sockets.delete(plain));
    plain.on('data', receive);
    act('connect', '220 scripted ESMTP');
  }
}

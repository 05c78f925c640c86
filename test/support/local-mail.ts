// Mail to local recipients and what became of it, told the same way for the daemon and for a real Postfix: who has
// which copy with which headers, what files there are, what commands saw, what the log says of each recipient.

import fs from 'node:fs';
import path from 'node:path';
import { LineClient } from './line-client.ts';
import type { Account } from './play-transcript.ts';
import type { World } from './world.ts';

export interface Sent {
  readonly from?: string;
  readonly to: string;
  readonly headers?: readonly string[];
  readonly body?: string;
}

/** Sends one message; the reply to its end must be 250. */
export async function sendMail(
  world: World,
  { from = '', to, headers = [], body = 'text' }: Sent,
): Promise<void> {
  const client = await LineClient.connect({ port: world.ports.smtp });
  const expectCode = async (code: string): Promise<void> => {
    for (;;) {
      const line = (await client.line()) ?? '';
      if (!line.startsWith(code)) throw new Error(`${to}: expected ${code}, got ${line}`);
      if (line[3] === ' ') return;
    }
  };
  try {
    await expectCode('220');
    client.send('EHLO client.example.com\r\n');
    await expectCode('250');
    client.send(`MAIL FROM:<${from}>\r\n`);
    await expectCode('250');
    client.send(`RCPT TO:<${to}>\r\n`);
    await expectCode('250');
    client.send('DATA\r\n');
    await expectCode('354');
    client.send(`${[...headers, 'Subject: test', '', body].join('\r\n')}\r\n.\r\n`);
    await expectCode('250');
    client.send('QUIT\r\n');
  } finally {
    client.close();
  }
}

/** Each message of a Maildir's new/, its text. */
export function maildir(folder: string): string[] {
  const box = path.join(folder, 'new');
  if (!fs.existsSync(box)) return [];
  return fs
    .readdirSync(box)
    .filter((name) => !name.startsWith('.'))
    .map((name) => fs.readFileSync(path.join(box, name), 'utf8').replaceAll('\r\n', '\n'));
}

export const inbox = (account: Account): string[] => maildir(path.join(account.home, 'mail'));

/** The lines that delivery puts on top. */
export function topLines(message: string): string[] {
  const wanted = /^(Return-Path|X-Original-To|Delivered-To|From ):? ?/;
  const lines = message.split('\n\n', 1)[0]?.split('\n') ?? [];
  return lines.filter((line) => wanted.test(line)).map((line) => line.replace(/^(From \S+) .*/, '$1'));
}

export interface Status {
  readonly dsn: string;
  readonly status: string;
  readonly text: string;
}

/** What the log says of a recipient, in order; forwarding lines are left out. */
export function statusesOf(log: string, address: string): Status[] {
  const found: Status[] = [];
  for (const line of log.split('\n')) {
    const match = /: to=<([^>]*)>,.* dsn=([\d.]+), status=(\w+) \((.*)\)$/.exec(line);
    if (match?.[1]?.toLowerCase() !== address.toLowerCase()) continue;
    const [, , dsn = '', status = '', text = ''] = match;
    if (!text.startsWith('forwarded as')) found.push({ dsn, status, text });
  }
  return found;
}

/** A script that writes down who runs it, where, with which environment and arguments, and what it is told. */
export function writeDumpScript(folder: string): string {
  const script = path.join(folder, 'dump.sh');
  fs.writeFileSync(
    script,
    `#!/bin/sh
out=$1; shift
{ echo "id $(id -u) $(id -g)"
  echo "args $*"
  env | sort | sed 's/^/env /'
  echo "fds $(ls /proc/$$/fd | tr '\\n' ' ')"
  sed 's/^/in /'
} > "$out.part" 2>&1
mv "$out.part" "$out"
`,
    { mode: 0o755 },
  );
  return script;
}

// Sends one message over SMTP, the way any client would. Enough of the client side for the demonstration and for
// a server that checks itself; nothing more.

import { connect } from 'node:net';
import { createInterface } from 'node:readline';

export interface SmallMail {
  readonly port: number;
  readonly from: string;
  readonly to: string;
  /** Header and body with LF line ends. */
  readonly text: string;
}

const TIME_LIMIT = 10_000;

/** Settles with the server's answer to the message. Rejects with the reply that was not expected. */
export async function sendSmallMail(mail: SmallMail): Promise<string> {
  const socket = connect(mail.port, '127.0.0.1');
  socket.setTimeout(TIME_LIMIT, () => socket.destroy(new Error('no answer from the server')));
  const failed = new Promise<never>((_resolve, reject) => {
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the server closed the connection')));
  });
  failed.catch(() => {});
  const lines = createInterface({ input: socket, crlfDelay: Infinity })[Symbol.asyncIterator]();
  const expectReply = async (code: string): Promise<string> => {
    for (;;) {
      const { value, done } = await Promise.race([lines.next(), failed]);
      const line = done === true ? '' : (value as string);
      if (line[3] === '-') continue;
      if (!line.startsWith(code)) throw new Error(line === '' ? 'the server closed the connection' : line);
      return line;
    }
  };
  const say = async (line: string, code: string): Promise<string> => {
    socket.write(`${line}\r\n`);
    return await expectReply(code);
  };
  try {
    await expectReply('220');
    await say('EHLO localhost', '250');
    await say(`MAIL FROM:<${mail.from}>`, '250');
    await say(`RCPT TO:<${mail.to}>`, '250');
    await say('DATA', '354');
    const body = mail.text.replaceAll('\n', '\r\n').replace(/^\./gm, '..');
    const answer = await say(`${body}\r\n.`, '250');
    await say('QUIT', '221');
    return answer;
  } finally {
    socket.destroy();
  }
}

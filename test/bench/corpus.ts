// Mailboxes for the benchmark: Maildirs as a delivery agent leaves them, that no server has seen. The same numbers give
// the same octets, so that each side has an identical copy.

import fs from 'node:fs';
import path from 'node:path';
import type { Account } from '../support/play-transcript.ts';

const BEGUN = 1_600_000_000;
/** In every thousandth message, and in every third. */
export const RARE_WORD = 'qwertzuiop';
export const FREQUENT_WORD = 'lollipops';

export function makeMailbox(account: Account, messages: number): void {
  const maildir = maildirOf(account);
  for (const folder of ['', 'cur', 'new', 'tmp']) {
    const directory = path.join(maildir, folder);
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
    fs.chownSync(directory, account.uid, account.gid);
  }
  for (let i = 0; i < messages; i++) {
    const seconds = BEGUN + i * 60;
    const file = path.join(maildir, 'cur', `${seconds}.M${i}P1.bench:2,${i % 3 === 0 ? '' : 'S'}`);
    fs.writeFileSync(file, makeMessage(i, seconds), { mode: 0o600 });
    fs.chownSync(file, account.uid, account.gid);
  }
}

/** Makes room. A server that still writes its index there is no failure: the whole folder goes at the end of the run. */
export function removeMailbox(account: Account): void {
  try {
    fs.rmSync(maildirOf(account), { recursive: true, force: true, maxRetries: 3, retryDelay: 100 });
  } catch {}
}

const maildirOf = (account: Account): string => path.join(account.home, 'mail');

/** Two to six kilobytes. */
export function makeMessage(number: number, seconds: number): string {
  const date = new Date(seconds * 1000).toUTCString().replace('GMT', '+0000');
  return [
    'Return-Path: <sender@example.com>',
    'Received: from mail.example.net (mail.example.net [192.0.2.1])',
    `\tby lollipop.example.com (Postfix) with ESMTPS id ${(number + 0x10000).toString(16).toUpperCase()}`,
    `\tfor <someone@example.com>; ${date}`,
    `From: "Sender ${number % 97}" <sender${number % 97}@example.net>`,
    'To: someone@example.com',
    `Subject: Message ${number} of a mailbox with many`,
    `Date: ${date}`,
    `Message-ID: <${number}.bench@example.net>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=us-ascii',
    '',
    ...lines(number, 25 + ((number * 7) % 50)),
    '',
  ].join('\n');
}

function* lines(number: number, count: number): Generator<string> {
  let state = (number + 1) * 2_654_435_761;
  for (let line = 0; line < count; line++) {
    const words: string[] = [];
    for (let length = 0; length < 66;) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      // Few words are common and many are rare, as in a language.
      const rank = Math.floor(VOCABULARY.length * (state / 2 ** 32) ** 3);
      const word = VOCABULARY[rank] ?? '';
      words.push(word);
      length += word.length + 1;
    }
    if (line === 3 && number % 1000 === 7) words.push(RARE_WORD);
    if (line === 5 && number % 3 === 0) words.push(FREQUENT_WORD);
    yield words.join(' ');
  }
}

const SYLLABLES = 'an be co di en fa gel hor im jo ka lum me nor os pre qui ros sta ter'.split(' ');
/** Made-up words of two or three syllables. */
const VOCABULARY = Array.from({ length: 4000 }, (_, i) => {
  const at = (n: number): string => SYLLABLES[n % SYLLABLES.length] ?? '';
  return at(i) + at(Math.floor(i / 20)) + (i < 400 ? '' : at(Math.floor(i / 400)));
});

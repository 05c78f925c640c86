// The table of commands, in the order in which Postfix lists them on the `disconnect from` line.

import type { Command } from '../conversation.ts';
import { auth } from './auth.ts';
import { bdat } from './bdat.ts';
import { data } from './data.ts';
import { etrn } from './etrn.ts';
import { ehlo, helo } from './helo.ts';
import { mail } from './mail.ts';
import { rcpt } from './rcpt.ts';
import { noop, quit, rset } from './session-commands.ts';
import { starttls } from './starttls.ts';
import { vrfy } from './vrfy.ts';
import { xclient, xforward } from './xclient.ts';

// HELP, EXPN and TURN are not here: POSTFIX answers them like any unknown word.
const ROWS: readonly Command[] = [
  helo,
  ehlo,
  starttls,
  auth,
  mail,
  rcpt,
  data,
  bdat,
  rset,
  noop,
  vrfy,
  etrn,
  quit,
  xclient,
  xforward,
];

export const COMMANDS: ReadonlyMap<string, Command> = new Map(ROWS.map((row) => [row.verb, row]));

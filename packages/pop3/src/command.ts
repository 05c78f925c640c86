// One command line of POP3 (RFC 1939 §3): a verb and whatever stands after the first space. Pure; no input throws.
//
//   command = verb [SP args] CRLF
//
// DOVECOT: verbs in any case; the arguments are taken as they stand, spaces included (a password may begin with one).

export interface PopCommand {
  /** Upper case. */
  readonly verb: string;
  readonly args: string;
}

/** Octets of a command line. DOVECOT: 8192 before login; RFC 2449 §4 asks for 255 at least. */
export const MAX_COMMAND_LINE = 8192;

/** Reads one line without its terminator. */
export function parseCommand(line: Buffer): PopCommand {
  const text = line.toString('utf8');
  const space = text.indexOf(' ');
  if (space === -1) return { verb: text.toUpperCase(), args: '' };
  return { verb: text.slice(0, space).toUpperCase(), args: text.slice(space + 1) };
}

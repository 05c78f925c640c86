// What became of one thing of a recipient's local delivery, and how a command's end reads. POSTFIX: sys_exits(3),
// pipe_command(3): codes, texts and which of them is for now.

export interface LocalResult {
  readonly status: 'sent' | 'deferred' | 'bounced';
  readonly dsn: string;
  readonly text: string;
}

export const sent = (text: string): LocalResult => ({ status: 'sent', dsn: '2.0.0', text });

/** By the code's class: 4 waits, 5 comes back. */
export function failed(dsn: string, text: string): LocalResult {
  return { status: dsn.startsWith('4') ? 'deferred' : 'bounced', dsn, text };
}

/** sysexits(3). */
const EXITS: ReadonlyMap<number, readonly [dsn: string, text: string]> = new Map([
  [64, ['5.3.0', 'command line usage error']],
  [65, ['5.6.0', 'data format error']],
  [66, ['5.3.0', 'cannot open input']],
  [67, ['5.1.1', 'user unknown']],
  [68, ['5.1.2', 'host name unknown']],
  [69, ['5.3.0', 'service unavailable']],
  [70, ['5.3.0', 'internal software error']],
  [71, ['4.3.0', 'system resource problem']],
  [72, ['5.3.0', 'critical OS file missing']],
  [73, ['5.2.0', "can't create user output file"]],
  [74, ['5.3.0', 'input/output error']],
  [75, ['4.3.0', 'temporary failure']],
  [76, ['5.5.0', 'remote error in protocol']],
  [77, ['5.7.0', 'permission denied']],
  [78, ['5.3.5', 'local configuration error']],
]);

export type CommandEnd =
  | { readonly kind: 'exit'; readonly status: number }
  | { readonly kind: 'signal'; readonly signal: number }
  | { readonly kind: 'timeLimit' }
  /** It could not be started. */
  | { readonly kind: 'notStarted'; readonly reason: string };

/** `output`: the first of what the command wrote, to either of its outputs. Undefined: it went well. */
export function readCommandEnd(end: CommandEnd, command: string, output: string): LocalResult | undefined {
  const said = cleanOutput(output);
  const withOutput = (text: string): string => (said === '' ? text : `${text}. Command output: ${said}`);
  switch (end.kind) {
    case 'timeLimit':
      return failed('5.3.0', withOutput(`Command time limit exceeded: "${command}"`));
    case 'signal':
      return failed('4.3.0', withOutput(`Command died with signal ${end.signal}: "${command}"`));
    case 'notStarted':
      return failed('4.3.0', `temporary failure. Command output: ${end.reason}`);
    case 'exit': {
      if (end.status === 0) return undefined;
      // RFC 3463: a command that speaks the language is taken at its word.
      const code = /^([245]\.\d{1,3}\.\d{1,3})(?=\s|$)\s*/.exec(said);
      if (code?.[1] !== undefined) {
        const dsn = code[1].startsWith('2') ? `5${code[1].slice(1)}` : code[1];
        return failed(dsn, said.slice(code[0].length));
      }
      const known = EXITS.get(end.status);
      if (known !== undefined) return failed(known[0], withOutput(known[1]));
      return failed('5.3.0', withOutput(`Command died with status ${end.status}: "${command}"`));
    }
  }
}

/** POSTFIX: printable(3): blanks for tabs and line ends, `_` for what cannot be shown. */
export function cleanOutput(output: string): string {
  return output
    .replace(/[\t\n\r]/g, ' ')
    .replace(/[^\x20-\x7e\u00a0-\uffff]/g, '_')
    .trim();
}

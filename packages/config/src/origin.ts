// Where a setting came from, and what is wrong with it. Every value this package hands out can name its file and
// line; every complaint does.

export interface Origin {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
}

/** `refuse`: the server must not start. `notice`: said once at start, and what happens instead. */
export type Severity = 'refuse' | 'notice';

export interface Problem {
  readonly severity: Severity;
  readonly file: string;
  /** 0 where no single line is to blame (a missing file). */
  readonly line: number;
  /** The parameter, restriction word, table or block concerned. */
  readonly name: string;
  readonly value: string;
  /** What happens instead, or what to do. */
  readonly message: string;
}

const MAX_SHOWN_VALUE = 200;

export function formatOrigin(origin: Origin): string {
  return origin.line > 0 ? `${origin.file}:${origin.line}` : origin.file;
}

/** `/etc/postfix/main.cf:12: soft_bounce = yes: …`. Long values are cut: the file holds the rest. */
export function formatProblem(problem: Problem): string {
  const shown =
    problem.value.length > MAX_SHOWN_VALUE ? `${problem.value.slice(0, MAX_SHOWN_VALUE)}…` : problem.value;
  const subject = shown === '' ? problem.name : `${problem.name} = ${shown}`;
  return `${formatOrigin(problem)}: ${subject === '' ? '' : `${subject}: `}${problem.message}`;
}

export interface Complaint {
  readonly name: string;
  readonly value?: string;
  readonly message: string;
}

export function refuse(origin: Origin, complaint: Complaint): Problem {
  return problem('refuse', origin, complaint);
}

export function notice(origin: Origin, complaint: Complaint): Problem {
  return problem('notice', origin, complaint);
}

function problem(severity: Severity, origin: Origin, complaint: Complaint): Problem {
  const { name, value = '', message } = complaint;
  return { severity, file: origin.file, line: origin.line, name, value, message };
}

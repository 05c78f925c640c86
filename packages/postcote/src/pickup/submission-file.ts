// What `sendmail` leaves in the maildrop folder: two lines, then the message as it was given. Nothing in it says who
// wrote it; the file's owner does.
//
//   postcote submission 1
//   {"sender":"bob","recipients":["alice@example.com"],…}
//   octets…

export interface Submission {
  /** Empty for `<>`. */
  readonly sender: string;
  /** For a `From:` that is missing. */
  readonly fullName?: string;
  /** As somebody wrote them: `bob`, `bob@example.com`. */
  readonly recipients: readonly string[];
  readonly bodyType?: '7BIT' | '8BITMIME';
  readonly notify?: readonly ('NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY')[];
  readonly ret?: 'FULL' | 'HDRS';
  readonly envelopeId?: string;
}

const FIRST_LINE = 'postcote submission 1';
const LF = 0x0a;
/** Octets of the two lines. */
export const MAX_ENVELOPE = 4 * 1024 * 1024;
export const MAX_RECIPIENTS = 50_000;
const MAX_TEXT = 1024;

/** Finished files; being written they are called `n-…`. */
export const SUBMISSION_NAME = /^m-[0-9a-f]{32}$/;
export const UNFINISHED_NAME = /^[nt]-[0-9a-f]{32}$/;

export function formatSubmission(submission: Submission): string {
  return `${FIRST_LINE}\n${JSON.stringify(submission)}\n`;
}

export type ReadSubmission =
  | {
      readonly kind: 'read';
      readonly submission: Submission;
      /** Where the message begins. */ readonly at: number;
    }
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'malformed' };

/** Reads the two lines at the start of a file. Never throws; the text comes from any user of the machine. */
export function readSubmission(start: Buffer): ReadSubmission {
  const first = start.indexOf(LF);
  const second = first === -1 ? -1 : start.indexOf(LF, first + 1);
  if (second === -1) return { kind: start.length >= MAX_ENVELOPE ? 'malformed' : 'incomplete' };
  if (start.toString('latin1', 0, first) !== FIRST_LINE) return { kind: 'malformed' };
  let value: unknown;
  try {
    value = JSON.parse(start.toString('utf8', first + 1, second));
  } catch {
    return { kind: 'malformed' };
  }
  const submission = check(value);
  return submission === undefined ? { kind: 'malformed' } : { kind: 'read', submission, at: second + 1 };
}

function check(value: unknown): Submission | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const given = value as Readonly<Record<string, unknown>>;
  const { sender, recipients, fullName, bodyType, notify, ret, envelopeId } = given;
  if (!isText(sender) || !Array.isArray(recipients)) return undefined;
  if (recipients.length === 0 || recipients.length > MAX_RECIPIENTS) return undefined;
  if (!recipients.every((one): one is string => isText(one) && one !== '')) return undefined;
  const words = readNotify(notify);
  if (words === 'malformed') return undefined;
  return {
    sender,
    recipients,
    ...(isText(fullName) ? { fullName } : {}),
    ...(bodyType === '7BIT' || bodyType === '8BITMIME' ? { bodyType } : {}),
    ...(words === undefined ? {} : { notify: words }),
    ...(ret === 'FULL' || ret === 'HDRS' ? { ret } : {}),
    ...(isText(envelopeId) && envelopeId !== '' ? { envelopeId } : {}),
  };
}

const NOTIFY_WORDS = ['NEVER', 'SUCCESS', 'FAILURE', 'DELAY'] as const;

function readNotify(value: unknown): Submission['notify'] | 'malformed' {
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.length === 0 || value.length > NOTIFY_WORDS.length) return 'malformed';
  const words = NOTIFY_WORDS.filter((word) => value.includes(word));
  return words.length === value.length ? words : 'malformed';
}

/** No control characters: these strings end up in headers and in the log. */
function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= MAX_TEXT && !/\p{Cc}/u.test(value);
}

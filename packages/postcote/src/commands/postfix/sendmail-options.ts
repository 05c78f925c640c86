// sendmail's command line as Postfix reads it. Pure. Letters of the old program that mean nothing here are accepted:
// programs pass them without thinking.

import { parseAddressList } from '@postcote/aliases';
import type { Submission } from '../../pickup/submission-file.ts';
import { getopt } from './getopt.ts';

export type SendmailMode =
  | 'deliver'
  | 'mailq'
  | 'newaliases'
  | 'smtp'
  | 'verify'
  | 'flush'
  | 'flushSite'
  | 'flushMessage'
  | 'start';

export interface SendmailOptions {
  readonly mode: SendmailMode;
  /** Of -q: a site or a queue id. */
  readonly flushed: string;
  readonly extract: boolean;
  /** A line with a single dot is text (-i, -oi). */
  readonly dotIsText: boolean;
  readonly verbose: boolean;
  readonly configDirectory: string | undefined;
  /** Undefined: the caller's own. */
  readonly sender: string | undefined;
  readonly fullName: string | undefined;
  readonly recipients: readonly string[];
  readonly dsn: Pick<Submission, 'bodyType' | 'notify' | 'ret' | 'envelopeId'>;
}

/** A string is the complaint. */
export type ReadSendmailOptions =
  | SendmailOptions
  | { readonly complaint: string; readonly details: readonly string[] };

const SPEC = 'A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:r:q::tvx';

const MODES: ReadonlyMap<string, SendmailMode> = new Map([
  ['m', 'deliver'],
  ['p', 'mailq'],
  ['i', 'newaliases'],
  ['s', 'smtp'],
  ['v', 'verify'],
  ['d', 'start'],
]);

type Draft = { -readonly [Name in keyof SendmailOptions]: SendmailOptions[Name] };

export function readSendmailOptions(args: readonly string[], program: string): ReadSendmailOptions {
  const { options, rest, complaints } = getopt(args, SPEC);
  if (complaints.length > 0) return { complaint: 'usage: sendmail [options]', details: complaints };
  const draft: Draft = {
    mode: program === 'mailq' ? 'mailq' : program === 'newaliases' ? 'newaliases' : 'deliver',
    flushed: '',
    extract: false,
    dotIsText: false,
    verbose: false,
    configDirectory: undefined,
    sender: undefined,
    fullName: undefined,
    recipients: rest.flatMap(addressesOf),
    dsn: {},
  };
  for (const [letter, value] of options) {
    const complaint = apply(draft, letter, value);
    if (complaint !== undefined) return { complaint, details: [] };
  }
  return draft;
}

function apply(draft: Draft, letter: string, value: string): string | undefined {
  switch (letter) {
    case 'b': {
      const mode = MODES.get(value[0] ?? '');
      if (mode === undefined) return `unsupported: -b${value}`;
      draft.mode = mode;
      return undefined;
    }
    case 'q':
      return applyQueue(draft, value);
    case 'o':
      return applyOld(draft, value);
    case 'I':
      draft.mode = 'newaliases';
      return undefined;
    case 'C':
      draft.configDirectory = value.endsWith('.cf') ? undefined : value;
      return undefined;
    case 'F':
      draft.fullName = value;
      return undefined;
    case 'f':
    case 'r':
      draft.sender = addressesOf(value)[0] ?? '';
      return undefined;
    case 'i':
      draft.dotIsText = true;
      return undefined;
    case 't':
      draft.extract = true;
      return undefined;
    case 'v':
      draft.verbose = true;
      return undefined;
    case 'X':
      return '-X option not supported';
    default:
      return applyDsn(draft, letter, value);
  }
}

function applyDsn(draft: Draft, letter: string, value: string): string | undefined {
  switch (letter) {
    case 'B':
      if (/^8bitmime$/i.test(value)) draft.dsn = { ...draft.dsn, bodyType: '8BITMIME' };
      else if (/^7bit$/i.test(value)) draft.dsn = { ...draft.dsn, bodyType: '7BIT' };
      else return `-B option needs 7BIT or 8BITMIME, not "${value}"`;
      return undefined;
    case 'N': {
      const words = value.split(',').map((word) => word.trim().toUpperCase());
      const known = (['NEVER', 'SUCCESS', 'FAILURE', 'DELAY'] as const).filter((word) =>
        words.includes(word),
      );
      if (known.length !== words.length || (known.includes('NEVER') && known.length > 1))
        return `bad -N option value -- specify SUCCESS, FAILURE, DELAY, or NEVER`;
      draft.dsn = { ...draft.dsn, notify: known };
      return undefined;
    }
    case 'R':
      if (!/^(full|hdrs)$/i.test(value)) return 'bad -R option value -- specify FULL or HDRS';
      draft.dsn = { ...draft.dsn, ret: value.toUpperCase() === 'FULL' ? 'FULL' : 'HDRS' };
      return undefined;
    case 'V':
      draft.dsn = { ...draft.dsn, envelopeId: value };
      return undefined;
    default:
      // -A -G -L -O -U -c -e -h -m -n -p -x
      return undefined;
  }
}

/** `-q`, `-qIqueueid`, `-qRsite`, `-qSsite`; an interval (`-q30m`) means nothing to a server that never sleeps. */
function applyQueue(draft: Draft, value: string): string | undefined {
  if (value === '') draft.mode = 'flush';
  else if (value.startsWith('I')) draft.mode = 'flushMessage';
  else if (value.startsWith('R') || value.startsWith('S')) draft.mode = 'flushSite';
  else if (/^\d/.test(value)) return undefined;
  else return `-q${value[0]} is not implemented`;
  draft.flushed = value.slice(1);
  return undefined;
}

/** `-oi`, `-o7`, …; the rest (`-oem`, `-odi`) is of another time. */
function applyOld(draft: Draft, value: string): undefined {
  if (value === 'i') draft.dotIsText = true;
  else if (value === '8') draft.dsn = { ...draft.dsn, bodyType: '8BITMIME' };
  else if (value === '7') draft.dsn = { ...draft.dsn, bodyType: '7BIT' };
  else if (value === 't') draft.extract = true;
}

/** The addresses of a word or a header field, each as it stands in an envelope. */
export function addressesOf(text: string): string[] {
  return parseAddressList(text).map(({ local, domain }) => {
    const name = /^[^\s"(),:;<>@[\]\\]+$/.test(local) ? local : `"${local.replace(/["\\]/g, '\\$&')}"`;
    return domain === undefined ? name : `${name}@${domain}`;
  });
}

const FIELD = /^((?:resent-)?(?:to|cc|bcc))[ \t]*:/i;

/**
 * RFC 5322 §3.6.3, §3.6.6: the recipients a header names; of a resent message, those it was resent to.
 * `header`: latin1 text, lines with LF.
 */
export function recipientsOf(header: string): string[] {
  const plain: string[] = [];
  const resent: string[] = [];
  for (const field of header
    .replace(/\r\n/g, '\n')
    .replace(/\n[ \t]/g, ' ')
    .split('\n')) {
    const name = FIELD.exec(field)?.[1]?.toLowerCase();
    if (name === undefined) continue;
    const value = Buffer.from(field.slice(field.indexOf(':') + 1), 'latin1').toString('utf8');
    (name.startsWith('resent-') ? resent : plain).push(...addressesOf(value));
  }
  const isResent = /^resent-/im.test(header);
  return [...new Set(isResent ? resent : plain)];
}

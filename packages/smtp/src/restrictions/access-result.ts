// What the right-hand side of an access table, or a policy server's answer, comes to (access(5)). POSTFIX: smtpd_check.c:
// check_table_result, with its texts.
//
// Pure. What cannot be followed is a warning and no decision where Postfix goes on, and a fault (451) where it stops.

import { isMailDomain } from '../address.ts';
import { type Reply, printable, reply } from '../reply.ts';
import { splitStatus, statusFor } from './enhanced-status.ts';
import type { Note, OnPermit, RestrictionInput, Subject, WordVerdict } from './types.ts';

export interface AccessResult {
  /** As the table has it. */
  readonly value: string;
  readonly subject: Subject;
  /** `hash:/etc/postfix/access`, `inet:127.0.0.1:10023`. */
  readonly table: string;
  /** The name or address that was looked up. */
  readonly datum: string;
  readonly onPermit?: OnPermit;
}

type Action = (result: AccessResult, text: string, input: RestrictionInput) => WordVerdict;

/** Octets of a reply line, as Postfix cuts them. */
const MAX_REPLY = 510;
const END_OF_MESSAGE = 'END-OF-MESSAGE';

export function applyAccessResult(result: AccessResult, input: RestrictionInput): WordVerdict {
  const value = result.value.trim();
  const space = value.search(/[ \t]/);
  const action = space === -1 ? value : value.slice(0, space);
  const text = space === -1 ? '' : value.slice(space).trim();
  const known = ACTIONS.get(action.toUpperCase());
  if (known !== undefined) return settlePermit(result, known(result, text, input));
  // POSTFIX: all digits is a time stamp of some pop-before-smtp, and means OK.
  if (/^[0-9]+$/.test(value)) return settlePermit(result, permit(result));
  if (/^[45][0-9][0-9]$/.test(action) && text !== '') {
    return refused(result, Number(action), { status: `${action[0]}.7.1`, text, standIn: 'Access denied' });
  }
  return settlePermit(result, runWords(result, value, input));
}

const permit = ({ value, table, subject }: AccessResult): WordVerdict => ({
  kind: 'permit',
  saw: `${table} says ${printable(value)}`,
  permission: { action: (value.trim().split(/[ \t]/, 1)[0] ?? '').toUpperCase(), subject, from: table },
});
const pass = (
  { value, table }: AccessResult,
  remarks: Pick<WordVerdict, 'note' | 'warnings'> = {},
): WordVerdict => ({ kind: 'pass', saw: `${table} says ${printable(value)}`, ...remarks });

/** What a permission means to the word that asked. */
function settlePermit(result: AccessResult, verdict: WordVerdict): WordVerdict {
  const { onPermit } = result;
  if (verdict.kind !== 'permit' || onPermit === undefined) return verdict;
  // POSTFIX: DISCARD says OK too, and is no permission.
  if (verdict.note?.kind === 'discard') return verdict;
  if (onPermit.kind === 'distrust') return { ...verdict, kind: 'pass' };
  return { kind: 'fault', saw: verdict.saw, warnings: forbidden(onPermit) };
}

/** POSTFIX: the three lines of forbid_allowlist. */
export function forbidden({ word, target }: { readonly word: string; readonly target: string }): string[] {
  return [
    `restriction ${word} returns OK for ${target}`,
    'this is not allowed for security reasons',
    'use DUNNO instead of OK if you want to make an exception',
  ];
}

interface Wording {
  /** The enhanced code where the text brings none. */
  readonly status: string;
  readonly text: string;
  readonly standIn: string;
}

function replyOf({ subject }: AccessResult, code: number, wording: Wording): Reply {
  const { status, text } = splitStatus(wording.text, wording.status);
  const reason = text === '' ? wording.standIn : text;
  const detail = statusFor(status, subject.label);
  const line = printable(`<${subject.name}>: ${subject.label} rejected: ${reason}`);
  return reply(code, detail, line.slice(0, MAX_REPLY - detail.length - 7));
}

function refused(result: AccessResult, code: number, wording: Wording): WordVerdict {
  return {
    kind: 'reject',
    saw: `${result.table} says ${printable(result.value)}`,
    reply: replyOf(result, code, wording),
  };
}

/** POSTFIX: actions on the message need a message: nothing before MAIL can ask for them. */
function unavailable(
  { table }: AccessResult,
  action: string,
  input: RestrictionInput,
): readonly string[] | undefined {
  if (input.sender !== undefined && input.effects !== undefined) return undefined;
  return [
    `access table ${table}: with smtpd_delay_reject=no, action ${action} is always skipped in Client host or Helo command restrictions`,
  ];
}

const found = ({ table, datum }: AccessResult): string => `access table ${table} entry "${datum}"`;

const described = ({ subject }: AccessResult, what: string): string =>
  printable(`<${subject.name}>: ${subject.label} ${what}`);

/** HOLD, DISCARD, REDIRECT and BCC: checked alike, done and noted each in its way. */
function onMessage(
  action: string,
  act: (result: AccessResult, text: string, effects: NonNullable<RestrictionInput['effects']>) => WordVerdict,
): Action {
  return (result, text, input) => {
    const warnings = unavailable(result, action, input);
    if (warnings !== undefined || input.effects === undefined)
      return pass(result, { warnings: warnings ?? [] });
    return act(result, text, input.effects);
  };
}

function toAddress(
  kind: 'redirect' | 'bcc',
  add: (effects: NonNullable<RestrictionInput['effects']>, address: string) => void,
): Action {
  const action = kind.toUpperCase();
  return onMessage(action, (result, text, effects) => {
    const at = text.lastIndexOf('@');
    if (at < 1 || !isMailDomain(text.slice(at + 1))) {
      const warning = `access table ${result.table} entry "${result.datum}" requires user@domain target`;
      return pass(result, { warnings: [warning] });
    }
    add(effects, text);
    return pass(result, { note: { kind, text: described(result, `triggers ${action} ${text}`) } });
  });
}

const note = (kind: Note['kind']): Action => {
  return (result, text) => pass(result, { note: { kind, text: printable(text) } });
};

const ACTIONS: ReadonlyMap<string, Action> = new Map<string, Action>([
  ['DUNNO', (result) => pass(result)],
  ['OK', (result) => permit(result)],
  ['RELAY', (result) => permit(result)],
  [
    'REJECT',
    (result, text, { settings }) =>
      refused(result, settings.codes.accessMapReject, { status: '5.7.1', text, standIn: 'Access denied' }),
  ],
  [
    'DEFER',
    (result, text, { settings }) =>
      refused(result, settings.codes.accessMapDefer, { status: '4.7.1', text, standIn: 'Access denied' }),
  ],
  [
    'DEFER_IF_PERMIT',
    (result, text, { settings }) => ({
      kind: 'deferIfPermit',
      saw: `${result.table} says so`,
      reply: replyOf(result, settings.codes.accessMapDefer, {
        status: '4.7.1',
        text,
        standIn: 'Service unavailable',
      }),
    }),
  ],
  [
    'DEFER_IF_REJECT',
    (result, text, { settings }) => ({
      kind: 'deferIfReject',
      saw: `${result.table} says so`,
      reply: replyOf(result, settings.codes.accessMapDefer, {
        status: '4.7.1',
        text,
        standIn: 'Service unavailable',
      }),
    }),
  ],
  ['INFO', note('info')],
  ['WARN', note('warn')],
  [
    'HOLD',
    onMessage('HOLD', (result, text, effects) => {
      if (effects.hold) return pass(result);
      effects.setHold();
      const what = text === '' ? 'triggers HOLD action' : text;
      return pass(result, { note: { kind: 'hold', text: described(result, what) } });
    }),
  ],
  [
    'DISCARD',
    onMessage('DISCARD', (result, text, effects) => {
      effects.setDiscard();
      const what = text === '' ? 'triggers DISCARD action' : text;
      return { ...permit(result), note: { kind: 'discard', text: described(result, what) } };
    }),
  ],
  ['REDIRECT', toAddress('redirect', (effects, address) => effects.setRedirect(address))],
  ['BCC', toAddress('bcc', (effects, address) => effects.addBcc(address))],
  ['PREPEND', prepend],
  [
    'FILTER',
    onMessage('FILTER', (result, text, effects) => {
      if (text === '') return pass(result, { warnings: [`${found(result)} has FILTER entry without value`] });
      if (!text.includes(':')) {
        const warning = `${found(result)} requires transport:destination`;
        return pass(result, { warnings: [warning] });
      }
      effects.setFilter(text);
      return pass(result, { note: { kind: 'filter', text: described(result, `triggers FILTER ${text}`) } });
    }),
  ],
]);

// RFC 5322 §3.6.8: a name of printable characters without the colon.
const FIELD = /^[!-9;-~]+[ \t]*:/;

function prepend(result: AccessResult, text: string, input: RestrictionInput): WordVerdict {
  const warnings = unavailable(result, 'PREPEND', input);
  if (warnings !== undefined || input.effects === undefined)
    return pass(result, { warnings: warnings ?? [] });
  const { table, datum } = result;
  if (input.where === END_OF_MESSAGE) {
    return pass(result, {
      warnings: [`access table ${table}: action PREPEND must be used before smtpd_end_of_data_restrictions`],
    });
  }
  if (!FIELD.test(text)) {
    return pass(result, { warnings: [`access table ${table} entry "${datum}" requires header: text`] });
  }
  input.effects.addHeader(printable(text));
  return pass(result);
}

/** The words of a restriction list, or the name of a class. */
function runWords(result: AccessResult, value: string, input: RestrictionInput): WordVerdict {
  const { table, subject, onPermit, datum } = result;
  if (value === '') {
    return { ...permit(result), warnings: [`access table ${table} entry ${datum} has empty value`] };
  }
  if (value.includes(':')) {
    return {
      kind: 'fault',
      saw: `${table} says ${printable(value)}`,
      warnings: [
        `access table ${table} has entry with lookup table: ${printable(value)}`,
        'do not specify lookup tables inside SMTPD access maps',
        'define a restriction class and specify its name instead.',
      ],
    };
  }
  const items = input.settings.parseRestrictions(value);
  return {
    kind: 'list',
    saw: `${table} says ${printable(value)}`,
    items,
    subject,
    ...(onPermit === undefined ? {} : { onPermit }),
  };
}

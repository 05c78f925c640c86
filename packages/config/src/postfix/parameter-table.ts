// What is known about a parameter's name: its type and its default. Rows come from `parameter-rows.ts`; the
// per-transport names (`relay_destination_concurrency_limit`) are made from their suffix, as Postfix makes them
// for each service of master.cf.

import { postfixParameterRows } from './parameter-rows.ts';
import type { TimeUnit } from './values.ts';

export type ParameterType =
  | { readonly kind: 'bool' | 'int' | 'string' | 'list' | 'restrictions' }
  | { readonly kind: 'time'; readonly unit: TimeUnit };

export interface Parameter {
  readonly name: string;
  readonly type: ParameterType;
  /** Unexpanded. */
  readonly defaultValue: string;
}

function readRow(row: string): Parameter {
  const [name = '', typeName = '', ...rest] = row.split(' ');
  return { name, type: readType(typeName), defaultValue: rest.join(' ') };
}

function readType(text: string): ParameterType {
  if (text.startsWith('time:')) return { kind: 'time', unit: text.slice(5) as TimeUnit };
  return { kind: text as 'bool' | 'int' | 'string' | 'list' | 'restrictions' };
}

/** Rows by name, read when they are asked for: a command wants one or two of 800. */
const rows: ReadonlyMap<string, string> = new Map(
  [
    ...postfixParameterRows,
    // Decided by the machine, see machine-defaults.ts; the type is known all the same.
    'myhostname string ',
    'mydomain string ',
    'mynetworks list ',
    'config_directory string /etc/postfix',
    'process_name string smtpd',
    'process_id int 0',
    'service_name string ',
    'multi_instance_directories list ',
  ].map((row) => [row.slice(0, row.indexOf(' ')), row]),
);

const read = new Map<string, Parameter>();

function parameterNamed(name: string): Parameter | undefined {
  const known = read.get(name);
  if (known !== undefined) return known;
  const row = rows.get(name);
  if (row === undefined) return undefined;
  const parameter = readRow(row);
  read.set(name, parameter);
  return parameter;
}

/** Suffix → the parameter whose value is the default. */
const TRANSPORT_SUFFIXES: readonly (readonly [suffix: string, from: string])[] = [
  'delivery_slot_cost',
  'delivery_slot_discount',
  'delivery_slot_loan',
  'destination_concurrency_failed_cohort_limit',
  'destination_concurrency_limit',
  'destination_concurrency_negative_feedback',
  'destination_concurrency_positive_feedback',
  'destination_rate_delay',
  'destination_recipient_limit',
  'extra_recipient_limit',
  'minimum_delivery_slots',
  'recipient_limit',
  'recipient_refill_delay',
  'recipient_refill_limit',
  'transport_rate_delay',
].map((suffix) => [`_${suffix}`, `default_${suffix}`] as const);

const OTHER_SUFFIXES: readonly (readonly [suffix: string, from: string])[] = [
  ['_initial_destination_concurrency', 'initial_destination_concurrency'],
  ['_time_limit', 'command_time_limit'],
];

export function findParameter(name: string): Parameter | undefined {
  const known = parameterNamed(name);
  if (known !== undefined) return known;
  for (const [suffix, from] of [...TRANSPORT_SUFFIXES, ...OTHER_SUFFIXES]) {
    const base = name.endsWith(suffix) && name.length > suffix.length ? parameterNamed(from) : undefined;
    if (base !== undefined) return { name, type: base.type, defaultValue: `$${from}` };
  }
  return undefined;
}

export function parameterNames(): IterableIterator<string> {
  return rows.keys();
}

/** Values that Postfix expands only when a message or client is at hand. */
export const rawParameters: ReadonlySet<string> = new Set([
  'command_execution_directory',
  'default_rbl_reply',
  'forward_path',
  'luser_relay',
  'mailbox_command',
  'postscreen_expansion_filter',
  'postscreen_reject_footer',
  'smtpd_expansion_filter',
  'smtpd_reject_footer',
]);

// One header field whose addresses are completed and mapped. POSTFIX: cleanup_rewrite_sender(), cleanup_fold_header().
// A field in which no address changes stays as it is, to the last blank; one in which any does is written anew.

import { formatAddresses, parseAddresses } from './address-tokens.ts';
import { toBinary, toText } from './binary-text.ts';
import { type MapContext, hasMappings, mapAddress } from './map-address.ts';
import { type RewriteContext, completeAddress } from './rewrite-context.ts';
import type { MaybePromise } from './settings.ts';
import { type Steps, runSteps } from './steps.ts';

/** What is done to the addresses of a field; smtp_generic_maps can be one as well. External text. */
export type AddressChange = (external: string) => MaybePromise<string>;

export interface FieldRewriting {
  /** Tokens of a field that are looked at; a field with more stays as it is. */
  readonly tokenLimit: number;
  /** Applied in order. */
  readonly changes: readonly AddressChange[];
  /** Waited for now and then, so that a field of thousands of addresses keeps nobody else waiting. */
  readonly pause?: (() => Promise<unknown>) | undefined;
}

/** `text`: name, colon and value, lines joined by LF, without the last line end. */
export const rewriteField = (text: string, how: FieldRewriting): MaybePromise<string> =>
  runSteps(fieldSteps(text, how));

export function* fieldSteps(text: string, { tokenLimit, changes, pause }: FieldRewriting): Steps<string> {
  const colon = text.indexOf(':');
  const { tokens, cut } = parseAddresses(text.slice(colon + 1), tokenLimit);
  if (cut) return text;
  let changed = false;
  let count = 0;
  for (const token of tokens) {
    if (token.kind !== 'address') continue;
    if (pause !== undefined && ++count % ADDRESSES_AT_ONCE === 0) yield pause();
    let address = token.external;
    for (const change of changes) {
      const made = change(address);
      address = made instanceof Promise ? ((yield made) as string) : made;
    }
    if (address !== token.external) changed = true;
    token.external = address;
  }
  return changed ? foldField(`${text.slice(0, colon)}: ${formatAddresses(tokens)}`) : text;
}

/** Addresses between two pauses: some milliseconds where tables are asked for each. */
const ADDRESSES_AT_ONCE = 256;

/** The changes for a field that holds such addresses, on binary strings. */
export function addressChanges(
  context: RewriteContext,
  mapping: MapContext | undefined,
  holds: 'sender' | 'recipient',
): readonly AddressChange[] {
  const complete: AddressChange = (address) => completeAddress(address, context);
  const place = holds === 'sender' ? 'header_sender' : 'header_recipient';
  if (mapping === undefined || !hasMappings(mapping.settings, place)) return [complete];
  return [complete, async (address) => toBinary(await mapAddress(toText(address), place, mapping))];
}

/** Characters of a line that another address may still join. */
const JOIN_BELOW = 70;

/** One address a line becomes as many as fit. */
export function foldField(text: string): string {
  const [first = '', ...rest] = text.split('\n');
  const lines: string[] = [];
  let line = first;
  for (const next of rest) {
    if (line.length + 1 + next.length < JOIN_BELOW) line += ` ${next}`;
    else {
      lines.push(line);
      line = next;
    }
  }
  lines.push(line);
  return lines.join('\n');
}

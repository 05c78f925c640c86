// Message numbers and counts in arguments (RFC 1939 §5). Pure; no input throws.

import { echo } from './reply.ts';

export type Numbered =
  | { readonly kind: 'number'; readonly value: number; /** From the space on. */ readonly rest: string }
  | { readonly kind: 'bad'; readonly text: string };

/** DOVECOT: message numbers have 32 bits, sizes 64; a size beyond what we can count is as good as any. */
const MAX_MESSAGE_NUMBER = 0xffff_ffff;

/** The number an argument list begins with, in Dovecot's words where it does not. */
export function parseNumber(args: string, what: 'message number' | 'size'): Numbered {
  const words = args.replace(/^ +/, '');
  const space = words.indexOf(' ');
  const digits = space === -1 ? words : words.slice(0, space);
  if (!/^\d+$/.test(digits)) return { kind: 'bad', text: `Invalid ${what}: ${echo(words)}` };
  const value = Number(digits);
  if (what === 'message number' && value > MAX_MESSAGE_NUMBER) {
    return { kind: 'bad', text: `Message number too large: ${echo(words)}` };
  }
  return { kind: 'number', value, rest: space === -1 ? '' : words.slice(space) };
}

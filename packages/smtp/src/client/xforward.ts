// XFORWARD (Postfix's XFORWARD_README): tells a content filter behind us whom a message came from, for its log and its
// rules. Pure: what the server announced and what is known → the command lines.

import { encodeXtext } from './message.ts';

/** As the message came in. `unknown` is as good as absent. */
export interface ForwardedClient {
  readonly name?: string;
  readonly address?: string;
  readonly port?: string;
  readonly protocol?: string;
  readonly helo?: string;
  readonly ident?: string;
  readonly source?: 'LOCAL' | 'REMOTE';
}

const UNAVAILABLE = '[UNAVAILABLE]';

/** POSTFIX: two lines, each with what the server knows of it, and only when anything of it is known. */
const LINES = [
  [
    ['NAME', ({ name }: ForwardedClient) => name],
    ['ADDR', ({ address }: ForwardedClient) => (address?.includes(':') ? `IPV6:${address}` : address)],
    ['PORT', ({ port }: ForwardedClient) => port],
  ],
  [
    ['PROTO', ({ protocol }: ForwardedClient) => protocol],
    ['HELO', ({ helo }: ForwardedClient) => helo],
    ['IDENT', ({ ident }: ForwardedClient) => ident],
    ['SOURCE', ({ source }: ForwardedClient) => source],
  ],
] as const;

/** `offered`: the words after XFORWARD in the reply to EHLO. */
export function xforwardLines(offered: string, client: ForwardedClient): readonly string[] {
  const words = new Set(offered.toUpperCase().split(/\s+/));
  return LINES.flatMap((attributes) => {
    const told = attributes
      .filter(([name]) => words.has(name))
      .map(([name, read]) => ({ name, value: known(read(client)) }));
    if (!told.some(({ value }) => value !== undefined)) return [];
    return [
      `XFORWARD ${told.map(({ name, value }) => `${name}=${value === undefined ? UNAVAILABLE : encodeXtext(value)}`).join(' ')}`,
    ];
  });
}

const known = (value: string | undefined): string | undefined =>
  value === undefined || value === '' || value.toLowerCase() === 'unknown' ? undefined : value;

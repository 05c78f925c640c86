// `address_verify_sender`: in whose name probes ask, and `address_verify_sender_ttl`: its local part changes with the
// time, so that it is of no use to those who collect addresses. Mail to it is taken, for servers that ask back.
// POSTFIX: make_verify_sender_addr, valid_verify_sender_addr.

import type { PostfixSettings } from '@postcote/config';

const DIGITS = '0123456789BCDFGHJKLMNPQRSTVWXYZ';
const BASE = BigInt(DIGITS.length);

/** Empty for `<>`. */
export function verifySender(s: PostfixSettings, now: number): string {
  return senderAt(s, now, 0);
}

/** Whether mail to this address answers a probe of ours: of this period, or of one beside it. */
export function isVerifySender(s: PostfixSettings, address: string, now: number): boolean {
  if (address === '' || s.string('address_verify_sender') === '') return false;
  return [0, -1, 1].some((period) => senderAt(s, now, period).toLowerCase() === address.toLowerCase());
}

function senderAt(s: PostfixSettings, now: number, periods: number): string {
  const written = s.string('address_verify_sender').replace(/^<(.*)>$/, '$1');
  if (written === '') return '';
  const at = written.lastIndexOf('@');
  const local = at === -1 ? written : written.slice(0, at);
  const domain = at === -1 ? s.string('myorigin') : written.slice(at + 1);
  const ttl = s.time('address_verify_sender_ttl');
  const suffix = ttl > 0 ? encode(BigInt(Math.floor(now / 1000 / ttl) + periods)) : '';
  return `${local}${suffix}@${domain}`;
}

function encode(value: bigint): string {
  let text = '';
  for (let rest = value; rest > 0n; rest /= BASE) text = (DIGITS[Number(rest % BASE)] ?? '') + text;
  return text;
}

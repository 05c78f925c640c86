// Verifies a password against what a users file stores: {PLAIN}, {SHA256-CRYPT} and {SHA512-CRYPT} (glibc's
// `$5$` and `$6$`), and {SCRYPT}, our own spelling of scrypt (RFC 7914): `{SCRYPT}N$r$p$salt$hash`, base64.
//
// Comparisons take constant time. A scheme that is not known is refused when the file is read, not at login.

import { createHash, randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

export type StoredPassword =
  | { readonly scheme: 'PLAIN'; readonly text: string }
  | {
      readonly scheme: 'SHACRYPT';
      readonly hash: 'sha256' | 'sha512';
      readonly rounds: number;
      readonly salt: string;
      readonly encoded: string;
    }
  | {
      readonly scheme: 'SCRYPT';
      readonly cost: number;
      readonly blockSize: number;
      readonly parallel: number;
      readonly salt: Buffer;
      readonly hash: Buffer;
    };

const MIN_ROUNDS = 1000;
const DEFAULT_ROUNDS = 5000;
/** glibc allows 999999999; a users file of ours has no need to stall a login for minutes. */
const MAX_ROUNDS = 1_000_000;
const MAX_SCRYPT_MEMORY = 64 * 1024 * 1024;

/** What stands in a users file's second field, or undefined when the scheme or its parameters are not known. */
export function parseStoredPassword(field: string): StoredPassword | undefined {
  const match = /^\{([A-Za-z0-9-]+)\}(.*)$/s.exec(field);
  if (match === null) return field.startsWith('$') ? parseShaCrypt(field) : plain(field);
  const [, scheme = '', value = ''] = match;
  switch (scheme.toUpperCase()) {
    case 'PLAIN':
    case 'CLEARTEXT':
      return plain(value);
    case 'CRYPT':
    case 'SHA256-CRYPT':
    case 'SHA512-CRYPT':
      return parseShaCrypt(value);
    case 'SCRYPT':
      return parseScrypt(value);
    default:
      return undefined;
  }
}

const plain = (text: string): StoredPassword | undefined =>
  text === '' ? undefined : { scheme: 'PLAIN', text };

function parseShaCrypt(text: string): StoredPassword | undefined {
  const match = /^\$([56])\$(?:rounds=(\d{1,9})\$)?([^$:]{0,64})\$([./0-9A-Za-z]+)$/.exec(text);
  if (match === null) return undefined;
  const [, kind, given, salt = '', encoded = ''] = match;
  const rounds = given === undefined ? DEFAULT_ROUNDS : Math.max(MIN_ROUNDS, Number(given));
  if (rounds > MAX_ROUNDS || encoded.length !== (kind === '5' ? 43 : 86)) return undefined;
  const hash = kind === '5' ? 'sha256' : 'sha512';
  return { scheme: 'SHACRYPT', hash, rounds, salt: salt.slice(0, 16), encoded };
}

function parseScrypt(text: string): StoredPassword | undefined {
  const match = /^(\d{1,8})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)$/.exec(text);
  if (match === null) return undefined;
  const [cost, blockSize, parallel] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const powerOfTwo = cost > 1 && (cost & (cost - 1)) === 0;
  if (!powerOfTwo || blockSize < 1 || parallel < 1) return undefined;
  if (128 * cost * blockSize > MAX_SCRYPT_MEMORY / 2) return undefined;
  const salt = Buffer.from(match[4] ?? '', 'base64');
  const hash = Buffer.from(match[5] ?? '', 'base64');
  return hash.length < 16 ? undefined : { scheme: 'SCRYPT', cost, blockSize, parallel, salt, hash };
}

export async function verifyPassword(stored: StoredPassword, password: string): Promise<boolean> {
  switch (stored.scheme) {
    case 'PLAIN':
      return equal(stored.text, password);
    case 'SHACRYPT':
      return equal(stored.encoded, shaCrypt(stored.hash, password, stored.salt, stored.rounds));
    case 'SCRYPT': {
      const { cost, blockSize, parallel, salt, hash } = stored;
      return timingSafeEqual(
        await runScrypt({ password, salt, cost, blockSize, parallel, length: hash.length }),
        hash,
      );
    }
  }
}

/** A new `{SCRYPT}` field for a users file. */
export async function hashPassword(password: string): Promise<string> {
  const [cost, blockSize, parallel] = [16_384, 8, 1];
  const salt = randomBytes(16);
  const hash = await runScrypt({ password, salt, cost, blockSize, parallel, length: 32 });
  return `{SCRYPT}${cost}$${blockSize}$${parallel}$${salt.toString('base64')}$${hash.toString('base64')}`;
}

function runScrypt(of: {
  readonly password: string;
  readonly salt: Buffer;
  readonly cost: number;
  readonly blockSize: number;
  readonly parallel: number;
  readonly length: number;
}): Promise<Buffer> {
  const options = { N: of.cost, r: of.blockSize, p: of.parallel, maxmem: MAX_SCRYPT_MEMORY };
  return new Promise((resolve, reject) => {
    scrypt(of.password, of.salt, of.length, options, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}

/** Compares digests, so that neither the length nor the place of the first difference shows in the time. */
function equal(left: string, right: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text, 'utf8').digest();
  return timingSafeEqual(digest(left), digest(right));
}

// Drepper's "Unix crypt using SHA-256 and SHA-512" (2007); the step numbers are the paper's.
function shaCrypt(name: 'sha256' | 'sha512', password: string, saltText: string, rounds: number): string {
  const key = Buffer.from(password, 'utf8');
  const salt = Buffer.from(saltText, 'utf8');
  const hash = (...parts: readonly Buffer[]): Buffer => {
    const state = createHash(name);
    for (const part of parts) state.update(part);
    return state.digest();
  };
  const b = hash(key, salt, key); // 4-8
  const first: Buffer[] = [key, salt, stretch(b, key.length)]; // 1-3, 9-10
  for (let bits = key.length; bits > 0; bits >>>= 1) first.push((bits & 1) === 1 ? b : key); // 11
  const a = hash(...first); // 12
  const p = stretch(hash(...Array.from({ length: key.length }, () => key)), key.length); // 13-16
  const s = stretch(hash(...Array.from({ length: 16 + (a[0] ?? 0) }, () => salt)), salt.length); // 17-20
  let c = a;
  for (let round = 0; round < rounds; round++) {
    const odd = round % 2 === 1; // 21
    const parts: Buffer[] = [odd ? p : c];
    if (round % 3 !== 0) parts.push(s);
    if (round % 7 !== 0) parts.push(p);
    parts.push(odd ? c : p);
    c = hash(...parts);
  }
  return name === 'sha256' ? encodeSha256(c) : encodeSha512(c); // 22
}

/** `count` octets of a digest repeated. */
function stretch(digest: Buffer, count: number): Buffer {
  const out = Buffer.alloc(count);
  for (let at = 0; at < count; at += digest.length)
    digest.copy(out, at, 0, Math.min(digest.length, count - at));
  return out;
}

const ALPHABET = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

function encodeGroup(value: number, length: number): string {
  let text = '';
  for (let i = 0, rest = value; i < length; i++, rest >>>= 6) text += ALPHABET[rest & 0x3f];
  return text;
}

// The octets of a digest are taken in threes that step through its thirds; the starting third rotates.
function encodeSha256(digest: Buffer): string {
  const at = (index: number): number => digest[index] ?? 0;
  let text = '';
  for (let i = 0; i < 10; i++) {
    const thirds = [i, i + 10, i + 20];
    const [x = 0, y = 0, z = 0] = [
      thirds[(3 - (i % 3)) % 3],
      thirds[(4 - (i % 3)) % 3],
      thirds[(5 - (i % 3)) % 3],
    ];
    text += encodeGroup((at(x) << 16) | (at(y) << 8) | at(z), 4);
  }
  return text + encodeGroup((at(31) << 8) | at(30), 3);
}

function encodeSha512(digest: Buffer): string {
  const at = (index: number): number => digest[index] ?? 0;
  let text = '';
  for (let i = 0; i < 21; i++) {
    const thirds = [i, i + 21, i + 42];
    const [x = 0, y = 0, z = 0] = [thirds[i % 3], thirds[(i + 1) % 3], thirds[(i + 2) % 3]];
    text += encodeGroup((at(x) << 16) | (at(y) << 8) | at(z), 4);
  }
  return text + encodeGroup(at(63), 2);
}

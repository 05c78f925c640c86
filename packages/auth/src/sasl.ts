// The server's side of SASL PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login), as a chain of steps. The
// protocols frame the lines; what the lines mean is decided here once for SMTP, IMAP and POP3.
//
// Pure. No input throws. Nothing here says whether a password is right.

import type { SaslStep } from '@postcote/wire';
import { formatBase64, parseBase64 } from './base64.ts';

export type { SaslStep };

/** Octets of a user name or an authorization identity. */
export const MAX_USER = 255;
/** Octets of a password: what the PAM binding takes. */
export const MAX_PASSWORD = 1024;
/** Characters of one base64 response; room for the longest lawful PLAIN message and for nothing absurd. */
export const MAX_RESPONSE = 4096;

/** The mechanisms a server without stored verifiers can offer, in the order in which they are announced. */
export const MECHANISMS: readonly string[] = ['PLAIN', 'LOGIN'];

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
// C0, DEL and C1: RFC 4013 §2.3 prohibits them in user names and passwords alike.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const EMPTY_INITIAL = '=';
const CANCEL = '*';

type Mechanism = (initial: Decoded | undefined) => SaslStep;
type Decoded = { readonly octets: Buffer } | { readonly problem: SaslStep };

const malformed = (reason: string): SaslStep => ({ kind: 'malformed', reason });

/**
 * Begins an exchange. `initial` is the initial response as it stood on the command line: absent, `=` for a
 * response of no octets (RFC 4954 §4, RFC 4959 §3, RFC 5034 §4), or base64.
 */
export function startSasl(mechanism: string, initial?: string): SaslStep {
  const run = RUNNERS.get(mechanism.toUpperCase());
  if (run === undefined) return { kind: 'unknownMechanism' };
  if (initial === undefined) return run(undefined);
  return run(initial === EMPTY_INITIAL ? { octets: Buffer.alloc(0) } : decode(initial));
}

// RFC 4616 §2:  message = [authzid] UTF8NUL authcid UTF8NUL passwd
function runPlain(initial: Decoded | undefined): SaslStep {
  if (initial === undefined) return challenge('', readPlain);
  return 'problem' in initial ? initial.problem : readPlain(initial.octets);
}

function readPlain(octets: Buffer): SaslStep {
  const first = octets.indexOf(0);
  const second = first === -1 ? -1 : octets.indexOf(0, first + 1);
  if (second === -1) return malformed('too few fields');
  if (octets.includes(0, second + 1)) return malformed('too many fields');
  const authzid = octets.subarray(0, first);
  if (authzid.length > MAX_USER) return malformed('authorization identity too long');
  const identity = decodeText(authzid);
  if (identity === undefined) return malformed('invalid characters in authorization identity');
  return finish(identity, octets.subarray(first + 1, second), octets.subarray(second + 1));
}

// LOGIN: two prompts; an initial response, where a client sends one, is the user name.
// DOVECOT: the prompts are worded `Username:` and `Password:`; an empty initial response is none.
function runLogin(initial: Decoded | undefined): SaslStep {
  const readUser = (user: Buffer): SaslStep =>
    challenge('Password:', (password) => finish('', user, password));
  if (initial === undefined) return challenge('Username:', readUser);
  if ('problem' in initial) return initial.problem;
  return initial.octets.length === 0 ? challenge('Username:', readUser) : readUser(initial.octets);
}

const RUNNERS: ReadonlyMap<string, Mechanism> = new Map([
  ['PLAIN', runPlain],
  ['LOGIN', runLogin],
]);

function challenge(prompt: string, read: (octets: Buffer) => SaslStep): SaslStep {
  return {
    kind: 'challenge',
    text: formatBase64(prompt),
    next(line) {
      if (line === CANCEL) return { kind: 'cancelled' };
      const response = decode(line);
      return 'problem' in response ? response.problem : read(response.octets);
    },
  };
}

function decode(line: string): Decoded {
  if (line.length > MAX_RESPONSE) return { problem: malformed('response too long') };
  const octets = parseBase64(line);
  return octets === undefined ? { problem: malformed('invalid base64') } : { octets };
}

function finish(authzid: string, userOctets: Buffer, passwordOctets: Buffer): SaslStep {
  if (userOctets.length === 0) return malformed('empty user name');
  if (userOctets.length > MAX_USER) return malformed('user name too long');
  if (passwordOctets.length === 0) return malformed('empty password');
  if (passwordOctets.length > MAX_PASSWORD) return malformed('password too long');
  const user = decodeText(userOctets);
  if (user === undefined) return malformed('invalid characters in user name');
  const password = decodeText(passwordOctets);
  if (password === undefined) return malformed('invalid characters in password');
  // Logging in as somebody else is not offered; an identity that says the same changes nothing.
  if (authzid !== '' && authzid !== user) return malformed('authorization identity differs from user name');
  return { kind: 'credentials', authzid, user, password };
}

function decodeText(octets: Buffer): string | undefined {
  try {
    const text = UTF8.decode(octets);
    return CONTROL.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

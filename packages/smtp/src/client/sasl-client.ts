// The client's half of SASL: PLAIN (RFC 4616), LOGIN and CRAM-MD5 (RFC 2195). Pure: challenges in, answers out.

import { createHmac } from 'node:crypto';

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export interface SaslExchange {
  readonly mechanism: string;
  /** Base64 to send with AUTH; absent: wait for a challenge. */
  readonly initial?: string;
  /** The answer to a challenge in base64, or undefined when there is none to give. */
  next(challenge: string): string | undefined;
}

/** From the most to the least careful with the password. */
const MECHANISMS = ['CRAM-MD5', 'PLAIN', 'LOGIN'] as const;
const PLAINTEXT: ReadonlySet<string> = new Set(['PLAIN', 'LOGIN']);
const DICTIONARY: ReadonlySet<string> = new Set(['CRAM-MD5', 'PLAIN', 'LOGIN']);

const base64 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');

export interface SaslChoice {
  readonly offered: ReadonlySet<string>;
  /** smtp_sasl_security_options or its kin for TLS. */
  readonly options: ReadonlySet<string>;
  /** Empty for no filter. */
  readonly filter: ReadonlySet<string>;
}

/** Undefined when no mechanism that is offered may be used. */
export function startClientSasl(choice: SaslChoice, credentials: Credentials): SaslExchange | undefined {
  const mechanism = MECHANISMS.find(
    (name) =>
      choice.offered.has(name) &&
      (choice.filter.size === 0 || choice.filter.has(name)) &&
      !(choice.options.has('noplaintext') && PLAINTEXT.has(name)) &&
      !(choice.options.has('nodictionary') && DICTIONARY.has(name)) &&
      !choice.options.has('mutual_auth') &&
      !choice.options.has('forward_secrecy'),
  );
  const { user, password } = credentials;
  switch (mechanism) {
    case 'PLAIN':
      return { mechanism, initial: base64(`\0${user}\0${password}`), next: () => undefined };
    case 'LOGIN': {
      const answers = [base64(user), base64(password)];
      return { mechanism, next: () => answers.shift() };
    }
    case 'CRAM-MD5': {
      let asked = false;
      return {
        mechanism,
        next: (challenge) => {
          if (asked) return undefined;
          asked = true;
          const text = Buffer.from(challenge, 'base64');
          return base64(`${user} ${createHmac('md5', password).update(text).digest('hex')}`);
        },
      };
    }
    default:
      return undefined;
  }
}

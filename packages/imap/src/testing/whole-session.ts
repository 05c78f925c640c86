// The session before login and the one after it on one connection, as the front and a worker make them together.

import type { MailStore } from '@postcote/mailbox';
import type { Log, Peer, ProtocolSession, SessionHost, TlsInfo } from '@postcote/wire';
import type { Clock, Sasl, SaslStep } from '../ports.ts';
import { DEFAULT_USER_SETTINGS, type ImapUserSettings } from '../session/core.ts';
import {
  DEFAULT_LOGIN_SETTINGS,
  ImapLoginSession,
  type ImapLoginSettings,
} from '../session/login-session.ts';
import { ImapUserSession } from '../session/user-session.ts';

export interface WholeSessionOptions {
  readonly host: SessionHost;
  readonly peer: Peer;
  readonly tls?: TlsInfo | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly password: string;
  /** The mail of a user; undefined: there is no such user. */
  readonly storeOf: (user: string) => MailStore | undefined;
  readonly loginSettings?: Partial<ImapLoginSettings>;
  readonly userSettings?: Partial<ImapUserSettings>;
}

export class WholeSession implements ProtocolSession {
  #current: ProtocolSession;

  constructor(options: WholeSessionOptions) {
    const { host, peer, clock, log, password, storeOf } = options;
    this.#current = new ImapLoginSession({
      host,
      peer,
      tls: options.tls,
      clock,
      log,
      sessionId: 'test',
      sasl: plainSasl,
      settings: { ...DEFAULT_LOGIN_SETTINGS, ...options.loginSettings },
      login: async (request, handOff) => {
        const store = storeOf(request.user);
        if (store === undefined || request.password !== password)
          return { kind: 'refused', message: 'wrong' };
        return {
          kind: 'granted',
          user: request.user,
          workerPid: 42,
          attach: (rest) => {
            const settings = { ...DEFAULT_USER_SETTINGS, ...options.userSettings };
            const session = new ImapUserSession({
              host,
              store,
              handOff,
              settings,
              clock,
              log,
              user: request.user,
              pid: 42,
            });
            this.#current = session;
            session.start();
            host.resume();
            session.receive(rest);
          },
        };
      },
    });
  }

  start(): void {
    this.#current.start();
  }
  receive(chunk: Buffer): void {
    this.#current.receive(chunk);
  }
  secured(tls: TlsInfo): void {
    this.#current.secured(tls);
  }
  ended(reason: string): void {
    this.#current.ended(reason);
  }
  timedOut(): void {
    this.#current.timedOut();
  }
  shutDown(): void {
    this.#current.shutDown();
  }
}

const decode = (text: string): string => Buffer.from(text, 'base64').toString('utf8');
const encode = (text: string): string => Buffer.from(text, 'utf8').toString('base64');

/** The two mechanisms, without the strictness of the real exchange. */
export const plainSasl: Sasl = {
  mechanisms: ['PLAIN', 'LOGIN'],
  startSasl(mechanism, initial) {
    const plain = (line: string): SaslStep => {
      if (line === '*') return { kind: 'cancelled' };
      if (!/^[A-Za-z0-9+/]*={0,2}$/.test(line)) return { kind: 'malformed', reason: 'invalid base64' };
      const [authzid, user, password] = decode(line).split('\0');
      if (authzid === undefined || user === undefined || password === undefined)
        return { kind: 'malformed', reason: 'too few fields' };
      return { kind: 'credentials', authzid, user, password };
    };
    if (mechanism === 'PLAIN')
      return initial === undefined ? { kind: 'challenge', text: '', next: plain } : plain(initial);
    if (mechanism !== 'LOGIN') return { kind: 'unknownMechanism' };
    const ask = (prompt: string, then: (answer: string) => SaslStep): SaslStep => ({
      kind: 'challenge',
      text: encode(prompt),
      next: (line) => (line === '*' ? { kind: 'cancelled' } : then(decode(line))),
    });
    return ask('Username:', (user) =>
      ask('Password:', (password) => ({ kind: 'credentials', authzid: '', user, password })),
    );
  },
};

// Reads what came in a frame on the auth socket as a login request. The sender is the front, which parses the
// network and may have been taken over: every field is checked again. Pure; unknown members are dropped.

import type { LoginRequest } from '@postcote/wire';
import { MAX_PASSWORD, MAX_USER } from './sasl.ts';

export interface AuthQuestion {
  readonly request: LoginRequest;
  /** Opaque to the authenticator: what the worker needs to go on with the session. */
  readonly handOff?: unknown;
}

const SERVICES: ReadonlySet<unknown> = new Set(['smtp', 'imap', 'pop3']);
const LOGIN_MECHANISMS: ReadonlySet<unknown> = new Set(['PLAIN', 'LOGIN', 'USER']);
const ADDRESS = /^[0-9A-Fa-f:.]{2,45}(?:%[\w.-]{1,16})?$/;
const SESSION_ID = /^[\w.:+/=<>-]{1,128}$/;

/** The question, or undefined for anything that is not one. */
export function parseAuthQuestion(value: unknown): AuthQuestion | undefined {
  if (!isObject(value)) return undefined;
  const { request, handOff } = value;
  if (!isObject(request)) return undefined;
  const { service, mechanism, user, password, remoteAddress, localAddress, secured, sessionId } = request;
  if (!SERVICES.has(service) || !LOGIN_MECHANISMS.has(mechanism)) return undefined;
  if (!isText(user, MAX_USER) || !isText(password, MAX_PASSWORD)) return undefined;
  if (typeof remoteAddress !== 'string' || !ADDRESS.test(remoteAddress)) return undefined;
  if (typeof localAddress !== 'string' || !ADDRESS.test(localAddress)) return undefined;
  if (typeof sessionId !== 'string' || !SESSION_ID.test(sessionId)) return undefined;
  if (typeof secured !== 'boolean') return undefined;
  return {
    request: {
      service: service as LoginRequest['service'],
      mechanism: mechanism as LoginRequest['mechanism'],
      user,
      password,
      remoteAddress,
      localAddress,
      secured,
      sessionId,
    },
    ...(handOff === undefined ? {} : { handOff }),
  };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown, maxOctets: number): value is string {
  // What stands in it is judged later, as a wrong name or password; here only that it is bounded.
  if (typeof value !== 'string') return false;
  return value.length <= maxOctets && Buffer.byteLength(value, 'utf8') <= maxOctets;
}

// What CAPA answers (RFC 2449 §6), in Dovecot's order. Nothing is announced before it works.

const ALWAYS = ['CAPA', 'TOP', 'UIDL', 'RESP-CODES', 'PIPELINING', 'AUTH-RESP-CODE'];
/** What Dovecot does not say: RFC 2449 §6.7 and §6.9, RFC 6856 §2 and §3. */
const BEYOND = ['EXPIRE NEVER', 'IMPLEMENTATION postcote', 'UTF8 USER', 'LANG'];

export interface LoginCapabilityState {
  readonly startTls: boolean;
  /** A plaintext password may be sent now. */
  readonly passwords: boolean;
  readonly mechanisms: readonly string[];
}

export function loginCapabilities(state: LoginCapabilityState): readonly string[] {
  const lines = [...ALWAYS];
  if (state.startTls) lines.push('STLS');
  // DOVECOT: without passwords `SASL` stands alone; `SASL PLAIN …` would invite the client to send one.
  if (state.passwords) lines.push('USER', `SASL ${state.mechanisms.join(' ')}`);
  else lines.push('SASL');
  lines.push(...BEYOND);
  return lines;
}

export const USER_CAPABILITIES: readonly string[] = [...ALWAYS, ...BEYOND];

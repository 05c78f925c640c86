// The state of one SMTP session, and what a command may do with it. The socket, the framing and the order of replies
// are the session's (`session.ts`); commands see only this.

import type { Path } from './address.ts';
import type { ClientName } from './client-name.ts';
import type { ClientLimits } from './client-limits.ts';
import type { Forwarded } from './commands/xclient.ts';
import type { Effects } from './effects.ts';
import type {
  AddressVerifier,
  Addresses,
  Clock,
  Dns,
  DnsAnswer,
  EnvelopeRecipient,
  Login,
  MessageQueue,
  MilterSession,
  Sasl,
  SaslStep,
  SiteFlusher,
} from './ports.ts';
import type { Reply } from './reply.ts';
import type { Decision } from './restrictions/types.ts';
import type { SmtpSettings } from './settings.ts';
import type { MailParameters } from './esmtp-parameters.ts';
import type { Log, Peer, TlsInfo } from '@postcote/wire';

export interface SmtpPorts {
  readonly dns: Dns;
  readonly login: Login;
  readonly sasl: Sasl;
  readonly addresses: Addresses;
  readonly queue: MessageQueue;
  readonly clock: Clock;
  readonly log: Log;
  /** Absent: no rates are counted. */
  readonly limits?: ClientLimits;
  /** Absent: addresses cannot be verified. */
  readonly verifier?: AddressVerifier;
  /** Absent: ETRN is refused for every domain. */
  readonly sites?: SiteFlusher;
}

export interface Transaction {
  readonly sender: Path;
  readonly parameters: MailParameters;
  readonly recipients: { readonly path: Path; readonly envelope: EnvelopeRecipient }[];
  overshoot: number;
  readonly answers: Map<string, DnsAnswer<unknown> | Promise<DnsAnswer<unknown>>>;
  readonly effects: Effects;
}

/** Of the command that filters are being told of. */
export interface MilterFacts {
  readonly queueId?: string;
  readonly sender?: Path;
  readonly recipient?: Path;
  /** Why the recipient was refused already. */
  readonly rejection?: Reply;
}

export interface Conversation {
  readonly settings: SmtpSettings;
  readonly ports: SmtpPorts;
  /** Who is on the other end, or whom XCLIENT says it speaks for. */
  peer: Peer;
  /** Whether this client may say XCLIENT, XFORWARD. */
  mayXclient: boolean;
  mayXforward: boolean;
  forwarded: Forwarded | undefined;
  readonly sessionId: string;
  tls: TlsInfo | undefined;
  /** Whether STARTTLS can be kept: there is a certificate. */
  readonly tlsAvailable: boolean;
  /** The name of the client, or the promise of it. */
  client: ClientName | Promise<ClientName>;
  helo: string | undefined;
  protocol: 'SMTP' | 'ESMTP';
  login: { readonly method: string; readonly user: string } | undefined;
  failedLogins: number;
  transaction: Transaction | undefined;
  /** What lists before RCPT would have deferred (`smtpd_delay_reject = no`). */
  readonly deferred: { connect?: Reply | undefined; helo?: Reply | undefined; mail?: Reply | undefined };
  /** MAIL commands so far: tells the questions about one message from those about the next. */
  transactions: number;
  /** Where BDAT stands (RFC 3030): after a failed chunk the rest is discarded until the transaction ends. */
  chunking: 'none' | 'receiving' | 'failed';
  /** Input came when the client should have waited. Sticky, as in Postfix. */
  improperPipelining: boolean;
  /** The client itself was rejected and `smtpd_delay_reject` is off. */
  accessDenied: boolean;
  /** Mail filters of this session. */
  milters: MilterSession | undefined;
  /** They were told of MAIL, and must be told when that comes to nothing more. */
  miltersInTransaction: boolean;
  /** What the filters' macros say at this moment beyond the transaction. */
  milterFacts: MilterFacts;
  /** Connections this client has to the listener, this one included. */
  readonly connections?: number;
  /** The verb in progress, for the log. */
  where: string;
  /** Logs once the client's name is known; lines keep their order. */
  log(level: 'info' | 'warn', message: (client: string) => string): void;
  /** For `postcote check` and tests: what the lists decided last. */
  lastDecision: Decision | undefined;
}

/** What the session does after the reply. */
export type Next =
  | { readonly kind: 'command' }
  | { readonly kind: 'close' }
  | { readonly kind: 'startTls' }
  /** The session begins again, as that of another client. */
  | { readonly kind: 'greet' }
  | { readonly kind: 'data' }
  /** `refused`: the chunk is read and dropped, and then answered with this. */
  | { readonly kind: 'bdat'; readonly size: number; readonly last: boolean; readonly refused?: Reply }
  | {
      readonly kind: 'sasl';
      readonly mechanism: string;
      readonly step: Extract<SaslStep, { kind: 'challenge' }>;
    };

export interface Outcome {
  readonly reply?: Reply;
  /** Whether the command counts as an error (`smtpd_soft_error_limit`, `commands=3/4`). */
  readonly ok: boolean;
  readonly next?: Next;
}

export interface Command {
  readonly verb: string;
  /** May be used where TLS is required and not there yet. */
  readonly beforeTls?: true;
  /** Must be the last of a pipelined group (RFC 2920 §3.1). */
  readonly endsGroup?: true;
  /** Counts towards `smtpd_junk_command_limit`. */
  readonly junk?: true;
  run(conversation: Conversation, words: readonly CommandWord[]): Outcome | Promise<Outcome>;
}

export interface CommandWord {
  readonly text: string;
  readonly broken: boolean;
}

export const ok = (reply: Reply, next?: Next): Outcome =>
  next === undefined ? { reply, ok: true } : { reply, ok: true, next };
export const failed = (reply: Reply, next?: Next): Outcome =>
  next === undefined ? { reply, ok: false } : { reply, ok: false, next };

/** Forgets the transaction (RFC 5321 §4.1.1.5). */
export function resetTransaction(conversation: Conversation): void {
  conversation.transaction = undefined;
  conversation.chunking = 'none';
  abortMilters(conversation);
}

/** Tells filters that the message they began to hear of is no more. */
export function abortMilters(conversation: Conversation): void {
  conversation.milterFacts = {};
  if (!conversation.miltersInTransaction) return;
  conversation.miltersInTransaction = false;
  conversation.milters?.abort();
}

/** Whether AUTH may be offered to this client now. */
export function saslActive(conversation: Conversation): boolean {
  const { settings, peer } = conversation;
  return settings.saslAuthEnable && !settings.isSaslException(peer.remoteAddress);
}

/** Mechanisms the security options of this moment leave. */
export function offeredMechanisms(conversation: Conversation): readonly string[] {
  const { settings, ports, tls } = conversation;
  const options = tls === undefined ? settings.saslSecurityOptions : settings.saslTlsSecurityOptions;
  // PLAIN and LOGIN show the password (noplaintext), to a man in the middle (noactive), to a guesser (nodictionary).
  const forbidden = ['noplaintext', 'noactive', 'nodictionary', 'forward_secrecy', 'mutual_auth'] as const;
  if (forbidden.some((option) => options.has(option))) {
    return ports.sasl.mechanisms.filter((mechanism) => mechanism !== 'PLAIN' && mechanism !== 'LOGIN');
  }
  return ports.sasl.mechanisms;
}

// What SMTP sessions need from the world. `postcote` supplies it; tests supply fakes.

import type { LoginRequest, LoginVerdict, MessageWriter } from '@postcote/wire';

/** Authenticates over the auth socket; never throws. */
export type Login = (request: LoginRequest) => Promise<LoginVerdict>;

/** `absent`: NXDOMAIN or no such record; `failed`: SERVFAIL, time-out or the like (a 450, never a 550). */
export type DnsAnswer<T> =
  | { readonly kind: 'found'; readonly records: readonly T[] }
  | { readonly kind: 'absent'; readonly nxdomain: boolean }
  | { readonly kind: 'failed'; readonly reason: string };

export interface MxRecord {
  readonly preference: number;
  readonly exchange: string;
}

/** Names in A-label form. Every query ends within the port's own time limit. */
export interface Dns {
  mx(name: string): Promise<DnsAnswer<MxRecord>>;
  /** A and AAAA together, as text; failed only when neither could be had. */
  addresses(name: string): Promise<DnsAnswer<string>>;
  /** PTR names of an address. */
  reverse(address: string): Promise<DnsAnswer<string>>;
  txt(name: string): Promise<DnsAnswer<string>>;
  /** Names of the name servers of a zone; absent where that cannot be asked. */
  ns?(name: string): Promise<DnsAnswer<string>>;
}

/** A lookup table as restriction words use it; config's `LookupTable` is one. */
export interface AccessTable {
  /** `hash:/etc/postfix/access`. */
  readonly describe: string;
  /** `partial`: a piece of a key, which is never asked of patterns. Throws or rejects when it cannot answer now. */
  find(
    key: string,
    scope?: 'full' | 'partial',
  ): { readonly value: string } | undefined | Promise<{ readonly value: string } | undefined>;
}

export type PolicyAnswer =
  | { readonly kind: 'action'; readonly action: string }
  /** Nobody answered in time or in form. */
  | { readonly kind: 'failed'; readonly warnings: readonly string[] };

/** One server that `check_policy_service` names, with its settings. */
export interface PolicyService {
  /** `policy_context`. */
  readonly context: string;
  /** What counts when it does not answer. */
  readonly defaultAction: string;
  /** Never rejects, and ends within the service's time limits. */
  ask(attributes: readonly (readonly [name: string, value: string])[]): Promise<PolicyAnswer>;
}

/** What is known of an address: whether mail to it would be delivered. */
export type Verification =
  | { readonly kind: 'deliverable' | 'deferred' | 'undeliverable'; readonly text: string }
  /** A probe is under way; `settled` when it has come to something. */
  | { readonly kind: 'pending'; readonly text: string; readonly settled: Promise<void> };

/** Address verification by probes (ADDRESS_VERIFICATION_README). A rejection: it cannot be told now. */
export interface AddressVerifier {
  query(address: string): Promise<Verification>;
}

/** ETRN's errand: the mail that waits for a domain is tried now. */
export interface SiteFlusher {
  /** `denied`: `fast_flush_domains` does not name the domain. */
  flush(domain: string): Promise<'started' | 'denied' | 'failed'>;
}

/** A mailbox of an envelope after parsing and unquoting: `"a b"@Example.COM` is `{local: 'a b', domain: 'Example.COM'}`. */
export interface EnvelopeMailbox {
  readonly local: string;
  /** Absent for a bare local part (`RCPT TO:<root>`, `<postmaster>`). */
  readonly domain?: string;
}

/** Where Postfix's address resolution puts a recipient's domain (ADDRESS_CLASS_README). */
export type AddressClass = 'local' | 'virtualAlias' | 'virtualMailbox' | 'relay' | 'default';

export type RecipientVerdict =
  | { readonly kind: 'known'; readonly class: AddressClass }
  /** `text` as Postfix words it: `User unknown in local recipient table`. */
  | {
      readonly kind: 'unknown';
      readonly class: AddressClass;
      readonly text: string;
      /** Of the enhanced code, where it is not the usual one: `1.6` for a user who moved. */
      readonly detail?: string;
    }
  /** A table could not be read: 451. */
  | { readonly kind: 'unavailable'; readonly reason: string };

export interface Addresses {
  /** The class of a domain alone; absent domain means `$myorigin`. */
  classify(mailbox: EnvelopeMailbox): AddressClass;
  /** The class, and whether the recipient exists as far as this server can tell. */
  verify(mailbox: EnvelopeMailbox): Promise<RecipientVerdict>;
  /** Where mail for an address would go; undefined where that cannot be told now. Filters are told of it. */
  whereTo?(address: string, sender: string): Promise<ResolvedAddress | undefined>;
}

export interface ClientInfo {
  readonly address: string;
  readonly port: number;
  /** Verified name, or `unknown`. */
  readonly name: string;
  /** PTR name even when it did not verify, or `unknown`. */
  readonly reverseName: string;
}

export interface EnvelopeRecipient {
  readonly address: string;
  /** DSN (RFC 3461): as given, or absent. */
  readonly notify?: readonly ('NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY')[];
  readonly originalRecipient?: string;
}

export interface AcceptedEnvelope {
  /** Empty for `<>`. */
  readonly sender: string;
  readonly recipients: readonly EnvelopeRecipient[];
  readonly bodyType?: '7BIT' | '8BITMIME';
  readonly smtpUtf8: boolean;
  readonly ret?: 'FULL' | 'HDRS';
  readonly envelopeId?: string;
  readonly client: ClientInfo;
  readonly helo: string;
  readonly protocol: 'SMTP' | 'ESMTP';
  readonly saslMethod?: string;
  readonly saslUser?: string;
  readonly messageSize: number;
  /** Accepted and not to be delivered until somebody releases it. */
  readonly hold?: true;
  /** Accepted and not to be delivered at all. */
  readonly discard?: true;
  /** `transport:destination` that takes the message in everybody's place: a content filter. Empty: none, whatever is set. */
  readonly filter?: string;
  /** The client is one of ours: addresses in its header may be incomplete (`local_header_rewrite_clients`). */
  readonly localHeaders?: true;
}

export interface AcceptResult {
  readonly queueId: string;
}

/** The queue refused: `noSpace` is 452 4.3.1, `tooManyHops` 554 5.4.6, `loop` 451 4.6.0, the rest 451 4.3.0. */
export class AcceptError extends Error {
  override readonly name = 'AcceptError';
  readonly code: 'noSpace' | 'loop' | 'unavailable';
  constructor(code: 'noSpace' | 'loop' | 'unavailable', message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What mail filters want done when the session is not to go on as if there were none. */
export type MilterVerdict =
  | { readonly kind: 'hold'; readonly reason: string }
  | { readonly kind: 'discard' }
  /** The session is to end. */
  | { readonly kind: 'shutdown' }
  /** SMTP lines with their code, CRLF between them. */
  | { readonly kind: 'reply'; readonly text: string };

type Asked = Promise<MilterVerdict | undefined>;

/** A macro by its name in braces (`{mail_addr}`); undefined: it has no value now. */
export type MilterMacros = (name: string) => string | undefined | Promise<string | undefined>;

/** The mail filters of one session. Never rejects; each answer comes within the filters' own time limits. */
export interface MilterSession {
  connect(client: { readonly name: string; readonly address: string; readonly port: number }): Asked;
  helo(name: string): Asked;
  /** The address as the client gave it, and its parameters. */
  mail(words: readonly string[]): Asked;
  rcpt(words: readonly string[], options?: { readonly rejected?: true }): Asked;
  data(): Asked;
  unknown(line: string): Asked;
  /** What stands against the whole session. */
  standing(): MilterVerdict | undefined;
  /** The transaction is over, however it ended. */
  abort(): void;
  end(): void;
}

/** What stands beside a message on its way into the queue. */
export interface MessageContext {
  /** Who looks at it before it is taken. */
  readonly milters: MilterSession;
  /** Facts about its session once it is in. */
  macros(queueId: string): MilterMacros;
}

/** Where an address goes, as `{mail_mailer}`, `{mail_host}` and `{mail_addr}` tell it. */
export interface ResolvedAddress {
  readonly transport: string;
  readonly nexthop: string;
  readonly address: string;
}

/** `commit` throws it when the message is not wanted: the client's reply, and nothing is kept. */
export class MessageRefused extends Error {
  override readonly name = 'MessageRefused';
  /** SMTP lines with their code, CRLF between them. */
  readonly reply: string;
  constructor(reply: string) {
    super(`message refused: ${reply}`);
    this.reply = reply;
  }
}

/** `commit` found something in the message that it does not let in. */
export class ContentRejected extends Error {
  override readonly name = 'ContentRejected';
  /** `5.7.1`; a 4 in front: for now. */
  readonly status: string;
  constructor(status: string, text: string) {
    super(text);
    this.status = status;
  }
}

export interface IncomingMessage extends MessageWriter<AcceptResult> {
  /** Known from the start, for `Received:` and the log. */
  readonly queueId: string;
  /** Before `commit`: what the end-of-data restrictions made of the envelope. */
  amend?(envelope: Omit<AcceptedEnvelope, 'messageSize'>): void;
}

/** The queue's entrance. Octets written are CRLF lines without dot-stuffing, `Received:` first. */
export interface MessageQueue {
  /** Throws `AcceptError`. The envelope is fixed: it is complete when DATA begins. `context`: of a session with filters. */
  begin(envelope: Omit<AcceptedEnvelope, 'messageSize'>, context?: MessageContext): Promise<IncomingMessage>;
  /** Whether a message of this many octets may be taken now (`queue_minfree`): false is 452 4.3.1 at MAIL. */
  hasRoomFor(octets: number): Promise<boolean>;
}

export interface Clock {
  now(): Date;
  /** Settles after so many milliseconds: `smtpd_error_sleep_time`. Absent: no sleeping. */
  sleep?(ms: number): Promise<void>;
}

export type { Sasl, SaslStep } from '@postcote/wire';

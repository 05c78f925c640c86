// What the queue keeps of a message besides its octets. Shaped like the SMTP side's envelope so that the
// composition root can pass one to the other; nothing here is imported from a protocol.

export type Notify = 'NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY';

/** A recipient as the client named it. */
export interface EnvelopeRecipient {
  readonly address: string;
  /** DSN (RFC 3461 §4.1), as given or absent. */
  readonly notify?: readonly Notify[];
  /** ORCPT (RFC 3461 §4.2), as given or absent. */
  readonly originalRecipient?: string;
  /** The address before it was rewritten; `address` where absent. */
  readonly original?: string;
}

export interface EnvelopeClient {
  readonly address: string;
  readonly port: number;
  readonly name: string;
  readonly reverseName: string;
}

export interface QueueEnvelope {
  /** Empty for `<>`. */
  readonly sender: string;
  readonly recipients: readonly EnvelopeRecipient[];
  readonly bodyType?: '7BIT' | '8BITMIME';
  readonly smtpUtf8: boolean;
  readonly ret?: 'FULL' | 'HDRS';
  readonly envelopeId?: string;
  readonly client: EnvelopeClient;
  readonly helo: string;
  readonly protocol: string;
  readonly saslMethod?: string;
  readonly saslUser?: string;
  /** A client of ours: its headers are completed. */
  readonly localHeaders?: true;
  /** Kept from being tried until somebody releases it. */
  readonly hold?: true;
  /** Accepted and thrown away. */
  readonly discard?: true;
  /** `transport:destination` that takes every recipient: a content filter. */
  readonly filter?: string;
  /** Recipients are not looked up in `virtual_alias_maps`. */
  readonly noMappings?: true;
  /** `5.7.1 text`: every recipient is returned with it. */
  readonly refused?: string;
}

/** The envelope without its recipients: these are rows of their own. */
export type MessageEnvelope = Omit<QueueEnvelope, 'recipients'>;

/** Who carries a message on, and where to: the unit of concurrency and of back-off. */
export interface Destination {
  /** `local`, `smtp`, `error`…: names the log's program (`postfix/local`) and the limits that apply. */
  readonly transport: string;
  /** A user of this machine, or the next hop's name. */
  readonly nexthop: string;
}

/** One recipient after expansion. */
export interface QueuedRecipient {
  /** Place among the message's recipients; stable for the message's life. */
  readonly index: number;
  readonly address: string;
  /** The address the client gave, when expansion changed it; else equal to `address`. */
  readonly original: string;
  readonly destination: Destination;
  /** An `owner-` alias takes this recipient's bounces: replaces the envelope's sender for it. */
  readonly sender?: string;
  /** Local recipients that passed the mail on, the last one first: each has a `Delivered-To:` of its own. */
  readonly via?: readonly string[];
  /** One thing of what the recipient's local delivery comes to: a command, a file, the mailbox itself. */
  readonly part?: RecipientPart;
  readonly notify?: readonly Notify[];
  readonly originalRecipient?: string;
}

/** Whose delivery knows what it means; for the queue, two recipients that differ in it are two. */
export interface RecipientPart {
  readonly kind: string;
  readonly target: string;
  /** The list (`:include:`) that named it. */
  readonly include?: string;
  /** An extension that goes on to what it names, with its delimiter. */
  readonly extension?: string;
}

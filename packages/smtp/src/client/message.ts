// A message to be sent on, as the sending side sees it.

import type { ForwardedClient } from './xforward.ts';

export interface OutboundRecipient {
  readonly index: number;
  readonly address: string;
  readonly notify?: readonly ('NEVER' | 'SUCCESS' | 'FAILURE' | 'DELAY')[];
  /** ORCPT's value, in xtext. */
  readonly originalRecipient?: string;
}

export interface OutboundBody {
  readonly size: number;
  /** A fresh reading from the first octet on: CRLF lines without dot-stuffing. */
  chunks(): AsyncIterable<Buffer> | Iterable<Buffer>;
}

export interface OutboundMessage {
  readonly queueId: string;
  /** Empty for `<>`. */
  readonly sender: string;
  readonly recipients: readonly OutboundRecipient[];
  readonly size: number;
  readonly bodyType?: '7BIT' | '8BITMIME';
  readonly smtpUtf8: boolean;
  readonly ret?: 'FULL' | 'HDRS';
  /** Decoded. */
  readonly envelopeId?: string;
  /** Whom it came from, for servers that are told (XFORWARD). */
  readonly client?: ForwardedClient;
  /** Nothing is to be sent: only whether it would be taken is asked. */
  readonly probe?: true;
  /** Throws when the octets cannot be read. */
  open(): Promise<OutboundBody>;
}

/** RFC 3461 §4: printable ASCII but `+` and `=` stands for itself. */
export function encodeXtext(text: string): string {
  return text.replace(/[^!-~]|[+=]/g, (c) =>
    [...Buffer.from(c, 'utf8')]
      .map((octet) => `+${octet.toString(16).toUpperCase().padStart(2, '0')}`)
      .join(''),
  );
}

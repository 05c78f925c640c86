// The structure of a message as IMAP shows it, with byte offsets: what ENVELOPE, BODYSTRUCTURE, BODY[section]
// and search are answered from. Values only; `structure-parser.ts` makes them.
//
// Offsets count octets in the CRLF form of the message (every line ends in CRLF), whatever is on disk.
// Strings are binary strings: one character (0-255) per octet of the header, `Buffer.from(s, 'latin1')` gives
// the octets back. Nothing is decoded here; `decodeWords` and `decodeParameter` are for consumers who want text.

/**
 * A header parameter as written, unquoted. RFC 2231 continuations are joined (`name*0`, `name*1` become `name`, or
 * `name*` when percent-encoded) and not decoded: `decodeParameter` does that for who asks.
 */
export type Parameter = readonly [name: string, value: string];

export interface Disposition {
  readonly type: string;
  readonly parameters: readonly Parameter[];
}

/** RFC 3501 §7.4.2 address; `host` null opens a group (with `mailbox` its name) or closes one (both null). */
export interface EnvelopeAddress {
  readonly name: string | null;
  readonly route: string | null;
  readonly mailbox: string | null;
  readonly host: string | null;
}

/** RFC 3501 §7.4.2. Strings are as in the header (unfolded, RFC 2047 not decoded); null when absent. */
export interface Envelope {
  readonly date: string | null;
  readonly subject: string | null;
  readonly from: readonly EnvelopeAddress[] | null;
  /** Absent `Sender:` and `Reply-To:` are already filled from `From:`. */
  readonly sender: readonly EnvelopeAddress[] | null;
  readonly replyTo: readonly EnvelopeAddress[] | null;
  readonly to: readonly EnvelopeAddress[] | null;
  readonly cc: readonly EnvelopeAddress[] | null;
  readonly bcc: readonly EnvelopeAddress[] | null;
  readonly inReplyTo: string | null;
  readonly messageId: string | null;
}

interface PartCommon {
  /** Where the part's own header begins; it ends (after its empty line) where the body begins. */
  readonly headerStart: number;
  readonly bodyStart: number;
  /** One past the last octet of the body; the CRLF before a boundary line is not in it (RFC 2046 §5.1.1). */
  readonly bodyEnd: number;
  /** Lines of the body, as BODYSTRUCTURE counts them. */
  readonly bodyLines: number;
  /** Type and subtype as written in the header, or the defaults of RFC 2045 §5.2, RFC 2046 §5.1.5. */
  readonly type: string;
  readonly subtype: string;
  /** For text/* without one, `charset=us-ascii` is added at the end, as Dovecot shows it. */
  readonly parameters: readonly Parameter[];
  readonly id: string | null;
  readonly description: string | null;
  /** Content-Transfer-Encoding as written; `7bit` when absent. */
  readonly encoding: string;
  readonly md5: string | null;
  readonly disposition: Disposition | null;
  readonly language: readonly string[] | null;
  readonly location: string | null;
}

/** Anything else. `multipart` or `message/rfc822` that could not be opened are `application/octet-stream`. */
export interface LeafPart extends PartCommon {
  readonly kind: 'leaf';
}

export interface MultipartPart extends PartCommon {
  readonly kind: 'multipart';
  /** Never empty: an empty text/plain stands in where the message has no parts. */
  readonly children: readonly MimePart[];
}

/** message/rfc822: `message` is the root part of the message inside. */
export interface MessagePart extends PartCommon {
  readonly kind: 'message';
  readonly envelope: Envelope;
  readonly message: MimePart;
}

export type MimePart = LeafPart | MultipartPart | MessagePart;

/** A whole message. `root.headerStart` is 0. */
export interface MessageStructure {
  readonly size: number;
  readonly envelope: Envelope;
  readonly root: MimePart;
}

/** Bounds of parsing: beyond them a part is kept as a leaf, never an error. */
export interface StructureLimits {
  readonly maxDepth: number;
  readonly maxParts: number;
  /** Octets of one header block that are looked at. */
  readonly maxHeaderSize: number;
}

export const DEFAULT_STRUCTURE_LIMITS: StructureLimits = {
  maxDepth: 50,
  maxParts: 10_000,
  maxHeaderSize: 1024 * 1024,
};

// What the codec allows. Bounds are checked as input comes, before anything is kept.

export interface CodecLimits {
  /** Octets of one command with its collected literals; a streamed APPEND literal is not in it. */
  readonly maxCommand: number;
  /** Parentheses within parentheses. */
  readonly maxNesting: number;
  /** Arguments of one command, list members included. */
  readonly maxArguments: number;
  /** Octets of one collected literal. */
  readonly maxLiteral: number;
  /** Octets of one streamed (APPEND) literal. */
  readonly maxStreamed: number;
}

// DOVECOT: imap_max_line_length is 64k.
export const DEFAULT_CODEC_LIMITS: CodecLimits = {
  maxCommand: 64 * 1024,
  maxNesting: 50,
  maxArguments: 20_000,
  maxLiteral: 64 * 1024,
  maxStreamed: 4 * 1024 * 1024 * 1024 - 1,
};

/**
 * Before login nothing needs room but ID, for which RFC 2971 §3.3 allows thirty fields of a kilobyte. DOVECOT: login
 * processes stop at 1024 a token.
 */
export const LOGIN_CODEC_LIMITS: CodecLimits = {
  maxCommand: 36 * 1024,
  maxNesting: 1,
  maxArguments: 64,
  maxLiteral: 1024,
  maxStreamed: 0,
};

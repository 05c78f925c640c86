// A SASL exchange (RFC 4422) as the protocols drive it: they frame lines, the auth package's `startSasl` says what
// the lines mean.

export type SaslStep =
  /** Send `text` (base64, possibly empty) as a challenge and give the client's line, without CRLF, to `next`. */
  | { readonly kind: 'challenge'; readonly text: string; next(line: string): SaslStep }
  | {
      readonly kind: 'credentials';
      readonly authzid: string;
      readonly user: string;
      readonly password: string;
    }
  | { readonly kind: 'malformed'; readonly reason: string }
  | { readonly kind: 'cancelled' }
  | { readonly kind: 'unknownMechanism' };

export interface Sasl {
  /** In the order in which they are announced. */
  readonly mechanisms: readonly string[];
  /** `initial`: the initial response as it stood on the command line; `=` is an empty one (RFC 4954 §4). */
  startSasl(mechanism: string, initial?: string): SaslStep;
}

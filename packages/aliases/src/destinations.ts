// What a recipient comes to in the end.

interface Provenance {
  /** For `X-Original-To:`: the recipient as it was given; for a member of a list with an owner, the member. */
  readonly original: string;
  /**
   * Local recipients that passed the mail on (a list with an owner, an alias of an address elsewhere), the last one
   * first. Each has its own `Delivered-To:` below the newest, which is how loops between servers are found.
   */
  readonly via?: readonly string[];
  /** An `owner-` alias takes the bounces: the envelope sender from here on. */
  readonly sender?: string;
}

export type Destination =
  | (Provenance & {
      readonly kind: 'local';
      /** The account, in lower case. */
      readonly user: string;
      /** What followed the delimiter, without it. */
      readonly extension?: string;
      /** For `Delivered-To:`: the address the local delivery began with. */
      readonly deliveredTo: string;
    })
  | (Provenance & {
      readonly kind: 'remote';
      readonly address: string;
      readonly class: 'relay' | 'default' | 'virtualMailbox';
    })
  /** Recognised in an alias and not run (yet): the mail waits with this reason. */
  | (Provenance & {
      readonly kind: 'command' | 'file' | 'include';
      readonly target: string;
      readonly reason: string;
    })
  /** Nobody's: permanent (5.1.1 unknown, 5.4.6 loop) or for now. */
  | (Provenance & {
      readonly kind: 'undeliverable';
      readonly address: string;
      readonly permanent: boolean;
      readonly status: string;
      readonly reason: string;
    });

/** Destinations with one key are one. */
export function destinationKey(destination: Destination): string {
  switch (destination.kind) {
    case 'local':
      return JSON.stringify([
        'local',
        destination.deliveredTo.toLowerCase(),
        destination.user,
        destination.extension,
      ]);
    case 'remote':
      return JSON.stringify(['remote', destination.address.toLowerCase()]);
    case 'undeliverable':
      return JSON.stringify(['undeliverable', destination.address.toLowerCase(), destination.status]);
    default:
      return JSON.stringify([destination.kind, destination.target]);
  }
}

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
      /** The mailbox itself: `\user`, and who is named in his own .forward file. */
      readonly mailbox?: true;
    })
  | (Provenance & {
      readonly kind: 'remote';
      readonly address: string;
      readonly class: 'relay' | 'default' | 'virtualMailbox';
    })
  /** What an alias names besides addresses; whoever carries it out looks it up in the alias again. */
  | (Provenance & {
      readonly kind: 'command' | 'file' | 'include';
      readonly target: string;
      readonly alias: string;
      readonly deliveredTo: string;
      /** For the addresses of a list: an extension that the alias did not cover, with its delimiter. */
      readonly unmatched?: string;
    })
  /** `fallback_transport`: who is unknown here may be known there. */
  | (Provenance & { readonly kind: 'transport'; readonly address: string; readonly transport: string })
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
        destination.mailbox,
      ]);
    case 'remote':
      return JSON.stringify(['remote', destination.address.toLowerCase()]);
    case 'undeliverable':
      return JSON.stringify(['undeliverable', destination.address.toLowerCase(), destination.status]);
    case 'transport':
      return JSON.stringify(['transport', destination.address.toLowerCase(), destination.transport]);
    default:
      return JSON.stringify([destination.kind, destination.alias, destination.target]);
  }
}

// What a recipient comes to in the end.

export type Destination =
  | {
      readonly kind: 'local';
      /** The account, in lower case. */
      readonly user: string;
      /** What followed the delimiter, without it. */
      readonly extension?: string;
      /** For `Delivered-To:`: the address the local delivery began with. */
      readonly deliveredTo: string;
      /** For `X-Original-To:`: the recipient as it was given. */
      readonly original: string;
      /** An `owner-` alias takes the bounces: the envelope sender from here on. */
      readonly sender?: string;
    }
  | {
      readonly kind: 'remote';
      readonly address: string;
      readonly class: 'relay' | 'default' | 'virtualMailbox';
      readonly original: string;
      readonly sender?: string;
    }
  /** Recognised in an alias and not run (yet): the mail waits with this reason. */
  | {
      readonly kind: 'command' | 'file' | 'include';
      readonly target: string;
      readonly reason: string;
      readonly original: string;
      readonly sender?: string;
    }
  /** Nobody's: permanent (5.1.1 unknown, 5.4.6 loop) or for now. */
  | {
      readonly kind: 'undeliverable';
      readonly address: string;
      readonly permanent: boolean;
      readonly status: string;
      readonly reason: string;
      readonly original: string;
      readonly sender?: string;
    };

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

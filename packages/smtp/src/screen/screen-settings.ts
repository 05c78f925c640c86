// What postscreen is set to, as values (POSTFIX: postscreen(8)). Times are milliseconds.

export type ScreenAction = 'ignore' | 'enforce' | 'drop';

export interface DnsblSite {
  /** `zen.example=127.0.0.[2..11]`, as it is asked. */
  readonly zone: string;
  readonly weight: number;
}

export interface ScreenSettings {
  /** `postfix/postscreen`. */
  readonly program: string;
  /** `postscreen_access_list`: undefined when it has no say. */
  readonly access: (address: string) => 'permit' | 'reject' | undefined;
  readonly denylistAction: ScreenAction;
  readonly greetWait: number;
  /** Empty: no teaser. */
  readonly greetBanner: string;
  readonly greetAction: ScreenAction;
  readonly greetTtl: number;
  readonly dnsblSites: readonly DnsblSite[];
  readonly dnsblThreshold: number;
  /** Below zero: from this score down a client passes without further ado; 0: none does. */
  readonly dnsblAllowlistThreshold: number;
  readonly dnsblAction: ScreenAction;
  readonly dnsblTtl: number;
  readonly dnsblTimeout: number;
  /** Clients under test at a time (`postscreen_pre_queue_limit`). */
  readonly preQueueLimit: number;
  /** Whether a client may earn its pass at this address of ours (`postscreen_allowlist_interfaces`). */
  readonly mayPassAt: (address: string) => boolean;
  /** `postscreen_dnsbl_reply_map`: the name that clients are told. */
  readonly dnsblName: (zone: string) => string;
}

/** `zen.example*2`, `list.example=127.0.0.4*-1`; undefined when malformed. */
export function parseDnsblSite(word: string): DnsblSite | undefined {
  const star = word.lastIndexOf('*');
  const zone = star === -1 ? word : word.slice(0, star);
  const weight = star === -1 ? '1' : word.slice(star + 1);
  if (zone === '' || !/^-?[0-9]{1,6}$/.test(weight)) return undefined;
  return { zone, weight: Number(weight) };
}

// The score of a client by weighted DNS lists: each list that answers for it adds its weight. A list that is silent or
// fails adds nothing.

import type { Dns } from '../ports.ts';
import { parseZone, reversedAddress } from '../restrictions/words-dnsxl.ts';
import type { DnsblSite } from './screen-settings.ts';

export interface DnsblScore {
  readonly score: number;
  /** The list that added most, for the reply. */
  readonly worst: string | undefined;
  /** `addr 192.0.2.1 listed by domain zen.example as 127.0.0.2` */
  readonly notes: readonly string[];
}

export async function scoreClient(
  dns: Dns,
  address: string,
  sites: readonly DnsblSite[],
): Promise<DnsblScore> {
  const label = reversedAddress(address);
  if (label === undefined) return { score: 0, worst: undefined, notes: [] };
  const names = new Map<string, Promise<readonly string[]>>();
  const ask = (zone: string): Promise<readonly string[]> => {
    const asked =
      names.get(zone) ??
      dns.addresses(`${label}.${zone}`).then((answer) => (answer.kind === 'found' ? answer.records : []));
    names.set(zone, asked);
    return asked;
  };
  const notes = new Set<string>();
  let score = 0;
  let worst: DnsblSite | undefined;
  for (const site of sites) {
    const zone = parseZone(site.zone);
    if (zone === undefined) continue;
    const counted = (await ask(zone.name)).filter(zone.counts);
    if (counted.length === 0) continue;
    for (const record of counted) notes.add(`addr ${address} listed by domain ${zone.name} as ${record}`);
    score += site.weight;
    if (worst === undefined || site.weight > worst.weight) worst = site;
  }
  return { score, worst: worst?.zone.replace(/=.*$/, ''), notes: [...notes] };
}

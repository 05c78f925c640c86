// cidr_table(5): `network result`, `!network result`, `if network` … `endif`. The first match counts.

import {
  networkContains,
  parseIpAddress,
  parseIpNetwork,
  type IpAddress,
  type IpNetwork,
} from '../ip-address.ts';
import type { TableEntry } from './lookup-table.ts';
import { parseRules, runRules, type Rule } from './rule-table.ts';
import type { ParseTable } from './text-map.ts';

interface NetworkTest {
  readonly network: IpNetwork;
  readonly isNegated: boolean;
}

export type CidrTable = readonly Rule<NetworkTest, string>[];

export const parseCidrText: ParseTable<CidrTable> = (file, text) =>
  parseRules(file, text, {
    parseTest: (rest) => {
      const word = /^\S+/.exec(rest)?.[0] ?? '';
      const isNegated = word.startsWith('!');
      const afterMark = (isNegated ? rest.slice(1) : rest).trimStart();
      const written = /^\S+/.exec(afterMark)?.[0] ?? '';
      const network = parseIpNetwork(written);
      if (typeof network === 'string') return network;
      return { test: { network, isNegated }, rest: afterMark.slice(written.length).trim() };
    },
    parseResult: (result) => ({ result }),
  });

export function findInCidr(table: CidrTable, file: string, key: string): TableEntry | undefined {
  const address = parseIpAddress(key);
  if (address === undefined) return undefined;
  const rule = runRules(table, (test) => matches(test, address));
  return rule === undefined ? undefined : { value: rule.result, origin: { file, line: rule.line } };
}

function matches(test: NetworkTest, address: IpAddress): true | undefined {
  return networkContains(test.network, address) !== test.isNegated ? true : undefined;
}

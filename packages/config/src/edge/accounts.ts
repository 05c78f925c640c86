// passwd(5) and group(5) as a map from name to line, for `unix:passwd.byname` where no directory service is asked.

import type { ParseTable } from '../tables/text-map.ts';

export const parseAccountsText: ParseTable<ReadonlyMap<string, string>> = (_file, text) => {
  const lines = text.split('\n').filter((line) => line.includes(':'));
  const content = new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line]));
  return { content, errors: [], warnings: [] };
};

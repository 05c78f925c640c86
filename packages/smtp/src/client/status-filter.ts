// smtp_delivery_status_filter and kin: a table is asked about `5.1.1 text` and may answer with another status and text. It
// may make a soft failure hard and a hard one soft, never a success of a failure nor a failure of a success
// (postconf(5)). Never rejects: a table that cannot answer changes nothing.

import type { TransportTable } from './transport.ts';

interface Filtered {
  readonly status: 'sent' | 'deferred' | 'bounced';
  readonly dsn: string;
  readonly text: string;
}

export async function filterStatus<Result extends Filtered>(
  results: readonly Result[],
  table: TransportTable,
): Promise<Result[]> {
  return await Promise.all(results.map((result) => filterOne(result, table)));
}

async function filterOne<Result extends Filtered>(result: Result, table: TransportTable): Promise<Result> {
  let found: string | undefined;
  try {
    found = (await table.find(`${result.dsn} ${result.text}`))?.value;
  } catch {
    return result;
  }
  const match = found === undefined ? null : /^\s*([245])(\.\d{1,3}\.\d{1,3})\s+(\S.*)$/s.exec(found);
  if (match === null) return result;
  const [, level = '', rest = '', text = ''] = match;
  if ((level === '2') !== (result.status === 'sent')) return result;
  const status = level === '2' ? 'sent' : level === '4' ? 'deferred' : 'bounced';
  return { ...result, status, dsn: `${level}${rest}`, text };
}

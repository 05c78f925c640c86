// What is measured, which way is better, and what is expected of the ratio ours/theirs.

export interface Metric {
  readonly key: string;
  readonly title: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  /** The bar that issue-level goals set for ours/theirs: at least (higher is better) or at most. */
  readonly expected?: number;
}

export const METRICS: readonly Metric[] = [
  {
    key: 'accept10one',
    title: 'Accepted, 10 sessions, one message each',
    unit: '/s',
    better: 'higher',
    expected: 2,
  },
  {
    key: 'accept50one',
    title: 'Accepted, 50 sessions, one message each',
    unit: '/s',
    better: 'higher',
    expected: 2,
  },
  {
    key: 'accept10many',
    title: 'Accepted, 10 sessions, many messages each',
    unit: '/s',
    better: 'higher',
    expected: 2,
  },
  {
    key: 'accept50many',
    title: 'Accepted, 50 sessions, many messages each',
    unit: '/s',
    better: 'higher',
    expected: 2,
  },
  { key: 'deliver1', title: 'Delivered into 1 mailbox', unit: '/s', better: 'higher', expected: 2 },
  { key: 'deliver20', title: 'Delivered into 20 mailboxes', unit: '/s', better: 'higher', expected: 2 },
  { key: 'deliver20cold', title: 'Same, the first 100 after a start', unit: '/s', better: 'higher' },
  { key: 'cpu', title: 'Processor time per message delivered', unit: 'ms', better: 'lower', expected: 0.5 },
  { key: 'p50', title: 'Transaction, median', unit: 'ms', better: 'lower', expected: 1 },
  { key: 'p99', title: 'Transaction, 99th percentile', unit: 'ms', better: 'lower', expected: 1 },
  {
    key: 'starttls',
    title: 'Accepted with STARTTLS, one message each',
    unit: '/s',
    better: 'higher',
    expected: 2,
  },
  { key: 'starttlsCpu', title: 'Same, processor time per message', unit: 'ms', better: 'lower' },
  { key: 'big', title: 'Messages of 9 MiB delivered', unit: '/s', better: 'higher', expected: 0.9 },
  { key: 'bigCpu', title: 'Same, processor time per message', unit: 'ms', better: 'lower' },
  { key: 'relay1', title: 'Relayed to 1 next hop', unit: '/s', better: 'higher' },
  { key: 'relay1Cpu', title: 'Same, processor time per message', unit: 'ms', better: 'lower' },
  { key: 'relay20', title: 'Relayed to 20 next hops', unit: '/s', better: 'higher' },
  { key: 'relay20Cpu', title: 'Same, processor time per message', unit: 'ms', better: 'lower' },
  { key: 'restrictions', title: 'Accepted past four maps of 100,000 entries', unit: '/s', better: 'higher' },
  {
    key: 'restrictionsCpu',
    title: 'Same, processor time per message delivered',
    unit: 'ms',
    better: 'lower',
  },
  { key: 'deferredNone', title: 'Accepted, nothing else in the queue', unit: '/s', better: 'higher' },
  { key: 'deferredOne', title: 'Accepted while 100,000 wait for one site', unit: '/s', better: 'higher' },
  { key: 'deferredMany', title: 'Accepted while 200,000 wait for 1,000 sites', unit: '/s', better: 'higher' },
  { key: 'deferredNoneMemory', title: 'Memory, nothing in the queue', unit: 'MiB', better: 'lower' },
  { key: 'deferredOneMemory', title: 'Memory, 100,000 waiting for one site', unit: 'MiB', better: 'lower' },
  {
    key: 'deferredManyMemory',
    title: 'Memory, 200,000 waiting for 1,000 sites',
    unit: 'MiB',
    better: 'lower',
  },
  { key: 'selectWarm', title: 'SELECT, mailbox known', unit: 'ms', better: 'lower', expected: 1 },
  {
    key: 'selectCold',
    title: 'SELECT, mailbox never opened before',
    unit: 'ms',
    better: 'lower',
    expected: 1.5,
  },
  { key: 'flags', title: 'UID FETCH 1:* (FLAGS)', unit: '/s', better: 'higher', expected: 0.7 },
  {
    key: 'envelopeCold',
    title: 'Envelopes and structures, cold',
    unit: '/s',
    better: 'higher',
    expected: 0.8,
  },
  {
    key: 'envelopeWarm',
    title: 'Envelopes and structures, warm',
    unit: '/s',
    better: 'higher',
    expected: 1.2,
  },
  {
    key: 'headersCold',
    title: 'Header list as Thunderbird asks, cold',
    unit: '/s',
    better: 'higher',
    expected: 0.8,
  },
  {
    key: 'headersWarm',
    title: 'Header list as Thunderbird asks, warm',
    unit: '/s',
    better: 'higher',
    expected: 0.5,
  },
  { key: 'sync', title: 'Bodies of a mailbox', unit: '/s', better: 'higher', expected: 0.8 },
  {
    key: 'selectWarmLarge',
    title: 'SELECT, mailbox known, 100,000',
    unit: 'ms',
    better: 'lower',
    expected: 1,
  },
  {
    key: 'selectColdLarge',
    title: 'SELECT, mailbox never opened before, 100,000',
    unit: 'ms',
    better: 'lower',
    expected: 1.5,
  },
  { key: 'flagsLarge', title: 'UID FETCH 1:* (FLAGS), 100,000', unit: '/s', better: 'higher', expected: 0.7 },
  {
    key: 'envelopeColdLarge',
    title: 'Envelopes and structures, cold, 100,000',
    unit: '/s',
    better: 'higher',
    expected: 0.8,
  },
  {
    key: 'envelopeWarmLarge',
    title: 'Envelopes and structures, warm, 100,000',
    unit: '/s',
    better: 'higher',
    expected: 1.2,
  },
  {
    key: 'headersColdLarge',
    title: 'Header list as Thunderbird asks, cold, 100,000',
    unit: '/s',
    better: 'higher',
    expected: 0.8,
  },
  {
    key: 'headersWarmLarge',
    title: 'Header list as Thunderbird asks, warm, 100,000',
    unit: '/s',
    better: 'higher',
    expected: 0.5,
  },
  { key: 'syncLarge', title: 'Bodies of a mailbox, 100,000', unit: '/s', better: 'higher', expected: 0.8 },
  {
    key: 'searchRareScan',
    title: 'SEARCH TEXT, a rare word, not yet indexed',
    unit: '/s',
    better: 'higher',
    expected: 1,
  },
  {
    key: 'searchRareIndexed',
    title: 'SEARCH TEXT, a rare word, indexed',
    unit: '/s',
    better: 'higher',
    expected: 20,
  },
  {
    key: 'searchFrequentScan',
    title: 'SEARCH TEXT, a frequent word, not yet indexed',
    unit: '/s',
    better: 'higher',
    expected: 1,
  },
  {
    key: 'searchFrequentIndexed',
    title: 'SEARCH TEXT, a frequent word, indexed',
    unit: '/s',
    better: 'higher',
    expected: 20,
  },
  { key: 'store', title: 'STORE of 1,000', unit: '/s', better: 'higher', expected: 0.5 },
  { key: 'expunge', title: 'EXPUNGE of 1,000', unit: '/s', better: 'higher', expected: 0.5 },
  { key: 'copy', title: 'COPY of 1,000', unit: '/s', better: 'higher', expected: 0.6 },
  { key: 'move', title: 'MOVE of 1,000', unit: '/s', better: 'higher', expected: 0.6 },
  { key: 'append1', title: 'APPEND, 1 session', unit: '/s', better: 'higher', expected: 1 },
  { key: 'append10', title: 'APPEND, 10 sessions', unit: '/s', better: 'higher', expected: 1 },
  { key: 'fourSyncs', title: 'Bodies, four users at once', unit: '/s', better: 'higher', expected: 0.8 },
  {
    key: 'noopSelect',
    title: 'NOOP p99 while another user selects',
    unit: 'ms',
    better: 'lower',
    expected: 2,
  },
  {
    key: 'noopSync',
    title: 'NOOP p99 while another user reads all',
    unit: 'ms',
    better: 'lower',
    expected: 2,
  },
  {
    key: 'noopSearch',
    title: 'NOOP p99 while another user searches',
    unit: 'ms',
    better: 'lower',
    expected: 2,
  },
  {
    key: 'push',
    title: 'From the 250 to EXISTS in an idling session, median',
    unit: 'ms',
    better: 'lower',
    expected: 0.05,
  },
  {
    key: 'pop3Open',
    title: 'POP3: STAT and UIDL, mailbox never opened before',
    unit: 'ms',
    better: 'lower',
    expected: 1,
  },
  { key: 'pop3', title: 'POP3: RETR of all', unit: '/s', better: 'higher', expected: 0.8 },
  { key: 'logins', title: 'Logins', unit: '/s', better: 'higher', expected: 1.15 },
  { key: 'loginCpu', title: 'Processor time per login', unit: 'ms', better: 'lower', expected: 0.85 },
  { key: 'memoryIdle', title: 'Memory, just started', unit: 'MiB', better: 'lower', expected: 6 },
  {
    key: 'memoryEach100',
    title: 'Memory per idle IMAPS connection, 100, 20 users',
    unit: 'KiB',
    better: 'lower',
    expected: 0.2,
  },
  { key: 'memory100', title: 'Memory with 100 connections, before they sleep', unit: 'MiB', better: 'lower' },
  {
    key: 'memoryEach500',
    title: 'Memory per idle IMAPS connection, 500, 20 users',
    unit: 'KiB',
    better: 'lower',
    expected: 0.2,
  },
  { key: 'memory500', title: 'Memory with 500 connections, before they sleep', unit: 'MiB', better: 'lower' },
  { key: 'start', title: 'Start until all ports answer', unit: 'ms', better: 'lower', expected: 1.5 },
];

export interface Row {
  readonly metric: Metric;
  readonly ours: number | undefined;
  readonly theirs: number | undefined;
  /** ours/theirs. */
  readonly ratio: number | undefined;
  readonly verdict: 'better' | 'worse' | 'below expectation' | 'not measured';
}

/** Samples by metric and side. */
export class Samples {
  readonly failures: string[] = [];
  readonly #values = new Map<string, { ours: number[]; theirs: number[] }>();

  add(key: string, side: 'ours' | 'theirs', value: number): void {
    const entry = this.#values.get(key) ?? { ours: [], theirs: [] };
    entry[side].push(value);
    this.#values.set(key, entry);
  }

  /** A workload that could not be measured, for the end of the run to name. */
  fail(what: string): void {
    this.failures.push(what);
  }

  rows(): Row[] {
    return METRICS.map((metric) => {
      const entry = this.#values.get(metric.key);
      const ours = median(entry?.ours ?? []);
      const theirs = median(entry?.theirs ?? []);
      const ratio = ours === undefined || theirs === undefined || theirs === 0 ? undefined : ours / theirs;
      return { metric, ours, theirs, ratio, verdict: judge(metric, ratio) };
    });
  }

  toJSON(): Record<string, { ours: number[]; theirs: number[] }> {
    return Object.fromEntries(this.#values);
  }
}

export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle];
  const lower = sorted[middle - 1];
  if (upper === undefined) return undefined;
  return sorted.length % 2 === 1 || lower === undefined ? upper : (upper + lower) / 2;
}

function judge(metric: Metric, ratio: number | undefined): Row['verdict'] {
  if (ratio === undefined) return 'not measured';
  const { expected, better } = metric;
  if (expected !== undefined && (better === 'higher' ? ratio < expected : ratio > expected))
    return 'below expectation';
  return (better === 'higher' ? ratio >= 1 : ratio <= 1) ? 'better' : 'worse';
}

export function formatValue(value: number | undefined, unit: string): string {
  if (value === undefined) return '–';
  const text =
    value >= 100 ? Math.round(value).toLocaleString('en') : value >= 10 ? value.toFixed(1) : value.toFixed(2);
  return unit.startsWith('/') ? `${text}${unit}` : `${text} ${unit}`;
}

export function formatTable(rows: readonly Row[]): string {
  const head = ['', 'postcote', 'Postfix + Dovecot', 'ratio', 'expected', ''];
  const body = rows.map(({ metric, ours, theirs, ratio, verdict }) => [
    metric.title,
    formatValue(ours, metric.unit),
    formatValue(theirs, metric.unit),
    ratio === undefined ? '–' : ratio.toFixed(2),
    metric.expected === undefined ? '' : `${metric.better === 'higher' ? '≥' : '≤'} ${metric.expected}`,
    verdict,
  ]);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...body.map((row) => row[column]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, i) => (i === 0 || i === 5 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join('  ')
      .trimEnd();
  return [line(head), ...body.map(line)].join('\n');
}

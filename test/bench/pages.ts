// The figures as Markdown, put between two marks of a page whose other words people write.

import { type Row, formatValue } from './metrics.ts';

const BEGIN = '<!-- figures: written by pnpm bench -->';
const END = '<!-- end of figures -->';

/** What people ask first, for the README; the whole table is in docs/speed.md. */
export const FIRST_FIGURES: ReadonlySet<string> = new Set(
  'deliver20 cpu p50 selectWarm sync searchRareIndexed push loginCpu memoryEach100 memoryIdle'.split(' '),
);

const VERDICTS: Readonly<Record<Row['verdict'], string>> = {
  better: '',
  worse: 'behind',
  'below expectation': 'missed',
  'not measured': '',
};

/** Without what was not measured on both sides. */
export function formatMarkdown(rows: readonly Row[], form: { readonly goals: boolean }): string {
  const head = ['', 'postcote', 'Postfix + Dovecot', 'ratio', ...(form.goals ? ['goal', ''] : [])];
  const body = rows
    .filter(({ ratio }) => ratio !== undefined)
    .map(({ metric, ours, theirs, ratio = 0, verdict }) => [
      metric.title,
      formatValue(ours, metric.unit),
      formatValue(theirs, metric.unit),
      ratio.toFixed(2),
      ...(form.goals ? [formatGoal(metric), VERDICTS[verdict]] : []),
    ]);
  return [head, head.map(() => '---'), ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function formatGoal({ expected, better }: Row['metric']): string {
  return expected === undefined ? '' : `${better === 'higher' ? '≥' : '≤'} ${expected}`;
}

/** Throws when the page has no such place. */
export function replaceFigures(page: string, figures: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END, begin);
  if (begin < 0 || end < 0) throw new Error(`the page has no place for the figures (${BEGIN} … ${END})`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${figures}\n\n${page.slice(end)}`;
}

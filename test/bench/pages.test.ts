import { describe, expect, it } from 'vitest';
import { Samples } from './metrics.ts';
import { formatMarkdown, replaceFigures } from './pages.ts';

function someRows(): ReturnType<Samples['rows']> {
  const samples = new Samples();
  for (const value of [10, 30, 20]) samples.add('selectCold', 'ours', value);
  samples.add('selectCold', 'theirs', 10);
  samples.add('flags', 'ours', 500);
  return samples.rows();
}

describe('the pages with figures', () => {
  it('tell medians, ratios and what was missed, and leave out what one side lacks', () => {
    expect(formatMarkdown(someRows(), { goals: true })).toBe(
      [
        '|  | postcote | Postfix + Dovecot | ratio | goal |  |',
        '| --- | --- | --- | --- | --- | --- |',
        '| SELECT, mailbox never opened before | 20.0 ms | 10.0 ms | 2.00 | ≤ 1.5 | missed |',
      ].join('\n'),
    );
    expect(formatMarkdown(someRows(), { goals: false })).not.toContain('missed');
  });

  it('keep the words around the figures', () => {
    const page = 'before\n\n<!-- figures: written by pnpm bench -->\nold\n<!-- end of figures -->\n\nafter\n';
    const replaced = replaceFigures(page, 'new');
    expect(replaced).toBe(
      'before\n\n<!-- figures: written by pnpm bench -->\n\nnew\n\n<!-- end of figures -->\n\nafter\n',
    );
    expect(replaceFigures(replaced, 'new')).toBe(replaced);
    expect(() => replaceFigures('no place', 'new')).toThrow('no place for the figures');
  });
});

// The results as one SVG picture: a bar to the right where postcote is better, to the left where it is not, on a
// logarithmic scale; the figures stand beside it. Dark text on white, readable without colour.

import { type Row, formatValue } from './metrics.ts';

const ROW_HEIGHT = 30;
const TOP = 74;
const LABEL_LEFT = 16;
const CHART_LEFT = 360;
const CHART_WIDTH = 280;
/** Right edges of the columns of figures. */
const TIMES_RIGHT = 715;
const OURS_RIGHT = 820;
const WIDTH = 980;
const THEIRS_RIGHT = WIDTH - LABEL_LEFT;
/** The scale ends at this many times better or worse. */
const MOST = 16;
const INK = '#1a1a1a';

export function formatChart(rows: readonly Row[], caption: string): string {
  const shown = rows.filter((row) => row.ratio !== undefined);
  const bottom = TOP + shown.length * ROW_HEIGHT;
  const grid = [1 / 16, 1 / 4, 1, 4, 16].map((times) => gridLine(times, bottom)).join('\n');
  const bars = shown.map((row, i) => formatRow(row, TOP + i * ROW_HEIGHT)).join('\n');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${bottom + 54}" font-family="sans-serif" font-size="14" fill="${INK}">
<rect width="100%" height="100%" fill="#ffffff"/>
<text x="${LABEL_LEFT}" y="28" font-size="18" font-weight="bold">postcote next to Postfix + Dovecot on the same machine</text>
<text x="${CHART_LEFT}" y="56" font-size="12">worse ←</text>
<text x="${CHART_LEFT + CHART_WIDTH}" y="56" font-size="12" text-anchor="end">→ better</text>
<text x="${OURS_RIGHT}" y="56" font-size="12" text-anchor="end">postcote</text>
<text x="${THEIRS_RIGHT}" y="56" font-size="12" text-anchor="end">Postfix + Dovecot</text>
${grid}
${bars}
<text x="${LABEL_LEFT}" y="${bottom + 42}" font-size="12">${escape(caption)}</text>
</svg>
`;
}

function formatRow({ metric, ours, theirs, ratio }: Row, top: number): string {
  const advantage = metric.better === 'higher' ? (ratio ?? 1) : 1 / (ratio ?? 1);
  const middle = xOf(1);
  const end = xOf(advantage);
  const [left, width] = end >= middle ? [middle, end - middle] : [end, middle - end];
  const fill = advantage >= 1 ? '#2f6f4f' : '#b0472e';
  const times = advantage >= 1 ? `${advantage.toFixed(1)}×` : `1/${(1 / advantage).toFixed(1)}×`;
  const text = top + 19;
  const cell = (right: number, content: string): string =>
    `<text x="${right}" y="${text}" text-anchor="end">${escape(content)}</text>`;
  return `<text x="${LABEL_LEFT}" y="${text}">${escape(metric.title)}</text>
<rect x="${left.toFixed(1)}" y="${top + 5}" width="${Math.max(1.5, width).toFixed(1)}" height="${ROW_HEIGHT - 10}" fill="${fill}"/>
${cell(TIMES_RIGHT, times)}
${cell(OURS_RIGHT, formatValue(ours, metric.unit))}
${cell(THEIRS_RIGHT, formatValue(theirs, metric.unit))}`;
}

function gridLine(times: number, bottom: number): string {
  const x = xOf(times).toFixed(1);
  const label = times >= 1 ? `${times}×` : `1/${1 / times}×`;
  return `<line x1="${x}" y1="${TOP - 8}" x2="${x}" y2="${bottom}" stroke="${times === 1 ? INK : '#cccccc'}"/>
<text x="${x}" y="${bottom + 16}" font-size="11" text-anchor="middle">${label}</text>`;
}

function xOf(advantage: number): number {
  const position = Math.log2(Math.min(MOST, Math.max(1 / MOST, advantage))) / Math.log2(MOST);
  return CHART_LEFT + CHART_WIDTH * (0.5 + position / 2);
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

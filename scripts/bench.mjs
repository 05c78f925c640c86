// pnpm bench [--quick] [--write] [--only PART,…] [--large] [--side ours|theirs]
//
// Runs postcote and a private real Postfix + Dovecot in alternation on this machine and prints medians and the
// ratios ours/theirs, also where they lose. Needs root (temporary accounts, PAM) and Debian's postfix and
// dovecot. The parts stand in docs/testing.md. `--large` adds
// mailboxes of 100,000 messages and 500 connections. `--write` puts the results into docs/bench/.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const repository = fileURLToPath(new URL('..', import.meta.url));
const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    large: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    side: { type: 'string', default: '' },
  },
});

const problem = findProblem();
if (problem !== undefined) {
  console.error(`bench: ${problem}`);
  process.exit(2);
}

const { runBench, FULL_PLAN, LARGE, PARTS, QUICK_PLAN } = await import('../test/bench/run.ts');
const { formatTable } = await import('../test/bench/metrics.ts');
const { formatChart } = await import('../test/bench/chart.ts');
const { FIRST_FIGURES, formatMarkdown, replaceFigures } = await import('../test/bench/pages.ts');

const begun = Date.now();
const plan = {
  ...(values.quick ? QUICK_PLAN : FULL_PLAN),
  ...(values.large ? LARGE : {}),
  sides: values.side === '' ? ['ours', 'theirs'] : [values.side],
  only: new Set(values.only.split(',').filter((part) => part !== '')),
};
const unknown = [...plan.only].filter((part) => !PARTS.includes(part));
if (unknown.length > 0) {
  console.error(`bench: no part ${unknown.join(', ')}; there are ${PARTS.join(', ')}`);
  process.exit(2);
}
const samples = await runBench(plan, (text) => {
  const seconds = ((Date.now() - begun) / 1000).toFixed(0).padStart(4);
  console.error(`${seconds} s  ${text}`);
});
const rows = samples.rows().filter(({ ours, theirs }) => ours !== undefined || theirs !== undefined);
const machine = {
  processors: os.cpus().length,
  model: os.cpus()[0]?.model ?? 'unknown',
  memoryMiB: Math.round(os.totalmem() / 1024 / 1024),
  node: process.version,
};
console.log(`\n${formatTable(rows)}\n`);
const behind = rows.filter(({ verdict }) => verdict === 'worse' || verdict === 'below expectation');
if (rows.some(({ ratio }) => ratio !== undefined)) {
  const names = behind.map(({ metric }) => metric.title).join('; ');
  console.log(
    behind.length === 0 ? 'Nothing measured is behind.' : `Behind, or below what is expected: ${names}.`,
  );
}
for (const failure of samples.failures) console.log(`Could not be measured: ${failure}`);
if (samples.failures.length > 0) process.exitCode = 1;
if (values.write) {
  const folder = path.join(repository, 'docs', 'bench');
  mkdirSync(folder, { recursive: true });
  const date = new Date(begun).toISOString().slice(0, 10);
  const results = {
    date,
    machine,
    plan: {
      rounds: plan.rounds,
      messages: plan.messages,
      mailbox: plan.mailbox,
      starts: plan.starts,
      backlog: plan.backlog,
      large: plan.large,
    },
    results: rows.map(({ metric, ...figures }) => ({ ...metric, ...figures })),
    samples,
  };
  writeFileSync(path.join(folder, 'results.json'), `${JSON.stringify(results, null, 2)}\n`);
  const caption = `Medians of ${plan.rounds} rounds in alternation, ${date}; ${machine.processors} processors, ${Math.round(machine.memoryMiB / 1024)} GiB, Node ${machine.node}; mailbox of ${plan.mailbox} messages.`;
  const first = rows.filter(({ metric }) => FIRST_FIGURES.has(metric.key));
  writeFileSync(path.join(folder, 'results.svg'), formatChart(first, caption));
  writePage('README.md', formatMarkdown(first, { goals: false }), caption);
  writePage('docs/speed.md', formatMarkdown(rows, { goals: true }), caption);
  console.log(`Written to ${path.relative(process.cwd(), folder)}/, README.md and docs/speed.md.`);
}

function writePage(name, table, caption) {
  const file = path.join(repository, name);
  writeFileSync(file, replaceFigures(readFileSync(file, 'utf8'), `${table}\n\n${caption}`));
}

function findProblem() {
  if (process.getuid?.() !== 0) return 'needs root: accounts of the machine, PAM, real Postfix and Dovecot';
  const missing = ['smtp-source', 'postfix', 'dovecot'].filter(
    (name) =>
      !['/usr/sbin', '/usr/bin', '/sbin', '/bin'].some((folder) => existsSync(path.join(folder, name))),
  );
  if (missing.length > 0)
    return `needs ${missing.join(', ')} (apt-get install postfix dovecot-imapd dovecot-pop3d)`;
  if (Number(process.versions.node.split('.')[0]) < 24)
    return `needs the pinned node (run it as: pnpm bench); this is ${process.version}`;
  if (values.side !== 'theirs' && !existsSync(path.join(repository, 'postcote')))
    return 'there is no ./postcote';
  return undefined;
}

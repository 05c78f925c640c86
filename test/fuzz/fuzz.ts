// node test/fuzz/fuzz.ts [TARGET…] [--seconds N] [--seed N]: the long run. An input that fails is put into the corpus, where every
// later run meets it first.

import { createHash } from 'node:crypto';
import { parseArgs } from 'node:util';
import { keepInCorpus, runTarget } from './run-target.ts';
import { TARGETS } from './targets.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Date.now() % 1e6) },
  },
});
let failed = false;
for (const target of TARGETS) {
  if (positionals.length > 0 && !positionals.includes(target.name)) continue;
  const { runs, slowest, failure } = runTarget(target, {
    seed: Number(values.seed),
    runs: Number.POSITIVE_INFINITY,
    milliseconds: Number(values.seconds) * 1000,
  });
  console.log(`${target.name}: ${runs} runs, the slowest ${slowest.toFixed(1)} ms, seed ${values.seed}`);
  if (failure === undefined) continue;
  failed = true;
  const name = createHash('sha256').update(failure.input).digest('hex').slice(0, 12);
  console.error(`${target.name}: ${failure.from}: ${String(failure.error)}`);
  console.error(`kept as ${keepInCorpus(target.name, failure.input, `failed-${name}`)}`);
}
process.exit(failed ? 1 : 0);

// make-code-cache FOLDER NAME: runs the bundle of that name in FOLDER as a process without anybody to talk to, which
// loads and ends, and keeps what V8 has compiled by then. Must run with the flags that the processes get (`LEAN` in
// supervisor.ts): V8 refuses a cache made with others.

import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const [folder = '', name = ''] = process.argv.slice(2);
const { compile, run } = createRequire(import.meta.url)(join(folder, 'worker.cjs'));
const script = compile(name, readFileSync(join(folder, `${name}.bundle.cjs`), 'latin1'));
process.once('exit', () => writeFileSync(join(folder, `${name}.cache`), script.createCachedData()));
run(name, script);

// Checks the layers: packages import only what their package.json names, only what the layer below offers, and
// only `src/edge/`, `src/testing/`, tests and the composition root touch the machine. Exits 1 and names each line.
import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';

const root = join(import.meta.dirname, '..');

/** A package may import packages of lower rank, and of its own rank only where listed. */
const rank = {
  wire: 0,
  mime: 1,
  mailbox: 2,
  config: 3,
  auth: 3,
  aliases: 4,
  maildir: 4,
  cleanup: 5,
  queue: 5,
  milter: 5,
  smtp: 5,
  imap: 5,
  pop3: 5,
  postcote: 6,
};
/** Protocols know no storage, identity or rewriting (docs/architecture.md). */
const forbidden = new Map(
  ['smtp', 'imap', 'pop3', 'queue', 'milter'].map((name) => [
    name,
    new Set(['maildir', 'auth', 'aliases', 'config']),
  ]),
);
/** Node modules that act on the world; pure code may use the others. */
const effects = new Set(
  'fs fs/promises net tls dgram http https http2 child_process cluster worker_threads dns dns/promises readline repl inspector'
    .split(' ')
    .map((name) => `node:${name}`),
);
/** Effects that need no import: time, chance and the process. */
const ambient =
  /\b(?:Date\.now\(|new Date\(\)|Math\.random\(|process\.(?!env\.NODE_ENV)|performance\.now\(|randomUUID\(|randomBytes\()/;

const faults = [];

function* sources(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (entry.name.endsWith('.ts')) yield path;
  }
}

for (const name of Object.keys(rank)) {
  const manifest = JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8'));
  const declared = new Set(
    Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies, ...manifest.devDependencies }),
  );
  for (const path of sources(join(root, 'packages', name, 'src'))) {
    const shown = relative(root, path);
    const isTest = path.endsWith('.test.ts') || path.includes('/testing/');
    const isEdge = path.includes('/src/edge/') || name === 'postcote';
    const lines = readFileSync(path, 'utf8').split('\n');
    lines.forEach((line, index) => {
      const fault = (text) => faults.push(`${shown}:${index + 1}: ${text}`);
      const target = /(?:^(?:import|export)\b.*from|^} from|^import|\bimport\()\s*['"]([^'"]+)['"]/.exec(
        line,
      )?.[1];
      if (target !== undefined) {
        if (target.startsWith('@postcote/')) {
          const other = target.split('/')[1];
          if (rank[other] >= rank[name] || forbidden.get(name)?.has(other)) {
            if (!isTest || name !== 'maildir') fault(`${name} may not import ${other}`);
          }
        }
        if (!target.startsWith('.') && !target.startsWith('node:')) {
          const dependency = target.startsWith('@')
            ? target.split('/').slice(0, 2).join('/')
            : target.split('/')[0];
          if (!isTest && !declared.has(dependency))
            fault(`${dependency} is not in the package's dependencies`);
        }
        if (effects.has(target) && !isEdge && !isTest) fault(`${target} outside src/edge/`);
        if (target.startsWith('.') && /(^|\/)edge\//.test(target) && !isEdge && !isTest)
          fault('pure code imports the edge');
      }
      if (!isEdge && !isTest && !/^\s*(?:\/\/|\*)/.test(line) && ambient.test(line.replace(/\/\/.*$/, '')))
        fault(`uses the machine directly: ${line.trim()}`);
    });
  }
}

for (const fault of faults) console.log(fault);
console.log(faults.length === 0 ? 'boundaries: clean' : `boundaries: ${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);

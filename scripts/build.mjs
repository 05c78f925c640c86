// Compiles the processes of postcote into dist/: one lean bundle each, since what a worker loads decides its
// memory. Native packages stay outside. Runs in under a second; types are checked elsewhere (`pnpm types`).
import { build } from 'esbuild';
import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const root = join(import.meta.dirname, '..');
const out = join(root, 'dist');
rmSync(out, { recursive: true, force: true });
mkdirSync(out);

/**
 * Imported as ES modules, node:http and node:https have all their names looked up, among them those that load
 * undici: 2.5 MiB and a tenth of a second for what nobody here calls. Required, they load when they are used.
 * node:crypto and node:zlib take a tenth of a worker's start, and few workers come to use them.
 */
const lazyBuiltins = {
  name: 'lazy-builtins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:)?(https?|crypto|zlib)$/ }, ({ path }) => ({
      path: path.replace(/^node:/, ''),
      namespace: 'lazy-builtins',
    }));
    onLoad({ filter: /^https?$/, namespace: 'lazy-builtins' }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule('node:${path}');`,
      loader: 'js',
    }));
    onLoad({ filter: /^(crypto|zlib)$/, namespace: 'lazy-builtins' }, ({ path }) => ({
      contents: `let loaded;
for (const name of ${JSON.stringify(Object.keys(process.getBuiltinModule(path)))})
  Object.defineProperty(exports, name, {
    enumerable: true,
    get: () => (loaded ??= process.getBuiltinModule('node:${path}'))[name],
  });`,
      loader: 'js',
    }));
  },
};

/** @type {import('esbuild').BuildOptions} */
const common = {
  bundle: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  metafile: true,
  legalComments: 'none',
  // Found at run time through packages/postcote/node_modules (see `nodePaths` in launch.ts).
  external: ['better-sqlite3', 'authenticate-pam'],
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
  plugins: [lazyBuiltins],
  logLevel: 'warning',
};

const result = await build({
  ...common,
  entryPoints: {
    cli: join(root, 'packages/postcote/src/cli.ts'),
    supervisor: join(root, 'packages/postcote/src/supervisor/main.ts'),
    'queue-thread': join(root, 'packages/queue/src/edge/queue-thread.ts'),
  },
  outdir: out,
  sourcemap: 'linked',
});
/** The tables of all charsets are half a megabyte, and most mail is written in one that needs none of them. */
const charsetsLater = {
  name: 'charsets-later',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^iconv-lite$/ }, ({ path }) => ({ path, namespace: 'later' }));
    onLoad({ filter: /.*/, namespace: 'later' }, () => ({
      contents: `const load = openLater('charsets');
module.exports = {
  decode: (octets, charset) => load().decode(octets, charset),
  encodingExists: (charset) => load().encodingExists(charset),
};`,
      loader: 'js',
    }));
  },
};
// The processes of the server, started by process-entry.cjs with their code compiled beforehand.
const { banner: _requireForModules, ...withoutBanner } = common;
const commonJs = {
  ...withoutBanner,
  format: 'cjs',
  outdir: out,
  sourcemap: 'linked',
  supported: { 'dynamic-import': false },
};
const processes = ['front', 'authenticator', 'worker'];
const bundled = await Promise.all([
  build({
    ...commonJs,
    entryPoints: Object.fromEntries(
      processes.map((name) => [name, join(root, `packages/postcote/src/${name}/main.ts`)]),
    ),
    outExtension: { '.js': '.bundle.cjs' },
    define: { 'import.meta.dirname': '__dirname', 'import.meta.url': '__fileUrl' },
    banner: { js: "const __fileUrl = require('node:url').pathToFileURL(__filename).href;" },
    plugins: [...common.plugins, charsetsLater],
  }),
  build({
    ...commonJs,
    stdin: { contents: "module.exports = require('iconv-lite');", resolveDir: join(root, 'packages/mime') },
    outdir: undefined,
    outfile: join(out, 'charsets.bundle.cjs'),
  }),
]);
for (const name of processes) copyFileSync(join(root, 'scripts/process-entry.cjs'), join(out, `${name}.cjs`));
const makeCache = (name) =>
  promisify(execFile)(process.execPath, [
    // As `LEAN` in supervisor.ts.
    '--max-semi-space-size=2',
    join(root, 'scripts/make-code-cache.mjs'),
    out,
    name,
  ]);
for (const name of [...processes, 'charsets']) await makeCache(name);

// The commands start often and one at a time: each loads what it needs. They are CommonJS: the loader of ES modules
// alone takes longer to start than a mail takes to be sent. What only some commands want lies beside what begins.
const commandsFolder = join(root, 'packages/postcote/src/commands/postfix');
const loadedLater = ['settings', 'postmap', 'postconf', 'postfix', 'postlog'];
const requiredLater = {
  name: 'required-later',
  setup({ onResolve }) {
    onResolve({ filter: new RegExp(`/(?:${loadedLater.join('|')})\\.ts$`) }, ({ path, kind }) =>
      kind === 'dynamic-import' ? { path: path.replace(/\.ts$/, '.cjs'), external: true } : undefined,
    );
  },
};
const commands = await build({
  ...withoutBanner,
  entryPoints: Object.fromEntries(
    ['main', ...loadedLater].map((name) => [name, join(commandsFolder, `${name}.ts`)]),
  ),
  outdir: join(out, 'commands'),
  outExtension: { '.js': '.cjs' },
  format: 'cjs',
  supported: { 'dynamic-import': false },
  define: { 'import.meta.dirname': '__dirname' },
  plugins: [...common.plugins, requiredLater],
});
writeFileSync(join(out, 'package.json'), '{ "type": "module" }\n');
if (process.argv.includes('--sizes')) {
  for (const [file, { bytes }] of Object.entries({
    ...result.metafile.outputs,
    ...Object.assign({}, ...bundled.map(({ metafile }) => metafile.outputs)),
    ...commands.metafile.outputs,
  })) {
    if (file.endsWith('js')) console.log(`${(bytes / 1024).toFixed(0).padStart(6)} KiB  ${file}`);
  }
}

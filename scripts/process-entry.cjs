// What `node dist/NAME.cjs` runs: the bundle NAME.bundle.cjs, with the code that V8 compiled of it when it was built
// (NAME.cache). A worker is started for every user who comes, and compiling would take a third of its start.
//
// V8 refuses a cache of another version, other flags or another text, and then compiles as if there were none; so does
// this when there is no cache. `openLater` is for what few processes need: the file is opened at once, while whoever
// starts us may still read it, and read when it is first used.

const fs = require('node:fs');
const { basename, join } = require('node:path');
const { Script } = require('node:vm');

/** As `node` wraps a CommonJS module; on one line, so that lines in stack traces are those of the file. */
const BEFORE = '(function (exports, require, module, __filename, __dirname, openLater) { ';
const AFTER = '\n})';

function readIfThere(file) {
  try {
    return fs.readFileSync(file);
  } catch {
    return undefined;
  }
}

function compile(name, source, cachedData) {
  return new Script(BEFORE + source + AFTER, {
    filename: join(__dirname, `${name}.bundle.cjs`),
    cachedData,
  });
}

function run(name, script) {
  const made = { exports: {} };
  const filename = join(__dirname, `${name}.bundle.cjs`);
  script.runInThisContext().call(made.exports, made.exports, require, made, filename, __dirname, openLater);
  return made.exports;
}

/** The bundles are ASCII, which V8 keeps in half the memory. */
function openLater(name) {
  const fd = fs.openSync(join(__dirname, `${name}.bundle.cjs`), 'r');
  const cache = readIfThere(join(__dirname, `${name}.cache`));
  let loaded;
  return () => {
    if (loaded !== undefined) return loaded;
    const source = fs.readFileSync(fd, 'latin1');
    fs.closeSync(fd);
    loaded = run(name, compile(name, source, cache));
    return loaded;
  };
}

module.exports = { compile, run };

if (require.main === module) {
  const name = basename(__filename, '.cjs');
  const source = fs.readFileSync(join(__dirname, `${name}.bundle.cjs`), 'latin1');
  run(name, compile(name, source, readIfThere(join(__dirname, `${name}.cache`))));
}

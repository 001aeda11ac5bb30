#!/bin/bash
# Installs aimock, another project's server for the three wire formats, into .tools/aimock for the tests in tests/wire.
# Needs Node >= 20.15 with npm, whose own configuration says which registry is used.
set -euo pipefail

VERSION=1.43.0

TOOLS=$(cd "$(dirname "$0")/../.." && pwd)/.tools/aimock
PACKAGE=$TOOLS/node_modules/@copilotkit/aimock

if grep -qs "\"version\": \"$VERSION\"" "$PACKAGE/package.json"; then
  echo "already there: $PACKAGE"
  exit 0
fi
mkdir -p "$TOOLS"
npm install --prefix "$TOOLS" --no-save --no-package-lock --no-fund --no-audit "@copilotkit/aimock@$VERSION"
echo "installed: $PACKAGE"

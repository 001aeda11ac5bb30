#!/bin/bash
# Puts the tables of two real tokenizers (o200k_base, cl100k_base) into .tools/tokenizer, where tests and benchmarks look for it.
# Needs Node's npm, whose own configuration says which registry is used, and the project's environment.
set -euo pipefail

VERSION=1.0.21

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
TOOLS=$ROOT/.tools/tokenizer
PACKAGE=$TOOLS/node_modules/js-tiktoken

if ! grep -qs "\"version\": \"$VERSION\"" "$PACKAGE/package.json"; then
  mkdir -p "$TOOLS"
  npm install --prefix "$TOOLS" --no-save --no-package-lock --no-fund --no-audit "js-tiktoken@$VERSION"
fi
cd "$ROOT"
exec "${PYTHON:-.venv/bin/python}" -m tests.support.tokenizer "$PACKAGE"

#!/bin/bash
# Installs what `pytest -m editor` needs into .tools/: editors, servers, a tokenizer; builds the extension for VS Code.
# Quick where all is there already.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
for name in neovim helix emacs aimock vscode; do
  script=$HERE/install_$name.sh
  if [ -e "$script" ]; then
    echo "== $name"
    bash "$script"
  fi
done
for name in litellm llama mlx tokenizer; do
  echo "== $name"
  bash "$HERE/../wire/install_$name.sh"
done
echo "== extension for VS Code"
make -C "$HERE/../.." vsix

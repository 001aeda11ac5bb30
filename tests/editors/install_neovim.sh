#!/bin/bash
# Installs Neovim 0.12 privately into .tools/neovim for the editor tests. Elsewhere: FLUX_TEST_NVIM names an nvim.
set -euo pipefail
. "$(dirname "$0")/install_deb.sh"

NVIM=$TOOLS/neovim/usr/bin/nvim
if "$NVIM" --version >/dev/null 2>&1; then
  echo "already there: $NVIM"
  exit 0
fi
unpack FLUX_TEST_NVIM forky neovim 0.12.4 neovim usr/bin/nvim
"$NVIM" --version | head -1
echo "installed: $NVIM"

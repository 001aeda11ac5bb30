#!/bin/bash
# Installs mlx_lm.server into .tools/mlx: on Linux by MLX's build for processors, on a Mac as it is.
set -euo pipefail
. "$(dirname "$0")/install_python.sh"

case "$(uname -sm)" in
  "Darwin arm64") install mlx mlx==0.32.4 mlx-lm==0.32.2 ;;
  "Linux x86_64" | "Linux aarch64") install mlx 'mlx[cpu]==0.32.4' mlx-lm==0.32.2 ;;
  *) echo "not installed: MLX runs on Linux and on Macs with Apple silicon only" ;;
esac

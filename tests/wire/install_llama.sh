#!/bin/bash
# Installs a real llama.cpp server, and what its tiny model is written with, into .tools/llama.
set -euo pipefail
. "$(dirname "$0")/install_python.sh"

install llama xllamacpp==2026.10.11549 gguf==0.19.0

#!/bin/bash
# Installs the LiteLLM proxy into .tools/litellm. Alone there: it pins an older openai than Flux needs.
set -euo pipefail
. "$(dirname "$0")/install_python.sh"

install litellm 'litellm[proxy]==1.106.2'

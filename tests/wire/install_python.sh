# Sourced by the install scripts beside it: a Python server in an environment of its own below .tools, at exact versions.
TOOLS=$(cd "$(dirname "$0")/../.." && pwd)/.tools

# install NAME PACKAGE==VERSION...: quick where just these are there already.
install() {
  local folder=$TOOLS/$1
  shift
  if [ "$(cat "$folder/installed" 2>/dev/null)" = "$*" ]; then
    echo "already there: $folder"
    return
  fi
  rm -rf "$folder"
  mkdir -p "$TOOLS"
  "${PYTHON:-python3}" -m venv "$folder"
  "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"
  echo "$*" >"$folder/installed"
  echo "installed: $folder"
}

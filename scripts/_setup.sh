# Sourced by the other scripts: makes .venv if it is missing and installs what is not yet there. Sets $python.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Prints the name of the first Python that TensorFlow runs on.
find_python() {
  local candidate
  local candidates=(python3 python python3.13 python3.12 python3.11 python3.10)
  if [ -n "${PYTHON:-}" ]; then
    candidates=("$PYTHON")
  fi
  for candidate in "${candidates[@]}"; do
    if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info < (3, 14))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "$0: expected Python 3.10 to 3.13, which TensorFlow runs on, got $("${PYTHON:-python3}" --version 2>&1 || true);" \
    "install one, or name it: PYTHON=python3.11 $0" >&2
  return 1
}

# setup [dev]: installs the project, with its tools for development if asked for, unless that is done already.
setup() {
  local extra="${1:-}" base
  if [ ! -x .venv/bin/pip ]; then  # the last thing that venv writes
    base=$(find_python)
    echo "$0: making .venv with $("$base" --version)"
    if ! "$base" -m venv .venv; then
      rm -rf .venv
      echo "$0: could not make .venv; on Debian and Ubuntu, apt install python3-venv" >&2
      return 1
    fi
  fi
  python=.venv/bin/python
  if ! is_installed "$extra"; then
    echo "$0: installing TensorFlow and what else is needed into .venv (2.5 GB; takes minutes)"
    "$python" -m pip install --quiet --disable-pip-version-check --editable ".${extra:+[$extra]}"
    cat setup.cfg pyproject.toml > ".venv/installed-${extra:-core}"
  fi
}

# is_installed EXTRA: whether this, or more, was installed with setup.cfg and pyproject.toml as they are now.
is_installed() {
  local stamp
  for stamp in ".venv/installed-${1:-core}" .venv/installed-dev; do
    if cat setup.cfg pyproject.toml | cmp -s - "$stamp"; then
      return 0
    fi
  done
  return 1
}

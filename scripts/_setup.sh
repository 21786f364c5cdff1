# Sourced by the other scripts: makes .venv if it is missing and installs what is not yet there. Sets $python.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# find_python [NAME ...]: prints the first of these names, or else of the usual ones, that is a Python which TensorFlow
# runs on. PYTHON, if set, is the only candidate.
find_python() {
  local candidate
  local candidates=("$@" python3 python python3.13 python3.12 python3.11 python3.10)
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

# make_environment FOLDER [NAME ...]: makes a virtual environment there unless there is one, of the Python that
# find_python NAME ... prints. Sets $python to the environment's Python.
make_environment() {
  local folder="$1" base
  shift
  python=$(python_of "$folder")
  if ! "$python" -m pip --version >/dev/null 2>&1; then  # the last thing that venv writes
    base=$(find_python "$@")
    echo "$0: making $folder with $("$base" --version)"
    if ! "$base" -m venv --clear "$folder"; then
      rm -rf "$folder"
      echo "$0: could not make $folder; on Debian and Ubuntu, apt install python3-venv" >&2
      return 1
    fi
    python=$(python_of "$folder")
  fi
}

# python_of FOLDER: prints the path of a virtual environment's Python.
python_of() {
  if [ -d "$1/Scripts" ]; then  # Windows
    echo "$1/Scripts/python.exe"
  else
    echo "$1/bin/python"
  fi
}

# constraints_file: prints the file with the versions that are known to work together on the Python in $python and this
# system. Prints nothing if there is none, or if NEURAL_STYLE_UNCONSTRAINED is set.
constraints_file() {
  local file
  file=$(constraints_name)
  if [ -z "${NEURAL_STYLE_UNCONSTRAINED:-}" ] && [ -f "$file" ]; then
    echo "$file"
  fi
}

# constraints_name: prints the path of that file, whether or not it is there.
constraints_name() {
  "$python" -c 'import platform, sys
print("constraints/python%d.%d-%s-%s.txt" % (*sys.version_info[:2], sys.platform, platform.machine().lower()), end="")'
}

# setup [dev]: installs the project, with its tools for development if asked for, unless that is done already.
setup() {
  local extra="${1:-}" constraints
  make_environment .venv
  if ! is_installed "$extra"; then
    echo "$0: installing TensorFlow and the other dependencies into .venv (2.5 GB; takes minutes)"
    constraints=$(constraints_file)
    "$python" -m pip install --quiet --disable-pip-version-check ${constraints:+--constraint "$constraints"} \
      --editable ".${extra:+[$extra]}"
    packaging_files > ".venv/installed-${extra:-core}"
  fi
}

# browser: installs Chromium, which the tests of the page drive, where apt can. Without it, they are skipped.
browser() {
  local name
  for name in chromium chromium-browser google-chrome; do
    if command -v "$name" >/dev/null; then
      return
    fi
  done
  if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
    echo "$0: no Chromium, so the tests of the page in a browser are skipped; on Debian: apt install chromium" >&2
    return
  fi
  echo "$0: installing Chromium for the tests of the page"
  if ! { timeout 120 apt-get update && timeout 300 apt-get install --yes --no-install-recommends chromium; } >/dev/null 2>&1; then
    echo "$0: apt could not install Chromium, so the tests of the page in a browser are skipped" >&2
  fi
}

# is_installed EXTRA: whether this, or more, was installed with the packaging files as they are now.
is_installed() {
  local stamp
  for stamp in ".venv/installed-${1:-core}" .venv/installed-dev; do
    if packaging_files | cmp -s - "$stamp"; then
      return 0
    fi
  done
  return 1
}

# Prints all that decides what is installed.
packaging_files() {
  local constraints
  constraints=$(constraints_file)
  cat setup.py setup.cfg pyproject.toml ${constraints:+"$constraints"}
}

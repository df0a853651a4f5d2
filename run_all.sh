#!/usr/bin/env bash
# Sets up once, in .venv, then runs the paper's chapters or the tests.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$root/.venv
stamp=$venv/.set-up-for
cpu_index=https://download.pytorch.org/whl/cpu

say() { printf 'set-up: %s\n' "$*" >&2; }

usage() {
    cat <<'TEXT'
Sets up (once, in .venv) and rebuilds the paper from raw exports.

  ./run_all.sh                                   the demo, on an embedded synthetic programme
  ./run_all.sh --profile smoke                   everything, small
  ./run_all.sh 07_triage                         one chapter and all it needs (also: triage)
  ./run_all.sh --run trial -p triage.threshold_rule=certified -p triage.target_sensitivity=0.9
  ./run_all.sh --run trial -p world.n_women=9000 into build/trial, beside the demo
  ./run_all.sh --dry-run                         say which chapters would run
  ./run_all.sh --profile configs/own_data.yaml   your own raw exports
  ./run_all.sh --profile rsna                    a public data set; configs/rsna.yaml says how
  ./run_all.sh figures                           redraw every figure from the data beside it
  ./run_all.sh test [pytest arguments]           run the tests
  ./run_all.sh setup                             only set up

Options of a run:
  --profile NAME|FILE   demo (default), smoke, paper, a data set of configs/, or a YAML file
  -p CHAPTER.NAME=VALUE set a parameter of a chapter; repeatable
  --run NAME            folder under build/ (default: the profile's name)
  --cores N             cores to use (default: all)
  --dry-run             say which chapters would run
  --slurm               submit chapters to Slurm (needs the extra `slurm`)
  --force               run even what is up to date

Set PYTHON to choose the interpreter (3.11 or newer) that .venv is made with.
TEXT
}

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    local candidate candidates=${PYTHON:-python3.11 python3.12 python3.13 python3 python}
    for candidate in $candidates; do
        if command -v "$candidate" >/dev/null && is_recent "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    say "Python 3.11 or newer is needed, and none of these is: $candidates;" \
        "install one, or name it: PYTHON=... ./run_all.sh"
    return 1
}

# What pip is configured with, one value a line; uv does not read pip's configuration.
pip_setting() {
    local variable
    variable=PIP_$(printf '%s' "$1" | tr 'a-z-' 'A-Z_')
    { "$python" -m pip config get "global.$1" 2>/dev/null || true
      printf '%s\n' "${!variable:-}"; } | tr -s ' \t' '\n' | sort -u | sed '/^$/d'
}

# Whether a local folder of wheels holds the torch that is wanted.
has_local_torch() {
    local folder wanted
    wanted=$(sed -n 's/^torch==//p' "$root/requirements.lock")
    for folder in $(pip_setting find-links); do
        compgen -G "${folder#file://}/torch-$wanted*" >/dev/null && return
    done
    return 1
}

is_reachable() {
    "$python" -c 'import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=8)' "$1" \
        >/dev/null 2>&1
}

# Without an NVIDIA GPU, torch's CPU build saves gigabytes; elsewhere the plain index has it.
torch_arguments() {
    if [ "$(uname -s)" != Linux ] || command -v nvidia-smi >/dev/null || has_local_torch; then
        return
    elif is_reachable "$cpu_index/torch/"; then
        printf '%s\n' --extra-index-url "$cpu_index"
    else
        say "the index of CPU builds of torch cannot be reached; taking the default build"
    fi
}

install_with_uv() {
    local value arguments=(--python "$venv/bin/python" --index-strategy unsafe-best-match)
    for value in $(pip_setting find-links); do arguments+=(--find-links "$value"); done
    for value in $(pip_setting extra-index-url); do arguments+=(--extra-index-url "$value"); done
    for value in $(pip_setting index-url); do arguments+=(--index-url "$value"); done
    uv pip install --quiet "${arguments[@]}" "$@"
}

install_with_pip() {
    # A .venv that uv made has no pip of its own.
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 \
        || "$venv/bin/python" -m ensurepip --upgrade >/dev/null
    "$venv/bin/python" -m pip install -qq "$@"
}

set_up() {
    local wanted began=$SECONDS torch
    # The folder belongs to the stamp: a .venv holds absolute paths, so a moved one is stale.
    wanted="$root $(cat "$root/pyproject.toml" "$root/requirements.lock" | cksum)"
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && is_recent "$venv/bin/python"; then
        return
    fi
    python=$(find_python)
    say "making .venv with $("$python" --version); this happens once"
    rm -f "$stamp"
    if ! { [ -f "$venv/bin/activate" ] && grep -qF "$venv" "$venv/bin/activate" \
           && is_recent "$venv/bin/python"; }; then
        rm -rf "$venv"
        if ! "$python" -m venv "$venv"; then
            say "$python cannot make a virtual environment; is its venv module installed?"
            return 1
        fi
    fi
    torch=$(torch_arguments)
    # shellcheck disable=SC2206  # an option and its value, or nothing
    local what=(-c "$root/requirements.lock" -e "$root[test]" $torch)
    if command -v uv >/dev/null; then
        say "installing packages with uv (about half a minute, more over a slow line)"
        install_with_uv "${what[@]}" || {
            say "uv did not succeed; installing with pip (a few minutes)"
            install_with_pip "${what[@]}"
        }
    else
        say "installing packages with pip (a few minutes; uv, where present, is faster)"
        install_with_pip "${what[@]}"
    fi
    printf '%s\n' "$wanted" >"$stamp"
    say "done in $((SECONDS - began)) s"
}

case ${1:-} in
    -h | --help | help)
        usage
        ;;
    setup)
        set_up
        ;;
    test)
        set_up
        cd "$root"
        exec "$venv/bin/python" -m pytest "${@:2}"
        ;;
    figures)
        set_up
        exec "$venv/bin/mammolab" figures "${@:2}"
        ;;
    *)
        set_up
        exec "$venv/bin/mammolab" run "$@"
        ;;
esac

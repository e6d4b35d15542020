# shellcheck shell=bash
# What every script here starts with: where things are, how it speaks, how it ends.
# Sourced, never run. Sets ROOT (the checkout) and CACHE (all that scripts install or generate).

set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CACHE=${VECPIPE_CACHE:-$ROOT/.cache}
mkdir -p "$CACHE"
CACHE=$(cd "$CACHE" && pwd)

if [[ -t 1 && -z ${NO_COLOR:-} && ${TERM:-dumb} != dumb ]]; then
    BOLD=$'\e[1m' DIM=$'\e[2m' RED=$'\e[31m' GREEN=$'\e[32m' CYAN=$'\e[36m' RESET=$'\e[0m'
else
    BOLD='' DIM='' RED='' GREEN='' CYAN='' RESET=''
fi

# A headline: what happens now.
say() { printf '%s==>%s %s%s%s\n' "$CYAN" "$RESET" "$BOLD" "$*" "$RESET"; }
# A detail under a headline.
note() { printf '    %s%s%s\n' "$DIM" "$*" "$RESET"; }
good() { printf '%s==>%s %s%s%s\n' "$GREEN" "$RESET" "$BOLD" "$*" "$RESET"; }
# Ends the script: what happened, then one line each of what to do.
die() {
    printf '%serror:%s %s\n' "$RED" "$RESET" "$1" >&2
    shift
    (($# == 0)) || printf '       %s\n' "$@" >&2
    exit 1
}

# Words as one would type them: quoted where the shell needs it, long commands an option a line.
typed() {
    local word out=''
    (($# < 9)) || local line=$' \\\n    '
    for word; do
        [[ $word =~ ^[A-Za-z0-9_./:,=@%+-]+$ ]] || word="'${word//\'/\'\\\'\'}'"
        [[ $word == -* ]] && out+=${line:- } || out+=' '
        out+=$word
    done
    printf '%s' "${out# }"
}

# Prints a command, then runs it.
run() {
    printf '%s$%s %s\n' "$DIM" "$RESET" "$(typed "$@")"
    "$@"
}

have() { command -v "$1" >/dev/null 2>&1; }

# version_at_least 3.26 4.2.3: is the second at least the first?
version_at_least() { [[ $(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]; }

# Commands to run when the script ends, however it ends, last one first.
AT_EXIT=()
at_exit() { AT_EXIT+=("$1"); }
finish() {
    local status=$? i
    trap - EXIT
    for ((i = ${#AT_EXIT[@]} - 1; i >= 0; i--)); do
        "${AT_EXIT[i]}" || true
    done
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# shellcheck shell=bash
# Installs what a machine with only Rust, Python and apt lacks. Each ensure_… does nothing when there is
# nothing to do. apt packages go to the system, everything else under $CACHE. Sourced after common.sh.

apt_install() {
    have apt-get || die "This machine lacks $*, and has no apt-get to install them with" \
        "Install them with your system's package manager and start again."
    local as_root=()
    if ((EUID != 0)); then
        have sudo || die "Installing $* needs root, and there is no sudo" "As root: apt-get install $*"
        as_root=(sudo)
    fi
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    say "Installing $* (apt)"
    "${apt[@]}" update
    "${apt[@]}" install -y --no-install-recommends "$@" </dev/null >"$CACHE/apt.log" 2>&1 ||
        { tail -n 20 "$CACHE/apt.log" >&2; die "apt-get install $* failed" "Whole log: $CACHE/apt.log"; }
}

ensure_rust() {
    have cargo || die "There is no cargo on the PATH" "Install Rust: https://rustup.rs"
    local want got
    want=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$ROOT/Cargo.toml")
    got=$(cd "$ROOT" && rustc --version | cut -d' ' -f2)
    version_at_least "$want" "$got" ||
        die "Rust $want or newer is needed, this is $got" "Update it: rustup update stable"
}

# ensure_rust_component rustfmt: a part of the toolchain that minimal installations leave out.
ensure_rust_component() {
    local tool=$1
    [[ $tool != clippy ]] || tool=cargo-clippy
    if (cd "$ROOT" && "$tool" --version) >/dev/null 2>&1; then return; fi
    have rustup || die "The Rust component $1 is missing, and there is no rustup to add it with"
    run rustup component add "$1"
}

# The bundled HDF5, SQLite, zstd and ring are C.
ensure_cc() {
    if ! have cc || ! have c++ || ! have make; then apt_install build-essential; fi
}

# HDF5 2 asks for CMake 3.26 or newer; Debian 12 and Ubuntu 22.04 have older ones. The path is exported
# only when it has to be, and is the same each time: cargo rebuilds HDF5 when CMAKE changes.
ensure_cmake() {
    if [[ -n ${CMAKE:-} ]]; then return; fi
    if have cmake && version_at_least 3.26 "$(cmake --version | sed -n '1s/[^0-9]*//p')"; then return; fi
    ensure_venv "$CACHE/tools" tools
    export CMAKE=$CACHE/tools/bin/cmake
}

ensure_build_tools() {
    ensure_rust
    ensure_cc
    ensure_cmake
}

# ensure_venv DIR NAME…: a virtual environment that has requirements/NAME.txt of each name.
# A stamp per file says what is installed; a lock lets two scripts share a cache.
ensure_venv() {
    local dir=$1
    shift
    mkdir -p "$(dirname "$dir")"
    (
        flock 9
        local python=${VECPIPE_SYSTEM_PYTHON:-python3}
        have "$python" || apt_install python3 python3-venv
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
            die "Python 3.10 or newer is needed, $python is $("$python" -V | cut -d' ' -f2)" \
                "Name another one: VECPIPE_SYSTEM_PYTHON=python3.12"
        # Debian's python3 comes without ensurepip until python3-venv is there.
        "$python" -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
        # Also made anew when the Python it was made with is gone.
        "$dir/bin/python" -m pip --version >/dev/null 2>&1 || "$python" -m venv --clear "$dir"

        local name file hash files=() missing=()
        for name; do
            file=$ROOT/scripts/requirements/$name.txt
            hash=$(sha256sum <"$file")
            files+=(-r "$file")
            [[ $(cat "$dir/.installed-$name" 2>/dev/null) == "$hash" ]] || missing+=("$name")
        done
        if ((${#missing[@]} == 0)); then exit 0; fi
        say "Installing Python packages: ${missing[*]} (into ${dir#"$ROOT"/})"
        "$dir/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "${files[@]}" </dev/null ||
            die "pip could not install the packages of ${missing[*]}"
        for name; do
            sha256sum <"$ROOT/scripts/requirements/$name.txt" >"$dir/.installed-$name"
        done
    ) 9>"$dir.lock"
}

# The Python that generates files and judges results: h5py, and pymilvus, which talks to both servers.
# Milvus Lite lives in the same environment.
# shellcheck disable=SC2034  # for the scripts that source this
PYTHON=$CACHE/python/bin/python

# mariadbd lies where only root looks.
ensure_mariadb() {
    PATH=$PATH:/usr/sbin:/usr/local/sbin
    have mariadbd || apt_install mariadb-server
}

ensure_openssl() { have openssl || apt_install openssl; }

ensure_lite() { ensure_venv "$CACHE/python" lite; }
ensure_test_python() { ensure_venv "$CACHE/python" lite tests; }
ensure_lite251() { ensure_venv "$CACHE/lite251" lite251; }
ensure_s3() { ensure_venv "$CACHE/s3" s3; }
ensure_milvus235() { ensure_venv "$CACHE/milvus235" milvus235; }

# ensure_cargo_tool cargo-deny 0.20.2: a subcommand of cargo, built once from crates.io, with the versions
# of its own lock file. Under $CACHE, so that it gets in nobody's way.
ensure_cargo_tool() {
    local tool=$1 version=$2
    PATH=$CACHE/cargo/bin:$PATH
    if [[ $("$tool" --version 2>/dev/null) == *" $version" ]]; then return; fi
    ensure_cc
    say "Building $tool $version (some minutes, once)"
    CARGO_TARGET_DIR=$CACHE/cargo/target cargo install --quiet --locked --root "$CACHE/cargo" \
        --version "=$version" "$tool" || die "cargo could not install $tool"
    rm -rf "$CACHE/cargo/target"
}

ensure_cargo_deny() { ensure_cargo_tool cargo-deny 0.20.2; }
ensure_cargo_fuzz() { ensure_cargo_tool cargo-fuzz 0.13.2; }

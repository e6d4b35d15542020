# shellcheck shell=bash
# Starts servers for one run of a script: free ports, a data folder each, waited for until they
# answer, gone with the script. Sourced after install.sh.
#
#   start_lite                     Milvus Lite
#   start_lite251                  Milvus Lite 2.5.1, as it was before version 3
#   start_milvus235 [NAME=VALUE…]  Milvus 2.3.5; the words go to its environment, as in
#                                  COMMON_SECURITY_AUTHORIZATIONENABLED=true
#
#   start_guarded                  Milvus 2.3.5 that asks for a password and speaks TLS, with a certificate of
#                                  an authority whose file is SERVER_CA
#
#   start_mariadb SQL-FILE         MariaDB, as an old Milvus kept its metadata in, with this in it; takes
#                                  TLS, with a certificate of an authority whose file is SERVER_CA
#
#   start_s3                       S3 with a bucket `vecpipe`; SERVER_URI holds the key that may do everything
#
# Each sets SERVER_URI. Several may run side by side.
#
# Both Milvus Lite listen on loopback. Milvus 2.3.5 has no way to say so, and listens on every interface
# while it runs.

RUN_DIR=$CACHE/run
LIB=$ROOT/scripts/lib
SERVERS=()

stop_servers() {
    local server
    for server in "${SERVERS[@]}"; do
        stop_group "${server%% *}" "${server#* }"
    done
    SERVERS=()
}
at_exit stop_servers

# Kills a server's process group and removes its folder. The group, because the 2.3.5 wrapper leaves its
# child running; by force, because that child may ignore SIGTERM for minutes, and its data is not kept.
stop_group() {
    local group=$1 dir=$2 i
    kill -KILL -- "-$group" 2>/dev/null || true
    wait "$group" 2>/dev/null || true
    # A killed process may still be closing its files.
    for i in 1 2 3 4 5; do
        rm -rf "$dir" 2>/dev/null && return
        sleep "0.$i"
    done
}

# Removes what a script that was itself killed left behind, and the servers that still run there.
sweep_servers() {
    local dir owner group
    for dir in "$RUN_DIR"/*/; do
        dir=${dir%/}
        [[ -f $dir/owner ]] || continue
        owner=$(cat "$dir/owner") group=$(cat "$dir/group" 2>/dev/null || true)
        if kill -0 "$owner" 2>/dev/null; then continue; fi
        # The number may belong to another process by now; ours has the folder on its command line.
        if [[ -n $group && -r /proc/$group/cmdline ]] && grep -qaF "$dir" "/proc/$group/cmdline" 2>/dev/null; then
            note "Stopping a server that an earlier run left behind (process group $group)"
            stop_group "$group" "$dir"
        else
            rm -rf "$dir"
        fi
    done
}

# launch DIR COMMAND…: starts a server in a process group of its own.
launch() {
    local dir=$1
    shift
    setsid "$@" >"$dir/server.log" 2>&1 </dev/null &
    echo $! >"$dir/group"
    SERVERS+=("$! $dir")
}

new_server_dir() {
    mkdir -p "$RUN_DIR"
    local dir
    dir=$(mktemp -d "$RUN_DIR/$1.XXXXXX")
    echo $$ >"$dir/owner"
    printf '%s' "$dir"
}

# start_server KIND LAUNCHER [ENV…]: two tries, since another process may take a port first.
start_server() {
    local kind=$1 launcher=$2 try dir log
    shift 2
    SERVER_CA=
    sweep_servers
    for try in 1 2; do
        say "Starting $kind"
        dir=$(new_server_dir "${launcher#launch_}")
        "$launcher" "$dir" "$@"
        if "$PYTHON" "$LIB/ready.py" "$SERVER_URI" 120 "${SERVER_CA:-}"; then
            note "Ready at $SERVER_URI"
            return
        fi
        ((try == 2)) || note "It did not become ready, trying other ports"
        for log in "$dir"/server.log "$dir"/logs/milvus-stderr.log; do
            [[ ! -s $log ]] || tail -n 15 "$log" >&2
        done
    done
    die "$kind did not become ready within two minutes"
}

launch_lite() {
    local dir=$1 port
    port=$("$PYTHON" "$LIB/free_ports.py" 1)
    SERVER_URI=http://127.0.0.1:$port
    launch "$dir" "$CACHE/python/bin/milvus-lite" server --data-dir "$dir/data" --host 127.0.0.1 --port "$port"
}

# Without its Python, which offers a socket file alone.
launch_lite251() {
    local dir=$1 port lib
    port=$("$PYTHON" "$LIB/free_ports.py" 1)
    SERVER_URI=http://127.0.0.1:$port
    lib=$(echo "$CACHE"/lite251/lib/python*/site-packages/milvus_lite/lib)
    chmod +x "$lib/milvus"
    launch "$dir" env LD_LIBRARY_PATH="$lib" "$lib/milvus" "$dir/data.db" "127.0.0.1:$port" ERROR
}

# All ports are given: the wrapper would look for free ones beside its defaults, in a race with any other.
# The embedded etcd takes its ports from a file alone, else 2379 and 2380, one server per machine.
launch_milvus235() {
    local dir=$1 ports component i=3
    shift
    read -ra ports < <("$PYTHON" "$LIB/free_ports.py" 11)
    SERVER_URI=http://127.0.0.1:${ports[0]}
    local peer=http://127.0.0.1:${ports[1]} client=http://127.0.0.1:${ports[2]}
    cat >"$dir/etcd.yaml" <<-YAML
	name: default
	listen-peer-urls: $peer
	initial-advertise-peer-urls: $peer
	initial-cluster: default=$peer
	listen-client-urls: $client
	advertise-client-urls: $client
	YAML
    local flags=(--proxy-port "${ports[0]}" --etcd-port "${ports[2]}")
    for component in proxy-internal root-coord query-coord query-node index-coord index-node data-coord data-node; do
        flags+=("--$component-port" "${ports[i]}")
        i=$((i + 1))
    done
    launch "$dir" env ETCD_CONFIG_PATH="$dir/etcd.yaml" "$@" \
        "$CACHE/milvus235/bin/milvus-server" --data "$dir" "${flags[@]}"
}

# Guarded by the account that a fresh server has: root, with the password Milvus.
launch_guarded() {
    local dir=$1
    make_certificate "$dir"
    launch_milvus235 "$dir" COMMON_SECURITY_AUTHORIZATIONENABLED=true COMMON_SECURITY_TLSMODE=1 \
        TLS_SERVERPEMPATH="$dir/server.pem" TLS_SERVERKEYPATH="$dir/server.key" TLS_CAPEMPATH="$dir/ca.pem"
    SERVER_URI=${SERVER_URI/http:/https:} SERVER_CA=$dir/ca.pem
}

start_guarded() { start_server "Milvus 2.3.5 with a password and TLS" launch_guarded; }
start_lite() { start_server "Milvus Lite" launch_lite; }
start_lite251() { start_server "Milvus Lite 2.5.1" launch_lite251; }
start_milvus235() { start_server "Milvus 2.3.5" launch_milvus235 "$@"; }

# make_certificate DIR: an authority, ca.pem, and a certificate that it signed for 127.0.0.1, server.pem
# with server.key. Both are good for a day.
make_certificate() {
    local dir=$1
    (
        cd "$dir"
        openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj "/CN=vecpipe tests" \
            -addext keyUsage=critical,keyCertSign -keyout ca.key -out ca.pem
        openssl req -newkey rsa:2048 -nodes -subj "/CN=127.0.0.1" -keyout server.key -out server.csr
        echo "subjectAltName=IP:127.0.0.1" >server.ext
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 1 \
            -extfile server.ext -out server.pem
    ) >"$dir/openssl.log" 2>&1 || { cat "$dir/openssl.log" >&2; die "openssl could not make a certificate"; }
}

# The accounts are the tests' own: a database without one can't refuse a wrong password. `encrypted` may
# connect by TLS alone.
start_mariadb() {
    local sql=$1 dir port i
    sweep_servers
    say "Starting MariaDB"
    dir=$(new_server_dir mariadb)
    port=$("$PYTHON" "$LIB/free_ports.py" 1)
    mariadb-install-db --no-defaults --datadir="$dir/data" --skip-test-db \
        --auth-root-authentication-method=normal >"$dir/install.log" 2>&1 ||
        { tail -n 15 "$dir/install.log" >&2; die "MariaDB could not make its data folder"; }
    make_certificate "$dir"
    cat >"$dir/init.sql" <<-SQL
	CREATE DATABASE milvus1;
	CREATE DATABASE vecpipe_scratch;
	CREATE USER 'milvus'@'127.0.0.1' IDENTIFIED BY 'secret';
	CREATE USER 'encrypted'@'127.0.0.1' IDENTIFIED BY 'secret' REQUIRE SSL;
	GRANT SELECT ON milvus1.* TO 'milvus'@'127.0.0.1', 'encrypted'@'127.0.0.1';
	GRANT ALL ON vecpipe_scratch.* TO 'milvus'@'127.0.0.1';
	SQL
    local as=()
    [[ $EUID != 0 ]] || as=(--user=root)
    launch "$dir" mariadbd --no-defaults "${as[@]}" --datadir="$dir/data" --socket="$dir/socket" \
        --bind-address=127.0.0.1 --port="$port" --skip-name-resolve --init-file="$dir/init.sql" \
        --ssl-ca="$dir/ca.pem" --ssl-cert="$dir/server.pem" --ssl-key="$dir/server.key"
    for ((i = 0; i < 300; i++)); do
        if mariadb --no-defaults --socket="$dir/socket" -u root milvus1 -e 'SELECT 1' >/dev/null 2>&1; then
            mariadb --no-defaults --socket="$dir/socket" -u root milvus1 <"$sql"
            SERVER_URI=mysql://milvus:secret@127.0.0.1:$port/milvus1
            SERVER_CA=$dir/ca.pem
            note "Ready at 127.0.0.1:$port"
            return
        fi
        sleep 0.1
    done
    tail -n 15 "$dir/server.log" >&2
    die "MariaDB did not become ready within 30 seconds"
}

start_s3() {
    local dir port key
    sweep_servers
    say "Starting S3"
    dir=$(new_server_dir s3)
    port=$("$PYTHON" "$LIB/free_ports.py" 1)
    # The option means nothing to Python: sweep_servers looks for the folder on the command line.
    launch "$dir" env INITIAL_NO_AUTH_ACTION_COUNT=3 TMPDIR="$dir" "$CACHE/s3/bin/python" -X "dir=$dir" \
        "$CACHE/s3/bin/moto_server" -H 127.0.0.1 -p "$port"
    key=$("$CACHE/s3/bin/python" "$LIB/s3.py" "http://127.0.0.1:$port" vecpipe) ||
        { tail -n 15 "$dir/server.log" >&2; die "S3 did not become ready within a minute"; }
    SERVER_URI=http://$key@127.0.0.1:$port
    note "Ready at 127.0.0.1:$port"
}

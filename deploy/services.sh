# shellcheck shell=bash
# The services of one run: started, watched and stopped together. Source it after lib.sh, do not run it.
#
#   RUN       the folder of the run: NAME.service (a pid file) and NAME.log for each service
#   SERVER    where ingest is to listen, as a URL
#   WORKERS   how many workers

start_service() { # NAME COMMAND...
    local name=$1
    shift
    : >"$RUN/$name.log"
    start_process "$RUN/$name.service" "$RUN/$name.log" "$@"
    echo "$name" >>"$RUN/services" # in the order of their start
    say "  $name"
}

start_services() {
    local number bin=${THROUGHLINE_BIN_DIR:-$TARGET_DIR/release}
    rm -f "$RUN/services"
    start_service ingest env THROUGHLINE_LISTEN="${SERVER#http://}" THROUGHLINE_ADMIN_LISTEN=127.0.0.1:0 \
        "$bin/throughline-ingest"
    for ((number = 1; number <= WORKERS; number++)); do
        # workers have no business with the database, so they are not told where it is
        start_service "worker-$number" env -u DATABASE_URL -u THROUGHLINE_DATABASE_URL \
            THROUGHLINE_ADMIN_LISTEN=127.0.0.1:0 "$bin/throughline-worker"
    done
    start_service matcher env THROUGHLINE_ADMIN_LISTEN=127.0.0.1:0 "$bin/throughline-matcher"
    wait_till_ready
}

BLAME= # the service whose log tells most, when one does

wait_till_ready() {
    local deadline=$((SECONDS + 60))
    until http_ok "$SERVER/readyz"; do
        all_run || return 1
        if [ $SECONDS -ge $deadline ]; then
            say "$SERVER/readyz did not answer 200 within 60 s" >&2
            BLAME=ingest
            return 1
        fi
        sleep 0.3
    done
}

all_run() { # whether every service still does; says which does not
    local name
    while read -r name; do
        if ! alive "$RUN/$name.service"; then
            say "$name ended by itself (exit status $(exit_status "$RUN/$name.service"))" >&2
            # shellcheck disable=SC2034 # for the scripts
            BLAME=$name
            return 1
        fi
    done <"$RUN/services"
}

stop_services() { # in reverse order; fails when one had to be killed or exited with an error
    local name status worst=0
    local -a names=()
    [ -e "$RUN/services" ] || return 0
    mapfile -t names < <(tac "$RUN/services")
    for name in "${names[@]}"; do
        alive "$RUN/$name.service" || continue
        status=0
        stop_process "$RUN/$name.service" TERM 60 || status=$?
        case $status in
            0) say "  $name: stopped" ;;
            137) say "  $name: did not stop within 60 s and was killed; its log is $RUN/$name.log" >&2 ;;
            *) say "  $name: exited with status $status; its log is $RUN/$name.log" >&2 ;;
        esac
        [ "$status" -eq 0 ] || worst=1
    done
    rm -f "$RUN/services"
    return "$worst"
}

memory_of() { # NAME KEY -> kilobytes of the service: KEY is VmHWM, the most it ever had, or VmRSS, what it has now
    local pid
    read -r pid _ <"$RUN/$1.service"
    awk -v key="$2:" '$1 == key { print $2 }' "/proc/$pid/status"
}

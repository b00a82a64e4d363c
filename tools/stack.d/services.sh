# Supervision by runit: a service folder per process, runsvdir over them, svlogd for their logs.

instances() {
    case "$1" in
    ca) seq "$CA_INSTANCES" ;;
    policy) seq "$POLICY_INSTANCES" ;;
    *) echo 1 ;;
    esac
}
service_name() { if [ "$2" -eq 1 ]; then echo "$1"; else echo "$1-$2"; fi; }

# write_service NAME USER: standard input becomes its run script.
write_service() {
    local name=$1 user=$2 folder=$DIR/service/$1
    # Filled beside and moved in whole: runsvdir never sees half a service.
    if [ ! -d "$folder" ]; then
        mkdir -p "$DIR/run/new/$name/log"
        mv "$DIR/run/new/$name" "$folder"
    fi
    own "$user" 755 "$DIR/log/$name"
    put "$(id -un)" 755 "$folder/run"
    # The log tells how the process ended (runit's arguments: exit code or -1, signal); one that dies at once is not
    # restarted in a tight loop.
    put "$(id -un)" 755 "$folder/finish" <<RUN
#!/bin/sh
echo "{\"event\":\"process.ended\",\"service\":\"$name\",\"exit\":\$1,\"signal\":\$2}"
exec sleep 0.2
RUN
    put "$(id -un)" 755 "$folder/log/run" <<RUN
#!/bin/sh
exec $(as_user "$user") svlogd -tt "$DIR/log/$name"
RUN
    printf 's10000000\nn4\n' | put "$user" 644 "$DIR/log/$name/config"
}

as_user() { if is_root; then echo "chpst -u $1"; fi; }

# The environment of a process: where its PKCS#11 module finds its token, and what tests add.
service_env() {
    local partition=$1 name=$2 process=$3
    if [ -n "$partition" ]; then
        echo "export SOFTHSM2_CONF='$(token_conf "$partition")'"
    fi
    if [ -n "$partition" ] && [ -n "$MODULE" ]; then
        echo "export P11PROXY_MODULE='$SOFTHSM' P11PROXY_LOG='$DIR/p11proxy/$process.log' P11PROXY_CONTROL='$DIR/p11proxy/$process.control'"
    fi
    if [ "$FAILPOINTS" = yes ]; then
        echo "export CHANCERY_FAILPOINT_FILE='$DIR/run/failpoint/$name'"
    fi
}

partition_of() {
    case "$1" in
    signer) echo ca ;;
    revocation) echo ocsp ;;
    policy | audit | registration) echo "$1" ;;
    esac
}

write_proxy_files() {
    local p user
    [ -n "$MODULE" ] || return 0
    own "$(id -un)" 755 "$DIR/p11proxy"
    for p in signer policy audit registration revocation; do
        user=$(user_of "$p")
        [ -e "$DIR/p11proxy/$p.log" ] || put "$user" 644 "$DIR/p11proxy/$p.log" </dev/null
        [ -e "$DIR/p11proxy/$p.control" ] || put "$user" 644 "$DIR/p11proxy/$p.control" </dev/null
    done
}

write_services() {
    local p i name user
    write_proxy_files
    user=$(user_of db)
    write_service postgresql "$user" <<RUN
#!/bin/sh
exec 2>&1
cd /
exec $(as_user "$user") $(pg_bin)/postgres -D '$DIR/pg/data'
RUN
    # SIGTERM would wait for every client to leave; SIGINT ends their transactions and shuts down clean.
    mkdir -p "$DIR/service/postgresql/control"
    put "$(id -un)" 755 "$DIR/service/postgresql/control/t" <<RUN
#!/bin/sh
exec kill -INT "\$(cat '$DIR/service/postgresql/supervise/pid')"
RUN
    user=$(user_of identity)
    write_service identity "$user" <<RUN
#!/bin/sh
exec 2>&1
export SOFTHSM2_CONF='$(token_conf infra)'
exec $(as_user "$user") '$DIR/bin/chancery' identity renew --dir '$DIR/identity' --ca '$DIR/identity' --watch
RUN
    for p in $PROCESSES; do
        for i in $(instances "$p"); do
            name=$(service_name "$p" "$i")
            write_service "$name" "$(user_of "$p")" <<RUN
#!/bin/sh
exec 2>&1
$(service_env "$(partition_of "$p")" "$name" "$p")
exec $(as_user "$(user_of "$p")") '$DIR/bin/chancery-$p' --config '$DIR/conf/$name.yaml'
RUN
        done
    done
    rm -rf "$DIR/run/new"
}

# Process id of our runsvdir, nothing when it does not run.
runsvdir_pid() {
    local pid
    pid=$(cat "$DIR/run/runsvdir.pid" 2>/dev/null) || return 0
    if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "runsvdir -P $DIR/service "; then echo "$pid"; fi
}

# A port that somebody else serves would only show as processes that never come up.
ports_free() {
    local p i
    for p in $PROCESSES http; do
        for i in $(instances "$p"); do
            # Connecting is the test: in a subshell, so that the connection ends with it.
            if (: >"/dev/tcp/127.0.0.1/$(port "$p" "$i")") 2>/dev/null; then
                die "port $(port "$p" "$i") ($p) is in use: end what uses it, or make the state with other ports (--port-base, \$CHANCERY_PORT_BASE)"
            fi
        done
    done
}

services_start() {
    [ -z "$(runsvdir_pid)" ] || return 0
    ports_free
    # The supervisor keeps neither our lock nor our terminal; sanitizer options pass through for tests.
    env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C ${ASAN_OPTIONS+ASAN_OPTIONS="$ASAN_OPTIONS"} \
        ${UBSAN_OPTIONS+UBSAN_OPTIONS="$UBSAN_OPTIONS"} ${TSAN_OPTIONS+TSAN_OPTIONS="$TSAN_OPTIONS"} \
        ${LSAN_OPTIONS+LSAN_OPTIONS="$LSAN_OPTIONS"} \
        setsid runsvdir -P "$DIR/service" >"$DIR/log/runsvdir" 2>&1 </dev/null 9>&- &
    echo $! >"$DIR/run/runsvdir.pid"
}

services_wait() {
    if CHANCERY_CONFIG=$DIR/users/operator/client.yaml "$DIR/bin/chancery" status --wait 60 >"$DIR/log/status" 2>&1 9>&-; then
        say "all processes serve"
    else
        cat "$DIR/log/status" >&2
        die "not everything serves after 60 s; logs are in $DIR/log"
    fi
}

# Service folders except those that the others still need while they end (they audit their stop).
service_folders() {
    local folder
    for folder in "$DIR"/service/*; do
        case "${folder##*/}" in postgresql | audit) ;; *) echo "$folder" ;; esac
    done
}

services_stop() {
    local pid child children
    pid=$(runsvdir_pid)
    [ -n "$pid" ] || { say "not running"; return 0; }
    # shellcheck disable=SC2046
    sv -w 20 force-stop $(service_folders) >/dev/null 2>&1 || true
    sv -w 20 force-stop "$DIR/service/audit" >/dev/null 2>&1 || true
    sv -w 30 force-stop "$DIR/service/postgresql" >/dev/null 2>&1 || true
    children=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null || true)
    kill -HUP "$pid"
    for child in $pid $children; do
        for _ in $(seq 200); do
            [ -d "/proc/$child" ] && [ "$(awk '/^State:/ {print $2}' "/proc/$child/status" 2>/dev/null)" != Z ] || break
            sleep 0.05
        done
    done
    rm -f "$DIR/run/runsvdir.pid"
    say "stopped"
}

services_status() {
    local folder
    say "state:      $DIR"
    if is_root && [ "$ISOLATION" = on ]; then
        say "isolation: on (a system user per process)"
    else
        say "isolation: off (everything runs as $(user_of any))"
    fi
    if [ -z "$(runsvdir_pid)" ]; then
        say "not running"
        return 3
    fi
    for folder in "$DIR"/service/*; do
        printf '  %s\n' "$(sv status "$folder" 2>&1 | sed "s|$DIR/service/||; s|; run: log:.*||")"
    done
    CHANCERY_CONFIG=$DIR/users/operator/client.yaml "$DIR/bin/chancery" status || return $?
}

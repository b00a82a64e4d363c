# The private PostgreSQL cluster: unix socket only, peer authentication, everything durable.
# PostgreSQL does not run as root, so as root it belongs to chancery-db.

pg_bin() {
    local newest
    newest=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -1)
    [ -x "$newest/postgres" ] || die "PostgreSQL is missing; run: tools/install-packages run"
    echo "$newest"
}

# An eighth of the memory, 64 MiB to 1 GiB.
pg_shared_mb() {
    local mb
    mb=$(awk '/^MemTotal:/ {print int($2 / 8192)}' /proc/meminfo)
    [ "$mb" -ge 64 ] || mb=64
    [ "$mb" -le 1024 ] || mb=1024
    echo "$mb"
}

pg_write_conf() {
    local user=$1 data=$DIR/pg/data role name
    put "$user" 600 "$data/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$DIR/pg/run'
max_connections = 100
shared_buffers = $(pg_shared_mb)MB
fsync = on
synchronous_commit = on
full_page_writes = on
wal_level = replica
max_wal_size = 4GB
checkpoint_timeout = 15min
jit = off
log_timezone = 'UTC'
timezone = 'UTC'
CONF
    put "$user" 600 "$data/pg_hba.conf" <<CONF
# Who the kernel says is at the other end of the socket, and nothing else.
local all all peer map=chancery
CONF
    {
        for role in $ROLES; do
            echo "chancery $(user_of "$role") chancery_$role"
        done
        for name in $(printf '%s\n' "$user" "$(id -un)" | sort -u); do
            echo "chancery $name chancery_owner"
            echo "chancery $name chancery_admin"
        done
    } | put "$user" 600 "$data/pg_ident.conf"
}

pg_psql() {
    psql -X -q -v ON_ERROR_STOP=1 -h "$DIR/pg/run" -U chancery_admin "$@"
}

postgres_init() {
    local user bin data=$DIR/pg/data
    user=$(user_of db)
    bin=$(pg_bin)
    [ -e "$DIR/pg/done" ] && { pg_write_conf "$user"; return 0; }
    say "making the database cluster"
    rm -rf "$data"
    own "$user" 700 "$data"
    (cd / && run_as "$user" "$bin/initdb" -D "$data" -U chancery_admin -A peer -E UTF8 --locale=C --data-checksums >"$DIR/log/initdb" 2>&1) ||
        die "initdb failed; see $DIR/log/initdb"
    pg_write_conf "$user"
    own "$user" 755 "$DIR/log/postgresql"
    (cd / && run_as "$user" "$bin/pg_ctl" -D "$data" -w -t 60 -l "$DIR/log/postgresql/init" start >/dev/null 9>&-) ||
        die "PostgreSQL does not start; see $DIR/log/postgresql/init"
    local failed=no
    { pg_psql -d postgres -c "CREATE ROLE chancery_owner LOGIN CREATEROLE" -c "CREATE DATABASE chancery OWNER chancery_owner" && migrate; } || failed=yes
    (cd / && run_as "$user" "$bin/pg_ctl" -D "$data" -m fast -w stop >/dev/null)
    [ "$failed" = no ] || die "the database could not be prepared"
    touch "$DIR/pg/done"
}

migrate() {
    "$DIR/bin/chancery" migrate --database "host=$DIR/pg/run dbname=chancery user=chancery_owner" \
        --dir "$STACK_SOURCE/migrations" >/dev/null || die "the migrations failed"
}

postgres_wait() {
    local i
    for i in $(seq 600); do
        if "$(pg_bin)/pg_isready" -q -h "$DIR/pg/run" -d chancery -U chancery_owner; then return 0; fi
        sleep 0.05
    done
    die "PostgreSQL did not come up; see $DIR/log/postgresql/current"
}

# Settings, users, folders. Sourced by tools/stack; expects DIR and STACK_SOURCE.

BIN=${CHANCERY_BIN:-$STACK_SOURCE/build/release/bin}
PORT_BASE=7400
MODULE=
CA_INSTANCES=1
POLICY_INSTANCES=1
FAILPOINTS=no
ISOLATION=on
BUNDLE=$STACK_SOURCE/policy/bundles/default
TRUST_DOMAIN=chancery.test
SOFTHSM=${CHANCERY_SOFTHSM:-/usr/lib/softhsm/libsofthsm2.so}
# Longest socket address of the kernel is 107 characters; /pg/run/.s.PGSQL.5432 is ours.
DIR_MAX=80

PROCESSES="audit policy signer ca registration revocation"
PARTITIONS="root ca policy audit ocsp registration infra"
ROLES="ca policy audit registration revocation"

say() { printf '%s\n' "$*"; }
die() { printf 'stack: %s\n' "$*" >&2; exit 1; }

is_root() { [ "$(id -u)" -eq 0 ]; }

# user_of PROCESS: the system user it runs as. Without isolation, one for all.
user_of() {
    if ! is_root; then
        id -un
    elif [ "$ISOLATION" = on ]; then
        echo "chancery-$1"
    else
        echo chancery
    fi
}

# process_of PARTITION: whose token it is. The root's token belongs to nobody who runs.
process_of() {
    case "$1" in
    ca) echo signer ;;
    ocsp) echo revocation ;;
    infra) echo identity ;;
    *) echo "$1" ;;
    esac
}

owner_of_partition() {
    if [ "$1" = root ]; then id -un; else user_of "$(process_of "$1")"; fi
}

run_as() {
    local user=$1
    shift
    if is_root && [ "$user" != root ]; then chpst -u "$user" "$@"; else "$@"; fi
}

# own USER MODE PATH...: folders with owner and mode, made when missing.
own() {
    local user=$1 mode=$2
    shift 2
    mkdir -p "$@"
    if is_root; then chown "$user:$(id -gn "$user")" "$@"; fi
    chmod "$mode" "$@"
}

# put USER MODE PATH: standard input becomes the file, in one rename.
put() {
    local user=$1 mode=$2 path=$3 temporary
    temporary=$(mktemp "$path.XXXXXX")
    cat >"$temporary"
    if is_root; then chown "$user:$(id -gn "$user")" "$temporary"; fi
    chmod "$mode" "$temporary"
    mv -f "$temporary" "$path"
}

# locked FUNCTION...: one init, start or stop at a time.
locked() {
    mkdir -p "$DIR/run"
    exec 9>"$DIR/run/lock"
    flock -w 120 9 || die "another tools/stack is at work in $DIR"
    "$@"
}

check_tools() {
    local tool
    for tool in runsvdir runsv sv svlogd chpst openssl flock setsid; do
        command -v "$tool" >/dev/null || die "$tool is missing; run: tools/install-packages run"
    done
    [ -e "$SOFTHSM" ] || die "$SOFTHSM is missing; run: tools/install-packages run"
    for tool in chancery $(printf 'chancery-%s ' $PROCESSES); do
        [ -x "$BIN/$tool" ] || die "$BIN/$tool is missing: build first (cmake --preset release && cmake --build --preset release)"
    done
    [ ${#DIR} -le $DIR_MAX ] || die "$DIR is longer than $DIR_MAX characters: socket addresses would not fit"
}

make_users() {
    is_root || return 0
    local name names=chancery
    [ "$ISOLATION" = off ] || names=$(printf 'chancery-%s ' db identity $PROCESSES)
    for name in $names; do
        # Two inits at once may both try: what counts is that the user exists afterwards.
        id "$name" >/dev/null 2>&1 ||
            useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin "$name" 2>/dev/null ||
            id "$name" >/dev/null || die "cannot create the system user $name"
    done
}

make_dirs() {
    local p
    own "$(id -un)" 755 "$DIR" "$DIR/run" "$DIR/trust" "$DIR/conf" "$DIR/service" "$DIR/log" "$DIR/tokens" \
        "$DIR/bin" "$DIR/users" "$DIR/ceremony" "$DIR/state"
    own "$(user_of db)" 755 "$DIR/pg" "$DIR/pg/run"
    own "$(user_of identity)" 755 "$DIR/identity"
    own "$(user_of audit)" 700 "$DIR/audit"
    own "$(user_of audit)" 700 "$DIR/audit/log" "$DIR/audit/second"
    own "$(user_of revocation)" 700 "$DIR/revocation" "$DIR/revocation/www"
    for p in signer ca policy registration; do
        own "$(user_of "$p")" 700 "$DIR/state/$p"
    done
    if [ "$FAILPOINTS" = yes ]; then
        # Tests put kill orders here and processes of every user remove them.
        own "$(id -un)" 777 "$DIR/run/failpoint"
    fi
}

save_settings() {
    local name
    for name in BIN PORT_BASE MODULE CA_INSTANCES POLICY_INSTANCES FAILPOINTS ISOLATION BUNDLE; do
        printf '%s=%q\n' "$name" "${!name}"
    done | put "$(id -un)" 644 "$DIR/stack.conf"
}

load_settings() {
    [ -e "$DIR/stack.conf" ] || die "$DIR is not a state directory; run: tools/stack init $DIR"
    # shellcheck source=/dev/null
    . "$DIR/stack.conf"
}

# Programs run from a copy that every process's user can read, wherever they were built. Without
# isolation they run from where they are.
copy_programs() {
    local file
    if ! is_root; then
        rm -rf "$DIR/bin"
        ln -s "$BIN" "$DIR/bin"
        return 0
    fi
    # chancery-verify is for people: nothing here needs it, and a test's build may lack it.
    for file in chancery chancery-verify $(printf 'chancery-%s ' $PROCESSES); do
        [ "$file" != chancery-verify ] || [ -e "$BIN/$file" ] || continue
        cmp -s "$BIN/$file" "$DIR/bin/$file" || { install -m 755 "$BIN/$file" "$DIR/bin/.$file.new" && mv -f "$DIR/bin/.$file.new" "$DIR/bin/$file"; }
    done
    if [ -n "$MODULE" ]; then
        install -m 755 "$MODULE" "$DIR/bin/.module.new"
        mv -f "$DIR/bin/.module.new" "$DIR/bin/$(basename "$MODULE")"
    fi
}

# The module that services load; token set-up and the ceremony use the real one.
service_module() {
    if [ -z "$MODULE" ]; then
        echo "$SOFTHSM"
    elif is_root; then
        echo "$DIR/bin/$(basename "$MODULE")"
    else
        echo "$MODULE"
    fi
}

# port PROCESS [INSTANCE]
port() {
    case "$1" in
    registration) echo $((PORT_BASE + 1)) ;;
    audit) echo $((PORT_BASE + 2)) ;;
    policy) if [ "${2:-1}" -eq 1 ]; then echo $((PORT_BASE + 3)); else echo $((PORT_BASE + 15 + ${2:-1})); fi ;;
    revocation) echo $((PORT_BASE + 4)) ;;
    ca) if [ "${2:-1}" -eq 1 ]; then echo $((PORT_BASE + 5)); else echo $((PORT_BASE + 8 + ${2:-1})); fi ;;
    signer) echo $((PORT_BASE + 6)) ;;
    http) echo $((PORT_BASE + 7)) ;;
    esac
}

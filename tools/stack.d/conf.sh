# Configuration files of the processes.

peer() { echo "  $1: 127.0.0.1:$(port "$1")"; }

# peer_all PROCESS: all its instances; clients use them in turn.
peer_all() {
    local i list=
    for i in $(instances "$1"); do list=$list,127.0.0.1:$(port "$1" "$i"); done
    echo "  $1: ${list#,}"
}

state_of() {
    case "$1" in
    audit | revocation) echo "$DIR/$1" ;;
    *) echo "$DIR/state/$1" ;;
    esac
}

# conf_common PROCESS INSTANCE PORT
conf_common() {
    cat <<CONF
process: $1
instance: $1-$2
listen: 127.0.0.1:$3
trust: $DIR/trust/trust.json
trust_sha256: $TRUST_SHA256
tls: {dir: $DIR/identity/$1/current}
state_dir: $(state_of "$1")
log_level: ${CHANCERY_LOG_LEVEL:-info}
CONF
}

conf_database() {
    echo "database: {conninfo: \"host=$DIR/pg/run dbname=chancery user=chancery_$1\", pool: $2}"
}

# conf_hsm PARTITION KEY-LABEL: KEY may be empty when a process uses several keys.
conf_hsm() {
    cat <<CONF
hsm:
  module: $(service_module)
  token: "pkcs11:token=chancery-$1"
  pin_file: $DIR/tokens/$1/pin
  sessions: 4
  deadline_ms: 5000
CONF
    [ -z "$2" ] || echo "  key: \"pkcs11:object=$2;type=private\""
}

# conf_of PROCESS INSTANCE
conf_of() {
    conf_common "$1" "$2" "$(port "$1" "$2")"
    case "$1" in
    signer)
        printf 'peers:\n%s\n' "$(peer audit)"
        conf_hsm ca ""
        ;;
    policy)
        printf 'peers:\n%s\n' "$(peer audit)"
        conf_database policy 8
        conf_hsm policy permit
        echo "issuers: $DIR/ceremony/out/issuers.yaml"
        echo "bundle: $DIR/bundle"
        echo "history_readers: [/user/operator]"
        ;;
    ca)
        printf 'peers:\n%s\n%s\n%s\n' "$(peer audit)" "$(peer_all policy)" "$(peer signer)"
        conf_database ca 8
        echo "issuers: $DIR/ceremony/out/issuers.yaml"
        echo "bundle: $DIR/bundle"
        ;;
    audit)
        conf_database audit 4
        conf_hsm audit ""
        echo "log_dir: $DIR/audit/log"
        echo "second_dir: $DIR/audit/second"
        ;;
    registration)
        printf 'peers:\n%s\n%s\n%s\n' "$(peer audit)" "$(peer_all ca)" "$(peer revocation)"
        conf_database registration 8
        conf_hsm registration statement
        echo "revokers: [/user/operator]"
        ;;
    revocation)
        printf 'peers:\n%s\n%s\n' "$(peer audit)" "$(peer_all ca)"
        conf_database revocation 8
        conf_hsm ocsp ""
        echo "http: {listen: \"127.0.0.1:$(port http)\"}"
        echo "static_dir: $DIR/ceremony/out"
        ;;
    esac
}

write_configs() {
    local p i name
    TRUST_SHA256=$(sha256sum "$DIR/trust/trust.json" | cut -d' ' -f1)
    for p in $PROCESSES; do
        for i in $(instances "$p"); do
            name=$(service_name "$p" "$i")
            conf_of "$p" "$i" | put "$(user_of "$p")" 600 "$DIR/conf/$name.yaml"
        done
    done
}

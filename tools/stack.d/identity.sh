# Mutual TLS: the infrastructure CA in its own token, an identity per process and per person.
# Identities are made under the uid that may open that token; a process reads its own by its group.

identity_cli() {
    run_as "$(user_of identity)" env SOFTHSM2_CONF="$(token_conf infra)" "$DIR/bin/chancery" "$@"
}

identity_init() {
    local p user
    user=$(user_of identity)
    identity_cli identity init --module "$SOFTHSM" --token-uri pkcs11:token=chancery-infra \
        --pin-file "$DIR/tokens/infra/pin" --trust-domain "$TRUST_DOMAIN" --out "$DIR/identity" >/dev/null || die "the infrastructure CA could not be made"
    chmod 755 "$DIR/identity"
    chmod 644 "$DIR/identity/ca.pem"
    for p in $PROCESSES; do
        [ -e "$DIR/identity/$p/current/cert.pem" ] && continue
        mkdir -p "$DIR/identity/$p"
        if is_root; then
            # Set-group-ID: what is written inside belongs to the process's group.
            chown "$user:$(id -gn "$(user_of "$p")")" "$DIR/identity/$p"
            chmod 2750 "$DIR/identity/$p"
        else
            chmod 700 "$DIR/identity/$p"
        fi
        identity_cli identity issue --process "$p" --dir "$DIR/identity/$p" --ca "$DIR/identity" --localhost >/dev/null ||
            die "the identity of $p could not be made"
    done
    user_add operator
}

# user_add ID: identity and client configuration of a person, under users/ID. As root: for root.
user_add() {
    local id=${1:-}
    case "$id" in '' | *[!a-z0-9-]* | -*) die "a user id is lower-case letters, digits and -" ;; esac
    own "$(id -un)" 755 "$DIR/users/$id"
    [ -e "$DIR/identity/user-$id/current/cert.pem" ] ||
        identity_cli identity issue --user "$id" --dir "$DIR/identity/user-$id" --ca "$DIR/identity" >/dev/null || die "the identity of $id could not be made"
    ln -sfn "../../identity/user-$id/current" "$DIR/users/$id/current"
    put "$(id -un)" 644 "$DIR/users/$id/client.yaml" <<CONF
trust_domain: $TRUST_DOMAIN
tls:
  dir: current
peers:
  registration: 127.0.0.1:$(port registration)
  audit: 127.0.0.1:$(port audit)
  policy: 127.0.0.1:$(port policy)
  revocation: 127.0.0.1:$(port revocation)
  ca: 127.0.0.1:$(port ca)
  signer: 127.0.0.1:$(port signer)
CONF
}

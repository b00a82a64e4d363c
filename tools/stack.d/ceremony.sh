# The rehearsal ceremony: plan, run, and what processes need of its results.

# The ceremony pins the bundle's hash: the copy is made once. The folder may be a mounted volume.
bundle_copy() {
    [ -d "$BUNDLE" ] || die "no policy bundle in $BUNDLE"
    [ ! -e "$DIR/bundle/bundle.yaml" ] || return 0
    [ ! -e "$DIR/trust/trust.json" ] || die "$DIR/bundle is gone; trust.json pins its hash"
    mkdir -p "$DIR/bundle"
    cp -r "$BUNDLE/." "$DIR/bundle"
    officers_make
    chmod -R u=rwX,go=rX "$DIR/bundle"
}

# A bundle that names no officers would stay the only one. Rehearsal officers: three keys in files of this machine, which
# is no separation of duties. A real installation lists its own people and the keys that they alone hold.
officers_make() {
    local i folder=$DIR/officers
    [ ! -e "$DIR/bundle/officers.yaml" ] || return 0
    own "$(id -un)" 700 "$folder"
    for i in 1 2 3; do
        [ -e "$folder/officer-$i.pem" ] ||
            (umask 077 && openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$folder/officer-$i.pem" 2>/dev/null) ||
            die "the key of officer-$i could not be made"
    done
    {
        echo "# Rehearsal officers, made by tools/stack. Two of them promote a bundle; the author does not count."
        echo "officers:"
        for i in 1 2 3; do
            echo "  - id: officer-$i"
            echo "    identity: /user/officer-$i"
            echo "    key: $(openssl pkey -in "$folder/officer-$i.pem" -pubout -outform DER | base64 -w0)"
            echo "    roles: [policy-officer]"
        done
        echo "promotion: {role: policy-officer, quorum: 2}"
    } | put "$(id -un)" 644 "$DIR/bundle/officers.yaml"
}

plan_token() {
    cat <<CONF
  - id: $1
    module: $SOFTHSM
    uri: pkcs11:token=chancery-$1
    pin_file: $DIR/tokens/$1/pin
    environment: {SOFTHSM2_CONF: $DIR/tokens/$1/softhsm2.conf}
CONF
}

ceremony_plan() {
    local http p below=0
    # CAs stand below the first issuing CA only where the bundle has a profile for them.
    ! grep -qsE '^ +ca:' "$DIR"/bundle/profiles/*.yaml || below=1
    http=http://127.0.0.1:$(port http)
    cat <<CONF
ceremony: {version: 1, name: rehearsal of this machine, rehearsal: true}
trust_domain: $TRUST_DOMAIN
log_origin: $TRUST_DOMAIN/log
policy_bundle: $DIR/bundle
publication:
  crl_base: $http/crl
  ocsp_url: $http/ocsp
  aia_base: $http/ca
roles:
  - {role: operator, person: $(id -un)}
inventory:
  - {item: SoftHSM tokens, serial: $DIR/tokens}
tokens:
$(for p in root ca policy audit ocsp registration; do plan_token "$p"; done)
keys:
  - {id: root, token: root, type: P-384}
  - {id: issuing-1, token: ca, type: P-256}
  - {id: issuing-rsa-1, token: ca, type: RSA-3072}
  - {id: ocsp-issuing-1, token: ocsp, type: P-256}
  - {id: ocsp-issuing-rsa-1, token: ocsp, type: P-256}
  - {id: permit, token: policy, type: P-256}
  - {id: statement, token: registration, type: P-256}
  - {id: checkpoint-p256, token: audit, type: P-256}
  - {id: checkpoint-ed25519, token: audit, type: Ed25519}
root:
  key: root
  subject: {organization: Chancery Rehearsal, common_name: Chancery Rehearsal Root}
  validity: 3650d
  crl_validity: 90d
issuers:
  - id: issuing-1
    key: issuing-1
    subject: {organization: Chancery Rehearsal, common_name: Chancery Rehearsal Issuing 1}
    validity: 1825d
    shards: 8
    path_length: $below
    ocsp:
      key: ocsp-issuing-1
      subject: {organization: Chancery Rehearsal, common_name: Chancery Rehearsal OCSP 1}
      validity: 90d
  - id: issuing-rsa-1
    key: issuing-rsa-1
    subject: {organization: Chancery Rehearsal, common_name: Chancery Rehearsal Issuing RSA 1}
    validity: 1825d
    shards: 4
    ocsp:
      key: ocsp-issuing-rsa-1
      subject: {organization: Chancery Rehearsal, common_name: Chancery Rehearsal OCSP RSA 1}
      validity: 90d
service_keys:
  permit: [permit]
  statement: [statement]
  checkpoint: [checkpoint-p256, checkpoint-ed25519]
CONF
}

ceremony_run() {
    if [ ! -e "$DIR/trust/trust.json" ]; then
        say "running the rehearsal ceremony"
        [ -e "$DIR/ceremony/plan.yaml" ] || ceremony_plan | put "$(id -un)" 644 "$DIR/ceremony/plan.yaml"
        "$DIR/bin/chancery" ceremony run "$DIR/ceremony/plan.yaml" --out "$DIR/ceremony/out" --yes >"$DIR/log/ceremony" 2>&1 ||
            { tail -5 "$DIR/log/ceremony" >&2; die "the ceremony failed; see $DIR/log/ceremony"; }
        tokens_hand_over
        chmod -R u=rwX,go=rX "$DIR/ceremony"
        put "$(id -un)" 644 "$DIR/trust/trust.json" <"$DIR/ceremony/out/trust.json"
    fi
}

# What quickstart shows on a running stack: one certificate, enrolled and verified by foreign tools.

DEMO_HOST=host.example.test

demo_cli() {
    local state=$1
    shift
    CHANCERY_CONFIG=$state/users/operator/client.yaml "$state/bin/chancery" "$@"
}

demo_enrol() {
    local state=$1 demo=$1/demo
    mkdir -p "$demo"
    step "Enrol $DEMO_HOST with a fresh key, profile web"
    if [ -e "$demo/host.pem" ]; then
        echo "already enrolled: $demo/host.pem"
        return 0
    fi
    (umask 077 && openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$demo/host.key" \
        -out "$demo/host.csr" -subj "/CN=$DEMO_HOST" -addext "subjectAltName=DNS:$DEMO_HOST" 2>/dev/null)
    openssl x509 -inform DER -in "$state/ceremony/out/root.cer" -out "$demo/root.pem"
    openssl x509 -inform DER -in "$state/ceremony/out/issuing-1.cer" -out "$demo/issuing.pem"
    demo_cli "$state" issue --profile web --csr "$demo/host.csr" --out "$demo/host.pem"
}

# First CRL distribution point of a certificate.
demo_cdp() {
    openssl x509 -noout -ext crlDistributionPoints -in "$1" | sed -n 's/^ *URI://p' | head -1
}

# openssl also wants a CRL for the root itself, which names none: the one its issuing CA names is that.
# A certificate can be younger than the CRL of its shard: the next one comes within seconds.
demo_verify() {
    local state=$1 demo=$1/demo i out= ocsp=
    step "Verify with openssl, CRLs fetched from the URLs in the certificates"
    openssl crl -in "$(demo_cdp "$demo/issuing.pem")" -out "$demo/root.crl" || fail "the root's CRL cannot be fetched"
    for i in $(seq 30); do
        out=$(openssl verify -x509_strict -crl_check_all -crl_download -CRLfile "$demo/root.crl" \
            -CAfile "$demo/root.pem" -untrusted "$demo/issuing.pem" "$demo/host.pem" 2>&1) && break
        case "$out" in
        *"certificate revoked"*) break ;;
        esac
        [ "$i" -lt 30 ] && sleep 1
    done
    printf '%s\n' "$out"
    case "$out" in
    *": OK") ;;
    *"certificate revoked"*) echo "it was revoked; remove $demo/host.pem and run again for a new one" ;;
    *) fail "openssl does not accept the certificate" ;;
    esac
    step "Ask OCSP with openssl"
    # openssl's exit code does not tell the status. A fresh revocation may be here before it is in the CRL, never after.
    ocsp=$(openssl ocsp -no_nonce -issuer "$demo/issuing.pem" -cert "$demo/host.pem" -url "$(openssl x509 -noout -ocsp_uri -in "$demo/host.pem")" \
        -CAfile "$demo/root.pem" -verify_other "$demo/issuing.pem" 2>&1) || { printf '%s\n' "$ocsp"; fail "OCSP does not answer"; }
    printf '%s\n' "$ocsp" | sed "s|$demo/||"
    case "$out $ocsp" in
    *"certificate revoked"*": good"*) fail "OCSP and CRL do not agree" ;;
    *"Response verify OK"*": good"* | *"Response verify OK"*": revoked"*) ;;
    *) fail "OCSP does not know the certificate" ;;
    esac
}

demo_next() {
    local state=$1 serial
    serial=$(openssl x509 -noout -serial -in "$state/demo/host.pem" | cut -d= -f2 | tr A-F a-f)
    cat <<TEXT

== Next

  export CHANCERY_CONFIG=$state/users/operator/client.yaml PATH=$state/bin:\$PATH

  chancery cert list                                   what was issued
  chancery cert show $serial
  chancery audit log --newest                          every intent, signature, revocation and refusal
  chancery policy bundles                              which bundle is in force; docs/POLICY.md: how another one comes
  chancery revoke $serial --reason superseded
  tools/quickstart                                     again: openssl then says "revoked"
  tools/stack user $state alice
                                                       an identity for another person
  tools/quickstart status | stop

Files: $state/demo (key and certificate), $state/log/<process>/current,
$state/trust/trust.json (the pinned keys), $state/ceremony (plan and transcript).
TEXT
}

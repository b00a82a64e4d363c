/* Who calls: identity of the TLS peer, remembered per certificate, and the allow-list.
 *
 * libgrpc has verified chain, validity and key usage at the handshake. Checked here at every call:
 * trust domain, deny list, and that the certificate has not expired since (connections live longer
 * than handshakes). */
#include <stdlib.h>
#include <string.h>

#include "os/os.h"
#include "server_int.h"

static uint64_t fnv1a(const char *p, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ (uint8_t)p[i]) * 0x100000001b3u;
    }
    return h;
}

/* Poller thread only. */
static const struct known_peer *known_get(struct rpc_server *s, const char *pem, size_t len)
{
    uint64_t hash = fnv1a(pem, len);
    for (unsigned i = 0; i < SERVER_IDENTITIES; i++) {
        struct known_peer *k = &s->known[i];
        if (k->pem != NULL && k->pem_hash == hash && strlen(k->pem) == len &&
            memcmp(k->pem, pem, len) == 0) {
            return k;
        }
    }
    struct known_peer *k = &s->known[s->known_next++ % SERVER_IDENTITIES];
    free(k->pem);
    *k = (struct known_peer){.pem_hash = hash, .pem = strndup(pem, len)};
    if (k->pem == NULL) {
        return NULL;
    }
    k->err = rpc_identity_read(slice_of(pem, len), &k->id, NULL);
    if (k->err == CH_OK && !rpc_uri_in_domain(k->id.uri, s->trust_domain)) {
        k->err = CH_UNAUTHENTICATED;
    }
    return k;
}

static enum chancery_err unauthenticated(struct rpc_call *call, const char *rule, const char *text)
{
    return diag_set(&call->diag, CH_UNAUTHENTICATED, "caller", rule, "%s", text);
}

enum chancery_err rpc_peer_identify(struct rpc_call *call)
{
    memset(&call->caller, 0, sizeof call->caller);
    grpc_auth_context *auth = grpc_call_auth_context(call->call);
    const struct known_peer *k = NULL;
    if (auth != NULL && grpc_auth_context_peer_is_authenticated(auth)) {
        grpc_auth_property_iterator it =
            grpc_auth_context_find_properties_by_name(auth, GRPC_X509_PEM_CERT_PROPERTY_NAME);
        const grpc_auth_property *p = grpc_auth_property_iterator_next(&it);
        k = p == NULL ? NULL : known_get(call->server, p->value, p->value_length);
    }
    grpc_auth_context_release(auth);
    if (k == NULL) {
        return unauthenticated(call, "caller.certificate", "a client certificate is required");
    }
    call->caller = k->id;
    if (k->err != CH_OK) {
        return unauthenticated(call, "caller.trust_domain",
                               "the client certificate names no identity of this trust domain");
    }
    if (k->id.not_after_s < os_now_s()) {
        return unauthenticated(call, "caller.expired", "the client certificate has expired");
    }
    if (rpc_deny_has(call->server->deny, k->id.spki_sha256)) {
        return unauthenticated(call, "caller.denied", "the client's key is on the deny list");
    }
    return CH_OK;
}

bool rpc_peer_allowed(const struct rpc_call *call)
{
    const char *const *patterns = call->method->callers;
    for (size_t i = 0; patterns != NULL && patterns[i] != NULL; i++) {
        if (rpc_uri_matches(call->caller.uri, call->server->trust_domain, patterns[i])) {
            return true;
        }
    }
    return false;
}

void rpc_peer_forget(struct rpc_server *s)
{
    for (unsigned i = 0; i < SERVER_IDENTITIES; i++) {
        free(s->known[i].pem);
        s->known[i].pem = NULL;
    }
}

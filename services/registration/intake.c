/* From an EnrollRequest to a typed request: limits, PKCS#10 reading, names in canonical order. It
 * judges nothing: what a profile allows is policy's to say. */
#include "registration.h"

#include <stdio.h>

#include "crypto/alg.h"
#include "os/os.h"
#include "x509/x509.h"

static bool text_ok(const char *s, size_t min, size_t max)
{
    size_t n = strlen(s);
    if (n < min || n > max) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if ((unsigned char)s[i] < 0x21 || (unsigned char)s[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

static enum chancery_err check_fields(const Chancery__Registration__V1__EnrollRequest *in,
                                      struct diag *diag)
{
    if (!text_ok(in->profile, 1, 64)) {
        return diag_set(diag, CH_INVALID, "profile", "request.profile",
                        "profile must be 1 to 64 printable characters");
    }
    if (!text_ok(in->idempotency_key, 0, REGISTRATION_KEY_MAX)) {
        return diag_set(diag, CH_INVALID, "idempotency_key", "request.idempotency_key",
                        "an idempotency key has at most %d printable ASCII characters, no spaces",
                        REGISTRATION_KEY_MAX);
    }
    if (!text_ok(in->tenant, 0, 64)) {
        return diag_set(diag, CH_INVALID, "tenant", "request.tenant",
                        "tenant must be at most 64 printable characters");
    }
    if (in->proof_case != CHANCERY__REGISTRATION__V1__ENROLL_REQUEST__PROOF_PKCS10 ||
        in->pkcs10.len == 0) {
        return diag_set(diag, CH_INVALID, "pkcs10", "csr.missing",
                        "send the certification request (PKCS#10, DER)");
    }
    if (in->pkcs10.len > X509_CSR_MAX) {
        return diag_set(diag, CH_LIMIT, "pkcs10", "csr.size",
                        "a certification request has at most %zu bytes", X509_CSR_MAX);
    }
    return CH_OK;
}

/* Only gateways may speak for another protocol; anyone else is a gRPC client. */
static enum chancery_err protocol_of(const struct registration *r, const char *caller,
                                     const char *asked, const char **out, struct diag *diag)
{
    static const char *const gateways[] = {"acme", "est", "scep", "cmp", "rest"};
    const char *own = "grpc"; /* a gateway's identity says which protocol it is */
    for (size_t i = 0; i < sizeof gateways / sizeof gateways[0]; i++) {
        char path[32], uri[256];
        (void)snprintf(path, sizeof path, "/chancery/%s", gateways[i]);
        TRY(daemon_uri(r->daemon, path, uri, sizeof uri));
        own = strcmp(caller, uri) == 0 ? gateways[i] : own;
    }
    if (asked[0] == '\0' || strcmp(asked, own) == 0) {
        *out = own;
        return CH_OK;
    }
    return diag_set(diag, CH_DENIED, "protocol", "request.protocol",
                    "only the gateway of a protocol may name it; leave the field empty");
}

static enum chancery_err fill_lists(struct arena *arena, const struct x509_csr *csr,
                                    Chancery__Common__V1__Request *m)
{
    m->sans = arena_alloc(arena, (csr->n_sans + 1) * sizeof *m->sans);
    m->extensions = arena_alloc(arena, (csr->n_extensions + 1) * sizeof *m->extensions);
    if (m->sans == NULL || m->extensions == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < csr->n_sans; i++) {
        Chancery__Common__V1__San *san = arena_alloc(arena, sizeof *san);
        if (san == NULL) {
            return CH_NOMEM;
        }
        chancery__common__v1__san__init(san);
        san->type = (Chancery__Common__V1__SanType)csr->sans[i].type;
        san->value = (ProtobufCBinaryData){csr->sans[i].value.len,
                                           (uint8_t *)(uintptr_t)csr->sans[i].value.ptr};
        m->sans[m->n_sans++] = san;
    }
    for (size_t i = 0; i < csr->n_extensions; i++) {
        Chancery__Common__V1__Extension *e = arena_alloc(arena, sizeof *e);
        if (e == NULL) {
            return CH_NOMEM;
        }
        chancery__common__v1__extension__init(e);
        e->oid = rpc_bytes(arena, csr->extensions[i].oid);
        e->critical = csr->extensions[i].critical;
        e->value = rpc_bytes(arena, csr->extensions[i].value);
        m->extensions[m->n_extensions++] = e;
    }
    return CH_OK;
}

static enum chancery_err fill_evidence(struct rpc_call *call, struct slice pkcs10,
                                       const char *protocol, Chancery__Common__V1__Request *m)
{
    struct arena *arena = rpc_arena(call);
    Chancery__Common__V1__Evidence *e = arena_alloc(arena, sizeof *e);
    if (e == NULL) {
        return CH_NOMEM;
    }
    chancery__common__v1__evidence__init(e);
    uint8_t digest[32];
    crypto_sha256(pkcs10, digest);
    e->protocol = (char *)(uintptr_t)protocol;
    e->caller = (char *)(uintptr_t)rpc_caller(call);
    e->client_cert_sha256 = rpc_bytes(arena, slice_of(rpc_caller_cert_sha256(call), 32));
    e->proof = (char *)(uintptr_t) "pkcs10";
    /* What the caller has proven itself; ca verifies that the key signed the PKCS#10. */
    static const char *const proven[] = {"mtls", "pkcs10"};
    e->authentication = (char **)(uintptr_t)proven;
    e->n_authentication = sizeof proven / sizeof proven[0];
    e->proof_sha256 = rpc_bytes(arena, slice_of(digest, sizeof digest));
    m->evidence = e;
    return e->client_cert_sha256.data == NULL || e->proof_sha256.data == NULL ? CH_NOMEM : CH_OK;
}

/* What the caller sent, independent of request id and of the client certificate of the moment: a
 * client that renewed its certificate may still ask for the outcome. */
static enum chancery_err content_digest(const Chancery__Common__V1__Request *m, uint8_t out[32])
{
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, 4096);
    const char *const texts[] = {"chancery/content/v1\n", m->tenant, m->profile, m->requester,
                                 m->evidence->protocol};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        TRY(buf_add_str(&b, texts[i]));
        TRY(buf_add_u8(&b, 0));
    }
    TRY(buf_add_u32be(&b, m->max_validity_s));
    TRY(buf_add(&b, rpc_slice(m->evidence->proof_sha256)));
    crypto_sha256(buf_slice(&b), out);
    return CH_OK;
}

enum chancery_err registration_intake(struct registration *r, struct rpc_call *call,
                                      const Chancery__Registration__V1__EnrollRequest *in,
                                      struct registration_item **out, struct diag *diag)
{
    struct arena *arena = rpc_arena(call);
    const char *protocol = NULL;
    TRY(check_fields(in, diag));
    TRY(protocol_of(r, rpc_caller(call), in->protocol, &protocol, diag));
    struct slice pkcs10 = rpc_slice(in->pkcs10);
    struct x509_csr csr;
    TRY(x509_csr_read(pkcs10, arena, &csr, diag));
    struct registration_item *item = arena_alloc(arena, sizeof *item);
    if (item == NULL) {
        return CH_NOMEM;
    }
    Chancery__Common__V1__Request *m = &item->request;
    chancery__common__v1__request__init(m);
    uint8_t spki[32];
    crypto_sha256(csr.spki, spki);
    m->tenant = in->tenant[0] == '\0' ? (char *)(uintptr_t) "default" : in->tenant;
    m->profile = in->profile;
    m->requester = (char *)(uintptr_t)rpc_caller(call);
    m->spki_sha256 = rpc_bytes(arena, slice_of(spki, sizeof spki));
    m->subject_der = (ProtobufCBinaryData){csr.subject.len, (uint8_t *)(uintptr_t)csr.subject.ptr};
    m->max_validity_s = in->max_validity_s;
    m->request_id = (ProtobufCBinaryData){sizeof item->request_id, item->request_id};
    if (m->spki_sha256.data == NULL) {
        return CH_NOMEM;
    }
    TRY(fill_lists(arena, &csr, m));
    TRY(fill_evidence(call, pkcs10, protocol, m));
    TRY(content_digest(m, item->content));
    item->pkcs10 = pkcs10;
    item->caller = rpc_caller(call);
    item->key = in->idempotency_key;
    item->attempt = 1;
    os_random(item->request_id, sizeof item->request_id);
    TRY(registration_item_digest(item, diag));
    *out = item;
    return CH_OK;
}

enum chancery_err registration_item_digest(struct registration_item *item, struct diag *diag)
{
    struct permit_request request;
    struct arena scratch CLEANUP(arena_clear);
    arena_init(&scratch, 0);
    TRY(permit_request_from_proto(&item->request, &scratch, &request, diag));
    return permit_request_digest(&request, item->digest, diag);
}

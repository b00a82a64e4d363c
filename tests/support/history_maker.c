/* Records that were never requests. */
#include "history_maker.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "chancery/policy/v1/policy.pb-c.h"
#include "policy/tbs.h"
#include "trial/usage.h"

static void must(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "history_maker: %s\n", what);
        abort();
    }
}

void history_maker_init(struct history_maker *m, const struct trial_bundle *bundle,
                        const struct trial_world *world, const char *trust_domain)
{
    *m = (struct history_maker){.bundle = bundle, .world = world, .trust_domain = trust_domain};
    arena_init(&m->arena, (size_t)16 << 20);
    for (size_t i = 0; i < HISTORY_MAKER_KEYS; i++) {
        uint8_t *der = NULL;
        EVP_PKEY *key = EVP_EC_gen("P-256");
        int n = key == NULL ? -1 : i2d_PUBKEY(key, &der);
        must(n > 0 && crypto_public_from_spki(slice_of(der, (size_t)n), &m->keys[i], NULL) == CH_OK,
             "a key");
        OPENSSL_free(der);
        EVP_PKEY_free(key);
    }
}

void history_maker_clear(struct history_maker *m)
{
    for (size_t i = 0; i < HISTORY_MAKER_KEYS; i++) {
        crypto_public_free(m->keys[i]);
    }
    arena_clear(&m->arena);
}

/* The same TBS with a later notAfter. */
static struct slice forge(struct history_maker *m, struct slice tbs)
{
    struct policy_tbs was;
    struct x509_extension ext[POLICY_TBS_EXTENSIONS];
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, X509_TBS_MAX);
    must(policy_tbs_read(tbs, &was) == NULL, "reading");
    for (size_t i = 0; i < was.n_extensions; i++) {
        ext[i] = (struct x509_extension){was.extensions[i].oid, was.extensions[i].critical,
                                         was.extensions[i].value};
    }
    const struct x509_tbs t = {.serial = was.serial,
                               .alg = crypto_alg_from_der(was.algorithm),
                               .issuer = was.issuer,
                               .not_before_s = was.not_before_s,
                               .not_after_s = was.not_after_s + 86400,
                               .subject = was.subject,
                               .spki = was.spki,
                               .extensions = ext,
                               .n_extensions = was.n_extensions};
    must(x509_tbs_write(&t, &b) == CH_OK, "forging");
    return slice_of(arena_copy(&m->arena, buf_slice(&b)), b.len);
}

static ProtobufCBinaryData bin(struct slice s)
{
    return (ProtobufCBinaryData){s.len, (uint8_t *)(uintptr_t)s.ptr};
}

static char *text(struct slice s)
{
    return (char *)(uintptr_t)s.ptr;
}

/* The item as chancery-ca sends it. */
static struct slice pack_item(struct history_maker *m, const struct permit_request *r,
                              const char *issuer_id, struct slice tbs)
{
    static char *proven[] = {(char *)(uintptr_t) "mtls", (char *)(uintptr_t) "pkcs10"};
    Chancery__Common__V1__Request request = CHANCERY__COMMON__V1__REQUEST__INIT;
    Chancery__Common__V1__Evidence evidence = CHANCERY__COMMON__V1__EVIDENCE__INIT;
    Chancery__Common__V1__San san = CHANCERY__COMMON__V1__SAN__INIT, *sans[] = {&san};
    Chancery__Policy__V1__CertificateItem item = CHANCERY__POLICY__V1__CERTIFICATE_ITEM__INIT;
    san.type = (Chancery__Common__V1__SanType)r->sans[0].type;
    san.value = bin(r->sans[0].value);
    evidence.protocol = text(r->evidence.protocol);
    evidence.caller = text(r->evidence.caller);
    evidence.client_cert_sha256 = bin(r->evidence.client_cert_sha256);
    evidence.proof = text(r->evidence.proof);
    evidence.proof_sha256 = bin(r->evidence.proof_sha256);
    evidence.authentication = proven;
    evidence.n_authentication = 2;
    request.request_id = bin(r->request_id);
    request.tenant = text(r->tenant);
    request.profile = text(r->profile);
    request.requester = text(r->requester);
    request.spki_sha256 = bin(r->spki_sha256);
    request.subject_der = bin(r->subject_der);
    request.sans = sans;
    request.n_sans = 1;
    request.max_validity_s = r->max_validity_s;
    request.evidence = &evidence;
    item.request = &request;
    item.issuer_id = (char *)(uintptr_t)issuer_id;
    item.tbs = bin(tbs);
    size_t len = chancery__policy__v1__certificate_item__get_packed_size(&item);
    uint8_t *packed = arena_alloc(&m->arena, len + 1);
    must(packed != NULL, "memory");
    return slice_of(packed, chancery__policy__v1__certificate_item__pack(&item, packed));
}

static void list_failed(const struct policy_verdict *v, struct buf *out)
{
    for (size_t i = 0; i < v->n; i++) {
        if (v->rules[i].outcome == POLICY_FAIL) {
            must(buf_printf(out, "%s%s", out->len == 0 ? "" : ",", v->rules[i].rule) == CH_OK,
                 "memory");
        }
    }
}

static bool record(struct history_maker *m, const struct history_request *in,
                   const struct permit_request *r, const uint8_t digest[32],
                   const struct crypto_public *key, struct buf *out)
{
    struct policy_usage usage = trial_usage_free();
    struct trial_result built;
    struct buf failed CLEANUP(buf_clear);
    uint8_t serial[TBS_SERIAL];
    buf_init(&failed, TRIAL_FAILED_MAX);
    crypto_sha256(slice_of(&m->made, sizeof m->made), m->verdict.rules_sha256);
    memcpy(serial, m->verdict.rules_sha256, sizeof serial);
    serial[0] = (uint8_t)((serial[0] & 0x7e) | 1);
    const struct trial_request q = {.request = r,
                                    .digest = digest,
                                    .key = key,
                                    .serial = slice_of(serial, sizeof serial),
                                    .built_at_s = in->at_s - 1, /* ca goes before policy */
                                    .judged_at_s = in->at_s,
                                    .usage = &usage};
    must(trial_build(m->bundle, &q, &m->arena, &built) == CH_OK && built.tbs.len > 0, "building");
    struct slice tbs = in->forged ? forge(m, built.tbs) : built.tbs;
    trial_judge(m->bundle, m->world, &q, built.issuer, tbs, &m->verdict);
    list_failed(&m->verdict, &failed);
    struct trial_record rec = {.judged_at_s = in->at_s,
                               .permitted = m->verdict.verdict == POLICY_PASS,
                               .failed = buf_slice(&failed),
                               .item = pack_item(m, r, built.issuer->issuer_id, tbs)};
    memcpy(rec.bundle_sha256, policy_bundle_hash(trial_bundle_of(m->bundle)), 32);
    memcpy(rec.rules_sha256, m->verdict.rules_sha256, 32);
    crypto_sha256(tbs, rec.tbs_sha256);
    must(trial_record_write(&rec, out) == CH_OK, "a record");
    return rec.permitted;
}

bool history_maker_add(struct history_maker *m, const struct history_request *in, struct buf *out)
{
    static const uint8_t zero[32], empty_name[] = {0x30, 0};
    static const struct slice proven[] = {{(const uint8_t *)"mtls", 4},
                                          {(const uint8_t *)"pkcs10", 6}};
    uint8_t id[32], digest[PERMIT_DIGEST];
    arena_reset(&m->arena);
    const struct crypto_public *key = m->keys[m->made++ % HISTORY_MAKER_KEYS];
    crypto_sha256(slice_of(&m->made, sizeof m->made), id);
    const struct slice requester =
        slice_str(arena_printf(&m->arena, "spiffe://%s%s", m->trust_domain, in->requester));
    const struct permit_san san = {3, slice_str(in->dns)};
    const struct permit_request r = {.request_id = slice_of(id, 16),
                                     .tenant = slice_str("default"),
                                     .profile = slice_str(in->profile),
                                     .requester = requester,
                                     .spki_sha256 = slice_of(crypto_public_spki_sha256(key), 32),
                                     .subject_der = slice_of(empty_name, sizeof empty_name),
                                     .sans = &san,
                                     .n_sans = 1,
                                     .max_validity_s = in->validity_s,
                                     .evidence = {.protocol = slice_str("grpc"),
                                                  .caller = requester,
                                                  .client_cert_sha256 = slice_of(zero, 32),
                                                  .proof = slice_str("pkcs10"),
                                                  .proof_sha256 = slice_of(zero, 32),
                                                  .authentication = proven,
                                                  .n_authentication = 2}};
    must(permit_request_digest(&r, digest, NULL) == CH_OK, "a request");
    return record(m, in, &r, digest, key, out);
}

/* Bundles from folders and from the service; issuers from trust.json. */
#include "policy_source.h"

#include "bundle.h"
#include "os/os.h"
#include "x509/x509.h"

#define TRUST_MAX ((size_t)1 << 20)
#define ISSUERS_MAX 256

static enum chancery_err compile(struct policy_source *s, const struct policy_file *files, size_t n,
                                 const char *trust_domain, struct diag *diag)
{
    TRY(policy_bundle_compile(files, n, &s->bundle, diag));
    if (trust_domain != NULL && policy_bundle_set_trust_domain(s->bundle, trust_domain) != CH_OK) {
        return diag_set(diag, CH_INVALID, "trust_domain", "policy.trust_domain",
                        "\"%.64s\" is no domain name", trust_domain);
    }
    s->files = files;
    s->n_files = n;
    return CH_OK;
}

static bool is_hash(const char *s)
{
    return strlen(s) == 64 && strspn(s, "0123456789abcdefABCDEF") == 64;
}

enum chancery_err policy_source_answer(struct cli *cli,
                                       const Chancery__Policy__V1__GetBundleResponse *answer,
                                       const char *trust_domain, struct policy_source *out,
                                       struct diag *diag)
{
    struct policy_file *files = NULL;
    size_t n = 0;
    *out = (struct policy_source){.bundle = NULL};
    TRY(bundle_files(cli, answer, &files, &n));
    enum chancery_err err = compile(out, files, n, trust_domain, diag);
    if (err != CH_OK) {
        policy_source_clear(out);
    }
    return err;
}

enum chancery_err policy_source_load(struct cli *cli, const char *where, const char *trust_domain,
                                     struct policy_source *out, struct diag *diag)
{
    const Chancery__Policy__V1__GetBundleResponse *answer = NULL;
    uint8_t sha256[32];
    bool current = strcmp(where, "current") == 0;
    *out = (struct policy_source){.bundle = NULL};
    if (current || is_hash(where)) {
        TRY(current ? CH_OK : bundle_name(cli, where, sha256, diag));
        TRY(bundle_get(cli, current ? NULL : sha256, true, &answer, diag));
        return policy_source_answer(cli, answer, trust_domain, out, diag);
    }
    enum chancery_err err = policy_folder_load(where, &out->folder, diag);
    if (err == CH_OK) {
        err = compile(out, out->folder.files, out->folder.n, trust_domain, diag);
    }
    if (err != CH_OK) {
        policy_source_clear(out);
    }
    return err;
}

void policy_source_clear(struct policy_source *s)
{
    policy_bundle_free(s->bundle);
    policy_folder_clear(&s->folder);
    s->bundle = NULL;
}

/* ---- trust.json ---- */

static enum chancery_err wrong(const char *path, const char *what, struct diag *diag)
{
    return diag_set(diag, CH_INVALID, path, "trust.content", "%s: %s", path, what);
}

static enum chancery_err read_issuer(struct cli *cli, const char *path, const json_t *o,
                                     struct policy_issuer *out, struct diag *diag)
{
    const char *id = json_string_value(json_object_get(o, "issuer_id"));
    const char *text = json_string_value(json_object_get(o, "certificate"));
    struct buf der CLEANUP(buf_clear);
    struct x509_cert cert;
    struct crypto_public *key = NULL;
    buf_init(&der, CLIENT_FILE_MAX);
    if (id == NULL || text == NULL || base64_decode(slice_str(text), &der) != CH_OK) {
        return wrong(path, "an issuer has issuer_id and certificate", diag);
    }
    const uint8_t *copy = arena_copy(&cli->arena, buf_slice(&der));
    if (copy == NULL) {
        return CH_NOMEM;
    }
    TRY(x509_cert_read(slice_of(copy, der.len), &cli->arena, &cert, diag));
    TRY(crypto_public_from_spki(cert.spki, &key, diag));
    *out = (struct policy_issuer){.issuer_id = arena_str(&cli->arena, slice_str(id)),
                                  .subject = cert.subject,
                                  .ski = cert.ski,
                                  .key_type = crypto_public_type(key),
                                  .not_after_s = cert.not_after_s,
                                  .shards = 1,
                                  .cas_below = cert.path_len < 0 ? POLICY_CAS_UNLIMITED
                                                                 : (unsigned)cert.path_len,
                                  .crl_url_base = "",
                                  .ocsp_url = "",
                                  .aia_url_base = ""};
    memcpy(out->spki_sha256, crypto_public_spki_sha256(key), 32);
    crypto_public_free(key);
    return out->issuer_id == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err read_trust(struct cli *cli, const char *path, const json_t *root,
                                    const char **out_trust_domain, struct trial_world *out,
                                    struct diag *diag)
{
    const json_t *list = json_object_get(root, "issuers");
    const char *domain = json_string_value(json_object_get(root, "trust_domain"));
    size_t n = json_array_size(list);
    if (domain == NULL || n == 0 || n > ISSUERS_MAX) {
        return wrong(path, "it has trust_domain and issuers", diag);
    }
    struct policy_issuer *issuers = arena_alloc(&cli->arena, n * sizeof *issuers);
    if (issuers == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        TRY(read_issuer(cli, path, json_array_get(list, i), &issuers[i], diag));
    }
    *out = (struct trial_world){.issuers = issuers, .n_issuers = n};
    *out_trust_domain = arena_str(&cli->arena, slice_str(domain));
    return *out_trust_domain == NULL ? CH_NOMEM : CH_OK;
}

enum chancery_err policy_source_trust(struct cli *cli, const char *path,
                                      const char **out_trust_domain, struct trial_world *out,
                                      struct diag *diag)
{
    json_error_t e;
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, TRUST_MAX);
    TRY(os_file_read(path, &text, diag));
    json_t *root = json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, &e);
    if (root == NULL) {
        return diag_set(diag, CH_MALFORMED, path, "trust.json", "%s:%d:%d: %s", path, e.line,
                        e.column, e.text);
    }
    enum chancery_err err = read_trust(cli, path, root, out_trust_domain, out, diag);
    json_decref(root);
    return err;
}

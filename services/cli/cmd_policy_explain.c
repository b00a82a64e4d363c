/* chancery policy explain: a request that was not made, or a certificate that was issued. */
#include "chancery/policy/v1/policy.pb-c.h"
#include "chancery/registration/v1/registration.pb-c.h"
#include "crypto/alg.h"
#include "policy_history.h"
#include "policy_request.h"
#include "policy_source.h"
#include "policy_verdict.h"
#include "text.h"
#include "trial/replay.h"
#include "x509/x509.h"

#define ARRAY_N(a) (sizeof(a) / sizeof(a)[0])
#define AROUND_S 900               /* of a certificate's issuance: its permit lives a minute */
#define BACKDATE_MAX_S (8 * 86400) /* how far a bundle may set notBefore back, and a day */

static const struct args_option EXPLAIN_OPTIONS[] = {
    {"profile", "NAME", "of a request: certificate profile", false},
    {"csr", "FILE", "of a request: PKCS#10, PEM or DER; - reads standard input", false},
    {"validity", "DURATION", "of a request: ask for at most this life, such as 30d", false},
    {"tenant", "NAME", "of a request: tenant; else \"default\"", false},
    {"serial", "SERIAL", "an issued certificate", false},
    {"cert", "FILE", "an issued certificate, PEM or DER", false},
    {"issuer", "ID", "of the serial, when several issuers have it", false},
    {"bundle", "BUNDLE", "an issued certificate under this bundle: a folder, or a hash", false},
    {"all", NULL, "also list the rules that do not apply", false},
};

/* ---- printing ---- */

static enum chancery_err print_all(struct cli *cli, const struct policy_explanation *list, size_t n,
                                   bool all, json_t *about, struct diag *diag)
{
    bool refused = false;
    json_t *rows = json_array();
    enum chancery_err err = CH_OK;
    for (size_t i = 0; i < n && err == CH_OK; i++) {
        refused = refused || list[i].verdict != POLICY_PASS;
        if (cli->out.json) {
            (void)json_array_append_new(rows, policy_verdict_json(&list[i]));
            continue;
        }
        if (i > 0) {
            out_note(&cli->out, "%s", "");
        }
        err = policy_verdict_text(cli, &list[i], all);
    }
    (void)json_object_set_new(about, "explanations", rows);
    if (err == CH_OK && cli->out.json) {
        err = out_record(&cli->out, about, NULL, 0);
    } else {
        json_decref(about);
    }
    TRY(err);
    return refused ? diag_set(diag, CH_REFUSED, "", "policy.verdict", "policy would refuse this")
                   : CH_OK;
}

static enum policy_outcome outcome_of(Chancery__Common__V1__Outcome o)
{
    return o == CHANCERY__COMMON__V1__OUTCOME__OUTCOME_PASS             ? POLICY_PASS
           : o == CHANCERY__COMMON__V1__OUTCOME__OUTCOME_FAIL           ? POLICY_FAIL
           : o == CHANCERY__COMMON__V1__OUTCOME__OUTCOME_NOT_APPLICABLE ? POLICY_NA
                                                                        : POLICY_NONE;
}

/* ---- a request ---- */

static enum chancery_err request_print(struct cli *cli, const struct args *args,
                                       const Chancery__Policy__V1__EvaluateResponse *r,
                                       struct diag *diag)
{
    struct policy_verdict_row *rows = arena_alloc(&cli->arena, (r->n_rules + 1) * sizeof *rows);
    if (rows == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < r->n_rules; i++) {
        const Chancery__Common__V1__RuleResult *x = r->rules[i];
        rows[i] = (struct policy_verdict_row){x->rule,     x->field,  x->observed,
                                              x->required, x->source, outcome_of(x->outcome)};
    }
    const struct policy_explanation e = {.title = "under the bundle in force",
                                         .bundle_sha256 = rpc_slice(r->bundle_sha256),
                                         .verdict = outcome_of(r->verdict),
                                         .rows = rows,
                                         .n = r->n_rules};
    return print_all(cli, &e, 1, args_has(args, "all"), json_object(), diag);
}

static enum chancery_err request_call(struct cli *cli, const struct args *args, struct slice der,
                                      struct diag *diag)
{
    struct x509_csr csr;
    struct crypto_public *key = NULL;
    Chancery__Common__V1__Request request = CHANCERY__COMMON__V1__REQUEST__INIT;
    Chancery__Common__V1__Evidence evidence = CHANCERY__COMMON__V1__EVIDENCE__INIT;
    Chancery__Policy__V1__EvaluateRequest q = CHANCERY__POLICY__V1__EVALUATE_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    TRY(x509_csr_read(der, &cli->arena, &csr, diag));
    TRY(x509_csr_verify(&csr, &key, diag));
    crypto_public_free(key);
    TRY(policy_request_fill(cli, args, &csr, &request, &evidence, diag));
    q.request = &request;
    q.spki = rpc_bytes(&cli->arena, csr.spki);
    TRY(client_call(cli, "policy", &chancery__policy__v1__policy_service__descriptor, "Evaluate",
                    &q.base, &answer, diag));
    return request_print(cli, args, (const Chancery__Policy__V1__EvaluateResponse *)answer, diag);
}

static enum chancery_err explain_request(struct cli *cli, const struct args *args,
                                         struct diag *diag)
{
    struct buf file CLEANUP(buf_clear), der CLEANUP(buf_clear);
    buf_init(&file, CLIENT_FILE_MAX);
    buf_init(&der, X509_CSR_MAX);
    TRY(client_read(args_get(args, "csr"), &file, diag));
    TRY(x509_csr_from_pem_or_der(buf_slice(&file), &der, diag));
    return request_call(cli, args, buf_slice(&der), diag);
}

/* ---- a certificate ---- */

struct issued {
    struct cli *cli;
    struct x509_cert cert;
    int64_t from_s, to_s; /* when it was judged */
    uint8_t tbs_sha256[32];
    /* From the history. */
    const char *trust_domain;
    uint8_t in_force[32];
    struct trial_world world;
    bool found;
    struct trial_record record; /* in the run's arena */
};

static enum chancery_err take_first(void *ctx, struct slice der)
{
    struct buf *out = ctx;
    return out->len > 0 ? CH_OK : buf_add(out, der);
}

static enum chancery_err cert_from_file(struct issued *x, const char *path, struct diag *diag)
{
    struct buf file CLEANUP(buf_clear), der CLEANUP(buf_clear);
    buf_init(&file, CLIENT_FILE_MAX);
    buf_init(&der, CLIENT_FILE_MAX);
    TRY(client_read(path, &file, diag));
    if (memmem(file.ptr, file.len, "-----BEGIN", 10) != NULL) {
        TRY(x509_pem_each("CERTIFICATE", buf_slice(&file), take_first, &der, diag));
    } else {
        TRY(buf_add(&der, buf_slice(&file)));
    }
    const uint8_t *copy = arena_copy(&x->cli->arena, buf_slice(&der));
    if (copy == NULL) {
        return CH_NOMEM;
    }
    TRY(x509_cert_read(slice_of(copy, der.len), &x->cli->arena, &x->cert, diag));
    x->from_s = x->cert.not_before_s - AROUND_S;
    x->to_s = x->cert.not_before_s + BACKDATE_MAX_S;
    return CH_OK;
}

static enum chancery_err cert_from_serial(struct issued *x, const struct args *args,
                                          struct diag *diag)
{
    Chancery__Registration__V1__GetCertificateRequest q =
        CHANCERY__REGISTRATION__V1__GET_CERTIFICATE_REQUEST__INIT;
    uint8_t serial[TEXT_SERIAL_MAX];
    size_t len = 0;
    ProtobufCMessage *answer = NULL;
    enum chancery_err err = text_serial(args_get(args, "serial"), serial, &len, diag);
    if (err != CH_OK) {
        x->cli->usage = true;
        return err;
    }
    q.serial = rpc_bytes(&x->cli->arena, slice_of(serial, len));
    if (args_has(args, "issuer")) {
        q.issuer_id = arena_str(&x->cli->arena, slice_str(args_get(args, "issuer")));
    }
    TRY(client_call(x->cli, "registration",
                    &chancery__registration__v1__registration_service__descriptor, "GetCertificate",
                    &q.base, &answer, diag));
    const Chancery__Common__V1__Certificate *c =
        ((const Chancery__Registration__V1__GetCertificateResponse *)answer)->certificate;
    if (c == NULL) {
        return diag_set(diag, CH_NOT_FOUND, "serial", "client.answer", "no such certificate");
    }
    TRY(x509_cert_read(rpc_slice(c->der), &x->cli->arena, &x->cert, diag));
    x->from_s = c->issued_at_s - AROUND_S;
    x->to_s = c->issued_at_s + AROUND_S;
    return CH_OK;
}

static enum chancery_err found_head(void *ctx, const Chancery__Policy__V1__HistoryHead *h,
                                    struct diag *diag)
{
    struct issued *x = ctx;
    x->trust_domain = arena_str(&x->cli->arena, slice_str(h->trust_domain));
    if (h->bundle_sha256.len != 32 || x->trust_domain == NULL) {
        return CH_MALFORMED;
    }
    memcpy(x->in_force, h->bundle_sha256.data, 32);
    return policy_history_world(h, &x->cli->arena, &x->world, diag);
}

static enum chancery_err found_bundle(void *ctx, struct slice packed, struct diag *diag)
{
    (void)ctx;
    (void)packed;
    (void)diag;
    return CH_OK; /* only files hold bundles */
}

/* The record that permitted it: of several attempts there is one with this TBS. */
static enum chancery_err found_records(void *ctx, struct slice body, struct diag *diag)
{
    struct issued *x = ctx;
    uint8_t *copy = arena_copy(&x->cli->arena, body);
    if (copy == NULL) {
        return CH_NOMEM;
    }
    struct slice rest = slice_of(copy, body.len);
    struct trial_record r;
    enum chancery_err err;
    while ((err = trial_record_next(&rest, &r, diag)) == CH_OK) {
        if (memcmp(r.tbs_sha256, x->tbs_sha256, 32) == 0 && (!x->found || r.permitted)) {
            x->record = r;
            x->found = true;
        }
    }
    return err == CH_END ? CH_OK : err;
}

static enum chancery_err find_record(struct issued *x, struct diag *diag)
{
    const struct policy_history_sink sink = {x, found_head, found_bundle, found_records};
    crypto_sha256(x->cert.tbs, x->tbs_sha256);
    TRY(policy_history_stream(x->cli, x->from_s, x->to_s, slice_of(x->tbs_sha256, 32), &sink,
                              diag));
    return x->found ? CH_OK
                    : diag_set(diag, CH_NOT_FOUND, "certificate", "history.absent",
                               "the history does not hold its request: it is older than the days "
                               "that are kept, or not of this CA");
}

/* Judges the certificate's own octets at the moment of their permit. */
static enum chancery_err judge_under(struct issued *x, const char *where, const char *title,
                                     struct policy_explanation *out, struct diag *diag)
{
    struct policy_source s;
    struct trial_bundle *t = NULL;
    struct trial_case c = {.key = NULL};
    struct arena *a = &x->cli->arena;
    struct policy_verdict *v = arena_alloc(a, sizeof *v);
    struct policy_verdict_row *rows = arena_alloc(a, POLICY_RULES_MAX * sizeof *rows);
    if (v == NULL || rows == NULL) {
        return CH_NOMEM;
    }
    TRY(policy_source_load(x->cli, where, x->trust_domain, &s, diag));
    enum chancery_err err = trial_bundle_new(s.bundle, &x->world, &t);
    if (err == CH_OK) {
        err = trial_case_read(&x->record, a, &c, diag);
    }
    if (err == CH_OK) {
        const struct trial_request r = {.request = &c.request,
                                        .digest = c.digest,
                                        .judged_at_s = x->record.judged_at_s,
                                        .approvals = c.approvals,
                                        .n_approvals = c.n_approvals,
                                        .usage = c.usage};
        trial_judge(t, &x->world, &r, trial_issuer(&x->world, slice_str(c.issuer_id)), c.tbs, v);
        for (size_t i = 0; i < v->n; i++) {
            const struct policy_rule *p = &v->rules[i];
            rows[i] = (struct policy_verdict_row){p->rule,
                                                  arena_str(a, slice_str(p->field)),
                                                  p->observed,
                                                  arena_str(a, slice_str(p->required)),
                                                  arena_str(a, slice_str(p->source)),
                                                  p->outcome};
        }
        const uint8_t *hash = arena_copy(a, slice_of(policy_bundle_hash(s.bundle), 32));
        bool same = memcmp(v->rules_sha256, x->record.rules_sha256, 32) == 0;
        *out = (struct policy_explanation){
            .title = title,
            .bundle_sha256 = slice_of(hash, 32),
            .verdict = v->verdict,
            .rows = rows,
            .n = v->n,
            .note = same ? "these are the results that its permit names, octet for octet" : NULL};
        err = hash == NULL ? CH_NOMEM : CH_OK;
    }
    trial_case_clear(&c);
    trial_bundle_free(t);
    policy_source_clear(&s);
    return err;
}

static enum chancery_err judge_issued(struct issued *x, const struct args *args,
                                      struct policy_explanation *list, size_t *out_n,
                                      struct diag *diag)
{
    char hex[65];
    *out_n = 1;
    if (args_has(args, "bundle")) {
        return judge_under(x, args_get(args, "bundle"), "under the bundle asked about", &list[0],
                           diag);
    }
    hex_encode(slice_of(x->record.bundle_sha256, 32), hex);
    bool still = memcmp(x->record.bundle_sha256, x->in_force, 32) == 0;
    TRY(judge_under(x, hex,
                    still ? "under the bundle that judged it, which is in force"
                          : "under the bundle that judged it",
                    &list[0], diag));
    if (still) {
        return CH_OK;
    }
    hex_encode(slice_of(x->in_force, 32), hex);
    *out_n = 2;
    return judge_under(x, hex, "under the bundle in force now", &list[1], diag);
}

static enum chancery_err explain_issued(struct cli *cli, const struct args *args, struct diag *diag)
{
    struct issued x = {.cli = cli};
    struct policy_explanation list[2];
    size_t n = 0;
    TRY(args_has(args, "cert") ? cert_from_file(&x, args_get(args, "cert"), diag)
                               : cert_from_serial(&x, args, diag));
    TRY(find_record(&x, diag));
    TRY(judge_issued(&x, args, list, &n, diag));
    json_t *about =
        json_pack("{s:o, s:I, s:b, s:o, s:o}", "serial", out_hex(x.cert.serial), "judged_at_s",
                  (json_int_t)x.record.judged_at_s, "permitted", x.record.permitted ? 1 : 0,
                  "tbs_sha256", out_hex(slice_of(x.tbs_sha256, 32)), "judged_by_sha256",
                  out_hex(slice_of(x.record.bundle_sha256, 32)));
    return print_all(cli, list, n, args_has(args, "all"), about, diag);
}

static enum chancery_err explain_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    bool request = args_has(args, "profile") || args_has(args, "csr");
    int issued = (args_has(args, "serial") ? 1 : 0) + (args_has(args, "cert") ? 1 : 0);
    if (request ? issued > 0 || !args_has(args, "profile") || !args_has(args, "csr")
                : issued != 1) {
        return cli_usage(cli, diag, "give --profile and --csr, or --serial, or --cert");
    }
    return request ? explain_request(cli, args, diag) : explain_issued(cli, args, diag);
}

const struct cli_command CLI_POLICY_EXPLAIN = {
    .name = "policy explain",
    .operands = "",
    .summary = "every rule about a request or an issued certificate: what it saw, what it wants",
    .detail =
        "A request (--profile, --csr) is a dry run: the certificate is built as chancery-ca would "
        "and judged; nothing\nis signed. An issued certificate (--serial, --cert) is judged under "
        "the "
        "bundle that judged it and the one in\nforce, from the history, which its readers alone "
        "see. Exit code 1 when policy refuses.\n",
    .examples = "  chancery policy explain --profile web --csr host.csr\n"
                "  chancery policy explain --serial 3f8a01c27d55e09b4466aa10c9d2e711\n"
                "  chancery policy explain --cert host.pem --bundle bundle-new --json\n",
    .options = EXPLAIN_OPTIONS,
    .n_options = ARRAY_N(EXPLAIN_OPTIONS),
    .run = explain_run,
};

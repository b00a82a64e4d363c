/* chancery policy evaluate (dry run), policy bundle. */
#include "chancery/policy/v1/policy.pb-c.h"
#include "client.h"
#include "crypto/alg.h"
#include "os/os.h"
#include "x509/x509.h"

static const struct args_option EVALUATE_OPTIONS[] = {
    {"profile", "NAME", "certificate profile of the policy bundle", true},
    {"csr", "FILE", "PKCS#10 request, PEM or DER; - reads standard input", true},
    {"issuer", "ID", "issuer; else the profile's", false},
    {"validity", "DURATION", "ask for at most this life, such as 30d", false},
    {"tenant", "NAME", "tenant; else \"default\"", false},
};

static const struct out_column RULE_COLUMNS[] = {
    {"OUTCOME", "outcome", OUT_TEXT},   {"RULE", "rule", OUT_TEXT},
    {"FIELD", "field", OUT_TEXT},       {"OBSERVED", "observed", OUT_TEXT},
    {"REQUIRED", "required", OUT_TEXT}, {"SOURCE", "source", OUT_TEXT},
};

static const char *outcome_name(Chancery__Common__V1__Outcome o)
{
    switch (o) {
    case CHANCERY__COMMON__V1__OUTCOME__OUTCOME_PASS:
        return "pass";
    case CHANCERY__COMMON__V1__OUTCOME__OUTCOME_FAIL:
        return "fail";
    case CHANCERY__COMMON__V1__OUTCOME__OUTCOME_NOT_APPLICABLE:
        return "n/a";
    default:
        return "unknown";
    }
}

/* Names and extensions of the request message, from the CSR. */
static enum chancery_err evaluate_lists(struct cli *cli, const struct x509_csr *csr,
                                        Chancery__Common__V1__Request *r)
{
    r->sans = arena_alloc(&cli->arena, csr->n_sans * sizeof *r->sans + 1);
    r->extensions = arena_alloc(&cli->arena, csr->n_extensions * sizeof *r->extensions + 1);
    if (r->sans == NULL || r->extensions == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < csr->n_sans; i++) {
        Chancery__Common__V1__San *s = arena_alloc(&cli->arena, sizeof *s);
        if (s == NULL) {
            return CH_NOMEM;
        }
        chancery__common__v1__san__init(s);
        s->type = (Chancery__Common__V1__SanType)csr->sans[i].type;
        s->value = rpc_bytes(&cli->arena, csr->sans[i].value);
        r->sans[r->n_sans++] = s;
    }
    for (size_t i = 0; i < csr->n_extensions; i++) {
        Chancery__Common__V1__Extension *e = arena_alloc(&cli->arena, sizeof *e);
        if (e == NULL) {
            return CH_NOMEM;
        }
        chancery__common__v1__extension__init(e);
        e->oid = rpc_bytes(&cli->arena, csr->extensions[i].oid);
        e->critical = csr->extensions[i].critical;
        e->value = rpc_bytes(&cli->arena, csr->extensions[i].value);
        r->extensions[r->n_extensions++] = e;
    }
    return CH_OK;
}

/* The request as registration would state it for this caller. */
static enum chancery_err evaluate_request(struct cli *cli, const struct args *args,
                                          const struct x509_csr *csr,
                                          Chancery__Common__V1__Request *r,
                                          Chancery__Common__V1__Evidence *e, struct diag *diag)
{
    uint8_t id[16], spki[32], proof[32], client[32];
    const char *uri = NULL;
    int64_t validity_s = 0;
    TRY(args_duration_s(args, "validity", 1, UINT32_MAX, &validity_s, diag));
    TRY(client_identity(cli, &uri, client, diag));
    /* What registration would state about this caller. */
    static const char *const proven[] = {"mtls", "pkcs10"};
    os_random(id, sizeof id);
    crypto_sha256(csr->spki, spki);
    crypto_sha256(csr->der, proof);
    const char *tenant = args_has(args, "tenant") ? args_get(args, "tenant") : "default";
    r->request_id = rpc_bytes(&cli->arena, slice_of(id, sizeof id));
    r->tenant = arena_str(&cli->arena, slice_str(tenant));
    r->profile = arena_str(&cli->arena, slice_str(args_get(args, "profile")));
    r->requester = arena_str(&cli->arena, slice_str(uri));
    r->spki_sha256 = rpc_bytes(&cli->arena, slice_of(spki, sizeof spki));
    r->subject_der = rpc_bytes(&cli->arena, csr->subject);
    r->max_validity_s = (uint32_t)validity_s;
    e->protocol = arena_str(&cli->arena, slice_str("grpc"));
    e->caller = r->requester;
    e->client_cert_sha256 = rpc_bytes(&cli->arena, slice_of(client, sizeof client));
    e->proof = arena_str(&cli->arena, slice_str("pkcs10"));
    e->proof_sha256 = rpc_bytes(&cli->arena, slice_of(proof, sizeof proof));
    e->authentication = (char **)(uintptr_t)proven;
    e->n_authentication = sizeof proven / sizeof proven[0];
    r->evidence = e;
    return evaluate_lists(cli, csr, r);
}

static enum chancery_err
evaluate_print(struct cli *cli, const Chancery__Policy__V1__EvaluateResponse *r, struct diag *diag)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < r->n_rules; i++) {
        const Chancery__Common__V1__RuleResult *x = r->rules[i];
        (void)json_array_append_new(
            rows,
            json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "outcome", outcome_name(x->outcome), "rule",
                      out_text(slice_str(x->rule)), "field", out_text(slice_str(x->field)),
                      "observed", out_text(slice_str(x->observed)), "required",
                      out_text(slice_str(x->required)), "source", out_text(slice_str(x->source))));
    }
    bool pass = r->verdict == CHANCERY__COMMON__V1__OUTCOME__OUTCOME_PASS;
    json_t *extra = json_pack("{s:s, s:o}", "verdict", outcome_name(r->verdict), "bundle_sha256",
                              out_hex(rpc_slice(r->bundle_sha256)));
    TRY(out_table(&cli->out, "rules", rows, extra, RULE_COLUMNS,
                  sizeof RULE_COLUMNS / sizeof RULE_COLUMNS[0]));
    out_note(&cli->out, "verdict: %s", outcome_name(r->verdict));
    return pass ? CH_OK
                : diag_set(diag, CH_REFUSED, "", "policy.verdict", "policy would refuse this");
}

static enum chancery_err evaluate_call(struct cli *cli, const struct args *args, struct slice der,
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
    TRY(evaluate_request(cli, args, &csr, &request, &evidence, diag));
    q.request = &request;
    if (args_has(args, "issuer")) {
        q.issuer_id = arena_str(&cli->arena, slice_str(args_get(args, "issuer")));
    }
    TRY(client_call(cli, "policy", &chancery__policy__v1__policy_service__descriptor, "Evaluate",
                    &q.base, &answer, diag));
    return evaluate_print(cli, (const Chancery__Policy__V1__EvaluateResponse *)answer, diag);
}

static enum chancery_err evaluate_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    struct buf file, der;
    buf_init(&file, CLIENT_FILE_MAX);
    buf_init(&der, X509_CSR_MAX);
    enum chancery_err err = client_read(args_get(args, "csr"), &file, diag);
    if (err == CH_OK) {
        err = x509_csr_from_pem_or_der(buf_slice(&file), &der, diag);
    }
    if (err == CH_OK) {
        err = evaluate_call(cli, args, buf_slice(&der), diag);
    }
    buf_clear(&file);
    buf_clear(&der);
    return err;
}

const struct cli_command CLI_POLICY_EVALUATE = {
    .name = "policy evaluate",
    .operands = "",
    .summary = "dry run: which rules would this request pass or fail?",
    .detail = "Nothing is signed or issued. Exit code 1 when policy would refuse.\n",
    .examples = "  chancery policy evaluate --profile web --csr host.csr\n"
                "  chancery policy evaluate --profile web --csr host.csr --json\n",
    .options = EVALUATE_OPTIONS,
    .n_options = sizeof EVALUATE_OPTIONS / sizeof EVALUATE_OPTIONS[0],
    .run = evaluate_run,
};

static const struct out_column BUNDLE_FIELDS[] = {
    {"Bundle SHA-256", "bundle_sha256", OUT_TEXT},
    {"Profiles", "profiles", OUT_TEXT},
};

static enum chancery_err bundle_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    Chancery__Policy__V1__GetBundleRequest q = CHANCERY__POLICY__V1__GET_BUNDLE_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    (void)args;
    TRY(client_call(cli, "policy", &chancery__policy__v1__policy_service__descriptor, "GetBundle",
                    &q.base, &answer, diag));
    const Chancery__Policy__V1__GetBundleResponse *r =
        (const Chancery__Policy__V1__GetBundleResponse *)answer;
    json_t *profiles = json_array();
    for (size_t i = 0; i < r->n_profiles; i++) {
        (void)json_array_append_new(profiles, out_text(slice_str(r->profiles[i])));
    }
    return out_record(&cli->out,
                      json_pack("{s:o, s:o}", "bundle_sha256", out_hex(rpc_slice(r->bundle_sha256)),
                                "profiles", profiles),
                      BUNDLE_FIELDS, sizeof BUNDLE_FIELDS / sizeof BUNDLE_FIELDS[0]);
}

const struct cli_command CLI_POLICY_BUNDLE = {
    .name = "policy bundle",
    .operands = "",
    .summary = "which policy bundle is in force, and its profiles",
    .examples = "  chancery policy bundle\n",
    .run = bundle_run,
};

/* chancery policy bundle. */
#include "chancery/policy/v1/policy.pb-c.h"
#include "client.h"

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

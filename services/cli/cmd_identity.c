/* chancery identity init, issue, renew. */
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdlib.h>

#include "cli.h"
#include "identity.h"
#include "log/log.h"
#include "os/os.h"
#include "text.h"

#define RENEW_LOOK_S 60  /* --watch: a folder added meanwhile is seen after so long */
#define RENEW_RETRY_S 10 /* after a failure: half a life is days, so there is time */

static const struct args_option INIT_OPTIONS[] = {
    {"module", "FILE", "PKCS#11 module", true},
    {"token-uri", "URI", "token of its own, pkcs11:token=chancery-infra", true},
    {"pin-file", "FILE", "user PIN, readable by its owner only", true},
    {"trust-domain", "NAME", "such as chancery.example", true},
    {"out", "DIR", "folder for ca.pem and infrastructure.yaml", true},
    {"validity", "DURATION", "life of the CA certificate (3650d)", false},
};

static const struct out_column INIT_FIELDS[] = {
    {"Trust domain", "trust_domain", OUT_TEXT},
    {"CA certificate", "ca", OUT_TEXT},
    {"Created", "created", OUT_TEXT},
};

static enum chancery_err init_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    struct identity_init opts = {
        .module = args_get(args, "module"),
        .token_uri = args_get(args, "token-uri"),
        .pin_file = args_get(args, "pin-file"),
        .trust_domain = args_get(args, "trust-domain"),
        .dir = args_get(args, "out"),
        .validity_s = (int64_t)3650 * 86400,
        .now_s = os_now_s(),
    };
    bool created = false;
    TRY(args_duration_s(args, "validity", 86400, (int64_t)7300 * 86400, &opts.validity_s, diag));
    TRY(identity_init(&opts, &created, diag));
    json_t *v = json_pack("{s:s, s:o, s:b}", "trust_domain", opts.trust_domain, "ca",
                          json_sprintf("%s/ca.pem", opts.dir), "created", created ? 1 : 0);
    return out_record(&cli->out, v, INIT_FIELDS, sizeof INIT_FIELDS / sizeof INIT_FIELDS[0]);
}

const struct cli_command CLI_IDENTITY_INIT = {
    .name = "identity init",
    .operands = "",
    .summary = "make the infrastructure CA that anchors mutual TLS",
    .detail = "Makes key \"" IDENTITY_KEY_LABEL "\" in the token and a self-signed certificate.\n"
              "Run again, it checks what is there and changes nothing.\n",
    .examples = "  chancery identity init --module /usr/lib/softhsm/libsofthsm2.so \\\n"
                "      --token-uri pkcs11:token=chancery-infra --pin-file infra.pin \\\n"
                "      --trust-domain chancery.example --out /var/lib/chancery/identity\n",
    .options = INIT_OPTIONS,
    .n_options = sizeof INIT_OPTIONS / sizeof INIT_OPTIONS[0],
    .run = init_run,
};

static const struct args_option ISSUE_OPTIONS[] = {
    {"process", "NAME", "for a process: spiffe://<domain>/chancery/NAME", false},
    {"user", "ID", "for a person: spiffe://<domain>/user/ID", false},
    {"dir", "DIR", "folder of this identity; else <ca>/NAME or <ca>/user-ID", false},
    {"ca", "DIR", "folder that identity init made; else the parent of --dir", false},
    {"group", "GROUP", "group (name or number) that may read it", false},
    {"localhost", NULL, "also name localhost and 127.0.0.1, for foreign clients", false},
    {"validity", "DURATION", "at most 7d (7d)", false},
};

static const struct out_column ISSUE_FIELDS[] = {
    {"Identity", "uri", OUT_TEXT},
    {"Folder", "dir", OUT_TEXT},
    {"Version", "version", OUT_TEXT},
    {"Not after", "not_after_s", OUT_TIME},
};

static enum chancery_err issue_group(struct cli *cli, const char *group, int64_t *out,
                                     struct diag *diag)
{
    uint64_t gid = 0;
    if (group == NULL) {
        return CH_OK;
    }
    if (text_uint(group, &gid) && gid < UINT32_MAX) {
        *out = (int64_t)gid;
        return CH_OK;
    }
    errno = 0;
    const struct group *g = getgrnam(group);
    if (g == NULL) {
        return cli_usage(cli, diag, "no group \"%s\"", group);
    }
    *out = (int64_t)g->gr_gid;
    return CH_OK;
}

/* Works out the CA's folder and the identity's folder from what was given. */
static enum chancery_err issue_dirs(struct cli *cli, const struct args *args, const char **out_ca,
                                    const char **out_dir, struct diag *diag)
{
    const char *process = args_get(args, "process"), *user = args_get(args, "user");
    const char *ca = args_get(args, "ca"), *dir = args_get(args, "dir");
    if ((process == NULL) == (user == NULL)) {
        return cli_usage(cli, diag, "give one of --process and --user");
    }
    if (ca == NULL && dir == NULL) {
        return cli_usage(cli, diag, "give --ca, the folder that identity init made, or --dir");
    }
    if (dir == NULL) {
        dir = process != NULL ? arena_printf(&cli->arena, "%s/%s", ca, process)
                              : arena_printf(&cli->arena, "%s/user-%s", ca, user);
    }
    if (ca == NULL) {
        ca = arena_printf(&cli->arena, "%s/..", dir);
    }
    *out_ca = ca;
    *out_dir = dir;
    return ca == NULL || dir == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err issue_make(struct cli *cli, const struct args *args,
                                    struct identity_ca *ca, const char *dir, int64_t gid,
                                    struct diag *diag)
{
    struct identity_names names = {0};
    struct buf uri;
    uint64_t version = 0;
    int64_t validity_s = IDENTITY_LIFE_MAX_S, now_s = os_now_s();
    TRY(args_duration_s(args, "validity", 1, IDENTITY_LIFE_MAX_S, &validity_s, diag));
    TRY(identity_names_new(identity_ca_trust_domain(ca), args_get(args, "process"),
                           args_get(args, "user"), args_has(args, "localhost"), &names, diag));
    buf_init(&uri, 1024);
    enum chancery_err err = identity_names_uri(&names, &uri);
    err = err == CH_OK ? identity_ca_unlock(ca, diag) : err;
    err = err == CH_OK ? identity_issue(ca, &names, dir, gid, now_s, validity_s, &version, diag)
                       : err;
    json_t *v = err != CH_OK ? NULL
                             : json_pack("{s:o, s:s, s:I, s:I}", "uri", out_text(buf_slice(&uri)),
                                         "dir", dir, "version", (json_int_t)version, "not_after_s",
                                         (json_int_t)(now_s + validity_s));
    identity_names_clear(&names);
    buf_clear(&uri);
    TRY(err);
    return out_record(&cli->out, v, ISSUE_FIELDS, sizeof ISSUE_FIELDS / sizeof ISSUE_FIELDS[0]);
}

static enum chancery_err issue_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    const char *ca_dir = NULL, *dir = NULL;
    struct identity_ca *ca = NULL;
    int64_t gid = -1;
    TRY(issue_dirs(cli, args, &ca_dir, &dir, diag));
    TRY(issue_group(cli, args_get(args, "group"), &gid, diag));
    if (!args_has(args, "ca") && os_mkdirs(dir, 0700) != CH_OK) { /* so that dir/.. exists */
        return diag_set(diag, CH_IO, dir, "identity.dir", "making %s: %s", dir, strerror(errno));
    }
    TRY(identity_ca_open(ca_dir, &ca, diag));
    enum chancery_err err = issue_make(cli, args, ca, dir, gid, diag);
    identity_ca_free(ca);
    return err;
}

const struct cli_command CLI_IDENTITY_ISSUE = {
    .name = "identity issue",
    .operands = "",
    .summary = "issue a TLS identity to a process or a person",
    .detail = "Writes <dir>/<n>/{cert.pem,key.pem,ca.pem} and switches <dir>/current to it.\n",
    .examples = "  chancery identity issue --process ca --dir /var/lib/chancery/identity/ca "
                "--group chancery-ca\n"
                "  chancery identity issue --user alice --ca /var/lib/chancery/identity "
                "--dir ~/.config/chancery/identity\n",
    .options = ISSUE_OPTIONS,
    .n_options = sizeof ISSUE_OPTIONS / sizeof ISSUE_OPTIONS[0],
    .run = issue_run,
};

static const struct args_option RENEW_OPTIONS[] = {
    {"dir", "DIR", "folder that holds the identities' folders", true},
    {"ca", "DIR", "folder that identity init made; else --dir", false},
    {"watch", NULL, "stay and renew for ever; events are logged on stderr", false},
    {"force", NULL, "renew all now", false},
};

static const struct out_column RENEW_FIELDS[] = {
    {"Examined", "examined", OUT_TEXT},
    {"Renewed", "renewed", OUT_TEXT},
    {"Failed", "failed", OUT_TEXT},
    {"Next due", "next_s", OUT_TIME},
};

static void renew_report(void *ctx, const char *dir, enum chancery_err err, const struct diag *diag)
{
    (void)ctx;
    if (err == CH_OK) {
        log_event(LOG_LEVEL_INFO, "identity.renewed", LOG_STR("dir", dir));
    } else {
        log_event(LOG_LEVEL_ERROR, "identity.failed", LOG_STR("dir", dir),
                  LOG_STR("code", err_name(err)), LOG_STR("rule", diag->rule),
                  LOG_STR("text", diag->text));
    }
}

/* Runs until killed: nothing it does is half done when it is. */
_Noreturn static void renew_watch(struct identity_ca *ca, const char *dir)
{
    for (;;) {
        struct identity_renewed sum = {0};
        struct diag why = {0};
        int64_t now_s = os_now_s();
        enum chancery_err err =
            identity_renew_all(ca, dir, false, now_s, renew_report, NULL, &sum, &why);
        if (err != CH_OK && sum.failed == 0) {
            log_diag(LOG_LEVEL_ERROR, "identity.failed", err, &why);
        }
        int64_t wait_s = err != CH_OK ? RENEW_RETRY_S : RENEW_LOOK_S;
        if (err == CH_OK && sum.next_s > 0 && sum.next_s - now_s < wait_s) {
            wait_s = sum.next_s - now_s < 1 ? 1 : sum.next_s - now_s;
        }
        (void)poll(NULL, 0, (int)wait_s * 1000);
    }
}

static enum chancery_err renew_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    const char *dir = args_get(args, "dir");
    struct identity_ca *ca = NULL;
    struct identity_renewed sum = {0};
    if (args_has(args, "watch") && args_has(args, "force")) {
        return cli_usage(cli, diag, "--watch and --force exclude each other");
    }
    log_init("identity", "", LOG_LEVEL_INFO);
    TRY(identity_ca_open(args_has(args, "ca") ? args_get(args, "ca") : dir, &ca, diag));
    if (args_has(args, "watch")) {
        renew_watch(ca, dir);
    }
    enum chancery_err err = identity_renew_all(ca, dir, args_has(args, "force"), os_now_s(),
                                               renew_report, NULL, &sum, diag);
    identity_ca_free(ca);
    json_t *v =
        json_pack("{s:i, s:i, s:i, s:I}", "examined", (int)sum.examined, "renewed",
                  (int)sum.renewed, "failed", (int)sum.failed, "next_s", (json_int_t)sum.next_s);
    enum chancery_err printed =
        out_record(&cli->out, v, RENEW_FIELDS, sizeof RENEW_FIELDS / sizeof RENEW_FIELDS[0]);
    return err != CH_OK ? err : printed;
}

const struct cli_command CLI_IDENTITY_RENEW = {
    .name = "identity renew",
    .operands = "",
    .summary = "renew every identity past half its life",
    .detail =
        "Runs under the uid that may open the infrastructure token. Names are taken only from\n"
        "certificates that this CA signed.\n",
    .examples = "  chancery identity renew --dir /var/lib/chancery/identity\n"
                "  chancery identity renew --dir /var/lib/chancery/identity --watch\n",
    .options = RENEW_OPTIONS,
    .n_options = sizeof RENEW_OPTIONS / sizeof RENEW_OPTIONS[0],
    .run = renew_run,
};

/* chancery audit log, proof, checkpoint. */
#include "chancery/audit/v1/audit.pb-c.h"
#include "client.h"
#include "text.h"

#define AUDIT_PAGE_MAX 1000 /* ListEntriesRequest.count */
#define AUDIT_LIMIT_DEFAULT 50
#define AUDIT_LIMIT_MAX 100000

static const ProtobufCServiceDescriptor *audit_service(void)
{
    return &chancery__audit__v1__audit_service__descriptor;
}

static const struct args_option LOG_OPTIONS[] = {
    {"from", "INDEX", "first entry (0)", false},
    {"limit", "N", "at most so many entries (50)", false},
    {"action", "NAME", "only this action, such as intent or refusal", false},
    {"field", "NAME=VALUE", "only entries whose field has this value", false},
    {"newest", NULL, "from the end, newest first", false},
};

static const struct out_column LOG_COLUMNS[] = {
    {"INDEX", "index", OUT_TEXT},       {"TIME", "time_s", OUT_TIME},
    {"PRODUCER", "producer", OUT_TEXT}, {"ACTION", "action", OUT_TEXT},
    {"FIELDS", "fields", OUT_TEXT},
};

/* "name=value" texts of an entry's fields, for the table. */
static json_t *log_fields(const json_t *f)
{
    json_t *list = json_array();
    const char *name = NULL;
    json_t *v = NULL;
    json_object_foreach((json_t *)f, name, v)
    {
        json_t *text =
            json_is_integer(v)
                ? json_sprintf("%s=%lld", name, (long long)json_integer_value(v))
                : json_sprintf("%s=%s", name, json_is_string(v) ? json_string_value(v) : "?");
        (void)json_array_append_new(list, text);
    }
    return list;
}

/* One entry: in JSON mode {"index", "leaf": parsed}, for people flattened columns. */
static json_t *log_row(struct cli *cli, const Chancery__Audit__V1__LogEntry *e)
{
    json_t *leaf =
        json_loadb((const char *)e->leaf.data, e->leaf.len, JSON_REJECT_DUPLICATES, NULL);
    if (leaf == NULL) {
        return NULL;
    }
    if (cli->out.json) {
        return json_pack("{s:I, s:o}", "index", (json_int_t)e->index, "leaf", leaf);
    }
    const char *producer = json_string_value(json_object_get(leaf, "producer"));
    const char *slash = producer == NULL ? NULL : strrchr(producer, '/');
    const char *action = json_string_value(json_object_get(leaf, "action"));
    json_int_t ts = json_integer_value(json_object_get(leaf, "ts"));
    json_t *row =
        json_pack("{s:I, s:I, s:s, s:s, s:o}", "index", (json_int_t)e->index, "time_s",
                  ts / 1000000000, "producer", slash == NULL ? "-" : slash + 1, "action",
                  action == NULL ? "-" : action, "fields", log_fields(json_object_get(leaf, "f")));
    json_decref(leaf);
    return row;
}

static enum chancery_err log_pages(struct cli *cli, Chancery__Audit__V1__ListEntriesRequest *q,
                                   uint64_t limit, json_t *rows, uint64_t *out_size,
                                   struct diag *diag)
{
    for (;;) {
        uint64_t left = limit - json_array_size(rows);
        ProtobufCMessage *answer = NULL;
        q->count = (uint32_t)(left > AUDIT_PAGE_MAX ? AUDIT_PAGE_MAX : left);
        TRY(client_call(cli, "audit", audit_service(), "ListEntries", &q->base, &answer, diag));
        const Chancery__Audit__V1__ListEntriesResponse *r =
            (const Chancery__Audit__V1__ListEntriesResponse *)answer;
        for (size_t i = 0; i < r->n_entries; i++) {
            if (json_array_append_new(rows, log_row(cli, r->entries[i])) != 0) {
                return diag_set(diag, CH_INTEGRITY, "leaf", "client.answer",
                                "entry %llu is not JSON", (unsigned long long)r->entries[i]->index);
            }
        }
        *out_size = r->size;
        /* newest_first ignores first_index, so there is one page of it. */
        if (r->n_entries == 0 || json_array_size(rows) >= limit || q->newest_first) {
            return CH_OK;
        }
        q->first_index = r->entries[r->n_entries - 1]->index + 1;
    }
}

static enum chancery_err log_request(struct cli *cli, const struct args *args,
                                     Chancery__Audit__V1__ListEntriesRequest *q, struct diag *diag)
{
    TRY(args_uint(args, "from", 0, INT64_MAX, &q->first_index, diag));
    q->newest_first = args_has(args, "newest");
    if (q->newest_first && args_has(args, "from")) {
        return cli_usage(cli, diag, "--from and --newest exclude each other");
    }
    if (args_has(args, "action")) {
        q->action = arena_str(&cli->arena, slice_str(args_get(args, "action")));
    }
    if (args_has(args, "field")) {
        const char *field = args_get(args, "field");
        const char *equals = strchr(field, '=');
        if (equals == NULL || equals == field) {
            return cli_usage(cli, diag, "--field wants NAME=VALUE");
        }
        q->field = arena_str(&cli->arena, slice_of(field, (size_t)(equals - field)));
        q->value = arena_str(&cli->arena, slice_str(equals + 1));
    }
    return CH_OK;
}

static enum chancery_err log_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    Chancery__Audit__V1__ListEntriesRequest q = CHANCERY__AUDIT__V1__LIST_ENTRIES_REQUEST__INIT;
    uint64_t limit = AUDIT_LIMIT_DEFAULT, size = 0;
    TRY(args_uint(args, "limit", 1, args_has(args, "newest") ? AUDIT_PAGE_MAX : AUDIT_LIMIT_MAX,
                  &limit, diag));
    TRY(log_request(cli, args, &q, diag));
    json_t *rows = json_array();
    enum chancery_err err = log_pages(cli, &q, limit, rows, &size, diag);
    if (err != CH_OK) {
        json_decref(rows);
        return err;
    }
    TRY(out_table(&cli->out, "entries", rows, json_pack("{s:I}", "size", (json_int_t)size),
                  LOG_COLUMNS, sizeof LOG_COLUMNS / sizeof LOG_COLUMNS[0]));
    out_note(&cli->out, "(the log has %llu entries)", (unsigned long long)size);
    return CH_OK;
}

const struct cli_command CLI_AUDIT_LOG = {
    .name = "audit log",
    .operands = "",
    .summary = "read entries of the audit log",
    .examples = "  chancery audit log --newest --limit 20\n"
                "  chancery audit log --action refusal --json\n"
                "  chancery audit log --from 1200 --limit 500 --field outcome=discarded\n",
    .options = LOG_OPTIONS,
    .n_options = sizeof LOG_OPTIONS / sizeof LOG_OPTIONS[0],
    .run = log_run,
};

static const struct args_option PROOF_OPTIONS[] = {
    {"wait", "SECONDS", "wait for a checkpoint that covers the entry (0 to 10)", false},
    {"out", "FILE", "write the c2sp.org/tlog-proof file here", false},
};

static enum chancery_err proof_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    Chancery__Audit__V1__GetProofRequest q = CHANCERY__AUDIT__V1__GET_PROOF_REQUEST__INIT;
    uint64_t index = 0, wait_s = 5;
    ProtobufCMessage *answer = NULL;
    if (!text_uint(args->operands[0], &index)) {
        return cli_usage(cli, diag, "INDEX is a number, as \"log index\" of cert show says");
    }
    TRY(args_uint(args, "wait", 0, 10, &wait_s, diag));
    q.index = index;
    q.wait_ms = (uint32_t)wait_s * 1000;
    TRY(client_call(cli, "audit", audit_service(), "GetProof", &q.base, &answer, diag));
    const Chancery__Audit__V1__GetProofResponse *r =
        (const Chancery__Audit__V1__GetProofResponse *)answer;
    const char *out = args_get(args, "out");
    if (out != NULL || !cli->out.json) {
        TRY(client_write(cli, out, slice_str(r->proof), diag));
    }
    if (!cli->out.json) {
        return CH_OK;
    }
    return out_record(&cli->out,
                      json_pack("{s:I, s:o, s:o}", "index", (json_int_t)index, "proof",
                                out_text(slice_str(r->proof)), "leaf",
                                out_text(rpc_slice(r->leaf))),
                      NULL, 0);
}

const struct cli_command CLI_AUDIT_PROOF = {
    .name = "audit proof",
    .operands = "INDEX",
    .n_operands = 1,
    .summary = "get the inclusion proof of one entry (c2sp.org/tlog-proof)",
    .examples = "  chancery audit proof 4711 --out 4711.tlog-proof\n"
                "  chancery audit proof 4711 --json\n",
    .options = PROOF_OPTIONS,
    .n_options = sizeof PROOF_OPTIONS / sizeof PROOF_OPTIONS[0],
    .run = proof_run,
};

static const struct args_option CHECKPOINT_OPTIONS[] = {
    {"out", "FILE", "write the signed note here", false},
};

static enum chancery_err checkpoint_run(struct cli *cli, const struct args *args, struct diag *diag)
{
    Chancery__Audit__V1__GetCheckpointRequest q = CHANCERY__AUDIT__V1__GET_CHECKPOINT_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    TRY(client_call(cli, "audit", audit_service(), "GetCheckpoint", &q.base, &answer, diag));
    const Chancery__Audit__V1__GetCheckpointResponse *r =
        (const Chancery__Audit__V1__GetCheckpointResponse *)answer;
    const char *out = args_get(args, "out");
    if (out != NULL || !cli->out.json) {
        TRY(client_write(cli, out, slice_str(r->checkpoint), diag));
    }
    if (!cli->out.json) {
        return CH_OK;
    }
    return out_record(
        &cli->out, json_pack("{s:o}", "checkpoint", out_text(slice_str(r->checkpoint))), NULL, 0);
}

const struct cli_command CLI_AUDIT_CHECKPOINT = {
    .name = "audit checkpoint",
    .operands = "",
    .summary = "get the newest signed checkpoint of the log",
    .examples = "  chancery audit checkpoint\n  chancery audit checkpoint --out checkpoint\n",
    .options = CHECKPOINT_OPTIONS,
    .n_options = sizeof CHECKPOINT_OPTIONS / sizeof CHECKPOINT_OPTIONS[0],
    .run = checkpoint_run,
};

/* A profile's `lints`: a set, and severities of single lints. */
#include "policy/policy_int.h"

/* The lint that begins with most of what was written: good enough for a slip in a name. */
static const char *nearest(const char *id)
{
    const char *best = "";
    size_t most = 0, first, n = policy_lint_range(POLICY_LINT_CERTIFICATE, &first);
    for (size_t i = first; i < first + n; i++) {
        const char *other = policy_lint_at(i)->id;
        size_t same = 0, tail = 0, a = strlen(id), c = strlen(other);
        while (id[same] != '\0' && id[same] == other[same]) {
            same++;
        }
        while (tail + same < a && tail + same < c && id[a - 1 - tail] == other[c - 1 - tail]) {
            tail++;
        }
        if (same + tail > most) {
            most = same + tail;
            best = other;
        }
    }
    return best;
}

static enum chancery_err severity_of(const struct conf_node *at, uint8_t *out, struct diag *diag)
{
    static const char *const words[] = {NULL, "off", "warning", "error"};
    const char *text;
    TRY(conf_scalar(at, &text, diag));
    for (uint8_t i = POLICY_LINT_OFF; i <= POLICY_LINT_ERROR; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return CH_OK;
        }
    }
    return conf_error(at, CH_INVALID, "policy.value", diag,
                      "\"%.32s\" is no severity; there are error, warning, off", text);
}

static enum chancery_err severities(const struct conf_node *map, uint8_t *out, struct diag *diag)
{
    size_t first, certs = policy_lint_range(POLICY_LINT_CERTIFICATE, &first);
    for (size_t i = 0; i < conf_count(map); i++) {
        const char *id = conf_key_at(map, i);
        size_t row = policy_lint_find(slice_str(id));
        if (row == POLICY_LINT_MAX) {
            return conf_error(conf_at(map, i), CH_INVALID, "policy.value", diag,
                              "there is no lint \"%.64s\"; did you mean \"%s\"?", id, nearest(id));
        }
        if (row < first || row >= first + certs) {
            return conf_error(conf_at(map, i), CH_INVALID, "policy.value", diag,
                              "\"%.64s\" is no lint of certificates; a profile has no others", id);
        }
        TRY(severity_of(conf_at(map, i), &out[row], diag));
    }
    return CH_OK;
}

enum chancery_err policy_lints_compile(struct policy_bundle *b, const struct conf_node *root,
                                       struct policy_lints *out, struct diag *diag)
{
    const struct conf_node *map = NULL, *list = NULL;
    const char *set = "rfc5280";
    uint8_t *severity = arena_alloc(&b->arena, POLICY_LINT_MAX);
    TRY(severity == NULL ? CH_NOMEM : CH_OK);
    TRY(conf_map(root, "lints", CONF_OPTIONAL, &map, diag));
    if (map != NULL) {
        TRY(conf_string(map, "set", CONF_OPTIONAL, &set, diag));
        TRY(conf_map(map, "severity", CONF_OPTIONAL, &list, diag));
    }
    unsigned bits = policy_lint_set_named(slice_str(set));
    if (bits == 0 && strcmp(set, "none") != 0) {
        return conf_error(conf_get(map, "set"), CH_INVALID, "policy.value", diag,
                          "\"%.32s\" is no set of lints; there are rfc5280, cabf-server, none",
                          set);
    }
    policy_lint_defaults(bits, severity);
    TRY(list == NULL ? CH_OK : severities(list, severity, diag));
    size_t first, certs = policy_lint_range(POLICY_LINT_CERTIFICATE, &first);
    out->n = 0;
    for (size_t i = first; i < first + certs; i++) {
        out->n += severity[i] != POLICY_LINT_UNSET ? 1 : 0;
    }
    out->severity = severity;
    out->source = policy_compile_source(b, map == NULL ? root : map);
    return out->source == NULL ? CH_NOMEM : CH_OK;
}

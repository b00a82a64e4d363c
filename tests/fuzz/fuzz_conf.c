/* lib/conf: any bytes, then every reader over what parsed. */
#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct conf_node *n)
{
    struct diag d;
    int64_t v = 0;
    bool b = false;
    const char *s = NULL;
    for (size_t i = 0; i < conf_count(n); i++) {
        const struct conf_node *child = conf_at(n, i);
        if (conf_kind(n) == CONF_MAP) {
            const char *key = conf_key_at(n, i);
            (void)!conf_int(n, key, CONF_REQUIRED, INT64_MIN, INT64_MAX, &v, &d);
            (void)!conf_bool(n, key, CONF_REQUIRED, &b, &d);
            (void)!conf_duration_s(n, key, CONF_REQUIRED, 0, INT64_MAX, &v, &d);
            (void)!conf_size(n, key, CONF_REQUIRED, 0, INT64_MAX, &v, &d);
            (void)!conf_string(n, key, CONF_REQUIRED, &s, &d);
        }
        (void)!conf_scalar(child, &s, &d);
        walk(child);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct conf_doc *doc = NULL;
    struct diag d = {0};
    if (conf_parse("fuzz.yaml", slice_of(data, size), &doc, &d) == CH_OK) {
        (void)conf_get(conf_root(doc), "profile");
        (void)!conf_finish(conf_root(doc), &d);
        walk(conf_root(doc));
    }
    conf_free(doc);
    return 0;
}

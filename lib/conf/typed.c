/* Typed readers: text, integers, booleans, durations, sizes, maps, lists. */
#include "conf/conf_int.h"

/* Finds `key`; *out stays NULL when it is absent and may be. */
static enum chancery_err find(const struct conf_node *map, const char *key, enum conf_need need,
                              const struct conf_node **out, struct diag *diag)
{
    const struct conf_node *n = conf_get(map, key);
    if (n == NULL && need == CONF_REQUIRED) {
        return conf_error(map, CH_INVALID, "conf.required", diag, "key \"%s\" is missing", key);
    }
    *out = n;
    return CH_OK;
}

static enum chancery_err want(const struct conf_node *n, const char *key, enum conf_kind kind,
                              const char *what, struct diag *diag)
{
    if (n->kind == kind) {
        return CH_OK;
    }
    return conf_error(n, CH_INVALID, "conf.type", diag, "\"%s\" must be %s", key, what);
}

enum chancery_err conf_string(const struct conf_node *map, const char *key, enum conf_need need,
                              const char **out, struct diag *diag)
{
    const struct conf_node *n = NULL;
    TRY(find(map, key, need, &n, diag));
    if (n != NULL) {
        TRY(want(n, key, CONF_SCALAR, "text", diag));
        *out = n->text;
    }
    return CH_OK;
}

/* Reads decimal digits at *p (no sign, no leading zero) and moves it on. */
static bool read_digits(const char **p, int64_t *out)
{
    const char *s = *p;
    int64_t v = 0;
    if (*s < '0' || *s > '9' || (*s == '0' && s[1] >= '0' && s[1] <= '9')) {
        return false;
    }
    for (; *s >= '0' && *s <= '9'; s++) {
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *s - '0', &v)) {
            return false;
        }
    }
    *p = s;
    *out = v;
    return true;
}

static bool read_int(const char *s, int64_t *out)
{
    bool negative = *s == '-';
    if (negative) {
        s++;
    }
    int64_t v;
    if (!read_digits(&s, &v) || *s != '\0' || (negative && v == 0)) {
        return false;
    }
    *out = negative ? -v : v;
    return true;
}

enum chancery_err conf_int(const struct conf_node *map, const char *key, enum conf_need need,
                           int64_t min, int64_t max, int64_t *out, struct diag *diag)
{
    const struct conf_node *n = NULL;
    TRY(find(map, key, need, &n, diag));
    if (n == NULL) {
        return CH_OK;
    }
    int64_t v;
    if (n->kind != CONF_SCALAR || !n->plain || !read_int(n->text, &v)) {
        return conf_error(n, CH_INVALID, "conf.type", diag, "\"%s\" must be a whole number", key);
    }
    if (v < min || v > max) {
        return conf_error(n, CH_INVALID, "conf.range", diag, "\"%s\" must lie in %lld..%lld", key,
                          (long long)min, (long long)max);
    }
    *out = v;
    return CH_OK;
}

enum chancery_err conf_bool(const struct conf_node *map, const char *key, enum conf_need need,
                            bool *out, struct diag *diag)
{
    const struct conf_node *n = NULL;
    TRY(find(map, key, need, &n, diag));
    if (n == NULL) {
        return CH_OK;
    }
    bool yes = n->kind == CONF_SCALAR && n->plain && strcmp(n->text, "true") == 0;
    bool no = n->kind == CONF_SCALAR && n->plain && strcmp(n->text, "false") == 0;
    if (!yes && !no) {
        return conf_error(n, CH_INVALID, "conf.type", diag, "\"%s\" must be true or false", key);
    }
    *out = yes;
    return CH_OK;
}

struct unit {
    const char *name;
    int64_t factor;
};

/* Reads "1d12h": numbers with units in strictly falling order of size. */
static bool read_units(const char *s, const struct unit *units, size_t n_units, int64_t *out)
{
    int64_t total = 0;
    size_t next = 0;
    if (*s == '\0') {
        return false;
    }
    while (*s != '\0') {
        int64_t v;
        if (!read_digits(&s, &v)) {
            return false;
        }
        while (next < n_units && strncmp(s, units[next].name, strlen(units[next].name)) != 0) {
            next++;
        }
        if (next == n_units || __builtin_mul_overflow(v, units[next].factor, &v) ||
            __builtin_add_overflow(total, v, &total)) {
            return false;
        }
        s += strlen(units[next++].name);
    }
    *out = total;
    return true;
}

static const struct unit durations[] = {{"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}};

enum chancery_err conf_duration_s(const struct conf_node *map, const char *key, enum conf_need need,
                                  int64_t min_s, int64_t max_s, int64_t *out, struct diag *diag)
{
    const struct conf_node *n = NULL;
    TRY(find(map, key, need, &n, diag));
    if (n == NULL) {
        return CH_OK;
    }
    int64_t v;
    if (n->kind != CONF_SCALAR || !read_units(n->text, durations, 4, &v)) {
        return conf_error(n, CH_INVALID, "conf.type", diag,
                          "\"%s\" must be a duration such as 90d, 12h, 5m, 30s or 1d12h", key);
    }
    if (v < min_s || v > max_s) {
        return conf_error(n, CH_INVALID, "conf.range", diag, "\"%s\" must lie in %llds..%llds", key,
                          (long long)min_s, (long long)max_s);
    }
    *out = v;
    return CH_OK;
}

#define RATE_PERIOD_MAX_S (366 * 86400LL) /* a longer one is a quota for life */

enum chancery_err conf_rate(const struct conf_node *map, const char *key, enum conf_need need,
                            int64_t max_n, int64_t *out_n, int64_t *out_period_s, struct diag *diag)
{
    const struct conf_node *n = NULL;
    TRY(find(map, key, need, &n, diag));
    if (n == NULL) {
        return CH_OK;
    }
    int64_t count = 0, period = 0;
    const char *p = n->kind == CONF_SCALAR ? n->text : "";
    if (!read_digits(&p, &count) || *p != '/' || !read_units(p + 1, durations, 4, &period)) {
        return conf_error(n, CH_INVALID, "conf.type", diag,
                          "\"%s\" must be a rate such as 100/1h or 5/1d", key);
    }
    if (count < 1 || count > max_n || period < 1 || period > RATE_PERIOD_MAX_S) {
        return conf_error(n, CH_INVALID, "conf.range", diag, "\"%s\" must be 1..%lld per 1s..366d",
                          key, (long long)max_n);
    }
    *out_n = count;
    *out_period_s = period;
    return CH_OK;
}

enum chancery_err conf_size(const struct conf_node *map, const char *key, enum conf_need need,
                            int64_t min, int64_t max, int64_t *out, struct diag *diag)
{
    static const struct unit units[] = {
        {"GiB", (int64_t)1 << 30}, {"MiB", (int64_t)1 << 20}, {"KiB", (int64_t)1 << 10}};
    const struct conf_node *n = NULL;
    TRY(find(map, key, need, &n, diag));
    if (n == NULL) {
        return CH_OK;
    }
    int64_t v;
    if (n->kind != CONF_SCALAR || (!read_int(n->text, &v) && !read_units(n->text, units, 3, &v))) {
        return conf_error(n, CH_INVALID, "conf.type", diag,
                          "\"%s\" must be a size such as 4096, 64KiB or 4MiB", key);
    }
    if (v < min || v > max) {
        return conf_error(n, CH_INVALID, "conf.range", diag, "\"%s\" must lie in %lld..%lld bytes",
                          key, (long long)min, (long long)max);
    }
    *out = v;
    return CH_OK;
}

enum chancery_err conf_map(const struct conf_node *map, const char *key, enum conf_need need,
                           const struct conf_node **out, struct diag *diag)
{
    const struct conf_node *n = NULL;
    TRY(find(map, key, need, &n, diag));
    if (n != NULL) {
        TRY(want(n, key, CONF_MAP, "a map (key: value)", diag));
        *out = n;
    }
    return CH_OK;
}

enum chancery_err conf_list(const struct conf_node *map, const char *key, enum conf_need need,
                            const struct conf_node **out, struct diag *diag)
{
    const struct conf_node *n = NULL;
    TRY(find(map, key, need, &n, diag));
    if (n != NULL) {
        TRY(want(n, key, CONF_LIST, "a list", diag));
        *out = n;
    }
    return CH_OK;
}

enum chancery_err conf_scalar(const struct conf_node *n, const char **out, struct diag *diag)
{
    if (conf_kind(n) != CONF_SCALAR) {
        return conf_error(n, CH_INVALID, "conf.type", diag, "this must be text");
    }
    *out = n->text;
    return CH_OK;
}

/* The request gate: method, version, target, then fields, all from fuzz data. What passes must
 * satisfy the rules that guard framing, checked here independently. */
#include <assert.h>
#include <strings.h>

#include "http/gate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes octets up to `end` (or all) from *rest. */
static struct slice take(struct slice *rest, uint8_t end)
{
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->ptr, end, rest->len);
    size_t n = at == NULL ? rest->len : (size_t)(at - rest->ptr);
    struct slice out = slice_of(rest->ptr, n);
    *rest = slice_sub(*rest, n + (at == NULL ? 0 : 1), rest->len);
    return out;
}

static size_t count(const struct http_field *fields, size_t n, const char *name)
{
    size_t seen = 0;
    for (size_t i = 0; i < n; i++) {
        seen += fields[i].name.len == strlen(name) &&
                strncasecmp((const char *)fields[i].name.ptr, name, strlen(name)) == 0;
    }
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_field fields[HTTP_FIELDS_MAX + 4];
    size_t n = 0;
    if (size < 2) {
        return 0;
    }
    struct slice rest = slice_of(data + 2, size - 2);
    struct http_gate_input in = {.method = (enum http_method)(data[0] % 4),
                                 .major = data[1] >> 4,
                                 .minor = data[1] & 15,
                                 .header_max = 2048,
                                 .fields = fields};
    in.target = take(&rest, '\n');
    while (rest.len > 0 && n < sizeof(fields) / sizeof(fields[0])) {
        fields[n].name = take(&rest, ':');
        fields[n++].value = take(&rest, '\n');
    }
    in.n_fields = n;
    struct http_gate_verdict v;
    http_gate_check(&in, &v);
    if (v.status == 0) {
        struct slice path, query;
        size_t lengths = count(fields, n, "content-length");
        size_t encodings = count(fields, n, "transfer-encoding");
        assert(in.method != HTTP_NONE && in.major == 1 && in.minor <= 1);
        assert(lengths + encodings <= 1 && count(fields, n, "host") <= 1);
        assert(http_target_split(in.target, &path, &query) == CH_OK && path.ptr[0] == '/');
        assert(!slice_has_nul(in.target));
    }
    return 0;
}

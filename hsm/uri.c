/* pkcs11: URI reader and writer, RFC 7512 2.3 (grammar) and 2.4 (comparison by decoded value). */
#include "hsm/uri.h"

#include <ctype.h>

static const char uri_scheme[] = "pkcs11:";

enum uri_field { F_TOKEN, F_MANUFACTURER, F_MODEL, F_SERIAL, F_OBJECT, F_ID, F_TYPE, F_COUNT };

static const char *const uri_field_names[F_COUNT] = {"token",  "manufacturer", "model", "serial",
                                                     "object", "id",           "type"};

static bool uri_is_unreserved(uint8_t c)
{
    return isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

/* pk11-pchar without pct-encoded: unreserved, pk11-res-avail, "&" (RFC 7512 2.3). */
static bool uri_is_pchar(uint8_t c)
{
    return uri_is_unreserved(c) || (c != '\0' && strchr(":[]@!$'()*+,=&", c) != NULL);
}

static int uri_hex(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static enum chancery_err uri_decode(struct slice text, const char *field, uint8_t *out, size_t cap,
                                    size_t *out_len, struct diag *diag)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (c == '%') {
            int high = i + 2 < text.len ? uri_hex(text.ptr[i + 1]) : -1;
            int low = high < 0 ? -1 : uri_hex(text.ptr[i + 2]);
            if (low < 0) {
                return diag_set(diag, CH_MALFORMED, field, "hsm.uri.escape",
                                "a percent sign must be followed by two hexadecimal digits");
            }
            c = (uint8_t)(high * 16 + low);
            i += 2;
        } else if (!uri_is_pchar(c)) {
            return diag_set(diag, CH_MALFORMED, field, "hsm.uri.character",
                            "octet 0x%02x must be percent-encoded here", c);
        }
        if (n == cap) {
            return diag_set(diag, CH_LIMIT, field, "hsm.uri.size", "longer than %zu octets", cap);
        }
        out[n++] = c;
    }
    *out_len = n;
    return CH_OK;
}

/* A text attribute: UTF-8 without control characters, into a NUL-terminated array. */
static enum chancery_err uri_text(struct slice value, const char *field, char *out, size_t size,
                                  struct diag *diag)
{
    uint8_t bytes[HSM_LABEL_MAX];
    size_t len = 0;
    size_t cap = size - 1 < sizeof bytes ? size - 1 : sizeof bytes;
    TRY(uri_decode(value, field, bytes, cap, &len, diag));
    if (!slice_is_utf8(slice_of(bytes, len))) {
        return diag_set(diag, CH_INVALID, field, "hsm.uri.utf8", "the value is not UTF-8");
    }
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] < 0x20 || bytes[i] == 0x7f) {
            return diag_set(diag, CH_INVALID, field, "hsm.uri.control",
                            "control characters are not allowed");
        }
    }
    memcpy(out, bytes, len);
    out[len] = '\0';
    return CH_OK;
}

static enum chancery_err uri_type(struct slice value, struct hsm_uri *out, struct diag *diag)
{
    if (slice_eq(value, slice_str("private"))) {
        out->type = HSM_URI_TYPE_PRIVATE;
        return CH_OK;
    }
    if (slice_eq(value, slice_str("public"))) {
        out->type = HSM_URI_TYPE_PUBLIC;
        return CH_OK;
    }
    return diag_set(diag, CH_UNSUPPORTED, "type", "hsm.uri.type",
                    "only type=private and type=public name something here");
}

static enum chancery_err uri_attribute(enum uri_field field, struct slice value,
                                       struct hsm_uri *out, struct diag *diag)
{
    const char *name = uri_field_names[field];
    if (value.len == 0) {
        return diag_set(diag, CH_INVALID, name, "hsm.uri.empty", "the value is empty");
    }
    switch (field) {
    case F_TOKEN:
        return uri_text(value, name, out->token, sizeof out->token, diag);
    case F_MANUFACTURER:
        return uri_text(value, name, out->manufacturer, sizeof out->manufacturer, diag);
    case F_MODEL:
        return uri_text(value, name, out->model, sizeof out->model, diag);
    case F_SERIAL:
        return uri_text(value, name, out->serial, sizeof out->serial, diag);
    case F_OBJECT:
        return uri_text(value, name, out->object, sizeof out->object, diag);
    case F_ID:
        return uri_decode(value, name, out->id, sizeof out->id, &out->id_len, diag);
    case F_TYPE:
        return uri_type(value, out, diag);
    case F_COUNT:
        break;
    }
    return diag_set(diag, CH_INTERNAL, "uri", "hsm.uri", "unknown field");
}

static enum chancery_err uri_pair(struct slice pair, struct hsm_uri *out, unsigned *seen,
                                  struct diag *diag)
{
    const uint8_t *equals = pair.len == 0 ? NULL : memchr(pair.ptr, '=', pair.len);
    if (equals == NULL) {
        return diag_set(diag, CH_MALFORMED, "uri", "hsm.uri.pair",
                        "each attribute is name=value, separated by semicolons");
    }
    struct slice name = slice_of(pair.ptr, (size_t)(equals - pair.ptr));
    struct slice value = slice_sub(pair, name.len + 1, pair.len);
    for (unsigned f = 0; f < F_COUNT; f++) {
        if (!slice_eq(name, slice_str(uri_field_names[f]))) {
            continue;
        }
        if ((*seen & (1U << f)) != 0) {
            /* RFC 7512 2.3: "attribute ... MUST NOT be present more than once". */
            return diag_set(diag, CH_INVALID, uri_field_names[f], "hsm.uri.duplicate",
                            "the attribute stands twice");
        }
        *seen |= 1U << f;
        return uri_attribute((enum uri_field)f, value, out, diag);
    }
    return diag_set(diag, CH_UNSUPPORTED, "uri", "hsm.uri.attribute",
                    "an attribute other than token, manufacturer, model, serial, object, id, type "
                    "(slots and PINs are never named in a URI)");
}

enum chancery_err hsm_uri_parse(struct slice text, struct hsm_uri *out, struct diag *diag)
{
    size_t scheme = sizeof uri_scheme - 1;
    if (text.len > HSM_URI_MAX) {
        return diag_set(diag, CH_LIMIT, "uri", "hsm.uri.size", "longer than %d octets",
                        HSM_URI_MAX);
    }
    if (text.len < scheme || memcmp(text.ptr, uri_scheme, scheme) != 0) {
        return diag_set(diag, CH_MALFORMED, "uri", "hsm.uri.scheme", "must begin with pkcs11:");
    }
    struct slice rest = slice_sub(text, scheme, text.len);
    if (rest.len > 0 && memchr(rest.ptr, '?', rest.len) != NULL) {
        return diag_set(diag, CH_UNSUPPORTED, "uri", "hsm.uri.query",
                        "a query part (PIN, module) is not accepted; configure them separately");
    }
    struct hsm_uri uri = {.type = HSM_URI_TYPE_ANY};
    unsigned seen = 0;
    while (rest.len > 0) {
        const uint8_t *semicolon = memchr(rest.ptr, ';', rest.len);
        size_t len = semicolon == NULL ? rest.len : (size_t)(semicolon - rest.ptr);
        TRY(uri_pair(slice_sub(rest, 0, len), &uri, &seen, diag));
        if (semicolon != NULL && len + 1 == rest.len) {
            return diag_set(diag, CH_MALFORMED, "uri", "hsm.uri.pair", "ends with a semicolon");
        }
        rest = slice_sub(rest, semicolon == NULL ? len : len + 1, rest.len);
    }
    *out = uri;
    return CH_OK;
}

static enum chancery_err uri_put(struct buf *out, bool *first, const char *name, struct slice value,
                                 bool escape_all)
{
    static const char digits[] = "0123456789ABCDEF";
    if (value.len == 0) {
        return CH_OK;
    }
    TRY(buf_add_str(out, *first ? "" : ";"));
    *first = false;
    TRY(buf_add_str(out, name));
    TRY(buf_add_u8(out, '='));
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.ptr[i];
        if (!escape_all && uri_is_unreserved(c)) {
            TRY(buf_add_u8(out, c));
            continue;
        }
        const char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
        TRY(buf_add(out, slice_of(escape, sizeof escape)));
    }
    return CH_OK;
}

enum chancery_err hsm_uri_write(const struct hsm_uri *uri, struct buf *out)
{
    bool first = true;
    TRY(buf_add_str(out, uri_scheme));
    TRY(uri_put(out, &first, "token", slice_str(uri->token), false));
    TRY(uri_put(out, &first, "manufacturer", slice_str(uri->manufacturer), false));
    TRY(uri_put(out, &first, "model", slice_str(uri->model), false));
    TRY(uri_put(out, &first, "serial", slice_str(uri->serial), false));
    TRY(uri_put(out, &first, "id", slice_of(uri->id, uri->id_len), true));
    TRY(uri_put(out, &first, "object", slice_str(uri->object), false));
    if (uri->type != HSM_URI_TYPE_ANY) {
        const char *type = uri->type == HSM_URI_TYPE_PRIVATE ? "private" : "public";
        TRY(uri_put(out, &first, "type", slice_str(type), false));
    }
    return CH_OK;
}

/* What a peer sends besides messages: error detail in trailing metadata, status text, certificate,
 * identity URI. The first octet chooses. */
#include <stdlib.h>

#include "rpc/rpc_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_status(struct slice in, unsigned code)
{
    grpc_metadata trailing = {.key = grpc_slice_from_static_string(RPC_ERROR_KEY),
                              .value = grpc_slice_from_copied_buffer((const char *)in.ptr, in.len)};
    const grpc_metadata_array array = {.count = 1, .capacity = 1, .metadata = &trailing};
    struct diag diag = {0};
    grpc_status_code status = (grpc_status_code)(code % 20);
    enum chancery_err err = rpc_status_read(status, trailing.value, &array, code >= 20, &diag);
    if ((err == CH_OK) != (status == GRPC_STATUS_OK) ||
        (err != CH_OK && diag.rule[0] == '\0' && diag.text[0] == '\0' && in.len == 0)) {
        abort(); /* an error must stay an error, whatever its detail says */
    }
    grpc_slice_unref(trailing.value);
}

static void read_identity(struct slice in)
{
    struct rpc_identity id;
    if (rpc_identity_read(in, &id, NULL) == CH_OK && memchr(id.uri, '\0', sizeof id.uri) == NULL) {
        abort();
    }
}

/* "uri|pattern": `*` at the end of a pattern is the only wild card, and the domain always counts.
 */
static void match(const char *text)
{
    char uri[RPC_URI_MAX];
    const char *bar = strchr(text, '|');
    if (bar == NULL || (size_t)(bar - text) >= sizeof uri) {
        return;
    }
    memcpy(uri, text, (size_t)(bar - text));
    uri[bar - text] = '\0';
    if (rpc_uri_matches(uri, "td.test", bar + 1) && bar[1] == '/' &&
        !rpc_uri_in_domain(uri, "td.test")) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct slice in = slice_of(data + 1, size - 1);
    char *text = strndup((const char *)in.ptr, in.len);
    if (text == NULL) {
        return 0;
    }
    if (data[0] < 0x40) {
        read_status(in, data[0]);
    } else if (data[0] < 0x80) {
        read_identity(in);
    } else {
        match(text);
    }
    free(text);
    return 0;
}

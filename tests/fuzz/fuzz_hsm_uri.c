/* What the pkcs11: URI reader accepts, it writes in a form that it reads back as the same. */
#include <assert.h>
#include <stdlib.h>

#include "hsm/uri.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct hsm_uri first, second;
    struct diag diag;
    struct buf text;
    if (hsm_uri_parse(slice_of(data, size), &first, &diag) != CH_OK) {
        return 0;
    }
    buf_init(&text, 4 * HSM_URI_MAX);
    assert(hsm_uri_write(&first, &text) == CH_OK);
    if (text.len <= HSM_URI_MAX) {
        assert(hsm_uri_parse(buf_slice(&text), &second, &diag) == CH_OK);
        assert(strcmp(first.token, second.token) == 0 && strcmp(first.object, second.object) == 0);
        assert(strcmp(first.serial, second.serial) == 0 && strcmp(first.model, second.model) == 0);
        assert(strcmp(first.manufacturer, second.manufacturer) == 0 && first.type == second.type);
        assert(slice_eq(slice_of(first.id, first.id_len), slice_of(second.id, second.id_len)));
    }
    buf_clear(&text);
    return 0;
}

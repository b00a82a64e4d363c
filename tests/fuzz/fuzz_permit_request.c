/* lib/permit: a protobuf Request of any bytes, its digest computed. */
#include "chancery/common/v1/common.pb-c.h"
#include "permit/permit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Chancery__Common__V1__Request *m = chancery__common__v1__request__unpack(NULL, size, data);
    if (m == NULL) {
        return 0;
    }
    struct arena arena = {0};
    struct permit_request r;
    struct diag d = {0};
    uint8_t digest[PERMIT_DIGEST];
    if (permit_request_from_proto(m, &arena, &r, &d) == CH_OK) {
        (void)!permit_request_digest(&r, digest, &d);
    }
    arena_clear(&arena);
    chancery__common__v1__request__free_unpacked(m, NULL);
    return 0;
}

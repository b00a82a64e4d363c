/* Any bytes as any request: refused or unpacked with well-formed strings, never a crash. */
#include "chancery/audit/v1/audit.pb-c.h"
#include "chancery/ca/v1/ca.pb-c.h"
#include "chancery/policy/v1/policy.pb-c.h"
#include "chancery/registration/v1/registration.pb-c.h"
#include "rpc/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ProtobufCMessageDescriptor *const types[] = {
        &chancery__audit__v1__append_request__descriptor,
        &chancery__ca__v1__issue_batch_request__descriptor,
        &chancery__policy__v1__permit_request__descriptor,
        &chancery__registration__v1__enroll_batch_request__descriptor,
    };
    if (size == 0) {
        return 0;
    }
    struct arena arena;
    arena_init(&arena, 16 << 20);
    ProtobufCMessage *m = NULL;
    struct diag diag = {0};
    if (rpc_unpack_bytes(slice_of(data + 1, size - 1), types[data[0] % 4], &arena, &m, &diag) ==
        CH_OK) {
        (void)protobuf_c_message_get_packed_size(m);
        if (!protobuf_c_message_check(m)) {
            __builtin_trap();
        }
    }
    arena_clear(&arena);
    return 0;
}

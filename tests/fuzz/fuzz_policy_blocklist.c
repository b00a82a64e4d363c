/* policy: a blocklist of any bytes, compiled in a bundle and searched. */
#include <stdlib.h>

#include "policy/policy_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char path[] = "blocklists/l.txt";
    struct policy_bundle *b = calloc(1, sizeof *b);
    const struct policy_file f = {path, slice_of(data, size)};
    struct diag d = {0};
    if (b == NULL) {
        return 0;
    }
    arena_init(&b->arena, 0);
    if (policy_blocklist_compile(b, &f, &d) == CH_OK) {
        const struct policy_blocklist *l = &b->blocklists.at[0];
        for (size_t i = 0; i < l->n_keys; i++) {
            if (policy_blocklist_key(&b->blocklists, 1, l->keys[i]) != l) {
                abort();
            }
        }
        for (size_t i = 1; i < l->n_moduli; i++) {
            if (memcmp(l->moduli[i - 1], l->moduli[i], POLICY_MODULUS_TAIL) > 0) {
                abort();
            }
        }
        (void)policy_blocklist_modulus(&b->blocklists, 1, slice_of(data, size));
    } else if (strncmp(d.field, path, sizeof path - 1) != 0) {
        abort(); /* errors name their place */
    }
    policy_bundle_free(b);
    return 0;
}

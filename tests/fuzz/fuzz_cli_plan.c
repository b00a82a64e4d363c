/* services/cli: any bytes as a ceremony plan; what is accepted keeps the plan's promises. */
#include <stdlib.h>

#include "plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct plan *plan = NULL;
    struct diag d = {0};
    if (plan_parse("dir/fuzz.yaml", slice_of(data, size), &plan, &d) == CH_OK) {
        for (size_t i = 0; i < plan->n_keys; i++) {
            if (plan->keys[i].token >= plan->n_tokens || plan->keys[i].use == PLAN_UNUSED) {
                abort();
            }
        }
        if (plan->n_issuers == 0 || plan->checkpoint.n != 2 || plan->root_key >= plan->n_keys) {
            abort();
        }
    } else if (plan != NULL || d.text[0] == '\0') {
        abort();
    }
    plan_free(plan);
    return 0;
}

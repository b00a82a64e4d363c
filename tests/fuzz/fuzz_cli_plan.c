/* services/cli: any bytes as a ceremony plan; what is accepted gives a list of steps. */
#include <stdlib.h>

#include "ceremony.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ceremony_step steps[CEREMONY_STEPS_MAX];
    struct plan *plan = NULL;
    struct diag d = {0};
    size_t n = 0;
    if (plan_parse("dir/fuzz.yaml", slice_of(data, size), &plan, &d) == CH_OK) {
        if (ceremony_steps(plan, steps, CEREMONY_STEPS_MAX, &n, &d) == CH_OK && n == 0) {
            abort();
        }
    }
    plan_free(plan);
    return 0;
}

/* policy: any bytes as a profile (or, first octet 'B', as bundle.yaml). */
#include "policy/policy_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char head[] = "version: 1\nname: t\ncrl: {max_validity: 8d}\n";
    static const char profile[] =
        "name: p\nissuer: i\ncallers: ['/user/*']\nkeys: {types: [P-256]}\n"
        "signature_algorithms: [ecdsa-with-SHA256]\nvalidity: {max: 1d}\n"
        "subject: {}\nnames: {required: false}\nextensions: {}\n";
    bool swap = size > 0 && data[0] == 'B';
    struct slice in = swap ? slice_of(data + 1, size - 1) : slice_of(data, size);
    struct policy_file files[] = {{"bundle.yaml", swap ? in : slice_str(head)},
                                  {"profiles/p.yaml", swap ? slice_str(profile) : in}};
    struct policy_bundle *b = NULL;
    struct diag d = {0};
    if (policy_bundle_compile(files, 2, &b, &d) == CH_OK) {
        policy_bundle_free(b);
    }
    return 0;
}

/* policy: any bytes as officers.yaml; or, first octet 'P', as papers about a bundle (a length octet
 * before each), which nobody signed and which must never promote it. */
#include <stdlib.h>

#include "policy/policy_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct policy_bundle *compile(struct slice officers)
{
    static const char head[] = "version: 1\nname: t\ncrl: {max_validity: 8d}\n";
    static const char profile[] =
        "name: p\nissuer: i\ncallers: ['/user/*']\nkeys: {types: [P-256]}\n"
        "signature_algorithms: [ecdsa-with-SHA256]\nvalidity: {max: 1d}\n"
        "subject: {}\nnames: {required: false}\nextensions: {}\n";
    const struct policy_file files[] = {{"bundle.yaml", slice_str(head)},
                                        {"officers.yaml", officers},
                                        {"profiles/p.yaml", slice_str(profile)}};
    struct policy_bundle *b = NULL;
    struct diag d = {.text = ""};
    return policy_bundle_compile(files, 3, &b, &d) == CH_OK ? b : NULL;
}

static void papers(struct slice in)
{
    static const char officers[] =
        "officers:\n"
        "  - {id: a, identity: /user/a, roles: [policy], key: "
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEbOeqFQIkz4NfJtfc8Yyk+1erLGfTbjhO/"
        "ThPLHkPbLMeP819D3Q1mmB6YTzLVZ2Y1iNafkwYkTO1rJG7pXgj+A==}\n"
        "  - {id: b, roles: [policy], key: "
        "MCowBQYDK2VwAyEAAMhjqYXuuwjBcLVJD3pxLbGiKez4cFGAticbWYMdMKA=}\n"
        "promotion: {role: policy, quorum: 1}\n";
    static struct policy_bundle *b;
    struct policy_approval list[POLICY_APPROVALS_MAX + 1];
    struct policy_promotion report;
    uint8_t subject[32];
    size_t n = 0;
    if (b == NULL && (b = compile(slice_str(officers))) == NULL) {
        abort();
    }
    memset(subject, 7, sizeof subject);
    for (; in.len > 0 && n < sizeof list / sizeof *list; n++) {
        struct slice paper = slice_sub(in, 1, in.ptr[0]);
        list[n] = (struct policy_approval){.bytes = paper, .signature = paper};
        in = slice_sub(in, 1 + paper.len, in.len);
    }
    if (policy_officers_promotion(b, list, n, subject, NULL, 1764000000, &report) != POLICY_FAIL ||
        report.counted != 0) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    if (size > 0 && data[0] == 'P') {
        papers(slice_sub(in, 1, size));
        return 0;
    }
    policy_bundle_free(compile(in));
    return 0;
}

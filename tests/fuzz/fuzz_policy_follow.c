/* policy_follow_take over any bytes as a leaf, and after the head of one that it reads: no harm,
 * and what it takes has the sizes that the database wants. */
#include <assert.h>

#include "limiter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(struct policy_follow *f, struct slice leaf)
{
    struct diag diag = {.field = ""};
    enum chancery_err err = policy_follow_take(f, f->next, leaf, &diag);
    assert(err == CH_OK || diag.rule[0] != '\0');
    for (size_t i = 0; i < f->n_intended; i++) {
        assert(f->intended[i].len == 32);
    }
    for (size_t i = 0; i < f->n_ended; i++) {
        assert(f->ended[i].len == 32);
    }
    for (size_t i = 0; i < f->n_revoked; i++) {
        assert(f->serials[i].len >= 1 && f->serials[i].len <= 20);
    }
    assert(f->n_intended + f->n_ended + f->n_revoked <= f->next - f->from);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const heads[] = {"", "{\"action\":\"intent\",",
                                        "{\"action\":\"settlement\",",
                                        "{\"action\":\"revocation\","};
    struct policy_follow f = {.trust_domain = "chancery.test"};
    struct buf leaf;
    assert(policy_follow_start(&f, 7) == CH_OK);
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        buf_init(&leaf, 1 << 20);
        if (buf_add_str(&leaf, heads[i]) == CH_OK &&
            buf_add(&leaf, slice_of(data, size)) == CH_OK) {
            take(&f, buf_slice(&leaf));
        }
        buf_clear(&leaf);
    }
    policy_follow_clear(&f);
    return 0;
}

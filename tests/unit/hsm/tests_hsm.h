/* Shared by the hsm tests: open a token on the private SoftHSM, directly or through p11proxy. */
#ifndef CHANCERY_TESTS_HSM_H
#define CHANCERY_TESTS_HSM_H

#include "cm.h"

#include "hsm/hsm.h"
#include "test_softhsm.h"

static inline struct hsm_opts tests_hsm_opts(const struct test_softhsm *s, const char *module,
                                             const char *token_uri)
{
    return (struct hsm_opts){.module = module,
                             .token_uri = token_uri,
                             .pin_file = s->pin,
                             .pin_fd = -1,
                             .sessions = 4,
                             .deadline_ms = 5000};
}

static inline struct hsm_token *tests_hsm_open(const struct test_softhsm *s, const char *module,
                                               const char *token_uri)
{
    struct hsm_opts opts = tests_hsm_opts(s, module, token_uri);
    struct hsm_token *t = NULL;
    struct diag diag = {.field = ""};
    if (hsm_open(&opts, &t, &diag) != CH_OK) {
        fail_msg("%s: %s", diag.rule, diag.text);
    }
    return t;
}

static inline struct hsm_key *tests_hsm_generate(struct hsm_token *t, enum crypto_key_type type,
                                                 const char *label)
{
    struct hsm_key *k = NULL;
    struct diag diag = {.field = ""};
    if (hsm_key_generate(t, type, label, &k, &diag) != CH_OK) {
        fail_msg("%s: %s %s: %s", label, diag.field, diag.rule, diag.text);
    }
    return k;
}

#endif

/* Running the cases of rules. */
#include "rules.h"

void rules_keep(struct fix *f)
{
    (void)f;
}

void rules_run(struct fix *f, const struct rule_case *c)
{
    c->plan(f);
    fix_build(f);
    c->bend(f);
    fix_judge(f);
}

void rules_print_failures(const struct fix *f)
{
    for (size_t i = 0; i < f->v.n; i++) {
        const struct policy_rule *r = &f->v.rules[i];
        if (r->outcome == POLICY_FAIL) {
            print_message("  %s: %s observed '%s' required '%s' (%s)\n", r->rule, r->field,
                          r->observed, r->required, r->source);
        }
    }
}

void rules_bundle(struct fix *f, const char *from, const char *to)
{
    policy_bundle_free(f->bundle);
    f->bundle = fix_bundle(from, to);
}

void rules_usage_rsa(struct fix *f)
{
    struct buf b;
    buf_init(&b, 64);
    assert_int_equal(x509_ext_key_usage(1 | 1 << 2, &b), CH_OK);
    fix_ext(f, X509_EXT_KEY_USAGE, true, fix_keep(f, &b));
}

void rules_one_san(struct fix *f, uint8_t type, const char *value)
{
    f->request.n_sans = 0;
    fix_san(f, type, value);
    if (!(type == 3 && strcmp(value, "a.example.test") >= 0)) {
        fix_san(f, 7, "https://id.example.test/d/7");
    }
    fix_san_ext(f);
    f->subject_asked[1].value = f->subject[2].value = f->sans[0].value;
}

void rules_san_critical(struct fix *f)
{
    fix_san_ext(f);
    for (size_t i = 0; i < f->n_ext; i++) {
        f->ext[i].critical = f->ext[i].critical || slice_eq(f->ext[i].oid, X509_EXT_SAN);
    }
}

/* International names: IDNA 2008 as libidn2 and the engine judge it, pinned label by label. */
#include "fix.h"
#include "policy/idna.h"

struct label {
    const char *text;
    const char *says; /* part of the reason; NULL: valid */
};

/* Each label is the punycode of what stands beside it; none of it is mapped by any step. */
static const struct label labels[] = {
    {"xn--bcher-kva", NULL},       /* bücher */
    {"xn--fa-hia", NULL},          /* faß: sharp s is itself, not ss */
    {"xn--10cl1a0b660p", NULL},    /* Sinhala, joiner after a virama */
    {"xn--mgba3gch31f060k", NULL}, /* Persian, non-joiner between joining letters */
    {"xn--ll-0ea", NULL},          /* l middle dot l */
    {"xn--cckzj", NULL},           /* katakana letter, katakana middle dot */
    {"xn--wva4j", NULL},           /* Greek lower numeral sign, alpha */
    {"xn--4db4e", NULL},           /* Hebrew letter, geresh */
    {"xn--4dbc", NULL},            /* Hebrew */
    {"xn--mgb8i", NULL},           /* Arabic letter, Arabic-Indic digit */
    {"xn--u9ju32nb2a", NULL},      /* Han and hiragana */
    {"xn--mxacd", NULL},           /* Greek */
    {"xn--80ak6aa92e", NULL},      /* Cyrillic that looks like "apple" */
    {"xn--pple-43d", NULL},        /* Cyrillic a, then Latin: see scripts */
    {"xn--ab-m1t", "a joiner"},    /* a ZWJ b */
    {"xn--ab-j1t", "a joiner"},    /* a ZWNJ b */
    {"xn--ab-0ea", "A.3 to A.9"},  /* a middle dot b */
    {"xn--ab-3n4a", "A.3 to A.9"}, /* a katakana middle dot b */
    {"xn--a-kib", "A.3 to A.9"},   /* Greek sign without Greek */
    {"xn--a-0jc", "A.3 to A.9"},   /* geresh without Hebrew */
    {"xn--mgb7iyr", "A.3 to A.9"}, /* both kinds of Arabic digits */
    {"xn--a-qib", "unassigned"},   /* a U+0378 */
    {"xn--n3h", "disallowed"},     /* snowman */
    {"xn--ls8h", "disallowed"},    /* emoji */
    {"xn--wca", "disallowed"},     /* capital U with diaeresis */
    {"xn--mi7c", ""},              /* full-width a: not in form, or disallowed */
    {"xn--ab-g1t", "disallowed"},  /* zero width space */
    {"xn--ab-g4t", "disallowed"},  /* right-to-left override */
    {"xn--a-ecp", "disallowed"},   /* a, digit one with full stop */
    {"xn--e-xbb", "normal form"},  /* e, combining acute */
    {"xn--a-wbb", "begins with a combining mark"},
    {"xn--1-0hc", "Bidi"},            /* digit, Hebrew */
    {"xn--a-zhc", "Bidi"},            /* Hebrew, Latin */
    {"xn--ab---3ra", "hyphens"},      /* hyphens in third and fourth place of the U-label */
    {"xn--bcher-kva0", ""},           /* no punycode */
    {"xn--zzzzzzzzzzzzzzzzzzzz", ""}, /* overflows */
    {"xn--abc", ""},                  /* decodes to nothing valid */
};

static void labels_are_judged_by_idna_2008(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++) {
        const char *wrong = policy_idna_wrong(slice_str(labels[i].text));
        bool as_said = labels[i].says == NULL
                           ? wrong == NULL
                           : wrong != NULL && strstr(wrong, labels[i].says) != NULL;
        if (!as_said) {
            fail_msg("%s: %s", labels[i].text, wrong == NULL ? "valid" : wrong);
        }
    }
}

static void names_are_judged_label_by_label(void **state)
{
    (void)state;
    static const struct label names[] = {
        {"a.example.test", NULL},
        {"1.example.test", NULL},
        {"*.xn--bcher-kva.test", NULL},
        {"xn--bcher-kva.xn--fa-hia.test", NULL},
        {"xn--bcher-kva.xn--ls8h.test", "disallowed"},
        {"xn--ls8h.xn--bcher-kva.test", "disallowed"},
        /* RFC 5893 2: every label of a name with right-to-left characters keeps the rule. */
        {"www.xn--4dbc.test", NULL},
        {"*.xn--4dbc.test", NULL},
        {"xn--9ca.xn--4dbc.test", NULL}, /* e acute */
        {"a1.xn--4dbc.test", NULL},
        {"1a.xn--4dbc.test", "Bidi"},
        {"xn--4dbc.1a.test", "Bidi"},
        {"xn--1-bga.xn--4dbc.test", "Bidi"}, /* 1, e acute */
        {"xn--1-bga.example.test", NULL},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *wrong = policy_idna_wrong(slice_str(names[i].text));
        bool as_said = names[i].says == NULL
                           ? wrong == NULL
                           : wrong != NULL && strstr(wrong, names[i].says) != NULL;
        if (!as_said) {
            fail_msg("%s: %s", names[i].text, wrong == NULL ? "valid" : wrong);
        }
    }
    assert_true(policy_idna_has(slice_str("a.xn--bcher-kva")));
    assert_false(policy_idna_has(slice_str("a.xn--.b")));
    assert_false(policy_idna_has(slice_str("axn--bcher-kva.b")));
    assert_false(policy_idna_has(slice_of(NULL, 0)));
}

static void longest_labels_are_read(void **state)
{
    (void)state;
    char label[80] = "xn--";
    memset(label + 4, 'a', 59);
    label[63] = '\0';
    assert_non_null(policy_idna_wrong(slice_str(label)));
    strcpy(label + 63, "a");
    assert_non_null(policy_idna_wrong(slice_str(label)));
}

static void mixed_scripts_are_told(void **state)
{
    (void)state;
    static const struct policy_list any = {NULL, 0};
    static const char *const good[] = {"xn--bcher-kva.test",
                                       "xn--80ak6aa92e.test",
                                       "xn--u9ju32nb2a", /* Han, hiragana */
                                       "xn--a-ibus66r",  /* Latin, Han, hiragana */
                                       "xn--a-472g",     /* Latin, hangul */
                                       "xn--5ek178j",    /* bopomofo, Han */
                                       "xn--mxacd.xn--4dbc.xn--bcher-kva" /* each label its own */};
    static const char *const bad[] = {"xn--pple-43d.test",   /* Cyrillic, Latin */
                                      "xn--a-1lb",           /* Latin, Greek */
                                      "a.xn--u9jxzk150b.b"}; /* hiragana, hangul */
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_null(policy_idna_scripts(slice_str(good[i]), &any));
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_non_null(policy_idna_scripts(slice_str(bad[i]), &any));
    }
}

static void listed_scripts_only(void **state)
{
    (void)state;
    const struct slice names[] = {slice_str("Greek"), slice_str("Latin")};
    const struct policy_list listed = {names, 2};
    assert_null(policy_idna_scripts(slice_str("xn--bcher-kva"), &listed));
    assert_null(policy_idna_scripts(slice_str("xn--mxacd"), &listed));
    assert_null(policy_idna_scripts(slice_str("xn--ll-0ea"), &listed)); /* the dot is Common */
    assert_non_null(policy_idna_scripts(slice_str("xn--80ak6aa92e"), &listed));
    assert_true(policy_idna_script_known(slice_str("Latin")));
    assert_false(policy_idna_script_known(slice_str("latin")));
    assert_false(policy_idna_script_known(slice_str("Klingon")));
    assert_false(policy_idna_script_known(slice_of("Latin\0", 6)));
    assert_false(policy_idna_script_known(slice_of(NULL, 0)));
}

static void u_labels_get_their_a_label(void **state)
{
    (void)state;
    char out[POLICY_IDNA_TEXT];
    assert_true(policy_idna_ascii(slice_str("b\xc3\xbc"
                                            "cher.example"),
                                  out));
    assert_string_equal(out, "xn--bcher-kva.example");
    assert_true(policy_idna_ascii(slice_str("B\xc3\x9c"
                                            "CHER.example"),
                                  out));
    assert_string_equal(out, "xn--bcher-kva.example");
    assert_false(policy_idna_ascii(slice_str("\xf0\x9f\x92\xa9.example"), out)); /* emoji */
    assert_false(policy_idna_ascii(slice_str("\xff"), out));
    assert_false(policy_idna_ascii(slice_of("a\0b", 3), out));
    assert_false(policy_idna_ascii(slice_of(NULL, 0), out));
}

/* Every punycode of up to three octets: whatever is accepted is the A-label of one U-label. */
static void same_answer_every_time(void **state)
{
    (void)state;
    static const char digits[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    size_t valid = 0;
    for (size_t i = 0; i < 36 * 36 * 36; i++) {
        char text[8] = {'x', 'n', '-', '-', digits[i % 36], digits[i / 36 % 36], digits[i / 1296]};
        const char *first = policy_idna_wrong(slice_str(text));
        assert_ptr_equal(first, policy_idna_wrong(slice_str(text)));
        valid += first == NULL ? 1 : 0;
    }
    assert_true(valid > 100 && valid < 36 * 36 * 36);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_judged_by_idna_2008),
        cmocka_unit_test(names_are_judged_label_by_label),
        cmocka_unit_test(longest_labels_are_read),
        cmocka_unit_test(mixed_scripts_are_told),
        cmocka_unit_test(listed_scripts_only),
        cmocka_unit_test(u_labels_get_their_a_label),
        cmocka_unit_test(same_answer_every_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

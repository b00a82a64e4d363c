/* Rows of attributes: claims, patterns and lengths in the subject; directory names. */
#include "rules.h"

#define ROWS                                                                                       \
    "    - {type: O, from: request, required: true}\n"                                             \
    "    - {type: CN, from: request}\n"

/* ---- the subject ---- */

static void subject_with(struct fix *f, const char *rows)
{
    rules_bundle(f, ROWS, rows);
}
static void claim(struct fix *f, const char *name, const char *value)
{
    static struct permit_claim claims[8];
    size_t n = f->request.evidence.n_claims;
    claims[n] = (struct permit_claim){slice_str(name), slice_str(value)};
    f->request.evidence.claims = claims;
    f->request.evidence.n_claims = n + 1;
}
static void o_is(struct fix *f, const char *asked, const char *written)
{
    f->subject_asked[0].value = slice_str(asked);
    f->subject[1].value = slice_str(written);
}

#define MATCHED                                                                                    \
    "    - {type: O, from: request, required: true, match: ['Example ?*', 'Beispiel GmbH'], max: " \
    "13}\n    - {type: CN, from: request}\n"
CHANGE(match_first)
{
    subject_with(f, MATCHED);
}
CHANGE(match_second)
{
    subject_with(f, MATCHED);
    o_is(f, "Beispiel GmbH", "Beispiel GmbH");
}
CHANGE(match_none)
{
    subject_with(f, MATCHED);
    o_is(f, "Example", "Example");
}
CHANGE(match_too_long)
{
    subject_with(f, MATCHED);
    o_is(f, "Example Limited", "Example Limited");
}
/* Thirteen characters in more octets: characters count. */
CHANGE(max_counts_characters)
{
    subject_with(f, MATCHED);
    o_is(f, "Example \xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9",
         "Example \xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9");
}

/* The organisation from a claim; the request may leave it out. */
#define CLAIMED                                                                                    \
    "    - {type: O, from: evidence, claim: org, required: true, match: ['Example*']}\n"           \
    "    - {type: CN, from: request}\n"
static void claimed(struct fix *f, const char *value)
{
    subject_with(f, CLAIMED);
    claim(f, "iss", "https://login.example");
    if (value != NULL) {
        claim(f, "org", value);
        f->subject[1].value = slice_str(value);
    }
    claim(f, "sub", "alice");
    f->subject_asked[0] = f->subject_asked[1];
    f->n_asked = 1;
}
CHANGE(claim_taken)
{
    claimed(f, "Example Ltd");
}
CHANGE(claim_missing)
{
    claimed(f, NULL);
}
CHANGE(claim_no_match)
{
    claimed(f, "Evil Ltd");
}
CHANGE(claim_bidi)
{
    claimed(f, "Example\xe2\x80\xae");
}
CHANGE(claim_not_written)
{
    claimed(f, "Example Ltd");
    f->subject[1].value = slice_str("Example Inc");
}
/* What the request says instead is no row's: it does not reach the certificate. */
CHANGE(claim_and_request)
{
    claimed(f, "Example Ltd");
    f->subject_asked[1] = (struct x509_rdn){X509_OID_O, slice_str("Example Inc")};
    f->n_asked = 2;
}
CHANGE(claim_request_written)
{
    claim_and_request(f);
    rules_bundle(f, ROWS "  unlisted: refuse\n", CLAIMED "  unlisted: drop\n");
    f->subject[1].value = slice_str("Example Inc");
}
CHANGE(claim_service)
{
    subject_with(f,
                 "    - {type: O, from: evidence, claim: org}\n    - {type: CN, from: request}\n");
    claim(f, "org", "alice@Chancery.test");
    f->subject[1].value = slice_str("alice@Chancery.test");
    f->subject_asked[0] = f->subject_asked[1];
    f->n_asked = 1;
}
/* Two rows of one claim take its first and second value. */
static void two_values(struct fix *f, const char *second)
{
    subject_with(f, "    - {type: OU, from: evidence, claim: group}\n"
                    "    - {type: OU, from: evidence, claim: group}\n"
                    "    - {type: OU, from: evidence, claim: group}\n"
                    "    - {type: CN, from: request}\n");
    claim(f, "group", "a");
    claim(f, "group", "b");
    f->subject_asked[0] = f->subject_asked[1];
    f->n_asked = 1;
    f->subject[3] = f->subject[2];
    f->subject[1] = (struct x509_rdn){X509_OID_OU, slice_str("a")};
    f->subject[2] = (struct x509_rdn){X509_OID_OU, slice_str(second)};
    f->n_subject = 4;
}
CHANGE(claim_two_values)
{
    two_values(f, "b");
}
CHANGE(claim_value_twice)
{
    two_values(f, "a");
}

static const uint8_t multi[] = {0x30, 0x17, 0x31, 0x15, 0x30, 8,    6, 3,  0x55, 4, 3,   0x0c, 1,
                                'a',  0x30, 9,    6,    3,    0x55, 4, 10, 0x0c, 2, 'b', 'c'};
CHANGE(request_multi)
{
    f->request.subject_der = slice_of(multi, sizeof multi);
}
CHANGE(tbs_multi)
{
    f->t.subject = slice_of(multi, sizeof multi);
}

/* ---- directory names ---- */

#define DIRECTORY                                                                                  \
    "  directory_name:\n"                                                                          \
    "    attributes:\n"                                                                            \
    "      - {type: C, fixed: XX}\n"                                                               \
    "      - {type: O, from: evidence, claim: org}\n"                                              \
    "      - {type: OU, from: request, match: ['unit-*'], max: 8}\n"                               \
    "      - {type: CN, from: request, required: true}\n"                                          \
    "  uri: "

static void directory_is(struct fix *f, struct slice name)
{
    rules_bundle(f, "  uri: ", DIRECTORY);
    f->request.n_sans = 2;
    f->sans[0] = (struct permit_san){3, slice_str("a.example.test")};
    f->sans[1] = (struct permit_san){5, name};
    fix_san_ext(f);
}

struct part {
    uint8_t type, tag; /* last octet of 2.5.4.x */
    const char *value;
};
static void directory(struct fix *f, const struct part *parts, size_t n)
{
    struct buf b;
    size_t name, set, pair;
    buf_init(&b, 4096);
    assert_int_equal(der_open(&b, DER_SEQUENCE, &name), CH_OK);
    for (size_t i = 0; i < n; i++) {
        const uint8_t oid[] = {0x55, 4, parts[i].type};
        assert_int_equal(der_open(&b, DER_SET, &set), CH_OK);
        assert_int_equal(der_open(&b, DER_SEQUENCE, &pair), CH_OK);
        assert_int_equal(der_put(&b, DER_OID, slice_of(oid, 3)), CH_OK);
        assert_int_equal(der_put(&b, parts[i].tag, slice_str(parts[i].value)), CH_OK);
        assert_int_equal(der_close(&b, pair), CH_OK);
        assert_int_equal(der_close(&b, set), CH_OK);
    }
    assert_int_equal(der_close(&b, name), CH_OK);
    directory_is(f, fix_keep(f, &b));
}
enum { CN = 3, C = 6, O = 10, OU = 11, UTF8 = 0x0c, PRINTABLE = 0x13, IA5 = 0x16 };
#define NAME(name, ...)                                                                            \
    CHANGE(name)                                                                                   \
    {                                                                                              \
        static const struct part parts[] = {__VA_ARGS__};                                          \
        directory(f, parts, sizeof parts / sizeof *parts);                                         \
    }
NAME(directory_short, {C, PRINTABLE, "XX"}, {CN, UTF8, "a"})
NAME(directory_unit, {C, PRINTABLE, "XX"}, {OU, PRINTABLE, "unit-7"}, {CN, PRINTABLE, "a"})
NAME(directory_order, {CN, UTF8, "a"}, {C, PRINTABLE, "XX"})
NAME(directory_no_cn, {C, PRINTABLE, "XX"}, {OU, UTF8, "unit-7"})
NAME(directory_other_country, {C, PRINTABLE, "DE"}, {CN, UTF8, "a"})
NAME(directory_no_match, {C, PRINTABLE, "XX"}, {OU, UTF8, "team-7"}, {CN, UTF8, "a"})
NAME(directory_long, {C, PRINTABLE, "XX"}, {OU, UTF8, "unit-7890"}, {CN, UTF8, "a"})
NAME(directory_twice, {C, PRINTABLE, "XX"}, {CN, UTF8, "a"}, {CN, UTF8, "b"})
NAME(directory_unclaimed, {C, PRINTABLE, "XX"}, {O, UTF8, "Example"}, {CN, UTF8, "a"})
NAME(directory_country_utf8, {C, UTF8, "XX"}, {CN, UTF8, "a"})
NAME(directory_ia5, {C, PRINTABLE, "XX"}, {CN, IA5, "a"})
NAME(directory_printable_bad, {C, PRINTABLE, "XX"}, {CN, PRINTABLE, "a@b"})
NAME(directory_bmp, {C, PRINTABLE, "XX"}, {CN, 0x1e, "ab"})
NAME(directory_bidi, {C, PRINTABLE, "XX"}, {CN, UTF8, "a\xe2\x80\xae"})
NAME(directory_empty_value, {C, PRINTABLE, "XX"}, {CN, UTF8, ""})
NAME(directory_service, {C, PRINTABLE, "XX"}, {CN, UTF8, "ca.Chancery.test"})
NAME(directory_service_uri, {C, PRINTABLE, "XX"}, {CN, UTF8, "spiffe://chancery.test/user/a"})
CHANGE(directory_claimed)
{
    claim(f, "org", "Example");
    directory_unclaimed(f);
}
CHANGE(directory_claimed_other)
{
    claim(f, "org", "Example Ltd");
    directory_unclaimed(f);
}
CHANGE(directory_without_rule)
{
    directory_short(f);
    rules_bundle(f, "", "");
}
CHANGE(directory_empty)
{
    directory_is(f, slice_of("\x30\0", 2));
}
CHANGE(directory_multi)
{
    directory_is(f, slice_of(multi, sizeof multi));
}
CHANGE(directory_trailing)
{
    directory_is(f, slice_of("\x30\0\5\0", 4));
}
CHANGE(directory_other_in_tbs)
{
    static const uint8_t other[] = {0x30, 11, 0x31, 9, 0x30, 7, 6, 3, 0x55, 4, 6, 0x13, 0};
    directory_short(f);
    struct slice asked = f->sans[1].value;
    f->sans[1].value = slice_of(other, sizeof other);
    fix_san_ext(f);
    f->sans[1].value = asked;
}

static const struct rule_case bad[] = {
    PLAN("subject.match", match_none),
    PLAN("subject.values", match_too_long),
    PLAN("subject.required", claim_missing),
    PLAN("subject.match", claim_no_match),
    PLAN("subject.characters", claim_bidi),
    PLAN("subject.exact", claim_not_written),
    PLAN("subject.unlisted", claim_and_request),
    PLAN("subject.exact", claim_request_written),
    PLAN("subject.service_name", claim_service),
    PLAN("subject.exact", claim_value_twice),
    PLAN("subject.single_valued", request_multi),
    PLAN("subject.exact", tbs_multi),
    PLAN("san.directory_name.allowed", directory_order),
    PLAN("san.directory_name.allowed", directory_no_cn),
    PLAN("san.directory_name.allowed", directory_other_country),
    PLAN("san.directory_name.allowed", directory_no_match),
    PLAN("san.directory_name.allowed", directory_long),
    PLAN("san.directory_name.allowed", directory_twice),
    PLAN("san.directory_name.allowed", directory_unclaimed),
    PLAN("san.directory_name.allowed", directory_claimed_other),
    PLAN("san.directory_name.allowed", directory_without_rule),
    PLAN("san.directory_name.syntax", directory_country_utf8),
    PLAN("san.directory_name.syntax", directory_ia5),
    PLAN("san.directory_name.syntax", directory_printable_bad),
    PLAN("san.directory_name.syntax", directory_bmp),
    PLAN("san.directory_name.syntax", directory_bidi),
    PLAN("san.directory_name.syntax", directory_empty_value),
    PLAN("san.directory_name.syntax", directory_empty),
    PLAN("san.directory_name.syntax", directory_multi),
    PLAN("san.directory_name.syntax", directory_trailing),
    PLAN("san.service_name", directory_service),
    PLAN("san.service_name", directory_service_uri),
    PLAN("san.exact", directory_other_in_tbs),
};

static const struct rule_case good[] = {
    PLAN("subject.match", match_first),
    PLAN("subject.match", match_second),
    PLAN("subject.values", max_counts_characters),
    PLAN("subject.required", claim_taken),
    PLAN("subject.exact", claim_two_values),
    PLAN("san.directory_name.allowed", directory_short),
    PLAN("san.directory_name.allowed", directory_unit),
    PLAN("san.directory_name.allowed", directory_claimed),
};

const struct rule_family rules_rows = RULES(bad, good);

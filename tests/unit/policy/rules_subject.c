/* The subject. */
#include "rules.h"

CHANGE(subject_bmp)
{
    static const uint8_t der[] = {0x30, 0x0d, 0x31, 0x0b, 0x30, 9, 6,  3,
                                  0x55, 4,    3,    0x1e, 2,    0, 'a'};
    f->request.subject_der = slice_of(der, sizeof der);
}
CHANGE(subject_incomplete)
{
    f->n_asked = 0;
    f->subject_asked[f->n_asked++] = (struct x509_rdn){X509_OID_CN, slice_str("a.example.test")};
}
CHANGE(subject_extra)
{
    f->subject_asked[f->n_asked++] = (struct x509_rdn){X509_OID_OU, slice_str("x")};
}
CHANGE(subject_second_cn)
{
    f->subject_asked[f->n_asked++] = (struct x509_rdn){X509_OID_CN, slice_str("localhost")};
}
static void subject_o(struct fix *f, const char *value)
{
    f->subject_asked[0].value = f->subject[1].value = slice_str(value);
}
CHANGE(subject_bidi)
{
    subject_o(f, "Ex\xe2\x80\xaempl");
}
CHANGE(subject_control)
{
    subject_o(f, "a\nb");
}
CHANGE(subject_nul)
{
    f->subject_asked[0].value = f->subject[1].value = slice_of("a\0b", 3);
}
CHANGE(subject_bad_utf8)
{
    subject_o(f, "a\xc0\x80");
}
CHANGE(subject_long)
{
    subject_o(f, "0123456789012345678901234567890123456789012345678901234567890123x");
}
CHANGE(subject_cn_elsewhere)
{
    f->subject_asked[1].value = f->subject[2].value = slice_str("b.example.test");
}
CHANGE(subject_cn_service)
{
    f->subject_asked[1].value = f->subject[2].value = slice_str("policy.Chancery.test");
}
CHANGE(subject_cn_spiffe)
{
    f->subject_asked[1].value = f->subject[2].value = slice_str("spiffe://chancery.test/user/root");
}
CHANGE(subject_order)
{
    struct x509_rdn o = f->subject[1];
    f->subject[1] = f->subject[2];
    f->subject[2] = o;
}
CHANGE(subject_fixed_other)
{
    f->subject[0].value = slice_str("DE");
}
CHANGE(subject_left_out)
{
    f->n_subject = 2;
}
CHANGE(subject_added)
{
    f->subject[f->n_subject++] = (struct x509_rdn){X509_OID_OU, slice_str("x")};
}
CHANGE(subject_string_type)
{
    static const uint8_t der[] = {0x30, 0x0d, 0x31, 0x0b, 0x30, 9,   6,  3,
                                  0x55, 4,    6,    0x0c, 2,    'X', 'X'};
    f->t.subject = slice_of(der, sizeof der);
    rules_bundle(f,
                 "    - {type: O, from: request, required: true}\n"
                 "    - {type: CN, from: request}\n"
                 "  unlisted: refuse\n"
                 "  cn_from_first_dns: true\n",
                 "  unlisted: drop\n");
}

static const struct rule_case cases[] = {
    PLAN("subject.request", subject_bmp),
    PLAN("subject.required", subject_incomplete),
    PLAN("subject.unlisted", subject_extra),
    PLAN("subject.unlisted", subject_second_cn),
    PLAN("subject.characters", subject_bidi),
    PLAN("subject.characters", subject_control),
    PLAN("subject.characters", subject_nul),
    PLAN("subject.characters", subject_bad_utf8),
    PLAN("subject.values", subject_long),
    PLAN("subject.cn_in_names", subject_cn_elsewhere),
    PLAN("subject.service_name", subject_cn_service),
    PLAN("subject.service_name", subject_cn_spiffe),
    PLAN("subject.exact", subject_order),
    PLAN("subject.exact", subject_fixed_other),
    PLAN("subject.exact", subject_left_out),
    PLAN("subject.exact", subject_added),
    PLAN("subject.exact", subject_string_type),
};

/* CN from the first DNS name; a gateway speaking for a user. */
CHANGE(subject_cn_from_name)
{
    f->n_asked = 1;
    f->subject[2].value = slice_str("*.example.test");
    f->request.evidence.caller = slice_str("spiffe://chancery.test/chancery/acme");
}
CHANGE(subject_cn_address)
{
    f->subject_asked[1].value = f->subject[2].value = slice_str("10.1.2.3");
}
static const struct rule_case good[] = {
    PLAN("subject.exact", subject_cn_from_name),
    PLAN("caller.requester", subject_cn_from_name),
    PLAN("subject.cn_in_names", subject_cn_address),
};

const struct rule_family rules_subject = RULES(cases, good);

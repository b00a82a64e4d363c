/* Subject alternative names. */
#include "rules.h"

CHANGE(san_none)
{
    f->request.n_sans = 0;
    f->n_asked = 1;
    f->n_subject = 2;
    fix_ext(f, X509_EXT_SAN, false, slice_of(NULL, 0));
}
CHANGE(san_many)
{
    static const char names[9][16] = {"a.example.test", "b.example.test", "c.example.test",
                                      "d.example.test", "e.example.test", "f.example.test",
                                      "g.example.test", "h.example.test", "i.example.test"};
    f->request.n_sans = 0;
    for (size_t i = 0; i < 9; i++) {
        fix_san(f, 3, names[i]);
    }
    fix_san_ext(f);
}
CHANGE(san_unsorted)
{
    struct permit_san s = f->sans[1];
    f->sans[1] = f->sans[2];
    f->sans[2] = s;
    fix_san_ext(f);
}
CHANGE(san_other_in_tbs)
{
    f->sans[2].value = slice_str("b.example.test");
    fix_san_ext(f);
    f->sans[2].value = slice_str("a.example.test");
}
CHANGE(san_more_in_tbs)
{
    fix_san(f, 8, "\x0a\1\2\4");
    fix_san_ext(f);
    f->request.n_sans--;
}
CHANGE(san_fewer_in_tbs)
{
    f->request.n_sans--;
    fix_san_ext(f);
    f->request.n_sans++;
}
#define DNS(name, text)                                                                            \
    CHANGE(name)                                                                                   \
    {                                                                                              \
        rules_one_san(f, 3, text);                                                                 \
    }
DNS(dns_upper, "A.example.test")
DNS(dns_empty_label, "a..example.test")
DNS(dns_leading_dot, ".example.test")
DNS(dns_trailing_dot, "example.test.")
DNS(dns_hyphen, "-a.example.test")
DNS(dns_underscore, "a_b.example.test")
DNS(dns_space, "a b.example.test")
DNS(dns_star_inside, "a.*.example.test")
DNS(dns_star_part, "a*.example.test")
DNS(dns_a_label, "xn--a-ecp.example.test")
DNS(dns_r_label, "ab--c.example.test")
DNS(dns_number, "10.1.2.3")
DNS(dns_elsewhere, "a.example.com")
DNS(dns_lookalike, "notexample.test")
DNS(dns_below_exact, "a.localhost")
DNS(dns_wild_exact, "*.localhost")
DNS(dns_wild_deep, "*.b.example.test")
DNS(dns_service, "ca.chancery.test")
DNS(dns_service_itself, "chancery.test")
CHANGE(dns_nul)
{
    rules_one_san(f, 3, "x.example.test");
    f->sans[0].value = slice_of("a\0x.example.test", 16);
    fix_san_ext(f);
}
#define OTHER(name, type, text)                                                                    \
    CHANGE(name)                                                                                   \
    {                                                                                              \
        rules_one_san(f, type, text);                                                              \
    }
OTHER(email_elsewhere, 2, "a@example.com")
OTHER(email_below, 2, "a@sub.example.test")
OTHER(email_two_at, 2, "a@example.com@example.test")
OTHER(email_no_local, 2, "@example.test")
OTHER(email_dots, 2, "a..b@example.test")
OTHER(email_service, 2, "a@chancery.test")
OTHER(uri_elsewhere, 7, "https://id.example.com/d/7")
OTHER(uri_userinfo, 7, "https://id.example.test@evil.test/d/7")
OTHER(uri_dots, 7, "https://id.example.test/d/../admin")
OTHER(uri_encoded_dots, 7, "https://id.example.test/d/%2E%2e/admin")
OTHER(uri_spiffe_elsewhere, 7, "spiffe://other.test/x")
OTHER(uri_spiffe_bad, 7, "spiffe://mesh.test/x?y")
OTHER(uri_spiffe_no_path, 7, "spiffe://mesh.test")
OTHER(uri_service, 7, "spiffe://chancery.test/chancery/ca")
OTHER(uri_service_port, 7, "https://ca.chancery.test:443/x")
CHANGE(ip_elsewhere)
{
    f->sans[4].value = slice_of("\x0a\2\2\3", 4);
    fix_san_ext(f);
}
CHANGE(ip_v6_elsewhere)
{
    f->sans[4].value = slice_of("\x20\x01\x0d\xb8\x80\0\0\0\0\0\0\0\0\0\0\1", 16);
    fix_san_ext(f);
}
CHANGE(ip_length)
{
    f->sans[4].value = slice_of("\x0a\1\2\3\xff\xff\xff\xff", 8);
    fix_san_ext(f);
}

CHANGE(bend_sans)
{
    fix_replace(f, slice_str("a.example.test\x86"), slice_str("b.example.test\x86"));
}

static const struct rule_case cases[] = {
    PLAN("san.required", san_none),
    PLAN("san.count", san_many),
    PLAN("san.sorted", san_unsorted),
    PLAN("san.exact", san_other_in_tbs),
    PLAN("san.exact", san_more_in_tbs),
    PLAN("san.exact", san_fewer_in_tbs),
    BEND("san.exact", bend_sans),
    PLAN("san.critical", rules_san_critical),
    PLAN("san.dns.syntax", dns_upper),
    PLAN("san.dns.syntax", dns_empty_label),
    PLAN("san.dns.syntax", dns_leading_dot),
    PLAN("san.dns.syntax", dns_trailing_dot),
    PLAN("san.dns.syntax", dns_hyphen),
    PLAN("san.dns.syntax", dns_underscore),
    PLAN("san.dns.syntax", dns_space),
    PLAN("san.dns.syntax", dns_star_inside),
    PLAN("san.dns.syntax", dns_star_part),
    PLAN("san.dns.syntax", dns_a_label),
    PLAN("san.dns.syntax", dns_r_label),
    PLAN("san.dns.syntax", dns_number),
    PLAN("san.dns.syntax", dns_nul),
    PLAN("san.dns.allowed", dns_elsewhere),
    PLAN("san.dns.allowed", dns_lookalike),
    PLAN("san.dns.allowed", dns_below_exact),
    PLAN("san.dns.allowed", dns_wild_exact),
    PLAN("san.dns.wildcard", dns_wild_deep),
    PLAN("san.service_name", dns_service),
    PLAN("san.service_name", dns_service_itself),
    PLAN("san.email.allowed", email_elsewhere),
    PLAN("san.email.allowed", email_below),
    PLAN("san.email.syntax", email_two_at),
    PLAN("san.email.syntax", email_no_local),
    PLAN("san.email.syntax", email_dots),
    PLAN("san.service_name", email_service),
    PLAN("san.uri.allowed", uri_elsewhere),
    PLAN("san.uri.syntax", uri_userinfo),
    PLAN("san.uri.syntax", uri_dots),
    PLAN("san.uri.syntax", uri_encoded_dots),
    PLAN("san.uri.allowed", uri_spiffe_elsewhere),
    PLAN("san.uri.syntax", uri_spiffe_bad),
    PLAN("san.uri.syntax", uri_spiffe_no_path),
    PLAN("san.service_name", uri_service),
    PLAN("san.service_name", uri_service_port),
    PLAN("san.ip.allowed", ip_elsewhere),
    PLAN("san.ip.allowed", ip_v6_elsewhere),
    PLAN("san.ip.allowed", ip_length),
};

CHANGE(dns_domain_itself)
{
    rules_one_san(f, 3, "example.test");
}
CHANGE(dns_deep_below)
{
    rules_one_san(f, 3, "x.y.z.example.test");
}
CHANGE(dns_wildcard_of_second_suffix)
{
    rules_one_san(f, 3, "*.deep.example.test");
}
CHANGE(dns_exact)
{
    rules_one_san(f, 3, "localhost");
}
static const struct rule_case good[] = {
    PLAN("san.dns.allowed", dns_domain_itself),
    PLAN("san.dns.allowed", dns_deep_below),
    PLAN("san.dns.wildcard", dns_wildcard_of_second_suffix),
    PLAN("san.dns.allowed", dns_exact),
};

const struct rule_family rules_san = RULES(cases, good);

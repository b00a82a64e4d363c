/* Objects without fault, in parts, and the assembler of their text. */
#include "lint_der.h"

#include <ctype.h>
#include <stdlib.h>

#include "der/der.h"

struct base {
    enum policy_lint_kind kind;
    const char *name; /* "" is the default of its kind */
    const char *parts[24];
};

#define KEY "30{06{2a8648ce3d0201}06{2a8648ce3d030107}}03{0004#64:11}"
#define CERT                                                                                       \
    "=30{$version $serial $algorithm $issuer $validity $subject $key $unique $extensions}",        \
        "version=a0{020102}", "serial=02{51a2b3c4d5e6f708192a3b4c5d6e7f80}",                       \
        "algorithm=30{06{2a8648ce3d040302}}", "issuer=30{31{30{06{550403}0c{'Issuing CA'}}}}",     \
        "validity=30{17{'260801000000Z'}17{'260831235959Z'}}", "key=30{" KEY "}",                  \
        "unique=", "extensions=a3{30{$aki $ski $ku $basic $eku $san $policies $cdp $aia $more}}",  \
        "aki=30{06{551d23}04{30{80{#20:aa}}}}", "more="

static const struct base bases[] = {
    {POLICY_LINT_CERTIFICATE,
     "",
     {CERT, "subject=30{31{30{06{550403}0c{'www.example.com'}}}}",
      "ski=", "ku=30{06{551d0f}0101ff04{03020780}}", "basic=30{06{551d13}0101ff04{3000}}",
      "eku=30{06{551d25}04{30{06{2b06010505070301}}}}",
      "san=30{06{551d11}04{30{82{'www.example.com'}82{'example.com'}}}}",
      "policies=30{06{551d20}04{30{30{06{67810c010201}}}}}",
      "cdp=30{06{551d1f}04{30{30{a0{a0{86{'http://crl.example.com/1.crl'}}}}}}}",
      "aia=30{06{2b06010505070101}04{30{30{06{2b06010505073001}86{'http://ocsp.example.com'}}"
      "30{06{2b06010505073002}86{'http://ca.example.com/i.cer'}}}}}"}},
    {POLICY_LINT_CERTIFICATE,
     "@ca",
     {CERT, "subject=30{31{30{06{550403}0c{'Sub CA'}}}}", "ski=30{06{551d0e}04{04{#20:bb}}}",
      "ku=30{06{551d0f}0101ff04{03020106}}", "basic=30{06{551d13}0101ff04{30{0101ff020100}}}",
      "eku=", "san=", "policies=30{06{551d20}04{30{30{06{67810c010201}}}}}",
      "cdp=30{06{551d1f}04{30{30{a0{a0{86{'http://crl.example.com/1.crl'}}}}}}}", "aia="}},
    {POLICY_LINT_CERTIFICATE,
     "@ocsp",
     {CERT, "subject=30{31{30{06{550403}0c{'OCSP responder'}}}}",
      "ski=", "ku=30{06{551d0f}0101ff04{03020780}}", "basic=", "san=", "policies=", "cdp=", "aia=",
      "eku=30{06{551d25}04{30{06{2b06010505070309}}}}$nocheck",
      "nocheck=30{06{2b0601050507300105}04{0500}}"}},
    {POLICY_LINT_CERTIFICATE,
     "@whole",
     {"=30{$tbs $outer $signature}",
      "tbs=30{a0{020102}020151$algorithm 30{31{30{06{550403}0c{'CA'}}}}"
      "30{17{'260801000000Z'}17{'260831235959Z'}}30{31{30{06{550403}0c{'a'}}}}30{" KEY "}}",
      "algorithm=30{06{2a8648ce3d040302}}", "outer=30{06{2a8648ce3d040302}}",
      "signature=03{00#8:22}"}},
    {POLICY_LINT_CRL,
     "",
     {"=30{$version $algorithm $issuer $this $next $list $extensions}", "version=020101",
      "algorithm=30{06{2a8648ce3d040302}}", "issuer=30{31{30{06{550403}0c{'Issuing CA'}}}}",
      "this=17{'260801000000Z'}", "next=17{'260808000000Z'}", "list=30{$first $entry}",
      "first=30{02{31}17{'260701000000Z'}}", "entry=30{$serial $date $details}",
      "serial=02{51a2b3c4}", "date=17{'260731000000Z'}", "details=30{$reason $invalidity}",
      "reason=30{06{551d15}04{0a0101}}", "invalidity=30{06{551d18}04{18{'20260730000000Z'}}}",
      "extensions=a0{30{$aki $number $idp $more}}", "aki=30{06{551d23}04{30{80{#20:aa}}}}",
      "number=30{06{551d14}04{02{07}}}",
      "idp=30{06{551d1c}0101ff04{30{a0{a0{86{'http://crl.example.com/1.crl'}}}8101ff}}}", "more="}},
    {POLICY_LINT_CRL,
     "@whole",
     {"=30{$tbs $outer $signature}",
      "tbs=30{020101 $algorithm "
      "30{31{30{06{550403}0c{'CA'}}}}17{'260801000000Z'}17{'260808000000Z'}}",
      "algorithm=30{06{2a8648ce3d040302}}", "outer=30{06{2a8648ce3d040302}}",
      "signature=03{00#8:22}"}},
    {POLICY_LINT_OCSP,
     "",
     {"=30{$version $responder $produced $responses $extensions}",
      "version=",
      "responder=a2{04{#20:aa}}",
      "produced=18{'20260801000000Z'}",
      "responses=30{$first $single}",
      "first=30{30{30{06{2b0e03021a}0500}04{#20:bb}04{#20:cc}020105}8000 18{'20260731230000Z'}"
      "a0{18{'20260802000000Z'}}}",
      "single=30{$id $status $this $next $details}",
      "id=30{$hash $name $key $serial}",
      "hash=30{06{2b0e03021a}0500}",
      "name=04{#20:bb}",
      "key=04{#20:cc}",
      "serial=02{51a2b3c4}",
      "status=a1{18{'20260701000000Z'}a0{0a0101}}",
      "this=18{'20260731230000Z'}",
      "next=a0{18{'20260802000000Z'}}",
      "details=a1{30{$archive}}",
      "archive=30{06{2b0601050507300106}04{18{'20250801000000Z'}}}",
      "extensions=a1{30{$nonce $more}}",
      "nonce=30{06{2b0601050507300102}04{04{#32:dd}}}",
      "more="}},
    {POLICY_LINT_OCSP,
     "@whole",
     {"=30{0a0100a0{30{06{2b0601050507300101}04{30{$data $outer $signature}}}}}",
      "data=30{a2{04{#20:aa}}18{'20260801000000Z'}30{30{30{30{06{2b0e03021a}}04{#20:bb}04{#20:cc}"
      "020105}8000 18{'20260731230000Z'}a0{18{'20260802000000Z'}}}}}",
      "outer=30{06{2a8648ce3d040302}}", "signature=03{00#8:22}"}},
};

enum policy_lint_kind lint_kind(const char *id)
{
    return strncmp(id, "lint.cert.", 10) == 0   ? POLICY_LINT_CERTIFICATE
           : strncmp(id, "lint.crl.", 9) == 0   ? POLICY_LINT_CRL
           : strncmp(id, "lint.ocsp.", 10) == 0 ? POLICY_LINT_OCSP
                                                : POLICY_LINT_NONE;
}

/* ---- the assembler ---- */

struct assembler {
    const struct base *base;
    const char *const *parts;
    unsigned depth;
};

/* The text of a part: of the case, else of the base. NULL when neither has it. */
static const char *part(const struct assembler *a, const char *name, size_t n)
{
    const char *const *lists[] = {a->parts, a->base->parts};
    for (size_t l = 0; l < 2; l++) {
        for (const char *const *p = lists[l]; p != NULL && *p != NULL; p++) {
            if (strncmp(*p, name, n) == 0 && (*p)[n] == '=') {
                return *p + n + 1;
            }
        }
    }
    return NULL;
}

static void assemble(struct assembler *a, const char **text, struct buf *out);

static void substitute(struct assembler *a, const char **p, struct buf *out)
{
    size_t n = strspn(*p, "abcdefghijklmnopqrstuvwxyz");
    const char *inner = part(a, *p, n);
    if (inner == NULL) {
        fail_msg("no part %.*s", (int)n, *p);
    }
    *p += n;
    assert_true(++a->depth < 16);
    assemble(a, &inner, out);
    assert_int_equal(*inner, 0);
    a->depth--;
}

static uint8_t hex_octet(const char **p)
{
    char two[3] = {(*p)[0], (*p)[1], 0};
    if (!isxdigit((unsigned char)two[0]) || !isxdigit((unsigned char)two[1])) {
        fail_msg("not hex: %s", *p);
    }
    *p += 2;
    return (uint8_t)strtoul(two, NULL, 16);
}

static void repeat(const char **p, struct buf *out)
{
    char *end;
    unsigned long n = strtoul(*p, &end, 10);
    assert_int_equal(*end, ':');
    *p = end + 1;
    uint8_t octet = hex_octet(p);
    for (unsigned long i = 0; i < n; i++) {
        assert_int_equal(buf_add_u8(out, octet), CH_OK);
    }
}

/* Writes up to the end of the text or to the '}' that closes it. */
static void assemble(struct assembler *a, const char **text, struct buf *out)
{
    const char *p = *text;
    while (*p != '\0' && *p != '}') {
        if (*p == ' ') {
            p++;
        } else if (*p == '$') {
            p++;
            substitute(a, &p, out);
        } else if (*p == '#') {
            p++;
            repeat(&p, out);
        } else if (*p == '\'') {
            size_t n = strcspn(++p, "'");
            assert_int_equal(buf_add(out, slice_of(p, n)), CH_OK);
            p += n + 1;
        } else {
            uint8_t octet = hex_octet(&p);
            if (*p != '{') {
                assert_int_equal(buf_add_u8(out, octet), CH_OK);
                continue;
            }
            struct buf inner CLEANUP(buf_clear);
            buf_init(&inner, 1 << 20);
            p++;
            assemble(a, &p, &inner);
            assert_int_equal(*p++, '}');
            assert_int_equal(der_put(out, octet, buf_slice(&inner)), CH_OK);
        }
    }
    *text = p;
}

void lint_der(enum policy_lint_kind kind, const char *const *parts, struct buf *out)
{
    const char *name = parts[0] != NULL && parts[0][0] == '@' ? parts[0] : "";
    struct assembler a = {.parts = name[0] == '@' ? parts + 1 : parts};
    for (size_t i = 0; i < sizeof bases / sizeof *bases; i++) {
        if (bases[i].kind == kind && strcmp(bases[i].name, name) == 0) {
            a.base = &bases[i];
        }
    }
    assert_non_null(a.base);
    const char *all = part(&a, "", 0);
    assert_non_null(all);
    assemble(&a, &all, out);
    assert_int_equal(*all, 0);
}

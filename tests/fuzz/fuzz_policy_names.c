/* policy: what rules about names are made of. The first octet picks the part; a newline parts
 * pattern and text, or names of a list. g glob   p path glob   d DNS name   s public suffix list n
 * network   w U-label */
#include <idn2.h>
#include <stdlib.h>

#include "policy/glob.h"
#include "policy/idna.h"
#include "policy/policy_int.h"
#include "policy/special.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void globs(struct slice a, struct slice b, bool path)
{
    if (path && policy_glob_path_ok(a)) {
        (void)policy_glob_path(a, b);
    }
    if (!path && policy_glob_ok(a) && slice_is_utf8(b)) {
        bool fits = policy_glob_match(a, b);
        bool plain = memchr(a.ptr, '*', a.len) == NULL && memchr(a.ptr, '?', a.len) == NULL;
        if (plain && fits != slice_eq(a, b)) {
            abort();
        }
    }
}

/* What registration of a name allows, looking it up allows (RFC 5891 5): libidn2's other entry. */
static void name(struct slice s)
{
    static const struct policy_list any = {NULL, 0};
    char text[256];
    uint8_t *found = NULL;
    if (!policy_text_dns(s, true, true)) {
        return;
    }
    (void)policy_special_name(s);
    if (policy_idna_wrong(s) != NULL) {
        return;
    }
    (void)policy_idna_scripts(s, &any);
    bool star = s.ptr[0] == '*';
    s = star ? slice_sub(s, 2, s.len) : s;
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    if (idn2_lookup_u8((const uint8_t *)text, &found, IDN2_NO_TR46) != IDN2_OK ||
        strcmp((const char *)found, text) != 0) {
        abort();
    }
    idn2_free(found);
}

static void suffixes(struct slice list, struct slice host)
{
    static const char head[] = "version: 1\nname: t\ncrl: {max_validity: 8d}\n";
    static const char profile[] =
        "name: p\nissuer: i\ncallers: ['/user/*']\nkeys: {types: [P-256]}\n"
        "signature_algorithms: [ecdsa-with-SHA256]\nvalidity: {max: 1d}\n"
        "subject: {}\nnames: {required: false}\nextensions: {}\n";
    struct policy_file files[] = {{"bundle.yaml", slice_str(head)},
                                  {"public_suffixes.dat", list},
                                  {"profiles/p.yaml", slice_str(profile)}};
    struct policy_bundle *b = NULL;
    struct diag d = {0};
    if (policy_bundle_compile(files, 3, &b, &d) == CH_OK) {
        (void)policy_suffixes_has(b, host, POLICY_SUFFIX_ALL);
        (void)policy_suffixes_has(b, host, POLICY_SUFFIX_ICANN);
        (void)policy_suffixes_knows(b, host);
        if (!policy_suffixes_has(b, slice_of("*.zz", 4), POLICY_SUFFIX_ALL)) {
            abort(); /* a last label alone is a suffix, whatever the list */
        }
        policy_bundle_free(b);
    }
}

static void network(struct slice s)
{
    char text[64];
    struct policy_net net;
    if (s.len < sizeof text && !slice_has_nul(s)) {
        memcpy(text, s.ptr, s.len);
        text[s.len] = '\0';
        if (policy_net_read(text, &net) && (net.bits > net.len * 8 || net.len % 12 != 4)) {
            abort();
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char ascii[POLICY_IDNA_TEXT];
    if (size < 2) {
        return 0;
    }
    struct slice in = slice_of(data + 1, size - 1);
    const uint8_t *end = memchr(in.ptr, '\n', in.len);
    size_t n = end == NULL ? in.len : (size_t)(end - in.ptr);
    struct slice first = slice_of(in.ptr, n), rest = slice_sub(in, n + 1, in.len);
    switch (data[0]) {
    case 'g':
    case 'p':
        globs(first, rest, data[0] == 'p');
        break;
    case 'd':
        name(in);
        break;
    case 's':
        suffixes(rest, first);
        break;
    case 'n':
        network(in);
        break;
    case 'w':
        if (policy_idna_ascii(in, ascii) && strlen(ascii) >= sizeof ascii) {
            abort();
        }
        break;
    default:
        (void)policy_special_address(in);
        break;
    }
    return 0;
}

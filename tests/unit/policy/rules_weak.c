/* Keys that are blocked or broken by their generator. */
#include <stdio.h>

#include "rules.h"
#include "weak_keys.h"

static void with_list(struct fix *f, const char *profile, const char *text)
{
    const struct policy_file list = {"blocklists/known-bad.txt", slice_str(text)};
    const struct policy_file other = {"blocklists/other.txt", slice_str("# none yet\n")};
    const struct policy_file more[] = {list, other};
    struct diag d = {0};
    policy_bundle_free(f->bundle);
    f->bundle = fix_bundle_with("", profile, more, 2, &d);
    if (f->bundle == NULL) {
        fail_msg("%s: %s", d.field, d.text);
    }
}
static void list_own_key(struct fix *f, const char *profile)
{
    char hex[65], text[128];
    hex_encode(f->request.spki_sha256, hex);
    (void)snprintf(text, sizeof text, "# one key\n%s\n", hex);
    with_list(f, profile, text);
}
static void rsa_of(struct fix *f, const char *modulus_hex)
{
    static const uint8_t e[] = {1, 0, 1};
    uint8_t n[512];
    size_t len;
    assert_int_equal(hex_decode(slice_str(modulus_hex), n, sizeof n, &len), CH_OK);
    fix_key(f, fix_spki_rsa(f, slice_of(n, len), slice_of(e, 3)));
    rules_usage_rsa(f);
}

CHANGE(key_blocked)
{
    list_own_key(f, "");
}
CHANGE(key_blocked_by_chosen_list)
{
    list_own_key(f, "blocklists: [known-bad]\n");
}
CHANGE(key_in_other_list)
{
    list_own_key(f, "blocklists: [other]\n");
}
CHANGE(key_not_in_list)
{
    with_list(f, "", "0000000000000000000000000000000000000000000000000000000000000000\n");
}
CHANGE(debian_key)
{
    rsa_of(f, WEAK_DEBIAN_MODULUS);
    with_list(f, "", WEAK_DEBIAN_LINE "\n");
}
CHANGE(debian_key_in_capitals)
{
    rsa_of(f, WEAK_DEBIAN_MODULUS);
    with_list(f, "", "8DF20E6961A16398B85A");
}
CHANGE(sound_key_beside_debian_list)
{
    rsa_of(f, WEAK_OTHER_MODULUS);
    with_list(f, "", WEAK_DEBIAN_LINE "\n");
}
CHANGE(debian_key_in_other_list)
{
    rsa_of(f, WEAK_DEBIAN_MODULUS);
    with_list(f, "blocklists: [other]\n", WEAK_DEBIAN_LINE "\n");
}
CHANGE(roca_key)
{
    rsa_of(f, WEAK_ROCA_MODULUS);
}
CHANGE(no_roca_key)
{
    rsa_of(f, WEAK_DEBIAN_MODULUS);
}

static const struct rule_case bad[] = {
    PLAN("key.blocked", key_blocked), PLAN("key.blocked", key_blocked_by_chosen_list),
    PLAN("key.debian", debian_key),   PLAN("key.debian", debian_key_in_capitals),
    PLAN("key.roca", roca_key),
};
static const struct rule_case good[] = {
    PLAN("key.blocked", key_in_other_list),
    PLAN("key.blocked", key_not_in_list),
    PLAN("key.debian", sound_key_beside_debian_list),
    PLAN("key.debian", debian_key_in_other_list),
    PLAN("key.roca", no_roca_key),
};
const struct rule_family rules_weak = RULES(bad, good);

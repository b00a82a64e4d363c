/* DNS names. Suffixes are found by walking a name's labels and searching a sorted list: linear in
 * the name. */
#include "policy/idna.h"
#include "policy/policy_int.h"
#include "policy/special.h"

/* Labels of `name` above its longest listed suffix; -1 when none is listed. */
static int labels_above(const struct policy_list *suffixes, struct slice name)
{
    for (int above = 0;; above++) {
        if (policy_list_has(suffixes, name)) {
            return above;
        }
        const uint8_t *dot = name.len == 0 ? NULL : memchr(name.ptr, '.', name.len);
        if (dot == NULL) {
            return -1;
        }
        name = slice_sub(name, (size_t)(dot - name.ptr) + 1, name.len);
    }
}

static bool is_wildcard(struct slice s)
{
    return s.len > 2 && s.ptr[0] == '*' && s.ptr[1] == '.';
}

/* A name in letters beyond ASCII gets its A-label form as the answer. */
static void say_syntax(struct policy_judge *j, struct policy_san_tally *t, struct slice s)
{
    char ascii[POLICY_IDNA_TEXT], text[POLICY_IDNA_TEXT + 32] = "write it in A-labels: ";
    if (policy_text_ascii(s) || t->required[POLICY_SAN_DNS_SYNTAX] != NULL ||
        t->bad[POLICY_SAN_DNS_SYNTAX].ptr != s.ptr || !policy_idna_ascii(s, ascii)) {
        return;
    }
    size_t n = strlen(text);
    memcpy(text + n, ascii, strlen(ascii) + 1);
    t->required[POLICY_SAN_DNS_SYNTAX] = policy_keep(j, slice_str(text));
}

static void look_idna(const struct policy_names *n, struct policy_san_tally *t, struct slice s)
{
    const char *wrong = policy_idna_wrong(s);
    policy_san_note(t, POLICY_SAN_DNS_IDNA, wrong == NULL, s, wrong);
    if (wrong == NULL) {
        const char *scripts = policy_idna_scripts(s, &n->scripts);
        policy_san_note(t, POLICY_SAN_DNS_SCRIPTS, scripts == NULL, s, scripts);
    }
}

/* Internal: of special use, or below a last label that the root zone does not have. */
static bool is_internal(const struct policy_bundle *b, struct slice s)
{
    return policy_special_name(s) || !policy_suffixes_knows(b, s);
}

void policy_san_look_dns(struct policy_judge *j, struct policy_san_tally *t, struct slice s)
{
    const struct policy_names *n = &j->p->names;
    bool good = policy_text_dns(s, true, n->a_labels), star = is_wildcard(s);
    int above = labels_above(&n->dns_suffixes, s);
    policy_san_note(t, POLICY_SAN_DNS_SYNTAX, good, s, NULL);
    if (!good) {
        say_syntax(j, t, s);
    } else if (policy_idna_has(s)) {
        look_idna(n, t, s);
    }
    policy_san_note(t, POLICY_SAN_DNS_ALLOWED,
                    above >= 0 || (!star && policy_list_has(&n->dns_exact, s)), s, NULL);
    /* A wildcard stands at most wildcard_depth labels above the listed suffix. */
    policy_san_note(t, POLICY_SAN_DNS_WILDCARD,
                    !star || (above > 0 && (unsigned)above <= n->wildcard_depth), s, NULL);
    if (n->guard != POLICY_SUFFIX_OFF) {
        policy_san_note(t, POLICY_SAN_DNS_SUFFIX, !policy_suffixes_has(j->b, s, n->guard), s, NULL);
    }
    if (n->internal != POLICY_INTERNAL_ALLOW) {
        bool internal = is_internal(j->b, s), only = n->internal == POLICY_INTERNAL_ONLY;
        policy_san_note(t, POLICY_SAN_DNS_INTERNAL, internal == only, s,
                        only ? "an internal name" : "no internal name");
    }
    policy_san_note(t, POLICY_SAN_SERVICE, !policy_service_name(j->b, s), s, NULL);
}

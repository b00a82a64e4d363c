/* TBSCertificate, version 3 only, without unique identifiers, with extensions. */
#include "policy/tbs.h"

static const char *read_extension(struct policy_walk *list, struct policy_tbs_extension *out)
{
    struct policy_walk in;
    struct slice flag;
    out->critical = false;
    if (!policy_walk_into(list, 0x30, &in) || !policy_walk_oid(&in, &out->oid)) {
        return "tbs.extensions";
    }
    if (policy_walk_tag(&in) == 0x01) {
        /* X.690 11.1, 11.5: TRUE is FF, the default FALSE is left out. */
        if (!policy_walk_take(&in, 0x01, &flag, NULL) || flag.len != 1 || flag.ptr[0] != 0xff) {
            return "tbs.extensions.critical";
        }
        out->critical = true;
    }
    if (!policy_walk_take(&in, 0x04, &out->value, NULL) || !policy_walk_done(&in)) {
        return "tbs.extensions.value";
    }
    return NULL;
}

static const char *read_extensions(struct policy_walk *w, struct policy_tbs *t)
{
    struct policy_walk outer, list;
    if (!policy_walk_into(w, 0xa3, &outer) || !policy_walk_into(&outer, 0x30, &list) ||
        !policy_walk_done(&outer) || policy_walk_done(&list)) {
        return "tbs.extensions";
    }
    while (!policy_walk_done(&list)) {
        if (t->n_extensions == POLICY_TBS_EXTENSIONS) {
            return "tbs.extensions";
        }
        const char *wrong = read_extension(&list, &t->extensions[t->n_extensions]);
        if (wrong != NULL) {
            return wrong;
        }
        t->n_extensions++;
    }
    return NULL;
}

static const char *read_head(struct policy_walk *w, struct policy_tbs *t)
{
    struct policy_walk version;
    struct slice s;
    if (!policy_walk_into(w, 0xa0, &version) || !policy_walk_take(&version, 0x02, &s, NULL) ||
        !policy_walk_done(&version) || s.len != 1 || s.ptr[0] != 2) {
        return "tbs.version";
    }
    if (!policy_walk_take(w, 0x02, &t->serial, NULL) || t->serial.len == 0 ||
        (t->serial.len > 1 && t->serial.ptr[0] == 0 && t->serial.ptr[1] < 0x80) ||
        (t->serial.len > 1 && t->serial.ptr[0] == 0xff && t->serial.ptr[1] >= 0x80)) {
        return "tbs.serial";
    }
    if (!policy_walk_take(w, 0x30, &s, &t->algorithm)) {
        return "tbs.signature";
    }
    if (!policy_walk_take(w, 0x30, &s, &t->issuer)) {
        return "tbs.issuer";
    }
    return NULL;
}

const char *policy_tbs_read(struct slice tbs, struct policy_tbs *out)
{
    struct policy_walk outer = policy_walk_of(tbs), w, validity;
    struct slice s;
    out->n_extensions = 0;
    if (tbs.len > POLICY_TBS_MAX || !policy_walk_into(&outer, 0x30, &w) ||
        !policy_walk_done(&outer)) {
        return "tbs";
    }
    const char *wrong = read_head(&w, out);
    if (wrong != NULL) {
        return wrong;
    }
    if (!policy_walk_into(&w, 0x30, &validity) ||
        !policy_walk_time(&validity, &out->not_before_s) ||
        !policy_walk_time(&validity, &out->not_after_s) || !policy_walk_done(&validity)) {
        return "tbs.validity";
    }
    if (!policy_walk_take(&w, 0x30, &s, &out->subject)) {
        return "tbs.subject";
    }
    if (!policy_walk_take(&w, 0x30, &s, &out->spki)) {
        return "tbs.subjectPublicKeyInfo";
    }
    wrong = read_extensions(&w, out); /* unique identifiers would stand before: refused */
    if (wrong != NULL) {
        return wrong;
    }
    return policy_walk_done(&w) ? NULL : "tbs";
}

const struct policy_tbs_extension *policy_tbs_find(const struct policy_tbs *tbs, struct slice oid)
{
    for (size_t i = 0; i < tbs->n_extensions; i++) {
        if (slice_eq(tbs->extensions[i].oid, oid)) {
            return &tbs->extensions[i];
        }
    }
    return NULL;
}

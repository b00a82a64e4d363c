/* Runs lints over one object; the table as a whole. */
#include <stdio.h>
#include <stdlib.h>

#include "policy/lint/cert.h"
#include "policy/lint/crl.h"
#include "policy/lint/ocsp.h"
#include "policy/lint/table.h"

/* ---- the table ---- */

size_t policy_lint_count(void)
{
    return policy_lint_cert_count + policy_lint_crl_count + policy_lint_ocsp_count;
}

size_t policy_lint_range(enum policy_lint_kind kind, size_t *out_first)
{
    switch (kind) {
    case POLICY_LINT_CERTIFICATE:
        *out_first = 0;
        return policy_lint_cert_count;
    case POLICY_LINT_CRL:
        *out_first = policy_lint_cert_count;
        return policy_lint_crl_count;
    case POLICY_LINT_OCSP:
        *out_first = policy_lint_cert_count + policy_lint_crl_count;
        return policy_lint_ocsp_count;
    case POLICY_LINT_NONE:
        break;
    }
    *out_first = 0;
    return 0;
}

const struct policy_lint *policy_lint_at(size_t i)
{
    if (i < policy_lint_cert_count) {
        return &policy_lint_cert_rows[i];
    }
    i -= policy_lint_cert_count;
    if (i < policy_lint_crl_count) {
        return &policy_lint_crl_rows[i];
    }
    i -= policy_lint_crl_count;
    return i < policy_lint_ocsp_count ? &policy_lint_ocsp_rows[i] : NULL;
}

size_t policy_lint_find(struct slice id)
{
    for (size_t i = 0; i < policy_lint_count(); i++) {
        if (slice_eq(id, slice_str(policy_lint_at(i)->id))) {
            return i;
        }
    }
    return POLICY_LINT_MAX;
}

unsigned policy_lint_set_named(struct slice name)
{
    if (slice_eq(name, slice_str("rfc5280"))) {
        return POLICY_LINT_SET_RFC5280;
    }
    return slice_eq(name, slice_str("cabf-server")) ? POLICY_LINT_SET_CABF_SERVER : 0;
}

void policy_lint_defaults(unsigned set, uint8_t out_severity[POLICY_LINT_MAX])
{
    memset(out_severity, POLICY_LINT_UNSET, POLICY_LINT_MAX);
    for (size_t i = 0; i < policy_lint_count(); i++) {
        const struct policy_lint *l = policy_lint_at(i);
        if ((l->sets & set) != 0) {
            out_severity[i] = (uint8_t)l->severity;
        }
    }
}

/* ---- running ---- */

static bool wanted(uint8_t severity)
{
    return severity == POLICY_LINT_WARNING || severity == POLICY_LINT_ERROR;
}

static void run_cert(struct slice der, const uint8_t *severity, struct policy_lint_result *out)
{
    struct policy_lint_cert c;
    policy_lint_cert_read(der, &c);
    for (size_t i = 0; i < policy_lint_cert_count; i++) {
        out[i].seen.form = POLICY_LINT_FORM_NONE;
        /* What cannot be read as a whole is that one finding: row 0. */
        out[i].outcome = wanted(severity[i]) && (c.wrong == NULL || i == 0)
                             ? policy_lint_cert_rows[i].cert(&c, &out[i].seen)
                             : POLICY_NA;
    }
}

/* The first finding of a lint that is asked for each item stays. */
static void add(struct policy_lint_result *r, enum policy_outcome outcome,
                const struct policy_lint_seen *seen)
{
    if (outcome == POLICY_FAIL && r->outcome != POLICY_FAIL) {
        r->seen = *seen;
    }
    r->outcome = policy_lint_worse(r->outcome, outcome);
}

static void run_crl(struct slice der, const uint8_t *severity, struct policy_lint_result *out)
{
    struct policy_lint_crl c;
    struct policy_lint_seen seen;
    policy_lint_crl_read(der, &c);
    for (size_t i = 0; i < policy_lint_crl_count; i++) {
        const struct policy_lint *l = &policy_lint_crl_rows[i];
        out[i].seen.form = POLICY_LINT_FORM_NONE;
        out[i].outcome = l->crl != NULL && wanted(severity[i]) && (c.wrong == NULL || i == 0)
                             ? l->crl(&c, &out[i].seen)
                             : POLICY_NA;
    }
    struct policy_lint_entry e = {.crl = &c};
    struct policy_walk w = policy_walk_of(c.entries);
    bool more = c.wrong == NULL;
    while (more) {
        more = policy_lint_entry_next(&w, &e);
        for (size_t i = 0; (more || e.wrong != NULL) && i < policy_lint_crl_count; i++) {
            const struct policy_lint *l = &policy_lint_crl_rows[i];
            bool der_only = e.wrong != NULL && l->entry != policy_lint_crl_entry_der;
            if (l->entry != NULL && wanted(severity[i]) && !der_only) {
                add(&out[i], l->entry(&e, &seen), &seen);
            }
        }
    }
}

static void run_ocsp(struct slice der, const uint8_t *severity, struct policy_lint_result *out)
{
    struct policy_lint_ocsp o;
    struct policy_lint_seen seen;
    policy_lint_ocsp_read(der, &o);
    for (size_t i = 0; i < policy_lint_ocsp_count; i++) {
        const struct policy_lint *l = &policy_lint_ocsp_rows[i];
        out[i].seen.form = POLICY_LINT_FORM_NONE;
        out[i].outcome = l->ocsp != NULL && wanted(severity[i]) && (o.wrong == NULL || i == 0)
                             ? l->ocsp(&o, &out[i].seen)
                             : POLICY_NA;
    }
    struct policy_lint_single s = {.answer = &o};
    struct policy_walk w = policy_walk_of(o.singles);
    bool more = o.wrong == NULL;
    while (more) {
        more = policy_lint_single_next(&w, &s);
        for (size_t i = 0; (more || s.wrong != NULL) && i < policy_lint_ocsp_count; i++) {
            const struct policy_lint *l = &policy_lint_ocsp_rows[i];
            bool der_only = s.wrong != NULL && l->single != policy_lint_ocsp_single_der;
            if (l->single != NULL && wanted(severity[i]) && !der_only) {
                add(&out[i], l->single(&s, &seen), &seen);
            }
        }
    }
}

void policy_lint_run(enum policy_lint_kind kind, struct slice der,
                     const uint8_t severity[POLICY_LINT_MAX],
                     struct policy_lint_result out[POLICY_LINT_MAX])
{
    size_t first;
    (void)policy_lint_range(kind, &first);
    switch (kind) {
    case POLICY_LINT_CERTIFICATE:
        run_cert(der, severity + first, out + first);
        break;
    case POLICY_LINT_CRL:
        run_crl(der, severity + first, out + first);
        break;
    case POLICY_LINT_OCSP:
        run_ocsp(der, severity + first, out + first);
        break;
    case POLICY_LINT_NONE:
        break;
    }
}

/* ---- what is it ---- */

/* Both are SEQUENCE { TBS, AlgorithmIdentifier, BIT STRING }. A TBSCertificate has the validity, a
 * SEQUENCE, after the issuer; a TBSCertList has a time there. */
static enum policy_lint_kind kind_of_tbs(struct policy_walk w)
{
    struct slice s;
    uint8_t tag;
    if (policy_walk_tag(&w) == 0xa1 || policy_walk_tag(&w) == 0xa2) {
        return POLICY_LINT_OCSP; /* ResponderID */
    }
    if (policy_walk_tag(&w) == 0xa0) {
        struct policy_walk next = w;
        if (!policy_lint_any(&next, &tag, &s, NULL)) {
            return POLICY_LINT_NONE;
        }
        return policy_walk_tag(&next) == 0x02 ? POLICY_LINT_CERTIFICATE : POLICY_LINT_OCSP;
    }
    if (policy_walk_tag(&w) == 0x02 && !policy_walk_take(&w, 0x02, &s, NULL)) {
        return POLICY_LINT_NONE;
    }
    for (int i = 0; i < 2; i++) { /* algorithm, issuer */
        if (!policy_walk_take(&w, 0x30, &s, NULL)) {
            return POLICY_LINT_NONE;
        }
    }
    tag = policy_walk_tag(&w);
    return tag == 0x30                  ? POLICY_LINT_CERTIFICATE
           : tag == 0x17 || tag == 0x18 ? POLICY_LINT_CRL
                                        : POLICY_LINT_NONE;
}

enum policy_lint_kind policy_lint_kind_of(struct slice der)
{
    struct policy_walk outer = policy_walk_of(der), w, tbs;
    if (!policy_walk_into(&outer, 0x30, &w)) {
        return POLICY_LINT_NONE;
    }
    if (policy_walk_tag(&w) == 0x0a) {
        return POLICY_LINT_OCSP; /* OCSPResponse: its status */
    }
    return policy_walk_into(&w, 0x30, &tbs) ? kind_of_tbs(tbs) : POLICY_LINT_NONE;
}

/* ---- texts ---- */

static bool printable(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

static void oid_text(struct slice oid, char out[POLICY_TEXT_MAX + 1])
{
    uint64_t v = 0;
    size_t at = 0;
    bool first = true;
    out[0] = '\0';
    for (size_t i = 0; i < oid.len && at + 24 < POLICY_TEXT_MAX; i++) {
        v = v << 7 | (oid.ptr[i] & 0x7f);
        if ((oid.ptr[i] & 0x80) != 0) {
            continue;
        }
        if (first) { /* X.690 8.19.4: two arcs in one */
            uint64_t top = v < 80 ? v / 40 : 2;
            at += (size_t)snprintf(out, POLICY_TEXT_MAX, "%llu.%llu", (unsigned long long)top,
                                   (unsigned long long)(v - top * 40));
        } else {
            at += (size_t)snprintf(out + at, POLICY_TEXT_MAX - at, ".%llu", (unsigned long long)v);
        }
        first = false;
        v = 0;
    }
}

void policy_lint_text(const struct policy_lint_seen *seen, char out[POLICY_TEXT_MAX + 1])
{
    out[0] = '\0';
    switch (seen->form) {
    case POLICY_LINT_FORM_NUMBER:
        (void)snprintf(out, POLICY_TEXT_MAX + 1, "%lld", (long long)seen->number);
        break;
    case POLICY_LINT_FORM_OID:
        oid_text(seen->octets, out);
        break;
    case POLICY_LINT_FORM_OCTETS:
        if (printable(seen->octets)) {
            struct slice s = slice_sub(seen->octets, 0, POLICY_TEXT_MAX);
            memcpy(out, s.len == 0 ? (const uint8_t *)"" : s.ptr, s.len);
            out[s.len] = '\0';
        } else {
            hex_encode(slice_sub(seen->octets, 0, POLICY_TEXT_MAX / 2), out);
        }
        break;
    case POLICY_LINT_FORM_NONE:
        break;
    }
}

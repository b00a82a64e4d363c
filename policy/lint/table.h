/* The parts of the table of lints, and the words of its rows. */
#ifndef CHANCERY_POLICY_LINT_TABLE_H
#define CHANCERY_POLICY_LINT_TABLE_H

#include "policy/lint/rules.h"

/* Sets of a row. */
enum {
    RFC = POLICY_LINT_SET_RFC5280 | POLICY_LINT_SET_CABF_SERVER,
    CABF = POLICY_LINT_SET_CABF_SERVER
};

extern const struct policy_lint policy_lint_cert_rows[], policy_lint_crl_rows[],
    policy_lint_ocsp_rows[];
extern const size_t policy_lint_cert_count, policy_lint_crl_count, policy_lint_ocsp_count;

#endif

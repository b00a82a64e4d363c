/* Public suffixes: domains directly below which anybody may register ("com", "co.uk"). The list is
 * the bundle's file public_suffixes.dat in the format of publicsuffix.org; libpsl searches it. */
#ifndef CHANCERY_POLICY_SUFFIXES_H
#define CHANCERY_POLICY_SUFFIXES_H

#include "policy/policy.h"

#define POLICY_SUFFIXES_MAX ((size_t)2 << 20) /* octets of the file: the list has a quarter MiB */

/* What counts: the domains of registries (section ICANN DOMAINS), or also those of companies that
 * let customers register below (PRIVATE DOMAINS: "github.io"). */
enum policy_suffix_guard { POLICY_SUFFIX_OFF = 0, POLICY_SUFFIX_ICANN, POLICY_SUFFIX_ALL };

struct psl_ctx_st;

/* policy_suffixes_compile reads public_suffixes.dat. Refused: more than POLICY_SUFFIXES_MAX, no
 * UTF-8, lines that are no rule, a list that is cut off. policy_suffixes_free frees what it made.
 */
enum chancery_err policy_suffixes_compile(struct policy_bundle *b, const struct policy_file *f,
                                          struct diag *diag) MUST_CHECK;
void policy_suffixes_free(struct psl_ctx_st *suffixes);

/* policy_suffixes_has says whether a lower-case host name in A-labels is a public suffix; of a
 * wildcard: whether what follows "*." is one. A last label that the list does not know counts. */
bool policy_suffixes_has(const struct policy_bundle *b, struct slice name,
                         enum policy_suffix_guard guard);
/* policy_suffixes_knows says whether the list has the name's last label: the root zone does. True
 * without a list. */
bool policy_suffixes_knows(const struct policy_bundle *b, struct slice name);

#endif

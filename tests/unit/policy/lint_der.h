/* DER from a text that people can read, for objects with one planted fault.
 *
 *   30{ 02{05} 'abc' }   tag and content; lengths are filled in
 *   2b0601               octets in hex; blanks are ignored
 *   'text'               ASCII
 *   #20:aa               20 times the octet aa
 *   $name                a part: its text replaces it */
#ifndef CHANCERY_TEST_POLICY_LINT_DER_H
#define CHANCERY_TEST_POLICY_LINT_DER_H

#include "cm.h"
#include "policy/lint/lint.h"

#define LINT_PARTS 8

/* One lint: an object that passes it and one that does not. Parts are "name=text"; "@name" takes
 * another base. NULL-terminated; none: the base as it is. */
struct lint_case {
    const char *id;
    const char *good[LINT_PARTS], *bad[LINT_PARTS];
};
extern const struct lint_case LINT_CASES[];
extern const size_t LINT_CASES_COUNT;

/* lint_der writes the object of a kind with these parts; fails the test when the text is wrong. */
void lint_der(enum policy_lint_kind kind, const char *const *parts, struct buf *out);
/* lint_kind tells the kind from a lint's id. */
enum policy_lint_kind lint_kind(const char *id);

#endif

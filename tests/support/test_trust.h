/* trust.json for tests: signed by a root made at test run time, as a ceremony would. */
#ifndef CHANCERY_TESTS_TEST_TRUST_H
#define CHANCERY_TESTS_TEST_TRUST_H

#include "base/bytes.h"

/* test_trust_sign replaces the JSON object in `text` (a final NUL is kept) by the same with a fresh
 * P-256 root as first issuer and the root's signature, in canonical form and with a final newline.
 * Ends the test when it cannot. */
void test_trust_sign(struct buf *text);

#endif

/* Identities for tests: an infrastructure CA in memory and folders with cert.pem, key.pem, ca.pem.
 */
#ifndef CHANCERY_TEST_IDENTITY_H
#define CHANCERY_TEST_IDENTITY_H

#include "base/bytes.h"

struct test_ca;

/* test_ca_new makes a P-256 CA. Every function here aborts the test program when it fails. */
struct test_ca *test_ca_new(const char *name);
void test_ca_free(struct test_ca *ca);

/* test_ca_issue writes an identity with a fresh P-256 key into `dir` (made when missing): URI SANs
 * `uris` (NULL-terminated), valid from an hour ago for `valid_s` from now (negative: expired). Each
 * file is replaced atomically: key first, then chain. */
void test_ca_issue_uris(struct test_ca *ca, const char *dir, const char *const *uris, long valid_s);
void test_ca_issue(struct test_ca *ca, const char *dir, const char *uri);

/* test_identity_spki writes the hex SHA-256 of the key in dir/cert.pem. */
void test_identity_spki(const char *dir, char out[65]);

/* test_write replaces dir/name by a text. */
void test_write(const char *dir, const char *name, const char *text);

/* test_tmpdir makes a fresh folder; test_rmdir removes it with its content. */
void test_tmpdir(char out[64]);
void test_rmdir(const char *dir);

#endif

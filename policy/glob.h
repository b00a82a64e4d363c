/* Globs: '*' is any run of characters, '?' one character, everything else stands for itself; there
 * is no escape. No backtracking beyond the last '*': the work is at most text times pattern, so
 * linear in the text, whatever either holds. */
#ifndef CHANCERY_POLICY_GLOB_H
#define CHANCERY_POLICY_GLOB_H

#include "base/bytes.h"

#define POLICY_GLOB_MAX 128 /* octets of one pattern: no attribute of a subject is much longer */
#define POLICY_GLOBS_MAX 64 /* patterns of one list, which are tried one after the other */

/* policy_glob_ok: 1 to POLICY_GLOB_MAX octets of clean UTF-8. */
bool policy_glob_ok(struct slice pattern);
/* policy_glob_match says whether the whole of `s` (valid UTF-8) fits; case counts. */
bool policy_glob_match(struct slice pattern, struct slice s);

/* policy_glob_path_ok: a pattern for the path of a SPIFFE ID: starts with '/', segments of letters,
 * digits, ". - _", '*' and '?'; "**" alone as last segment. */
bool policy_glob_path_ok(struct slice pattern);
/* policy_glob_path matches segment by segment: '*' stays within one, a last "**" takes one or more
 * whole segments. */
bool policy_glob_path(struct slice pattern, struct slice path);

#endif

/* International host names: what IDNA 2008 (RFC 5890 to 5893) says of A-labels (xn--...).
 *
 * Labels are judged by libidn2 with the rules for registration: no mapping; unassigned, disallowed
 * and misplaced characters are refused, and so is a label that is not in normal form C, begins
 * with a combining mark or breaks the Bidi rule. Characters are those of the Unicode version that
 * libidn2 and libunistring were built with: a newer library may know more, never fewer. Only names
 * that hold A-labels cost anything, some allocation included. */
#ifndef CHANCERY_POLICY_IDNA_H
#define CHANCERY_POLICY_IDNA_H

#include "policy/policy.h"

struct policy_list;

#define POLICY_IDNA_TEXT 254 /* a name and its NUL */

/* policy_idna_has says whether some label of a lower-case name is an A-label. */
bool policy_idna_has(struct slice name);
/* policy_idna_wrong returns NULL, or which rule the name breaks (static). `name` is a lower-case
 * LDH name (policy_text_dns); a first label "*" is left out. The Bidi rule is applied to every
 * label of a name that has right-to-left characters anywhere (RFC 5893 2). */
const char *policy_idna_wrong(struct slice name);
/* policy_idna_scripts returns NULL, or what is wrong with the scripts of a name that
 * policy_idna_wrong accepts: a label mixes scripts beyond what Japanese, Chinese and Korean do
 * (UTS 39 5.2, Highly Restrictive), or has one that is not in `listed` (Unicode names, sorted;
 * empty: any). */
const char *policy_idna_scripts(struct slice name, const struct policy_list *listed);
/* policy_idna_script_known says whether Unicode has a script of that name ("Latin"). */
bool policy_idna_script_known(struct slice name);
/* policy_idna_ascii writes the A-label form of a UTF-8 name for an error message: mapped to lower
 * case and normal form first. False when there is none. */
bool policy_idna_ascii(struct slice name, char out[POLICY_IDNA_TEXT]);

#endif

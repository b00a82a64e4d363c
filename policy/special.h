/* Names and addresses that belong to nobody on the Internet: what a public profile refuses. */
#ifndef CHANCERY_POLICY_SPECIAL_H
#define CHANCERY_POLICY_SPECIAL_H

#include "base/bytes.h"

/* policy_special_name says whether a lower-case host name is a single label or lies in a domain
 * that is reserved for internal or special use (IANA Special-Use Domain Names, ICANN .internal,
 * .arpa). A leading wildcard label does not hide it. */
bool policy_special_name(struct slice name);
/* policy_special_address says whether an address of 4 or 16 octets lies in IANA's special-purpose
 * registries (RFC 6890), is multicast, or is no global unicast address; other lengths: true. */
bool policy_special_address(struct slice address);

#endif

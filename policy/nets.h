/* Networks of addresses, searched by halving: ten thousand cost fourteen steps. */
#ifndef CHANCERY_POLICY_NETS_H
#define CHANCERY_POLICY_NETS_H

#include "conf/conf.h"
#include "policy/policy.h"

struct policy_net {
    uint8_t address[16];
    size_t len; /* 4 or 16 */
    unsigned bits;
};

/* Sorted by length, then address; none inside another. */
struct policy_nets {
    const struct policy_net *at;
    size_t n;
};

/* policy_net_read reads "10.1.0.0/16" or "2001:db8::/32"; host bits must be zero. */
bool policy_net_read(const char *text, struct policy_net *out);
/* policy_nets_compile reads list `key` of a map, which must be there; networks inside others are
 * left out. */
enum chancery_err policy_nets_compile(struct policy_bundle *b, const struct conf_node *map,
                                      const char *key, struct policy_nets *out,
                                      struct diag *diag) MUST_CHECK;
/* policy_nets_has says whether an address (4 or 16 octets) lies in one of the networks. */
bool policy_nets_has(const struct policy_nets *nets, struct slice address);

#endif

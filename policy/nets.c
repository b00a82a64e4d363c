/* Networks of addresses. */
#include "policy/nets.h"

#include <arpa/inet.h>
#include <stdlib.h>

#include "policy/policy_int.h"

/* Bits after the first `bits` must be zero: a network is written one way. */
static bool host_bits_zero(const struct policy_net *net)
{
    for (size_t i = net->bits; i < net->len * 8; i++) {
        if ((net->address[i / 8] >> (7 - i % 8) & 1) != 0) {
            return false;
        }
    }
    return true;
}

bool policy_net_read(const char *text, struct policy_net *out)
{
    char address[64];
    const char *slash = strchr(text, '/');
    if (slash == NULL || (size_t)(slash - text) >= sizeof address) {
        return false;
    }
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    *out = (struct policy_net){.len = strchr(address, ':') == NULL ? 4 : 16};
    const char *d = slash + 1;
    if (d[0] < '0' || d[0] > '9' || strlen(d) > 3 || (d[0] == '0' && d[1] != '\0') ||
        strspn(d, "0123456789") != strlen(d)) {
        return false;
    }
    out->bits = (unsigned)strtoul(d, NULL, 10);
    return inet_pton(out->len == 4 ? AF_INET : AF_INET6, address, out->address) == 1 &&
           out->bits <= out->len * 8 && host_bits_zero(out);
}

static bool inside(const struct policy_net *net, struct slice address)
{
    size_t octets = net->bits / 8;
    unsigned rest = net->bits % 8;
    return net->len == address.len && memcmp(net->address, address.ptr, octets) == 0 &&
           (rest == 0 || (net->address[octets] ^ address.ptr[octets]) >> (8 - rest) == 0);
}

/* By length, address, then the larger network first. */
static int by_address(const void *a, const void *b)
{
    const struct policy_net *x = a, *y = b;
    if (x->len != y->len) {
        return x->len < y->len ? -1 : 1;
    }
    int c = memcmp(x->address, y->address, x->len);
    return c != 0 ? c : (x->bits > y->bits) - (x->bits < y->bits);
}

enum chancery_err policy_nets_compile(struct policy_bundle *b, const struct conf_node *map,
                                      const char *key, struct policy_nets *out, struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(conf_list(map, key, CONF_REQUIRED, &list, diag));
    size_t n = conf_count(list), kept = 0;
    if (n == 0 || n > POLICY_LIST_MAX) {
        return conf_error(list, CH_LIMIT, "policy.list", diag, "\"%s\" must have 1 to %d entries",
                          key, POLICY_LIST_MAX);
    }
    struct policy_net *nets = arena_alloc(&b->arena, n * sizeof *nets);
    if (nets == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const char *text;
        TRY(conf_scalar(conf_at(list, i), &text, diag));
        if (!policy_net_read(text, &nets[i])) {
            return conf_error(conf_at(list, i), CH_INVALID, "policy.value", diag,
                              "a network is written 10.1.0.0/16 or 2001:db8::/32, host bits zero");
        }
    }
    qsort(nets, n, sizeof *nets, by_address);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || !inside(&nets[kept - 1], slice_of(nets[i].address, nets[i].len))) {
            nets[kept++] = nets[i];
        }
    }
    *out = (struct policy_nets){nets, kept};
    return CH_OK;
}

bool policy_nets_has(const struct policy_nets *nets, struct slice address)
{
    struct policy_net wanted = {.len = address.len, .bits = 8 * sizeof wanted.address};
    size_t low = 0, high = nets->n;
    if (address.len != 4 && address.len != 16) {
        return false;
    }
    memcpy(wanted.address, address.ptr, address.len);
    while (low < high) { /* the first network that begins after the address */
        size_t mid = low + (high - low) / 2;
        if (by_address(&nets->at[mid], &wanted) <= 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    /* None lies inside another, so only the one before can hold the address. */
    return low > 0 && inside(&nets->at[low - 1], address);
}

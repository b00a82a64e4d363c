/* Weak RSA moduli: a prime factor below 2^16, or factors so close that Fermat's method finds them.
 *
 * Trial division takes four primes at a time and divides from the low end (Hensel): one
 * multiplication per limb, no long division. Fermat: n = a^2 - b^2 with a just above sqrt(n).
 * Fixed-size arithmetic on 64-bit limbs, little end first; moduli are public, nothing here is
 * constant-time. */
#include <stdlib.h>

#include "policy/policy_int.h"

#define PRIME_LIMIT 65536
#define LIMBS 64 /* 4096 bits */
#define WIDE (LIMBS + 2)

/* ---- trial division ---- */

/* Inverse of odd p modulo 2^64 by Newton's iteration: each step doubles the right bits. */
static uint64_t inverse_of(uint64_t p)
{
    uint64_t x = p; /* right to 3 bits */
    for (int i = 0; i < 5; i++) {
        x *= 2 - p * x;
    }
    return x;
}

static void add_prime(struct policy_bundle *b, uint16_t prime, size_t *count)
{
    struct policy_prime_group *g = &b->groups[*count / 4];
    g->product = *count % 4 == 0 ? prime : g->product * prime;
    g->primes[*count % 4] = prime;
    (*count)++;
    g->inverse = inverse_of(g->product);
    b->n_groups = *count / 4 + (*count % 4 == 0 ? 0 : 1);
}

enum chancery_err policy_primes_make(struct policy_bundle *b)
{
    uint8_t *composite = calloc(PRIME_LIMIT, 1);
    b->groups =
        arena_alloc(&b->arena, (6541 / 4 + 1) * sizeof *b->groups); /* odd primes below 2^16 */
    if (composite == NULL || b->groups == NULL) {
        free(composite);
        return CH_NOMEM;
    }
    size_t count = 0;
    for (uint32_t i = 3; i < PRIME_LIMIT; i += 2) {
        if (composite[i] == 0) {
            add_prime(b, (uint16_t)i, &count);
            for (uint32_t k = i; (uint64_t)k * i < PRIME_LIMIT; k += 2) {
                composite[k * i] = 1;
            }
        }
    }
    free(composite);
    return CH_OK;
}

/* Big-endian octets to limbs; 0 when too long. */
static size_t to_limbs(struct slice n, uint64_t out[LIMBS])
{
    while (n.len > 0 && n.ptr[0] == 0) {
        n = slice_sub(n, 1, n.len);
    }
    if (n.len > LIMBS * 8) {
        return 0;
    }
    size_t limbs = (n.len + 7) / 8;
    memset(out, 0, LIMBS * sizeof *out);
    for (size_t i = 0; i < n.len; i++) {
        size_t at = n.len - 1 - i;
        out[i / 8] |= (uint64_t)n.ptr[at] << (8 * (i % 8));
    }
    return limbs;
}

uint32_t policy_primes_factor(const struct policy_bundle *b, struct slice n)
{
    uint64_t limb[LIMBS];
    size_t limbs = to_limbs(n, limb);
    for (size_t g = 0; limbs > 0 && g < b->n_groups; g++) {
        const struct policy_prime_group *group = &b->groups[g];
        uint64_t carry = 0;
        for (size_t i = 0; i < limbs; i++) {
            uint64_t rest = limb[i] - carry;
            uint64_t borrow = limb[i] < carry ? 1 : 0;
            uint64_t q = rest * group->inverse;
            carry = (uint64_t)(((unsigned __int128)q * group->product) >> 64) + borrow;
        }
        /* n = -carry * 2^(64 limbs) modulo the product, so a prime divides n as it divides carry.
         */
        for (size_t i = 0; i < 4; i++) {
            if (group->primes[i] != 0 && carry % group->primes[i] == 0) {
                return group->primes[i];
            }
        }
    }
    return 0;
}

/* ---- close primes ---- */

struct wide {
    uint64_t limb[WIDE];
};

static int wide_cmp(const struct wide *a, const struct wide *b, size_t len)
{
    for (size_t i = len; i > 0; i--) {
        if (a->limb[i - 1] != b->limb[i - 1]) {
            return a->limb[i - 1] < b->limb[i - 1] ? -1 : 1;
        }
    }
    return 0;
}

static void wide_sub(struct wide *a, const struct wide *b, size_t len)
{
    uint64_t borrow = 0;
    for (size_t i = 0; i < len; i++) {
        uint64_t x = a->limb[i], y = b->limb[i];
        a->limb[i] = x - y - borrow;
        borrow = x < y || (x == y && borrow != 0) ? 1 : 0;
    }
}

static void wide_add(struct wide *a, const struct wide *b, size_t len)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < len; i++) {
        unsigned __int128 s = (unsigned __int128)a->limb[i] + b->limb[i] + carry;
        a->limb[i] = (uint64_t)s;
        carry = (uint64_t)(s >> 64);
    }
}

/* a = a * 2^bits + low, bits 1 or 2 */
static void wide_shift(struct wide *a, unsigned bits, uint64_t low, size_t len)
{
    for (size_t i = len; i > 1; i--) {
        a->limb[i - 1] = a->limb[i - 1] << bits | a->limb[i - 2] >> (64 - bits);
    }
    a->limb[0] = a->limb[0] << bits | low;
}

/* root = floor(sqrt(n)), rest = n - root^2, two bits of n per step. */
static void square_root(const struct wide *n, size_t limbs, struct wide *root, struct wide *rest)
{
    *root = (struct wide){{0}};
    *rest = (struct wide){{0}};
    size_t pairs = limbs * 32;
    for (size_t i = 0; i < pairs; i++) {
        size_t at = pairs - 1 - i, len = i / 64 + 2 > WIDE ? WIDE : i / 64 + 2;
        struct wide trial;
        wide_shift(rest, 2, n->limb[at / 32] >> (2 * (at % 32)) & 3, len);
        memcpy(trial.limb, root->limb, len * sizeof *trial.limb);
        wide_shift(&trial, 2, 1, len);
        wide_shift(root, 1, 0, len);
        if (wide_cmp(rest, &trial, len) >= 0) {
            wide_sub(rest, &trial, len);
            root->limb[0] |= 1;
        }
    }
}

static bool is_zero(const struct wide *a)
{
    uint64_t any = 0;
    for (size_t i = 0; i < WIDE; i++) {
        any |= a->limb[i];
    }
    return any == 0;
}

static bool residue(uint32_t v, uint32_t m)
{
    for (uint32_t x = 0; x <= m / 2; x++) {
        if (x * x % m == v % m) {
            return true;
        }
    }
    return false;
}

/* False for 99 of 100 numbers that are no square, always true for squares: looks at n modulo 64,
 * 63, 65 and 11. */
static bool may_be_square(const struct wide *n, size_t limbs)
{
    if ((0x0202021202030213ULL >> (n->limb[0] & 63) & 1) == 0) {
        return false;
    }
    uint64_t r = 0;
    for (size_t i = limbs; i > 0; i--) {
        uint64_t limb = n->limb[i - 1];
        r = (r << 32 | limb >> 32) % 45045; /* 63 * 65 * 11 */
        r = (r << 32 | (limb & 0xffffffff)) % 45045;
    }
    return residue((uint32_t)r, 63) && residue((uint32_t)r, 65) && residue((uint32_t)r, 11);
}

static bool is_square(const struct wide *n, size_t limbs)
{
    while (limbs > 1 && n->limb[limbs - 1] == 0) {
        limbs--;
    }
    if (!may_be_square(n, limbs)) {
        return false;
    }
    struct wide root, rest;
    square_root(n, limbs, &root, &rest);
    return is_zero(&rest);
}

bool policy_primes_close(struct slice modulus, unsigned rounds)
{
    struct wide n = {{0}}, root, rest, gap, step;
    size_t limbs = to_limbs(modulus, n.limb);
    static const struct wide one = {{1}}, two = {{2}};
    if (limbs == 0) {
        return true; /* longer than this arithmetic: refuse */
    }
    square_root(&n, limbs, &root, &rest);
    if (is_zero(&rest)) {
        return true; /* p = q */
    }
    step = root; /* 2 root + 1 = (root+1)^2 - root^2 */
    wide_add(&step, &root, WIDE);
    wide_add(&step, &one, WIDE);
    gap = step; /* (root+1)^2 - n */
    wide_sub(&gap, &rest, WIDE);
    for (unsigned i = 0; i < rounds; i++) {
        if (is_square(&gap, limbs)) {
            return true;
        }
        wide_add(&step, &two, WIDE);
        wide_add(&gap, &step, WIDE);
    }
    return false;
}

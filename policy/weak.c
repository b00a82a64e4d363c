/* The fingerprint of ROCA (CVE-2017-15361; Nemec et al., "The Return of Coppersmith's Attack", CCS
 * 2017, 2.3 and 4.2).
 *
 * Infineon's library made primes p = k * M + (65537^a mod M), M being the product of the first
 * primes. So a modulus is a power of 65537 modulo each of these small primes, which a random one is
 * modulo all of them once in 2 * 10^8. M of 512-bit keys ends at 167, and longer keys' M are its
 * multiples: the primes up to 167 tell all sizes. Of these only those matter in whose group 65537
 * does not generate everything. */
#include "policy/blocklists.h"

#define GENERATOR 65537U

/* Odd primes up to 167 in whose multiplicative group 65537 is no generator, those that refuse most
 * first; a test derives the list. */
static const uint8_t primes[] = {97, 37, 11, 79, 61,  73,  127, 151, 13,
                                 17, 19, 53, 71, 103, 107, 109, 157};

static uint32_t modulo(struct slice n, uint32_t p)
{
    uint64_t r = 0;
    size_t i = n.len % 4;
    for (size_t k = 0; k < i; k++) {
        r = (r << 8 | n.ptr[k]) % p;
    }
    for (; i < n.len; i += 4) {
        uint32_t word = (uint32_t)n.ptr[i] << 24 | (uint32_t)n.ptr[i + 1] << 16 |
                        (uint32_t)n.ptr[i + 2] << 8 | n.ptr[i + 3];
        r = (r << 32 | word) % p;
    }
    return (uint32_t)r;
}

/* Whether r is a power of 65537 modulo p: the powers are few, and end at 1. */
static bool is_power(uint32_t r, uint32_t p)
{
    uint32_t x = 1;
    do {
        if (x == r) {
            return true;
        }
        x = x * (GENERATOR % p) % p;
    } while (x != 1);
    return false;
}

bool policy_weak_roca(struct slice modulus)
{
    for (size_t i = 0; i < sizeof primes; i++) {
        if (!is_power(modulo(modulus, primes[i]), primes[i])) {
            return false;
        }
    }
    return modulus.len > 0;
}

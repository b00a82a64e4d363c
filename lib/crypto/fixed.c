/* ECDSA P-256 verification for keys that verify for as long as the process lives.
 *
 * The cost of a verification is u1*G + u2*Q. OpenSSL has a table for the generator G; making Q the
 * generator of a second group gives Q one too, and the verification takes less than half the time.
 * SEC 1 4.1.4, FIPS 186-5 6.4.2. This path only ever says "valid": whatever it does not accept, a
 * broken encoding included, goes to OpenSSL's own verification, whose word counts. */
#define OPENSSL_SUPPRESS_DEPRECATED /* EC_GROUP_precompute_mult, EC_POINT_get_Jprojective_... */
#include <stdlib.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>

#include "crypto/public_int.h"
#include "der/der.h"

#define FIELD 32 /* octets of a coordinate and of the order */

struct crypto_fixed {
    EC_GROUP *g, *q; /* the curve; the same with the public key as its generator */
};

void crypto_fixed_free(struct crypto_fixed *f)
{
    if (f != NULL) {
        EC_GROUP_free(f->g);
        EC_GROUP_free(f->q);
        free(f);
    }
}

static bool make_groups(struct crypto_fixed *f, struct slice point)
{
    f->g = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    f->q = f->g == NULL ? NULL : EC_GROUP_dup(f->g);
    EC_POINT *key = f->q == NULL ? NULL : EC_POINT_new(f->g);
    BN_CTX *ctx = BN_CTX_new();
    bool made = key != NULL && ctx != NULL &&
                EC_POINT_oct2point(f->g, key, point.ptr, point.len, ctx) == 1 &&
                EC_GROUP_set_generator(f->q, key, EC_GROUP_get0_order(f->g), BN_value_one()) == 1 &&
                EC_GROUP_precompute_mult(f->q, ctx) == 1;
    EC_POINT_free(key);
    BN_CTX_free(ctx);
    return made;
}

struct crypto_fixed *crypto_fixed_new(struct slice point)
{
    struct crypto_fixed *f = calloc(1, sizeof *f);
    if (f != NULL && !make_groups(f, point)) {
        ERR_clear_error();
        crypto_fixed_free(f);
        return NULL;
    }
    return f;
}

/* ECDSA-Sig-Value ::= SEQUENCE { r INTEGER, s INTEGER } (RFC 3279 2.2.3), strict DER. */
static bool read_signature(struct slice signature, struct slice *r, struct slice *s)
{
    struct der_reader all = der_reader_of(signature), in;
    return der_enter(&all, DER_SEQUENCE, &in) == CH_OK && der_finish(&all) == CH_OK &&
           der_read_integer(&in, r) == CH_OK && der_read_integer(&in, s) == CH_OK &&
           der_finish(&in) == CH_OK && r->len <= FIELD + 1 && s->len <= FIELD + 1 &&
           (r->ptr[0] & 0x80) == 0 && (s->ptr[0] & 0x80) == 0;
}

struct numbers {
    BIGNUM *e, *r, *s, *w, *u1, *u2, *x, *zz;
};

static bool take_numbers(struct numbers *n, BN_CTX *ctx)
{
    n->e = BN_CTX_get(ctx);
    n->r = BN_CTX_get(ctx);
    n->s = BN_CTX_get(ctx);
    n->w = BN_CTX_get(ctx);
    n->u1 = BN_CTX_get(ctx);
    n->u2 = BN_CTX_get(ctx);
    n->x = BN_CTX_get(ctx);
    n->zz = BN_CTX_get(ctx);
    return n->zz != NULL;
}

static bool load(struct slice s, BIGNUM *out)
{
    return BN_bin2bn(s.ptr, (int)s.len, out) != NULL;
}

static bool in_range(const BIGNUM *v, const BIGNUM *order)
{
    return !BN_is_zero(v) && BN_cmp(v, order) < 0;
}

static bool scalars(const struct numbers *n, const BIGNUM *order, BN_CTX *ctx)
{
    return BN_mod_inverse(n->w, n->s, order, ctx) != NULL &&
           BN_mod_mul(n->u1, n->e, n->w, order, ctx) == 1 &&
           BN_mod_mul(n->u2, n->r, n->w, order, ctx) == 1;
}

/* Whether x of u1*G + u2*Q, modulo the order, is r. In Jacobian coordinates x is X / Z^2 modulo p;
 * comparing X with r * Z^2 saves the division. x below p and above the order has the second form.
 */
static bool x_is(const BIGNUM *r, const struct numbers *n, const BIGNUM *p, BN_CTX *ctx)
{
    return BN_mod_mul(n->e, r, n->zz, p, ctx) == 1 && BN_cmp(n->e, n->x) == 0;
}

static bool point_is(const struct crypto_fixed *f, const struct numbers *n, const BIGNUM *order,
                     BN_CTX *ctx)
{
    EC_POINT *a = EC_POINT_new(f->g), *b = EC_POINT_new(f->q);
    const BIGNUM *p = EC_GROUP_get0_field(f->g);
    bool made = a != NULL && b != NULL && EC_POINT_mul(f->g, a, n->u1, NULL, NULL, ctx) == 1 &&
                EC_POINT_mul(f->q, b, n->u2, NULL, NULL, ctx) == 1 &&
                EC_POINT_add(f->g, a, a, b, ctx) == 1 && !EC_POINT_is_at_infinity(f->g, a) &&
                EC_POINT_get_Jprojective_coordinates_GFp(f->g, a, n->x, NULL, n->zz, ctx) == 1 &&
                BN_mod_sqr(n->zz, n->zz, p, ctx) == 1;
    EC_POINT_free(a);
    EC_POINT_free(b);
    if (!made || x_is(n->r, n, p, ctx)) {
        return made;
    }
    return BN_add(n->w, n->r, order) == 1 && BN_cmp(n->w, p) < 0 && x_is(n->w, n, p, ctx);
}

static bool valid(const struct crypto_fixed *f, struct slice digest, struct slice r, struct slice s,
                  BN_CTX *ctx)
{
    const BIGNUM *order = EC_GROUP_get0_order(f->g);
    struct numbers n;
    return take_numbers(&n, ctx) && load(digest, n.e) && load(r, n.r) && load(s, n.s) &&
           in_range(n.r, order) && in_range(n.s, order) && scalars(&n, order, ctx) &&
           point_is(f, &n, order, ctx);
}

bool crypto_fixed_valid(const struct crypto_fixed *f, struct slice digest, struct slice signature)
{
    struct slice r, s;
    if (digest.len != FIELD || !read_signature(signature, &r, &s)) {
        return false;
    }
    BN_CTX *ctx = BN_CTX_new();
    if (ctx == NULL) {
        return false;
    }
    BN_CTX_start(ctx);
    bool good = valid(f, digest, r, s, ctx);
    BN_CTX_end(ctx);
    BN_CTX_free(ctx);
    if (!good) {
        ERR_clear_error();
    }
    return good;
}

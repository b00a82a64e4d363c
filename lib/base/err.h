/* Error codes and diagnostics: what every fallible function of Chancery returns.
 *
 * One enum for all modules; lib/rpc maps it to gRPC status codes and each gateway to its protocol.
 * Detail for people (which field, which rule, which RFC section) travels in an explicit
 * struct diag passed last; NULL means the caller does not want it. No thread-local state. */
#ifndef CHANCERY_BASE_ERR_H
#define CHANCERY_BASE_ERR_H

#include <stdarg.h>
#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define CLEANUP(fn) __attribute__((cleanup(fn)))

enum chancery_err {
    CH_OK = 0,
    CH_INVALID,     /* the caller's value breaks a rule (field and rule in diag) */
    CH_MALFORMED,   /* bytes that do not parse */
    CH_LIMIT,       /* larger, longer or more than a named limit */
    CH_UNSUPPORTED, /* well formed, not implemented or not enabled here */
    CH_NOT_FOUND,
    CH_EXISTS,          /* same key, other content (idempotency, uniqueness) */
    CH_CONFLICT,        /* lost a race; retrying from the start may succeed */
    CH_DENIED,          /* identity known, not allowed */
    CH_UNAUTHENTICATED, /* identity not proven */
    CH_REFUSED,         /* policy judged and refused */
    CH_PRECONDITION,    /* state does not allow it (replayed permit, fenced epoch, wrong order) */
    CH_BUSY,            /* overloaded: shed, retry with back-off */
    CH_UNAVAILABLE,     /* a part that is needed is away; nothing happened; retry */
    CH_DEADLINE,
    CH_CANCELLED,
    CH_UNKNOWN,   /* outcome not known: look up before retrying */
    CH_INTEGRITY, /* stored or received data contradicts itself: stop and page someone */
    CH_CRYPTO,    /* signature or key check failed, or the crypto library refused */
    CH_HSM,       /* PKCS#11 failed */
    CH_DB,        /* database refused for a reason that retrying does not heal */
    CH_IO,
    CH_NOMEM,
    CH_END,      /* end of a stream or listing; not a failure */
    CH_INTERNAL, /* a bug; always logged */
    CH_ERR_COUNT
};

/* err_name returns the stable upper-case name of `err` ("INVALID"), never NULL. */
const char *err_name(enum chancery_err err);

/* err_from_name returns the code with that name, CH_INTERNAL when there is none. */
enum chancery_err err_from_name(const char *name);

/* Where and why something was refused. Fixed size: filling it cannot fail; text is cut to fit. */
struct diag {
    char field[96];         /* path of the offending field, "csr.subject.CN"; "" when none */
    char rule[64];          /* stable rule id, "csr.signature", "rsa.modulus.even" */
    char text[320];         /* one sentence: what is wrong and what to do */
    char reference[64];     /* "RFC 5280 4.1.2.2"; "" when none */
    unsigned retry_after_s; /* the same again may succeed after so many seconds; 0: not known */
};

/* diag_set fills `d` (may be NULL) and returns `err`, so that `return diag_set(...)` reads well. */
enum chancery_err diag_set(struct diag *d, enum chancery_err err, const char *field,
                           const char *rule, const char *fmt, ...) PRINTF_LIKE(5, 6);

/* diag_ref sets the document reference of an already filled `d` and returns `err`. */
enum chancery_err diag_ref(struct diag *d, enum chancery_err err, const char *reference);

/* diag_clear makes `d` empty. */
void diag_clear(struct diag *d);

/* TRY(call): evaluates `call` once; returns its error from the enclosing function unless CH_OK. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum chancery_err try_err_ = (call);                                                       \
        if (try_err_ != CH_OK) {                                                                   \
            return try_err_;                                                                       \
        }                                                                                          \
    } while (0)

#endif

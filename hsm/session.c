/* The session pool: sessions are opened when first needed, up to the configured number, and reused.
 *
 * Opened lazily because a network HSM may grant fewer than asked for: CKR_SESSION_COUNT lowers the
 * pool to what exists. A session that saw an unexpected error is closed, never reused: its state is
 * unknown. */
#include "hsm/hsm_int.h"

#include "os/os.h"

static bool session_usable(const struct hsm_token *t, const struct hsm_key *k)
{
    return t->m->ready && !t->m->exclusive && t->attached &&
           (k == NULL || k->state == HSM_KEY_GOOD);
}

/* Waits for a state change; false when the time is over. */
static bool session_wait(struct hsm_module *m, int64_t until_ms)
{
    if (os_mono_ms() >= until_ms) {
        return false;
    }
    struct timespec at = {.tv_sec = until_ms / 1000, .tv_nsec = (until_ms % 1000) * 1000000};
    m->waiters++;
    (void)pthread_cond_timedwait(&m->changed, &m->lock, &at);
    m->waiters--;
    return true;
}

static enum chancery_err session_refuse(const struct hsm_token *t, const struct hsm_key *k,
                                        struct diag *diag)
{
    if (t->pin_refused) {
        return diag_set(diag, CH_UNAVAILABLE, "hsm", "hsm.pin",
                        "the token refused the PIN; it is not tried again before a restart");
    }
    if (!session_usable(t, k)) {
        return diag_set(diag, CH_UNAVAILABLE, "hsm", "hsm.recovering",
                        "the token or the key is being recovered; retry");
    }
    return diag_set(diag, CH_BUSY, "hsm", "hsm.sessions", "no session became free in time; retry");
}

/* Opens one more session. The caller counted it in n_open and active already. */
static enum chancery_err session_open(struct hsm_token *t, CK_SESSION_HANDLE *out, bool *out_again,
                                      struct diag *diag)
{
    CK_RV rv;
    HSM_CALL(rv, t->deadline_ms, t->m, C_OpenSession, t->slot, CKF_SERIAL_SESSION, NULL, NULL, out);
    if (rv == CKR_OK) {
        return CH_OK;
    }
    (void)pthread_mutex_lock(&t->m->lock);
    t->n_open--;
    t->m->active--;
    *out_again = rv == CKR_SESSION_COUNT && t->n_open > 0;
    if (*out_again) {
        t->max_sessions = t->n_open;
    }
    (void)pthread_cond_broadcast(&t->m->changed);
    (void)pthread_mutex_unlock(&t->m->lock);
    if (!*out_again) {
        hsm_recover_request(t->m, hsm_rv_name(rv));
    }
    return hsm_rv_set(diag, CH_UNAVAILABLE, "C_OpenSession", rv);
}

enum chancery_err hsm_session_take(struct hsm_token *t, const struct hsm_key *k, int64_t until_ms,
                                   CK_SESSION_HANDLE *out, struct diag *diag)
{
    struct hsm_module *m = t->m;
    (void)pthread_mutex_lock(&m->lock);
    for (;;) {
        if (t->pin_refused || m->closing) {
            break;
        }
        if (session_usable(t, k) && t->n_idle > 0) {
            *out = t->idle[--t->n_idle];
            m->active++;
            (void)pthread_mutex_unlock(&m->lock);
            return CH_OK;
        }
        if (session_usable(t, k) && t->n_open < t->max_sessions) {
            bool again = false;
            t->n_open++;
            m->active++;
            (void)pthread_mutex_unlock(&m->lock);
            enum chancery_err err = session_open(t, out, &again, diag);
            if (err == CH_OK || !(again || os_mono_ms() < until_ms)) {
                return err;
            }
            (void)pthread_mutex_lock(&m->lock);
            continue;
        }
        if (!session_wait(m, until_ms)) {
            break;
        }
    }
    enum chancery_err err = session_refuse(t, k, diag);
    (void)pthread_mutex_unlock(&m->lock);
    return err;
}

void hsm_session_put(struct hsm_token *t, CK_SESSION_HANDLE session, bool good)
{
    struct hsm_module *m = t->m;
    if (!good) {
        CK_RV ignored;
        HSM_CALL(ignored, t->deadline_ms, m, C_CloseSession, session);
        (void)ignored; /* it may be gone already, that is why it is closed */
    }
    (void)pthread_mutex_lock(&m->lock);
    if (good && t->n_idle < HSM_SESSIONS_MAX) {
        t->idle[t->n_idle++] = session;
    } else {
        t->n_open--;
    }
    m->active--;
    if (m->waiters > 0 || m->active == 0) {
        (void)pthread_cond_broadcast(&m->changed);
    }
    (void)pthread_mutex_unlock(&m->lock);
}

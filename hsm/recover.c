/* Recovery: one thread per module that brings tokens and keys back after an unexpected error.
 *
 * Attempt: drain (no thread inside), C_Finalize, C_Initialize, find each token by label, log in,
 * find each key by label and id, compare its public key with the one first opened, resume; then
 * each key signs its probe and the signature is verified before anyone may use it. A failed attempt
 * is repeated with back-off, for ever: the fault may be a rebooting network HSM. A refused PIN is
 * never repeated. Nothing less than C_Finalize heals all known faults: SoftHSM keeps stale handles
 * after its files come back. */
#include "hsm/hsm_int.h"

#include "log/log.h"
#include "os/os.h"

#define RECOVER_PROBE_WAIT_MS 1000

void hsm_recover_request(struct hsm_module *m, const char *why)
{
    (void)pthread_mutex_lock(&m->lock);
    bool first = !m->wanted;
    m->wanted = true;
    m->ready = false;
    if (m->lost_at_ms == 0) {
        m->lost_at_ms = os_mono_ms();
    }
    (void)pthread_cond_broadcast(&m->changed);
    (void)pthread_mutex_unlock(&m->lock);
    if (first) {
        log_event(LOG_LEVEL_WARN, "hsm.lost", LOG_STR("module", m->path), LOG_STR("why", why));
    }
}

void hsm_recover_key(struct hsm_key *k, const char *why)
{
    struct hsm_module *m = k->token->m;
    (void)pthread_mutex_lock(&m->lock);
    if (k->state == HSM_KEY_GOOD) {
        k->state = HSM_KEY_UNPROVEN;
    }
    m->probe = true;
    if (m->lost_at_ms == 0) {
        m->lost_at_ms = os_mono_ms();
    }
    (void)pthread_cond_broadcast(&m->changed);
    (void)pthread_mutex_unlock(&m->lock);
    log_event(LOG_LEVEL_ERROR, "hsm.key_stopped", LOG_STR("key", k->uri), LOG_STR("why", why));
}

/* Finds the key again and makes sure that it is the same one. */
static enum chancery_err recover_key_find(struct hsm_key *k, struct diag *diag)
{
    struct hsm_token *t = k->token;
    struct crypto_public *pub = NULL;
    CK_OBJECT_HANDLE handle = CK_INVALID_HANDLE;
    TRY(hsm_key_locate(t, t->anchor, &k->name, &handle, diag));
    TRY(hsm_public_read(t, t->anchor, &k->name, &pub, diag));
    bool same = slice_eq(crypto_public_spki(pub), crypto_public_spki(k->pub));
    crypto_public_free(pub);
    if (!same) {
        return diag_set(diag, CH_INTEGRITY, k->uri, "hsm.key.changed",
                        "the token now holds another public key under this name");
    }
    k->handle = handle;
    return CH_OK;
}

static enum chancery_err recover_token(struct hsm_token *t, struct diag *diag)
{
    if (t->pin_refused) {
        return CH_OK; /* stays detached; hsm_healthy says so */
    }
    TRY(hsm_token_attach(t, diag));
    for (struct hsm_key *k = t->keys; k != NULL; k = k->next) {
        TRY(recover_key_find(k, diag));
    }
    return CH_OK;
}

static void recover_forget(struct hsm_module *m)
{
    (void)pthread_mutex_lock(&m->lock);
    m->ready = false;
    m->exclusive = true; /* free: `recovering` keeps everyone else from taking it */
    while (m->active > 0) {
        (void)pthread_cond_wait(&m->changed, &m->lock); /* a hung one: the watchdog ends us */
    }
    for (struct hsm_token *t = m->tokens; t != NULL; t = t->next) {
        t->attached = false;
        t->n_idle = 0;
        t->n_open = 0;
        for (struct hsm_key *k = t->keys; k != NULL; k = k->next) {
            k->state = HSM_KEY_LOST;
        }
    }
    (void)pthread_mutex_unlock(&m->lock);
}

/* Marks what came back. A token that failed stays detached while others of the module work on. */
static void recover_publish(struct hsm_module *m, struct hsm_token *t, bool attached)
{
    (void)pthread_mutex_lock(&m->lock);
    t->attached = attached;
    for (struct hsm_key *k = t->keys; attached && k != NULL; k = k->next) {
        k->state = HSM_KEY_UNPROVEN;
    }
    (void)pthread_mutex_unlock(&m->lock);
}

static enum chancery_err recover_module(struct hsm_module *m, struct diag *diag)
{
    enum chancery_err err = CH_OK;
    CK_RV rv;
    recover_forget(m);
    HSM_CALL(rv, m->deadline_ms, m, C_Finalize, NULL);
    rv = hsm_module_initialize(m);
    bool ready = rv == CKR_OK;
    if (!ready) {
        err = hsm_rv_set(diag, CH_HSM, "C_Initialize", rv);
    }
    for (struct hsm_token *t = m->tokens; ready && t != NULL; t = t->next) {
        struct diag own = {.field = ""};
        enum chancery_err one = recover_token(t, &own);
        recover_publish(m, t, one == CH_OK && !t->pin_refused);
        if (one != CH_OK) {
            err = one;
            *diag = own;
        }
    }
    (void)pthread_mutex_lock(&m->lock);
    m->ready = ready;
    m->wanted = err != CH_OK;
    m->exclusive = false;
    (void)pthread_cond_broadcast(&m->changed);
    (void)pthread_mutex_unlock(&m->lock);
    return err;
}

/* Picks one key that still has to prove itself; NULL when there is none. */
static struct hsm_key *recover_unproven(struct hsm_module *m)
{
    struct hsm_key *found = NULL;
    (void)pthread_mutex_lock(&m->lock);
    for (struct hsm_token *t = m->tokens; t != NULL; t = t->next) {
        for (struct hsm_key *k = t->keys; t->attached && k != NULL; k = k->next) {
            found = k->state == HSM_KEY_UNPROVEN ? k : found;
        }
    }
    (void)pthread_mutex_unlock(&m->lock);
    return found;
}

static enum chancery_err recover_probe(struct hsm_key *k, struct diag *diag)
{
    struct hsm_token *t = k->token;
    CK_SESSION_HANDLE session;
    TRY(hsm_session_take(t, NULL, os_mono_ms() + RECOVER_PROBE_WAIT_MS, &session, diag));
    enum chancery_err err = hsm_sign_probe(k, session, diag);
    bool device = err != CH_OK && err != CH_INTEGRITY;
    if (err == CH_OK) {
        (void)pthread_mutex_lock(&t->m->lock);
        k->state = HSM_KEY_GOOD;
        (void)pthread_cond_broadcast(&t->m->changed);
        (void)pthread_mutex_unlock(&t->m->lock);
    }
    hsm_session_put(t, session, !device);
    if (device) {
        hsm_recover_request(t->m, "probe");
    }
    return err;
}

/* One attempt: everything that is wanted. CH_OK when all works. */
static enum chancery_err recover_attempt(struct hsm_module *m, struct diag *diag)
{
    (void)pthread_mutex_lock(&m->lock);
    bool again = m->wanted;
    m->probe = false;
    (void)pthread_mutex_unlock(&m->lock);
    enum chancery_err err = again ? recover_module(m, diag) : CH_OK;
    for (struct hsm_key *k = recover_unproven(m); k != NULL; k = recover_unproven(m)) {
        enum chancery_err one = recover_probe(k, diag);
        if (one != CH_OK) {
            (void)pthread_mutex_lock(&m->lock);
            m->probe = true;
            (void)pthread_mutex_unlock(&m->lock);
            return one;
        }
    }
    return err;
}

static void recover_pause(struct hsm_module *m, unsigned ms)
{
    int64_t until = os_mono_ms() + ms;
    struct timespec at = {.tv_sec = until / 1000, .tv_nsec = (until % 1000) * 1000000};
    while (!m->closing && os_mono_ms() < until) {
        (void)pthread_cond_timedwait(&m->changed, &m->lock, &at);
    }
}

static void *recover_main(void *arg)
{
    struct hsm_module *m = arg;
    unsigned backoff_ms = HSM_BACKOFF_FIRST_MS;
    (void)pthread_mutex_lock(&m->lock);
    while (!m->closing) {
        if ((!m->wanted && !m->probe) || m->exclusive) {
            (void)pthread_cond_wait(&m->changed, &m->lock);
            continue;
        }
        m->recovering = true;
        (void)pthread_mutex_unlock(&m->lock);
        struct diag diag = {.field = ""};
        enum chancery_err err = recover_attempt(m, &diag);
        if (err != CH_OK) {
            log_diag(LOG_LEVEL_WARN, "hsm.recovery_failed", err, &diag);
        }
        (void)pthread_mutex_lock(&m->lock);
        m->recovering = false;
        (void)pthread_cond_broadcast(&m->changed);
        if (err == CH_OK && !m->wanted && !m->probe) {
            log_event(LOG_LEVEL_INFO, "hsm.recovered", LOG_STR("module", m->path),
                      LOG_NUM("after_ms", os_mono_ms() - m->lost_at_ms));
            m->lost_at_ms = 0;
            backoff_ms = HSM_BACKOFF_FIRST_MS;
            (void)pthread_cond_broadcast(&m->changed);
            continue;
        }
        recover_pause(m, backoff_ms);
        backoff_ms = backoff_ms * 2 > HSM_BACKOFF_MAX_MS ? HSM_BACKOFF_MAX_MS : backoff_ms * 2;
    }
    (void)pthread_mutex_unlock(&m->lock);
    return NULL;
}

enum chancery_err hsm_recover_start(struct hsm_module *m, struct diag *diag)
{
    if (!hsm_thread_start(&m->recoverer, recover_main, m)) {
        return diag_set(diag, CH_NOMEM, "hsm", "hsm.recover.thread",
                        "cannot start the recovery thread");
    }
    m->has_recoverer = true;
    return CH_OK;
}

void hsm_recover_stop(struct hsm_module *m)
{
    if (!m->has_recoverer) {
        return;
    }
    (void)pthread_mutex_lock(&m->lock);
    m->closing = true;
    (void)pthread_cond_broadcast(&m->changed);
    (void)pthread_mutex_unlock(&m->lock);
    (void)pthread_join(m->recoverer, NULL);
    m->has_recoverer = false;
}

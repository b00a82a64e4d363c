/* PKCS#11 modules: loading, C_Initialize, and the process-wide registry.
 *
 * PKCS#11 is initialised once per process and module, so all tokens of one module share a struct
 * hsm_module, counted. libp11 finalises the module when it closes: it may only hold a module alone.
 */
#include "hsm/hsm_int.h"

#include <dlfcn.h>
#include <stdlib.h>

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct hsm_module *registry;

CK_RV hsm_module_initialize(struct hsm_module *m)
{
    CK_C_INITIALIZE_ARGS args = {.flags = CKF_OS_LOCKING_OK};
    CK_RV rv;
    HSM_CALL(rv, m->deadline_ms, m, C_Initialize, &args);
    return rv;
}

static enum chancery_err module_load(struct hsm_module *m, struct diag *diag)
{
    m->dl = dlopen(m->path, RTLD_NOW | RTLD_LOCAL);
    if (m->dl == NULL) {
        return diag_set(diag, CH_NOT_FOUND, "hsm.module", "hsm.module.load",
                        "cannot load the PKCS#11 module: %s", dlerror());
    }
    CK_C_GetFunctionList get = NULL;
    void *symbol = dlsym(m->dl, "C_GetFunctionList");
    memcpy(&get, &symbol, sizeof get); /* ISO C has no cast from object to function pointer */
    if (get == NULL || get(&m->fn) != CKR_OK || m->fn == NULL) {
        return diag_set(diag, CH_UNSUPPORTED, "hsm.module", "hsm.module.interface",
                        "%s is not a PKCS#11 module", m->path);
    }
    if (m->fn->version.major != 2 && m->fn->version.major != 3) {
        return diag_set(diag, CH_UNSUPPORTED, "hsm.module", "hsm.module.version",
                        "PKCS#11 version %d.%d is not known", m->fn->version.major,
                        m->fn->version.minor);
    }
    return CH_OK;
}

/* The library stays loaded: modules register exit handlers and start threads that do not survive
 * dlclose(); C_Finalize has freed what counts. Loading it again finds the same copy. */
static void module_free(struct hsm_module *m)
{
    (void)pthread_cond_destroy(&m->changed);
    (void)pthread_mutex_destroy(&m->lock);
    free(m->path);
    free(m);
}

static enum chancery_err module_new(const char *path, unsigned deadline_ms, bool libp11,
                                    struct hsm_module **out, struct diag *diag)
{
    struct hsm_module *m = calloc(1, sizeof *m);
    char *copy = strdup(path);
    if (m == NULL || copy == NULL) {
        free(m);
        free(copy);
        return diag_set(diag, CH_NOMEM, "hsm.module", "hsm.memory", "out of memory");
    }
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&m->changed, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_mutex_init(&m->lock, NULL);
    m->path = copy;
    m->refs = 1;
    m->libp11 = libp11;
    m->deadline_ms = deadline_ms;
    enum chancery_err err = libp11 ? CH_OK : module_load(m, diag);
    if (err == CH_OK && !libp11) {
        CK_RV rv = hsm_module_initialize(m);
        if (rv != CKR_OK) {
            err = hsm_rv_set(diag, CH_HSM, "C_Initialize", rv);
        } else {
            m->ready = true;
            err = hsm_recover_start(m, diag);
            if (err != CH_OK) {
                HSM_CALL(rv, m->deadline_ms, m, C_Finalize, NULL);
            }
        }
    }
    if (err != CH_OK) {
        module_free(m);
        return err;
    }
    *out = m;
    return CH_OK;
}

static enum chancery_err module_share(struct hsm_module *m, unsigned deadline_ms, bool libp11,
                                      struct diag *diag)
{
    if (m->libp11 || libp11) {
        return diag_set(
            diag, CH_PRECONDITION, "hsm.module", "hsm.module.libp11",
            "libp11 finalises the module when it closes, so it must be its only user in "
            "this process");
    }
    (void)pthread_mutex_lock(&m->lock);
    m->refs++;
    m->deadline_ms = deadline_ms > m->deadline_ms ? deadline_ms : m->deadline_ms;
    (void)pthread_mutex_unlock(&m->lock);
    return CH_OK;
}

enum chancery_err hsm_module_ref(const char *path, unsigned deadline_ms, bool libp11,
                                 struct hsm_module **out, struct diag *diag)
{
    if (path == NULL || path[0] != '/') {
        return diag_set(diag, CH_INVALID, "hsm.module", "hsm.module.path",
                        "the module must be an absolute path");
    }
    TRY(hsm_watchdog_start(diag));
    (void)pthread_mutex_lock(&registry_lock);
    struct hsm_module *m = registry;
    while (m != NULL && strcmp(m->path, path) != 0) {
        m = m->next;
    }
    enum chancery_err err;
    if (m != NULL) {
        err = module_share(m, deadline_ms, libp11, diag);
    } else {
        err = module_new(path, deadline_ms, libp11, &m, diag);
        if (err == CH_OK) {
            m->next = registry;
            registry = m;
        }
    }
    (void)pthread_mutex_unlock(&registry_lock);
    if (err == CH_OK) {
        *out = m;
    }
    return err;
}

void hsm_module_unref(struct hsm_module *m)
{
    (void)pthread_mutex_lock(&registry_lock);
    (void)pthread_mutex_lock(&m->lock);
    bool last = --m->refs == 0;
    (void)pthread_mutex_unlock(&m->lock);
    if (last) {
        struct hsm_module **link = &registry;
        while (*link != m) {
            link = &(*link)->next;
        }
        *link = m->next;
        if (!m->libp11) {
            hsm_recover_stop(m);
            CK_RV ignored;
            HSM_CALL(ignored, m->deadline_ms, m, C_Finalize, NULL);
            (void)ignored; /* nothing of ours is left in it */
        }
        module_free(m);
    }
    (void)pthread_mutex_unlock(&registry_lock);
}

void hsm_module_exclusive(struct hsm_module *m, bool on)
{
    (void)pthread_mutex_lock(&m->lock);
    while (on && (m->exclusive || m->recovering)) {
        (void)pthread_cond_wait(&m->changed, &m->lock);
    }
    m->exclusive = on;
    (void)pthread_cond_broadcast(&m->changed);
    (void)pthread_mutex_unlock(&m->lock);
}

/* p11proxy: a PKCS#11 module in front of another one that counts signatures and injects faults.
 *
 * The function list is a copy of the real module's; only the calls below are replaced. The journal
 * line is written after the device signed and before the caller hears of it, so a process killed in
 * between still leaves the line. Thread-safe; one mutex guards the session table, never across a
 * real call. */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "control.h"
#include "journal.h"

#define PROXY_SESSIONS 1024
#define PROXY_ID_MAX 64
#define PROXY_DIGEST_INFO 19 /* octets before the digest in a SHA-2 DigestInfo */

struct proxy_session {
    CK_SESSION_HANDLE session; /* 0: free */
    CK_MECHANISM_TYPE mechanism;
    unsigned char id[PROXY_ID_MAX];
    size_t id_len;
};

static CK_FUNCTION_LIST proxy_list;
static CK_FUNCTION_LIST *real;
static pthread_once_t proxy_once = PTHREAD_ONCE_INIT;
static pthread_mutex_t proxy_lock = PTHREAD_MUTEX_INITIALIZER;
static struct proxy_session proxy_sessions[PROXY_SESSIONS];
static _Atomic bool proxy_lost;
static pthread_rwlock_t proxy_calls = PTHREAD_RWLOCK_INITIALIZER;

static void proxy_session_store(const struct proxy_session *s)
{
    (void)pthread_mutex_lock(&proxy_lock);
    struct proxy_session *place = NULL;
    for (size_t i = 0; i < PROXY_SESSIONS; i++) {
        if (proxy_sessions[i].session == s->session) {
            place = &proxy_sessions[i];
            break;
        }
        if (place == NULL && proxy_sessions[i].session == 0) {
            place = &proxy_sessions[i];
        }
    }
    if (place == NULL) {
        abort(); /* more sessions than the table: raise PROXY_SESSIONS */
    }
    *place = *s;
    (void)pthread_mutex_unlock(&proxy_lock);
}

/* Finds and, with `forget`, frees a session's record; a zero record when there is none. */
static struct proxy_session proxy_session_get(CK_SESSION_HANDLE session, bool forget)
{
    struct proxy_session found = {0};
    (void)pthread_mutex_lock(&proxy_lock);
    for (size_t i = 0; i < PROXY_SESSIONS; i++) {
        if (proxy_sessions[i].session == session) {
            found = proxy_sessions[i];
            if (forget) {
                memset(&proxy_sessions[i], 0, sizeof proxy_sessions[i]);
            }
            break;
        }
    }
    (void)pthread_mutex_unlock(&proxy_lock);
    return found;
}

/* A lost session closes everything underneath, and all fails until C_Initialize. */
static void proxy_lose(void)
{
    CK_SLOT_ID slots[64];
    CK_ULONG n = sizeof slots / sizeof slots[0];
    (void)pthread_rwlock_wrlock(&proxy_calls);
    atomic_store(&proxy_lost, true);
    if (real->C_GetSlotList(CK_TRUE, slots, &n) == CKR_OK) {
        for (CK_ULONG i = 0; i < n; i++) {
            (void)real->C_CloseAllSessions(slots[i]);
        }
    }
    (void)pthread_rwlock_unlock(&proxy_calls);
}

/* Begins a call on a session; false: the sessions are lost, do not make it. */
static bool proxy_enter(void)
{
    if (control_session_loss()) {
        proxy_lose();
    }
    (void)pthread_rwlock_rdlock(&proxy_calls);
    if (!atomic_load(&proxy_lost)) {
        return true;
    }
    (void)pthread_rwlock_unlock(&proxy_calls);
    return false;
}

static CK_RV proxy_leave(CK_RV rv)
{
    (void)pthread_rwlock_unlock(&proxy_calls);
    return rv;
}

static CK_RV proxy_Initialize(void *args)
{
    CK_RV rv = real->C_Initialize(args);
    if (rv == CKR_OK) {
        atomic_store(&proxy_lost, false);
        (void)pthread_mutex_lock(&proxy_lock);
        memset(proxy_sessions, 0, sizeof proxy_sessions);
        (void)pthread_mutex_unlock(&proxy_lock);
    }
    return rv;
}

static CK_RV proxy_OpenSession(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify,
                               CK_SESSION_HANDLE *session)
{
    if (!proxy_enter()) {
        return CKR_SESSION_HANDLE_INVALID;
    }
    return proxy_leave(real->C_OpenSession(slot, flags, application, notify, session));
}

static CK_RV proxy_CloseSession(CK_SESSION_HANDLE session)
{
    (void)proxy_session_get(session, true);
    if (!proxy_enter()) {
        return CKR_SESSION_HANDLE_INVALID;
    }
    return proxy_leave(real->C_CloseSession(session));
}

static CK_RV proxy_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE *template,
                                   CK_ULONG count)
{
    if (!proxy_enter()) {
        return CKR_SESSION_HANDLE_INVALID;
    }
    return proxy_leave(real->C_FindObjectsInit(session, template, count));
}

static CK_RV proxy_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
                            CK_OBJECT_HANDLE key)
{
    if (!proxy_enter()) {
        return CKR_SESSION_HANDLE_INVALID;
    }
    struct proxy_session s = {.session = session, .mechanism = mechanism->mechanism};
    CK_ATTRIBUTE id = {CKA_ID, s.id, sizeof s.id};
    if (real->C_GetAttributeValue(session, key, &id, 1) == CKR_OK) {
        s.id_len = id.ulValueLen;
    }
    CK_RV rv = real->C_SignInit(session, mechanism, key);
    if (rv == CKR_OK) {
        proxy_session_store(&s);
    }
    return proxy_leave(rv);
}

static void proxy_sleep(unsigned long ms)
{
    struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&t, NULL);
}

static CK_RV proxy_journal(const struct proxy_session *s, const CK_BYTE *data, CK_ULONG len)
{
    /* The digest inside a DigestInfo is what tests look for. */
    if (s->mechanism == CKM_RSA_PKCS && len > PROXY_DIGEST_INFO && data[0] == 0x30) {
        data += PROXY_DIGEST_INFO;
        len -= PROXY_DIGEST_INFO;
    }
    if (!journal_write(s->id, s->id_len, data, len)) {
        perror("p11proxy: journal");
        abort(); /* an uncounted signature would make every later count a lie */
    }
    return CKR_OK;
}

/* The fault of this call, after its delay or hang. */
static enum control_fault proxy_suffer(const struct proxy_session *s, unsigned long *value)
{
    enum control_fault fault = control_next(s->id, s->id_len, value);
    if (fault == CONTROL_DELAY) {
        proxy_sleep(*value);
    }
    while (fault == CONTROL_HANG) {
        proxy_sleep(20);
        fault = control_next(s->id, s->id_len, value);
    }
    return fault;
}

static CK_RV proxy_Sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG len, CK_BYTE *signature,
                        CK_ULONG *signature_len)
{
    struct proxy_session s = proxy_session_get(session, false);
    unsigned long value = 0;
    /* Asking for the size only is no signature. */
    enum control_fault fault = signature == NULL ? CONTROL_NONE : proxy_suffer(&s, &value);
    if (fault == CONTROL_ERROR) {
        return value;
    }
    if (!proxy_enter()) {
        return CKR_SESSION_HANDLE_INVALID;
    }
    CK_RV rv = real->C_Sign(session, data, len, signature, signature_len);
    if (rv == CKR_OK && signature != NULL) {
        rv = proxy_journal(&s, data, len);
    }
    if (rv == CKR_OK && fault == CONTROL_WRONG_SIGNATURE) {
        signature[*signature_len - 1] ^= 1;
    }
    return proxy_leave(rv);
}

/* Multi-part signing would escape the count. */
static CK_RV proxy_SignUpdate(CK_SESSION_HANDLE session, CK_BYTE *part, CK_ULONG len)
{
    (void)session;
    (void)part;
    (void)len;
    return CKR_FUNCTION_NOT_SUPPORTED;
}

static CK_RV proxy_SignFinal(CK_SESSION_HANDLE session, CK_BYTE *signature, CK_ULONG *len)
{
    (void)session;
    (void)signature;
    (void)len;
    return CKR_FUNCTION_NOT_SUPPORTED;
}

static CK_RV proxy_GetFunctionList(CK_FUNCTION_LIST **list);

static void proxy_load(void)
{
    const char *path = getenv("P11PROXY_MODULE");
    void *dl = path == NULL ? NULL : dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get = NULL;
    void *symbol = dl == NULL ? NULL : dlsym(dl, "C_GetFunctionList");
    memcpy(&get, &symbol, sizeof get);
    if (get == NULL || get(&real) != CKR_OK) {
        (void)fprintf(stderr, "p11proxy: P11PROXY_MODULE does not name a PKCS#11 module\n");
        real = NULL;
        return;
    }
    proxy_list = *real;
    proxy_list.C_GetFunctionList = proxy_GetFunctionList;
    proxy_list.C_Initialize = proxy_Initialize;
    proxy_list.C_OpenSession = proxy_OpenSession;
    proxy_list.C_CloseSession = proxy_CloseSession;
    proxy_list.C_FindObjectsInit = proxy_FindObjectsInit;
    proxy_list.C_SignInit = proxy_SignInit;
    proxy_list.C_Sign = proxy_Sign;
    proxy_list.C_SignUpdate = proxy_SignUpdate;
    proxy_list.C_SignFinal = proxy_SignFinal;
}

static CK_RV proxy_GetFunctionList(CK_FUNCTION_LIST **list)
{
    (void)pthread_once(&proxy_once, proxy_load);
    if (real == NULL) {
        return CKR_GENERAL_ERROR;
    }
    *list = &proxy_list;
    return CKR_OK;
}

__attribute__((visibility("default"))) CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list)
{
    return proxy_GetFunctionList(list);
}

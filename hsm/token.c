/* Tokens: found by label (and serial number), logged in once, kept open by an anchor session. */
#include "hsm/hsm_int.h"

#include <stdlib.h>
#include <unistd.h>

bool hsm_padded_eq(const CK_UTF8CHAR *field, size_t size, const char *text)
{
    size_t len = strlen(text);
    if (len > size || memcmp(field, text, len) != 0) {
        return false;
    }
    for (size_t i = len; i < size; i++) {
        if (field[i] != ' ') {
            return false;
        }
    }
    return true;
}

static bool token_matches(const CK_TOKEN_INFO *info, const struct hsm_uri *uri)
{
    const struct {
        const char *want;
        const CK_UTF8CHAR *field;
        size_t size;
    } rows[] = {
        {uri->token, info->label, sizeof info->label},
        {uri->manufacturer, info->manufacturerID, sizeof info->manufacturerID},
        {uri->model, info->model, sizeof info->model},
        {uri->serial, (const CK_UTF8CHAR *)info->serialNumber, sizeof info->serialNumber},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].want[0] != '\0' && !hsm_padded_eq(rows[i].field, rows[i].size, rows[i].want)) {
            return false;
        }
    }
    return (info->flags & CKF_TOKEN_INITIALIZED) != 0;
}

enum chancery_err hsm_slots_list(struct hsm_module *m, unsigned deadline_ms, CK_SLOT_ID **out,
                                 CK_ULONG *out_n, struct diag *diag)
{
    CK_RV rv = CKR_BUFFER_TOO_SMALL;
    CK_SLOT_ID *slots = NULL;
    CK_ULONG n = 0;
    /* Slots may appear between the two calls: again until the array is large enough. */
    for (int tries = 0; rv == CKR_BUFFER_TOO_SMALL && tries < 4; tries++) {
        HSM_CALL(rv, deadline_ms, m, C_GetSlotList, CK_TRUE, NULL, &n);
        free(slots);
        slots = calloc(n + 1, sizeof *slots);
        if (rv != CKR_OK || slots == NULL) {
            break;
        }
        HSM_CALL(rv, deadline_ms, m, C_GetSlotList, CK_TRUE, slots, &n);
    }
    if (rv != CKR_OK || slots == NULL) {
        free(slots);
        return hsm_rv_set(diag, slots == NULL ? CH_NOMEM : CH_HSM, "C_GetSlotList", rv);
    }
    *out = slots;
    *out_n = n;
    return CH_OK;
}

enum chancery_err hsm_token_slot(struct hsm_module *m, const struct hsm_uri *uri,
                                 unsigned deadline_ms, CK_SLOT_ID *out, CK_TOKEN_INFO *out_info,
                                 struct diag *diag)
{
    CK_SLOT_ID *slots = NULL;
    CK_ULONG n = 0;
    size_t found = 0;
    TRY(hsm_slots_list(m, deadline_ms, &slots, &n, diag));
    for (CK_ULONG i = 0; i < n; i++) {
        CK_TOKEN_INFO info;
        CK_RV rv;
        HSM_CALL(rv, deadline_ms, m, C_GetTokenInfo, slots[i], &info);
        if (rv == CKR_OK && token_matches(&info, uri)) {
            *out = slots[i];
            *out_info = info;
            found++;
        }
    }
    free(slots);
    if (found == 0) {
        return diag_set(
            diag, CH_NOT_FOUND, "hsm.token", "hsm.token.found",
            "no initialised token \"%s\" among %lu slots; check the label, the module's "
            "configuration and the owner of the token's files",
            uri->token, (unsigned long)n);
    }
    if (found > 1) {
        return diag_set(diag, CH_INVALID, "hsm.token", "hsm.token.unique",
                        "%zu tokens are named \"%s\"; add serial= to the URI", found, uri->token);
    }
    return CH_OK;
}

static enum chancery_err token_login(struct hsm_token *t, const CK_TOKEN_INFO *info,
                                     struct diag *diag)
{
    if ((info->flags & CKF_LOGIN_REQUIRED) == 0) {
        return CH_OK;
    }
    if ((info->flags & (CKF_USER_PIN_LOCKED | CKF_USER_PIN_FINAL_TRY)) != 0) {
        t->pin_refused = true;
        return diag_set(diag, CH_DENIED, "hsm.pin_file", "hsm.pin.tries",
                        "the token's user PIN is locked or has one try left; that try is left to a "
                        "person");
    }
    CK_RV rv;
    HSM_CALL(rv, t->deadline_ms, t->m, C_Login, t->anchor, CKU_USER, t->pin.ptr, t->pin.len);
    if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN) {
        return CH_OK;
    }
    if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID || rv == CKR_PIN_LEN_RANGE ||
        rv == CKR_PIN_LOCKED || rv == CKR_PIN_EXPIRED) {
        t->pin_refused = true;
        return diag_set(diag, CH_DENIED, "hsm.pin_file", "hsm.pin", "the token refused the PIN: %s",
                        hsm_rv_name(rv));
    }
    return hsm_rv_set(diag, CH_HSM, "C_Login", rv);
}

enum chancery_err hsm_token_attach(struct hsm_token *t, struct diag *diag)
{
    CK_TOKEN_INFO info = {0};
    CK_RV rv;
    TRY(hsm_token_slot(t->m, &t->uri, t->deadline_ms, &t->slot, &info, diag));
    HSM_CALL(rv, t->deadline_ms, t->m, C_OpenSession, t->slot, CKF_SERIAL_SESSION, NULL, NULL,
             &t->anchor);
    if (rv != CKR_OK) {
        return hsm_rv_set(diag, CH_HSM, "C_OpenSession", rv);
    }
    enum chancery_err err = token_login(t, &info, diag);
    if (err != CH_OK) {
        HSM_CALL(rv, t->deadline_ms, t->m, C_CloseSession, t->anchor);
        return err;
    }
    /* CK_EFFECTIVELY_INFINITE is 0; "unavailable" is all ones: neither limits us. */
    CK_ULONG limit = info.ulMaxSessionCount;
    if (limit > 1 && limit != CK_UNAVAILABLE_INFORMATION && limit - 1 < t->max_sessions) {
        t->max_sessions = (unsigned)limit - 1;
    }
    return CH_OK;
}

enum chancery_err hsm_pin_read(const struct hsm_opts *opts, struct secret *pin, struct diag *diag)
{
    if (opts->pin_file != NULL) {
        return secret_read_file(pin, opts->pin_file, HSM_PIN_MAX, diag);
    }
    if (opts->pin_fd < 0) {
        return diag_set(diag, CH_INVALID, "hsm.pin_file", "hsm.pin.source",
                        "a PIN file or descriptor is required");
    }
    enum chancery_err err = secret_read_fd(pin, opts->pin_fd, HSM_PIN_MAX);
    return err == CH_OK ? CH_OK
                        : diag_set(diag, err, "hsm.pin_fd", "hsm.pin.source",
                                   "no PIN of 1 to %d octets on the descriptor", HSM_PIN_MAX);
}

static enum chancery_err token_uri(const struct hsm_opts *opts, struct hsm_uri *out,
                                   struct diag *diag)
{
    TRY(hsm_uri_parse(slice_str(opts->token_uri), out, diag));
    if (out->token[0] == '\0') {
        return diag_set(diag, CH_INVALID, "hsm.token", "hsm.token.label",
                        "the URI must name the token: pkcs11:token=LABEL");
    }
    if (out->object[0] != '\0' || out->id_len > 0 || out->type != HSM_URI_TYPE_ANY) {
        return diag_set(diag, CH_INVALID, "hsm.token", "hsm.token.uri",
                        "a token URI names no object");
    }
    return CH_OK;
}

static unsigned token_sessions(unsigned wanted)
{
    if (wanted == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        wanted = cores > 0 ? 2 * (unsigned)cores : 2;
    }
    return wanted > HSM_SESSIONS_MAX ? HSM_SESSIONS_MAX : wanted;
}

/* Attaches and puts the token on its module's list, with everyone else kept out. */
static enum chancery_err token_join(struct hsm_token *t, struct diag *diag)
{
    hsm_module_exclusive(t->m, true);
    enum chancery_err err = hsm_token_attach(t, diag);
    (void)pthread_mutex_lock(&t->m->lock);
    if (err == CH_OK) {
        t->attached = true;
        t->next = t->m->tokens;
        t->m->tokens = t;
    }
    (void)pthread_mutex_unlock(&t->m->lock);
    hsm_module_exclusive(t->m, false);
    return err;
}

enum chancery_err hsm_open_pin(const struct hsm_opts *opts, const struct secret *pin,
                               struct hsm_token **out, struct diag *diag)
{
    struct hsm_uri uri;
    TRY(token_uri(opts, &uri, diag));
    struct hsm_token *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return diag_set(diag, CH_NOMEM, "hsm", "hsm.memory", "out of memory");
    }
    t->uri = uri;
    t->deadline_ms = opts->deadline_ms == 0 ? HSM_DEADLINE_DEFAULT_MS : opts->deadline_ms;
    t->max_sessions = token_sessions(opts->sessions);
    enum chancery_err err = secret_copy(&t->pin, slice_of(pin->ptr, pin->len));
    if (err == CH_OK) {
        err = hsm_module_ref(opts->module, t->deadline_ms, false, &t->m, diag);
    }
    if (err == CH_OK) {
        err = token_join(t, diag);
        if (err != CH_OK) {
            hsm_module_unref(t->m);
        }
    }
    if (err != CH_OK) {
        secret_clear(&t->pin);
        free(t);
        return err;
    }
    *out = t;
    return CH_OK;
}

enum chancery_err hsm_open(const struct hsm_opts *opts, struct hsm_token **out, struct diag *diag)
{
    struct secret pin = {NULL, 0, 0};
    enum chancery_err err = hsm_pin_read(opts, &pin, diag);
    if (err == CH_OK) {
        err = hsm_open_pin(opts, &pin, out, diag);
    }
    secret_clear(&pin);
    return err;
}

/* Takes the token out: waits for its users and for a recovery under way, then closes its sessions.
 */
static void token_leave(struct hsm_token *t)
{
    struct hsm_module *m = t->m;
    hsm_module_exclusive(m, true);
    (void)pthread_mutex_lock(&m->lock);
    while (m->active > 0) {
        (void)pthread_cond_wait(&m->changed, &m->lock);
    }
    struct hsm_token **link = &m->tokens;
    while (*link != NULL && *link != t) {
        link = &(*link)->next;
    }
    if (*link == t) {
        *link = t->next;
    }
    bool open = t->attached && m->ready;
    t->attached = false;
    (void)pthread_mutex_unlock(&m->lock);
    CK_RV ignored = CKR_OK;
    for (unsigned i = 0; open && i < t->n_idle; i++) {
        HSM_CALL(ignored, t->deadline_ms, m, C_CloseSession, t->idle[i]);
    }
    if (open) {
        HSM_CALL(ignored, t->deadline_ms, m, C_CloseSession, t->anchor);
        (void)ignored;
    }
    hsm_module_exclusive(m, false);
}

void hsm_close(struct hsm_token *t)
{
    if (t == NULL) {
        return;
    }
    token_leave(t);
    hsm_module_unref(t->m);
    while (t->keys != NULL) {
        struct hsm_key *k = t->keys;
        t->keys = k->next;
        hsm_key_free(k);
    }
    secret_clear(&t->pin);
    free(t);
}

bool hsm_healthy(const struct hsm_token *t)
{
    (void)pthread_mutex_lock(&t->m->lock);
    bool good = t->m->ready && t->attached;
    for (const struct hsm_key *k = t->keys; good && k != NULL; k = k->next) {
        good = k->state == HSM_KEY_GOOD;
    }
    (void)pthread_mutex_unlock(&t->m->lock);
    return good;
}

/* Generation, attributes read back by plain PKCS#11 calls, opening, and what is refused. */
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"
#include "tests_hsm.h"

#define TOKEN "pkcs11:token=keys"

static struct test_softhsm hsm;

static int setup(void **state)
{
    (void)state;
    test_softhsm_start(&hsm);
    test_softhsm_token(&hsm, "keys");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_softhsm_end(&hsm);
    return 0;
}

/* ---- an independent look at the token ---- */

struct look {
    void *dl;
    CK_FUNCTION_LIST *fn;
    CK_SESSION_HANDLE session;
};

static struct look look_open(const char *label)
{
    struct look l = {0};
    CK_C_GetFunctionList get = NULL;
    CK_SLOT_ID slots[16];
    CK_ULONG n = 16;
    l.dl = dlopen(TEST_SOFTHSM_MODULE, RTLD_NOW | RTLD_LOCAL);
    void *symbol = dlsym(l.dl, "C_GetFunctionList");
    memcpy(&get, &symbol, sizeof get);
    assert_int_equal(get(&l.fn), CKR_OK);
    CK_RV rv = l.fn->C_Initialize(NULL);
    assert_int_equal(rv, CKR_OK);
    assert_int_equal(l.fn->C_GetSlotList(CK_TRUE, slots, &n), CKR_OK);
    for (CK_ULONG i = 0; i < n; i++) {
        CK_TOKEN_INFO info;
        assert_int_equal(l.fn->C_GetTokenInfo(slots[i], &info), CKR_OK);
        if (memcmp(info.label, label, strlen(label)) == 0 && info.label[strlen(label)] == ' ') {
            assert_int_equal(l.fn->C_OpenSession(slots[i], CKF_SERIAL_SESSION | CKF_RW_SESSION,
                                                 NULL, NULL, &l.session),
                             CKR_OK);
        }
    }
    unsigned char pin[] = "user-pin-4711";
    assert_int_equal(l.fn->C_Login(l.session, CKU_USER, pin, sizeof pin - 1), CKR_OK);
    return l;
}

static void look_close(struct look *l)
{
    assert_int_equal(l->fn->C_Finalize(NULL), CKR_OK);
    (void)dlclose(l->dl);
}

static CK_OBJECT_HANDLE look_find(struct look *l, CK_OBJECT_CLASS object_class, char *label)
{
    CK_ATTRIBUTE match[] = {{CKA_CLASS, &object_class, sizeof object_class},
                            {CKA_LABEL, label, strlen(label)}};
    CK_OBJECT_HANDLE found = CK_INVALID_HANDLE;
    CK_ULONG n = 0;
    assert_int_equal(l->fn->C_FindObjectsInit(l->session, match, 2), CKR_OK);
    assert_int_equal(l->fn->C_FindObjects(l->session, &found, 1, &n), CKR_OK);
    assert_int_equal(l->fn->C_FindObjectsFinal(l->session), CKR_OK);
    return n == 1 ? found : CK_INVALID_HANDLE;
}

static void look_bool(struct look *l, CK_OBJECT_HANDLE key, CK_ATTRIBUTE_TYPE type, CK_BBOOL want)
{
    CK_BBOOL value = 2;
    CK_ATTRIBUTE a = {type, &value, sizeof value};
    CK_RV rv = l->fn->C_GetAttributeValue(l->session, key, &a, 1);
    if (rv != CKR_OK || value != want) {
        fail_msg("attribute 0x%lx is %d, result 0x%lx", (unsigned long)type, value,
                 (unsigned long)rv);
    }
}

static void generate_each_type_has_required_attributes(void **state)
{
    (void)state;
    static const enum crypto_key_type types[] = {CRYPTO_KEY_P256, CRYPTO_KEY_P384, CRYPTO_KEY_P521,
                                                 CRYPTO_KEY_RSA_2048, CRYPTO_KEY_ED25519};
    struct hsm_token *t = tests_hsm_open(&hsm, TEST_SOFTHSM_MODULE, TOKEN);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        struct hsm_key *k = tests_hsm_generate(t, types[i], crypto_key_type_name(types[i]));
        assert_int_equal(hsm_key_type(k), types[i]);
    }
    hsm_close(t);
    struct look l = look_open("keys");
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char label[32];
        (void)snprintf(label, sizeof label, "%s", crypto_key_type_name(types[i]));
        CK_OBJECT_HANDLE key = look_find(&l, CKO_PRIVATE_KEY, label);
        assert_int_not_equal(key, CK_INVALID_HANDLE);
        look_bool(&l, key, CKA_TOKEN, CK_TRUE);
        look_bool(&l, key, CKA_PRIVATE, CK_TRUE);
        look_bool(&l, key, CKA_SENSITIVE, CK_TRUE);
        look_bool(&l, key, CKA_ALWAYS_SENSITIVE, CK_TRUE);
        look_bool(&l, key, CKA_EXTRACTABLE, CK_FALSE);
        look_bool(&l, key, CKA_NEVER_EXTRACTABLE, CK_TRUE);
        look_bool(&l, key, CKA_LOCAL, CK_TRUE);
        look_bool(&l, key, CKA_SIGN, CK_TRUE);
        look_bool(&l, key, CKA_DECRYPT, CK_FALSE);
        look_bool(&l, key, CKA_UNWRAP, CK_FALSE);
        look_bool(&l, key, CKA_DERIVE, CK_FALSE);
        look_bool(&l, key, CKA_SIGN_RECOVER, CK_FALSE);
        look_bool(&l, key, CKA_MODIFIABLE, CK_FALSE);
        look_bool(&l, key, CKA_COPYABLE, CK_FALSE);
    }
    look_close(&l);
}

static void open_key_by_label_and_by_id_is_the_same_key(void **state)
{
    (void)state;
    struct hsm_token *t = tests_hsm_open(&hsm, TEST_SOFTHSM_MODULE, TOKEN);
    struct hsm_key *made = tests_hsm_generate(t, CRYPTO_KEY_P256, "issuing-1"), *again = NULL,
                   *by_uri = NULL;
    struct diag d;
    assert_int_equal(hsm_key_open(t, "pkcs11:object=issuing-1;type=private", &again, &d), CH_OK);
    assert_int_equal(hsm_key_open(t, hsm_key_uri(made), &by_uri, &d), CH_OK);
    assert_ptr_equal(made, again);
    assert_ptr_equal(made, by_uri);
    hsm_close(t);
}

static void generate_with_a_taken_label_is_refused(void **state)
{
    (void)state;
    struct hsm_token *t = tests_hsm_open(&hsm, TEST_SOFTHSM_MODULE, TOKEN);
    struct hsm_key *k = NULL;
    struct diag d;
    (void)tests_hsm_generate(t, CRYPTO_KEY_P256, "taken");
    assert_int_equal(hsm_key_generate(t, CRYPTO_KEY_P256, "taken", &k, &d), CH_EXISTS);
    assert_int_equal(hsm_key_generate(t, CRYPTO_KEY_P256, "", &k, &d), CH_INVALID);
    assert_int_equal(hsm_key_generate(t, CRYPTO_KEY_P256, "tab\t", &k, &d), CH_INVALID);
    assert_int_equal(hsm_key_generate(t, CRYPTO_KEY_RSA_OTHER, "other", &k, &d), CH_UNSUPPORTED);
    assert_null(k);
    hsm_close(t);
}

static void open_unknown_key_is_not_found(void **state)
{
    (void)state;
    struct hsm_token *t = tests_hsm_open(&hsm, TEST_SOFTHSM_MODULE, TOKEN);
    struct hsm_key *k = NULL;
    struct diag d;
    assert_int_equal(hsm_key_open(t, "pkcs11:object=nothing", &k, &d), CH_NOT_FOUND);
    assert_int_equal(hsm_key_open(t, "pkcs11:token=keys", &k, &d), CH_INVALID);
    assert_int_equal(hsm_key_open(t, "pkcs11:token=other;object=issuing-1", &k, &d), CH_INVALID);
    hsm_close(t);
}

/* A key made by a careless tool: decrypting, modifiable, as SoftHSM's defaults are. */
static void open_key_with_weak_attributes_is_refused(void **state)
{
    (void)state;
    struct look l = look_open("keys");
    CK_MECHANISM mechanism = {CKM_EC_KEY_PAIR_GEN, NULL, 0};
    CK_BBOOL yes = CK_TRUE;
    unsigned char curve[] = {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07},
                  id[] = {7, 7};
    char label[] = "weak";
    CK_ATTRIBUTE pub[] = {{CKA_TOKEN, &yes, 1},
                          {CKA_EC_PARAMS, curve, sizeof curve},
                          {CKA_LABEL, label, 4},
                          {CKA_ID, id, 2}};
    CK_ATTRIBUTE priv[] = {{CKA_TOKEN, &yes, 1}, {CKA_PRIVATE, &yes, 1}, {CKA_SENSITIVE, &yes, 1},
                           {CKA_SIGN, &yes, 1},  {CKA_LABEL, label, 4},  {CKA_ID, id, 2}};
    CK_OBJECT_HANDLE a, b;
    assert_int_equal(l.fn->C_GenerateKeyPair(l.session, &mechanism, pub, 4, priv, 6, &a, &b),
                     CKR_OK);
    look_close(&l);
    struct hsm_token *t = tests_hsm_open(&hsm, TEST_SOFTHSM_MODULE, TOKEN);
    struct hsm_key *k = NULL, *all[16];
    struct diag d;
    size_t n = 0;
    assert_int_equal(hsm_key_open(t, "pkcs11:object=weak", &k, &d), CH_INTEGRITY);
    assert_string_equal(d.rule, "hsm.key.attributes");
    assert_null(k);
    assert_int_equal(hsm_keys_open(t, all, 16, &n, &d), CH_OK);
    for (size_t i = 0; i < n; i++) {
        assert_null(strstr(hsm_key_uri(all[i]), "weak"));
    }
    assert_true(n > 0);
    hsm_close(t);
}

static void open_with_wrong_pin_is_denied_and_not_repeated(void **state)
{
    (void)state;
    char path[160];
    (void)snprintf(path, sizeof path, "%s/wrong-pin", hsm.dir);
    struct diag d = {.field = ""};
    assert_int_equal(os_file_write_atomic(path, slice_str("wrong"), 0600, &d), CH_OK);
    struct hsm_opts opts = tests_hsm_opts(&hsm, TEST_SOFTHSM_MODULE, TOKEN);
    struct hsm_token *t = NULL;
    opts.pin_file = path;
    assert_int_equal(hsm_open(&opts, &t, &d), CH_DENIED);
    assert_string_equal(d.rule, "hsm.pin");
    assert_null(strstr(d.text, "wrong"));
    assert_null(t);
}

static void open_with_readable_pin_file_is_denied(void **state)
{
    (void)state;
    char path[160];
    (void)snprintf(path, sizeof path, "%s/open-pin", hsm.dir);
    struct diag d = {.field = ""};
    assert_int_equal(os_file_write_atomic(path, slice_str("user-pin-4711"), 0644, &d), CH_OK);
    struct hsm_opts opts = tests_hsm_opts(&hsm, TEST_SOFTHSM_MODULE, TOKEN);
    struct hsm_token *t = NULL;
    opts.pin_file = path;
    assert_int_equal(hsm_open(&opts, &t, &d), CH_DENIED);
    opts.pin_file = NULL;
    assert_int_equal(hsm_open(&opts, &t, &d), CH_INVALID);
    assert_null(t);
}

static void open_with_pin_from_descriptor_works(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "user-pin-4711\n", 14), 14);
    assert_int_equal(close(ends[1]), 0);
    struct hsm_opts opts = tests_hsm_opts(&hsm, TEST_SOFTHSM_MODULE, TOKEN);
    struct hsm_token *t = NULL;
    struct diag d = {.field = ""};
    opts.pin_file = NULL;
    opts.pin_fd = ends[0];
    assert_int_equal(hsm_open(&opts, &t, &d), CH_OK);
    assert_true(hsm_healthy(t));
    hsm_close(t);
    assert_int_equal(close(ends[0]), 0);
}

static void open_unknown_token_or_module_is_refused(void **state)
{
    (void)state;
    struct hsm_token *t = NULL;
    struct diag d;
    struct hsm_opts opts = tests_hsm_opts(&hsm, TEST_SOFTHSM_MODULE, "pkcs11:token=nowhere");
    assert_int_equal(hsm_open(&opts, &t, &d), CH_NOT_FOUND);
    opts.token_uri = "pkcs11:serial=0123456789abcdef";
    assert_int_equal(hsm_open(&opts, &t, &d), CH_INVALID);
    opts.token_uri = "pkcs11:token=keys;object=x";
    assert_int_equal(hsm_open(&opts, &t, &d), CH_INVALID);
    opts.token_uri = "pkcs11:token=keys;serial=0123456789abcdef";
    assert_int_equal(hsm_open(&opts, &t, &d), CH_NOT_FOUND);
    opts.token_uri = TOKEN;
    opts.module = "/nonexistent/module.so";
    assert_int_equal(hsm_open(&opts, &t, &d), CH_NOT_FOUND);
    opts.module = "libsofthsm2.so";
    assert_int_equal(hsm_open(&opts, &t, &d), CH_INVALID);
    opts.module = "/usr/lib/x86_64-linux-gnu/libcrypto.so.3";
    assert_int_equal(hsm_open(&opts, &t, &d), CH_UNSUPPORTED);
    assert_null(t);
}

static void token_init_with_a_taken_label_is_refused(void **state)
{
    (void)state;
    struct diag d;
    assert_int_equal(hsm_token_init(TEST_SOFTHSM_MODULE, "keys", hsm.so_pin, hsm.pin, &d),
                     CH_EXISTS);
    assert_int_equal(hsm_token_init(TEST_SOFTHSM_MODULE, "second", hsm.so_pin, hsm.pin, &d), CH_OK);
    struct hsm_token *one = tests_hsm_open(&hsm, TEST_SOFTHSM_MODULE, TOKEN);
    struct hsm_token *two = tests_hsm_open(&hsm, TEST_SOFTHSM_MODULE, "pkcs11:token=second");
    (void)tests_hsm_generate(two, CRYPTO_KEY_P256, "on-second");
    hsm_close(one);
    assert_true(hsm_healthy(two));
    hsm_close(two);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generate_each_type_has_required_attributes),
        cmocka_unit_test(open_key_by_label_and_by_id_is_the_same_key),
        cmocka_unit_test(generate_with_a_taken_label_is_refused),
        cmocka_unit_test(open_unknown_key_is_not_found),
        cmocka_unit_test(open_key_with_weak_attributes_is_refused),
        cmocka_unit_test(open_with_wrong_pin_is_denied_and_not_repeated),
        cmocka_unit_test(open_with_readable_pin_file_is_denied),
        cmocka_unit_test(open_with_pin_from_descriptor_works),
        cmocka_unit_test(open_unknown_token_or_module_is_refused),
        cmocka_unit_test(token_init_with_a_taken_label_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

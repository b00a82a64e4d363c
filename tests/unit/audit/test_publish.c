/* The publisher on a real PostgreSQL and a real SoftHSM token: files, checkpoints, rebuilding,
 * refusing. */
#include "tests_audit.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include "publish.h"
#include "test_softhsm.h"

#define ORIGIN "chancery.test/audit"

static struct test_postgres pg;
static struct test_softhsm softhsm;
static struct hsm_token *token;
static struct audit_publisher_opts opts;
static struct tlog_key keys[AUDIT_KEYS];
static struct db_pool *pool;
static char dir[64], log_dir[96], second[96];

static int setup(void **state)
{
    (void)state;
    static char conninfo[512];
    test_softhsm_start(&softhsm);
    test_softhsm_token(&softhsm, "chancery-audit");
    const struct hsm_opts hsm = {.module = TEST_SOFTHSM_MODULE,
                                 .token_uri = "pkcs11:token=chancery-audit",
                                 .pin_file = softhsm.pin,
                                 .pin_fd = -1};
    assert_int_equal(hsm_open(&hsm, &token, NULL), CH_OK);
    assert_int_equal(
        hsm_key_generate(token, CRYPTO_KEY_P256, "checkpoint-p256", &opts.keys[0], NULL), CH_OK);
    assert_int_equal(
        hsm_key_generate(token, CRYPTO_KEY_ED25519, "checkpoint-ed25519", &opts.keys[1], NULL),
        CH_OK);
    for (size_t i = 0; i < AUDIT_KEYS; i++) {
        keys[i] = (struct tlog_key){slice_str(ORIGIN), hsm_key_public(opts.keys[i])};
    }
    test_postgres_start(&pg);
    test_postgres_conninfo(&pg, "chancery_audit", conninfo, sizeof conninfo);
    const struct db_pool_opts p = {.conninfo = conninfo};
    assert_int_equal(db_pool_new(&p, &pool, NULL), CH_OK);
    test_postgres_migrate(&pg);
    (void)snprintf(dir, sizeof dir, "/tmp/chancery-publish-XXXXXX");
    assert_non_null(mkdtemp(dir));
    (void)snprintf(log_dir, sizeof log_dir, "%s/log", dir);
    (void)snprintf(second, sizeof second, "%s/second-checkpoint", dir);
    opts.log_dir = log_dir;
    opts.second_checkpoint = second;
    opts.origin = ORIGIN;
    opts.pool = pool;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0); /* NOLINT: a fixed path of this test */
    db_pool_free(pool);
    test_postgres_end(&pg);
    hsm_close(token);
    test_softhsm_end(&softhsm);
    return 0;
}

static void append(struct audit_writer *w, uint8_t boot, uint64_t from, uint64_t to)
{
    struct call *calls = calloc((size_t)(to - from + 1), sizeof *calls);
    assert_non_null(calls);
    for (uint64_t i = from; i <= to; i++) {
        call_init(&calls[i - from], boot, i);
        calls[i - from].append.priority = true;
        assert_int_equal(audit_writer_submit(w, &calls[i - from].append, NULL), CH_OK);
    }
    for (uint64_t i = from; i <= to; i++) {
        assert_int_equal(call_wait(&calls[i - from]), CH_OK);
    }
    free(calls);
}

static struct audit_publisher *publisher(void)
{
    struct audit_publisher *p = NULL;
    struct diag diag = {0};
    if (audit_publisher_new(&opts, &p, &diag) != CH_OK) {
        fail_msg("%s: %s", diag.rule, diag.text);
    }
    return p;
}

static enum chancery_err run(struct audit_publisher *p, struct audit_writer *w, struct diag *diag)
{
    struct audit_position at;
    audit_writer_position(w, &at);
    return audit_publisher_run(p, &at, diag);
}

static void publish(struct audit_publisher *p, struct audit_writer *w)
{
    struct diag diag = {0};
    if (run(p, w, &diag) != CH_OK) {
        fail_msg("%s: %s", diag.rule, diag.text);
    }
}

static void read_file(const char *path, struct buf *out)
{
    char full[256];
    (void)snprintf(full, sizeof full, "%s/%s", log_dir, path);
    buf_init(out, 32 << 20);
    assert_int_equal(os_file_read(full, out, NULL), CH_OK);
}

static void checkpoint_of(struct tlog_checkpoint *out)
{
    static struct buf note;
    buf_clear(&note);
    read_file("checkpoint", &note);
    struct diag diag = {0};
    if (tlog_checkpoint_open(buf_slice(&note), keys, AUDIT_KEYS, true, out, &diag) != CH_OK) {
        fail_msg("%s: %s", diag.rule, diag.text);
    }
}

/* "path size\n" of every file and folder, and a digest over their content. */
static void snapshot(const char *folder, struct buf *out)
{
    char full[512];
    (void)snprintf(full, sizeof full, "%s/%s", log_dir, folder);
    struct dirent **names = NULL;
    int n = scandir(full, &names, NULL, alphasort);
    assert_true(n >= 0);
    for (int i = 0; i < n; i++) {
        char path[400];
        struct stat st;
        (void)snprintf(path, sizeof path, "%s%s%s", folder, folder[0] == '\0' ? "" : "/",
                       names[i]->d_name);
        (void)snprintf(full, sizeof full, "%s/%s", log_dir, path);
        if (names[i]->d_name[0] != '.' && stat(full, &st) == 0) {
            assert_int_equal(buf_printf(out, "%s\n", path), CH_OK);
            if (S_ISDIR(st.st_mode)) {
                snapshot(path, out);
            } else {
                struct buf content;
                read_file(path, &content);
                assert_int_equal(buf_add(out, buf_slice(&content)), CH_OK);
                buf_clear(&content);
            }
        }
        free(names[i]);
    }
    free(names);
}

static void take_snapshot(struct buf *out)
{
    buf_init(out, 64 << 20);
    snapshot("", out);
}

static bool exists(const char *path)
{
    char full[256];
    (void)snprintf(full, sizeof full, "%s/%s", log_dir, path);
    return access(full, F_OK) == 0;
}

static void log_grows_with_valid_checkpoints_proofs_and_no_superseded_files(void **state)
{
    (void)state;
    struct audit_writer *w = writer_on(&pg, "a");
    struct audit_publisher *p = publisher();
    wait_active(w, true);
    append(w, 1, 1, 200);
    publish(p, w);
    struct tlog_checkpoint c;
    checkpoint_of(&c);
    assert_int_equal(c.size, 200);
    assert_true(exists("tile/0/000.p/200"));
    append(w, 1, 201, 300);
    publish(p, w);
    checkpoint_of(&c);
    assert_int_equal(c.size, 300);
    assert_true(exists("tile/0/000"));
    assert_true(exists("tile/entries/001.p/44"));
    assert_false(exists("tile/0/000.p"));
    assert_false(exists("tile/entries/000.p"));

    struct buf again;
    struct buf now;
    take_snapshot(&now);
    publish(p, w); /* idle: nothing is signed anew */
    take_snapshot(&again);
    assert_true(slice_eq(buf_slice(&now), buf_slice(&again)));
    buf_clear(&again);
    buf_clear(&now);

    static const uint64_t indices[] = {0, 199, 255, 256, 299};
    for (size_t i = 0; i < sizeof indices / sizeof indices[0]; i++) {
        struct buf proof;
        struct buf bundle;
        buf_init(&proof, 16384);
        assert_int_equal(audit_publisher_prove(p, indices[i], &proof, NULL), CH_OK);
        read_file(indices[i] < 256 ? "tile/entries/000" : "tile/entries/001.p/44", &bundle);
        size_t at = 0;
        for (uint64_t k = 0; k < indices[i] % 256; k++) {
            at += 2 + ((size_t)bundle.ptr[at] << 8 | bundle.ptr[at + 1]);
        }
        struct slice leaf =
            slice_of(bundle.ptr + at + 2, (size_t)bundle.ptr[at] << 8 | bundle.ptr[at + 1]);
        uint64_t index = 0;
        assert_int_equal(tlog_proof_verify(buf_slice(&proof), leaf, keys, AUDIT_KEYS, &index, NULL),
                         CH_OK);
        assert_int_equal(index, indices[i]);
        buf_clear(&proof);
        buf_clear(&bundle);
    }
    struct buf proof;
    buf_init(&proof, 16384);
    assert_int_equal(audit_publisher_prove(p, 300, &proof, NULL), CH_NOT_FOUND);
    buf_clear(&proof);
    audit_writer_stop(w);
    audit_publisher_free(p);
}

static void files_lost_or_broken_are_rebuilt_byte_for_byte(void **state)
{
    (void)state;
    struct audit_writer *w = writer_on(&pg, "a");
    struct audit_publisher *p = publisher();
    wait_active(w, true);
    append(w, 2, 1, 400);
    publish(p, w);
    audit_publisher_free(p);
    struct buf want;
    take_snapshot(&want);
    assert_int_equal(setenv("D", dir, 1), 0);
    static const char *const damage[] = {
        "rm -rf $D/log/tile",
        "rm -rf $D/log",
        "rm $D/log/tile/0/000",
        "rm -rf $D/log/tile/0/002.p",
        "truncate -s 100 $D/log/tile/entries/002.p/*",
        "printf x > $D/log/checkpoint",
        "touch $D/log/tile/0/002.p/7 $D/log/tile/0/000.tmp-AbCdEf",
        "rm $D/second-checkpoint",
    };
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        assert_int_equal(system(damage[i]), 0); /* NOLINT: the fixed commands above */
        p = publisher();
        publish(p, w);
        audit_publisher_free(p);
        struct buf got;
        take_snapshot(&got);
        if (!slice_eq(buf_slice(&want), buf_slice(&got))) {
            fail_msg("not the same after: %s", damage[i]);
        }
        buf_clear(&got);
        assert_int_equal(access(second, F_OK), 0);
    }
    buf_clear(&want);
    audit_writer_stop(w);
}

/* Rows changed behind the log's back, or an old database: nothing is signed, the writer may not go
 * on. */
static void log_that_contradicts_a_signed_checkpoint_is_not_signed(void **state)
{
    (void)state;
    struct audit_writer *w = writer_on(&pg, "a");
    struct audit_publisher *p = publisher();
    wait_active(w, true);
    append(w, 3, 1, 10);
    publish(p, w);
    struct audit_position at;
    audit_writer_position(w, &at);
    struct diag diag = {0};
    assert_int_equal(audit_publisher_admit(p, at.size, &diag), CH_OK);
    assert_int_equal(audit_publisher_admit(p, at.size - 1, &diag), CH_INTEGRITY);
    assert_string_equal(diag.rule, "audit.log.shrunk");
    audit_publisher_free(p);

    struct buf want;
    take_snapshot(&want);
    test_postgres_admin(
        &pg, "CREATE TABLE public.kept AS SELECT entries FROM audit.batch WHERE first_index = 0; "
             "ALTER TABLE audit.batch DISABLE TRIGGER USER; "
             "UPDATE audit.batch SET entries = set_byte(entries, 20, get_byte(entries, 20) # 1) "
             "WHERE first_index = 0; "
             "ALTER TABLE audit.batch ENABLE TRIGGER USER");
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s/tile", log_dir);
    assert_int_equal(system(command),
                     0); /* NOLINT: everything is to be rebuilt from the changed rows */
    p = publisher();
    diag_clear(&diag);
    assert_int_equal(run(p, w, &diag), CH_INTEGRITY);
    assert_string_equal(diag.rule, "audit.checkpoint.contradiction");
    assert_int_equal(run(p, w, &diag), CH_INTEGRITY); /* and stays so */
    test_postgres_admin(
        &pg,
        "ALTER TABLE audit.batch DISABLE TRIGGER USER; "
        "UPDATE audit.batch SET entries = (SELECT entries FROM public.kept) WHERE first_index = 0; "
        "ALTER TABLE audit.batch ENABLE TRIGGER USER; DROP TABLE public.kept");
    audit_publisher_free(p);
    p = publisher();
    publish(p, w);
    struct buf got;
    take_snapshot(&got);
    assert_true(slice_eq(buf_slice(&want), buf_slice(&got)));
    buf_clear(&got);
    buf_clear(&want);

    /* A second place that is ahead of everything: a restored backup. */
    append(w, 3, 11, 20);
    struct buf ahead;
    buf_init(&ahead, TLOG_NOTE_MAX);
    struct tlog_checkpoint future = {.origin = slice_str(ORIGIN), .size = 1000000};
    struct buf text;
    buf_init(&text, TLOG_NOTE_MAX);
    assert_int_equal(tlog_checkpoint_body(&future, &text), CH_OK);
    assert_int_equal(buf_add(&ahead, buf_slice(&text)), CH_OK);
    assert_int_equal(buf_add_str(&ahead, "\n"), CH_OK);
    for (size_t i = 0; i < AUDIT_KEYS; i++) {
        struct buf sig;
        buf_init(&sig, 256);
        assert_int_equal(hsm_sign(opts.keys[i],
                                  i == 0 ? CRYPTO_ALG_ECDSA_SHA256 : CRYPTO_ALG_ED25519,
                                  buf_slice(&text), 1000, &sig, NULL),
                         CH_OK);
        assert_int_equal(tlog_note_add_signature(&keys[i], buf_slice(&sig), &ahead), CH_OK);
        buf_clear(&sig);
    }
    assert_int_equal(os_file_write_atomic(second, buf_slice(&ahead), 0644, NULL), CH_OK);
    assert_int_equal(run(p, w, &diag), CH_INTEGRITY);
    audit_writer_position(w, &at);
    assert_int_equal(audit_publisher_admit(p, at.size, &diag), CH_INTEGRITY);
    assert_int_equal(os_file_write_atomic(second, slice_str("x"), 0644, NULL), CH_OK);
    assert_int_equal(run(p, w, &diag), CH_INTEGRITY);
    assert_string_equal(diag.rule, "audit.checkpoint.second");
    buf_clear(&text);
    buf_clear(&ahead);
    audit_publisher_free(p);
    audit_writer_stop(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_grows_with_valid_checkpoints_proofs_and_no_superseded_files),
        cmocka_unit_test(files_lost_or_broken_are_rebuilt_byte_for_byte),
        cmocka_unit_test(log_that_contradicts_a_signed_checkpoint_is_not_signed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

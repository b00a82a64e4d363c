/* chancery-audit as a process: mTLS, callers, real database, real token, kill -9, and its log
 * checked by chancery-verify. */
#include "cm.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "chancery/audit/v1/audit.pb-c.h"
#include "hsm/hsm.h"
#include "os/os.h"
#include "rpc/rpc.h"
#include "test_identity.h"
#include "test_postgres.h"
#include "test_softhsm.h"
#include "test_trust.h"
#include "tlog/tlog.h"

#define DOMAIN "chancery.test"
#define ORIGIN DOMAIN "/audit"
#define SD (&chancery__audit__v1__audit_service__descriptor)

static struct test_postgres pg;
static struct test_softhsm softhsm;
static struct test_ca *ca;
static char dir[64];
static char address[128];
static pid_t pid;
static struct crypto_public *pub[2];
static struct tlog_key keys[2];
static struct rpc_channel *signer, *other, *auditor, *stranger;

static void path_in(char out[256], const char *name)
{
    (void)snprintf(out, 256, "%s/%s", dir, name);
}

static void add_base64(struct buf *b, struct slice s)
{
    assert_int_equal(buf_add_str(b, "\""), CH_OK);
    assert_int_equal(base64_encode(s, b), CH_OK);
    assert_int_equal(buf_add_str(b, "\""), CH_OK);
}

/* Generates the checkpoint keys and writes trust.json; the keys of other purposes are of no use
 * here. */
static void make_trust(char sha256_hex[65])
{
    struct hsm_token *token = NULL;
    struct hsm_key *key[2];
    const struct hsm_opts o = {.module = TEST_SOFTHSM_MODULE,
                               .token_uri = "pkcs11:token=chancery-audit",
                               .pin_file = softhsm.pin,
                               .pin_fd = -1};
    assert_int_equal(hsm_open(&o, &token, NULL), CH_OK);
    assert_int_equal(hsm_key_generate(token, CRYPTO_KEY_P256, "checkpoint-p256", &key[0], NULL),
                     CH_OK);
    assert_int_equal(
        hsm_key_generate(token, CRYPTO_KEY_ED25519, "checkpoint-ed25519", &key[1], NULL), CH_OK);
    struct buf b;
    buf_init(&b, 65536);
    assert_int_equal(
        buf_printf(&b,
                   "{\"v\":1,\"trust_domain\":\"%s\",\"origin\":\"%s\",\"keys\":{\"checkpoint\":[",
                   DOMAIN, ORIGIN),
        CH_OK);
    for (size_t i = 0; i < 2; i++) {
        pub[i] = crypto_public_ref(hsm_key_public(key[i]));
        keys[i] = (struct tlog_key){slice_str(ORIGIN), pub[i]};
        assert_int_equal(i == 0 ? CH_OK : buf_add_str(&b, ","), CH_OK);
        add_base64(&b, crypto_public_spki(pub[i]));
    }
    assert_int_equal(buf_add_str(&b, "],\"permit\":["), CH_OK);
    add_base64(&b, crypto_public_spki(pub[0]));
    assert_int_equal(buf_add_str(&b, "],\"statement\":["), CH_OK);
    add_base64(&b, crypto_public_spki(pub[0]));
    assert_int_equal(
        buf_printf(&b,
                   "]},\"issuers\":[{\"issuer_id\":\"none\",\"certificate\":\"MAA=\",\"shards\":1,"
                   "\"crl_url\":"
                   "\"\",\"ocsp_url\":\"\"}],\"bundle_sha256\":\"%064d\",\"rehearsal\":true}\n",
                   0),
        CH_OK);
    char path[256];
    uint8_t digest[32];
    test_trust_sign(&b);
    path_in(path, "trust.json");
    assert_int_equal(os_file_write_atomic(path, buf_slice(&b), 0644, NULL), CH_OK);
    crypto_sha256(buf_slice(&b), digest);
    hex_encode(slice_of(digest, 32), sha256_hex);
    buf_clear(&b);
    hsm_close(token);
}

static void make_config(const char *trust_sha256)
{
    char conninfo[256];
    struct buf b;
    buf_init(&b, 65536);
    test_postgres_conninfo(&pg, "chancery_audit", conninfo, sizeof conninfo);
    (void)snprintf(address, sizeof address, "unix:%s/audit.sock", dir);
    assert_int_equal(
        buf_printf(&b,
                   "process: audit\ninstance: audit-1\nlisten: \"%s\"\ntrust: %s/trust.json\n"
                   "trust_sha256: \"%s\"\ntls: {dir: %s/id/audit}\nstate_dir: %s/state\n"
                   "second_dir: %s/second\ndatabase: {conninfo: \"%s\", pool: 4}\n"
                   "hsm:\n  module: %s\n  token: \"pkcs11:token=chancery-audit\"\n  pin_file: %s\n",
                   address, dir, trust_sha256, dir, dir, dir, conninfo, TEST_SOFTHSM_MODULE,
                   softhsm.pin),
        CH_OK);
    char path[256];
    path_in(path, "audit.yaml");
    assert_int_equal(os_file_write_atomic(path, buf_slice(&b), 0600, NULL), CH_OK);
    buf_clear(&b);
}

static void start_process(void)
{
    char config[256];
    char failpoint[256];
    path_in(config, "audit.yaml");
    path_in(failpoint, "failpoint");
    assert_int_equal(setenv("CHANCERY_FAILPOINT_FILE", failpoint, 1), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        char log[256];
        path_in(log, "audit.log");
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        (void)dup2(fd, 2);
        (void)execl(TEST_BINARY_DIR "/bin/chancery-audit", "chancery-audit", "--config", config,
                    (char *)NULL);
        _exit(127);
    }
}

static void wait_ready(struct rpc_channel *c)
{
    bool ready = false;
    int64_t until = os_mono_ms() + 30000;
    while (!ready) {
        assert_true(os_mono_ms() < until);
        if (rpc_health_check(c, 1000, &ready, NULL) != CH_OK || !ready) {
            ready = false;
            (void)nanosleep(&(struct timespec){0, 20000000}, NULL); /* polling a condition */
        }
    }
}

static void end_process(int signal_number)
{
    int status = 0;
    assert_int_equal(kill(pid, signal_number), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (signal_number == SIGTERM) {
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

static struct rpc_channel *channel(const char *name, const char *uri)
{
    static char folder[256];
    struct rpc_channel *c = NULL;
    (void)snprintf(folder, sizeof folder, "%s/id/%s", dir, name);
    test_ca_issue(ca, folder, uri);
    const struct rpc_channel_opts o = {
        .tls = {.dir = folder}, .trust_domain = DOMAIN, .peer_uri = "/chancery/audit"};
    assert_int_equal(rpc_channel_new(address, &o, &c, NULL), CH_OK);
    return c;
}

static int setup(void **state)
{
    (void)state;
    char sha256_hex[65];
    char folder[256];
    test_tmpdir(dir);
    /* Children first: libgrpc's threads do not survive a fork without exec, and the server is
     * exec'ed. */
    test_softhsm_start(&softhsm);
    test_softhsm_token(&softhsm, "chancery-audit");
    make_trust(sha256_hex);
    test_postgres_start(&pg);
    test_postgres_migrate(&pg);
    path_in(folder, "id");
    assert_int_equal(os_mkdirs(folder, 0700), CH_OK);
    path_in(folder, "state");
    assert_int_equal(os_mkdirs(folder, 0700), CH_OK);
    ca = test_ca_new("infrastructure");
    path_in(folder, "id/audit");
    test_ca_issue(ca, folder, "spiffe://" DOMAIN "/chancery/audit");
    make_config(sha256_hex);
    assert_int_equal(rpc_init(), CH_OK);
    start_process();
    signer = channel("signer", "spiffe://" DOMAIN "/chancery/signer");
    other = channel("ca", "spiffe://" DOMAIN "/chancery/ca");
    auditor = channel("auditor", "spiffe://" DOMAIN "/user/auditor");
    stranger = channel("stranger", "spiffe://" DOMAIN "/stranger");
    struct rpc_channel *all[] = {signer, other, auditor, stranger}; /* each connects by itself */
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        wait_ready(all[i]);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    end_process(SIGTERM);
    rpc_channel_free(signer);
    rpc_channel_free(other);
    rpc_channel_free(auditor);
    rpc_channel_free(stranger);
    rpc_shutdown();
    test_ca_free(ca);
    test_postgres_end(&pg);
    test_softhsm_end(&softhsm);
    crypto_public_free(pub[0]);
    crypto_public_free(pub[1]);
    test_rmdir(dir);
    return 0;
}

/* One entry: an INTENT with `item`, or a note. */
static enum chancery_err append(struct rpc_channel *c, uint8_t boot_byte, uint64_t sequence,
                                const uint8_t *item, const char *text, struct arena *arena,
                                const Chancery__Audit__V1__AppendResponse **out, struct diag *diag)
{
    uint8_t boot[16];
    memset(boot, boot_byte, sizeof boot);
    Chancery__Audit__V1__Field field = CHANCERY__AUDIT__V1__FIELD__INIT;
    Chancery__Audit__V1__Field *fields[] = {&field};
    Chancery__Audit__V1__Entry entry = CHANCERY__AUDIT__V1__ENTRY__INIT;
    Chancery__Audit__V1__Entry *entries[] = {&entry};
    Chancery__Audit__V1__AppendRequest m = CHANCERY__AUDIT__V1__APPEND_REQUEST__INIT;
    field.name = (char *)"text";
    field.value_case = CHANCERY__AUDIT__V1__FIELD__VALUE_TEXT;
    field.text = (char *)text;
    entry.action = (char *)(item == NULL ? "note" : "intent");
    entry.fields = fields;
    entry.n_fields = 1;
    if (item != NULL) {
        entry.permit_item = (ProtobufCBinaryData){32, (uint8_t *)item};
        entry.permit_expires_s = os_now_s() + 60;
    }
    m.boot = (ProtobufCBinaryData){sizeof boot, boot};
    m.sequence = sequence;
    m.entries = entries;
    m.n_entries = 1;
    ProtobufCMessage *answer = NULL;
    enum chancery_err err = rpc_call_unary(c, SD, "Append", &m.base, 5000, arena, &answer, diag);
    if (err == CH_OK) {
        *out = (const Chancery__Audit__V1__AppendResponse *)answer;
    }
    return err;
}

static uint64_t append_note(struct rpc_channel *c, uint8_t boot, uint64_t sequence,
                            const char *text)
{
    struct arena arena = {0};
    struct diag diag = {0};
    const Chancery__Audit__V1__AppendResponse *r = NULL;
    enum chancery_err err = append(c, boot, sequence, NULL, text, &arena, &r, &diag);
    if (err != CH_OK) {
        fail_msg("%s %s: %s", err_name(err), diag.rule, diag.text);
    }
    uint64_t index = r->acks[0]->index;
    arena_clear(&arena);
    return index;
}

static void append_is_answered_with_index_and_proof_follows(void **state)
{
    (void)state;
    struct arena arena = {0};
    uint64_t index = append_note(other, 1, 1, "caf\xC3\xA9");
    Chancery__Audit__V1__GetProofRequest m = CHANCERY__AUDIT__V1__GET_PROOF_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    struct diag diag = {0};
    m.index = index;
    m.wait_ms = 5000;
    assert_int_equal(
        rpc_call_unary(auditor, SD, "GetProof", &m.base, 10000, &arena, &answer, &diag), CH_OK);
    const Chancery__Audit__V1__GetProofResponse *r =
        (const Chancery__Audit__V1__GetProofResponse *)answer;
    uint64_t proven = 0;
    assert_int_equal(
        tlog_proof_verify(slice_str(r->proof), rpc_slice(r->leaf), keys, 2, &proven, NULL), CH_OK);
    assert_int_equal(proven, index);
    m.index = index + 1000000;
    assert_int_equal(
        rpc_call_unary(auditor, SD, "GetProof", &m.base, 10000, &arena, &answer, &diag),
        CH_NOT_FOUND);
    m.wait_ms = 10001;
    assert_int_equal(
        rpc_call_unary(auditor, SD, "GetProof", &m.base, 10000, &arena, &answer, &diag), CH_LIMIT);
    arena_clear(&arena);
}

static void intent_is_single_use_and_signer_only(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct diag diag = {0};
    uint8_t item[32];
    const Chancery__Audit__V1__AppendResponse *r = NULL;
    os_random(item, sizeof item);
    assert_int_equal(append(other, 1, 100, item, "x", &arena, &r, &diag), CH_DENIED);
    assert_string_equal(diag.rule, "audit.entry.signer");
    assert_int_equal(append(signer, 2, 1, item, "x", &arena, &r, &diag), CH_OK);
    assert_int_equal(rpc_error_read(r->acks[0]->error, &diag), CH_OK);
    assert_int_equal(append(signer, 2, 2, item, "x", &arena, &r, &diag), CH_OK);
    assert_int_equal(rpc_error_read(r->acks[0]->error, &diag), CH_PRECONDITION);
    assert_string_equal(diag.rule, "audit.permit.used");
    arena_clear(&arena);
}

static void callers_outside_the_list_and_bad_entries_are_refused(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct diag diag = {0};
    const Chancery__Audit__V1__AppendResponse *r = NULL;
    assert_int_equal(append(auditor, 3, 1, NULL, "x", &arena, &r, &diag), CH_DENIED);
    assert_int_equal(append(stranger, 3, 1, NULL, "x", &arena, &r, &diag), CH_DENIED);
    assert_int_equal(append(other, 3, 0, NULL, "x", &arena, &r, &diag), CH_INVALID);
    assert_string_equal(diag.rule, "audit.sequence");
    static char big[17 << 10];
    memset(big, 'x', sizeof big - 1);
    assert_int_equal(append(other, 3, 1, NULL, big, &arena, &r, &diag), CH_LIMIT);
    assert_string_equal(diag.rule, "audit.field.text");
    assert_string_equal(diag.field, "entries[0].text");
    Chancery__Audit__V1__GetCheckpointRequest m = CHANCERY__AUDIT__V1__GET_CHECKPOINT_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    assert_int_equal(
        rpc_call_unary(stranger, SD, "GetCheckpoint", &m.base, 5000, &arena, &answer, &diag),
        CH_DENIED);
    assert_int_equal(
        rpc_call_unary(auditor, SD, "GetCheckpoint", &m.base, 5000, &arena, &answer, &diag), CH_OK);
    struct tlog_checkpoint c;
    const char *note = ((const Chancery__Audit__V1__GetCheckpointResponse *)answer)->checkpoint;
    assert_int_equal(tlog_checkpoint_open(slice_str(note), keys, 2, true, &c, NULL), CH_OK);
    arena_clear(&arena);
}

static const Chancery__Audit__V1__ListEntriesResponse *
list(Chancery__Audit__V1__ListEntriesRequest *m, struct arena *arena)
{
    ProtobufCMessage *answer = NULL;
    struct diag diag = {0};
    enum chancery_err err =
        rpc_call_unary(auditor, SD, "ListEntries", &m->base, 5000, arena, &answer, &diag);
    if (err != CH_OK) {
        fail_msg("%s: %s", diag.rule, diag.text);
    }
    return (const Chancery__Audit__V1__ListEntriesResponse *)answer;
}

static void entries_are_listed_filtered_and_streamed(void **state)
{
    (void)state;
    struct arena arena = {0};
    uint64_t first = 0;
    for (uint64_t i = 0; i < 700; i++) {
        uint64_t index = append_note(other, 4, i + 1, i % 100 == 0 ? "hundred" : "plain");
        first = i == 0 ? index : first;
    }
    Chancery__Audit__V1__ListEntriesRequest m = CHANCERY__AUDIT__V1__LIST_ENTRIES_REQUEST__INIT;
    m.first_index = first;
    m.count = 50;
    const Chancery__Audit__V1__ListEntriesResponse *r = list(&m, &arena);
    assert_int_equal(r->n_entries, 50);
    assert_int_equal(r->entries[49]->index, first + 49);
    assert_true(r->size >= first + 700);
    m.count = 1000;
    m.action = (char *)"note";
    m.field = (char *)"text";
    m.value = (char *)"hundred";
    r = list(&m, &arena);
    assert_int_equal(r->n_entries, 7);
    m.newest_first = 1;
    m.count = 3;
    r = list(&m, &arena);
    assert_int_equal(r->n_entries, 3);
    assert_true(r->entries[0]->index > r->entries[1]->index &&
                r->entries[1]->index > r->entries[2]->index);
    m.count = 1001;
    ProtobufCMessage *answer = NULL;
    assert_int_equal(
        rpc_call_unary(auditor, SD, "ListEntries", &m.base, 5000, &arena, &answer, NULL), CH_LIMIT);

    Chancery__Audit__V1__StreamEntriesRequest s = CHANCERY__AUDIT__V1__STREAM_ENTRIES_REQUEST__INIT;
    struct rpc_stream *stream = NULL;
    s.first_index = first;
    assert_int_equal(rpc_stream_open(auditor, SD, "StreamEntries", RPC_SERVER_STREAM, &s.base,
                                     10000, &stream, NULL),
                     CH_OK);
    uint64_t next = first;
    enum chancery_err err = CH_OK;
    while ((err = rpc_stream_recv(stream, &arena, &answer)) == CH_OK) {
        const Chancery__Audit__V1__StreamEntriesResponse *part =
            (const Chancery__Audit__V1__StreamEntriesResponse *)answer;
        for (size_t i = 0; i < part->n_entries; i++) {
            assert_int_equal(part->entries[i]->index, next++);
        }
    }
    assert_int_equal(err, CH_END);
    assert_true(next >= first + 700);
    rpc_stream_free(stream);
    arena_clear(&arena);
}

/* Killed at random under load: what was acknowledged is there once, repetitions get the same
 * answer. */
static void process_killed_under_load_keeps_what_it_acknowledged(void **state)
{
    (void)state;
    uint64_t acknowledged[400] = {0};
    uint64_t sequence = 0;
    unsigned seed = 20261121;
    for (int round = 0; round < 4; round++) {
        int64_t until = os_mono_ms() + 50 + rand_r(&seed) % 150;
        while (os_mono_ms() < until && sequence < 390) {
            sequence++;
            acknowledged[sequence] = append_note(other, 5, sequence, "kept");
        }
        end_process(SIGKILL);
        start_process();
        wait_ready(other);
        for (uint64_t s = 1; s <= sequence; s++) {
            assert_int_equal(append_note(other, 5, s, "kept"), acknowledged[s]);
        }
    }
    assert_true(sequence > 20);
}

#ifdef CHANCERY_FAILPOINTS
/* Killed between each pair of steps: the repeated Append finds or makes exactly one entry, and the
 * published log goes on. */
static void process_killed_at_each_named_point_goes_on(void **state)
{
    (void)state;
    static const char *const points[] = {"audit.queued", "audit.committed", "audit.tiles_written",
                                         "audit.signed", "audit.second_written"};
    for (uint64_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        struct arena arena = {0};
        const Chancery__Audit__V1__AppendResponse *r = NULL;
        char path[256];
        int status = 0;
        path_in(path, "failpoint");
        assert_int_equal(os_file_write_atomic(path, slice_str(points[i]), 0644, NULL), CH_OK);
        enum chancery_err err = append(other, 7, i + 1, NULL, points[i], &arena, &r, NULL);
        assert_true(i >= 2 || err != CH_OK); /* died before it could answer */
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        start_process();
        wait_ready(other);
        uint64_t index = append_note(other, 7, i + 1, points[i]);
        Chancery__Audit__V1__ListEntriesRequest m = CHANCERY__AUDIT__V1__LIST_ENTRIES_REQUEST__INIT;
        m.field = (char *)"text";
        m.value = (char *)points[i];
        m.newest_first = 1;
        const Chancery__Audit__V1__ListEntriesResponse *found = list(&m, &arena);
        assert_int_equal(found->n_entries, 1);
        assert_int_equal(found->entries[0]->index, index);
        arena_clear(&arena);
    }
}
#endif

static void log_verifies_after_all_that(void **state)
{
    (void)state;
    uint64_t index = append_note(other, 6, 1, "last");
    struct arena arena = {0};
    Chancery__Audit__V1__GetProofRequest m = CHANCERY__AUDIT__V1__GET_PROOF_REQUEST__INIT;
    ProtobufCMessage *answer = NULL;
    m.index = index;
    m.wait_ms = 10000;
    assert_int_equal(rpc_call_unary(auditor, SD, "GetProof", &m.base, 12000, &arena, &answer, NULL),
                     CH_OK);
    arena_clear(&arena);
    /* The INTENTs above name neither key nor TBS, which the verifier rightly minds: only that may
     * be found. */
    static const char command[] =
        "flock -s $D/state/log.lock cp -a $D/state/log $D/copy && "
        "! " TEST_BINARY_DIR "/bin/chancery-verify --trust $D/trust.json $D/copy > $D/report && "
        "[ $(grep -c ^FAULT $D/report) = 1 ] && grep -q intent.fields $D/report && "
        "/usr/bin/python3 -B " TEST_SOURCE_DIR
        "/tests/interop/verify_log.py $D/trust.json $D/copy >/dev/null";
    assert_int_equal(setenv("D", dir, 1), 0);
    assert_int_equal(system(command), 0); /* NOLINT: the programs under test */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(append_is_answered_with_index_and_proof_follows),
        cmocka_unit_test(intent_is_single_use_and_signer_only),
        cmocka_unit_test(callers_outside_the_list_and_bad_entries_are_refused),
        cmocka_unit_test(entries_are_listed_filtered_and_streamed),
        cmocka_unit_test(process_killed_under_load_keeps_what_it_acknowledged),
#ifdef CHANCERY_FAILPOINTS
        cmocka_unit_test(process_killed_at_each_named_point_goes_on),
#endif
        cmocka_unit_test(log_verifies_after_all_that),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

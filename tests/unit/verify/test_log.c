/* chancery-verify on whole logs: sound ones pass; any changed byte, any missing, unknown or
 * superseded file and any entry that contradicts another is found and named. */
#include "cm.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log_keys.h"
#include "os/os.h"
#include "tlog/tiles.h"
#include "tree.h"

#define ORIGIN "chancery.test/audit"
#define SIGNER "spiffe://chancery.test/chancery/signer"
#define SEED 20261121u

static struct log_keys keys;
static struct verify_trust trust;
static char base[64], trust_path[96];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(base, sizeof base, "/tmp/chancery-verify-XXXXXX");
    assert_non_null(mkdtemp(base));
    (void)snprintf(trust_path, sizeof trust_path, "%s/trust.json", base);
    log_keys_make(&keys, ORIGIN);
    struct buf text;
    buf_init(&text, 8192);
    log_keys_trust(&keys, "chancery.test", &text);
    assert_int_equal(os_file_write_atomic(trust_path, buf_slice(&text), 0644, NULL), CH_OK);
    buf_clear(&text);
    struct diag diag = {0};
    if (verify_trust_load(&trust, trust_path, NULL, &diag) != CH_OK) {
        fail_msg("%s", diag.text);
    }
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    (void)state;
    verify_trust_clear(&trust);
    log_keys_clear(&keys);
    return nftw(base, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* ---- a writer of logs ---- */

struct writer {
    char dir[96];
    struct tlog_tiles tiles;
    uint64_t sequence;
};

static enum chancery_err write_file(void *ctx, const char *path, struct slice content)
{
    struct writer *w = ctx;
    char full[256];
    (void)snprintf(full, sizeof full, "%s/%s", w->dir, path);
    *strrchr(full, '/') = '\0';
    TRY(os_mkdirs(full, 0755));
    (void)snprintf(full, sizeof full, "%s/%s", w->dir, path);
    FILE *f = fopen(full, "we"); /* without fsync: a test's copy */
    assert_non_null(f);
    assert_int_equal(fwrite(content.ptr, 1, content.len, f), content.len);
    return fclose(f) == 0 ? CH_OK : CH_IO;
}

static void writer_start(struct writer *w, const char *name)
{
    (void)snprintf(w->dir, sizeof w->dir, "%s/%s", base, name);
    w->sequence = 0;
    tlog_tiles_init(&w->tiles);
}

static void add_line(struct writer *w, const char *line)
{
    assert_int_equal(tlog_tiles_add(&w->tiles, slice_str(line), write_file, w), CH_OK);
}

/* An entry of the signer with a sequence and time of its own. */
static void add(struct writer *w, const char *action, const char *f)
{
    char line[1024];
    w->sequence++;
    (void)snprintf(line, sizeof line,
                   "{\"action\":\"%s\",\"boot\":\"000102030405060708090a0b0c0d0e0f\",\"f\":%s,"
                   "\"producer\":\"" SIGNER "\",\"pseq\":%llu,\"ts\":%llu,\"v\":1}",
                   action, f, (unsigned long long)w->sequence,
                   1763690000000000000ULL + (unsigned long long)w->sequence);
    add_line(w, line);
}

/* Digest-like text that depends on `n`. */
static void digest(char out[65], const char *kind, uint64_t n)
{
    char text[64];
    uint8_t raw[32];
    (void)snprintf(text, sizeof text, "%s%llu", kind, (unsigned long long)n);
    crypto_sha256(slice_str(text), raw);
    hex_encode(slice_of(raw, 32), out);
}

static void add_intent(struct writer *w, uint64_t item, uint64_t tbs)
{
    char f[512], permit[65], key[65], t[65];
    digest(permit, "permit", item);
    digest(key, "key", 1);
    digest(t, "tbs", tbs);
    (void)snprintf(
        f, sizeof f,
        "{\"key\":\"%s\",\"permit_expires_s\":1763690060,\"permit_item\":\"%s\",\"tbs\":\"%s\"}",
        key, permit, t);
    add(w, "intent", f);
}

static void add_result(struct writer *w, uint64_t intent, uint64_t tbs)
{
    char f[512], key[65], t[65], sig[65];
    digest(key, "key", 1);
    digest(t, "tbs", tbs);
    digest(sig, "sig", tbs);
    (void)snprintf(f, sizeof f,
                   "{\"intent\":%llu,\"key\":\"%s\",\"outcome\":\"signed\",\"signature\":\"%s\","
                   "\"tbs\":\"%s\"}",
                   (unsigned long long)intent, key, sig, t);
    add(w, "result", f);
}

static void writer_end(struct writer *w)
{
    struct tlog_hash root;
    struct buf note;
    buf_init(&note, TLOG_NOTE_MAX);
    assert_int_equal(tlog_tiles_partials(&w->tiles, write_file, w), CH_OK);
    tlog_tiles_root(&w->tiles, &root);
    log_keys_checkpoint(&keys, w->tiles.size, &root, &note);
    assert_int_equal(write_file(w, "checkpoint", buf_slice(&note)), CH_OK);
    buf_clear(&note);
    tlog_tiles_clear(&w->tiles);
}

/* `n` entries: INTENT, RESULT, note, in turn. */
static void make_log(struct writer *w, const char *name, uint64_t n)
{
    writer_start(w, name);
    for (uint64_t i = 0; i < n; i++) {
        if (i % 3 == 0) {
            add_intent(w, i, i);
        } else if (i % 3 == 1) {
            add_result(w, i - 1, i - 1);
        } else {
            add(w, "note", "{\"text\":\"caf\xC3\xA9 \\\"x\\\" \\u0001\"}");
        }
    }
    writer_end(w);
}

/* ---- checking ---- */

static void verify(const struct writer *w, struct verify_report *r)
{
    struct diag diag = {0};
    memset(r, 0, sizeof *r);
    if (verify_log(w->dir, &trust, r, &diag) != CH_OK) {
        fail_msg("%s", diag.text);
    }
}

static void assert_sound(const struct writer *w, uint64_t size)
{
    struct verify_report r;
    verify(w, &r);
    if (r.n_faults != 0) {
        fail_msg("%s: %s", r.faults[0].file, r.faults[0].text);
    }
    assert_int_equal(r.entries, size);
    verify_report_clear(&r);
}

/* Every fault names `file`, and there is one. */
static void assert_only_fault_in(const struct writer *w, const char *file, const char *what)
{
    struct verify_report r;
    verify(w, &r);
    if (r.n_faults == 0) {
        fail_msg("%s: %s passed", file, what);
    }
    for (size_t i = 0; i < r.n_kept; i++) {
        if (strcmp(r.faults[i].file, file) != 0) {
            fail_msg("%s: %s, but %s is named (%s)", file, what, r.faults[i].file,
                     r.faults[i].rule);
        }
    }
    verify_report_clear(&r);
}

static void assert_rule(const struct writer *w, const char *rule, int64_t index)
{
    struct verify_report r;
    verify(w, &r);
    if (r.n_faults != 1 || strcmp(r.faults[0].rule, rule) != 0 || r.faults[0].index != index) {
        fail_msg("%s at %lld expected, got %zu faults, first %s at %lld", rule, (long long)index,
                 r.n_faults, r.n_faults == 0 ? "-" : r.faults[0].rule,
                 r.n_faults == 0 ? -1 : (long long)r.faults[0].index);
    }
    verify_report_clear(&r);
}

static void flip(const char *full, size_t at, uint8_t mask)
{
    FILE *f = fopen(full, "r+be");
    assert_non_null(f);
    assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
    int c = fgetc(f);
    assert_true(c >= 0);
    assert_int_equal(fseek(f, (long)at, SEEK_SET), 0);
    assert_int_equal(fputc(c ^ mask, f), c ^ mask);
    assert_int_equal(fclose(f), 0);
}

/* All octets of a file up to `all`, else `sample` of them: each flipped must be found and named. */
static unsigned flip_file(const struct writer *w, const char *path, size_t all, unsigned sample,
                          unsigned *seed)
{
    char full[256], what[96];
    struct stat st;
    (void)snprintf(full, sizeof full, "%s/%s", w->dir, path);
    assert_int_equal(stat(full, &st), 0);
    size_t len = (size_t)st.st_size;
    size_t n = len <= all ? len : sample;
    for (size_t i = 0; i < n; i++) {
        size_t at = len <= all ? i : i == 0 ? 0 : i == 1 ? len - 1 : (size_t)rand_r(seed) % len;
        uint8_t mask = (uint8_t)(1u << (rand_r(seed) % 8));
        (void)snprintf(what, sizeof what, "octet %zu ^ %02x (seed %u)", at, mask, SEED);
        flip(full, at, mask);
        assert_only_fault_in(w, path, what);
        flip(full, at, mask);
    }
    return (unsigned)n;
}

static void any_flipped_byte_is_found_and_its_file_named(void **state)
{
    (void)state;
    static const char *const files[] = {
        "checkpoint",     "tile/0/000",       "tile/0/001",       "tile/0/002.p/188",
        "tile/1/000.p/2", "tile/entries/000", "tile/entries/001", "tile/entries/002.p/188",
    };
    struct writer w;
    unsigned seed = SEED;
    unsigned flipped = 0;
    make_log(&w, "small", 700);
    assert_sound(&w, 700);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        flipped += flip_file(&w, files[i], 512, 60, &seed);
    }
    assert_true(flipped > 600);
    assert_sound(&w, 700);
}

static void flipped_byte_in_a_log_of_three_levels_is_named(void **state)
{
    (void)state;
    static const char *const files[] = {
        "checkpoint", "tile/0/000",     "tile/0/200",       "tile/0/256.p/164",
        "tile/1/000", "tile/2/000.p/1", "tile/entries/000", "tile/entries/256.p/164"};
    struct writer w;
    unsigned seed = SEED + 1;
    make_log(&w, "large", 65700);
    assert_sound(&w, 65700);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        (void)flip_file(&w, files[i], 0, 2, &seed);
    }
}

static void run_in(const struct writer *w, const char *command)
{
    assert_int_equal(setenv("D", w->dir, 1), 0);
    assert_int_equal(system(command), 0); /* NOLINT: fixed commands of this test */
}

static void missing_unknown_superseded_and_cut_files_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *command, *undo, *file;
    } cases[] = {
        {"mv $D/checkpoint $D/../kept", "mv $D/../kept $D/checkpoint", "checkpoint"},
        {"mv $D/tile/0/001 $D/../kept", "mv $D/../kept $D/tile/0/001", "tile/0/001"},
        {"mv $D/tile/entries/000 $D/../kept", "mv $D/../kept $D/tile/entries/000",
         "tile/entries/000"},
        {"mv $D/tile/entries/002.p/88 $D/../kept && rmdir $D/tile/entries/002.p",
         "mkdir $D/tile/entries/002.p && mv $D/../kept $D/tile/entries/002.p/88",
         "tile/entries/002.p/88"},
        {"mv $D/tile/1/000.p/2 $D/../kept && rmdir $D/tile/1/000.p",
         "mkdir $D/tile/1/000.p && mv $D/../kept $D/tile/1/000.p/2", "tile/1"},
        {"touch $D/extra", "rm $D/extra", "extra"},
        {"touch $D/tile/0/003", "rm $D/tile/0/003", "tile/0/003"},
        {"touch $D/tile/0/1", "rm $D/tile/0/1", "tile/0/1"},
        {"touch $D/tile/0/000.tmp-AbCdEf", "rm $D/tile/0/000.tmp-AbCdEf", "tile/0/000.tmp-AbCdEf"},
        {"touch $D/tile/0/002.p/87", "rm $D/tile/0/002.p/87", "tile/0/002.p/87"},
        {"mkdir $D/tile/0/000.p && touch $D/tile/0/000.p/5", "rm -r $D/tile/0/000.p",
         "tile/0/000.p/5"},
        {"mkdir $D/tile/0/000.p", "rmdir $D/tile/0/000.p", "tile/0/000.p"},
        {"touch $D/tile/0/002.p/89", "rm $D/tile/0/002.p/89", "tile/0/002.p/89"},
        {"mv $D/tile/0/001 $D/../kept && ln -s ../../../kept $D/tile/0/001",
         "mv $D/../kept $D/tile/0/001", "tile/0/001"},
        {"mkfifo $D/pipe", "rm $D/pipe", "pipe"},
        {"cp $D/tile/0/001 $D/../kept && truncate -s -32 $D/tile/0/001",
         "mv $D/../kept $D/tile/0/001", "tile/0/001"},
        {"cp $D/tile/entries/001 $D/../kept && truncate -s -1 $D/tile/entries/001",
         "mv $D/../kept $D/tile/entries/001", "tile/entries/001"},
        {"cp $D/tile/entries/001 $D/../kept && printf 'x' >> $D/tile/entries/001",
         "mv $D/../kept $D/tile/entries/001", "tile/entries/001"},
        {"cp $D/tile/entries/001 $D/../kept && printf '\\0\\0' >> $D/tile/entries/001",
         "mv $D/../kept $D/tile/entries/001", "tile/entries/001"},
        {"cp $D/checkpoint $D/../kept && printf '\\n' >> $D/checkpoint",
         "mv $D/../kept $D/checkpoint", "checkpoint"},
        {"cp $D/checkpoint $D/../kept && head -n 5 $D/../kept > $D/checkpoint",
         "mv $D/../kept $D/checkpoint", "checkpoint"},
    };
    struct writer w;
    make_log(&w, "files", 600);
    assert_sound(&w, 600);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        run_in(&w, cases[i].command);
        struct verify_report r;
        verify(&w, &r);
        bool named = false;
        for (size_t k = 0; k < r.n_kept; k++) {
            named = named || strncmp(r.faults[k].file, cases[i].file, strlen(cases[i].file)) == 0;
        }
        if (!named) {
            fail_msg("not named after: %s", cases[i].command);
        }
        verify_report_clear(&r);
        run_in(&w, cases[i].undo);
    }
    assert_sound(&w, 600);
}

/* Both the entry and its tile changed: the parent still tells. */
static void entries_and_tile_changed_together_are_found(void **state)
{
    (void)state;
    struct writer w;
    struct writer other;
    make_log(&w, "both", 600);
    writer_start(&other, "both-other");
    for (uint64_t i = 0; i < 600; i++) {
        add(&other, "note", "{}");
    }
    writer_end(&other);
    run_in(
        &w,
        "cp $D-other/tile/0/000 $D/tile/0/000 && cp $D-other/tile/entries/000 $D/tile/entries/000");
    struct verify_report r;
    verify(&w, &r);
    bool named = false;
    for (size_t i = 0; i < r.n_kept; i++) { /* RESULTs that lost their INTENT are reported too */
        named = named || (strcmp(r.faults[i].file, "tile/0/000") == 0 &&
                          strcmp(r.faults[i].rule, "tile.hash") == 0);
    }
    assert_true(named);
    verify_report_clear(&r);
    /* The whole of another log under this log's checkpoint. */
    run_in(&w, "rm -r $D/tile && cp -r $D-other/tile $D/tile");
    verify(&w, &r);
    assert_true(r.n_faults >= 1);
    assert_string_equal(r.faults[r.n_kept - 1].rule, "tree.root");
    verify_report_clear(&r);
}

static void one_pair(struct writer *w, const char *name)
{
    writer_start(w, name);
    add_intent(w, 1, 1);
    add_result(w, 0, 1);
}

static void entries_that_contradict_each_other_are_found(void **state)
{
    (void)state;
    struct writer w;
    one_pair(&w, "p1");
    add_intent(&w, 1, 2);
    writer_end(&w);
    assert_rule(&w, "intent.permit", 2);

    one_pair(&w, "p2");
    add_result(&w, 0, 1);
    writer_end(&w);
    assert_rule(&w, "result.twice", 2);

    one_pair(&w, "p3");
    add_result(&w, 3, 1); /* an INTENT that comes later */
    add_intent(&w, 2, 1);
    writer_end(&w);
    assert_rule(&w, "result.intent", 2);

    one_pair(&w, "p4");
    add_intent(&w, 2, 2);
    add_result(&w, 2, 3); /* another TBS */
    writer_end(&w);
    assert_rule(&w, "result.other", 3);

    one_pair(&w, "p5");
    add(&w, "intent", "{}");
    writer_end(&w);
    assert_rule(&w, "intent.fields", 2);

    one_pair(&w, "p6");
    add(&w, "result", "{\"intent\":0}");
    writer_end(&w);
    assert_rule(&w, "result.fields", 2);

    one_pair(&w, "p7");
    w.sequence = 0; /* and so an older time */
    add(&w, "note", "{}");
    writer_end(&w);
    struct verify_report r;
    verify(&w, &r);
    assert_int_equal(r.n_faults, 2);
    assert_string_equal(r.faults[0].rule, "leaf.time");
    assert_string_equal(r.faults[1].rule, "leaf.pseq");
    verify_report_clear(&r);
}

#define L(f, producer, tail)                                                                       \
    "{\"action\":\"note\",\"boot\":\"000102030405060708090a0b0c0d0e0f\",\"f\":" f                  \
    ",\"producer\":\"" producer "\",\"pseq\":9," tail "}"
#define TAIL "\"ts\":1863690000000000000,\"v\":1"

/* Rightly hashed and signed, but not what a leaf may be. */
static void entries_out_of_form_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *line, *rule;
    } cases[] = {
        {L("{}", SIGNER, TAIL), NULL},
        {L("{} ", SIGNER, TAIL), "leaf.canonical"},
        {L("{}", SIGNER, TAIL) "\n", "leaf.canonical"},
        {L("{\"b\":1,\"a\":2}", SIGNER, TAIL), "leaf.canonical"},
        {L("{\"a\":\"\\u0041\"}", SIGNER, TAIL), "leaf.canonical"},
        {L("{\"a\":1.5}", SIGNER, TAIL), "leaf.json"},
        {L("{\"a\":1,\"a\":1}", SIGNER, TAIL), "leaf.json"},
        {L("{\"a\":null}", SIGNER, TAIL), "leaf.members"},
        {L("{\"a\":{}}", SIGNER, TAIL), "leaf.members"},
        {L("{\"A\":1}", SIGNER, TAIL), "leaf.members"},
        {L("{}", SIGNER, "\"ts\":1863690000000000000,\"v\":2"), "leaf.members"},
        {L("{}", SIGNER, "\"ts\":1863690000000000000,\"v\":1,\"z\":1"), "leaf.members"},
        {L("{}", "spiffe://chancery.test/user/eve", TAIL), "leaf.producer"},
        {L("{}", "spiffe://other.test/chancery/signer", TAIL), "leaf.producer"},
        {"", "leaf.json"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct writer w;
        char name[32];
        (void)snprintf(name, sizeof name, "form%zu", i);
        one_pair(&w, name);
        add_line(&w, cases[i].line);
        writer_end(&w);
        if (cases[i].rule == NULL) {
            assert_sound(&w, 3);
        } else {
            assert_rule(&w, cases[i].rule, 2);
        }
    }
    /* INTENT and RESULT of another process than the signer. */
    struct writer w;
    one_pair(&w, "foreign");
    add_line(&w, "{\"action\":\"result\",\"boot\":\"000102030405060708090a0b0c0d0e0f\",\"f\":{},"
                 "\"producer\":\"spiffe://chancery.test/chancery/ca\",\"pseq\":9," TAIL "}");
    writer_end(&w);
    struct verify_report r;
    verify(&w, &r);
    assert_int_equal(r.n_faults, 2);
    assert_string_equal(r.faults[0].rule, "leaf.signer");
    verify_report_clear(&r);
}

static void sizes_around_tile_borders_are_sound(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {0, 1, 2, 255, 256, 257, 511, 512, 513};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct writer w;
        char name[32];
        (void)snprintf(name, sizeof name, "size%llu", (unsigned long long)sizes[i]);
        make_log(&w, name, sizes[i]);
        assert_sound(&w, sizes[i]);
    }
}

static int program(const char *arguments, struct buf *out)
{
    char command[1024];
    (void)snprintf(command, sizeof command, TEST_BINARY_DIR "/bin/chancery-verify %s 2>&1",
                   arguments);
    FILE *f = popen(command, "re"); /* NOLINT: the program under test */
    assert_non_null(f);
    buf_reset(out);
    char chunk[4096];
    for (size_t n; (n = fread(chunk, 1, sizeof chunk, f)) > 0;) {
        assert_int_equal(buf_add(out, slice_of(chunk, n)), CH_OK);
    }
    assert_int_equal(buf_add_u8(out, 0), CH_OK);
    int status = pclose(f);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* A second reading of docs/AUDIT.md, in another language and on another crypto library. */
static void foreign_verifier_agrees(void **state)
{
    (void)state;
    static const char command[] =
        "/usr/bin/python3 -B " TEST_SOURCE_DIR "/tests/interop/verify_log.py $D/../trust.json $D";
    struct writer w;
    make_log(&w, "foreign-good", 700);
    run_in(&w, command);
    run_in(&w, "printf x | dd of=$D/tile/0/001 bs=1 seek=77 conv=notrunc status=none");
    assert_int_not_equal(system(command), 0); /* NOLINT */
}

static void program_exit_codes_and_reports(void **state)
{
    (void)state;
    struct writer w;
    struct buf out;
    char arguments[512];
    buf_init(&out, 1 << 20);
    make_log(&w, "program", 300);
    (void)snprintf(arguments, sizeof arguments, "--trust %s %s", trust_path, w.dir);
    assert_int_equal(program(arguments, &out), 0);
    assert_non_null(strstr((char *)out.ptr, "SOUND"));
    (void)snprintf(arguments, sizeof arguments, "--trust %s --trust-sha256 %s --json %s",
                   trust_path, trust.sha256, w.dir);
    assert_int_equal(program(arguments, &out), 0);
    assert_non_null(strstr((char *)out.ptr, "{\"ok\":true,"));
    (void)snprintf(arguments, sizeof arguments, "--trust %s --trust-sha256 %064d %s", trust_path, 7,
                   w.dir);
    assert_int_equal(program(arguments, &out), 2);
    run_in(&w, "printf x >> $D/tile/0/000");
    (void)snprintf(arguments, sizeof arguments, "--trust %s --json %s", trust_path, w.dir);
    assert_int_equal(program(arguments, &out), 1);
    assert_non_null(strstr((char *)out.ptr, "\"file\":\"tile/0/000\""));
    assert_int_equal(program("", &out), 2);
    assert_int_equal(program("--help", &out), 0);
    (void)snprintf(arguments, sizeof arguments, "--trust %s %s/none", trust_path, base);
    assert_int_equal(program(arguments, &out), 2);
    (void)snprintf(arguments, sizeof arguments, "--trust %s/none %s", base, w.dir);
    assert_int_equal(program(arguments, &out), 2);
    buf_clear(&out);
}

/* Every octet of trust.json is under the root's signature, or in the signature itself. */
static void trust_file_with_any_flipped_octet_is_refused(void **state)
{
    (void)state;
    struct buf good;
    buf_init(&good, 8192);
    assert_int_equal(os_file_read(trust_path, &good, NULL), CH_OK);
    char path[96];
    (void)snprintf(path, sizeof path, "%s/flipped.json", base);
    size_t wrong = 0;
    for (size_t i = 0; i + 1 < good.len; i += 3) { /* the last octet is the newline */
        struct verify_trust t;
        struct diag diag = {0};
        good.ptr[i] ^= 1;
        assert_int_equal(os_file_write_atomic(path, buf_slice(&good), 0644, NULL), CH_OK);
        if (verify_trust_load(&t, path, NULL, &diag) == CH_OK) {
            fail_msg("octet %zu flipped, and it passed", i);
        }
        wrong += strcmp(diag.rule, "trust.signature") == 0;
        verify_trust_clear(&t);
        good.ptr[i] ^= 1;
    }
    assert_true(wrong > 50);
    buf_clear(&good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trust_file_with_any_flipped_octet_is_refused),
        cmocka_unit_test(sizes_around_tile_borders_are_sound),
        cmocka_unit_test(any_flipped_byte_is_found_and_its_file_named),
        cmocka_unit_test(flipped_byte_in_a_log_of_three_levels_is_named),
        cmocka_unit_test(missing_unknown_superseded_and_cut_files_are_named),
        cmocka_unit_test(entries_and_tile_changed_together_are_found),
        cmocka_unit_test(entries_that_contradict_each_other_are_found),
        cmocka_unit_test(entries_out_of_form_are_found),
        cmocka_unit_test(foreign_verifier_agrees),
        cmocka_unit_test(program_exit_codes_and_reports),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

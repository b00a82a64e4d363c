/* Signed notes, checkpoints, proof texts: vectors, round trips, and everything that must be
 * refused. */
#include "tests_tlog.h"

#include "log_keys.h"

#define ORIGIN "log.chancery.test/audit"

static struct log_keys keys;
static struct tlog_hash root;

static int setup(void **state)
{
    (void)state;
    log_keys_make(&keys, ORIGIN);
    memset(root.b, 7, sizeof root.b);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    log_keys_clear(&keys);
    return 0;
}

/* The example key of C2SP signed-note. */
static void vkey_of_specification_example_matches(void **state)
{
    (void)state;
    static const char vkey[] =
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    struct buf spki;
    struct buf raw;
    buf_init(&spki, 128);
    buf_init(&raw, 128);
    assert_int_equal(base64_decode(slice_str(strrchr(vkey, '+') + 1), &raw), CH_OK);
    static const uint8_t head[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                   0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
    assert_int_equal(buf_add(&spki, slice_of(head, sizeof head)), CH_OK);
    assert_int_equal(buf_add(&spki, slice_of(raw.ptr + 1, 32)), CH_OK);
    struct crypto_public *pub = NULL;
    assert_int_equal(crypto_public_from_spki(buf_slice(&spki), &pub, NULL), CH_OK);
    struct tlog_key key = {slice_str("example.com/foo"), pub};
    uint8_t id[4];
    assert_int_equal(tlog_key_id(&key, id), CH_OK);
    static const uint8_t want[] = {0x53, 0x0d, 0x90, 0x3a};
    assert_memory_equal(id, want, 4);
    struct buf text;
    buf_init(&text, 256);
    assert_int_equal(tlog_vkey(&key, &text), CH_OK);
    assert_int_equal(text.len, strlen(vkey));
    assert_memory_equal(text.ptr, vkey, text.len);
    buf_clear(&text);
    buf_clear(&raw);
    buf_clear(&spki);
    crypto_public_free(pub);
}

/* Rekor once computed this ID by the Ed25519 rule: the ID itself is tested, not only the signature.
 */
static void key_id_ecdsa_is_hash_of_spki_alone(void **state)
{
    (void)state;
    uint8_t id[4];
    assert_int_equal(tlog_key_id(&keys.keys[0], id), CH_OK);
    assert_memory_equal(id, crypto_public_spki_sha256(keys.pub[0]), 4);
    struct tlog_key renamed = {slice_str("other.test/log"), keys.pub[0]};
    uint8_t other[4];
    assert_int_equal(tlog_key_id(&renamed, other), CH_OK);
    assert_memory_equal(id, other, 4);
    renamed.pub = keys.pub[1];
    assert_int_equal(tlog_key_id(&keys.keys[1], id), CH_OK);
    assert_int_equal(tlog_key_id(&renamed, other), CH_OK);
    assert_memory_not_equal(id, other, 4);
}

static void key_bad_names_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "a b",
                                      "a+b",
                                      "a\nb",
                                      "a\tb",
                                      "a\xC2\xA0"
                                      "b",
                                      "a\xE2\x80\xA8"
                                      "b",
                                      "\xE3\x80\x80",
                                      "\xC3\x28",
                                      "a\xC2\x85"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct tlog_key key = {slice_str(bad[i]), keys.pub[1]};
        uint8_t id[4];
        assert_int_equal(tlog_key_id(&key, id), CH_INVALID);
        struct tlog_checkpoint c = {.origin = slice_str(bad[i])};
        struct buf out;
        buf_init(&out, 1024);
        assert_int_equal(tlog_checkpoint_body(&c, &out), CH_INVALID);
        buf_clear(&out);
    }
}

static enum chancery_err open_text(struct slice note, bool strict, struct diag *diag)
{
    struct tlog_checkpoint c;
    return tlog_checkpoint_open(note, keys.keys, 2, strict, &c, diag);
}

static void checkpoint_signed_by_both_opens(void **state)
{
    (void)state;
    struct buf note;
    buf_init(&note, TLOG_NOTE_MAX);
    log_keys_checkpoint(&keys, 123456789, &root, &note);
    struct tlog_checkpoint c;
    assert_int_equal(tlog_checkpoint_open(buf_slice(&note), keys.keys, 2, true, &c, NULL), CH_OK);
    assert_true(slice_eq(c.origin, slice_str(ORIGIN)));
    assert_int_equal(c.size, 123456789);
    assert_memory_equal(c.root.b, root.b, TLOG_HASH);
    assert_int_equal(tlog_checkpoint_open(buf_slice(&note), keys.keys, 0, true, &c, NULL),
                     CH_INVALID);
    buf_clear(&note);
}

/* Show 8: any one byte, any other value of a few: refused. */
static void checkpoint_any_flipped_byte_is_refused(void **state)
{
    (void)state;
    struct buf note;
    buf_init(&note, TLOG_NOTE_MAX);
    log_keys_checkpoint(&keys, 70000, &root, &note);
    static const uint8_t masks[] = {0x01, 0x20, 0x80};
    for (size_t i = 0; i < note.len; i++) {
        for (size_t m = 0; m < sizeof masks; m++) {
            note.ptr[i] ^= masks[m];
            struct diag diag = {0};
            assert_int_not_equal(open_text(buf_slice(&note), true, &diag), CH_OK);
            assert_true(diag.rule[0] != '\0');
            note.ptr[i] ^= masks[m];
        }
        assert_int_not_equal(open_text(slice_sub(buf_slice(&note), 0, i), true, NULL), CH_OK);
    }
    assert_int_equal(open_text(buf_slice(&note), true, NULL), CH_OK);
    buf_clear(&note);
}

static void refused(const struct buf *note, bool strict, enum chancery_err want, const char *rule)
{
    struct diag diag = {0};
    assert_int_equal(open_text(buf_slice(note), strict, &diag), want);
    assert_string_equal(diag.rule, rule);
}

static void start(struct buf *note, const char *text)
{
    buf_reset(note);
    assert_int_equal(buf_add_str(note, text), CH_OK);
    assert_int_equal(buf_add_str(note, "\n"), CH_OK);
}

#define ROOT64 "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="
#define TEXT ORIGIN "\n5\n" ROOT64 "\n"

static void checkpoint_other_spellings_with_right_signatures_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *rule;
    } cases[] = {
        {ORIGIN "\n05\n" ROOT64 "\n", "checkpoint.size"},
        {ORIGIN "\n+5\n" ROOT64 "\n", "checkpoint.size"},
        {ORIGIN "\n\n" ROOT64 "\n", "checkpoint.size"},
        {ORIGIN "\n18446744073709551616\n" ROOT64 "\n", "checkpoint.size"},
        {ORIGIN "\n5\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwd=\n", "checkpoint.root"},
        {ORIGIN "\n5\nBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc\n", "checkpoint.root"},
        {ORIGIN "\n5\nBwcH\n", "checkpoint.root"},
        {ORIGIN "\n5\n", "checkpoint.lines"},
        {TEXT "extension\n", "checkpoint.lines"},
        {TEXT "\n", "checkpoint.lines"},
        {"other.test\n5\n" ROOT64 "\n", "checkpoint.origin"},
        {"a b\n5\n" ROOT64 "\n", "checkpoint.origin"},
        {ORIGIN "\r\n5\n" ROOT64 "\n", "note.control"},
    };
    struct buf note;
    buf_init(&note, TLOG_NOTE_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        start(&note, cases[i].text);
        log_keys_sign(&keys, 0, slice_str(cases[i].text), &note);
        log_keys_sign(&keys, 1, slice_str(cases[i].text), &note);
        struct diag diag = {0};
        assert_int_not_equal(open_text(buf_slice(&note), false, &diag), CH_OK);
        assert_string_equal(diag.rule, cases[i].rule);
    }
    start(&note, TEXT);
    log_keys_sign(&keys, 0, slice_str(TEXT), &note);
    log_keys_sign(&keys, 1, slice_str(TEXT), &note);
    assert_int_equal(open_text(buf_slice(&note), true, NULL),
                     CH_OK); /* the cases above fail by their text */
    buf_clear(&note);
}

static void checkpoint_wrong_sets_of_signatures_are_refused(void **state)
{
    (void)state;
    struct slice text = slice_str(TEXT);
    struct buf note;
    buf_init(&note, TLOG_NOTE_MAX);
    start(&note, TEXT);
    refused(&note, false, CH_MALFORMED, "note.unsigned");
    log_keys_sign(&keys, 0, text, &note);
    refused(&note, false, CH_CRYPTO, "note.signature.missing");
    log_keys_sign(&keys, 0, text, &note);
    refused(&note, false, CH_MALFORMED, "note.signature.duplicate");

    start(&note, TEXT); /* right key, signature over another text */
    log_keys_sign(&keys, 0, slice_str(ORIGIN "\n6\n" ROOT64 "\n"), &note);
    log_keys_sign(&keys, 1, text, &note);
    refused(&note, false, CH_CRYPTO, "note.signature.wrong");

    start(&note, TEXT); /* the other key's signature under this key's ID */
    uint8_t sig[64] = {0};
    assert_int_equal(tlog_note_add_signature(&keys.keys[1], slice_of(sig, 64), &note), CH_OK);
    log_keys_sign(&keys, 0, text, &note);
    refused(&note, false, CH_CRYPTO, "note.signature.wrong");
    buf_clear(&note);
}

static void checkpoint_foreign_lines_are_ignored_unless_strict(void **state)
{
    (void)state;
    struct slice text = slice_str(TEXT);
    struct log_keys other;
    log_keys_make(&other, ORIGIN); /* same name, other IDs */
    struct buf note;
    buf_init(&note, TLOG_NOTE_MAX);
    start(&note, TEXT);
    log_keys_sign(&keys, 0, text, &note);
    log_keys_sign(&other, 1, text, &note);
    log_keys_sign(&keys, 1, text, &note);
    assert_int_equal(open_text(buf_slice(&note), false, NULL), CH_OK);
    refused(&note, true, CH_MALFORMED, "note.signature.unknown");

    size_t good = note.len; /* a foreign line must still be well formed */
    static const char *const lines[] = {"- a.test AAAAAAAA\n",
                                        "\xE2\x80\x94 a.test\n",
                                        "\xE2\x80\x94 a.test AAAAAAA\n",
                                        "\xE2\x80\x94 a.test AAAAAAB=\n",
                                        "\xE2\x80\x94 a.test AAAA\n",
                                        "\xE2\x80\x94 a+b AAAAAAAA\n",
                                        "\xE2\x80\x94 a.test  AAAAAAAA\n",
                                        "\xE2\x80\x94 a.test AAAAAAAA \n",
                                        "x\n"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        note.len = good;
        assert_int_equal(buf_add_str(&note, lines[i]), CH_OK);
        assert_int_equal(open_text(buf_slice(&note), false, NULL), CH_MALFORMED);
    }
    note.len = good;
    assert_int_equal(buf_add_str(&note, "x"), CH_OK); /* trailing bytes without newline */
    refused(&note, false, CH_MALFORMED, "note.end");
    buf_clear(&note);
    log_keys_clear(&other);
}

struct one_tile {
    const struct tlog_hash *leaves;
    size_t n;
};

static enum chancery_err tile_node(void *ctx, unsigned level, uint64_t index, struct tlog_hash *out)
{
    const struct one_tile *t = ctx;
    return tlog_tile_node(t->leaves, t->n, level, index, out);
}

static void proof_text_round_trip_and_alterations(void **state)
{
    (void)state;
    struct tlog_hash leaves[100];
    char text[64];
    for (uint64_t i = 0; i < 100; i++) {
        tlog_leaf_hash(vector_entry(i, text), &leaves[i]);
    }
    struct one_tile tile = {leaves, 100};
    struct tlog_hash proof[TLOG_PROOF_MAX];
    size_t n = 0;
    assert_int_equal(tlog_prove_inclusion(42, 100, tile_node, &tile, proof, &n), CH_OK);
    struct tlog_hash top;
    tlog_root(leaves, 100, &top);
    struct buf note;
    struct buf out;
    buf_init(&note, TLOG_NOTE_MAX);
    buf_init(&out, TLOG_NOTE_MAX);
    log_keys_checkpoint(&keys, 100, &top, &note);
    assert_int_equal(tlog_proof_write(42, proof, n, buf_slice(&note), &out), CH_OK);
    struct slice entry = vector_entry(42, text);
    uint64_t index = 0;
    assert_int_equal(tlog_proof_verify(buf_slice(&out), entry, keys.keys, 2, &index, NULL), CH_OK);
    assert_int_equal(index, 42);
    for (size_t i = 0; i < out.len; i++) {
        out.ptr[i] ^= 1;
        assert_int_not_equal(tlog_proof_verify(buf_slice(&out), entry, keys.keys, 2, &index, NULL),
                             CH_OK);
        out.ptr[i] ^= 1;
    }
    assert_int_equal(
        tlog_proof_verify(buf_slice(&out), vector_entry(43, text), keys.keys, 2, &index, NULL),
        CH_CRYPTO);
    entry = vector_entry(42, text);
    assert_int_equal(tlog_proof_verify(slice_sub(buf_slice(&out), 0, out.len - 1), entry, keys.keys,
                                       2, &index, NULL),
                     CH_MALFORMED);

    /* The optional extra line is accepted in its place only. */
    struct buf extra;
    buf_init(&extra, TLOG_NOTE_MAX);
    static const char head[] = "c2sp.org/tlog-proof@v1\n";
    assert_int_equal(buf_printf(&extra, "%sextra Zm9v\n", head), CH_OK);
    assert_int_equal(buf_add(&extra, slice_sub(buf_slice(&out), sizeof head - 1, out.len)), CH_OK);
    assert_int_equal(tlog_proof_verify(buf_slice(&extra), entry, keys.keys, 2, &index, NULL),
                     CH_OK);
    extra.ptr[sizeof head - 1 + 9] = '=';
    assert_int_equal(tlog_proof_verify(buf_slice(&extra), entry, keys.keys, 2, &index, NULL),
                     CH_MALFORMED);
    buf_clear(&extra);
    buf_clear(&out);
    buf_clear(&note);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vkey_of_specification_example_matches),
        cmocka_unit_test(key_id_ecdsa_is_hash_of_spki_alone),
        cmocka_unit_test(key_bad_names_are_refused),
        cmocka_unit_test(checkpoint_signed_by_both_opens),
        cmocka_unit_test(checkpoint_any_flipped_byte_is_refused),
        cmocka_unit_test(checkpoint_other_spellings_with_right_signatures_are_refused),
        cmocka_unit_test(checkpoint_wrong_sets_of_signatures_are_refused),
        cmocka_unit_test(checkpoint_foreign_lines_are_ignored_unless_strict),
        cmocka_unit_test(proof_text_round_trip_and_alterations),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

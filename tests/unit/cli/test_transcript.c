/* services/cli: the hash chain of a ceremony's transcript. */
#include "cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/os.h"
#include "transcript.h"

static char dir[64], path[96];
static const uint8_t PLAN[32] = {1, 2, 3};

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/chancery-transcript-XXXXXX");
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof path, "%s/t.jsonl", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(dir);
}

static void write_some(void)
{
    struct transcript *t = NULL;
    char hex[65];
    hex_encode(slice_of(PLAN, 32), hex);
    assert_int_equal(transcript_open(path, PLAN, &t, NULL), CH_OK);
    assert_int_equal(
        transcript_add(t, 1000, "plan", "plan", json_pack("{s:s}", "plan_sha256", hex), NULL),
        CH_OK);
    assert_int_equal(transcript_add(t, 1001, "key.a", "begin", json_pack("{s:i}", "n", 1), NULL),
                     CH_OK);
    assert_int_equal(transcript_add(t, 1002, "key.a", "done", json_pack("{s:i}", "n", 2), NULL),
                     CH_OK);
    transcript_close(t);
}

static enum chancery_err reopen(const uint8_t plan[32], size_t *lines, size_t *torn)
{
    struct transcript *t = NULL;
    struct diag d = {0};
    enum chancery_err err = transcript_open(path, plan, &t, &d);
    if (err == CH_OK) {
        *lines = transcript_lines(t);
        *torn = transcript_torn(t);
    }
    transcript_close(t);
    return err;
}

static void transcript_survives_reopening(void **state)
{
    (void)state;
    struct transcript *t = NULL;
    write_some();
    assert_int_equal(transcript_open(path, PLAN, &t, NULL), CH_OK);
    assert_int_equal(transcript_lines(t), 3);
    assert_int_equal(json_integer_value(json_object_get(transcript_find(t, "key.a", "done"), "n")),
                     2);
    assert_null(transcript_find(t, "key.b", "done"));
    assert_null(transcript_find(t, "key.a", "close"));
    transcript_close(t);
}

static void transcript_is_open_once(void **state)
{
    (void)state;
    struct transcript *t = NULL;
    size_t lines = 0, torn = 0;
    write_some();
    assert_int_equal(transcript_open(path, PLAN, &t, NULL), CH_OK);
    assert_int_equal(reopen(PLAN, &lines, &torn), CH_BUSY);
    transcript_close(t);
}

static void transcript_of_another_plan_is_refused(void **state)
{
    (void)state;
    const uint8_t other[32] = {9};
    size_t lines = 0, torn = 0;
    write_some();
    assert_int_equal(reopen(other, &lines, &torn), CH_EXISTS);
}

static void transcript_torn_tail_is_cut(void **state)
{
    (void)state;
    size_t lines = 0, torn = 0;
    write_some();
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "{\"a", 3), 3);
    (void)close(fd);
    assert_int_equal(reopen(PLAN, &lines, &torn), CH_OK);
    assert_int_equal(lines, 3);
    assert_int_equal(torn, 3);
    assert_int_equal(reopen(PLAN, &lines, &torn), CH_OK);
    assert_int_equal(torn, 0);
}

/* Flips every byte in turn, newlines included: no changed transcript but the cut of its last line
 * is taken for the original. */
static void transcript_any_changed_byte_is_noticed(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 65536);
    write_some();
    assert_int_equal(os_file_read(path, &text, NULL), CH_OK);
    /* The last line's own content is covered by the head hash, which only the reader of the paper
     * has. */
    size_t chained = text.len - 1;
    while (text.ptr[chained - 1] != '\n') {
        chained--;
    }
    for (size_t i = 0; i < chained; i++) {
        size_t lines = 0, torn = 0;
        text.ptr[i] ^= 0x01;
        assert_int_equal(os_file_write_atomic(path, buf_slice(&text), 0600, NULL), CH_OK);
        enum chancery_err err = reopen(PLAN, &lines, &torn);
        assert_true(err == CH_INTEGRITY || err == CH_EXISTS);
        text.ptr[i] ^= 0x01;
    }
    buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(transcript_survives_reopening, setup, teardown),
        cmocka_unit_test_setup_teardown(transcript_is_open_once, setup, teardown),
        cmocka_unit_test_setup_teardown(transcript_of_another_plan_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(transcript_torn_tail_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(transcript_any_changed_byte_is_noticed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* lib/os: atomic replacement keeps the old content on failure; limits hold. */
#include "cm.h"

#include "os/os.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void os_file_write_atomic_replaces_whole_content(void **state)
{
    (void)state;
    char dir[] = "/tmp/chancery-os-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char path[64];
    char deep[96];
    (void)snprintf(path, sizeof path, "%s/a/b", dir);
    assert_int_equal(os_mkdirs(path, 0700), CH_OK);
    assert_int_equal(os_mkdirs(path, 0700), CH_OK);
    (void)snprintf(deep, sizeof deep, "%s/f", path);
    assert_int_equal(os_file_write_atomic(deep, slice_str("first"), 0640, NULL), CH_OK);
    assert_int_equal(os_file_write_atomic(deep, slice_str("2"), 0600, NULL), CH_OK);
    struct stat st;
    assert_int_equal(stat(deep, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    struct buf b;
    struct diag d;
    buf_init(&b, 8);
    assert_int_equal(os_file_read(deep, &b, &d), CH_OK);
    assert_true(slice_eq(buf_slice(&b), slice_str("2")));
    assert_int_equal(os_file_write_atomic(deep, slice_str("123456789"), 0600, NULL), CH_OK);
    buf_reset(&b);
    assert_int_equal(os_file_read(deep, &b, &d), CH_LIMIT);
    buf_clear(&b);
    assert_int_equal(os_file_read("/nonexistent/x", &b, &d), CH_NOT_FOUND);
    assert_int_equal(os_file_write_atomic("/nonexistent/x", slice_str("x"), 0600, &d), CH_IO);

    assert_int_equal(unlink(deep), 0);
    assert_int_equal(rmdir(path), 0);
    (void)snprintf(path, sizeof path, "%s/a", dir);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void os_random_two_reads_differ(void **state)
{
    (void)state;
    uint8_t a[32];
    uint8_t b[32];
    os_random(a, sizeof a);
    os_random(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(os_file_write_atomic_replaces_whole_content),
        cmocka_unit_test(os_random_two_reads_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

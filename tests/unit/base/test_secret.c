/* lib/base/secret: only closed files are read, sizes are bounded, comparison is by content. */
#include "cm.h"

#include "base/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static void secret_read_file_modes_and_sizes_are_checked(void **state)
{
    (void)state;
    char dir[] = "/tmp/chancery-secret-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char path[64];
    (void)snprintf(path, sizeof path, "%s/pin", dir);
    struct secret s = {0};
    struct diag d;

    assert_int_equal(secret_read_file(&s, path, 64, &d), CH_IO);
    write_file(path, "1234\n", 0600);
    assert_int_equal(secret_read_file(&s, path, 64, &d), CH_OK);
    assert_true(secret_eq(&s, slice_str("1234")));
    assert_false(secret_eq(&s, slice_str("1235")));
    assert_false(secret_eq(&s, slice_str("12345")));
    assert_int_equal(secret_read_file(&s, path, 3, &d), CH_LIMIT);

    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(secret_read_file(&s, path, 64, &d), CH_DENIED);
    assert_string_equal(d.rule, "secret.mode");
    write_file(path, "\n", 0600);
    assert_int_equal(secret_read_file(&s, path, 64, &d), CH_INVALID);
    assert_int_equal(secret_read_file(&s, dir, 64, &d), CH_INVALID);

    secret_clear(&s);
    secret_clear(&s);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(secret_read_file_modes_and_sizes_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

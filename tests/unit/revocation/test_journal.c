/* The journal of logged revocations: what was added is there again after a restart; a torn, cut or
 * changed end costs entries that will be read from the log again, never wrong ones. */
#include "cm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "journal.h"

static char path[64];

static int make_path(void **state)
{
    (void)state;
    (void)snprintf(path, sizeof(path), "/tmp/chancery-journal-%d", (int)getpid());
    return 0;
}

static int remove_path(void **state)
{
    (void)state;
    (void)unlink(path);
    return 0;
}

static struct revocation_logged entry(uint64_t index)
{
    struct revocation_logged e = {.log_index = index,
                                  .issuer_id = "issuing-1",
                                  .serial_len = 16,
                                  .reason = 4,
                                  .shard = 77,
                                  .revoked_at_s = 1763690000,
                                  .not_after_s = 1771466000};
    memset(e.serial, (int)(index & 0x7f), 16);
    return e;
}

static struct revocation_journal *reopen(void)
{
    struct revocation_journal *j = NULL;
    struct diag diag = {0};
    assert_int_equal(revocation_journal_open(path, &j, &diag), CH_OK);
    return j;
}

static void journal_survives_a_restart(void **state)
{
    (void)state;
    struct revocation_journal *j = reopen();
    assert_int_equal(revocation_journal_position(j), 0);
    for (uint64_t i = 0; i < 1000; i++) {
        struct revocation_logged e = entry(i * 3);
        assert_int_equal(revocation_journal_add(j, &e), CH_OK);
    }
    assert_int_equal(revocation_journal_advance(j, 100000), CH_OK);
    revocation_journal_free(j);
    j = reopen();
    assert_int_equal(revocation_journal_count(j), 1000);
    assert_int_equal(revocation_journal_position(j), 100000);
    struct revocation_logged want = entry(2997);
    assert_memory_equal(revocation_journal_at(j, 999), &want, sizeof(want));
    assert_int_equal(revocation_journal_find(j, 30)->log_index, 30);
    assert_null(revocation_journal_find(j, 31));
    struct revocation_logged old = entry(5);
    assert_int_equal(revocation_journal_add(j, &old), CH_INVALID);
    revocation_journal_free(j);
}

static void journal_torn_end_is_cut_off(void **state)
{
    (void)state;
    for (off_t cut = 1; cut < 128; cut += 9) {
        (void)unlink(path);
        struct revocation_journal *j = reopen();
        for (uint64_t i = 0; i < 3; i++) {
            struct revocation_logged e = entry(i);
            assert_int_equal(revocation_journal_add(j, &e), CH_OK);
        }
        revocation_journal_free(j);
        assert_int_equal(truncate(path, 3 * 128 - cut), 0);
        j = reopen();
        assert_int_equal(revocation_journal_count(j), 2);
        assert_int_equal(revocation_journal_position(j), 2);
        struct revocation_logged e = entry(2);
        assert_int_equal(revocation_journal_add(j, &e), CH_OK);
        revocation_journal_free(j);
        j = reopen();
        assert_int_equal(revocation_journal_count(j), 3);
        revocation_journal_free(j);
    }
}

static void journal_changed_octet_is_noticed(void **state)
{
    (void)state;
    for (off_t at = 128; at < 256; at++) {
        (void)unlink(path);
        struct revocation_journal *j = reopen();
        for (uint64_t i = 0; i < 3; i++) {
            struct revocation_logged e = entry(i);
            assert_int_equal(revocation_journal_add(j, &e), CH_OK);
        }
        revocation_journal_free(j);
        int fd = open(path, O_RDWR | O_CLOEXEC);
        uint8_t c;
        assert_int_equal(pread(fd, &c, 1, at), 1);
        c ^= 0x10;
        assert_int_equal(pwrite(fd, &c, 1, at), 1);
        close(fd);
        j = reopen();
        assert_int_equal(revocation_journal_count(j), 1);
        assert_int_equal(revocation_journal_position(j), 1);
        revocation_journal_free(j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(journal_survives_a_restart, make_path, remove_path),
        cmocka_unit_test_setup_teardown(journal_torn_end_is_cut_off, make_path, remove_path),
        cmocka_unit_test_setup_teardown(journal_changed_octet_is_noticed, make_path, remove_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

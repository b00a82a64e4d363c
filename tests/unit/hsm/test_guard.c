/* The watchdog: a call that hangs ends the process with 75 and says why; one that is slow does not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"
#include "tests_hsm.h"

static struct test_softhsm hsm;

static int setup(void **state)
{
    (void)state;
    test_softhsm_start(&hsm);
    test_softhsm_token(&hsm, "guard");
    struct hsm_token *t = tests_hsm_open(&hsm, TEST_SOFTHSM_MODULE, "pkcs11:token=guard");
    (void)tests_hsm_generate(t, CRYPTO_KEY_P256, "k");
    hsm_close(t);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_softhsm_end(&hsm);
    return 0;
}

/* Runs the helper; its log goes to `log`. Returns its exit status. */
static int run(const char *deadline_ms, struct buf *log)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)dup2(ends[1], STDERR_FILENO);
        (void)execl(TEST_BINARY_DIR "/tests/hsm_hang_helper", "hsm_hang_helper",
                    TEST_P11PROXY_MODULE, "pkcs11:token=guard", "pkcs11:object=k", hsm.pin,
                    deadline_ms, (char *)NULL);
        _exit(127);
    }
    (void)close(ends[1]);
    char chunk[512];
    ssize_t n;
    while ((n = read(ends[0], chunk, sizeof chunk)) > 0) {
        assert_int_equal(buf_add(log, slice_of(chunk, (size_t)n)), CH_OK);
    }
    (void)close(ends[0]);
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(buf_add_u8(log, 0), CH_OK);
    return WEXITSTATUS(status);
}

static void hang_ends_the_process_with_75_and_a_log_line(void **state)
{
    (void)state;
    struct buf log;
    buf_init(&log, 65536);
    test_softhsm_control(&hsm, "hang\n");
    int64_t start = os_mono_ms();
    assert_int_equal(run("400", &log), 75);
    assert_true(os_mono_ms() - start >= 400);
    assert_non_null(strstr((char *)log.ptr, "\"event\":\"hsm.hung\""));
    assert_non_null(strstr((char *)log.ptr, "\"call\":\"C_Sign\""));
    test_softhsm_control(&hsm, "none\n");
    buf_clear(&log);
}

static void slow_call_within_the_deadline_is_left_alone(void **state)
{
    (void)state;
    struct buf log;
    buf_init(&log, 65536);
    test_softhsm_control(&hsm, "delay 300\n");
    assert_int_equal(run("5000", &log), 0);
    assert_null(strstr((char *)log.ptr, "hsm.hung"));
    test_softhsm_control(&hsm, "none\n");
    buf_clear(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hang_ends_the_process_with_75_and_a_log_line),
        cmocka_unit_test(slow_call_within_the_deadline_is_left_alone),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}

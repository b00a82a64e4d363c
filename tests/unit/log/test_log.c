/* lib/log: each line is one JSON object whatever the values hold. */
#include "cm.h"

#include "log/log.h"

#include <jansson.h>
#include <string.h>
#include <unistd.h>

static size_t capture(char *out, size_t cap, const char *value)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    int kept = dup(STDERR_FILENO);
    assert_true(dup2(fds[1], STDERR_FILENO) >= 0);
    log_event(LOG_LEVEL_INFO, "test.event", LOG_STR("value", value), LOG_NUM("n", -5));
    log_event(LOG_LEVEL_DEBUG, "test.hidden", LOG_NUM("n", 1));
    assert_true(dup2(kept, STDERR_FILENO) >= 0);
    (void)close(kept);
    (void)close(fds[1]);
    ssize_t n = read(fds[0], out, cap - 1);
    (void)close(fds[0]);
    assert_true(n > 0);
    assert_true((size_t)n < cap);
    out[n] = '\0';
    return (size_t)n;
}

static void log_hostile_values_stay_one_json_line(void **state)
{
    (void)state;
    char longer[9000];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    const char *const values[] = {
        "plain", "quote\" and \\ slash", "line\nbreak\x01", "\xff\xfe", "", longer};
    log_init("test", "one", LOG_LEVEL_INFO);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        char line[8192];
        size_t n = capture(line, sizeof line, values[i]);
        assert_int_equal(line[n - 1], '\n');
        assert_ptr_equal(strchr(line, '\n'), line + n - 1);
        json_error_t error;
        json_t *doc = json_loads(line, JSON_REJECT_DUPLICATES, &error);
        assert_non_null(doc);
        assert_string_equal(json_string_value(json_object_get(doc, "event")), "test.event");
        assert_int_equal(json_integer_value(json_object_get(doc, "n")), -5);
        json_decref(doc);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_hostile_values_stay_one_json_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The verifier's JSON: canonical writing of what was read, and what it refuses. */
#include "cm.h"

#include "json.h"

static void round_trip(const char *in, const char *want)
{
    struct arena arena = {0};
    struct verify_json *v = NULL;
    struct buf out;
    size_t at = 0;
    buf_init(&out, 65536);
    assert_int_equal(verify_json_read(slice_str(in), &arena, &v, &at), CH_OK);
    assert_int_equal(verify_json_write(v, &out), CH_OK);
    assert_int_equal(out.len, strlen(want));
    assert_memory_equal(out.ptr, want, out.len);
    buf_clear(&out);
    arena_clear(&arena);
}

static void json_is_written_canonically(void **state)
{
    (void)state;
    round_trip(" { \"b\" : [ 1 , -2, true,false , null ], \"a\":\"x\" } ",
               "{\"a\":\"x\",\"b\":[1,-2,true,false,null]}");
    round_trip("\"\\u0041\\/\\u000a\\u001F\\u00e9\\ud83d\\ude00\"",
               "\"A/\\n\\u001f\xC3\xA9\xF0\x9F\x98\x80\"");
    round_trip("{\"c\":0,\"b\":{},\"a\":[],\"\":1,\"aa\":9223372036854775807}",
               "{\"\":1,\"a\":[],\"aa\":9223372036854775807,\"b\":{},\"c\":0}");
    round_trip("-9223372036854775808", "-9223372036854775808");
}

static void json_malformed_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "}",
                                      "[1,]",
                                      "[1 2]",
                                      "{\"a\"}",
                                      "{\"a\":}",
                                      "{a:1}",
                                      "{\"a\":1,\"a\":2}",
                                      "01",
                                      "-",
                                      "1.5",
                                      "1e3",
                                      "9223372036854775808",
                                      "\"\\x\"",
                                      "\"\\ud800\"",
                                      "\"\\udc00\"",
                                      "\"\\ud800\\u0041\"",
                                      "\"a",
                                      "\"\t\"",
                                      "\"\xFF\"",
                                      "tru",
                                      "nul",
                                      "1 2",
                                      "{} x",
                                      "[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct arena arena = {0};
        struct verify_json *v = NULL;
        size_t at = 0;
        if (verify_json_read(slice_str(bad[i]), &arena, &v, &at) == CH_OK) {
            fail_msg("accepted: %s", bad[i]);
        }
        arena_clear(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_is_written_canonically),
        cmocka_unit_test(json_malformed_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The command line's readers of serials, numbers, durations, dates and names, and the writer that
 * makes foreign text safe for a terminal. */
#include <stdlib.h>

#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void read_words(const char *s)
{
    uint8_t serial[TEXT_SERIAL_MAX];
    char time[TEXT_TIME_SIZE];
    size_t len = 0;
    uint64_t n = 0;
    int64_t t_s = 0;
    if (text_serial(s, serial, &len, NULL) == CH_OK) {
        need(len >= 1 && len <= sizeof serial);
    }
    (void)text_uint(s, &n);
    if (text_duration(s, &t_s)) {
        need(t_s >= 0);
    }
    if (text_date(s, &t_s) && t_s > 0) {
        text_time(t_s, time);
        need(strncmp(time, s, 10) == 0); /* the same day */
    }
    (void)text_name_ok(s, 64, "-.");
}

static void make_safe(struct slice in)
{
    struct buf out CLEANUP(buf_clear) = {0};
    buf_init(&out, 16 * in.len + 64);
    need(text_safe(in, &out) == CH_OK);
    for (size_t i = 0; i < out.len; i++) {
        need(out.ptr[i] >= 0x20 && out.ptr[i] != 0x7f);
    }
    need(slice_is_utf8(buf_slice(&out)));
    (void)text_width(buf_slice(&out));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *s = strndup((const char *)data, size);
    if (s == NULL) {
        return 0;
    }
    read_words(s);
    make_safe(slice_of(data, size));
    free(s);
    return 0;
}

/* If-Modified-Since: a date that is taken is written back as the same text, but for a leap second
 * (RFC 9110 5.6.7). */
#include <stdlib.h>

#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[32];
    int64_t t_s = http_date_parse(slice_of(data, size));
    if (t_s != -1 && data[24] + data[23] * 10 != '6' * 10 + '0') {
        http_date(t_s, text);
        if (!slice_eq(slice_str(text), slice_of(data, size))) {
            abort();
        }
    }
    return 0;
}

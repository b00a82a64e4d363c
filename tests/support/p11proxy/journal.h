/* The journal of p11proxy: one line per signature the device made. */
#ifndef P11PROXY_JOURNAL_H
#define P11PROXY_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

/* journal_write appends "<hex id> <hex data> <pid>\n" to the file P11PROXY_LOG by one write(2) with
 * O_APPEND. False when that failed; true without a file to write to. */
bool journal_write(const unsigned char *id, size_t id_len, const unsigned char *data, size_t len);

#endif

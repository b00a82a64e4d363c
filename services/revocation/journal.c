/* File format: records of 128 octets, numbers big endian.
 *   0 kind: 1 entry, 2 position   1 serial length   2 reason   3 issuer id length   4 shard u32
 *   8 log index u64   16 revoked_at i64   24 not_after i64   32 serial[20]   52 issuer id[64]
 *   116 zero[8]   124 first four octets of SHA-256 of the 124 before */
#include "journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/alg.h"

#define RECORD 128
#define KIND_ENTRY 1
#define KIND_POSITION 2
#define POSITION_STEP                                                                              \
    4096 /* log entries between two written positions: at most that much is re-read */

struct revocation_journal {
    int fd;
    struct revocation_logged *entries;
    size_t n, cap;
    uint64_t position, written;
};

static void put_u64(uint8_t *p, uint64_t v)
{
    for (int i = 7; i >= 0; i--) {
        p[i] = (uint8_t)v;
        v >>= 8;
    }
}

static uint64_t get_u64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

static void seal(uint8_t r[RECORD])
{
    uint8_t hash[32];
    crypto_sha256(slice_of(r, 124), hash);
    memcpy(r + 124, hash, 4);
}

static bool sealed(const uint8_t r[RECORD])
{
    uint8_t hash[32];
    crypto_sha256(slice_of(r, 124), hash);
    return memcmp(r + 124, hash, 4) == 0;
}

static void encode(const struct revocation_logged *e, uint8_t r[RECORD])
{
    size_t id_len = strlen(e->issuer_id);
    memset(r, 0, RECORD);
    r[0] = KIND_ENTRY;
    r[1] = e->serial_len;
    r[2] = e->reason;
    r[3] = (uint8_t)id_len;
    r[4] = (uint8_t)(e->shard >> 24);
    r[5] = (uint8_t)(e->shard >> 16);
    r[6] = (uint8_t)(e->shard >> 8);
    r[7] = (uint8_t)e->shard;
    put_u64(r + 8, e->log_index);
    put_u64(r + 16, (uint64_t)e->revoked_at_s);
    put_u64(r + 24, (uint64_t)e->not_after_s);
    memcpy(r + 32, e->serial, e->serial_len);
    memcpy(r + 52, e->issuer_id, id_len);
    seal(r);
}

static bool decode(const uint8_t r[RECORD], struct revocation_logged *e)
{
    if (r[1] > sizeof(e->serial) || r[3] >= sizeof(e->issuer_id)) {
        return false;
    }
    *e = (struct revocation_logged){.log_index = get_u64(r + 8),
                                    .serial_len = r[1],
                                    .reason = r[2],
                                    .revoked_at_s = (int64_t)get_u64(r + 16),
                                    .not_after_s = (int64_t)get_u64(r + 24)};
    e->shard = (uint32_t)r[4] << 24 | (uint32_t)r[5] << 16 | (uint32_t)r[6] << 8 | r[7];
    memcpy(e->serial, r + 32, r[1]);
    memcpy(e->issuer_id, r + 52, r[3]);
    return true;
}

static enum chancery_err remember(struct revocation_journal *j, const struct revocation_logged *e)
{
    if (j->n == j->cap) {
        size_t cap = j->cap == 0 ? 256 : j->cap * 2;
        struct revocation_logged *grown = realloc(j->entries, cap * sizeof(*grown));
        if (grown == NULL) {
            return CH_NOMEM;
        }
        j->entries = grown;
        j->cap = cap;
    }
    j->entries[j->n++] = *e;
    if (e->log_index >= j->position) {
        j->position = e->log_index + 1;
    }
    return CH_OK;
}

static bool read_record(int fd, uint8_t r[RECORD])
{
    size_t have = 0;
    while (have < RECORD) {
        ssize_t n = read(fd, r + have, RECORD - have);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        have += (size_t)n;
    }
    return true;
}

static enum chancery_err load(struct revocation_journal *j)
{
    uint8_t r[RECORD];
    off_t good = 0;
    while (read_record(j->fd, r) && sealed(r)) {
        struct revocation_logged e;
        if (r[0] == KIND_POSITION) {
            uint64_t position = get_u64(r + 8);
            j->position = position > j->position ? position : j->position;
        } else if (r[0] != KIND_ENTRY || !decode(r, &e) ||
                   (j->n > 0 && e.log_index <= j->entries[j->n - 1].log_index)) {
            break;
        } else {
            TRY(remember(j, &e));
        }
        good += RECORD;
    }
    j->written = j->position;
    return ftruncate(j->fd, good) == 0 && lseek(j->fd, good, SEEK_SET) == good ? CH_OK : CH_IO;
}

enum chancery_err revocation_journal_open(const char *path, struct revocation_journal **out,
                                          struct diag *diag)
{
    struct revocation_journal *j = calloc(1, sizeof(*j));
    if (j == NULL) {
        return CH_NOMEM;
    }
    j->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    enum chancery_err err = j->fd < 0 ? CH_IO : load(j);
    if (err != CH_OK) {
        revocation_journal_free(j);
        return diag_set(diag, err, path, "revocation.journal", "cannot read or repair the journal");
    }
    *out = j;
    return CH_OK;
}

void revocation_journal_free(struct revocation_journal *j)
{
    if (j != NULL) {
        if (j->fd >= 0) {
            close(j->fd);
        }
        free(j->entries);
        free(j);
    }
}

size_t revocation_journal_count(const struct revocation_journal *j)
{
    return j->n;
}

const struct revocation_logged *revocation_journal_at(const struct revocation_journal *j, size_t i)
{
    return &j->entries[i];
}

uint64_t revocation_journal_position(const struct revocation_journal *j)
{
    return j->position;
}

const struct revocation_logged *revocation_journal_find(const struct revocation_journal *j,
                                                        uint64_t log_index)
{
    size_t lo = 0, hi = j->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (j->entries[mid].log_index < log_index) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return lo < j->n && j->entries[lo].log_index == log_index ? &j->entries[lo] : NULL;
}

/* A short write is cut off again, so that later records stay aligned. */
static enum chancery_err append(struct revocation_journal *j, const uint8_t r[RECORD])
{
    off_t at = lseek(j->fd, 0, SEEK_END);
    ssize_t n = write(j->fd, r, RECORD);
    if (n == RECORD) {
        return CH_OK;
    }
    return at >= 0 && ftruncate(j->fd, at) == 0 ? CH_IO : CH_INTEGRITY;
}

enum chancery_err revocation_journal_add(struct revocation_journal *j,
                                         const struct revocation_logged *e)
{
    uint8_t r[RECORD];
    if (e->serial_len > sizeof(e->serial) || e->log_index < j->position) {
        return CH_INVALID;
    }
    encode(e, r);
    TRY(append(j, r));
    return remember(j, e);
}

enum chancery_err revocation_journal_advance(struct revocation_journal *j, uint64_t position)
{
    uint8_t r[RECORD] = {KIND_POSITION};
    if (position > j->position) {
        j->position = position;
    }
    if (j->position < j->written + POSITION_STEP) {
        return CH_OK;
    }
    put_u64(r + 8, j->position);
    seal(r);
    TRY(append(j, r));
    j->written = j->position;
    return fdatasync(j->fd) == 0 ? CH_OK : CH_IO;
}

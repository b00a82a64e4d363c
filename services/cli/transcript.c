/* The transcript of a ceremony. */
#include "transcript.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "crypto/alg.h"
#include "os/os.h"
#include "out.h"
#include "text.h"

struct transcript {
    int fd;
    json_t *lines; /* array of line objects */
    uint8_t head[32];
    size_t torn;
};

static enum chancery_err transcript_io(struct diag *diag, const char *path)
{
    return diag_set(diag, CH_IO, path, "transcript.io", "%s: %s", path, strerror(errno));
}

static enum chancery_err transcript_broken(struct diag *diag, size_t number, const char *what)
{
    return diag_set(diag, CH_INTEGRITY, "transcript.jsonl", "transcript.chain",
                    "line %zu of the transcript %s", number, what);
}

/* Checks one complete line against its place and takes it over. */
static enum chancery_err transcript_take(struct transcript *t, struct slice line,
                                         const uint8_t plan_sha256[32], struct diag *diag)
{
    size_t number = json_array_size(t->lines) + 1;
    char prev[65], plan[65];
    struct buf canonical;
    json_t *v = json_loadb((const char *)line.ptr, line.len, JSON_REJECT_DUPLICATES, NULL);
    if (v == NULL || !json_is_object(json_object_get(v, "f"))) {
        json_decref(v);
        return transcript_broken(diag, number, "is not a JSON object of the right form");
    }
    if (json_array_append_new(t->lines, v) != 0) {
        return CH_NOMEM;
    }
    buf_init(&canonical, TRANSCRIPT_MAX);
    bool same = out_canonical(v, &canonical) == CH_OK && slice_eq(buf_slice(&canonical), line);
    buf_clear(&canonical);
    hex_encode(slice_of(t->head, sizeof t->head), prev);
    const char *named = json_string_value(json_object_get(v, "prev"));
    if (!same || named == NULL || strcmp(named, prev) != 0 ||
        json_integer_value(json_object_get(v, "seq")) != (json_int_t)number ||
        json_integer_value(json_object_get(v, "v")) != 1) {
        return transcript_broken(diag, number, "does not continue the chain");
    }
    if (number == 1) {
        hex_encode(slice_of(plan_sha256, 32), plan);
        named = json_string_value(json_object_get(json_object_get(v, "f"), "plan_sha256"));
        if (named == NULL || strcmp(named, plan) != 0) {
            return diag_set(diag, CH_EXISTS, "transcript.jsonl", "transcript.plan",
                            "the folder holds the ceremony of another plan (SHA-256 %s)",
                            named == NULL ? "unknown" : named);
        }
    }
    crypto_sha256(line, t->head);
    return CH_OK;
}

static enum chancery_err transcript_read(struct transcript *t, struct slice text,
                                         const uint8_t plan_sha256[32], struct diag *diag)
{
    while (text.len > 0) {
        const uint8_t *end = memchr(text.ptr, '\n', text.len);
        if (end == NULL) {
            t->torn = text.len;
            return CH_OK;
        }
        size_t len = (size_t)(end - text.ptr);
        TRY(transcript_take(t, slice_of(text.ptr, len), plan_sha256, diag));
        text = slice_sub(text, len + 1, text.len);
    }
    return CH_OK;
}

static enum chancery_err transcript_load(struct transcript *t, const char *path,
                                         const uint8_t plan_sha256[32], struct diag *diag)
{
    struct buf text;
    if (flock(t->fd, LOCK_EX | LOCK_NB) != 0) {
        return diag_set(diag, CH_BUSY, path, "transcript.locked",
                        "another run of this ceremony has the transcript open");
    }
    buf_init(&text, TRANSCRIPT_MAX);
    enum chancery_err err = os_file_read(path, &text, diag);
    err = err == CH_OK ? transcript_read(t, buf_slice(&text), plan_sha256, diag) : err;
    off_t whole = (off_t)(text.len - t->torn);
    buf_clear(&text);
    TRY(err);
    if (t->torn > 0 && (ftruncate(t->fd, whole) != 0 || fsync(t->fd) != 0)) {
        return transcript_io(diag, path);
    }
    return CH_OK;
}

enum chancery_err transcript_open(const char *path, const uint8_t plan_sha256[32],
                                  struct transcript **out, struct diag *diag)
{
    struct transcript *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return CH_NOMEM;
    }
    t->lines = json_array();
    t->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    enum chancery_err err = t->fd < 0 ? transcript_io(diag, path) : CH_OK;
    err = err == CH_OK ? transcript_load(t, path, plan_sha256, diag) : err;
    if (err != CH_OK) {
        transcript_close(t);
        return err;
    }
    *out = t;
    return CH_OK;
}

void transcript_close(struct transcript *t)
{
    if (t == NULL) {
        return;
    }
    if (t->fd >= 0) {
        (void)close(t->fd);
    }
    json_decref(t->lines);
    free(t);
}

size_t transcript_lines(const struct transcript *t)
{
    return json_array_size(t->lines);
}

size_t transcript_torn(const struct transcript *t)
{
    return t->torn;
}

static enum chancery_err transcript_write(struct transcript *t, struct buf *line, struct diag *diag)
{
    uint8_t head[32];
    crypto_sha256(buf_slice(line), head);
    TRY(buf_add_u8(line, '\n'));
    ssize_t n = write(t->fd, line->ptr, line->len);
    if (n != (ssize_t)line->len || fsync(t->fd) != 0) {
        return transcript_io(diag, "transcript.jsonl");
    }
    memcpy(t->head, head, sizeof head);
    return CH_OK;
}

enum chancery_err transcript_add(struct transcript *t, int64_t time_s, const char *step,
                                 const char *action, json_t *f, struct diag *diag)
{
    char time[TEXT_TIME_SIZE], prev[65];
    struct buf line;
    text_time(time_s, time);
    hex_encode(slice_of(t->head, sizeof t->head), prev);
    json_t *v =
        json_pack("{s:s, s:o, s:s, s:I, s:s, s:s, s:i}", "action", action, "f", f, "prev", prev,
                  "seq", (json_int_t)(transcript_lines(t) + 1), "step", step, "time", time, "v", 1);
    if (v == NULL || json_array_append_new(t->lines, v) != 0) {
        return CH_NOMEM;
    }
    buf_init(&line, TRANSCRIPT_MAX);
    enum chancery_err err = out_canonical(v, &line);
    err = err == CH_OK ? transcript_write(t, &line, diag) : err;
    buf_clear(&line);
    return err;
}

const json_t *transcript_find(const struct transcript *t, const char *step, const char *action)
{
    for (size_t i = json_array_size(t->lines); i > 0; i--) {
        const json_t *line = json_array_get(t->lines, i - 1);
        const char *s = json_string_value(json_object_get(line, "step"));
        const char *a = json_string_value(json_object_get(line, "action"));
        if (s != NULL && a != NULL && strcmp(s, step) == 0 && strcmp(a, action) == 0) {
            return json_object_get(line, "f");
        }
    }
    return NULL;
}

void transcript_head(const struct transcript *t, uint8_t out[32])
{
    memcpy(out, t->head, 32);
}

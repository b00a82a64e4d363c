/* The report. */
#include "report.h"

#include <stdlib.h>
#include <time.h>

#include "trust.h"

void verify_fault_add(struct verify_report *r, const char *file, int64_t offset, int64_t index,
                      const char *rule, const char *fmt, ...)
{
    r->n_faults++;
    if (r->faults == NULL) {
        r->faults = calloc(VERIFY_FAULTS_MAX, sizeof *r->faults);
    }
    if (r->faults == NULL || r->n_kept == VERIFY_FAULTS_MAX) {
        return;
    }
    struct verify_fault *f = &r->faults[r->n_kept++];
    (void)snprintf(f->file, sizeof f->file, "%s", file);
    (void)snprintf(f->rule, sizeof f->rule, "%s", rule);
    f->offset = offset;
    f->index = index;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(f->text, sizeof f->text, fmt, args);
    va_end(args);
}

void verify_report_clear(struct verify_report *r)
{
    free(r->faults);
    memset(r, 0, sizeof *r);
}

/* Printable ASCII goes out as it is, all else as \u escapes of its octets: also right inside JSON.
 */
static void put_text(const char *s, FILE *to)
{
    for (; *s != '\0'; s++) {
        uint8_t c = (uint8_t)*s;
        if (c < 0x20 || c >= 0x7F || c == '"' || c == '\\') {
            (void)fprintf(to, "\\u%04x", c);
        } else {
            (void)fputc(c, to);
        }
    }
}

static void put_string(const char *name, const char *value, const char *after, FILE *to)
{
    (void)fprintf(to, "\"%s\":\"", name);
    put_text(value, to);
    (void)fprintf(to, "\"%s", after);
}

static void put_slice(const char *name, struct slice value, FILE *to)
{
    char text[512];
    (void)snprintf(text, sizeof text, "%.*s", (int)(value.len < 511 ? value.len : 511),
                   (const char *)value.ptr);
    put_string(name, text, ",", to);
}

static void print_json(const struct verify_report *r, const struct verify_trust *t, const char *dir,
                       FILE *to)
{
    char root[65] = "";
    if (r->have_checkpoint) {
        hex_encode(slice_of(r->root.b, TLOG_HASH), root);
    }
    (void)fprintf(to, "{\"ok\":%s,", r->n_faults == 0 ? "true" : "false");
    put_string("directory", dir, ",", to);
    put_slice("origin", t->origin, to);
    put_string("trust_sha256", t->sha256, ",", to);
    (void)fprintf(to, "\"rehearsal\":%s,\"size\":%llu,", t->rehearsal ? "true" : "false",
                  (unsigned long long)r->size);
    put_string("root", root, ",", to);
    (void)fprintf(to,
                  "\"entries\":%llu,\"intents\":%llu,\"results\":%llu,\"open_intents\":%llu,"
                  "\"first_ts\":%lld,\"last_ts\":%lld,\"fault_count\":%zu,\"faults\":[",
                  (unsigned long long)r->entries, (unsigned long long)r->intents,
                  (unsigned long long)r->results, (unsigned long long)r->open_intents,
                  (long long)r->first_ts_ns, (long long)r->last_ts_ns, r->n_faults);
    for (size_t i = 0; i < r->n_kept; i++) {
        const struct verify_fault *f = &r->faults[i];
        (void)fputs(i == 0 ? "{" : ",{", to);
        put_string("file", f->file, ",", to);
        if (f->offset >= 0) {
            (void)fprintf(to, "\"offset\":%lld,", (long long)f->offset);
        }
        if (f->index >= 0) {
            (void)fprintf(to, "\"index\":%lld,", (long long)f->index);
        }
        put_string("rule", f->rule, ",", to);
        put_string("text", f->text, "}", to);
    }
    (void)fputs("]}\n", to);
}

static void print_time(const char *what, int64_t ts_ns, FILE *to)
{
    time_t s = (time_t)(ts_ns / 1000000000);
    struct tm tm;
    char text[32] = "?";
    if (gmtime_r(&s, &tm) != NULL) {
        (void)strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    }
    (void)fprintf(to, "  %-13s %s\n", what, text);
}

static void print_people(const struct verify_report *r, const struct verify_trust *t,
                         const char *dir, FILE *to)
{
    for (size_t i = 0; i < r->n_kept; i++) {
        const struct verify_fault *f = &r->faults[i];
        (void)fputs("FAULT ", to);
        put_text(f->file, to);
        if (f->offset >= 0) {
            (void)fprintf(to, " octet %lld", (long long)f->offset);
        }
        if (f->index >= 0) {
            (void)fprintf(to, " entry %lld", (long long)f->index);
        }
        (void)fprintf(to, ": ");
        put_text(f->text, to);
        (void)fprintf(to, " [%s]\n", f->rule);
    }
    if (r->n_faults > r->n_kept) {
        (void)fprintf(to, "and %zu more faults\n", r->n_faults - r->n_kept);
    }
    (void)fprintf(to, "%s  ", r->n_faults == 0 ? "SOUND" : "NOT SOUND");
    put_text(dir, to);
    (void)fprintf(to, "\n  origin        %.*s%s\n", (int)t->origin.len, (const char *)t->origin.ptr,
                  t->rehearsal ? "  (rehearsal keys)" : "");
    (void)fprintf(to, "  trust.json    sha256 %s\n", t->sha256);
    if (r->have_checkpoint) {
        char root[65];
        hex_encode(slice_of(r->root.b, TLOG_HASH), root);
        (void)fprintf(to, "  size          %llu entries, %llu read\n  root          %s\n",
                      (unsigned long long)r->size, (unsigned long long)r->entries, root);
        (void)fprintf(to,
                      "  signatures    %llu intents, %llu results, %llu intents without a result\n",
                      (unsigned long long)r->intents, (unsigned long long)r->results,
                      (unsigned long long)r->open_intents);
    }
    if (r->entries > 0) {
        print_time("first entry", r->first_ts_ns, to);
        print_time("last entry", r->last_ts_ns, to);
    }
}

void verify_report_print(const struct verify_report *r, const struct verify_trust *t,
                         const char *dir, bool json, FILE *to)
{
    if (json) {
        print_json(r, t, dir, to);
    } else {
        print_people(r, t, dir, to);
    }
}

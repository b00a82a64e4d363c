/* PEM (RFC 7468): strict writer; a reader that takes text between blocks, CRLF and trailing blanks,
 * but no encapsulated headers and no broken base64. */
#include "x509/x509_int.h"

#define LINE 64
#define PEM_MAX ((size_t)1 << 20) /* octets of one block: chains and large CSRs stay far below */
#define LABEL_MAX 64

enum chancery_err x509_pem_write(const char *label, struct slice der, struct buf *out)
{
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, (der.len + 2) / 3 * 4 + 4);
    TRY(base64_encode(der, &text));
    TRY(buf_printf(out, "-----BEGIN %s-----\n", label));
    for (size_t at = 0; at < text.len; at += LINE) {
        TRY(buf_add(out, slice_sub(buf_slice(&text), at, LINE)));
        TRY(buf_add_u8(out, '\n'));
    }
    return buf_printf(out, "-----END %s-----\n", label);
}

/* Cuts the next line (without its end and trailing blanks) from *text. */
static struct slice next_line(struct slice *text)
{
    const uint8_t *end = memchr(text->ptr, '\n', text->len);
    size_t len = end == NULL ? text->len : (size_t)(end - text->ptr);
    struct slice line = slice_of(text->ptr, len);
    *text = slice_sub(*text, end == NULL ? len : len + 1, text->len);
    while (line.len > 0 && strchr(" \t\r", line.ptr[line.len - 1]) != NULL &&
           line.ptr[line.len - 1] != 0) {
        line.len--;
    }
    return line;
}

/* Whether `line` is "-----<word> <label>-----"; *label points into it. */
static bool boundary(struct slice line, const char *word, struct slice *label)
{
    size_t head = 5 + strlen(word) + 1;
    if (line.len < head + 5 || memcmp(line.ptr, "-----", 5) != 0 ||
        memcmp(line.ptr + 5, word, strlen(word)) != 0 || line.ptr[head - 1] != ' ' ||
        memcmp(line.ptr + line.len - 5, "-----", 5) != 0) {
        return false;
    }
    *label = slice_of(line.ptr + head, line.len - head - 5);
    return label->len <= LABEL_MAX;
}

static enum chancery_err bad_pem(struct diag *diag, const char *text)
{
    return x509_refuse(diag, CH_MALFORMED, "pem", "pem.syntax", "RFC 7468 3", "%s", text);
}

/* Reads the body of a block up to its END line. */
static enum chancery_err read_body(struct slice *text, struct slice label, struct buf *base64,
                                   struct diag *diag)
{
    while (text->len > 0) {
        struct slice line = next_line(text), end;
        if (boundary(line, "END", &end)) {
            return slice_eq(label, end) ? CH_OK
                                        : bad_pem(diag, "BEGIN and END name different things");
        }
        if (line.len >= 5 && memcmp(line.ptr, "-----", 5) == 0) {
            break;
        }
        TRY(buf_add(base64, line));
    }
    return bad_pem(diag, "the END line is missing");
}

enum chancery_err x509_pem_each(const char *label, struct slice text, x509_pem_fn *fn, void *ctx,
                                struct diag *diag)
{
    struct buf base64 CLEANUP(buf_clear), der CLEANUP(buf_clear);
    buf_init(&base64, PEM_MAX);
    buf_init(&der, PEM_MAX);
    while (text.len > 0) {
        struct slice found;
        if (!boundary(next_line(&text), "BEGIN", &found)) {
            continue;
        }
        buf_reset(&base64);
        buf_reset(&der);
        TRY(read_body(&text, found, &base64, diag));
        if (!slice_eq(found, slice_str(label))) {
            continue;
        }
        if (base64_decode(buf_slice(&base64), &der) != CH_OK || der.len == 0) {
            return bad_pem(diag, "the base64 is broken");
        }
        TRY(fn(ctx, buf_slice(&der)));
    }
    return CH_OK;
}

struct one {
    struct buf *out;
    size_t n;
};

static enum chancery_err take_one(void *ctx, struct slice der)
{
    struct one *o = ctx;
    o->n++;
    return o->n == 1 ? buf_add(o->out, der) : CH_OK;
}

enum chancery_err x509_csr_from_pem_or_der(struct slice bytes, struct buf *out, struct diag *diag)
{
    if (bytes.len > 0 && bytes.ptr[0] == DER_SEQUENCE) {
        return buf_add(out, bytes);
    }
    struct one o = {.out = out};
    TRY(x509_pem_each("CERTIFICATE REQUEST", bytes, take_one, &o, diag));
    TRY(x509_pem_each("NEW CERTIFICATE REQUEST", bytes, take_one, &o, diag));
    if (o.n != 1) {
        return x509_refuse(diag, CH_MALFORMED, "csr", "csr.pem", "RFC 7468 7",
                           "%zu certificate requests in the text; exactly one is wanted", o.n);
    }
    return CH_OK;
}

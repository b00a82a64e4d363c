/* policy: any bytes as files of a bundle. A line "@@ PATH" begins a file; what stands before the
 * first is the profile p. Files of a sound bundle are added where the input has none of that path.
 */
#include "policy/policy_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FILES 24
#define PATH_LEN 64

struct input {
    struct policy_file files[FILES + 2];
    char paths[FILES][PATH_LEN];
    size_t n;
};

static void open_file(struct input *in, struct slice path)
{
    char *to = in->paths[in->n];
    size_t n = path.len < PATH_LEN ? path.len : PATH_LEN - 1;
    if (n > 0) {
        memcpy(to, path.ptr, n);
    }
    to[n] = '\0';
    in->files[in->n++] = (struct policy_file){to, slice_of(NULL, 0)};
}

static void split(struct slice s, struct input *in)
{
    open_file(in, slice_str("profiles/p.yaml"));
    while (s.len > 0) {
        const uint8_t *end = memchr(s.ptr, '\n', s.len);
        struct slice line = slice_of(s.ptr, end == NULL ? s.len : (size_t)(end - s.ptr));
        struct slice *content = &in->files[in->n - 1].content;
        s = slice_sub(s, line.len + 1, s.len);
        if (line.len > 3 && memcmp(line.ptr, "@@ ", 3) == 0 && in->n < FILES) {
            open_file(in, slice_sub(line, 3, line.len));
        } else if (content->ptr == NULL) {
            *content = slice_of(line.ptr, line.len + (end != NULL ? 1 : 0));
        } else {
            content->len += line.len + (end != NULL ? 1 : 0);
        }
    }
}

static void supply(struct input *in, const char *path, const char *text)
{
    for (size_t i = 0; i < in->n; i++) {
        if (strcmp(in->files[i].path, path) == 0 && in->files[i].content.len > 0) {
            return;
        }
        if (strcmp(in->files[i].path, path) == 0) {
            in->files[i].content = slice_str(text);
            return;
        }
    }
    in->files[in->n++] = (struct policy_file){path, slice_str(text)};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct input in;
    in.n = 0;
    split(slice_of(data, size), &in);
    supply(&in, "bundle.yaml", "version: 1\nname: t\ncrl: {max_validity: 8d}\n");
    supply(&in, "profiles/p.yaml",
           "name: p\nissuer: i\ncallers: ['/user/*']\nkeys: {types: [P-256]}\n"
           "signature_algorithms: [ecdsa-with-SHA256]\nvalidity: {max: 1d}\n"
           "subject: {}\nnames: {required: false}\nextensions: {}\n");
    struct policy_bundle *b = NULL;
    struct diag d = {0};
    if (policy_bundle_compile(in.files, in.n, &b, &d) == CH_OK) {
        policy_bundle_free(b);
    }
    return 0;
}

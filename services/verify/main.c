/* chancery-verify: checks a copied log directory offline. */
#include <getopt.h>
#include <stdio.h>
#include <sys/stat.h>

#include "tree.h"

enum { EXIT_SOUND = 0, EXIT_FAULTS = 1, EXIT_NOT_CHECKED = 2 };

static const char usage_text[] =
    "chancery-verify: checks a copied audit log offline\n\n"
    "usage: chancery-verify --trust trust.json [--trust-sha256 HEX] [--json] DIR\n\n"
    "  --trust FILE         the ceremony's trust.json: origin and checkpoint keys\n"
    "  --trust-sha256 HEX   refuse any other trust.json (print it on paper at the ceremony)\n"
    "  --json               report as one JSON object\n"
    "  --help               print this and exit\n\n"
    "exit code: 0 the log is sound, 1 faults were found, 2 it could not be checked\n\n"
    "example: flock -s audit/log.lock cp -a audit/log copy && chancery-verify --trust trust.json "
    "copy\n";

struct options {
    const char *trust, *pin, *dir;
    bool json;
};

/* false: the usage was wrong; *out_help: it was only asked for. */
static bool read_options(int argc, char **argv, struct options *out, bool *out_help)
{
    static const struct option options[] = {{"trust", required_argument, NULL, 't'},
                                            {"trust-sha256", required_argument, NULL, 's'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (c) {
        case 't':
            out->trust = optarg;
            break;
        case 's':
            out->pin = optarg;
            break;
        case 'j':
            out->json = true;
            break;
        case 'h':
            *out_help = true;
            return true;
        default: /* getopt has said what was wrong */
            return false;
        }
    }
    if (out->trust == NULL || optind + 1 != argc) {
        return false;
    }
    out->dir = argv[optind];
    return true;
}

static int not_checked(const struct diag *diag)
{
    (void)fprintf(stderr, "chancery-verify: %s [%s]\n", diag->text, diag->rule);
    return EXIT_NOT_CHECKED;
}

static int check(const struct options *o)
{
    struct verify_trust trust;
    struct verify_report report = {0};
    struct diag diag = {0};
    struct stat st;
    int code = EXIT_NOT_CHECKED;
    enum chancery_err err = verify_trust_load(&trust, o->trust, o->pin, &diag);
    if (err == CH_OK && (stat(o->dir, &st) != 0 || !S_ISDIR(st.st_mode))) {
        err = diag_set(&diag, CH_NOT_FOUND, o->dir, "verify.folder", "%s is not a folder", o->dir);
    }
    if (err == CH_OK) {
        err = verify_log(o->dir, &trust, &report, &diag);
    }
    if (err != CH_OK) {
        code = not_checked(&diag);
    } else {
        verify_report_print(&report, &trust, o->dir, o->json, stdout);
        code = report.n_faults == 0 ? EXIT_SOUND : EXIT_FAULTS;
        if (fflush(stdout) != 0) {
            code = EXIT_NOT_CHECKED;
        }
    }
    verify_report_clear(&report);
    verify_trust_clear(&trust);
    return code;
}

int main(int argc, char **argv)
{
    struct options o = {0};
    bool help = false;
    if (!read_options(argc, argv, &o, &help)) {
        (void)fputs(usage_text, stderr);
        return EXIT_NOT_CHECKED;
    }
    if (help) {
        (void)fputs(usage_text, stdout);
        return EXIT_SOUND;
    }
    return check(&o);
}

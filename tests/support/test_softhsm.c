/* A private SoftHSM. */
#include "test_softhsm.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hsm/hsm.h"
#include "os/os.h"

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void put(const char *path, const char *text)
{
    struct diag diag = {.field = ""};
    if (os_file_write_atomic(path, slice_str(text), 0600, &diag) != CH_OK) {
        (void)fprintf(stderr, "%s\n", diag.text);
        exit(1);
    }
}

void test_softhsm_start(struct test_softhsm *s)
{
    char conf[96], text[256];
    (void)snprintf(s->dir, sizeof s->dir, "/tmp/chancery-softhsm-XXXXXX");
    if (mkdtemp(s->dir) == NULL) {
        fail("mkdtemp");
    }
    (void)snprintf(s->tokens, sizeof s->tokens, "%s/tokens", s->dir);
    (void)snprintf(s->pin, sizeof s->pin, "%s/pin", s->dir);
    (void)snprintf(s->so_pin, sizeof s->so_pin, "%s/so-pin", s->dir);
    (void)snprintf(s->journal, sizeof s->journal, "%s/journal", s->dir);
    (void)snprintf(s->control, sizeof s->control, "%s/control", s->dir);
    (void)snprintf(conf, sizeof conf, "%s/softhsm2.conf", s->dir);
    (void)snprintf(text, sizeof text,
                   "directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n",
                   s->tokens);
    if (mkdir(s->tokens, 0700) != 0) {
        fail(s->tokens);
    }
    put(conf, text);
    put(s->pin, "user-pin-4711\n");
    put(s->so_pin, "officer-pin-0815\n");
    put(s->control, "none\n");
    if (setenv("SOFTHSM2_CONF", conf, 1) != 0 || setenv("P11PROXY_LOG", s->journal, 1) != 0 ||
        setenv("P11PROXY_CONTROL", s->control, 1) != 0 ||
        setenv("P11PROXY_MODULE", TEST_SOFTHSM_MODULE, 1) != 0) {
        fail("setenv");
    }
}

void test_softhsm_token(struct test_softhsm *s, const char *label)
{
    struct diag diag = {.field = ""};
    if (hsm_token_init(TEST_SOFTHSM_MODULE, label, s->so_pin, s->pin, &diag) != CH_OK) {
        (void)fprintf(stderr, "token %s: %s: %s\n", label, diag.rule, diag.text);
        exit(1);
    }
}

void test_softhsm_control(struct test_softhsm *s, const char *command)
{
    put(s->control, command);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    return remove(path);
}

void test_softhsm_end(struct test_softhsm *s)
{
    (void)nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

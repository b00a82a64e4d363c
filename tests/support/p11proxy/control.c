/* Reader of the control file. First line: fault; optional second line: "key <hex id>". An
 * unreadable or unknown command is no fault, and is told on stderr once. */
#include "control.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTROL_FILE_MAX 512

static pthread_mutex_t control_lock = PTHREAD_MUTEX_INITIALIZER;
static struct stat control_seen;
static char control_text[CONTROL_FILE_MAX];
static enum control_fault control_fault;
static unsigned long control_value;
static long control_left; /* -1: without end */
static char control_key[2 * 64 + 1];
static bool control_loss;

static void control_set(enum control_fault fault, unsigned long value, long left)
{
    control_fault = fault;
    control_value = value;
    control_left = left;
}

static void control_command(char *line)
{
    char *save = NULL;
    const char *word = strtok_r(line, " ", &save);
    const char *first = strtok_r(NULL, " ", &save);
    const char *second = strtok_r(NULL, " ", &save);
    control_set(CONTROL_NONE, 0, -1);
    if (word == NULL || strcmp(word, "none") == 0) {
        return;
    }
    if (strcmp(word, "error") == 0 && first != NULL) {
        control_set(CONTROL_ERROR, strtoul(first, NULL, 16),
                    second == NULL ? -1 : strtol(second, NULL, 10));
    } else if (strcmp(word, "delay") == 0 && first != NULL) {
        control_set(CONTROL_DELAY, strtoul(first, NULL, 10), -1);
    } else if (strcmp(word, "hang") == 0) {
        control_set(CONTROL_HANG, 0, -1);
    } else if (strcmp(word, "session_loss") == 0) {
        control_loss = true;
    } else if (strcmp(word, "wrong_signature") == 0) {
        control_set(CONTROL_WRONG_SIGNATURE, 0, first == NULL ? -1 : strtol(first, NULL, 10));
    } else {
        (void)fprintf(stderr, "p11proxy: unknown command \"%s\"\n", word);
    }
}

static void control_parse(void)
{
    char copy[CONTROL_FILE_MAX];
    memcpy(copy, control_text, sizeof copy);
    char *save = NULL;
    char *line = strtok_r(copy, "\n", &save);
    const char *filter = strtok_r(NULL, "\n", &save);
    control_key[0] = '\0';
    if (filter != NULL && strncmp(filter, "key ", 4) == 0) {
        (void)snprintf(control_key, sizeof control_key, "%s", filter + 4);
    }
    char none[] = "none";
    control_command(line == NULL ? none : line);
}

/* Re-reads the file when its identity, time or content changed. */
static void control_refresh(void)
{
    const char *path = getenv("P11PROXY_CONTROL");
    char text[CONTROL_FILE_MAX] = "";
    struct stat now;
    int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    memset(&now, 0, sizeof now);
    if (fd >= 0) {
        ssize_t n = fstat(fd, &now) == 0 ? read(fd, text, sizeof text - 1) : -1;
        text[n < 0 ? 0 : n] = '\0';
        (void)close(fd);
    }
    if (now.st_ino == control_seen.st_ino && now.st_mtim.tv_sec == control_seen.st_mtim.tv_sec &&
        now.st_mtim.tv_nsec == control_seen.st_mtim.tv_nsec && strcmp(text, control_text) == 0) {
        return;
    }
    control_seen = now;
    memcpy(control_text, text, sizeof control_text);
    control_parse();
}

static bool control_is_for(const unsigned char *id, size_t id_len)
{
    char hex[sizeof control_key] = "";
    for (size_t i = 0; i < id_len && 2 * i + 2 < sizeof hex; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02x", id[i]);
    }
    return control_key[0] == '\0' || strcmp(hex, control_key) == 0;
}

enum control_fault control_next(const unsigned char *id, size_t id_len, unsigned long *value)
{
    (void)pthread_mutex_lock(&control_lock);
    control_refresh();
    enum control_fault fault = CONTROL_NONE;
    if (control_fault != CONTROL_NONE && control_left != 0 && control_is_for(id, id_len)) {
        fault = control_fault;
        *value = control_value;
        control_left -= control_left > 0;
    }
    (void)pthread_mutex_unlock(&control_lock);
    return fault;
}

bool control_session_loss(void)
{
    (void)pthread_mutex_lock(&control_lock);
    control_refresh();
    bool loss = control_loss;
    control_loss = false;
    (void)pthread_mutex_unlock(&control_lock);
    return loss;
}

/* Notes what a disk would keep if the power failed: of a file its content when it was last synced, of a folder its
 * names when that was last synced. The test puts a folder together from these notes.
 *
 * POWER_ROOT   the folder that is watched
 * POWER_STORE  where the notes go
 * POWER_AFTER  the program is killed instead of its sync with this number, counted from 1; 0 for never
 * POWER_SKIP   a pattern of paths whose syncs are passed over, as if the program lacked them: a test must fail then
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long syncs;

/* Inode and time of birth: the number alone may be given to a new file. */
static int identity(int folder, const char *name, int flags, char *out, size_t size, int *is_folder) {
    struct statx facts;
    if (statx(folder, name, flags | AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &facts))
        return -1;
    *is_folder = S_ISDIR(facts.stx_mode);
    snprintf(out, size, "%llu-%lld-%u", (unsigned long long)facts.stx_ino,
             (long long)facts.stx_btime.tv_sec, facts.stx_btime.tv_nsec);
    return 0;
}

static void note_folder(int fd, FILE *out) {
    DIR *folder = fdopendir(openat(fd, ".", O_RDONLY | O_DIRECTORY));
    struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        char id[96];
        int is_folder;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (!identity(fd, entry->d_name, 0, id, sizeof id, &is_folder))
            fprintf(out, "%c %s %s\n", is_folder ? 'd' : 'f', id, entry->d_name);
    }
    if (folder)
        closedir(folder);
}

static void note_file(int fd, FILE *out) {
    char own[64], buffer[1 << 16];
    snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
    int in = open(own, O_RDONLY);
    ssize_t got;
    while (in >= 0 && (got = read(in, buffer, sizeof buffer)) > 0)
        fwrite(buffer, 1, (size_t)got, out);
    if (in >= 0)
        close(in);
}

static void note(int fd) {
    const char *root = getenv("POWER_ROOT"), *store = getenv("POWER_STORE");
    char own[64], path[4096], id[96], name[8192], draft[8300];
    int is_folder;
    snprintf(own, sizeof own, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(own, path, sizeof path - 1);
    if (!root || !store || length < 0)
        return;
    path[length] = 0;
    if (strncmp(path, root, strlen(root)) || identity(fd, "", AT_EMPTY_PATH, id, sizeof id, &is_folder))
        return;
    const char *skipped = getenv("POWER_SKIP");
    if (skipped && !fnmatch(skipped, path, 0))
        return;
    pthread_mutex_lock(&lock);
    if (++syncs == atol(getenv("POWER_AFTER") ? getenv("POWER_AFTER") : "0"))
        kill(getpid(), SIGKILL);
    snprintf(name, sizeof name, "%s/%s", store, id);
    snprintf(draft, sizeof draft, "%s.draft", name);
    FILE *out = fopen(draft, "w");
    if (out) {
        is_folder ? note_folder(fd, out) : note_file(fd, out);
        fclose(out);
        rename(draft, name);
    }
    pthread_mutex_unlock(&lock);
}

int fsync(int fd) {
    note(fd);
    return 0;
}

int fdatasync(int fd) {
    note(fd);
    return 0;
}

/* Makes the card below a folder refuse to be changed: the shim of bad_card.py.
 *
 * Counts the calls that change something below the root: opening to write, writing, truncating, syncing, renaming,
 * linking, making folders. From call `first` on, `times` of them fail with `code`; a write that fails has written half.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[PATH_MAX];
static long calls, first, times;
static int code;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

void card_refuses(const char *below, long from_call, long so_often, int with) {
    pthread_mutex_lock(&mutex);
    snprintf(root, sizeof root, "%s", below);
    calls = 0, first = from_call, times = so_often, code = with;
    pthread_mutex_unlock(&mutex);
}

long card_calls(void) { return calls; }

static int refuse(const char *path) {
    if (!root[0] || !path || strncmp(path, root, strlen(root)) != 0) return 0;
    pthread_mutex_lock(&mutex);
    calls++;
    int refused = first > 0 && calls >= first && calls - first < times;
    pthread_mutex_unlock(&mutex);
    if (refused) errno = code;
    return refused;
}

static int refuse_fd(int fd) {
    char link[64], path[PATH_MAX];
    if (!root[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    if (size < 0) return 0;
    path[size] = 0;
    return refuse(path);
}

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define CHANGES(flags) ((flags) & (O_CREAT | O_TRUNC))

#define OPENER(name)                                                            \
    int name(const char *path, int flags, ...) {                                \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        REAL(name);                                                             \
        if (CHANGES(flags) && refuse(path)) return -1;                          \
        return real(path, flags, mode);                                         \
    }
OPENER(open)
OPENER(open64)

#define OPENER_AT(name)                                                         \
    int name(int folder, const char *path, int flags, ...) {                    \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        REAL(name);                                                             \
        if (CHANGES(flags) && refuse(path)) return -1;                          \
        return real(folder, path, flags, mode);                                 \
    }
OPENER_AT(openat)
OPENER_AT(openat64)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    if (refuse_fd(fd)) { int kept = errno; (void)!real(fd, data, size / 2); errno = kept; return -1; }
    return real(fd, data, size);
}

#define SENDER(name, offset_type)                                               \
    ssize_t name(int fd, int from, offset_type *at, size_t size) {              \
        REAL(name);                                                             \
        struct stat about;                                                      \
        if (refuse_fd(fd)) {                                                    \
            int kept = errno;                                                   \
            if (fstat(from, &about) == 0) (void)!real(fd, from, at, (size_t)about.st_size / 2); \
            errno = kept;                                                       \
            return -1;                                                          \
        }                                                                       \
        return real(fd, from, at, size);                                        \
    }
SENDER(sendfile, off_t)
SENDER(sendfile64, off64_t)

#define WRITER_AT(name, offset_type)                                            \
    ssize_t name(int fd, const void *data, size_t size, offset_type at) {       \
        REAL(name);                                                             \
        if (refuse_fd(fd)) { int kept = errno; (void)!real(fd, data, size / 2, at); errno = kept; return -1; } \
        return real(fd, data, size, at);                                        \
    }
WRITER_AT(pwrite, off_t)
WRITER_AT(pwrite64, off64_t)

#define ON_FD(name, ...)                                                        \
    int name(int fd __VA_OPT__(, __VA_ARGS__ size)) {                           \
        REAL(name);                                                             \
        return refuse_fd(fd) ? -1 : real(fd __VA_OPT__(, size));                \
    }
ON_FD(ftruncate, off_t)
ON_FD(ftruncate64, off64_t)
ON_FD(fsync)
ON_FD(fdatasync)

#define TWO_PATHS(name)                                                         \
    int name(const char *from, const char *to) {                                \
        REAL(name);                                                             \
        return refuse(to) ? -1 : real(from, to);                                \
    }
TWO_PATHS(rename)
TWO_PATHS(link)

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    REAL(linkat);
    return refuse(to) ? -1 : real(from_folder, from, to_folder, to, flags);
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    return refuse(path) ? -1 : real(path, mode);
}

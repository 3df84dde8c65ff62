/* Records what a process asks of the disk below $UNCIA_ROOT: the shim of the power-cut replay (power_cut.py).
 *
 * Each operation becomes one record in $UNCIA_LOG, in the order in which the process made it:
 *   u8 kind, i32 fd, i64 number, u16 length of path, u16 length of second path, u32 length of data, then the three.
 * Calls are passed on unchanged, and recorded after they succeeded.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { OPEN = 1, WRITE, TRUNCATE, SYNC, CLOSE, RENAME, LINK, UNLINK, MKDIR, RMDIR };
#define MOST_FILES 4096
static char watched[MOST_FILES];
static char appends[MOST_FILES];
static int log_fd = -1;
static const char *root;
static size_t root_length;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

__attribute__((constructor)) static void begin(void) {
    root = getenv("UNCIA_ROOT");
    const char *path = getenv("UNCIA_LOG");
    if (!root || !path) { root = NULL; return; }
    root_length = strlen(root);
    log_fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
}

static void record(uint8_t kind, int fd, int64_t number, const char *one, const char *two, const void *data, uint32_t size) {
    uint16_t n1 = one ? (uint16_t)strlen(one) : 0, n2 = two ? (uint16_t)strlen(two) : 0;
    size_t total = 1 + 4 + 8 + 2 + 2 + 4 + (size_t)n1 + n2 + size;
    char *buffer = malloc(total), *at = buffer;
    int32_t fd32 = fd;
    memcpy(at, &kind, 1); at += 1;
    memcpy(at, &fd32, 4); at += 4;
    memcpy(at, &number, 8); at += 8;
    memcpy(at, &n1, 2); at += 2;
    memcpy(at, &n2, 2); at += 2;
    memcpy(at, &size, 4); at += 4;
    if (n1) { memcpy(at, one, n1); at += n1; }
    if (n2) { memcpy(at, two, n2); at += n2; }
    if (size) memcpy(at, data, size);
    syscall(SYS_write, log_fd, buffer, total);
    free(buffer);
}

static int ours(const char *path) { return root && path && strncmp(path, root, root_length) == 0; }
static int known(int fd) { return root && fd >= 0 && fd < MOST_FILES && watched[fd]; }
#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)
#define LOCKED(...) do { pthread_mutex_lock(&mutex); __VA_ARGS__; pthread_mutex_unlock(&mutex); } while (0)

static void opened(int fd, const char *path, int flags) {
    if (fd < 0 || fd >= MOST_FILES) return;
    watched[fd] = (char)ours(path);
    appends[fd] = (flags & O_APPEND) != 0;
    if (watched[fd]) LOCKED(record(OPEN, fd, flags, path, NULL, NULL, 0));
}

#define OPENER(name)                                                            \
    int name(const char *path, int flags, ...) {                                \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        REAL(name);                                                             \
        int fd = real(path, flags, mode);                                       \
        opened(fd, path, flags);                                                \
        return fd;                                                              \
    }
OPENER(open)
OPENER(open64)

#define OPENER_AT(name)                                                         \
    int name(int folder, const char *path, int flags, ...) {                    \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        REAL(name);                                                             \
        int fd = real(folder, path, flags, mode);                               \
        opened(fd, path, flags);                                                \
        return fd;                                                              \
    }
OPENER_AT(openat)
OPENER_AT(openat64)

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    int64_t at = 0;
    if (known(fd)) {
        struct stat about;
        at = appends[fd] && fstat(fd, &about) == 0 ? about.st_size : lseek(fd, 0, SEEK_CUR);
    }
    ssize_t done = real(fd, data, size);
    if (done > 0 && known(fd)) LOCKED(record(WRITE, fd, at, NULL, NULL, data, (uint32_t)done));
    return done;
}

#define SENDER(name, offset_type)                                               \
    ssize_t name(int fd, int from, offset_type *at, size_t size) {              \
        REAL(name);                                                             \
        int64_t begin = known(fd) ? lseek(fd, 0, SEEK_CUR) : 0;                 \
        ssize_t done = real(fd, from, at, size);                                \
        if (done > 0 && known(fd)) {                                            \
            char *sent = malloc((size_t)done);                                  \
            off_t end = lseek(from, 0, SEEK_CUR);                               \
            if (syscall(SYS_pread64, from, sent, (size_t)done, at ? *at - done : end - done) == done) \
                LOCKED(record(WRITE, fd, begin, NULL, NULL, sent, (uint32_t)done)); \
            free(sent);                                                         \
        }                                                                       \
        return done;                                                            \
    }
SENDER(sendfile, off_t)
SENDER(sendfile64, off64_t)

#define WRITER_AT(name, offset_type)                                            \
    ssize_t name(int fd, const void *data, size_t size, offset_type at) {       \
        REAL(name);                                                             \
        ssize_t done = real(fd, data, size, at);                                \
        if (done > 0 && known(fd)) LOCKED(record(WRITE, fd, at, NULL, NULL, data, (uint32_t)done)); \
        return done;                                                            \
    }
WRITER_AT(pwrite, off_t)
WRITER_AT(pwrite64, off64_t)

#define TRUNCATER(name, offset_type)                                            \
    int name(int fd, offset_type size) {                                        \
        REAL(name);                                                             \
        int done = real(fd, size);                                              \
        if (done == 0 && known(fd)) LOCKED(record(TRUNCATE, fd, size, NULL, NULL, NULL, 0)); \
        return done;                                                            \
    }
TRUNCATER(ftruncate, off_t)
TRUNCATER(ftruncate64, off64_t)

#define SYNCER(name)                                                            \
    int name(int fd) {                                                          \
        REAL(name);                                                             \
        int done = real(fd);                                                    \
        if (done == 0 && known(fd)) LOCKED(record(SYNC, fd, 0, NULL, NULL, NULL, 0)); \
        return done;                                                            \
    }
SYNCER(fsync)
SYNCER(fdatasync)

int close(int fd) {
    REAL(close);
    if (known(fd)) { LOCKED(record(CLOSE, fd, 0, NULL, NULL, NULL, 0)); watched[fd] = 0; }
    return real(fd);
}

#define TWO_PATHS(name, kind)                                                   \
    int name(const char *from, const char *to) {                                \
        REAL(name);                                                             \
        int done = real(from, to);                                              \
        if (done == 0 && ours(to)) LOCKED(record(kind, -1, 0, from, to, NULL, 0)); \
        return done;                                                            \
    }
TWO_PATHS(rename, RENAME)
TWO_PATHS(link, LINK)

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    REAL(linkat);
    int done = real(from_folder, from, to_folder, to, flags);
    if (done == 0 && ours(to)) LOCKED(record(LINK, -1, 0, from, to, NULL, 0));
    return done;
}

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    REAL(renameat);
    int done = real(from_folder, from, to_folder, to);
    if (done == 0 && ours(to)) LOCKED(record(RENAME, -1, 0, from, to, NULL, 0));
    return done;
}

#define ONE_PATH(name, kind)                                                    \
    int name(const char *path) {                                                \
        REAL(name);                                                             \
        int done = real(path);                                                  \
        if (done == 0 && ours(path)) LOCKED(record(kind, -1, 0, path, NULL, NULL, 0)); \
        return done;                                                            \
    }
ONE_PATH(unlink, UNLINK)
ONE_PATH(rmdir, RMDIR)

int unlinkat(int folder, const char *path, int flags) {
    REAL(unlinkat);
    int done = real(folder, path, flags);
    if (done == 0 && ours(path)) LOCKED(record(flags & AT_REMOVEDIR ? RMDIR : UNLINK, -1, 0, path, NULL, NULL, 0));
    return done;
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    int done = real(path, mode);
    if (done == 0 && ours(path)) LOCKED(record(MKDIR, -1, 0, path, NULL, NULL, 0));
    return done;
}

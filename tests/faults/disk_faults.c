/* A shim between a program and its disk: counts what the program does to files below one folder, and at the call it is
 * told breaks it: kills the process, returns an error, writes only half, or stalls. It can also log every operation with
 * its data, so that a power cut at any point can be played (`power.py`), and move the wall clock.
 *
 *   LD_PRELOAD=disk_faults.so DISK_FAULTS_CONTROL=FILE DISK_FAULTS_ROOT=FOLDER [DISK_FAULTS_LOG=FILE] program ...
 *
 * FILE is mapped and shared: whoever holds it (`shim.py`) changes the orders while the program runs. Only what changes
 * the disk counts: opening for writing, write*, f(data)sync, truncate, fallocate, rename, link, unlink, mkdir, rmdir,
 * and close of what was open for writing. Memory mappings and io_uring are not seen; nothing of ours writes by them.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum operation { OPEN, WRITE, SYNC, TRUNCATE, ALLOCATE, RENAME, LINK, UNLINK, MKDIR, RMDIR, CLOSE, NOTE };
enum action { NOTHING, KILL, TEAR_AND_KILL, FAIL, SHORTEN, STALL };

struct control { /* the same layout in shim.py */
    _Atomic uint64_t calls; /* counted since somebody set it to 0 */
    _Atomic uint64_t hits;  /* of these, acted upon */
    uint64_t first, last;   /* act on calls first..last, counted from 1 */
    uint32_t operations;    /* bit set of enum operation: which calls count */
    uint32_t action;
    int32_t error;
    uint32_t stalled; /* how many are waiting just now */
    int64_t clock_offset_ns;
    char only[64]; /* and only on paths that contain this */
    uint64_t kill; /* at this call, counted likewise, the process is killed whatever the action is; 0 never */
};

struct entry { /* of the log, followed by path, other path, data */
    uint32_t operation, path_bytes, other_bytes;
    int32_t error;
    uint64_t inode, offset, size;
};

#define MOST_FILES 4096
static struct control *control;
static char root[PATH_MAX];
static size_t root_bytes;
static int log_file = -1;
static char *names[MOST_FILES]; /* of descriptors open for writing below the root */
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;

#define REAL(name) ((__typeof__(&name))real_##name())
#define FIND(name)                                          \
    static void *real_##name(void) {                        \
        static void *found;                                 \
        return found ? found : (found = dlsym(RTLD_NEXT, #name)); \
    }
FIND(openat64) FIND(write) FIND(pwrite64) FIND(writev) FIND(pwritev64v2) FIND(fsync) FIND(fdatasync)
FIND(ftruncate64) FIND(truncate64) FIND(posix_fallocate64) FIND(fallocate64) FIND(renameat) FIND(linkat) FIND(unlinkat)
FIND(mkdirat) FIND(close) FIND(clock_gettime) FIND(sendfile64) FIND(copy_file_range)
#undef FIND
int sendfile64(int, int, off64_t *, size_t);

__attribute__((constructor)) static void begin(void) {
    const char *orders = getenv("DISK_FAULTS_CONTROL"), *folder = getenv("DISK_FAULTS_ROOT"), *log = getenv("DISK_FAULTS_LOG");
    if (!orders || !folder)
        return;
    int file = syscall(SYS_open, orders, O_RDWR | O_CLOEXEC);
    void *mapped = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    syscall(SYS_close, file);
    if (mapped == MAP_FAILED || !realpath(folder, root))
        abort();
    root_bytes = strlen(root);
    if (log)
        log_file = syscall(SYS_open, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    control = mapped;
}

/* --- which calls count ------------------------------------------------------------------------------------------ */

/* SQLite's shared memory is a file by name only: it is made anew from the WAL. */
static int is_ours(const char *path) {
    size_t size = strlen(path);
    if (size > 4 && !strcmp(path + size - 4, "-shm"))
        return 0;
    return control && !strncmp(path, root, root_bytes) && (path[root_bytes] == '/' || !path[root_bytes]);
}

/* The absolute path, without following links; false if it lies elsewhere. */
static int locate(int folder, const char *path, char *found) {
    if (!control || !path)
        return 0;
    if (path[0] == '/')
        snprintf(found, PATH_MAX, "%s", path);
    else {
        char link[64], base[PATH_MAX / 2];
        snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
        ssize_t size = syscall(SYS_readlink, link, base, sizeof base - 1);
        if (size < 0)
            return 0;
        base[size] = 0;
        snprintf(found, PATH_MAX, "%s/%.2000s", base, path);
    }
    return is_ours(found);
}

static const char *name_of(int descriptor) {
    return control && descriptor >= 0 && descriptor < MOST_FILES ? names[descriptor] : NULL;
}

static void die(void) { syscall(SYS_kill, getpid(), SIGKILL); }

/* What happens to this call: an action, or NOTHING. Stalls right here, until the order is taken back. */
static enum action judge(enum operation operation, const char *path) {
    if (!(control->operations >> operation & 1) || !strstr(path, control->only))
        return NOTHING;
    uint64_t number = atomic_fetch_add(&control->calls, 1) + 1;
    if (number == control->kill)
        die();
    if (!control->action || number < control->first || number > control->last)
        return NOTHING;
    atomic_fetch_add(&control->hits, 1);
    enum action action = control->action;
    if (action == KILL)
        die();
    if (action == STALL) {
        __atomic_fetch_add(&control->stalled, 1, __ATOMIC_SEQ_CST);
        while (*(volatile uint32_t *)&control->action == STALL)
            syscall(SYS_nanosleep, &(struct timespec){0, 2000000}, NULL);
        __atomic_fetch_sub(&control->stalled, 1, __ATOMIC_SEQ_CST);
        return NOTHING;
    }
    return action;
}

/* --- the log ---------------------------------------------------------------------------------------------------- */

static void record(enum operation operation, const char *path, const char *other, uint64_t inode, uint64_t offset,
                   const struct iovec *data, int count, uint64_t size, int error) {
    if (log_file < 0)
        return;
    struct entry entry = {operation, strlen(path), strlen(other), error, inode, offset, size};
    struct iovec parts[3] = {{&entry, sizeof entry}, {(void *)path, entry.path_bytes}, {(void *)other, entry.other_bytes}};
    syscall(SYS_writev, log_file, parts, 3);
    for (int part = 0; part < count && size; part++) {
        size_t length = data[part].iov_len < size ? data[part].iov_len : size;
        syscall(SYS_write, log_file, data[part].iov_base, length);
        size -= length;
    }
}

static uint64_t inode_of(int descriptor) {
    struct stat found;
    return fstat(descriptor, &found) ? 0 : found.st_ino;
}

static uint64_t inode_at(const char *path) {
    struct stat found;
    return lstat(path, &found) ? 0 : found.st_ino;
}

/* For the program under test: leaves a line in the log, in order with what it did. */
void disk_faults_note(const char *text) {
    pthread_mutex_lock(&order);
    if (control)
        record(NOTE, text, "", 0, 0, NULL, 0, 0, 0);
    pthread_mutex_unlock(&order);
}

/* One call: asks what shall happen to it, does it, logs it. Log order is disk order. */
#define ACT(operation, path, call, inode, other, offset, size)                              \
    do {                                                                                     \
        enum action action = judge(operation, path);                                         \
        if (action == TEAR_AND_KILL)                                                         \
            die();                                                                 \
        pthread_mutex_lock(&order);                                                          \
        int failed = action == FAIL ? control->error : 0;                                    \
        if (!failed) {                                                                       \
            errno = 0;                                                                       \
            result = (call);                                                                 \
            failed = result < 0 ? errno : 0;                                                 \
        } else                                                                               \
            result = -1;                                                                     \
        if (!failed || operation == SYNC)                                                    \
            record(operation, path, other, inode, offset, NULL, 0, size, failed);            \
        pthread_mutex_unlock(&order);                                                        \
        if (failed)                                                                          \
            errno = failed;                                                                  \
    } while (0)

/* --- files ------------------------------------------------------------------------------------------------------ */

static int open_file(int folder, const char *path, int flags, mode_t mode) {
    char name[PATH_MAX];
    int changes = (flags & O_ACCMODE) != O_RDONLY || flags & (O_CREAT | O_TRUNC);
    if (!locate(folder, path, name) || !changes || (flags & O_TMPFILE) == O_TMPFILE)
        return REAL(openat64)(folder, path, flags, mode);
    enum action action = judge(OPEN, name);
    if (action == TEAR_AND_KILL)
        die();
    if (action == FAIL)
        return errno = control->error, -1;
    pthread_mutex_lock(&order);
    uint64_t before = inode_at(name);
    int result = REAL(openat64)(folder, path, flags, mode);
    if (result >= 0 && result < MOST_FILES) {
        free(names[result]);
        names[result] = strdup(name);
        if (!before || flags & O_TRUNC) /* `offset` 1: the file is new */
            record(OPEN, name, "", inode_of(result), !before, NULL, 0, 0, 0);
    }
    pthread_mutex_unlock(&order);
    return result;
}

#define MODE(last) ({ va_list rest; va_start(rest, last); mode_t given = last & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0; va_end(rest); given; })
int open(const char *path, int flags, ...) { return open_file(AT_FDCWD, path, flags, MODE(flags)); }
int open64(const char *path, int flags, ...) { return open_file(AT_FDCWD, path, flags, MODE(flags)); }
int openat(int folder, const char *path, int flags, ...) { return open_file(folder, path, flags, MODE(flags)); }
int openat64(int folder, const char *path, int flags, ...) { return open_file(folder, path, flags, MODE(flags)); }

int close(int descriptor) {
    const char *name = name_of(descriptor);
    if (!name)
        return REAL(close)(descriptor);
    int result = 0;
    enum action action = judge(CLOSE, name);
    if (action == TEAR_AND_KILL)
        die();
    free(names[descriptor]);
    names[descriptor] = NULL;
    result = REAL(close)(descriptor); /* Linux closes it, whatever it answers */
    return action == FAIL ? (errno = control->error, -1) : result;
}

/* `offset` -1: where the descriptor stands. */
static ssize_t write_file(int descriptor, const struct iovec *data, int count, off64_t offset, int flags) {
    const char *name = name_of(descriptor);
    if (!name)
        return offset < 0 ? REAL(writev)(descriptor, data, count) : REAL(pwritev64v2)(descriptor, data, count, offset, flags);
    size_t wanted = 0;
    for (int part = 0; part < count; part++)
        wanted += data[part].iov_len;
    enum action action = judge(WRITE, name);
    if (action == FAIL)
        return errno = control->error, -1;
    pthread_mutex_lock(&order);
    int status = fcntl(descriptor, F_GETFL);
    off64_t at = offset >= 0 ? offset : lseek64(descriptor, 0, status & O_APPEND ? SEEK_END : SEEK_CUR);
    ssize_t written;
    if ((action == SHORTEN || action == TEAR_AND_KILL) && wanted > 1) {
        char *half = malloc(wanted);
        size_t have = 0;
        for (int part = 0; part < count; have += data[part++].iov_len)
            memcpy(half + have, data[part].iov_base, data[part].iov_len);
        struct iovec one = {half, wanted / 2};
        written = offset < 0 ? REAL(writev)(descriptor, &one, 1) : REAL(pwritev64v2)(descriptor, &one, 1, offset, flags);
        free(half);
    } else
        written = offset < 0 ? REAL(writev)(descriptor, data, count) : REAL(pwritev64v2)(descriptor, data, count, offset, flags);
    int failed = errno;
    if (action == TEAR_AND_KILL)
        die();
    if (written > 0)
        record(WRITE, name, "", inode_of(descriptor), at, data, count, written, 0);
    pthread_mutex_unlock(&order);
    errno = failed;
    return written;
}

ssize_t write(int descriptor, const void *data, size_t size) {
    return name_of(descriptor) ? write_file(descriptor, &(struct iovec){(void *)data, size}, 1, -1, 0) : REAL(write)(descriptor, data, size);
}
ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset) {
    return name_of(descriptor) ? write_file(descriptor, &(struct iovec){(void *)data, size}, 1, offset, 0) : REAL(pwrite64)(descriptor, data, size, offset);
}
ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset) { return pwrite64(descriptor, data, size, offset); }
ssize_t writev(int descriptor, const struct iovec *data, int count) { return write_file(descriptor, data, count, -1, 0); }
ssize_t pwritev64v2(int descriptor, const struct iovec *data, int count, off64_t offset, int flags) { return write_file(descriptor, data, count, offset, flags); }
ssize_t pwritev(int descriptor, const struct iovec *data, int count, off_t offset) { return write_file(descriptor, data, count, offset, 0); }
ssize_t pwritev64(int descriptor, const struct iovec *data, int count, off64_t offset) { return write_file(descriptor, data, count, offset, 0); }

/* Refused, so that copies are made by read and write, which we see. */
ssize_t sendfile(int out, int in, off_t *offset, size_t size) {
    return name_of(out) ? (errno = ENOSYS, -1) : REAL(sendfile64)(out, in, offset, size);
}
ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
    return name_of(out) ? (errno = ENOSYS, -1) : REAL(copy_file_range)(in, from, out, to, size, flags);
}

static int sync_file(int descriptor, int only_data) {
    char name[PATH_MAX], link[64];
    int result;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t size = control ? syscall(SYS_readlink, link, name, sizeof name - 1) : -1;
    if (size >= 0)
        name[size] = 0;
    if (size < 0 || !is_ours(name)) /* folders are opened for reading, so the name is asked of the kernel */
        return only_data ? REAL(fdatasync)(descriptor) : REAL(fsync)(descriptor);
    uint64_t inode = inode_of(descriptor);
    ACT(SYNC, name, only_data ? REAL(fdatasync)(descriptor) : REAL(fsync)(descriptor), inode, "", 0, 0);
    return result;
}
int fsync(int descriptor) { return sync_file(descriptor, 0); }
int fdatasync(int descriptor) { return sync_file(descriptor, 1); }

int ftruncate64(int descriptor, off64_t size) {
    const char *name = name_of(descriptor);
    int result;
    if (!name)
        return REAL(ftruncate64)(descriptor, size);
    ACT(TRUNCATE, name, REAL(ftruncate64)(descriptor, size), inode_of(descriptor), "", 0, size);
    return result;
}
int ftruncate(int descriptor, off_t size) { return ftruncate64(descriptor, size); }

int truncate64(const char *path, off64_t size) {
    char name[PATH_MAX];
    int result;
    if (!locate(AT_FDCWD, path, name))
        return REAL(truncate64)(path, size);
    ACT(TRUNCATE, name, REAL(truncate64)(path, size), inode_at(name), "", 0, size);
    return result;
}
int truncate(const char *path, off_t size) { return truncate64(path, size); }

int fallocate64(int descriptor, int mode, off64_t offset, off64_t size) {
    const char *name = name_of(descriptor);
    int result;
    if (!name)
        return REAL(fallocate64)(descriptor, mode, offset, size);
    ACT(ALLOCATE, name, REAL(fallocate64)(descriptor, mode, offset, size), inode_of(descriptor), mode & FALLOC_FL_KEEP_SIZE ? "keeps size" : "", offset, size);
    return result;
}
int fallocate(int descriptor, int mode, off_t offset, off_t size) { return fallocate64(descriptor, mode, offset, size); }

int posix_fallocate64(int descriptor, off64_t offset, off64_t size) { /* answers with the error itself */
    return name_of(descriptor) ? (fallocate64(descriptor, 0, offset, size) ? errno : 0) : REAL(posix_fallocate64)(descriptor, offset, size);
}
int posix_fallocate(int descriptor, off_t offset, off_t size) { return posix_fallocate64(descriptor, offset, size); }

/* --- names ------------------------------------------------------------------------------------------------------ */

int renameat(int from_folder, const char *from, int to_folder, const char *to) {
    char old[PATH_MAX], new[PATH_MAX];
    int result;
    if (!locate(from_folder, from, old) || !locate(to_folder, to, new))
        return REAL(renameat)(from_folder, from, to_folder, to);
    uint64_t inode = inode_at(old);
    ACT(RENAME, old, REAL(renameat)(from_folder, from, to_folder, to), inode, new, 0, 0);
    return result;
}
int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    char old[PATH_MAX], new[PATH_MAX];
    int result;
    if (!locate(from_folder, from, old) || !locate(to_folder, to, new))
        return REAL(linkat)(from_folder, from, to_folder, to, flags);
    uint64_t inode = inode_at(old);
    ACT(LINK, old, REAL(linkat)(from_folder, from, to_folder, to, flags), inode, new, 0, 0);
    return result;
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

int unlinkat(int folder, const char *path, int flags) {
    char name[PATH_MAX];
    int result;
    if (!locate(folder, path, name))
        return REAL(unlinkat)(folder, path, flags);
    uint64_t inode = inode_at(name);
    enum operation operation = flags & AT_REMOVEDIR ? RMDIR : UNLINK;
    ACT(operation, name, REAL(unlinkat)(folder, path, flags), inode, "", 0, 0);
    return result;
}
int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int folder, const char *path, mode_t mode) {
    char name[PATH_MAX];
    int result;
    if (!locate(folder, path, name) || inode_at(name)) /* making what is there changes nothing */
        return REAL(mkdirat)(folder, path, mode);
    ACT(MKDIR, name, REAL(mkdirat)(folder, path, mode), inode_at(name), "", 0, 0);
    return result;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

/* --- the clock -------------------------------------------------------------------------------------------------- */

int clock_gettime(clockid_t which, struct timespec *now) {
    int result = REAL(clock_gettime)(which, now);
    if (!result && control && control->clock_offset_ns && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) {
        __int128 moved = (__int128)now->tv_sec * 1000000000 + now->tv_nsec + control->clock_offset_ns;
        now->tv_sec = moved / 1000000000;
        now->tv_nsec = moved % 1000000000;
    }
    return result;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}
time_t time(time_t *now) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now)
        *now = exact.tv_sec;
    return exact.tv_sec;
}

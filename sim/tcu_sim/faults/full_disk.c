/* LD_PRELOAD: the disk of one program is full (ENOSPC) for as long as the file FULL_DISK_FILE is there.
 *
 * Only what makes a file longer fails, as on a real disk: SQLite writes by pwrite, and into what it has it may go on.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int is_full(int file, off_t end)
{
    struct stat found;
    const char *path = getenv("FULL_DISK_FILE");
    return path && access(path, F_OK) == 0 && fstat(file, &found) == 0 && S_ISREG(found.st_mode)
        && end > found.st_size;
}

ssize_t pwrite64(int file, const void *data, size_t size, off_t at)
{
    static ssize_t (*real)(int, const void *, size_t, off_t);
    if (is_full(file, at + (off_t)size)) {
        errno = ENOSPC;
        return -1;
    }
    if (!real)
        real = (ssize_t (*)(int, const void *, size_t, off_t))dlsym(RTLD_NEXT, "pwrite64");
    return real(file, data, size, at);
}

ssize_t pwrite(int file, const void *data, size_t size, off_t at)
{
    return pwrite64(file, data, size, at);
}

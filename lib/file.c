/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "file.h"

#include <fcntl.h>

ssize_t file_read(int dirfd, const char *name, char *buf, size_t size) {
        _cleanup_close_ int fd = -1;
        ssize_t n;

        fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        n = read(fd, buf, size - 1);
        if (n < 0)
                return -errno;
        buf[n] = '\0';
        return n;
}

int file_write(int dirfd, const char *name, const char *value) {
        _cleanup_close_ int fd = -1;

        fd = openat(dirfd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return -errno;
        if (write(fd, value, strlen(value)) < 0)
                return -errno;
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * For targets that log (linked with --wrap=write): what our code writes to stderr is judged, not shown. A record is
 * one write, one line, and nothing in it that a terminal would act on.
 */

#include "config.h"

#include "fuzz.h"

ssize_t __real_write(int fd, const void *buf, size_t n);
ssize_t __wrap_write(int fd, const void *buf, size_t n);

ssize_t __wrap_write(int fd, const void *buf, size_t n) {
        const char *line = buf;

        if (fd != STDERR_FILENO)
                return __real_write(fd, buf, n);
        must(n > 1 && line[n - 1] == '\n');
        for (size_t i = 0; i < n - 1; i++)
                must((unsigned char) line[i] >= 0x20 && line[i] != 0x7f);
        return (ssize_t) n;
}

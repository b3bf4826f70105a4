/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Small files of the kernel's, in /proc, /sys and cgroup2. Async-signal-safe. */

#include <sys/types.h>

#include "util.h"

/* Reads a whole small file in dirfd, terminated; what does not fit is left out. Returns its length or -errno. */
ssize_t file_read(int dirfd, const char *name, char *buf, size_t size);
/* Writes value by one write(2). Returns 0 or -errno. */
int file_write(int dirfd, const char *name, const char *value);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where file systems are mounted. */

#include "util.h"

/*
 * Finds the cgroup2 file system in a mountinfo file (proc_pid_mountinfo(5)), "/proc/self/mountinfo" but for tests: on
 * hybrid hosts it is not at /sys/fs/cgroup. Returns 0 and its path in ret; -ENOENT: there is none; or -errno.
 */
int mounts_find_cgroup2(const char *mountinfo, char *ret, size_t size);

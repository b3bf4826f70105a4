/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A refusal of the guard's, in words. Built with and without a guard. */

#include "guard.bpf.h"
#include "mask.h"

/*
 * "bpftool (pid 12): prog_attach of the cgroup_skb program "count" to the cgroup /system.slice: that is not in the
 * user's own subtree" into buf, always terminated. What a user may choose in it (names of processes, programs,
 * cgroups) is as it is: the log escapes. Looks at /proc/PID for the name of an interface, which may have gone, and at
 * the kernel's BTF for that of a kfunc.
 */
void guard_describe(const struct mask_names *names, const struct guard_report *report, char *buf, size_t size);

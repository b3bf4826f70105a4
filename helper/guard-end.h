/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The guard's last work for a delegation: its tokens are dead by now, but what is attached goes on by itself. Only programs
 * of the delegation are touched, wherever they are attached.
 */

#include "guard.h"

/* Detaches its links. Their descriptors and pins may be anywhere, so all links of the host are looked at. */
void guard_end_links(const struct guard *guard, uint64_t id);

/*
 * Undoes what was attached without a link (BPF_PROG_ATTACH): to cgroup_fd and all cgroups below, and to sockmaps. What was
 * attached so to a network namespace goes with that: it is the delegation's own, or the guard has refused it.
 */
void guard_end_legacy(const struct guard *guard, uint64_t id, int cgroup_fd);

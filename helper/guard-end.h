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
 * Undoes what was attached to cgroup_fd and the cgroups below without a link (BPF_PROG_ATTACH). What was attached so to a
 * network namespace goes with that: it is the delegation's own, or the guard has refused it.
 */
void guard_end_cgroups(const struct guard *guard, uint64_t id, int cgroup_fd);

/*
 * Detaches its programs from sockmaps, and takes the sockets out of those: each has its own reference to the program
 * (net/core/sock_map.c, sock_map_link). Not more than GUARD_END_SOCKETS places are looked into: it is done in the loop. What
 * stays, of more than that or in a map that the user has frozen, sees that user's own sockets only.
 */
#define GUARD_END_SOCKETS 65536u
void guard_end_sockmaps(const struct guard *guard, uint64_t id);

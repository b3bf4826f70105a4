/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The guard's last work for a delegation: its tokens are dead by now, but what is attached goes on by itself. Only
 * programs of the delegation are touched, wherever they are attached.
 *
 * Links and maps: their descriptors and pins may be anywhere, so all of the host are looked at, and another user may
 * have made a million of them. That is why it is done in slices, in turn for all that have ended, while the loop
 * serves others.
 */

#include <systemd/sd-event.h>

#include "guard.h"

struct guard_detach;

/* Whether a descriptor of the helper's is a program of that delegation, or a link of one. */
typedef bool (*guard_owner)(const struct guard *guard, uint64_t id, int fd);
typedef void (*guard_detached)(void *userdata, uint64_t id, bool late);

int guard_detach_new(struct guard_detach **ret, sd_event *event, const struct guard *guard, guard_owner owns,
                     guard_detached detached, void *userdata);
/* What is not done yet is left as it is. */
void guard_detach_free(struct guard_detach *all);

/*
 * Begins, by what the delegation's flags (guard.bpf.h) say it has ever attached:
 * - GUARD_SOCKMAP: detaches its programs from sockmaps, and takes the sockets out of those, since each has its own
 *   reference to the program (net/core/sock_map.c, sock_map_link); no more than GUARD_DETACH_SOCKETS of them. What
 *   stays, of more than that or in a map that the user has frozen, sees that user's own sockets only.
 * - GUARD_LINKED: detaches its links.
 * - GUARD_LEGACY: undoes what was attached to cgroup_fd, if it is one, and the cgroups below without a link
 *   (BPF_PROG_ATTACH).
 *   What was attached so to a network namespace goes with that: it is the delegation's own, or the guard has refused
 *   it. Returns whether detached(id, late) will be called from the loop: else it is done. cgroup_fd stays the
 *   caller's.
 */
#define GUARD_DETACH_SOCKETS 65536u
bool guard_detach_add(struct guard_detach *all, uint64_t id, uint32_t flags, int cgroup_fd, bool late);

/* All of it now. */
void guard_detach_finish(struct guard_detach *all);

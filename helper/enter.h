/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * ENTER: moves the asking process into <root>/run and brings it the descriptors with which it goes on by itself
 * (ARCHITECTURE.md, "Inside").
 */

#include "cgroup.h"
#include "child.h"
#include "peer.h"

/* Judges whether the process may be moved at all. Returns 0, or -errno with err for the user. inside: the
 * delegation's user namespace, where `run` inside `run` sits: then ENTER_INSIDE is returned and nothing is to be
 * done. */
enum { ENTER_INSIDE = 1 };
int enter_check(const struct peer *peer, const struct sys_namespace *inside, struct errtext *err);

struct enter;

/* Called once from the loop, never from enter_start(). result 0: the process has been moved, mount_fd is a detached
 * copy of the bpffs, the callee's to keep. Else -errno and a text. */
typedef void (*enter_done)(void *userdata, int result, int take_mount_fd, const char *why);

/*
 * Begins. anchor and cgroup are only used before this returns; pidfd of peer is copied. Returns 0 and *ret, for
 * enter_free(); or -errno with err.
 */
int enter_start(struct enter **ret, sd_event *event, const struct peer *peer, const struct child *anchor,
                const struct cgroup *cgroup, gid_t gid, uint64_t timeout_usec, enter_done done, void *userdata,
                struct errtext *err);
void enter_free(struct enter *enter);

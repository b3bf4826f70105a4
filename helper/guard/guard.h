/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The guard's loader: BPF LSM programs (guard.bpf.c) that keep what is delegated in the user's own subtree and end it
 * with the session. They are pinned in a directory of root's alone and stay in force without a helper.
 */

#include <systemd/sd-event.h>

#include "guard.bpf.h"
#include "mask.h"

struct guard;

struct guard_callbacks {
        /* A refusal; called from the loop. report is good until it returns. */
        void (*refused)(void *userdata, const struct guard_report *report);
        /* What guard_revoke(), or if late guard_revoke_late(), has begun is done; called from the loop or
         * guard_finish(). */
        void (*detached)(void *userdata, uint64_t id, bool late);
};

/*
 * Loads and attaches, or replaces what an earlier helper has pinned in dir, without a moment in which nothing is
 * attached; its maps go on. dir is made if it is not there, on a bpf file system. Returns 0 and *ret, or -errno and err
 * with the reason why this host can have no guard, and what would help.
 */
int guard_new(struct guard **ret, sd_event *event, const struct mask_names *names, const char *dir,
              const struct guard_callbacks *callbacks, void *userdata, struct errtext *err);
/*
 * Takes the guard off the host, once nothing that it keeps is left; waits 2 s for that. What is pinned goes now, the
 * rest with guard_free(). Returns 0; -EBUSY and err: it stays, because something of an ended delegation is still held;
 * or -errno and err.
 */
int guard_remove(const struct guard *guard, const char *dir, struct errtext *err);
/* The guard stays in force. */
void guard_free(struct guard *guard);

struct guard_entry {
        uint64_t id;
        uid_t uid;
        uint64_t caps;
        bool confine;    /* targets are judged */
        bool host_wide;  /* @host types are let by */
        bool long_loops; /* so are programs that can hold a processor for long */
        int mount_fd;    /* of the delegated bpffs, not yet in the user's hands */
        int cgroup_fd;   /* <root> */
};

/* Puts a delegation under guard: before the first token of it can be made. Returns 0 or -errno. */
int guard_add(struct guard *guard, const struct guard_entry *entry);

/*
 * Has it keep the entry of a delegation, whose anchor pidfd is, until guard_forget(), whatever becomes of tokens,
 * bpffs and helper: from guard_revoke() to then no process or thread is begun in its user namespace, and nobody joins
 * it. Returns 0, also if it knows no such delegation, or -errno.
 */
int guard_hold(struct guard *guard, uint64_t id, int pidfd);
/* Nobody is left in the user namespace of a revoked one: the entry goes with the last token and the superblock. */
void guard_forget(struct guard *guard, uint64_t id);

/* Whether it knows a delegation, and how many acts of it were refused. */
bool guard_knows(const struct guard *guard, uint64_t id, uint64_t *ret_refusals);

/* From now on every use of its tokens and programs is refused, for all holders. What is attached is being detached
 * then, in slices of the loop, for all links of the host are looked at; of what was attached without a link, on
 * cgroup_fd (not kept) and below. Returns whether detached() will be called: else it is done already. */
bool guard_revoke(struct guard *guard, uint64_t id, int cgroup_fd);

/* Detaches again after all processes of the delegation are dead. Needed because an attach may have passed the guard
 * before guard_revoke() and still have been waiting for a kernel lock; the first pass cannot see it. */
bool guard_revoke_late(struct guard *guard, uint64_t id);

/* Ends all that is being detached, without the loop: for the helper's own end. */
void guard_finish(struct guard *guard);

/* Revokes all that `living` does not know: a helper may have died between the entry and its record. */
void guard_revoke_strangers(struct guard *guard, bool (*living)(void *userdata, uint64_t id), void *userdata);

/*
 * How many ended delegations of a user are still there, because one of their processes that is none of the session's
 * holds a descriptor of the bpffs, or tokens: 16 of those count as one more. They are good for nothing, but each is an
 * entry: at GUARD_HELD_EACH the user gets no new one, so that nobody fills the tables by logging out.
 */
#define GUARD_HELD_EACH 64
size_t guard_held(struct guard *guard, uid_t uid);

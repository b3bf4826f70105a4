/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The choreography that makes a delegation's namespaces and its bpffs: a short-lived maker, and the anchor that
 * stays. maker.c tells the steps and why each is where it is.
 */

#include "cgroup.h"
#include "child.h"
#include "policy.h"

/*
 * The nursery: a private mount namespace of nothing but a tmpfs with an empty /bpf. Makers copy it, so that what a
 * delegation costs does not depend on the host's mounts, and nothing of it shows there. Returns a descriptor of the
 * namespace, or -errno with err. Waits for its child: for start-up only. dir: any directory, to mount over inside the
 * nursery.
 */
int nursery_new(const char *dir, struct errtext *err);

/*
 * Where the program is that anchors become (helper/anchor.c): beside the helper's own file. Returns a descriptor of
 * that directory, or -errno with err: there is none, or its mode is wrong. Without it they stay forks of the helper,
 * and are larger.
 */
#define ANCHOR_PROGRAM "bpfdeleg-anchor"
int anchor_program_open(struct errtext *err);

struct maker_spec {
        uid_t uid;
        gid_t gid;
        uint64_t masks[POLICY_AXES];
        mode_t mode;
        bool private_network;
        int nursery_fd;   /* stays the caller's */
        int anchor_dirfd; /* likewise; -1: none */
        const struct cgroup
                *cgroup; /* stays the caller's, and outlives the maker; NULL: maker_set_cgroup() tells later */
        uint64_t timeout_usec;
        /* Called when the delegated bpffs is made, the maker sits in <root>, and nobody has the mount yet. Returns 0,
         * or -errno: then the making fails. Gets the userdata of maker_start(). */
        int (*made_mount)(void *userdata, int mount_fd);
};

struct maker;

/*
 * Called once from the loop when all is made, or something failed; never from within maker_start(). result 0: the
 * anchor sleeps in <root>/supervisor, nobody else is in the subtree; take the two with maker_take(). Else -errno, and
 * why names the step. The callback may call maker_free().
 */
typedef void (*maker_done)(void *userdata, int result, const char *why);

/* Begins. spec is copied. Returns 0 and *ret, to be given to maker_free(); or -errno with err. */
int maker_start(struct maker **ret, sd_event *event, const struct maker_spec *spec, maker_done done, void *userdata,
                struct errtext *err);

/* The maker itself, to be moved into the subtree's <root>. */
const struct child *maker_child(const struct maker *maker);

/* For one started without a cgroup: it sits in <root> by now. Until then it goes no further than its mount. The last
 * thing to be done in a callback: maker_done may be called before this returns, if the maker was killed. */
void maker_set_cgroup(struct maker *maker, const struct cgroup *cgroup);

/* After success: hands over the anchor (for child_done()) and a descriptor of the user namespace. */
void maker_take(struct maker *maker, struct child *ret_anchor, int *ret_userns_fd);

/* Kills what is still at work. Takes NULL. */
void maker_free(struct maker *maker);

/* The name of the directory in the anchor's mount namespace on which the delegated bpffs is. */
#define MAKER_BPFFS "/bpf"

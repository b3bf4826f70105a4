/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The delegated cgroup subtree of one delegation:
 *
 *     <root>/             limits, set before the first process; given to the user later; no processes
 *     <root>/supervisor   the anchor
 *     <root>/run          what `bpfdeleg run` brings in
 *
 * Where <root> comes from and who removes it is the backend's part (setup.c); the rest is here and the
 * same for both. The user owns <root> once it is given away, and may be at work in it at any moment: everything goes
 * through descriptors, and no answer of the file system there is trusted beyond the user's own delegation.
 */

#include <sys/types.h>

#include "cgroups.h"
#include "policy.h"
#include "proto.h"

/* Who makes <root>, and removes it: a row of backends[] in cgroup.c each. The words are those of bpfdeleg.ini. */
enum cgroup_backend {
        CGROUP_FS,    /* we: a plain directory in the parent directory */
        CGROUP_SCOPE, /* systemd: the directory of a transient scope, in the user's slice */
};

struct cgroup {
        const struct cgroups *cgroups;
        enum cgroup_backend backend;
        int fd;                     /* <root>; -1: there is none (yet) */
        int events_fd;              /* cgroup_events(); -1 until asked for */
        char path[PROTO_PATH_SIZE]; /* below the cgroup2 mount, from "/" on */
        bool forgotten;             /* a scope's directory that systemd has given up on: ours to remove */
};
#define CGROUP_INIT \
        { .fd = -1, .events_fd = -1 }

/* Names the <root> that cgroup_create() is going to make, so that it can be written down before; cgroup_remove()
 * finds it by that. */
void cgroup_plan(struct cgroup *ret, const struct cgroups *cgroups, const char *name);

/* The anchor's, in <root>. */
#define CGROUP_SUPERVISOR "supervisor"

/*
 * Makes <root> and <root>/supervisor in the parent directory, with the policy's limits in force. name is the id. A
 * limit whose controller this host lacks (or does not give to the parent) is -EOPNOTSUPP, by name in err; nothing is
 * left on failure. To be given to cgroup_remove(), then cgroup_done().
 */
int cgroup_create(struct cgroup *ret, struct cgroups *cgroups, const char *name, const uint64_t limit[POLICY_LIMITS],
                  struct errtext *err);

/* The same for a scope's directory, which systemd has made and given the limits: fills it. On failure *ret is to be
 * ended all the same, if its fd is there. */
int cgroup_adopt_scope(struct cgroup *ret, const struct cgroups *cgroups, const char *path,
                       const uint64_t limit[POLICY_LIMITS], struct errtext *err);

/* Opens again what an earlier helper made. Returns 0 or -errno; -ENOENT: it has gone, and *ret has its name only. */
int cgroup_reopen(struct cgroup *ret, const struct cgroups *cgroups, enum cgroup_backend backend, const char *path);

/* Whether this host has the controllers of the limits: 0, or -EOPNOTSUPP and err names the first that is missing. */
int cgroup_check_limits(const struct cgroups *cgroups, const uint64_t limit[POLICY_LIMITS], struct errtext *err);

/* Moves a child of ours into <root> (not reaped yet, so its number is its own). Returns 0 or -errno. */
int cgroup_move(const struct cgroup *cgroup, pid_t pid);

/* A directory of the subtree, "supervisor" or "run"; "run" is made again, and given to the user, if it is not there.
 * Descriptor or -errno. */
int cgroup_open_supervisor(const struct cgroup *cgroup);
int cgroup_open_run(const struct cgroup *cgroup, uid_t uid, gid_t gid);

/*
 * Gives <root> and <root>/run to the user: the directories, and of the files those that the kernel lists in
 * /sys/kernel/cgroup/delegate, so cgroup.kill and the limits stay root's. Enables for the children whatever
 * controllers <root> has.
 */
int cgroup_give(const struct cgroup *cgroup, uid_t uid, gid_t gid);

/* SIGKILL to every process in the subtree, present and being forked (cgroup.kill). */
int cgroup_kill(const struct cgroup *cgroup);

/* <root>/cgroup.events, whose EPOLLPRI comes when `populated` changes: a descriptor that the cgroup keeps from then
 * on, as many cgroups are alive and few are waited for. Or -errno. */
int cgroup_events(struct cgroup *cgroup);

/* Whether there is a process in the subtree: 1, 0, or -errno. Re-arms the EPOLLPRI of cgroup_events(). */
int cgroup_populated(struct cgroup *cgroup);

/* Whether there is a process other than `except` anywhere in the subtree: 1, 0, or -errno. */
int cgroup_has_others(const struct cgroup *cgroup, pid_t except);

/* Takes <root> and all below back from the user, so that they make nothing new in it while it is emptied. */
void cgroup_take_back(const struct cgroup *cgroup);

/* Removes the subtree, bottom-up, whoever owns its parts; each directory is taken back first. Returns 0, -EAGAIN
 * (there is more of it, for the next turn of the loop), -EBUSY while there are processes, or -errno. For a scope,
 * systemd removes the directory; returns -EINPROGRESS until it has. Do not remove it here: the scope would then stay
 * "active" for ever, and if both remove it at once systemd stops halfway. */
int cgroup_remove(struct cgroup *cgroup);

void cgroup_done(struct cgroup *cgroup);

/* Ends what an earlier helper left in the parent directory and known() does not know: nobody can be using
 * that. Waits for it, 2 s at most for each: for start-up only. */
void cgroups_end_leftovers(const struct cgroups *cgroups, bool (*known)(void *userdata, uint64_t id), void *userdata);

/* Removes the directory `name` in dirfd and all below it. take: each is taken back from its owner first, as in
 * cgroup_remove(); without, one that cannot be removed is left as it was. Returns 0, also when there is none; -EBUSY:
 * there are processes, or somebody makes cgroups in it; or -errno. Async-signal-safe, as what follows is. */
int cgroup_remove_tree(int dirfd, const char *name, bool take);
/* Calls fn for each cgroup in the directory dirfd until it returns another value than 0, and returns that, or
 * -errno. */
int cgroup_for_each_below(int dirfd, int (*fn)(int dirfd, const char *name, void *userdata), void *userdata);
/* Whether a directory entry is a cgroup below. Names may begin with a dot: they are the user's choice. */
struct dirent;
bool cgroup_is_child(const struct dirent *e);
/* Whether the blank-separated list has the word. */
bool cgroup_list_has(const char *list, const char *word);

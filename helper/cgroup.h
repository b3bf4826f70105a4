/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The delegated cgroup subtree of one delegation:
 *
 *     <root>/             limits, set before the first process; given to the user later; no processes
 *     <root>/supervisor   the anchor
 *     <root>/run          what `bpfdeleg run` brings in
 *
 * Where <root> comes from and who removes it is the backend's part (cgroup-fs.c); the rest is here and the same for
 * all backends. The user owns <root> once it is given to him and may be at work in it at any moment: everything goes
 * through descriptors, and no answer of the file system there is trusted beyond the user's own delegation.
 */

#include <sys/types.h>

#include "policy.h"
#include "util.h"

/* The directory all subtrees of this helper are made in. */
struct cgroup_parent {
        int fd;
        char *path; /* below the cgroup2 mount: "/bpfdeleg" */
        char *name;
        int mount_fd;
        bool ours; /* locked */
};
#define CGROUP_PARENT_INIT {.fd = -1, .mount_fd = -1}

/*
 * Finds cgroup2, makes the directory name in it unless it is there, locks it against other helpers, and ends what an
 * earlier one left in it (nobody can be using that: its delegations are unknown now). Returns 0 or -errno with err.
 */
int cgroup_parent_open(struct cgroup_parent *ret, const char *name, struct errtext *err);
/* Removes the directory if it is empty. */
void cgroup_parent_done(struct cgroup_parent *parent);

struct cgroup {
        const struct cgroup_parent *parent;
        int fd;          /* <root> */
        int events_fd;   /* <root>/cgroup.events: EPOLLPRI when `populated` changes */
        char name[40];   /* of <root> in parent */
};
#define CGROUP_INIT {.fd = -1, .events_fd = -1}

/*
 * Makes <root> and <root>/supervisor, with the policy's limits in force. name is the id. A limit whose controller
 * this host lacks (or does not give to the parent) is -EOPNOTSUPP, by name in err; nothing is left on failure. To be
 * given to cgroup_remove(), then cgroup_done().
 */
int cgroup_create(struct cgroup *ret, struct cgroup_parent *parent, const char *name, const uint64_t limit[POLICY_LIMITS],
                  struct errtext *err);

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

/* Whether there is a process in the subtree: 1, 0, or -errno. Re-arms the EPOLLPRI of events_fd. */
int cgroup_populated(const struct cgroup *cgroup);

/* Whether there is a process other than `except` anywhere in the subtree: 1, 0, or -errno. */
int cgroup_has_others(const struct cgroup *cgroup, pid_t except);

/* Removes the subtree, bottom-up, whoever owns its parts; each directory is taken back from its owner first, so that
 * nothing new is made in it meanwhile. Returns 0, -EBUSY while there are processes, or -errno. */
int cgroup_remove(struct cgroup *cgroup);

/* "/bpfdeleg/0123…" into buf. */
void cgroup_path(const struct cgroup *cgroup, char *buf, size_t size);

void cgroup_done(struct cgroup *cgroup);

/* For the backend and the parent: removes the directory `name` in dirfd and all below it. */
int cgroup_remove_tree(int dirfd, const char *name);
/* Reads a whole small file in dirfd, terminated. Returns its length or -errno. */
ssize_t cgroup_read_file(int dirfd, const char *name, char *buf, size_t size);
int cgroup_write_file(int dirfd, const char *name, const char *value);
/* Whether a directory entry is a cgroup below. Names may begin with a dot: they are the user's choice. */
struct dirent;
bool cgroup_is_child(const struct dirent *e);
/* Whether the blank-separated list has the word. */
bool cgroup_list_has(const char *list, const char *word);

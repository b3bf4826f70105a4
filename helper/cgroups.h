/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where cgroup2 is, and in it the directory of all subtrees of the cgroupfs backend, for hosts where nobody else
 * manages cgroups. */

#include "util.h"

/* Where subtrees are made. */
struct cgroups {
        int mount_fd; /* of cgroup2 */
        char *mount;
        char *name;    /* of the parent directory of all subtrees of the cgroupfs backend, in mount */
        int parent_fd; /* that directory, locked; -1 as long as it is not used */
};
#define CGROUPS_INIT \
        { .mount_fd = -1, .parent_fd = -1 }

/* Finds cgroup2. Returns 0 and *ret, to be given to cgroups_done(); or -errno with err. */
int cgroups_open(struct cgroups *ret, const char *name, struct errtext *err);
/* Removes the parent directory if it is empty. */
void cgroups_done(struct cgroups *cgroups);

/* Opens the parent directory and locks it against other helpers, making it unless it is there. Does nothing when that
 * is done already. Returns 0, or -errno with err; -ENOENT if it is not there and make is false. */
int cgroups_use_parent(struct cgroups *cgroups, bool make, struct errtext *err);

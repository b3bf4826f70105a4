/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "cgroups.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "mounts.h"

int cgroups_open(struct cgroups *ret, const char *name, struct errtext *err) {
        struct cgroups cgroups = CGROUPS_INIT;
        char mount[256];
        int r;

        r = mounts_find_cgroup2("/proc/self/mountinfo", mount, sizeof(mount));
        if (r < 0)
                return fail(err, r, "no cgroup2 file system is mounted here (`mount -t cgroup2 none DIR` makes one)");
        cgroups.mount_fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (cgroups.mount_fd < 0)
                return fail(err, -errno, "%s: %m", mount);
        cgroups.mount = strdup(mount);
        cgroups.name = strdup(name);
        if (!cgroups.mount || !cgroups.name) {
                cgroups_done(&cgroups);
                return fail(err, -ENOMEM, "out of memory");
        }
        *ret = cgroups;
        return 0;
}

int cgroups_use_parent(struct cgroups *cgroups, bool make, struct errtext *err) {
        const char *mount = cgroups->mount, *name = cgroups->name;
        _cleanup_close_ int fd = -1;
        struct stat st;

        if (cgroups->parent_fd >= 0)
                return 0;
        if (make && mkdirat(cgroups->mount_fd, name, 0755) < 0 && errno != EEXIST)
                return fail(err, -errno, "%s/%s cannot be made: %m", mount, name);
        fd = openat(cgroups->mount_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return fail(err, -errno, "%s/%s cannot be opened: %m", mount, name);
        if (fstat(fd, &st) < 0 || st.st_uid != 0)
                return fail(err, -EPERM, "%s/%s is not root's: choose another cgroup_parent in bpfdeleg.ini", mount,
                            name);
        /* Before anything in it is touched: what is there may be another helper's, and alive. */
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return fail(err, -errno, "another bpfdelegd has its subtrees in %s/%s (cgroup_parent in bpfdeleg.ini)",
                            mount, name);
        cgroups->parent_fd = TAKE_FD(fd);
        return 0;
}

void cgroups_done(struct cgroups *cgroups) {
        /* Refused by the kernel as long as there is anything in it. */
        if (cgroups->parent_fd >= 0)
                (void) unlinkat(cgroups->mount_fd, cgroups->name, AT_REMOVEDIR);
        free(cgroups->mount);
        free(cgroups->name);
        cgroups->mount = cgroups->name = NULL;
        cgroups->parent_fd = close_fd(cgroups->parent_fd);
        cgroups->mount_fd = close_fd(cgroups->mount_fd);
}

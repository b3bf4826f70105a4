/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The cgroupfs backend: subtrees by plain mkdir under one directory of our own, for hosts where nobody else manages
 * cgroups.
 */

#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cgroup.h"
#include "log.h"
#include "mounts.h"

static void end_leftover(int parent_fd, const char *name) {
        struct cgroup old = CGROUP_INIT;

        log_line(LOG_NOTICE, "ending the subtree %s of an earlier helper", name);
        old.fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (old.fd >= 0 && cgroup_kill(&old) == 0) {
                for (int i = 0; i < 20 && cgroup_populated(&old) == 1; i++)
                        (void) poll(&(struct pollfd){.fd = cgroup_events(&old), .events = POLLPRI}, 1, 100);
        }
        cgroup_done(&old);
        if (cgroup_remove_tree(parent_fd, name, true) < 0)
                log_line(LOG_WARNING, "the subtree %s of an earlier helper cannot be removed yet: %m", name);
}

void cgroups_end_leftovers(const struct cgroups *cgroups, bool (*known)(void *userdata, uint64_t id), void *userdata) {
        _cleanup_close_ int fd = -1;
        uint64_t id;
        const struct dirent *e;
        DIR *d;

        fd = openat(cgroups->parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        d = fd < 0 ? NULL : fdopendir(fd);
        if (!d) {
                log_line(LOG_WARNING, "%s/%s cannot be read, what an earlier helper left there stays: %m", cgroups->mount,
                         cgroups->name);
                return;
        }
        (void) TAKE_FD(fd);
        while ((e = readdir(d)))
                /* Only what has a name of ours: whatever else is in there was made by somebody else. */
                if (cgroup_is_child(e) && proto_id_parse(e->d_name, &id) == 0 && !known(userdata, id))
                        end_leftover(cgroups->parent_fd, e->d_name);
        (void) closedir(d);
}

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
                return fail(err, -EPERM, "%s/%s is not root's: choose another cgroup_parent in bpfdeleg.ini", mount, name);
        /* Before anything in it is touched: what is there may be another helper's, and alive. */
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
                return fail(err, -errno, "another bpfdelegd has its subtrees in %s/%s (cgroup_parent in bpfdeleg.ini)", mount, name);
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

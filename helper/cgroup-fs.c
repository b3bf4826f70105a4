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

/* /proc/self/mountinfo, not a fixed path: on hybrid hosts cgroup2 is at /sys/fs/cgroup/unified
 * (proc_pid_mountinfo(5)). */
static int find_cgroup2(char *ret, size_t size) {
        _cleanup_free_ char *line = NULL;
        size_t n = 0;
        int r = -ENOENT;
        FILE *f;

        f = fopen("/proc/self/mountinfo", "re");
        if (!f)
                return -errno;
        while (r == -ENOENT && getline(&line, &n, f) > 0) {
                char root[256], path[256];
                const char *type = strstr(line, " - cgroup2 ");

                if (type && sscanf(line, "%*s %*s %*s %255s %255s", root, path) == 2 && streq(root, "/"))
                        r = copy_field(ret, size, path);
        }
        (void) fclose(f);
        return r;
}

/* What is in the parent at start belongs to nobody: the helper that knew it is gone. */
static int end_leftovers(int parent_fd) {
        _cleanup_close_ int fd = -1;
        const struct dirent *e;
        DIR *d;

        fd = openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        d = fdopendir(fd);
        if (!d)
                return -errno;
        (void) TAKE_FD(fd);
        while ((e = readdir(d))) {
                struct cgroup old = CGROUP_INIT;

                /* Only what has a name of ours: whatever else is in there was made by somebody else. */
                if (!cgroup_is_child(e) || strlen(e->d_name) != 16 || strspn(e->d_name, "0123456789abcdef") != 16)
                        continue;
                log_line(LOG_NOTICE, "ending the subtree %s of an earlier helper", e->d_name);
                old.fd = openat(parent_fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (old.fd >= 0 && cgroup_kill(&old) == 0) {
                        old.events_fd = openat(old.fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
                        /* 2 s at most, once, before the first client is served */
                        for (int i = 0; i < 20 && cgroup_populated(&old) == 1; i++)
                                (void) poll(&(struct pollfd){.fd = old.events_fd, .events = POLLPRI}, 1, 100);
                }
                cgroup_done(&old);
                if (cgroup_remove_tree(parent_fd, e->d_name) < 0)
                        log_line(LOG_WARNING, "the subtree %s of an earlier helper cannot be removed yet: %m", e->d_name);
        }
        (void) closedir(d);
        return 0;
}

int cgroup_parent_open(struct cgroup_parent *ret, const char *name, struct errtext *err) {
        struct cgroup_parent parent = CGROUP_PARENT_INIT;
        struct stat st;
        char mount[256], path[320];
        int r;

        r = find_cgroup2(mount, sizeof(mount));
        if (r < 0)
                return fail(err, r, "no cgroup2 file system is mounted here (`mount -t cgroup2 none DIR` makes one)");
        parent.mount_fd = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (parent.mount_fd < 0)
                return fail(err, -errno, "%s: %m", mount);
        if (mkdirat(parent.mount_fd, name, 0755) < 0 && errno != EEXIST) {
                r = fail(err, -errno, "%s/%s cannot be made: %m", mount, name);
                goto failed;
        }
        parent.fd = openat(parent.mount_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        (void) snprintf(path, sizeof(path), "/%s", name);
        parent.path = strdup(path);
        parent.name = strdup(name);
        if (parent.fd < 0 || !parent.path || !parent.name) {
                r = fail(err, parent.fd < 0 ? -errno : -ENOMEM, "%s/%s cannot be opened: %m", mount, name);
                goto failed;
        }
        if (fstat(parent.fd, &st) < 0 || st.st_uid != 0) {
                r = fail(err, -EPERM, "%s/%s is not root's: choose another cgroup_parent in bpfdeleg.ini", mount, name);
                goto failed;
        }
        /* Before anything in it is touched: what is there may be another helper's, and alive. */
        if (flock(parent.fd, LOCK_EX | LOCK_NB) < 0) {
                r = fail(err, -errno, "another bpfdelegd has its subtrees in %s/%s (cgroup_parent in bpfdeleg.ini)", mount, name);
                goto failed;
        }
        parent.ours = true;
        r = end_leftovers(parent.fd);
        if (r < 0) {
                (void) fail(err, r, "%s/%s cannot be read: %s", mount, name, strerror(-r));
                goto failed;
        }
        *ret = parent;
        return 0;

failed:
        cgroup_parent_done(&parent);
        return r;
}

void cgroup_parent_done(struct cgroup_parent *parent) {
        /* Refused by the kernel as long as there is anything in it. */
        if (parent->ours)
                (void) unlinkat(parent->mount_fd, parent->name, AT_REMOVEDIR);
        free(parent->path);
        free(parent->name);
        parent->path = parent->name = NULL;
        parent->fd = close_fd(parent->fd);
        parent->mount_fd = close_fd(parent->mount_fd);
}

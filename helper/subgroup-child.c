/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The child's side of subgroup.c: a copy of the helper with a heap in an unknown state, so only async-signal-safe
 * calls, and no memory but its stack and what it maps.
 */

#include "config.h"

#include "subgroup-child.h"

#include <poll.h>
#include <sys/mman.h>

static bool has_anchor(const struct subgroup_work *work) {
        char path[CHILD_CGROUP_SIZE], prefix[PROTO_PATH_SIZE + PROTO_SUBGROUP_SIZE + 2];
        size_t size;

        if (child_cgroup(&work->anchor, path) < 0)
                return false; /* it has gone, or sits deeper than a path can be told */
        size = (size_t) snprintf(prefix, sizeof(prefix), "%s/%s", work->root_path, work->request.path);
        return strncmp(path, prefix, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

/* Waits until the last one is gone, so that the cgroup can be removed next. The deadline is the helper's; its death
 * closes the channel, for one that was there before the child could ask to die with it. */
static int kill_all(int fd, int channel) {
        struct cgroup cgroup = {.fd = fd, .events_fd = -1};
        struct pollfd fds[2];
        int r;

        fds[0] = (struct pollfd){.fd = cgroup_events(&cgroup), .events = POLLPRI};
        fds[1] = (struct pollfd){.fd = channel};
        if (fds[0].fd < 0)
                return fds[0].fd == -ENODEV || fds[0].fd == -ENOENT ? 0 : fds[0].fd;
        r = cgroup_kill(&cgroup);
        if (r < 0)
                return r;
        while ((r = cgroup_populated(&cgroup)) > 0)
                if (poll(fds, 2, -1) >= 0 && fds[1].revents != 0)
                        return -ECANCELED;
        return r;
}

/* ---- signals other than SIGKILL ---- */

#define BATCH 128
#define PASSES 16                  /* over the tree; each finds only what was forked, or moved, during the one before */
#define PIDS_MAX (4 * 1024 * 1024) /* the kernel's PID_MAX_LIMIT */

struct signalling {
        const struct subgroup_work *work;
        uint8_t *seen;  /* a bit for each number: one process gets one signal */
        unsigned found; /* in this pass */
        size_t n;
        struct {
                pid_t pid;
                int pidfd;
                bool listed; /* after pidfd was opened */
        } batch[BATCH];
};

/* Calls fn for each number in a cgroup's list, which may be long, until that returns another value than 0. */
static int for_each_pid(int dirfd, int (*fn)(struct signalling *s, pid_t pid, int dirfd), struct signalling *s) {
        _cleanup_close_ int fd = -1;
        char buf[4096];
        pid_t pid = 0;
        ssize_t n;
        int r;

        fd = openat(dirfd, "cgroup.procs", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        while ((n = read(fd, buf, sizeof(buf))) > 0)
                for (ssize_t i = 0; i < n; i++) {
                        if (buf[i] >= '0' && buf[i] <= '9' && pid < PIDS_MAX) {
                                pid = pid * 10 + (buf[i] - '0');
                                continue;
                        }
                        r = pid > 0 ? fn(s, pid, dirfd) : 0; /* 0: of another pid namespace, beyond ours */
                        if (r != 0)
                                return r;
                        pid = 0;
                }
        return n < 0 ? -errno : 0;
}

static int mark_listed(struct signalling *s, pid_t pid, int dirfd) {
        (void) dirfd;
        for (size_t i = 0; i < s->n; i++)
                if (s->batch[i].pid == pid)
                        s->batch[i].listed = true;
        return 0;
}

/* Signals what has been collected, and forgets it. One that has left the list may be found elsewhere, and is not
 * marked. */
static int signal_batch(struct signalling *s, int dirfd) {
        int r;

        r = s->n > 0 ? for_each_pid(dirfd, mark_listed, s) : 0;
        for (size_t i = 0; i < s->n; i++) {
                pid_t pid = s->batch[i].pid;

                if (r >= 0 && s->batch[i].listed &&
                    sys_pidfd_send_signal(s->batch[i].pidfd, (int) s->work->request.signal) >= 0) {
                        s->seen[pid / 8] |= (uint8_t) (1u << (pid % 8));
                        s->found++;
                }
                (void) close_fd(s->batch[i].pidfd);
        }
        s->n = 0;
        return r;
}

static int collect(struct signalling *s, pid_t pid, int dirfd) {
        int pidfd;

        if (pid == s->work->anchor.pid || pid >= PIDS_MAX || (s->seen[pid / 8] >> (pid % 8) & 1))
                return 0;
        pidfd = sys_pidfd_open(pid);
        if (pidfd < 0)
                return pidfd == -ESRCH || pidfd == -EINVAL ? 0 : pidfd; /* EINVAL: it is a thread's by now */
        s->batch[s->n].pid = pid;
        s->batch[s->n].pidfd = pidfd;
        s->batch[s->n++].listed = false;
        return s->n < BATCH ? 0 : signal_batch(s, dirfd);
}

/* One cgroup's own processes. A threaded one has none to list: its domain has them. */
static int signal_one(struct signalling *s, int dirfd) {
        int r, last;

        r = for_each_pid(dirfd, collect, s);
        last = signal_batch(s, dirfd);
        return r < 0 ? r : last;
}

static int signal_below(int dirfd, const char *name, void *userdata) {
        _cleanup_close_ int fd = -1;
        int r;

        fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
                return errno == ENOENT || errno == ENODEV ? 0 : -errno;
        r = signal_one(userdata, fd);
        if (r < 0 && r != -ENOENT && r != -ENODEV && r != -EOPNOTSUPP)
                return r;
        return cgroup_for_each_below(fd, signal_below, userdata);
}

static int signal_pass(struct signalling *s, int fd) {
        int r;

        s->found = 0;
        r = signal_one(s, fd);
        if (r >= 0)
                r = cgroup_for_each_below(fd, signal_below, s);
        if (r == -ENOENT || r == -ENODEV)
                return 0; /* removed, so nobody is in it */
        return r < 0 ? r : (int) s->found;
}

static int signal_all(const struct subgroup_work *work, int fd) {
        struct signalling s = {.work = work};
        int r;

        s.seen = mmap(NULL, PIDS_MAX / 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (s.seen == MAP_FAILED)
                return -errno;
        for (unsigned i = 0; i < PASSES; i++) {
                r = signal_pass(&s, fd);
                if (r <= 0)
                        return r;
        }
        return -EAGAIN;
}

/* ---- removing ---- */

/* The last name is unlinked in its parent directory, so that is what must be held. */
static int open_parent(const struct subgroup_work *work, const char **ret_name) {
        const char *slash = strrchr(work->request.path, '/');
        char parent[PROTO_SUBGROUP_SIZE];

        *ret_name = slash ? slash + 1 : work->request.path;
        if (!slash) {
                int fd = fcntl(work->root_fd, F_DUPFD_CLOEXEC, 0);

                return fd < 0 ? -errno : fd;
        }
        memcpy(parent, work->request.path, (size_t) (slash - work->request.path));
        parent[slash - work->request.path] = '\0';
        return sys_open_below(work->root_fd, parent);
}

/* Populated ones are left whole: looked at before the first is touched. */
static int remove_all(const struct subgroup_work *work, int fd) {
        struct cgroup cgroup = {.fd = fd, .events_fd = -1};
        _cleanup_close_ int parent_fd = -1;
        const char *name;
        int r;

        r = cgroup_events(&cgroup);
        if (r < 0)
                return r == -ENODEV ? -ENOENT : r;
        r = cgroup_populated(&cgroup);
        if (r != 0)
                return r < 0 ? r : -EBUSY;
        parent_fd = open_parent(work, &name);
        if (parent_fd < 0)
                return take_fd(&parent_fd);
        return cgroup_remove_tree(parent_fd, name, false);
}

void subgroup_child(int channel, const int *fds, void *arg) {
        struct subgroup_work *work = arg;
        int fd;

        work->root_fd = fds[SUBGROUP_FD_ROOT];
        work->anchor.pidfd = fds[SUBGROUP_FD_ANCHOR];
        fd = sys_open_below(work->root_fd, work->request.path);
        child_must(channel, SUBGROUP_FIND, fd);
        if (work->request.remove)
                child_must(channel, SUBGROUP_REMOVE, remove_all(work, fd));
        else if (work->request.signal == SIGKILL) {
                child_must(channel, SUBGROUP_ANCHOR, has_anchor(work) ? -EBUSY : 0);
                child_must(channel, SUBGROUP_KILL, kill_all(fd, channel));
        } else
                child_must(channel, SUBGROUP_SIGNAL, signal_all(work, fd));
        child_send(channel, SUBGROUP_DONE, 0, -1);
}

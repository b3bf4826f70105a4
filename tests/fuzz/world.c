/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The system calls of the helper. What names a process, a credential, a cgroup or a namespace is answered from the
 * tables in struct world; the rest is the kernel's. Any of them fails when the input says so.
 */

#include "config.h"

#include "world.h"

#include <dirent.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/sched.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "maker.h"
#include "sysapi.h"

struct world world;
int world_context_fd = -1, world_mount_fd = -1;

static int null_fd = -1, cgroup_top = -1;

/* name, type, parameters, arguments */
#define CALLS(X)                                                                                                  \
        X(close, int, (int fd), (fd))                                                                             \
        X(write, ssize_t, (int fd, const void *buf, size_t n), (fd, buf, n))                                      \
        X(pread, ssize_t, (int fd, void *buf, size_t n, off_t at), (fd, buf, n, at))                              \
        X(fstat, int, (int fd, struct stat *st), (fd, st))                                                        \
        X(fstatat, int, (int dirfd, const char *name, struct stat *st, int flags), (dirfd, name, st, flags))      \
        X(stat, int, (const char *path, struct stat *st), (path, st))                                             \
        X(fstatfs, int, (int fd, struct statfs *fs), (fd, fs))                                                    \
        X(mkdir, int, (const char *path, mode_t mode), (path, mode))                                              \
        X(mkdirat, int, (int dirfd, const char *name, mode_t mode), (dirfd, name, mode))                          \
        X(rmdir, int, (const char *path), (path))                                                                 \
        X(unlink, int, (const char *path), (path))                                                                \
        X(unlinkat, int, (int dirfd, const char *name, int flags), (dirfd, name, flags))                          \
        X(renameat, int, (int dirfd, const char *name, int to, const char *other), (dirfd, name, to, other))      \
        X(fchown, int, (int fd, uid_t uid, gid_t gid), (fd, uid, gid))                                            \
        X(fchownat, int, (int dirfd, const char *name, uid_t uid, gid_t gid, int flags),                          \
          (dirfd, name, uid, gid, flags))                                                                         \
        X(fchmod, int, (int fd, mode_t mode), (fd, mode))                                                         \
        X(accept4, int, (int fd, struct sockaddr *sa, socklen_t *n, int flags), (fd, sa, n, flags))               \
        X(getsockopt, int, (int fd, int level, int name, void *value, socklen_t *n), (fd, level, name, value, n)) \
        X(bind, int, (int fd, const struct sockaddr *sa, socklen_t n), (fd, sa, n))                               \
        X(listen, int, (int fd, int backlog), (fd, backlog))                                                      \
        X(socketpair, int, (int domain, int type, int protocol, int pair[2]), (domain, type, protocol, pair))     \
        X(recvmsg, ssize_t, (int fd, struct msghdr *msg, int flags), (fd, msg, flags))                            \
        X(sendmsg, ssize_t, (int fd, const struct msghdr *msg, int flags), (fd, msg, flags))                      \
        X(poll, int, (struct pollfd * p, nfds_t n, int timeout), (p, n, timeout))                                 \
        X(waitid, int, (idtype_t type, id_t id, siginfo_t * si, int options), (type, id, si, options))            \
        X(getrandom, ssize_t, (void *buf, size_t n, unsigned flags), (buf, n, flags))                             \
        X(usleep, int, (useconds_t usec), (usec))                                                                 \
        X(clock_gettime, int, (clockid_t clock, struct timespec * ts), (clock, ts))                               \
        X(geteuid, uid_t, (void), ())                                                                             \
        X(opendir, DIR *, (const char *path), (path))                                                             \
        X(closedir, int, (DIR * d), (d))                                                                          \
        X(fclose, int, (FILE * f), (f))                                                                           \
        X(malloc, void *, (size_t n), (n))

#define DECLARE(name, type, parameters, arguments) \
        type __real_##name parameters;             \
        type __wrap_##name parameters;
CALLS(DECLARE)
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_openat(int dirfd, const char *name, int flags, ...);
int __wrap_openat(int dirfd, const char *name, int flags, ...);
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
int __real_child_spawn(struct child *ret, int cgroup_fd, child_main main, void *arg, const int *keep, size_t n_keep);
int __wrap_child_spawn(struct child *ret, int cgroup_fd, child_main main, void *arg, const int *keep, size_t n_keep);

bool world_fault(void) {
        if (!world.active || world.fault_in == 0 || --world.fault_in > 0)
                return false;
        errno = world.fault_errno;
        return true;
}

static int refuse(int e) {
        errno = e;
        return -1;
}

static void note_change(int node) {
        world.cgroups[node].changed = true;
        world.cgroups[node].changes++;
}

/* ---- descriptors ---- */

static int note(int fd, enum fd_kind kind, int index) {
        if (fd >= 0) {
                must(fd < FDS_MAX);
                world.fds[fd].kind = kind;
                world.fds[fd].index = index;
        }
        return fd;
}

static enum fd_kind kind_of(int fd) {
        return fd >= 0 && fd < FDS_MAX ? world.fds[fd].kind : FD_PLAIN;
}

static int index_of(int fd) {
        return world.fds[fd].index;
}

static int new_fd(int like, enum fd_kind kind, int index) {
        return note(__real_fcntl(like, F_DUPFD_CLOEXEC, 3), kind, index);
}

static int new_text(const char *text) {
        int fd = memfd_create("text", MFD_CLOEXEC);

        must(fd >= 0 && __real_write(fd, text, strlen(text)) == (ssize_t) strlen(text) && lseek(fd, 0, SEEK_SET) == 0);
        return note(fd, FD_PLAIN, 0);
}

bool world_is_same(int a, int b) {
        struct stat sa, sb;

        return __real_fstat(a, &sa) == 0 && __real_fstat(b, &sb) == 0 && sa.st_ino == sb.st_ino &&
               sa.st_dev == sb.st_dev;
}

int __wrap_close(int fd) {
        if (!world.active)
                return __real_close(fd);
        must(__real_fcntl(fd, F_GETFD) >= 0); /* twice, or never opened */
        must(!loop_watches(fd));
        if (kind_of(fd) == FD_CONNECTION)
                world.conns[index_of(fd)].helper_fd = -1;
        (void) note(fd, FD_PLAIN, 0);
        return __real_close(fd);
}

int __wrap_fclose(FILE *f) {
        if (world.active)
                (void) note(fileno(f), FD_PLAIN, 0);
        return __real_fclose(f);
}

int __wrap_closedir(DIR *d) {
        if (world.active)
                (void) note(dirfd(d), FD_PLAIN, 0);
        return __real_closedir(d);
}

/* Takes as many arguments as there may be, as the kernel does. */
#define TAKES_ALL __attribute__((no_sanitize("address")))

TAKES_ALL int __wrap_fcntl(int fd, int command, ...) {
        va_list ap;
        long arg;

        va_start(ap, command);
        arg = va_arg(ap, long);
        va_end(ap);
        if (!world.active || command != F_DUPFD_CLOEXEC)
                return __real_fcntl(fd, command, arg);
        return world_fault() ? -1 : note(__real_fcntl(fd, command, arg), kind_of(fd), fd >= 0 ? index_of(fd) : 0);
}

/* ---- processes ---- */

int world_proc(enum role role, uid_t uid) {
        struct proc *p;

        if (world.n_procs == PROCS_MAX)
                return -1;
        p = world.procs + world.n_procs;
        *p = (struct proc){
                .alive = true,
                .role = role,
                .pid = world.next_pid++,
                .uid = uid,
                .channel = -1,
                .cgroup = -1,
                .userns = SPACE_INITIAL,
                .pidns = SPACE_PID,
                .threads = 1,
                .no_new_privs = true,
        };
        return world.n_procs++;
}

/* A number may have been another's before. */
static int find_proc(pid_t pid) {
        for (int i = world.n_procs - 1; i >= 0; i--)
                if (world.procs[i].pid == pid && (world.procs[i].alive || !world.procs[i].reaped))
                        return i;
        return -1;
}

static void note_populated(int node) {
        for (; node >= 0; node = world.cgroups[node].parent) {
                bool populated = world_cgroup_populated(node);

                if (populated != world.cgroups[node].was_populated)
                        note_change(node);
                world.cgroups[node].was_populated = populated;
        }
}

static void move_to(int proc, int node) {
        int before = world.procs[proc].cgroup;

        world.procs[proc].cgroup = node;
        note_populated(before);
        note_populated(node);
}

void world_list(int proc) {
        char path[PATH_MAX];

        world.procs[proc].listed = true;
        (void) snprintf(path, sizeof(path), "%s/proc/%d", fuzz_dir(), (int) world.procs[proc].pid);
        fuzz_write(path, "", 0);
}

void world_die(int proc) {
        struct proc *p = world.procs + proc;
        char path[PATH_MAX];

        if (!p->alive)
                return;
        p->alive = false;
        p->reaped = !p->child;
        p->channel = p->channel < 0 ? -1 : (__real_close(p->channel), -1);
        move_to(proc, -1);
        if (p->listed) {
                (void) snprintf(path, sizeof(path), "%s/proc/%d", fuzz_dir(), (int) p->pid);
                must(__real_unlink(path) == 0);
        }
}

void world_kill(int proc) {
        struct proc *p = world.procs + proc;

        p->killed = true;
        if (!p->stuck && !world.lazy)
                world_die(proc);
}

void world_deaths(bool stuck_too) {
        for (int i = 0; i < world.n_procs; i++)
                if (world.procs[i].killed && (stuck_too || !world.procs[i].stuck))
                        world_die(i);
}

/* A maker and an escort go with it (PDEATHSIG). */
void world_orphan(void) {
        for (int i = 0; i < world.n_procs; i++) {
                struct proc *p = world.procs + i;

                if (p->child && p->alive && p->role != ROLE_ANCHOR)
                        world_die(i);
                if (p->child)
                        p->reaped = !p->alive;
                p->child = false;
        }
}

/* The kernel's own: one that has been reaped has no number any more. */
static int signal_proc(int proc, int sig) {
        const struct proc *p = world.procs + proc;

        if (!p->alive && p->reaped)
                return refuse(ESRCH);
        if (sig == SIGKILL && p->alive) {
                must(p->role != ROLE_PEER || p->userns != SPACE_INITIAL);
                world_kill(proc);
        }
        return 0;
}

int __wrap_waitid(idtype_t type, id_t id, siginfo_t *si, int options) {
        struct proc *p;

        if (!world.active)
                return __real_waitid(type, id, si, options);
        must(type == P_PIDFD && kind_of((int) id) == FD_PIDFD && (options & WNOHANG));
        p = world.procs + index_of((int) id);
        if (!p->child || p->reaped)
                return refuse(ECHILD);
        memset(si, 0, sizeof(*si));
        if (!p->alive) {
                si->si_pid = p->pid;
                p->reaped = true;
        }
        return 0;
}

/* Tells fork what it makes; the roles are known by what they inherit. */
int __wrap_child_spawn(struct child *ret, int cgroup_fd, child_main main, void *arg, const int *keep, size_t n_keep) {
        struct proc *next = &world.next_child;

        *next = (struct proc){
                .role = n_keep == 1 ? ROLE_MAKER :
                        n_keep == 2 ? ROLE_SUBGROUP :
                        n_keep == 3 ? ROLE_ESCORT :
                                      ROLE_ANCHOR,
                .cgroup = -1,
                .target_cgroup = -1,
        };
        if (next->role == ROLE_ESCORT) {
                must(kind_of(keep[1]) == FD_PROCS && kind_of(keep[2]) == FD_PIDFD);
                next->target_cgroup = index_of(keep[1]);
                next->target = index_of(keep[2]);
        } else if (next->role == ROLE_SUBGROUP)
                must(kind_of(keep[0]) == FD_CGROUP && kind_of(keep[1]) == FD_PIDFD);
        else
                next->uid = ((const struct maker_spec *) arg)->uid; /* the first of both specs */
        if (next->role == ROLE_ANCHOR) {
                must(kind_of(keep[0]) == FD_SPACE);
                next->userns = index_of(keep[0]);
        }
        if (cgroup_fd >= 0) {
                must(kind_of(cgroup_fd) == FD_CGROUP);
                next->cgroup = index_of(cgroup_fd);
        }
        return __real_child_spawn(ret, cgroup_fd, main, arg, keep, n_keep);
}

static long do_clone3(const struct clone_args *args) {
        int *pidfd = (int *) (uintptr_t) args->pidfd, proc;

        if (world.next_child.cgroup >= 0 && world.cgroups[world.next_child.cgroup].removed)
                return refuse(ENODEV);
        proc = world_proc(world.next_child.role, world.next_child.uid);
        if (proc < 0)
                return refuse(EAGAIN);
        world.procs[proc].child = true;
        world.procs[proc].userns = world.next_child.userns;
        world.procs[proc].target = world.next_child.target;
        world.procs[proc].target_cgroup = world.next_child.target_cgroup;
        world.procs[proc].channel = __real_fcntl(world.last_channel, F_DUPFD_CLOEXEC, 3);
        move_to(proc, world.next_child.cgroup);
        *pidfd = new_fd(null_fd, FD_PIDFD, proc);
        return world.procs[proc].pid;
}

static long do_pidfd_open(pid_t pid) {
        int proc = find_proc(pid);

        return proc < 0 ? refuse(pid <= 0 ? EINVAL : ESRCH) : new_fd(null_fd, FD_PIDFD, proc);
}

/* All that lib/sysapi.c does. */
TAKES_ALL long __wrap_syscall(long number, ...) {
        long a[6];
        va_list ap;

        va_start(ap, number);
        for (int i = 0; i < 6; i++)
                a[i] = va_arg(ap, long);
        va_end(ap);
        if (!world.active)
                return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
        if (world_fault())
                return -1;
        switch (number) {
        case SYS_clone3:
                return do_clone3((const struct clone_args *) a[0]);
        case SYS_pidfd_open:
                return do_pidfd_open((pid_t) a[0]);
        case SYS_pidfd_send_signal:
                must(kind_of((int) a[0]) == FD_PIDFD);
                return signal_proc(index_of((int) a[0]), (int) a[1]);
        case SYS_fsconfig:
                return world_is_same((int) a[0], world_context_fd) ? 0 : refuse(EINVAL);
        case SYS_fsmount:
                return world_is_same((int) a[0], world_context_fd) ? new_fd(world_mount_fd, FD_PLAIN, 0) :
                                                                     refuse(EINVAL);
        case SYS_getdents64:
                return __real_syscall(number, a[0], a[1], a[2]);
        default:
                must(!"a system call of the children's");
                return refuse(ENOSYS);
        }
}

/* ---- namespaces ---- */

int world_space(uid_t owner, int parent) {
        if (world.n_spaces == SPACES_MAX)
                return -1;
        world.spaces[world.n_spaces] =
                (struct space){.fd = memfd_create("space", MFD_CLOEXEC), .owner = owner, .parent = parent};
        must(world.spaces[world.n_spaces].fd >= 0);
        return world.n_spaces++;
}

static int tell_ids(const struct proc *p, struct sys_pidfd_info *info) {
        if (p->reaped)
                return refuse(ESRCH);
        must(info->mask == SYS_PIDFD_INFO_IDS);
        info->pid = info->tgid = (uint32_t) p->pid;
        info->ruid = info->euid = p->uid;
        return 0;
}

int __wrap_ioctl(int fd, unsigned long request, ...) {
        const struct space *space;
        va_list ap;
        void *arg;

        va_start(ap, request);
        arg = va_arg(ap, void *);
        va_end(ap);
        if (!world.active)
                return __real_ioctl(fd, request, arg);
        if (world_fault())
                return -1;
        if (kind_of(fd) == FD_PIDFD && request == SYS_PIDFD_GET_INFO)
                return tell_ids(world.procs + index_of(fd), arg);
        if (kind_of(fd) != FD_SPACE)
                return refuse(ENOTTY);
        space = world.spaces + index_of(fd);
        switch (request) {
        case NS_GET_OWNER_UID:
                *(uid_t *) arg = space->owner;
                return 0;
        case NS_GET_PARENT:
                return space->parent < 0 ? refuse(EPERM) :
                                           new_fd(world.spaces[space->parent].fd, FD_SPACE, space->parent);
        default:
                return refuse(ENOTTY);
        }
}

/* ---- /proc ---- */

static int open_status(const struct proc *p) {
        char text[400];

        (void) snprintf(text, sizeof(text),
                        "Name:\tx\nTracerPid:\t%d\nUid:\t%u\t%u\t%u\t%u\nThreads:\t%u\nNoNewPrivs:\t%d\n",
                        (int) p->tracer, (unsigned) p->uid, p->two_uids ? 0 : (unsigned) p->uid, (unsigned) p->uid,
                        (unsigned) p->uid, p->threads, p->no_new_privs);
        return new_text(text);
}

static int open_stat(int proc) {
        char text[200];

        (void) snprintf(text, sizeof(text), "%d (a) (b) S 1 1 1 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 %d 0 0\n",
                        (int) world.procs[proc].pid, 1000 + proc);
        return new_text(text);
}

static int open_cgroup_of(const struct proc *p) {
        char path[512] = "", part[512];

        for (int i = p->cgroup; i > 0; i = world.cgroups[i].parent) {
                (void) snprintf(part, sizeof(part), "/%.64s%.400s", world.cgroups[i].name, path);
                memcpy(path, part, sizeof(path));
        }
        (void) snprintf(part, sizeof(part), "1:name=systemd:/x\n0::%.400s\n", path[0] ? path : "/");
        return new_text(part);
}

static int space_of(const struct proc *p, const char *name) {
        return streq(name, "ns/user") ? p->userns : streq(name, "ns/pid") ? p->pidns : SPACE_REST;
}

static int open_of_proc(int proc, const char *name) {
        const struct proc *p = world.procs + proc;

        if (strncmp(name, "ns/", 3) == 0)
                return new_fd(world.spaces[space_of(p, name)].fd, FD_SPACE, space_of(p, name));
        if (!p->alive)
                return refuse(ESRCH); /* a zombie */
        if (streq(name, "status"))
                return open_status(p);
        if (streq(name, "stat"))
                return open_stat(proc);
        if (streq(name, "cgroup"))
                return open_cgroup_of(p);
        must(streq(name, "setgroups") || streq(name, "uid_map") || streq(name, "gid_map"));
        return new_fd(null_fd, FD_SINK, 0);
}

/* Below /proc. */
static int open_proc(const char *path) {
        char *name;
        int proc;

        if (streq(path, "sys/kernel"))
                return new_fd(null_fd, FD_SYS, 0);
        proc = find_proc((pid_t) strtol(path, &name, 10));
        if (proc < 0)
                return refuse(ENOENT);
        return *name == '/' ? open_of_proc(proc, name + 1) : new_fd(null_fd, FD_PROC, proc);
}

static int open_of_sys(const char *name) {
        if (streq(name, "delegate"))
                return new_text("cgroup.procs\ncgroup.threads\ncgroup.subtree_control\n");
        must(streq(name, "yama/ptrace_scope"));
        return new_text(world.no_tracing ? "3\n" : "1\n");
}

DIR *__wrap_opendir(const char *path) {
        char real[PATH_MAX];
        DIR *d;

        if (!world.active)
                return __real_opendir(path);
        must(streq(path, "/proc"));
        if (world_fault())
                return NULL;
        (void) snprintf(real, sizeof(real), "%s/proc", fuzz_dir());
        d = __real_opendir(real);
        must(d);
        (void) note(dirfd(d), FD_PROC_ROOT, 0);
        return d;
}

/* ---- cgroups ---- */

static int find_node(ino_t inode) {
        for (int i = 0; i < world.n_cgroups; i++)
                if (!world.cgroups[i].removed && world.cgroups[i].inode == inode)
                        return i;
        return -1;
}

static int dir_of(int node) {
        char path[PATH_MAX], part[PATH_MAX];
        int fd;

        path[0] = '\0';
        for (int i = node; i > 0; i = world.cgroups[i].parent) {
                (void) snprintf(part, sizeof(part), "/%.64s%.3000s", world.cgroups[i].name, path);
                memcpy(path, part, sizeof(path));
        }
        fd = __real_openat(cgroup_top, path[0] ? path + 1 : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        must(fd >= 0);
        return fd;
}

static int add_node(int dirfd, const char *name, int parent) {
        struct stat st;

        must(world.n_cgroups < CGROUPS_MAX);
        must(__real_fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0);
        world.cgroups[world.n_cgroups] = (struct cgroup_node){.parent = parent, .inode = st.st_ino};
        copy_field_cut(world.cgroups[world.n_cgroups].name, sizeof(world.cgroups[0].name), name);
        return world.n_cgroups++;
}

int world_cgroup_make(int parent, const char *name) {
        int fd, node = -1;

        if (world.n_cgroups >= CGROUPS_MAX)
                return -1;
        fd = dir_of(parent);
        if (__real_mkdirat(fd, name, 0755) == 0)
                node = add_node(fd, name, parent);
        (void) __real_close(fd);
        return node;
}

static bool is_below(int node, int above) {
        while (node >= 0 && node != above)
                node = world.cgroups[node].parent;
        return node >= 0;
}

bool world_cgroup_populated(int node) {
        for (int i = 0; i < world.n_procs; i++)
                if (world.procs[i].alive && is_below(world.procs[i].cgroup, node))
                        return true;
        return false;
}

int world_cgroup_find(const char *name) {
        for (int i = 0; i < world.n_cgroups; i++)
                if (!world.cgroups[i].removed && streq(world.cgroups[i].name, name))
                        return i;
        return -1;
}

/* With all below it. */
void world_cgroup_remove(int node) {
        int fd;

        for (int i = node + 1; i < world.n_cgroups; i++)
                if (!world.cgroups[i].removed && world.cgroups[i].parent == node)
                        world_cgroup_remove(i);
        fd = dir_of(world.cgroups[node].parent);
        must(__real_unlinkat(fd, world.cgroups[node].name, AT_REMOVEDIR) == 0);
        (void) __real_close(fd);
        world.cgroups[node].removed = true;
        note_change(node);
}

bool world_has_cgroups(void) {
        for (int i = 1; i < world.n_cgroups; i++)
                if (!world.cgroups[i].removed)
                        return true;
        return false;
}

void world_cgroup_kill(int node) {
        for (int i = 0; i < world.n_procs; i++)
                if (world.procs[i].alive && is_below(world.procs[i].cgroup, node))
                        world_kill(i);
}

int world_cgroup_mount(void) {
        return new_fd(cgroup_top, FD_CGROUP, 0);
}

static int open_procs_of(int node) {
        char text[PROCS_MAX * 12] = "";
        size_t n = 0;

        for (int i = 0; i < world.n_procs; i++)
                if (world.procs[i].alive && world.procs[i].cgroup == node)
                        n += (size_t) snprintf(text + n, sizeof(text) - n, "%d\n", (int) world.procs[i].pid);
        return new_text(text);
}

static int open_of_cgroup(int node, int dirfd, const char *name, int flags) {
        bool writes = (flags & O_ACCMODE) != O_RDONLY;
        struct stat st;
        int fd;

        if (world.cgroups[node].removed)
                return refuse(ENOENT);
        if (flags & O_DIRECTORY) {
                fd = __real_openat(dirfd, name, flags);
                if (fd < 0)
                        return -1;
                must(__real_fstat(fd, &st) == 0 && find_node(st.st_ino) >= 0);
                return note(fd, FD_CGROUP, find_node(st.st_ino));
        }
        if (streq(name, "cgroup.events"))
                return new_fd(null_fd, FD_EVENTS, node);
        if (streq(name, "cgroup.kill"))
                return new_fd(null_fd, FD_KILL, node);
        if (streq(name, "cgroup.procs"))
                return writes ? new_fd(null_fd, FD_PROCS, node) : open_procs_of(node);
        if (writes)
                return new_fd(null_fd, FD_SINK, 0);
        if (streq(name, "cgroup.controllers") || streq(name, "cgroup.subtree_control"))
                return new_text(world.controllers ? "cpu io memory pids\n" : "\n");
        return new_text(world.limits_set ? "100\n" : "max\n");
}

static int remove_node(int dirfd, const char *name) {
        struct stat st;
        int node;

        if (world.cgroups[index_of(dirfd)].removed)
                return refuse(ENOENT);
        if (__real_fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return -1;
        node = find_node(st.st_ino);
        must(node > 0);
        if (world_cgroup_populated(node))
                return refuse(EBUSY);
        if (__real_unlinkat(dirfd, name, AT_REMOVEDIR) < 0)
                return refuse(EBUSY);
        world.cgroups[node].removed = true;
        note_change(node);
        return 0;
}

static ssize_t write_to_cgroup(int fd, const char *text, size_t n) {
        char number[16];
        int proc;

        if (world.cgroups[index_of(fd)].removed)
                return refuse(ENODEV);
        if (kind_of(fd) == FD_KILL)
                world_cgroup_kill(index_of(fd));
        else {
                must(n < sizeof(number));
                memcpy(number, text, n);
                number[n] = '\0';
                proc = find_proc((pid_t) strtol(number, NULL, 10));
                if (proc < 0)
                        return refuse(ESRCH);
                must(world.procs[proc].child);
                move_to(proc, index_of(fd));
        }
        return (ssize_t) n;
}

ssize_t __wrap_pread(int fd, void *buf, size_t n, off_t at) {
        struct cgroup_node *node;

        if (!world.active || kind_of(fd) != FD_EVENTS)
                return __real_pread(fd, buf, n, at);
        if (world_fault())
                return -1;
        node = world.cgroups + index_of(fd);
        if (node->removed)
                return refuse(ENODEV);
        node->changed = false;
        return snprintf(buf, n, "populated %d\nfrozen 0\n", world_cgroup_populated(index_of(fd)));
}

/* ---- files ---- */

/* The runtime directory is in ours. */
static const char *translate(const char *path, char buf[PATH_MAX]) {
        if (strncmp(path, "/run/bpfdeleg", strlen("/run/bpfdeleg")) != 0)
                return path;
        (void) snprintf(buf, PATH_MAX, "%s%s", fuzz_dir(), path);
        return buf;
}

int __wrap_open(const char *path, int flags, ...) {
        char buf[PATH_MAX];
        va_list ap;
        mode_t mode;

        va_start(ap, flags);
        mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
        va_end(ap);
        if (!world.active)
                return __real_open(path, flags, mode);
        if (world_fault())
                return -1;
        if (strncmp(path, "/proc/", 6) == 0 && strncmp(path, "/proc/self/fd/", 14) != 0)
                return open_proc(path + 6);
        if (streq(path, "/sys/kernel/cgroup"))
                return new_fd(null_fd, FD_SYS, 0);
        return note(__real_open(translate(path, buf), flags, mode), FD_PLAIN, 0);
}

int __wrap_openat(int dirfd, const char *name, int flags, ...) {
        va_list ap;
        mode_t mode;

        va_start(ap, flags);
        mode = flags & O_CREAT ? va_arg(ap, mode_t) : 0;
        va_end(ap);
        if (!world.active)
                return __real_openat(dirfd, name, flags, mode);
        if (world_fault())
                return -1;
        switch ((int) kind_of(dirfd)) {
        case FD_PROC_ROOT:
                return open_proc(name);
        case FD_PROC:
                return world.procs[index_of(dirfd)].alive || !world.procs[index_of(dirfd)].reaped ?
                               open_of_proc(index_of(dirfd), name) :
                               refuse(ESRCH);
        case FD_SYS:
                return open_of_sys(name);
        case FD_CGROUP:
                return open_of_cgroup(index_of(dirfd), dirfd, name, flags);
        default:
                return note(__real_openat(dirfd, name, flags, mode), FD_PLAIN, 0);
        }
}

/* One record, one write, one line, and nothing in it that a terminal would act on. */
static ssize_t judge_line(const char *line, size_t n) {
        must(n > 1 && line[n - 1] == '\n');
        for (size_t i = 0; i < n - 1; i++)
                must((unsigned char) line[i] >= 0x20 && line[i] != 0x7f);
        if (getenv("BD_FUZZ_LOG"))
                (void) __real_write(STDERR_FILENO, line, n);
        return (ssize_t) n;
}

ssize_t __wrap_write(int fd, const void *buf, size_t n) {
        if (!world.active)
                return __real_write(fd, buf, n);
        if (fd == STDERR_FILENO)
                return judge_line(buf, n);
        if (world_fault())
                return -1;
        if (kind_of(fd) == FD_KILL || kind_of(fd) == FD_PROCS)
                return write_to_cgroup(fd, buf, n);
        return kind_of(fd) == FD_SINK ? (ssize_t) n : __real_write(fd, buf, n);
}

static int fix_stat(int r, struct stat *st) {
        if (r == 0 && st->st_uid == __real_geteuid())
                st->st_uid = 0;
        return r;
}

int __wrap_fstat(int fd, struct stat *st) {
        int r;

        if (world.active && world_fault())
                return -1;
        r = __real_fstat(fd, st);
        if (!world.active)
                return r;
        if (r == 0 && kind_of(fd) == FD_PIDFD)
                st->st_ino = 1000000 + (ino_t) index_of(fd);
        return fix_stat(r, st);
}

int __wrap_fstatat(int dirfd, const char *name, struct stat *st, int flags) {
        const struct proc *p;

        if (!world.active)
                return __real_fstatat(dirfd, name, st, flags);
        if (world_fault())
                return -1;
        if (kind_of(dirfd) != FD_PROC)
                return fix_stat(__real_fstatat(dirfd, name, st, flags), st);
        p = world.procs + index_of(dirfd);
        return !p->alive && p->reaped ? refuse(ESRCH) : __real_fstat(world.spaces[space_of(p, name)].fd, st);
}

int __wrap_stat(const char *path, struct stat *st) {
        char buf[PATH_MAX];

        if (!world.active)
                return __real_stat(path, st);
        if (world_fault())
                return -1;
        if (streq(path, "/proc/self/ns/user"))
                return __real_fstat(world.spaces[SPACE_INITIAL].fd, st);
        if (streq(path, "/proc/self/ns/pid"))
                return __real_fstat(world.spaces[SPACE_PID].fd, st);
        return fix_stat(__real_stat(translate(path, buf), st), st);
}

int __wrap_fstatfs(int fd, struct statfs *fs) {
        if (world.active && world_fault())
                return -1;
        if (__real_fstatfs(fd, fs) < 0)
                return -1;
        if (world.active && world_is_same(fd, world_mount_fd))
                fs->f_type = BPF_FS_MAGIC;
        return 0;
}

int __wrap_mkdir(const char *path, mode_t mode) {
        char buf[PATH_MAX];

        if (world_fault())
                return -1;
        return __real_mkdir(world.active ? translate(path, buf) : path, mode);
}

int __wrap_rmdir(const char *path) {
        char buf[PATH_MAX];

        return __real_rmdir(world.active ? translate(path, buf) : path);
}

int __wrap_unlink(const char *path) {
        char buf[PATH_MAX];

        return __real_unlink(world.active ? translate(path, buf) : path);
}

int __wrap_mkdirat(int dirfd, const char *name, mode_t mode) {
        if (world_fault())
                return -1;
        if (!world.active || kind_of(dirfd) != FD_CGROUP)
                return __real_mkdirat(dirfd, name, mode);
        if (world.cgroups[index_of(dirfd)].removed)
                return refuse(ENOENT);
        if (world.n_cgroups == CGROUPS_MAX)
                return refuse(EAGAIN); /* cgroup.max.descendants */
        if (__real_mkdirat(dirfd, name, mode) < 0)
                return -1;
        (void) add_node(dirfd, name, index_of(dirfd));
        return 0;
}

int __wrap_unlinkat(int dirfd, const char *name, int flags) {
        if (!world.active || kind_of(dirfd) != FD_CGROUP)
                return __real_unlinkat(dirfd, name, flags);
        if (world_fault())
                return -1;
        must(flags == AT_REMOVEDIR);
        return remove_node(dirfd, name);
}

int __wrap_renameat(int dirfd, const char *name, int to, const char *other) {
        return world_fault() ? -1 : __real_renameat(dirfd, name, to, other);
}

int __wrap_fchown(int fd, uid_t uid, gid_t gid) {
        if (!world.active)
                return __real_fchown(fd, uid, gid);
        must(kind_of(fd) == FD_CGROUP);
        return world_fault() ? -1 : 0;
}

int __wrap_fchownat(int dirfd, const char *name, uid_t uid, gid_t gid, int flags) {
        if (!world.active)
                return __real_fchownat(dirfd, name, uid, gid, flags);
        must(kind_of(dirfd) == FD_CGROUP && (flags & AT_SYMLINK_NOFOLLOW));
        return world_fault() ? -1 : 0;
}

int __wrap_fchmod(int fd, mode_t mode) {
        if (!world.active || kind_of(fd) != FD_CGROUP)
                return __real_fchmod(fd, mode);
        return world_fault() ? -1 : 0;
}

uid_t __wrap_geteuid(void) {
        return world.active ? 0 : __real_geteuid();
}

/* ---- sockets ---- */

int __wrap_bind(int fd, const struct sockaddr *sa, socklen_t n) {
        const struct sockaddr_un *un = (const struct sockaddr_un *) (const void *) sa;

        if (!world.active)
                return __real_bind(fd, sa, n);
        must(strrchr(un->sun_path, '/'));
        (void) note(fd, FD_LISTENING, streq(strrchr(un->sun_path, '/'), "/user"));
        return 0;
}

int __wrap_listen(int fd, int backlog) {
        return world.active ? 0 : __real_listen(fd, backlog);
}

int __wrap_accept4(int fd, struct sockaddr *sa, socklen_t *n, int flags) {
        struct conn *conn;
        int socket;

        if (!world.active)
                return __real_accept4(fd, sa, n, flags);
        must(kind_of(fd) == FD_LISTENING && (flags & SOCK_CLOEXEC)); /* one that is turned away may block */
        socket = index_of(fd);
        if (world.n_waiting[socket] == 0)
                return refuse(EAGAIN);
        if (world_fault())
                return -1;
        conn = world.conns + world.waiting[socket][0];
        memmove(world.waiting[socket], world.waiting[socket] + 1, sizeof(world.waiting[0]) - sizeof(int));
        world.n_waiting[socket]--;
        conn->helper_fd = note(conn->theirs, FD_CONNECTION, (int) (conn - world.conns));
        conn->theirs = -1;
        return conn->helper_fd;
}

int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *n) {
        const struct proc *p;

        if (!world.active || kind_of(fd) != FD_CONNECTION)
                return __real_getsockopt(fd, level, name, value, n);
        if (world_fault())
                return -1;
        p = world.procs + world.conns[index_of(fd)].peer;
        must(name == SO_PEERPIDFD); /* whoever connects has the last word on any other */
        if (p->reaped)
                return refuse(ESRCH);
        *(int *) value = new_fd(null_fd, FD_PIDFD, world.conns[index_of(fd)].peer);
        return 0;
}

int __wrap_socketpair(int domain, int type, int protocol, int pair[2]) {
        if (world_fault())
                return -1;
        if (__real_socketpair(domain, type, protocol, pair) < 0)
                return -1;
        world.last_channel = pair[1];
        return 0;
}

/* Who sent it is the input's to say. */
static void forge(struct msghdr *msg, struct conn *conn) {
        struct ucred cred = {0};

        for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
                        cred.pid = conn->senders[conn->received % ELEMENTSOF(conn->senders)].pid;
                        cred.uid = conn->senders[conn->received % ELEMENTSOF(conn->senders)].uid;
                        memcpy(CMSG_DATA(c), &cred, sizeof(cred));
                }
        conn->received++;
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *msg, int flags) {
        ssize_t n;

        if (!world.active)
                return __real_recvmsg(fd, msg, flags);
        if (world_fault())
                return -1;
        n = __real_recvmsg(fd, msg, flags);
        if (n < 0)
                return n;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c))
                for (size_t i = 0; c->cmsg_type == SCM_RIGHTS && i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++)
                        (void) note(((int *) (void *) CMSG_DATA(c))[i], FD_PLAIN, 0);
        if (kind_of(fd) == FD_CONNECTION && n > 0)
                forge(msg, world.conns + index_of(fd));
        return n;
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags) {
        return world_fault() ? -1 : __real_sendmsg(fd, msg, flags);
}

/* ---- time, memory, the rest ---- */

int __wrap_clock_gettime(clockid_t clock, struct timespec *ts) {
        if (!world.active)
                return __real_clock_gettime(clock, ts);
        ts->tv_sec = (time_t) (world.usec / USEC_PER_SEC);
        ts->tv_nsec = (long) (world.usec % USEC_PER_SEC) * 1000;
        return 0;
}

int __wrap_usleep(useconds_t usec) {
        if (!world.active)
                return __real_usleep(usec);
        world.usec += usec;
        world_deaths(true);
        return 0;
}

ssize_t __wrap_getrandom(void *buf, size_t n, unsigned flags) {
        uint64_t id;

        if (!world.active)
                return __real_getrandom(buf, n, flags);
        if (world_fault())
                return -1;
        must(n == sizeof(id));
        id = world.repeat_id ? world.repeat_id : ++world.next_id << 32;
        world.repeat_id = 0;
        memcpy(buf, &id, n);
        return (ssize_t) n;
}

void *__wrap_malloc(size_t n) {
        return world_fault() ? NULL : __real_malloc(n);
}

bool world_is_ready(int fd, uint32_t events) {
        struct pollfd p = {.fd = fd, .events = POLLIN};

        switch ((int) kind_of(fd)) {
        case FD_PIDFD:
                return !world.procs[index_of(fd)].alive;
        case FD_EVENTS:
                must(events == EPOLLPRI);
                return world.cgroups[index_of(fd)].changed;
        case FD_LISTENING:
                return world.n_waiting[index_of(fd)] > 0;
        default:
                return __real_poll(&p, 1, 0) > 0;
        }
}

unsigned world_edges(int fd) {
        switch ((int) kind_of(fd)) {
        case FD_PIDFD:
                return !world.procs[index_of(fd)].alive;
        case FD_EVENTS:
                return world.cgroups[index_of(fd)].changes;
        default:
                abort(); /* nothing else is waited for like that */
        }
}

/* Of one descriptor; what it waits for comes by itself in the meantime. */
int __wrap_poll(struct pollfd *p, nfds_t n, int timeout) {
        if (!world.active)
                return __real_poll(p, n, timeout);
        must(n == 1);
        if (!world_is_ready(p->fd, p->events & POLLPRI ? EPOLLPRI : EPOLLIN) && timeout > 0) {
                world.usec += (uint64_t) timeout * USEC_PER_MSEC;
                world_deaths(false);
        }
        return world_is_ready(p->fd, p->events & POLLPRI ? EPOLLPRI : EPOLLIN);
}

/* ---- from beginning to end ---- */

static int open_top(const char *name) {
        char path[PATH_MAX];
        int fd;

        (void) snprintf(path, sizeof(path), "%s/%s", fuzz_dir(), name);
        must(__real_mkdir(path, 0755) == 0);
        fd = __real_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        must(fd >= 0);
        return fd;
}

static ino_t inode_of(int fd) {
        struct stat st;

        must(__real_fstat(fd, &st) == 0);
        return st.st_ino;
}

void world_setup(void) {
        null_fd = __real_open("/dev/null", O_RDWR | O_CLOEXEC);
        world_context_fd = memfd_create("context", MFD_CLOEXEC);
        world_mount_fd = memfd_create("mount", MFD_CLOEXEC);
        must(null_fd >= 0 && world_context_fd >= 0 && world_mount_fd >= 0);
        cgroup_top = open_top("cgroup");
        (void) __real_close(open_top("proc"));
        (void) __real_close(open_top("run"));
}

void world_begin(void) {
        static const int parents[SPACES_FIXED] = {-1, -1, -1, SPACE_INITIAL, -1};

        world = (struct world){.usec = USEC_PER_SEC, .next_pid = 100, .last_channel = -1};
        for (int i = 0; i < CONNS_MAX; i++)
                world.conns[i] = (struct conn){.ours = -1, .theirs = -1, .helper_fd = -1};
        world.cgroups[0] = (struct cgroup_node){.parent = -1, .inode = inode_of(cgroup_top)};
        world.n_cgroups = 1;
        for (int i = 0; i < SPACES_FIXED; i++)
                (void) world_space(0, parents[i]);
}

void world_end(void) {
        for (int i = 0; i < world.n_procs; i++) {
                must(!world.procs[i].child || (!world.procs[i].alive && world.procs[i].reaped));
                must(world.procs[i].role != ROLE_ANCHOR || !world.procs[i].alive);
                world_die(i);
        }
        for (int i = 0; i < CONNS_MAX; i++) {
                must(world.conns[i].helper_fd < 0);
                (void) close_fd(world.conns[i].ours);
                (void) close_fd(world.conns[i].theirs);
        }
        for (int i = 0; i < world.n_spaces; i++)
                (void) __real_close(world.spaces[i].fd);
}

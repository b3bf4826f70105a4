/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Thin wrappers; see sysapi.h. Raw syscall(2) throughout: glibc has some of these since 2.36, with headers that clash
 * with the kernel's own, musl has none.
 */

#include "config.h"

#include "sysapi.h"

#include <linux/capability.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

static inline int result(long r) {
        return r < 0 ? -errno : (int) r;
}

int sys_fsopen(const char *type) {
        return result(syscall(SYS_fsopen, type, FSOPEN_CLOEXEC));
}

int sys_fsconfig_string(int fs_fd, const char *key, const char *value) {
        return result(syscall(SYS_fsconfig, fs_fd, FSCONFIG_SET_STRING, key, value, 0));
}

int sys_fsconfig_create(int fs_fd) {
        return result(syscall(SYS_fsconfig, fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0));
}

int sys_fsmount(int fs_fd, unsigned attr_flags) {
        return result(syscall(SYS_fsmount, fs_fd, FSMOUNT_CLOEXEC, attr_flags));
}

int sys_new_mount(int fs_fd, unsigned attr_flags) {
        int r = sys_fsconfig_create(fs_fd);

        return r < 0 ? r : sys_fsmount(fs_fd, attr_flags);
}

int sys_move_mount(int from_fd, int to_dirfd, const char *to_path) {
        return result(syscall(SYS_move_mount, from_fd, "", to_dirfd, to_path, MOVE_MOUNT_F_EMPTY_PATH));
}

int sys_open_tree_clone(int dirfd, const char *path) {
        return result(syscall(SYS_open_tree, dirfd, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
}

/* The mount that fd is on; and its kind, if it is no directory, as an error. */
static int directory_mount(int fd, uint64_t *ret) {
        struct statx stx;

        if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_MNT_ID, &stx) < 0)
                return -errno;
        if (!(stx.stx_mask & STATX_MNT_ID))
                return -EOPNOTSUPP;
        if (!S_ISDIR(stx.stx_mode))
                return S_ISLNK(stx.stx_mode) ? -ELOOP : -ENOTDIR;
        *ret = stx.stx_mnt_id;
        return 0;
}

/* O_PATH: whatever the name is, it is looked at before it is opened. */
static int step_below(int dirfd, const char *name, uint64_t mount) {
        _cleanup_close_ int fd = -1;
        uint64_t there;
        int r;

        if (streq(name, "..") || strchr(name, '/'))
                return -EXDEV;
        fd = openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = directory_mount(fd, &there);
        if (r < 0)
                return r;
        return there == mount ? TAKE_FD(fd) : -EXDEV;
}

int sys_open_below(int dirfd, const char *path) {
        _cleanup_close_ int at = -1;
        uint64_t mount;
        int r;

        r = directory_mount(dirfd, &mount);
        if (r < 0)
                return r;
        if (path[0] == '/')
                return -EXDEV;
        for (const char *next = path; *next != '\0';) {
                char name[NAME_MAX + 1];
                size_t n = strcspn(next, "/");
                int fd;

                if (n > NAME_MAX)
                        return -ENOENT;
                memcpy(name, next, n);
                name[n] = '\0';
                next += n + strspn(next + n, "/");
                fd = step_below(at < 0 ? dirfd : at, name, mount);
                if (fd < 0)
                        return fd;
                (void) close_fd(at);
                at = fd;
        }
        r = openat(at < 0 ? dirfd : at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return r < 0 ? -errno : r;
}

pid_t sys_clone3(uint64_t flags, int cgroup_fd, int *ret_pidfd) {
        int pidfd = -1;
        struct clone_args args = {
                .flags = flags | CLONE_PIDFD | (cgroup_fd >= 0 ? CLONE_INTO_CGROUP : 0),
                .pidfd = (uintptr_t) &pidfd,
                .exit_signal = SIGCHLD,
                .cgroup = cgroup_fd >= 0 ? (uint64_t) cgroup_fd : 0,
        };
        long pid;

        pid = syscall(SYS_clone3, &args, sizeof(args));
        if (pid < 0)
                return -errno;
        if (pid > 0)
                *ret_pidfd = pidfd;
        return (pid_t) pid;
}

pid_t sys_fork_silent(void) {
        struct clone_args args = {0};

        return (pid_t) result(syscall(SYS_clone3, &args, sizeof(args)));
}

int sys_pidfd_open(pid_t pid) {
        return result(syscall(SYS_pidfd_open, pid, 0));
}

int sys_pidfd_open_thread(pid_t tid) {
        return result(syscall(SYS_pidfd_open, tid, PIDFD_THREAD));
}

int sys_pidfd_getfd(int pidfd, int fd) {
        return result(syscall(SYS_pidfd_getfd, pidfd, fd, 0));
}

bool sys_pidfd_exited(int pidfd) {
        struct pollfd p = {.fd = pidfd, .events = POLLIN};

        return poll(&p, 1, 0) != 0;
}

int sys_pidfd_send_signal(int pidfd, int sig) {
        return result(syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0));
}

int sys_pidfd_ids(int pidfd, struct sys_pidfd_ids *ret) {
        struct sys_pidfd_info info = {.mask = SYS_PIDFD_INFO_IDS};

        if (ioctl(pidfd, SYS_PIDFD_GET_INFO, &info) < 0)
                return errno == ENOTTY || errno == EINVAL ? -EOPNOTSUPP : -errno;
        if ((info.mask & SYS_PIDFD_INFO_IDS) != SYS_PIDFD_INFO_IDS || info.tgid == 0)
                return -ESRCH;
        *ret = (struct sys_pidfd_ids){.pid = (pid_t) info.tgid, .uid = info.ruid};
        return 0;
}

static int read_start(pid_t pid, uint64_t *ret) {
        _cleanup_close_ int fd = -1;
        char path[32], stat[1024];
        unsigned long long start;
        const char *after;
        ssize_t n;

        (void) snprintf(path, sizeof(path), "/proc/%d/stat", (int) pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        n = read(fd, stat, sizeof(stat) - 1);
        if (n < 0)
                return -errno;
        stat[n] = '\0';
        /* The name, in parentheses, may have blanks and parentheses of its own: from the last one on. */
        after = strrchr(stat, ')');
        if (!after ||
            sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
                   &start) != 1)
                return -EBADMSG;
        *ret = start;
        return 0;
}

int sys_process_identify(pid_t pid, int pidfd, struct sys_process *ret) {
        struct sys_process process = {.pid = pid};
        struct stat st;
        int r;

        r = read_start(pid, &process.start);
        if (r < 0)
                return r;
        if (fstat(pidfd, &st) < 0)
                return -errno;
        process.inode = st.st_ino;
        /* Still there, so what was read by its number was its own. */
        r = sys_pidfd_send_signal(pidfd, 0);
        if (r < 0)
                return r;
        *ret = process;
        return 0;
}

int sys_process_open(const struct sys_process *process) {
        struct sys_process now = {0};
        _cleanup_close_ int pidfd = -1;
        int r;

        pidfd = sys_pidfd_open(process->pid);
        if (pidfd < 0)
                return take_fd(&pidfd);
        r = sys_process_identify(process->pid, pidfd, &now);
        if (r < 0)
                return r;
        return now.start == process->start && now.inode == process->inode ? TAKE_FD(pidfd) : -ESRCH;
}

int sys_namespace_identify(int fd, struct sys_namespace *ret) {
        struct sys_namespace ns = {0};
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        ns.inode = st.st_ino;
        if (ioctl(fd, NS_GET_ID, &ns.id) < 0)
                ns.id = 0;
        *ret = ns;
        return 0;
}

bool sys_namespace_same(const struct sys_namespace *a, const struct sys_namespace *b) {
        return a->inode == b->inode && (a->id == b->id || a->id == 0 || b->id == 0);
}

/* Sorts what is kept and closes the gaps between. */
int sys_close_all_but(const int *fds, size_t n) {
        int keep[8] = {0}, next = 0;
        size_t n_keep = 0;

        for (size_t i = 0; i < n; i++) {
                size_t at = n_keep;

                if (fds[i] < 0)
                        continue;
                if (n_keep == ELEMENTSOF(keep))
                        return -EINVAL;
                for (; at > 0 && keep[at - 1] > fds[i]; at--)
                        keep[at] = keep[at - 1];
                keep[at] = fds[i];
                n_keep++;
        }
        for (size_t i = 0; i <= n_keep; i++) {
                unsigned last = i < n_keep ? (unsigned) keep[i] - 1 : ~0U;

                if ((i == n_keep || keep[i] > next) && syscall(SYS_close_range, (unsigned) next, last, 0) < 0)
                        return -errno;
                if (i < n_keep)
                        next = keep[i] + 1;
        }
        return 0;
}

int sys_unshare_files_below(int end) {
        return result(syscall(SYS_close_range, (unsigned) end, ~0U, CLOSE_RANGE_UNSHARE));
}

int sys_execute_in(int dirfd, const char *name) {
        const char *const argv[] = {name, NULL}, *const envp[] = {NULL};

        return result(syscall(SYS_execveat, dirfd, name, argv, envp, 0));
}

int sys_own_dir(char *ret, size_t size) {
        ssize_t n = readlink("/proc/self/exe", ret, size);
        char *slash;

        if (n < 0)
                return -errno;
        if ((size_t) n == size)
                return -ENAMETOOLONG;
        ret[n] = '\0';
        slash = strrchr(ret, '/');
        if (!slash)
                return -ENOENT;
        *slash = '\0';
        return 0;
}

int sys_capset(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
        struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2];

        for (unsigned i = 0; i < 2; i++) {
                data[i].effective = (uint32_t) (effective >> (32 * i));
                data[i].permitted = (uint32_t) (permitted >> (32 * i));
                data[i].inheritable = (uint32_t) (inheritable >> (32 * i));
        }
        return result(syscall(SYS_capset, &head, data));
}

int sys_capget_effective(pid_t tid, uint64_t *ret) {
        struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = tid};
        struct __user_cap_data_struct data[2];

        if (syscall(SYS_capget, &head, data) < 0)
                return -errno;
        *ret = (uint64_t) data[1].effective << 32 | data[0].effective;
        return 0;
}

int sys_seccomp(unsigned operation, unsigned flags, void *args) {
        return result(syscall(SYS_seccomp, operation, flags, args));
}

int64_t sys_fs_magic(int fd) {
        struct statfs fs;

        if (fstatfs(fd, &fs) < 0)
                return -errno;
        return (int64_t) fs.f_type & 0xffffffff;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The thin wrappers, against the running kernel. What needs CAP_SYS_ADMIN is done in a child with a mount namespace of
 * its own, and attached nowhere else; without the capability the same calls must be refused.
 */

#include "config.h"

#include "sysapi.h"

#include <limits.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>

#include "child.h"
#include "files.h"

static int fds_before;

static int setup(void **state) {
        return child_setup(state) < 0 ? -1 : files_setup(state);
}

static int setup_test(void **state) {
        (void) state;
        fds_before = count_fds();
        return fds_before < 0 ? -1 : 0;
}

static int teardown_test(void **state) {
        (void) state;
        return count_fds() == fds_before ? 0 : -1;
}

#define SYS_TEST(f) cmocka_unit_test_setup_teardown(f, setup_test, teardown_test)

/* ---- sys_close_all_but ------------------------------------------------------------------------------------------- */

#define TOP 300 /* what the child has open: all below this, and one far above */
#define FAR 900

struct keep {
        size_t n;
        int fds[12];
        int result;
};

static void close_all_but(const void *argument) {
        const struct keep *keep = argument;
        int null = open("/dev/null", O_RDONLY);

        CHECK(null >= 0);
        for (int fd = 0; fd < TOP; fd++)
                CHECK(is_open(fd) || dup2(null, fd) == fd);
        CHECK(dup2(null, FAR) == FAR);

        CHECK(sys_close_all_but(keep->n > 0 ? keep->fds : NULL, keep->n) == keep->result);
        for (int fd = 0; fd < 1024; fd++) {
                bool listed = keep->result < 0;

                for (size_t i = 0; i < keep->n; i++)
                        listed = listed || keep->fds[i] == fd;
                CHECK(is_open(fd) == (listed && (fd < TOP || fd == FAR)));
        }
}

static void test_close_all_but(void **state) {
        static const struct keep keeps[] = {
                {0, {0}, 0},
                {1, {-1}, 0},
                {1, {0}, 0},
                {1, {2}, 0},
                {1, {FAR}, 0},
                {2, {0, FAR}, 0},
                {3, {0, 1, 2}, 0},
                {3, {2, 1, 0}, 0},
                {4, {5, 3, 4, 6}, 0}, /* adjacent, unordered */
                {4, {17, -1, 5, -1}, 0},
                {5, {-1, -1, -1, -1, 7}, 0},
                {3, {9, 9, 9}, 0},
                {4, {0, 0, 1, 1}, 0},
                {5, {20, 3, 20, 4, 3}, 0},
                {2, {500, 10}, 0}, /* 500 is not open, and is not afterwards */
                {8, {0, 1, 2, 3, 4, 5, 6, 7}, 0},
                {8, {FAR, 299, 150, 149, 151, 30, 1, 0}, 0},
                {8, {7, 6, 5, 4, 3, 2, 1, 0}, 0},
                {12, {1, -1, 2, -1, 3, -1, 4, -1, 40, 50, 60, 70}, 0},
                {9, {0, 1, 2, 3, 4, 5, 6, 7, 8}, -EINVAL}, /* and nothing is closed */
                {12, {0, -1, 2, -1, 4, 5, 6, 7, 8, 9, 10, -1}, -EINVAL},
        };

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(keeps); i++)
                child_run(close_all_but, keeps + i);
}

/* ---- children and pidfds ----------------------------------------------------------------------------------------- */

static bool is_readable(int fd, int timeout_msec) {
        struct pollfd pfd = {.fd = fd, .events = POLLIN};

        return poll(&pfd, 1, timeout_msec) == 1 && (pfd.revents & POLLIN);
}

/* A child that ends with `code` once the pipe's other end, *ret_hold, is closed. */
static pid_t start_waiting(uint64_t flags, int cgroup_fd, int code, int *ret_pidfd, int *ret_hold) {
        int ends[2];
        pid_t pid;
        char c;

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        pid = sys_clone3(flags, cgroup_fd, ret_pidfd);
        if (pid == 0) {
                (void) close(ends[1]);
                (void) !read(ends[0], &c, 1);
                _exit(code);
        }
        (void) close_fd(ends[0]);
        if (pid < 0)
                (void) close_fd(ends[1]);
        else
                *ret_hold = ends[1];
        return pid;
}

static void assert_exit(pid_t pid, int code) {
        int status = 0;

        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), code);
}

static void test_clone3(void **state) {
        int pidfd = -1, hold = -1;
        pid_t pid = start_waiting(0, -1, 7, &pidfd, &hold);

        (void) state;
        assert_true(pid > 0);
        assert_true(pidfd >= 0);
        assert_true(is_cloexec(pidfd));
        assert_false(is_readable(pidfd, 0));
        assert_int_equal(sys_pidfd_send_signal(pidfd, 0), 0);
        (void) close_fd(hold);
        assert_true(is_readable(pidfd, -1));
        assert_exit(pid, 7);
        assert_true(is_readable(pidfd, 0));
        assert_int_equal(sys_pidfd_send_signal(pidfd, 0), -ESRCH);
        (void) close_fd(pidfd);
}

static void test_clone3_refusals(void **state) {
        int pidfd = -7, hold = -1, no_cgroup = open(files_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        (void) state;
        assert_int_equal(start_waiting(CLONE_SIGHAND, -1, 0, &pidfd, &hold), -EINVAL); /* not without CLONE_VM */
        assert_int_equal(start_waiting(CLONE_NEWNS | CLONE_FS, -1, 0, &pidfd, &hold), -EINVAL);
        assert_true(no_cgroup >= 0);
        assert_int_equal(start_waiting(0, no_cgroup, 0, &pidfd, &hold), -EBADF);
        assert_int_equal(start_waiting(0, 1000000, 0, &pidfd, &hold), -EBADF);
        assert_int_equal(pidfd, -7);
        (void) close_fd(no_cgroup);
}

/* Where a cgroup of our own can be made, and its path there; NULL if nowhere. */
static const char *make_cgroup(void) {
        static const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
        static char dir[64];

        for (size_t i = 0; i < ELEMENTSOF(roots); i++) {
                int fd = open(roots[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
                int64_t magic = sys_fs_magic(fd);

                (void) close_fd(fd);
                (void) snprintf(dir, sizeof(dir), "%s/bpfdeleg-test-%d", roots[i], (int) getpid());
                if (magic == CGROUP2_SUPER_MAGIC && mkdir(dir, 0755) == 0)
                        return dir;
        }
        return NULL;
}

static void read_cgroup(pid_t pid, char *text, size_t size) {
        char path[64];
        FILE *f;

        memset(text, 0, size);
        (void) snprintf(path, sizeof(path), "/proc/%d/cgroup", (int) pid);
        f = fopen(path, "re");
        if (!f)
                return;
        (void) !fread(text, 1, size - 1, f);
        (void) fclose(f);
}

/* CLONE_INTO_CGROUP: the child begins there. As root, where there is a cgroup2. */
static void test_clone3_into_cgroup(void **state) {
        char text[2048] = "", line[64];
        int pidfd = -1, hold = -1, cgroup;
        const char *dir = make_cgroup();
        pid_t pid;

        (void) state;
        if (!dir)
                skip();
        cgroup = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        pid = cgroup < 0 ? -1 : start_waiting(0, cgroup, 4, &pidfd, &hold);
        (void) close_fd(cgroup);
        if (pid > 0) {
                read_cgroup(pid, text, sizeof(text));
                (void) close_fd(hold);
                assert_exit(pid, 4);
                (void) close_fd(pidfd);
        }
        assert_int_equal(rmdir(dir), 0);
        assert_true(pid > 0);
        (void) snprintf(line, sizeof(line), "0::/bpfdeleg-test-%d\n", (int) getpid());
        assert_has(text, line);
}

/* Whatever SIGCHLD is set to, the child is there to be waited for, and no signal comes of it. */
static void silent(const void *argument) {
        sigset_t set;
        int status = 0;
        pid_t pid;

        (void) argument;
        CHECK(sigemptyset(&set) == 0 && sigaddset(&set, SIGCHLD) == 0 && sigprocmask(SIG_BLOCK, &set, NULL) == 0);
        pid = sys_fork_silent();
        CHECK(pid >= 0);
        if (pid == 0)
                _exit(9);
        CHECK(waitpid(pid, &status, 0) == -1 && errno == ECHILD);
        CHECK(waitpid(pid, &status, __WALL) == pid);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
        CHECK(sigpending(&set) == 0 && sigismember(&set, SIGCHLD) == 0);

        CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
        pid = sys_fork_silent();
        if (pid == 0)
                _exit(0);
        CHECK(waitpid(pid, &status, __WALL) == pid);
}

static void test_fork_silent(void **state) {
        (void) state;
        child_run(silent, NULL);
}

static void test_pidfd_getfd(void **state) {
        int pidfd = sys_pidfd_open_thread(getpid()), ends[2], copy;
        char c = 'a';

        (void) state;
        assert_true(pidfd >= 0);
        assert_true(is_cloexec(pidfd));
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        copy = sys_pidfd_getfd(pidfd, ends[1]);
        assert_true(copy > ends[1]);
        assert_true(is_cloexec(copy));
        assert_int_equal(write(copy, "b", 1), 1);
        assert_int_equal(read(ends[0], &c, 1), 1);
        assert_int_equal(c, 'b');
        (void) close_fd(copy);
        assert_int_equal(sys_pidfd_getfd(pidfd, copy), -EBADF);
        assert_int_equal(sys_pidfd_getfd(pidfd, -7), -EBADF);
        (void) close_fd(ends[0]);
        (void) close_fd(ends[1]);
        (void) close_fd(pidfd);
}

static void less_capable(const void *argument) {
        uint64_t before = 0, now = 0;

        (void) argument;
        CHECK(sys_capget_effective(0, &before) == 0);
        CHECK(sys_capget_effective(getpid(), &now) == 0 && now == before);
        CHECK(sys_capset(before & 1, before, 0) == 0);
        CHECK(sys_capget_effective(0, &now) == 0 && now == (before & 1));
        CHECK(sys_capget_effective(-1, &now) == -EINVAL);
}

static void test_capget(void **state) {
        (void) state;
        child_run(less_capable, NULL);
}

static void test_pidfd(void **state) {
        int pidfd = -1, again, hold = -1, status = 0;
        pid_t pid = start_waiting(0, -1, 0, &pidfd, &hold);

        (void) state;
        assert_true(pid > 0);
        again = sys_pidfd_open(pid);
        assert_true(again >= 0);
        assert_true(is_cloexec(again));
        assert_int_equal(sys_pidfd_send_signal(again, 1000), -EINVAL);
        assert_false(is_readable(again, 0));
        assert_int_equal(sys_pidfd_send_signal(again, SIGTERM), 0);
        assert_true(is_readable(again, -1));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);

        /* Gone: the descriptor means nobody else, even if the number is used again. */
        assert_int_equal(sys_pidfd_send_signal(again, SIGTERM), -ESRCH);
        (void) close_fd(again);
        (void) close_fd(pidfd);
        (void) close_fd(hold);
}

static void test_process(void **state) {
        struct sys_process process = {0}, other;
        int pidfd = sys_pidfd_open(getpid()), again;

        (void) state;
        assert_true(pidfd >= 0);
        assert_int_equal(sys_process_identify(getpid(), pidfd, &process), 0);
        assert_int_equal(process.pid, getpid());
        assert_true(process.start > 0 && process.inode > 0);
        again = sys_process_open(&process);
        assert_true(again >= 0);
        (void) close_fd(again);

        /* The same number, but not that process. */
        other = process;
        other.start++;
        assert_int_equal(sys_process_open(&other), -ESRCH);
        other = process;
        other.inode++;
        assert_int_equal(sys_process_open(&other), -ESRCH);
        (void) close_fd(pidfd);
}

/* Names with blanks and parentheses stand before the field that is read. */
static void test_process_name(void **state) {
        struct sys_process before = {0}, after = {0};
        int pidfd = sys_pidfd_open(getpid());
        char name[16];

        (void) state;
        assert_int_equal(prctl(PR_GET_NAME, name), 0);
        assert_int_equal(sys_process_identify(getpid(), pidfd, &before), 0);
        assert_int_equal(prctl(PR_SET_NAME, ") R 1 2) 3 ("), 0);
        assert_int_equal(sys_process_identify(getpid(), pidfd, &after), 0);
        assert_int_equal(prctl(PR_SET_NAME, name), 0);
        assert_true(before.start == after.start);
        (void) close_fd(pidfd);
}

static void test_process_gone(void **state) {
        struct sys_process process = {0};
        int pidfd = -1, hold = -1;
        pid_t pid;

        (void) state;
        pid = start_waiting(0, -1, 0, &pidfd, &hold);
        assert_true(pid > 0);
        assert_int_equal(sys_process_identify(pid, pidfd, &process), 0);
        (void) close_fd(hold);
        assert_exit(pid, 0);
        assert_int_equal(sys_process_open(&process), -ESRCH);
        assert_int_equal(sys_process_identify(pid, pidfd, &process), -ESRCH);
        (void) close_fd(pidfd);
}

static void test_pidfd_refusals(void **state) {
        int null = open("/dev/null", O_RDONLY | O_CLOEXEC), self = sys_pidfd_open(getpid());

        (void) state;
        assert_true(self >= 0);
        assert_int_equal(sys_pidfd_send_signal(self, 0), 0);
        assert_int_equal(sys_pidfd_open(0), -EINVAL);
        assert_int_equal(sys_pidfd_open(-1), -EINVAL);
        assert_int_equal(sys_pidfd_open(0x7ffffff0), -ESRCH); /* above the kernel's PID_MAX_LIMIT */
        assert_int_equal(sys_pidfd_send_signal(-1, 0), -EBADF);
        assert_int_equal(sys_pidfd_send_signal(null, 0), -EBADF);
        (void) close_fd(null);
        (void) close_fd(self);
}

static void signal_others(const void *argument) {
        int pidfd = *(const int *) argument;

        CHECK(sys_pidfd_send_signal(pidfd, 0) == 0);
        if (geteuid() == 0) {
                if (!child_become_nobody())
                        _exit(CHILD_SKIPPED);
        } else {
                pidfd = sys_pidfd_open(1);
                if (pidfd < 0 || kill(1, 0) == 0)
                        _exit(CHILD_SKIPPED); /* a PID namespace of our own */
        }
        CHECK(sys_pidfd_send_signal(pidfd, 0) == -EPERM);
}

/* Whoever has a pidfd still needs the right to send. */
static void test_pidfd_permission(void **state) {
        int self = sys_pidfd_open(getpid());
        pid_t pid;

        (void) state;
        assert_true(self >= 0);
        pid = child_start(signal_others, &self);
        (void) close_fd(self);
        child_wait(pid);
}

/* What a pidfd says by itself, where the kernel can (6.13). */
static void see_ids(const void *argument) {
        struct sys_pidfd_ids ids = {0};
        int pidfd = sys_pidfd_open(getpid());

        (void) argument;
        CHECK(pidfd >= 0);
        if (sys_pidfd_ids(pidfd, &ids) == -EOPNOTSUPP)
                _exit(CHILD_SKIPPED);
        CHECK(ids.pid == getpid() && ids.uid == getuid());
        if (geteuid() != 0)
                return;
        /* The real one, whatever the effective one is. */
        CHECK(setresuid(1234, 0, 0) == 0 && sys_pidfd_ids(pidfd, &ids) == 0 && ids.uid == 1234);
        CHECK(setresuid(0, 0, 0) == 0 && setresuid(0, 1234, 0) == 0 && sys_pidfd_ids(pidfd, &ids) == 0 && ids.uid == 0);
}

static void test_pidfd_ids(void **state) {
        struct sys_pidfd_ids ids;
        int pidfd, r;
        pid_t pid;

        (void) state;
        child_run(see_ids, NULL);
        pid = fork();
        if (pid == 0)
                _exit(0);
        pidfd = sys_pidfd_open(pid);
        assert_true(pidfd >= 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        r = sys_pidfd_ids(pidfd, &ids);
        assert_true(r == -ESRCH || r == -EOPNOTSUPP);
        (void) close_fd(pidfd);
        pidfd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_int_equal(sys_pidfd_ids(pidfd, &ids), -EOPNOTSUPP);
        (void) close_fd(pidfd);
}

/* ---- capabilities ------------------------------------------------------------------------------------------------ */

struct caps {
        uint64_t effective, permitted, inheritable;
};

static bool get_caps(struct caps *ret) {
        struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2];

        if (syscall(SYS_capget, &head, data) < 0)
                return false;
        ret->effective = data[0].effective | (uint64_t) data[1].effective << 32;
        ret->permitted = data[0].permitted | (uint64_t) data[1].permitted << 32;
        ret->inheritable = data[0].inheritable | (uint64_t) data[1].inheritable << 32;
        return true;
}

static bool has_caps(uint64_t effective, uint64_t permitted, uint64_t inheritable) {
        struct caps caps;

        return get_caps(&caps) && caps.effective == effective && caps.permitted == permitted &&
               caps.inheritable == inheritable;
}

#define BIT(n) (UINT64_C(1) << (n))

static void drop_all(const void *argument) {
        (void) argument;
        CHECK(sys_capset(0, 0, 0) == 0);
        CHECK(has_caps(0, 0, 0));
        CHECK(sys_capset(0, 0, 0) == 0);
        for (unsigned cap = 0; cap <= 40; cap++) { /* CAP_CHECKPOINT_RESTORE */
                CHECK(sys_capset(0, BIT(cap), 0) == -EPERM);
                CHECK(sys_capset(BIT(cap), 0, 0) == -EPERM);
                CHECK(sys_capset(0, 0, BIT(cap)) == -EPERM);
        }
        CHECK(has_caps(0, 0, 0));
}

static void test_capset_none(void **state) {
        (void) state;
        child_run(drop_all, NULL);
}

/* One from each of the two words, so that none is mistaken for the other. */
static void drop_most(const void *argument) {
        const uint64_t low = BIT(CAP_KILL), high = BIT(39), both = low | high; /* 39: CAP_BPF */
        struct caps caps;

        (void) argument;
        if (!get_caps(&caps) || (caps.permitted & both) != both)
                _exit(CHILD_SKIPPED);
        CHECK(sys_capset(low, both, high) == 0);
        CHECK(has_caps(low, both, high));
        CHECK(sys_capset(both, both, 0) == 0);
        CHECK(has_caps(both, both, 0));
        CHECK(sys_capset(both, both | BIT(CAP_CHOWN), 0) == -EPERM);
        CHECK(sys_capset(both | BIT(CAP_CHOWN), both, 0) == -EPERM);
        CHECK(has_caps(both, both, 0));
        CHECK(sys_capset(0, high, 0) == 0);
        CHECK(has_caps(0, high, 0));
        CHECK(sys_capset(low, low, 0) == -EPERM);
        CHECK(sys_capset(high, high, 0) == 0);
}

static void test_capset_some(void **state) {
        (void) state;
        child_run(drop_most, NULL);
}

/* ---- file systems ------------------------------------------------------------------------------------------------ */

static void test_fs_magic(void **state) {
        int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC), path = open("/proc/self", O_PATH | O_CLOEXEC),
            other = open(files_root, O_PATH | O_DIRECTORY | O_CLOEXEC);

        (void) state;
        assert_int_equal(sys_fs_magic(proc), PROC_SUPER_MAGIC);
        assert_int_equal(sys_fs_magic(path), PROC_SUPER_MAGIC);
        assert_true(sys_fs_magic(other) > 0);
        assert_int_not_equal(sys_fs_magic(other), PROC_SUPER_MAGIC);
        assert_int_equal(sys_fs_magic(-1), -EBADF);
        (void) close_fd(proc);
        (void) close_fd(path);
        (void) close_fd(other);
        assert_int_equal(sys_fs_magic(path), -EBADF);
}

static void try_unshare(const void *argument) {
        int *ret = *(int *const *) argument;

        *ret = unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* Root as the mount calls see it: not uid 0, but CAP_SYS_ADMIN, and nothing like seccomp in between. Nor a chroot,
 * where packages are built: its / is no mount. */
static bool may_mount(void) {
        int *yes = mmap(NULL, sizeof(*yes), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        bool r;

        assert_true(yes != MAP_FAILED);
        *yes = 0;
        child_run(try_unshare, &yes);
        r = *yes;
        (void) munmap(yes, sizeof(*yes));
        return r;
}

/* How many mounts this process sees. */
static int count_mounts(void) {
        FILE *f = fopen("/proc/self/mountinfo", "re");
        int n = 0, c;

        if (!f)
                return -1;
        while ((c = getc(f)) != EOF)
                n += c == '\n';
        (void) fclose(f);
        return n;
}

/* A mount namespace of our own, from which nothing comes out. */
static void enter_own_mounts(void) {
        CHECK(unshare(CLONE_NEWNS) == 0);
        CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
}

static int make_tmpfs(unsigned attr_flags) {
        int fs, mnt;

        fs = sys_fsopen("tmpfs");
        CHECK(fs >= 0);
        CHECK(is_cloexec(fs));
        CHECK(sys_fsconfig_string(fs, "size", "1m") == 0);
        CHECK(sys_fsconfig_string(fs, "mode", "0711") == 0);
        CHECK(sys_fsconfig_create(fs) == 0);
        mnt = sys_fsmount(fs, attr_flags);
        CHECK(mnt >= 0);
        CHECK(is_cloexec(mnt));
        (void) close(fs);
        return mnt;
}

/* fsopen … fsmount: a mount that is a descriptor and nothing else. */
static void detached(const void *argument) {
        struct statvfs vfs;
        int before, mnt, fd;
        struct stat st;

        (void) argument;
        enter_own_mounts();
        before = count_mounts();
        mnt = make_tmpfs(MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
        CHECK(count_mounts() == before);
        CHECK(sys_fs_magic(mnt) == TMPFS_MAGIC);
        CHECK(fstat(mnt, &st) == 0 && (st.st_mode & 07777) == 0711);
        CHECK(fstatvfs(mnt, &vfs) == 0);
        CHECK((vfs.f_flag & (ST_NOSUID | ST_NODEV | ST_NOEXEC)) == (ST_NOSUID | ST_NODEV | ST_NOEXEC));
        fd = openat(mnt, "file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        CHECK(fd >= 0);
        (void) close(fd);
        (void) close(mnt);

        mnt = make_tmpfs(MOUNT_ATTR_RDONLY);
        CHECK(openat(mnt, "file", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) < 0 && errno == EROFS);
        CHECK(fstatvfs(mnt, &vfs) == 0 && !(vfs.f_flag & ST_NOSUID));
        (void) close(mnt);
        CHECK(count_mounts() == before);
}

/* The file system's f_type has its highest bit set: it must not look like an error. */
static void detached_bpffs(const void *argument) {
        int fs, mnt, r;

        (void) argument;
        enter_own_mounts();
        fs = sys_fsopen("bpf");
        if (fs == -ENODEV)
                _exit(CHILD_SKIPPED);
        CHECK(fs >= 0);
        r = sys_fsconfig_create(fs);
        if (r == -EPERM)
                _exit(CHILD_SKIPPED); /* root of a user namespace only */
        CHECK(r == 0);
        mnt = sys_fsmount(fs, 0);
        CHECK(mnt >= 0);
        CHECK(sys_fs_magic(mnt) == INT64_C(0xcafe4a11));
}

static void fsopen_refusals(const void *argument) {
        int fs, null = open("/dev/null", O_RDONLY);

        (void) argument;
        enter_own_mounts();
        CHECK(sys_fsopen("no such file system") == -ENODEV);
        fs = sys_fsopen("tmpfs");
        CHECK(fs >= 0);
        CHECK(sys_fsconfig_string(fs, "no such option", "1") == -EINVAL);
        CHECK(sys_fsconfig_string(fs, "size", "nonsense") == -EINVAL);
        CHECK(sys_fsmount(fs, 0) == -EINVAL || sys_fsmount(fs, 0) == -EBUSY); /* not created yet */
        CHECK(sys_fsconfig_create(fs) == 0);
        CHECK(sys_fsconfig_create(fs) == -EBUSY);
        CHECK(sys_fsmount(fs, 0x40000000) == -EINVAL);
        CHECK(sys_fsmount(fs, 0) >= 0);
        CHECK(sys_fsconfig_string(-1, "size", "1m") == -EINVAL); /* it has no -EBADF for that */
        CHECK(sys_fsconfig_create(null) == -EINVAL);
        CHECK(sys_fsmount(null, 0) == -EINVAL);
        CHECK(sys_fsmount(-1, 0) == -EBADF);
}

static int64_t magic_at(const char *path) {
        int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        int64_t magic;

        CHECK(fd >= 0);
        magic = sys_fs_magic(fd);
        (void) close(fd);
        return magic;
}

static void attach(const void *argument) {
        const char *point = argument;
        int before, mnt, fd, dirfd;
        char path[300];

        /* The directory may be on a tmpfs already: a file inside tells the two apart. */
        (void) snprintf(path, sizeof(path), "%s/inside", point);
        enter_own_mounts();
        dirfd = open(files_root, O_PATH | O_DIRECTORY | O_CLOEXEC); /* of this namespace, thus only now */
        CHECK(dirfd >= 0);
        before = count_mounts();
        mnt = make_tmpfs(0);
        fd = openat(mnt, "inside", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        CHECK(fd >= 0);
        (void) close(fd);

        CHECK(sys_move_mount(mnt, dirfd, "missing") == -ENOENT);
        CHECK(sys_move_mount(-1, dirfd, "point") == -EBADF);
        CHECK(sys_move_mount(dirfd, dirfd, "point") == -EINVAL); /* no mount's root */
        CHECK(count_mounts() == before);
        CHECK(access(path, F_OK) < 0 && errno == ENOENT);
        CHECK(sys_move_mount(mnt, dirfd, "point") == 0);
        CHECK(count_mounts() == before + 1);
        CHECK(access(path, F_OK) == 0);
        CHECK(magic_at(point) == TMPFS_MAGIC);
}

static void clone_tree(const void *argument) {
        const char *point = argument;
        int before, proc, copy, again;
        char path[300];

        enter_own_mounts();
        proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
        CHECK(proc >= 0);
        before = count_mounts();
        CHECK(sys_open_tree_clone(AT_FDCWD, "/missing") == -ENOENT);
        CHECK(sys_open_tree_clone(-1, "proc") == -EBADF);
        CHECK(sys_open_tree_clone(proc, "") == -ENOENT); /* no AT_EMPTY_PATH */
        copy = sys_open_tree_clone(AT_FDCWD, "/proc");
        CHECK(copy >= 0);
        CHECK(is_cloexec(copy));
        CHECK(sys_fs_magic(copy) == PROC_SUPER_MAGIC);
        again = sys_open_tree_clone(proc, ".");
        CHECK(again >= 0);
        CHECK(count_mounts() == before);

        CHECK(sys_move_mount(copy, AT_FDCWD, point) == 0);
        CHECK(count_mounts() == before + 1);
        CHECK(magic_at(point) == PROC_SUPER_MAGIC);
        (void) snprintf(path, sizeof(path), "%s/self", point);
        CHECK(access(path, F_OK) == 0);
}

static void test_mounts(void **state) {
        static void (*const runs[])(const void *) = {detached, fsopen_refusals, attach, clone_tree};
        const char *point = files_mkdir("point");
        int before = count_mounts();
        struct stat st, again;

        (void) state;
        if (!may_mount())
                skip();
        assert_int_equal(stat(point, &st), 0);
        for (size_t i = 0; i < ELEMENTSOF(runs); i++) {
                child_run(runs[i], point);
                assert_int_equal(count_mounts(), before);
                assert_int_equal(stat(point, &again), 0);
                assert_true(st.st_dev == again.st_dev && st.st_ino == again.st_ino);
        }
}

static void test_bpffs(void **state) {
        (void) state;
        if (!may_mount())
                skip();
        child_run(detached_bpffs, NULL);
}

/* Everything that makes or moves a mount, without the right to. */
static void mount_as_nobody(const void *argument) {
        const char *point = argument;
        int proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC), fs, mnt = -1, pidfd = -7;

        fs = sys_fsopen("tmpfs"); /* as root, all of what follows is there and only the right is not */
        if (fs >= 0) {
                CHECK(sys_fsconfig_create(fs) == 0);
                mnt = sys_fsmount(fs, 0);
                CHECK(mnt >= 0);
        }
        CHECK(sys_capset(0, 0, 0) == 0);
        CHECK(sys_fsopen("tmpfs") == -EPERM);
        CHECK(sys_open_tree_clone(AT_FDCWD, "/proc") == -EPERM);
        CHECK(sys_move_mount(mnt >= 0 ? mnt : proc, AT_FDCWD, point) == -EPERM);
        if (fs >= 0)
                CHECK(sys_fsmount(fs, 0) == -EPERM);
        CHECK(sys_clone3(CLONE_NEWNS, -1, &pidfd) == -EPERM);
        CHECK(pidfd == -7);
        CHECK(sys_fs_magic(proc) == PROC_SUPER_MAGIC); /* looking is free */
}

static void test_mounts_refused(void **state) {
        const char *point = files_mkdir("point");
        int before = count_mounts();

        (void) state;
        child_run(mount_as_nobody, point);
        assert_int_equal(count_mounts(), before);
}

static bool other_namespace(pid_t pid) {
        char path[64], theirs[64] = "", ours[64] = "";

        (void) snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int) pid);
        return readlink(path, theirs, sizeof(theirs) - 1) > 0 &&
               readlink("/proc/self/ns/mnt", ours, sizeof(ours) - 1) > 0 && !streq(theirs, ours);
}

static void test_clone3_namespace(void **state) {
        int pidfd = -1, hold = -1;
        bool other;
        pid_t pid;

        (void) state;
        if (!may_mount())
                skip(); /* test_mounts_refused has the refusal */
        pid = start_waiting(CLONE_NEWNS, -1, 3, &pidfd, &hold);
        assert_true(pid > 0);
        other = other_namespace(pid);
        (void) close_fd(hold);
        assert_exit(pid, 3);
        (void) close_fd(pidfd);
        assert_true(other);
}

/* ---- open_below -------------------------------------------------------------------------------------------------- */

static void test_open_below(void **state) {
        static const struct {
                const char *path;
                int result;
        } cases[] = {
                {"in", 0},
                {"in/deep", 0},
                {"in/missing", -ENOENT},
                {"in/file", -ENOTDIR},
                {"in/file/x", -ENOTDIR},
                {"in/fifo", -ENOTDIR},
                {"..", -EXDEV},
                {"in/..", -EXDEV},
                {"in/../../etc", -EXDEV},
                {"/etc", -EXDEV},
                {"/", -EXDEV},
                {"link", -ELOOP},
                {"link/deep", -ELOOP},
                {"in/link", -ELOOP},
                {"in/link/x", -ELOOP},
                {"in/deep/link", -ELOOP},
        };
        _cleanup_close_ int root_fd = open(files_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        char path[NAME_MAX + 16];

        (void) state;
        assert_true(root_fd >= 0);
        assert_int_equal(mkdirat(root_fd, "in", 0700), 0);
        assert_int_equal(mkdirat(root_fd, "in/deep", 0700), 0);
        assert_int_equal(mknodat(root_fd, "in/file", S_IFREG | 0600, 0), 0);
        assert_int_equal(mkfifoat(root_fd, "in/fifo", 0600), 0);
        assert_int_equal(symlinkat("in", root_fd, "link"), 0);
        assert_int_equal(symlinkat("/", root_fd, "in/link"), 0);
        assert_int_equal(symlinkat("missing", root_fd, "in/deep/link"), 0);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_close_ int fd = sys_open_below(root_fd, cases[i].path);
                struct stat wanted, st;

                assert_int_equal(fd < 0 ? fd : 0, cases[i].result);
                assert_true(fd < 0 || is_cloexec(fd));
                assert_true(fd < 0 || (fstatat(root_fd, cases[i].path, &wanted, 0) == 0 && fstat(fd, &st) == 0 &&
                                       st.st_ino == wanted.st_ino));
        }
        for (size_t n = NAME_MAX - 1; n <= NAME_MAX + 2; n++) {
                memset(path, 'x', n);
                path[n] = '\0';
                assert_int_equal(sys_open_below(root_fd, path), -ENOENT);
        }
        assert_int_equal(sys_open_below(-1, "in"), -EBADF);
}

/* Also one of the same file system: its device's number is the same. */
static void below_mounts(const void *argument) {
        const char *point = argument;
        int fd, copy, mnt;

        enter_own_mounts();
        CHECK(mkdirat(AT_FDCWD, files_path("point/dir"), 0700) == 0 &&
              mkdirat(AT_FDCWD, files_path("point/dir/deep"), 0700) == 0);
        copy = sys_open_tree_clone(AT_FDCWD, point);
        mnt = make_tmpfs(0);
        fd = open(point, O_PATH | O_DIRECTORY | O_CLOEXEC);
        CHECK(copy >= 0 && mnt >= 0 && fd >= 0);
        CHECK(sys_open_below(fd, "dir/deep") >= 0);
        CHECK(sys_move_mount(copy, fd, "dir/deep") == 0);
        CHECK(sys_open_below(fd, "dir/deep") == -EXDEV);
        CHECK(sys_open_below(fd, "dir/deep/dir") == -EXDEV);
        CHECK(sys_open_below(fd, "dir") >= 0);
        CHECK(sys_move_mount(mnt, fd, "dir") == 0);
        CHECK(sys_open_below(fd, "dir") == -EXDEV);
}

static void test_open_below_mounts(void **state) {
        const char *point = files_mkdir("point");

        (void) state;
        if (!may_mount())
                skip();
        child_run(below_mounts, point);
        assert_int_equal(rmdir(files_path("point/dir/deep")), 0);
        assert_int_equal(rmdir(files_path("point/dir")), 0);
}

/* Makes `d` a link to what is outside, and a directory again, as fast as it can. */
static void exchange_for_ever(const void *argument) {
        const int *base_fd = argument;

        for (;;)
                CHECK(renameat2(*base_fd, "tree/d", *base_fd, "tree/l", RENAME_EXCHANGE) == 0);
}

/* Whatever a name becomes between two looks at it: what is opened is the directory that was there, or nothing. */
static void test_open_below_races(void **state) {
        _cleanup_close_ int base_fd = -1, tree_fd = -1;
        unsigned inside = 0, refused = 0; /* both must be seen: then the race was one */
        struct stat wanted, st;
        pid_t pid;

        (void) state;
        assert_int_equal(mkdirat(AT_FDCWD, files_path("race-base"), 0700), 0);
        base_fd = open(files_path("race-base"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(base_fd >= 0);
        for (size_t i = 0; i < 5; i++)
                assert_int_equal(mkdirat(base_fd,
                                         (const char *const[]){"outside", "outside/x", "tree", "tree/d", "tree/d/x"}[i],
                                         0700),
                                 0);
        assert_int_equal(symlinkat("../outside", base_fd, "tree/l"), 0);
        tree_fd = openat(base_fd, "tree", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(tree_fd >= 0 && fstatat(tree_fd, "d/x", &wanted, 0) == 0);

        pid = child_start(exchange_for_ever, &base_fd);
        while (inside < 1000 || refused < 1000) {
                _cleanup_close_ int fd = sys_open_below(tree_fd, "d/x");

                if (fd < 0)
                        refused++;
                else
                        inside++;
                assert_true(fd >= 0 || fd == -ELOOP);
                assert_true(fd < 0 ||
                            (fstat(fd, &st) == 0 && st.st_ino == wanted.st_ino && st.st_dev == wanted.st_dev));
        }
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_int_equal(*child_line, 0);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                SYS_TEST(test_close_all_but),
                SYS_TEST(test_clone3),
                SYS_TEST(test_clone3_refusals),
                SYS_TEST(test_clone3_into_cgroup),
                SYS_TEST(test_clone3_namespace),
                SYS_TEST(test_fork_silent),
                SYS_TEST(test_pidfd_getfd),
                SYS_TEST(test_pidfd_ids),
                SYS_TEST(test_capget),
                SYS_TEST(test_pidfd),
                SYS_TEST(test_pidfd_refusals),
                SYS_TEST(test_pidfd_permission),
                SYS_TEST(test_process),
                SYS_TEST(test_process_name),
                SYS_TEST(test_process_gone),
                SYS_TEST(test_capset_none),
                SYS_TEST(test_capset_some),
                SYS_TEST(test_fs_magic),
                SYS_TEST(test_open_below),
                SYS_TEST(test_open_below_mounts),
                SYS_TEST(test_open_below_races),
                SYS_TEST(test_mounts),
                SYS_TEST(test_bpffs),
                SYS_TEST(test_mounts_refused),
        };

        return cmocka_run_group_tests_name("sysapi", tests, setup, files_teardown);
}

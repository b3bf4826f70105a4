/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * ENTER and its escort. The escort is a short-lived root child that does the two things which must not be done in the
 * helper:
 *
 *  - it joins the anchor's mount namespace (that one only: in the user's user namespace its owner could stop it) and
 *    clones the bpffs mount there; - it moves the peer. cgroup.procs takes a number, and a number may be another
 *    process by the time it is looked up: moving a stranger into a user's
 *    subtree would put it under that user's programs. So the escort first attaches with PTRACE_SEIZE, which does not
 *    stop the process, but keeps
 *    its number from being freed until the escort has gone (a traced process stays a zombie until its tracer lets go);
 *    only then the pidfd is asked
 *    whether it was the right one. Where tracing is off for everyone (yama 3)
 *    nobody is moved.
 *
 * Moving can take 30 ms on an idle host (an RCU grace period), another reason not to do it in the loop.
 */

#include "config.h"

#include "enter.h"

#include <linux/magic.h>
#include <sched.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "file.h"
#include "maker.h"
#include "task.h"

/* Documentation/admin-guide/LSM/Yama.rst: 3 cannot be taken back until the next boot. */
static bool is_tracing_off(void) {
        _cleanup_close_ int dirfd = -1;
        char value[8];

        dirfd = open("/proc/sys/kernel", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return dirfd >= 0 && file_read(dirfd, "yama/ptrace_scope", value, sizeof(value)) > 0 && value[0] == '3';
}

int enter_check(const struct peer *peer, const struct sys_namespace *inside, struct errtext *err) {
        struct stat own_user, own_pid;
        struct peer_facts first, facts;
        int r;

        /* Twice, and what is judged is the second look: /proc/PID/status tells Threads before NoNewPrivs, so a thread
         * made and no_new_privs set between the two lines would pass a single one. */
        r = peer_inspect(peer, &first);
        if (r >= 0)
                r = peer_inspect(peer, &facts);
        if (r < 0)
                return fail(err, r, "the process that asked cannot be looked at: %s", strerror(-r));
        if (stat("/proc/self/ns/user", &own_user) < 0 || stat("/proc/self/ns/pid", &own_pid) < 0)
                return fail(err, -errno, "the helper cannot tell namespaces apart: %m");
        if (facts.user_ns.dev == own_user.st_dev && facts.user_ns.ino == inside->inode)
                return ENTER_INSIDE;
        if (facts.user_ns.ino != own_user.st_ino || facts.user_ns.dev != own_user.st_dev)
                return fail(err, -EXDEV,
                            "the process is in another user namespace (a container, or unshare): "
                            "run bpfdeleg from the plain login session");
        if (facts.pid_ns.ino != own_pid.st_ino || facts.pid_ns.dev != own_pid.st_dev)
                return fail(err, -EXDEV,
                            "the process is in another pid namespace (a container): "
                            "run bpfdeleg from the plain login session");
        if (!facts.same_uids || facts.uid != peer->cred.uid)
                return fail(err, -EPERM,
                            "the process has more than one uid (a setuid program), so it is not moved: "
                            "run bpfdeleg from a plain process");
        /* Later threads inherit it, so with one thread now all that will ever be in there have it. */
        if (!first.no_new_privs || !facts.no_new_privs)
                return fail(err, -EPERM,
                            "the process has not set no_new_privs: a setuid program in the delegated cgroup would run "
                            "under the user's BPF programs; use `bpfdeleg run`, which sets it");
        if (first.threads != 1 || facts.threads != 1)
                return fail(
                        err, -EPERM,
                        "the process has %llu threads, and some may lack no_new_privs: ask before it starts threads, "
                        "or use `bpfdeleg run`",
                        (unsigned long long) facts.threads);
        if (is_tracing_off())
                return fail(
                        err, -EPERM,
                        "kernel.yama.ptrace_scope is 3 on this host, so that no process can be held on to while it is "
                        "moved; ask the admin for 2 or less (3 stays until the next boot)");
        if (facts.tracer != 0)
                return fail(err, -EPERM,
                            "the process is traced by pid %llu, so that it cannot be moved safely: trace the command "
                            "instead (`bpfdeleg run -- strace CMD`)",
                            (unsigned long long) facts.tracer);
        return 0;
}

/* ---- the escort ---- */

enum step { STEP_CLONE, STEP_HOLD, STEP_MOVE, STEP_DONE };
static const char *const step_words[] = {
        [STEP_CLONE] = "cloning the bpffs mount",
        [STEP_HOLD] = "holding on to the process",
        [STEP_MOVE] = "moving the process into the delegated cgroup",
        [STEP_DONE] = "finishing",
};

/* What it is given. */
enum { FD_MNT_NS, FD_PROCS, FD_PEER, FD_MAX };

static int clone_mount(int mnt_ns_fd) {
        _cleanup_close_ int fd = -1;

        if (setns(mnt_ns_fd, CLONE_NEWNS) < 0)
                return -errno;
        fd = sys_open_tree_clone(AT_FDCWD, MAKER_BPFFS);
        /* Should its user ever find a way in there (they have CAP_SYS_ADMIN over it), what they mount is not handed
         * out. */
        if (fd >= 0 && sys_fs_magic(fd) != BPF_FS_MAGIC)
                return -EPROTO;
        return take_fd(&fd);
}

static int hold(pid_t pid, int pidfd) {
        if (syscall(SYS_ptrace, PTRACE_SEIZE, pid, NULL, NULL) < 0)
                return -errno;
        return sys_pidfd_exited(pidfd) ? -ESRCH : 0;
}

static int move(int procs_fd, pid_t pid, int pidfd) {
        char value[16];
        int n;

        n = snprintf(value, sizeof(value), "%d", (int) pid);
        if (write(procs_fd, value, (size_t) n) < 0)
                return -errno;
        return sys_pidfd_exited(pidfd) ? -ESRCH : 0;
}

static void escort_main(int channel, const int *fds, void *arg) {
        pid_t pid = *(const pid_t *) arg;
        int fd;

        fd = clone_mount(fds[FD_MNT_NS]);
        child_must(channel, STEP_CLONE, fd);
        child_must(channel, STEP_HOLD, hold(pid, fds[FD_PEER]));
        child_must(channel, STEP_MOVE, move(fds[FD_PROCS], pid, fds[FD_PEER]));
        child_send(channel, STEP_DONE, 0, fd);
}

/* ---- in the helper ---- */

struct enter {
        enter_done done;
        void *userdata;
        struct task escort;
};

static int finish(struct enter *enter, int result, int take_mount_fd, const char *why) {
        task_end(&enter->escort);
        enter->done(enter->userdata, result, take_mount_fd, why);
        return 0;
}

/* Waits for the escort's exit, not for its message: before that the process is still traced by it. */
static int on_exit_of_escort(struct task *task) {
        _cleanup_close_ int mount_fd = -1;
        struct enter *enter = task->userdata;
        struct child_message message;
        struct errtext why;
        int r;

        r = child_recv(&task->child, &message, &mount_fd);
        if (r < 0)
                return finish(enter, -ECHILD, -1, "the escort died");
        if (message.step >= ELEMENTSOF(step_words))
                return finish(enter, -EBADMSG, -1, "the escort said what it should not");
        if (message.error < 0) {
                (void) fail(&why, 0, "%s: %s", step_words[message.step], strerror(-message.error));
                return finish(enter, message.error, -1, why.s);
        }
        if (message.step != STEP_DONE || mount_fd < 0)
                return finish(enter, -EBADMSG, -1, "the escort brought no mount");
        return finish(enter, 0, TAKE_FD(mount_fd), NULL);
}

static int on_deadline(struct task *task) {
        return finish(task->userdata, -ETIMEDOUT, -1, "moving the process took too long");
}

static int open_procs(const struct cgroup *cgroup, uid_t uid, gid_t gid) {
        _cleanup_close_ int run_fd = -1;
        int fd;

        run_fd = cgroup_open_run(cgroup, uid, gid);
        if (run_fd < 0)
                return take_fd(&run_fd);
        fd = openat(run_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

static int start_escort(struct task *escort, pid_t pid, const int fds[FD_MAX], uint64_t timeout_usec) {
        int r;

        r = task_start(escort, -1, escort_main, &pid, fds, FD_MAX);
        return r < 0 ? r : task_limit(escort, timeout_usec);
}

int enter_start(struct enter **ret, sd_event *event, const struct peer *peer, const struct child *anchor,
                const struct cgroup *cgroup, gid_t gid, uint64_t timeout_usec, enter_done done, void *userdata,
                struct errtext *err) {
        static const struct task_callbacks callbacks = {.exited = on_exit_of_escort, .timed_out = on_deadline};
        _cleanup_close_ int mnt_ns_fd = -1, procs_fd = -1;
        struct enter *enter;
        int r;

        mnt_ns_fd = child_open_proc(anchor, "ns/mnt");
        if (mnt_ns_fd < 0)
                return fail(err, mnt_ns_fd, "the anchor's mount namespace cannot be opened: %s", strerror(-mnt_ns_fd));
        procs_fd = open_procs(cgroup, peer->cred.uid, gid);
        if (procs_fd < 0)
                return fail(err, procs_fd, "the delegated cgroup's `run` cannot be opened: %s", strerror(-procs_fd));
        enter = malloc(sizeof(*enter));
        if (!enter)
                return fail(err, -ENOMEM, "out of memory");
        *enter = (struct enter){.done = done, .userdata = userdata, .escort = task_init(event, &callbacks, enter)};
        r = start_escort(&enter->escort, peer->cred.pid,
                         (const int[FD_MAX]){[FD_MNT_NS] = mnt_ns_fd, [FD_PROCS] = procs_fd, [FD_PEER] = peer->pidfd},
                         timeout_usec);
        if (r < 0) {
                enter_free(enter);
                return fail(err, r, "the escort cannot be started: %s", strerror(-r));
        }
        *ret = enter;
        return 0;
}

void enter_free(struct enter *enter) {
        if (!enter)
                return;
        task_end(&enter->escort);
        free(enter);
}

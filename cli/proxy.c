/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The attach proxy: see proxy.h.
 *
 * A seccomp filter stops LINK_CREATE, LINK_UPDATE, PROG_ATTACH and PROG_DETACH of the command and its children, and
 * the kernel tells the proxy of each. The proxy reads the attr, takes a copy of each descriptor that it names, makes
 * the call itself, and puts the link into the caller's table. The guard judges that call as it judges any: the proxy's
 * table is its own, so what the guard sees is what is attached.
 *
 * Nothing trusts the proxy. It runs as the user, with what the user has in the delegation. Whatever the user does to
 * it, or does in its place, is judged like everything else. So nothing here is a check for security. Whatever is not
 * understood is given back to the kernel (SECCOMP_USER_NOTIF_FLAG_CONTINUE), which makes the call as if there were no
 * proxy: for all that comes of a process with one thread, that is the right answer; for threads the guard's refusal.
 *
 * Only the answer must be right: the same as the kernel's own. So a descriptor that is not open becomes one that is
 * not open, and a number 0, which can be descriptor 0 or none, stays 0 and is made to be the caller's descriptor 0.
 *
 * It is forked before the filter, so that it does not wait for itself, and twice, so that the command has no child
 * that it does not know. It ends when the last process with the filter has gone: the listener then hangs up.
 */

#include "config.h"

#include "proxy.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "proxy-attr.h"
#include "sock.h"
#include "sysapi.h"

#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0) /* Linux 6.6, linux/seccomp.h */
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif

/* ---- the filter -------------------------------------------------------------------------------------------------- */

#define LOAD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
/* Goes on with the statement behind the next `yes` or `no` ones. */
#define EQUAL(value, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, yes, no)
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)

/*
 * The lower half of the first argument is the command. With a flag above it (Linux 7.3: an attribute more, which has a
 * pointer) it is another one, and not stopped.
 */
#define JUDGE_COMMAND                                                                                            \
        LOAD(args[0]), EQUAL(BPF_LINK_CREATE, 4, 0), EQUAL(BPF_LINK_UPDATE, 3, 0), EQUAL(BPF_PROG_ATTACH, 2, 0), \
                EQUAL(BPF_PROG_DETACH, 1, 0), RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_USER_NOTIF)

/* What decides by architecture and number alone the kernel remembers, so that other system calls cost next to
 * nothing. */
#if defined(__x86_64__) && !defined(__ILP32__)
#define BPF_OF_I386 357
/* Not of x32, whose number has a bit more. */
static struct sock_filter filter[] = {
        LOAD(arch),
        EQUAL(AUDIT_ARCH_X86_64, 0, 2),
        LOAD(nr),
        EQUAL(__NR_bpf, 4, 3),
        EQUAL(AUDIT_ARCH_I386, 0, 2),
        LOAD(nr),
        EQUAL(BPF_OF_I386, 1, 0),
        RETURN(SECCOMP_RET_ALLOW),
        JUDGE_COMMAND,
};
#elif defined(__aarch64__)
static struct sock_filter filter[] = {
        LOAD(arch),    EQUAL(AUDIT_ARCH_AARCH64, 0, 2), LOAD(nr), EQUAL(__NR_bpf, 1, 0), RETURN(SECCOMP_RET_ALLOW),
        JUDGE_COMMAND,
};
#else
#define NO_FILTER
static struct sock_filter filter[] = {RETURN(SECCOMP_RET_ALLOW)};
#endif

static int install_filter(void) {
        struct sock_fprog program = {.len = ELEMENTSOF(filter), .filter = filter};

        return sys_seccomp(SECCOMP_SET_MODE_FILTER,
                           SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV |
                                   SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                           &program);
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

/* The proxy's standard input, output and error are /dev/null. 0 becomes what the caller has there for the time of a
 * call. */
enum { FD_ZERO, FD_NULL };

struct server {
        int listener, proc_fd;
        uint64_t permitted; /* capabilities */
        struct stat user_ns, network_ns;
};

struct call {
        uint64_t id;
        uint32_t command;
        union proxy_attr attr;
        unsigned size;
        uint64_t caps;  /* the caller's */
        bool elsewhere; /* about another network namespace than ours */
        int pidfd;
        int fds[PROXY_FDS_MAX];
        size_t n_fds;
        bool zero;   /* descriptor 0 is named */
        int zero_fd; /* the caller's, -1 if it is closed */
};

#define CALL_INIT \
        { .pidfd = -1, .fds = {-1, -1, -1, -1}, .zero_fd = -1 }

static void release_fds(struct call *call) {
        for (size_t i = 0; i < call->n_fds; i++)
                call->fds[i] = close_fd(call->fds[i]);
        call->zero_fd = close_fd(call->zero_fd);
        call->pidfd = close_fd(call->pidfd);
}

/* A caller that has gone meanwhile: ENOENT, and nobody to tell. */
static void answer(const struct server *s, uint64_t id, int result, uint32_t flags) {
        struct seccomp_notif_resp response = {.id = id,
                                              .val = result < 0 ? 0 : result,
                                              .error = result < 0 ? result : 0,
                                              .flags = flags};

        (void) ioctl(s->listener, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

static void leave_to_kernel(const struct server *s, uint64_t id) {
        answer(s, id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

/* ---- looking at the caller --------------------------------------------------------------------------------------- */

/* Of /proc/TID/NAME. */
static bool look_at(const struct server *s, pid_t tid, const char *name, struct stat *ret) {
        char path[64];

        (void) snprintf(path, sizeof(path), "%d/%s", (int) tid, name);
        return fstatat(s->proc_fd, path, ret, 0) == 0;
}

/* A directory's links: itself, its parent's entry, and each directory in it. */
static bool has_threads(const struct server *s, pid_t tid) {
        struct stat st;

        return look_at(s, tid, "task", &st) && st.st_nlink > 3;
}

static bool same_file(const struct stat *a, const struct stat *b) {
        return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

/* Capabilities in a user namespace below are none in the delegation's, where ours are. */
static bool look_at_capabilities(const struct server *s, pid_t tid, uint64_t *ret) {
        uint64_t caps = 0;
        struct stat st;

        if (!look_at(s, tid, "ns/user", &st) || sys_capget_effective(tid, &caps) < 0)
                return false;
        *ret = same_file(&st, &s->user_ns) ? caps & s->permitted : 0;
        return true;
}

/* A copy of the caller's descriptor; *ret is -1 for one that is not open there. */
static bool fetch(int pidfd, uint32_t number, int *ret) {
        int fd = sys_pidfd_getfd(pidfd, (int) number);

        *ret = fd < 0 ? -1 : fd;
        return fd >= 0 || fd == -EBADF;
}

static bool fetch_all(struct call *call, const struct proxy_members *members) {
        for (unsigned i = 0; i < members->n; i++) {
                uint32_t *number = &call->attr.words[members->words[i]];

                if (*number == 0) {
                        call->zero = true;
                        continue;
                }
                if (!fetch(call->pidfd, *number, &call->fds[call->n_fds]))
                        return false;
                *number = (uint32_t) call->fds[call->n_fds++];
        }
        return !call->zero || fetch(call->pidfd, 0, &call->zero_fd);
}

static bool read_attr(pid_t tid, uint64_t address, struct call *call) {
        const struct iovec here = {.iov_base = call->attr.bytes, .iov_len = call->size};
        const struct iovec there = {.iov_base = (void *) (uintptr_t) address, .iov_len = call->size};

        return process_vm_readv(tid, &here, 1, &there, 1, 0) == (ssize_t) call->size;
}

/* Everything about the caller; false where the kernel shall make the call itself. */
static bool gather(const struct server *s, const struct seccomp_notif *n, struct call *call) {
        pid_t tid = (pid_t) n->pid;
        struct proxy_members members;
        struct stat network;

        call->id = n->id;
        call->command = (uint32_t) n->data.args[0];
        call->size = (unsigned) n->data.args[2];
        if (call->size > sizeof(call->attr) || !has_threads(s, tid) || !read_attr(tid, n->data.args[1], call) ||
            !proxy_attr_members(call->command, &call->attr, &members))
                return false;
        if (members.in_network) {
                if (!look_at(s, tid, "ns/net", &network))
                        return false;
                call->elsewhere = !same_file(&network, &s->network_ns);
        }
        call->pidfd = sys_pidfd_open_thread(tid);
        if (call->pidfd < 0 || !look_at_capabilities(s, tid, &call->caps) || !fetch_all(call, &members))
                return false;
        /* Still waiting, so what was found by its number was its own. */
        return ioctl(s->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &n->id) == 0;
}

/* ---- the call ---------------------------------------------------------------------------------------------------- */

/* Puts the link into the caller's table, and keeps nothing of it: once the caller closes it, it must be gone. */
static int hand_over(const struct server *s, uint64_t id, int take_link_fd) {
        const struct seccomp_notif_addfd add = {.id = id, .srcfd = (uint32_t) take_link_fd, .newfd_flags = O_CLOEXEC};
        int r;

        r = ioctl(s->listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
        if (r < 0)
                r = -errno;
        (void) close(take_link_fd);
        return r;
}

static int call_kernel(const struct server *s, struct call *call) {
        /* What is behind the end is zeros to the kernel, too, and the caller's end may go through a number. */
        unsigned size = call->size > PROXY_ATTR_LEAST ? call->size : PROXY_ATTR_LEAST;
        int r;

        if (call->zero && call->zero_fd >= 0)
                (void) dup2(call->zero_fd, FD_ZERO);
        else if (call->zero)
                (void) close(FD_ZERO);
        r = sys_capset(call->caps, s->permitted, 0);
        if (r < 0)
                return r;
        r = (int) syscall(SYS_bpf, call->command, &call->attr, size);
        if (r < 0)
                r = -errno;
        (void) sys_capset(s->permitted, s->permitted, 0);
        if (r >= 0 && call->command == BPF_LINK_CREATE)
                r = hand_over(s, call->id, r);
        return r;
}

static void make(const struct server *s, struct call *call) {
        int r = call_kernel(s, call);

        if (call->zero)
                (void) dup2(FD_NULL, FD_ZERO);
        release_fds(call);
        answer(s, call->id, r, 0);
}

/* By a child, which goes to the caller's network namespace and does not come back. */
static bool make_elsewhere(const struct server *s, struct call *call) {
        int status = -1;
        pid_t pid;

        pid = sys_fork_silent();
        if (pid == 0) {
                if (setns(call->pidfd, CLONE_NEWNET) < 0)
                        _exit(EXIT_FAILURE);
                make(s, call);
                _exit(EXIT_SUCCESS);
        }
        release_fds(call);
        return pid > 0 && waitpid(pid, &status, __WALL) == pid && status == 0;
}

static void serve(const struct server *s, const struct seccomp_notif *n) {
        struct call call = CALL_INIT;

        if (!gather(s, n, &call)) {
                release_fds(&call);
                leave_to_kernel(s, n->id);
        } else if (!call.elsewhere)
                make(s, &call);
        else if (!make_elsewhere(s, &call))
                leave_to_kernel(s, n->id);
}

/* ---- the process ------------------------------------------------------------------------------------------------- */

/* The kernel's struct may have grown. */
union notification {
        struct seccomp_notif notif;
        uint8_t space[512];
};

static bool next(const struct server *s, union notification *n) {
        struct pollfd pfd = {.fd = s->listener, .events = POLLIN};

        for (;;) {
                if (poll(&pfd, 1, -1) < 0) {
                        if (errno == EINTR)
                                continue;
                        return false;
                }
                if (!(pfd.revents & POLLIN))
                        return false;     /* POLLHUP: the last one has gone */
                memset(n, 0, sizeof(*n)); /* the kernel insists */
                if (ioctl(s->listener, SECCOMP_IOCTL_NOTIF_RECV, n) == 0)
                        return true;
                if (errno != ENOENT && errno != EINTR) /* ENOENT: the caller was killed meanwhile */
                        return false;
        }
}

static bool know_myself(struct server *s) {
        return sys_capget_effective(0, &s->permitted) >= 0 &&
               fstatat(s->proc_fd, "self/ns/user", &s->user_ns, 0) == 0 &&
               fstatat(s->proc_fd, "self/ns/net", &s->network_ns, 0) == 0;
}

static int receive_listener(int fd) {
        struct sock_received received = SOCK_RECEIVED_INIT;
        char byte;
        int r;

        do
                r = sock_recv(fd, &byte, sizeof(byte), 1, &received);
        while (r == -EINTR);
        return r < 0 || received.n_fds == 0 ? -1 : received.fds[0];
}

/* Not of the command's session and terminal, and holding nothing of its descriptors and directory: whoever reads from a
 * pipe of the command's would wait for us. */
static void be_proxy(int fd, int null_fd, int proc_fd) {
        const int keep[] = {fd, null_fd, proc_fd};
        struct server s = {.proc_fd = proc_fd, .listener = -1};
        union notification n;

        (void) setsid();
        (void) prctl(PR_SET_NAME, "bpfdeleg-proxy");
        if (chdir("/") < 0 || sys_close_all_but(keep, ELEMENTSOF(keep)) < 0)
                return;
        for (int i = 0; i < 3; i++)
                if (dup2(null_fd, i) < 0)
                        return;
        (void) close(null_fd);
        s.listener = receive_listener(fd);
        (void) close(fd);
        if (s.listener < 0 || !know_myself(&s))
                return;
        /* The caller is woken where we are, as if it had made the call itself. A kernel that cannot is slower. */
        (void) ioctl(s.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);
        while (next(&s, &n))
                serve(&s, &n.notif);
}

/* ---- starting it ------------------------------------------------------------------------------------------------- */

static bool kernel_fits(void) {
        struct seccomp_notif_sizes sizes;

        return sys_seccomp(SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0 &&
               sizes.seccomp_notif <= sizeof(union notification) &&
               sizes.seccomp_notif_resp <= sizeof(struct seccomp_notif_resp);
}

/* Descriptors that are none of 0 to 2, also where these are closed. */
static int open_high(const char *path, int flags) {
        _cleanup_close_ int fd = open(path, flags | O_CLOEXEC);
        int high;

        if (fd < 0)
                return -errno;
        high = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        return high < 0 ? -errno : high;
}

static int socketpair_high(int *ret_mine, int *ret_its) {
        int ends[2], high[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
                return -errno;
        for (int i = 0; i < 2; i++) {
                high[i] = fcntl(ends[i], F_DUPFD_CLOEXEC, 3);
                if (high[i] < 0)
                        high[i] = -errno;
                (void) close(ends[i]);
        }
        *ret_mine = high[0];
        *ret_its = high[1];
        return high[0] < 0 ? high[0] : high[1] < 0 ? high[1] : 0;
}

/* The child's part of the fork: its own child becomes the proxy, whose parent is gone. Tells errno by its status. */
static void fork_again(int fd, int null_fd, int proc_fd) {
        pid_t pid;

        pid = sys_fork_silent();
        if (pid == 0)
                be_proxy(fd, null_fd, proc_fd);
        _exit(pid < 0 ? (int) -pid : 0);
}

static int fork_twice(int fd, int null_fd, int proc_fd) {
        int status = 0;
        pid_t pid;

        pid = sys_fork_silent();
        if (pid < 0)
                return (int) pid;
        if (pid == 0)
                fork_again(fd, null_fd, proc_fd);
        while (waitpid(pid, &status, __WALL) < 0)
                if (errno != EINTR)
                        return -errno;
        return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

/* As a subreaper, which survives exec, this process would be the parent of whatever loses its own. */
static int fork_proxy(int fd, int null_fd, int proc_fd) {
        int reaper = 0, r;

        if (prctl(PR_GET_CHILD_SUBREAPER, &reaper, 0, 0, 0) < 0)
                return -errno;
        if (reaper && prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) < 0)
                return -errno;
        r = fork_twice(fd, null_fd, proc_fd);
        if (reaper)
                (void) prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        return r;
}

int proxy_start(struct proxy *ret) {
        _cleanup_close_ int null_fd = -1, proc_fd = -1, mine = -1, its = -1;
        int r;

#ifdef NO_FILTER
        return -EOPNOTSUPP;
#endif
        if (!kernel_fits())
                return -EOPNOTSUPP;
        null_fd = open_high("/dev/null", O_RDWR);
        if (null_fd < 0)
                return null_fd;
        proc_fd = open_high("/proc", O_PATH | O_DIRECTORY);
        if (proc_fd < 0)
                return proc_fd;
        r = socketpair_high(&mine, &its);
        if (r < 0)
                return r;
        r = fork_proxy(its, null_fd, proc_fd);
        if (r < 0)
                return r;
        ret->fd = TAKE_FD(mine);
        return 0;
}

int proxy_hook(struct proxy *proxy) {
        _cleanup_close_ int listener = -1;
        int r;

        listener = install_filter();
        if (listener < 0)
                return TAKE_FD(listener);
        do
                r = sock_send(proxy->fd, "", 1, &listener, 1);
        while (r == -EINTR);
        return r < 0 ? PROXY_LOST : 0;
}

void proxy_done(struct proxy *proxy) {
        proxy->fd = close_fd(proxy->fd);
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Out of the namespace, into other hands: another user's delegation, a user namespace that a setuid program has made, a
 * process whose seccomp supervisor puts descriptors into its table, one that joins a namespace below the delegation's.
 */

#include "escape.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>

/* ---- a receiver: it uses what it is given, or, what is of no use to itself, hands it on ---- */

static enum result use_arrived(struct play *play, int fd) {
        char path[64], text[64] = "";

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        if (readlink(path, text, sizeof(text) - 1) < 0)
                return say(play, BROKEN, "readlink: %s", strerror(errno));
        if (strstr(text, "bpf-prog"))
                return use_prog(play, fd);
        if (strstr(text, "bpf_link"))
                return use_link(play, fd);
        return give(play, fd) < 0 ? BROKEN : UNDECIDED;
}

enum result receive_one(struct play *play) {
        enum result result;
        int fd, r;

        r = take(play, &fd);
        result = r < 0 ? untaken(play, r, "SCM_RIGHTS to the receiver") : use_arrived(play, fd);
        return tell_and_stay(play, result);
}

static socklen_t name_of(const char *name, struct sockaddr_un *ret) {
        *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
        copy_field_cut(ret->sun_path + 1, sizeof(ret->sun_path) - 1, name);
        return (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + strlen(ret->sun_path + 1));
}

/* Each in a process of its own, which is gone with what it has got when the other side is. */
int receive_at(const struct play *play, const char *name) {
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        struct sockaddr_un address;
        socklen_t size = name_of(name, &address);

        (void) signal(SIGCHLD, SIG_IGN);
        if (bind(fd, (struct sockaddr *) &address, size) < 0 || listen(fd, 8) < 0)
                return BROKEN;
        for (;;) {
                struct play its = *play;

                its.peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
                if (its.peer >= 0 && fork() == 0) {
                        _exit(receive_one(&its));
                }
                its.peer = close_fd(its.peer);
        }
}

/* Outside: inside gets our connection to the receiver, and what the receiver says or hands on comes back here. */
static enum result by_receiver(struct play *play, int connection) {
        struct play its = {.peer = connection};
        enum result result;
        int fd, r;

        if (connection < 0)
                return say(play, BROKEN, "no receiver: %s", strerror(-connection));
        if (give(play, connection) < 0)
                return BROKEN;
        r = take(&its, &fd);
        if (r == 0)
                return use_token(play, fd);
        result = untaken(&its, r, "waiting for the receiver");
        copy_field_cut(play->said, sizeof(play->said), its.said);
        return result;
}

static enum result to_receiver(struct play *play, int fd, const char *what) {
        struct play its = {.peer = -1};
        int r = take(play, &its.peer);

        if (r < 0)
                return untaken(play, r, "taking the connection");
        if (fd < 0)
                return say(play, BROKEN, "%s cannot be made: %s", what, strerror(-fd));
        return give(&its, fd) < 0 ? BROKEN : UNDECIDED;
}

/* For an attach that the kernel asks no capability for: whoever has the program may attach it. */
static int freely_attached(struct play *play) {
        return load_return(play, PROG_CGROUP_SOCK, AT_SOCK_CREATE, 1);
}
static enum result prog_to_receiver(struct play *play) {
        return to_receiver(play, freely_attached(play), "a program");
}
static enum result token_to_receiver(struct play *play) {
        return to_receiver(play, make_token(play), "a token");
}
static enum result link_to_receiver(struct play *play) {
        return to_receiver(play, own_link(play), "a link on the own subtree");
}

static enum result by_other_user(struct play *play) {
        const char *name = getenv("ESCAPE_RECEIVER");
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        struct sockaddr_un address;
        socklen_t size = name_of(name ? name : "", &address);

        return by_receiver(play, connect(fd, (struct sockaddr *) &address, size) < 0 ? -errno : fd);
}

/* The program is setuid root, as bubblewrap's is where users may not make namespaces. */
static int start_in_made_namespace(void) {
        char *const command[] = {(char *) (uintptr_t) "userns-maker", (char *) (uintptr_t) "escape",
                                 (char *) (uintptr_t) "--receive-on", NULL};
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        if (fork() == 0) {
                char text[32];

                (void) snprintf(text, sizeof(text), "%d", dup(pair[1]));
                (void) setenv(PEER_ENV, text, true);
                (void) execvp(command[0], command);
                _exit(127);
        }
        (void) close(pair[1]);
        return pair[0];
}
static enum result by_made_namespace(struct play *play) {
        return by_receiver(play, start_in_made_namespace());
}

/* ---- seccomp: a supervisor puts descriptors into the table of who waits for its answer ---- */

#define ANY_COMMAND 0
#define LINK_CREATE 28

/* From now on this process waits for an answer at that call. The listener or -errno. */
static int supervise_me(uint32_t call, uint32_t command) {
        struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, 3),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, command, 0, 1),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        struct sock_fprog program = {.len = ELEMENTSOF(filter), .filter = filter};
        int fd;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        fd = (int) syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
        return fd < 0 ? -errno : fd;
}

/* The supervisor: our descriptor into the table of who calls, as newfd, or as the lowest, which his call returns. */
static int add_to_caller(int listener, int fd, int newfd) {
        struct seccomp_notif call = {.id = 0};
        struct seccomp_notif_addfd add = {.srcfd = (uint32_t) fd};
        struct seccomp_notif_resp answer = {.id = 0};
        int r;

        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) < 0)
                return -errno;
        add.id = answer.id = call.id;
        add.newfd = newfd >= 0 ? (uint32_t) newfd : 0;
        add.flags = newfd >= 0 ? SECCOMP_ADDFD_FLAG_SETFD : 0;
        r = ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
        if (r < 0)
                answer.error = r = -errno;
        else if (newfd >= 0)
                answer.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
        else
                answer.val = r;
        return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer) < 0 ? -errno : r;
}

/* Inside out: outside waits at vhangup(2), and inside is its supervisor. */
static enum result add_outside(struct play *play, int fd, const char *what) {
        int listener, r;

        if (fd < 0)
                return say(play, BROKEN, "%s cannot be made: %s", what, strerror(-fd));
        r = take(play, &listener);
        if (r < 0)
                return untaken(play, r, "taking the listener");
        r = add_to_caller(listener, fd, -1);
        return r < 0 ? refused(play, r, "ADDFD into the table of a process outside") : UNDECIDED;
}
static enum result add_prog_outside(struct play *play) {
        return add_outside(play, own_prog(play), "a program");
}
static enum result add_token_outside(struct play *play) {
        return add_outside(play, make_token(play), "a token");
}
static enum result add_link_outside(struct play *play) {
        return add_outside(play, own_link(play), "a link on the own subtree");
}

static enum result wait_for_added(struct play *play, use_function *use) {
        int listener = supervise_me(SYS_vhangup, ANY_COMMAND), fd;

        if (listener < 0)
                return say(play, BROKEN, "seccomp: %s", strerror(-listener));
        if (give(play, listener) < 0)
                return BROKEN;
        /* Whoever listens, too, would hang for ever if inside went away. */
        (void) close(listener);
        fd = (int) syscall(SYS_vhangup, ANY_COMMAND);
        return fd < 0 ? UNDECIDED : use(play, fd);
}
static enum result wait_for_prog(struct play *play) {
        return wait_for_added(play, use_prog);
}
static enum result wait_for_token(struct play *play) {
        return wait_for_added(play, use_token);
}
static enum result wait_for_link(struct play *play) {
        return wait_for_added(play, use_link);
}

/* Outside in: between the call and the kernel's look at it the own cgroup becomes the root, in a table that nobody
 * shares. */
#define SWAPPED_FD 200

static enum result link_to_swapped(struct play *play) {
        int own = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC), prog = own_prog(play), listener, link;

        if (prog < 0 || dup3(own, SWAPPED_FD, O_CLOEXEC) < 0)
                return say(play, BROKEN, "a program or the own cgroup: %d, %d", prog, own);
        listener = supervise_me(SYS_bpf, LINK_CREATE);
        if (listener < 0)
                return say(play, BROKEN, "seccomp: %s", strerror(-listener));
        if (give(play, listener) < 0)
                return BROKEN;
        (void) close(listener);
        link = make_link_at(prog, SWAPPED_FD, AT_EGRESS);
        if (inode_of(SWAPPED_FD) == inode_of(own))
                return say(play, BROKEN, "nobody has put the root there");
        if (link < 0)
                return refused(play, link, "link_create");
        if (link_cgroup(link) != inode_of(SWAPPED_FD))
                return say(play, BROKEN, "the link is on another cgroup than the swapped one");
        return say(play, ESCAPED, "link %u on the root cgroup", object_id(link));
}

static enum result swap_inside(struct play *play) {
        int root = open_cgroup(play, "root", O_RDONLY), listener, r;

        r = take(play, &listener);
        if (r < 0)
                return untaken(play, r, "taking the listener");
        r = add_to_caller(listener, root, SWAPPED_FD);
        return r < 0 ? say(play, BROKEN, "ADDFD into the table of inside: %s", strerror(-r)) : UNDECIDED;
}

/* ---- a companion that shares our table, and joins a namespace below the delegation's ---- */

/* The user namespace that a child makes and dies in. */
static int open_nested(void) {
        char path[64], byte = 0;
        int pipes[2], fd;
        pid_t pid;

        if (pipe(pipes) < 0)
                return -errno;
        pid = fork();
        if (pid == 0) {
                if (unshare(CLONE_NEWUSER) == 0 && write(pipes[1], &byte, 1) == 1)
                        (void) pause();
                _exit(1);
        }
        (void) close(pipes[1]);
        if (pid < 0 || read(pipes[0], &byte, 1) != 1)
                return -ECHILD;
        (void) snprintf(path, sizeof(path), "/proc/%d/ns/user", (int) pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                fd = -errno;
        (void) kill(pid, SIGKILL);
        (void) waitpid(pid, NULL, 0);
        return fd;
}

static enum result give_nested_and_prog(struct play *play) {
        enum result result = give_made(play, open_nested(), "a namespace below");
        int fd, r;

        if (result != UNDECIDED)
                return result;
        r = take(play, &fd);
        return r < 0 ? untaken(play, r, "waiting") : give_made(play, own_prog(play), "a program");
}

struct companion {
        struct play *play;
        int namespace;
};
enum { CANNOT_JOIN = 0, NOT_DELIVERED = 1, FAILED = 2 }; /* else the descriptor that it has got */

static int take_below(void *argument) {
        struct companion *companion = argument;
        int fd, r;

        if (setns(companion->namespace, CLONE_NEWUSER) < 0)
                return CANNOT_JOIN;
        if (give(companion->play, -1) < 0)
                return FAILED;
        r = take(companion->play, &fd);
        return r == 0 ? fd : r == -EACCES ? NOT_DELIVERED : FAILED;
}

static enum result companion_below(struct play *play) {
        static char stack[1 << 18] __attribute__((aligned(16)));
        struct companion companion = {.play = play};
        int status, r;
        pid_t pid;

        r = take(play, &companion.namespace);
        if (r < 0)
                return untaken(play, r, "taking the namespace");
        pid = clone(take_below, stack + sizeof(stack), CLONE_FILES | SIGCHLD, &companion);
        if (pid < 0 || waitpid(pid, &status, 0) < 0)
                return say(play, BROKEN, "clone: %s", strerror(errno));
        switch (WIFEXITED(status) ? WEXITSTATUS(status) : FAILED) {
        case CANNOT_JOIN:
                return say(play, REFUSED, "the companion cannot join the namespace below with a shared table");
        case NOT_DELIVERED:
                return say(play, REFUSED, "the program was not delivered to the companion");
        case FAILED:
                return say(play, BROKEN, "the companion failed");
        default:
                return use_prog(play, WEXITSTATUS(status));
        }
}

const struct vector receiver_vectors[] = {
        {.name = "prog-other-user", .group = "receivers", .inside = prog_to_receiver, .outside = by_other_user},
        {.name = "token-other-user", .group = "receivers", .inside = token_to_receiver, .outside = by_other_user},
        {.name = "link-other-user", .group = "receivers", .inside = link_to_receiver, .outside = by_other_user},
        {.name = "prog-setuid-userns", .group = "receivers", .inside = prog_to_receiver, .outside = by_made_namespace},
        {.name = "token-setuid-userns",
         .group = "receivers",
         .inside = token_to_receiver,
         .outside = by_made_namespace},
        {.name = "link-setuid-userns", .group = "receivers", .inside = link_to_receiver, .outside = by_made_namespace},
        {.name = "prog-addfd-out", .group = "receivers", .inside = add_prog_outside, .outside = wait_for_prog},
        {.name = "token-addfd-out", .group = "receivers", .inside = add_token_outside, .outside = wait_for_token},
        {.name = "link-addfd-out", .group = "receivers", .inside = add_link_outside, .outside = wait_for_link},
        /* Its listener is its own. */
        {.name = "cgroup-addfd-in",
         .group = "receivers",
         .inside = link_to_swapped,
         .outside = swap_inside,
         .without_proxy = true},
        {.name = "prog-clone-files-below",
         .group = "receivers",
         .inside = give_nested_and_prog,
         .outside = companion_below},
        {.name = NULL},
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The helper's own short-lived or sleeping children (maker, anchor, escort, nursery): born with one socket to the
 * helper, killed and reaped without anybody waiting for them.
 */

#include <sys/epoll.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "sysapi.h"

/*
 * What the loop waits for where thousands of descriptors may become ready at the same time: edge-triggered. Otherwise
 * epoll looks at all that are ready again for each one that is handled, and the end of 5000 delegations takes 20 s.
 */
#define ONCE_EXITED (EPOLLIN | EPOLLET)   /* a pidfd */
#define ONCE_CHANGED (EPOLLPRI | EPOLLET) /* cgroup.events */

struct child {
        pid_t pid; /* stays this process's as long as it is not reaped, and only child_done() lets that happen */
        int pidfd;
        int channel;    /* our end, non-blocking; SOCK_SEQPACKET */
        uint64_t slots; /* child.c's: where its descriptors are kept for it until it has been heard of */
};

#define CHILD_INIT \
        { .pid = 0, .pidfd = -1, .channel = -1 }

/* What children and helper tell each other: a step of the child's own numbering, and how it went. */
struct child_message {
        uint32_t step;
        int32_t error; /* 0 or -errno */
};

/*
 * Forks. The child: dies with the helper (it may take that back, and must say so again after each change of uid);
 * closes everything but its end of the channel and keep (at most CHILD_KEEP, -1 skipped), calls main() and exits with
 * 0 whatever it returns. The child has no copy of the heap. It may call only async-signal-safe functions. `arg` and
 * everything it points to must be on the caller's stack. main: fds[i] is the child's own descriptor of keep[i],
 * whatever number arg may have of it. cgroup_fd: a cgroup directory to be born in, or -1. Returns 0 and *ret, to be
 * given to child_done(); or -errno.
 */
#define CHILD_KEEP 6
typedef void (*child_main)(int channel, const int *fds, void *arg);
int child_spawn(struct child *ret, int cgroup_fd, child_main main, void *arg, const int *keep, size_t n_keep);

/* At start, when few descriptors are open: sets numbers aside, as far as there are some, and remembers where the heap
 * begins. Without it each child_spawn() costs more the more descriptors and memory the helper has. */
void child_init(void);

/*
 * Kills the child if it lives and forgets it; it is reaped behind this, as soon as the kernel lets it go (a process in
 * uninterruptible sleep delays nobody). event: NULL only when the loop is gone already. Takes an empty one.
 */
void child_done(struct child *child, sd_event *event);

/* At start: keeps where the arguments are, for child_set_title(). */
void child_keep_arguments(int argc, char **argv);

/* In a child: what ps(1) and systemd-cgls(1) are to call it; cut to the room that the arguments leave. */
void child_set_title(const char *title);

/* In a child: tells the helper, with a descriptor or -1. */
void child_send(int channel, uint32_t step, int error, int fd);

/* In a child: goes on if r is no error (neither -errno nor a system call's own -1); else tells the helper which step
 * it was, and exits. */
void child_must(int channel, uint32_t step, int r);

/* Opens /proc/PID/name of a child, for reading. Descriptor or -errno; -ESRCH: it has gone. */
int child_open_proc(const struct child *child, const char *name);

/* Where a child sits, by the kernel's word: its cgroup2 path, from "/" on. Returns 0; -ESRCH: it has gone, or sits
 * deeper than the file can tell; -EPROTO: in no cgroup of cgroup2. Async-signal-safe. */
#define CHILD_CGROUP_SIZE 8192
int child_cgroup(const struct child *child, char ret[CHILD_CGROUP_SIZE]);

/*
 * In the helper: takes one message of a child and at most one descriptor. Returns 0, -EAGAIN, or -errno; a child's
 * own error comes in message.
 */
int child_recv(struct child *child, struct child_message *ret, int *ret_fd);

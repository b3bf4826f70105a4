/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Children. A pid is used for paths in /proc (uid_map, ns/), so it must not be recycled under us: a child is left
 * unreaped as long as its struct child lives (and an anchor taken over from an earlier helper is asked by its pidfd). After that a one-shot event source of its own does the reaping.
 */

#include "config.h"

#include "child.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "log.h"
#include "sock.h"

int child_spawn(struct child *ret, int cgroup_fd, child_main main, void *arg, const int *keep, size_t n_keep) {
        _cleanup_close_ int ours = -1, theirs = -1;
        int pair[2], pidfd = -1, kept[8];
        pid_t pid;

        if (n_keep >= ELEMENTSOF(kept))
                return -EINVAL;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0)
                return -errno;
        kept[0] = theirs;
        for (size_t i = 0; i < n_keep; i++)
                kept[i + 1] = keep[i];

        pid = sys_clone3(0, cgroup_fd, &pidfd);
        if (pid < 0)
                return pid;
        if (pid == 0) {
                /* First of all: until its copies of the helper's descriptors are closed, it holds the locks by which the next
                 * helper knows that it is the only one. Should the helper be dead already, the channel ends the child. */
                if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && sys_close_all_but(kept, n_keep + 1) == 0)
                        main(theirs, arg);
                _exit(0);
        }
        *ret = (struct child){.pid = pid, .pidfd = pidfd, .channel = TAKE_FD(ours)};
        return 0;
}

/* sd_event_add_child_pidfd would do for children of ours, but an anchor taken over from an earlier helper is none. */
static int on_exit_reap(sd_event_source *source, int fd, uint32_t revents, void *userdata) {
        siginfo_t si;

        (void) revents;
        (void) userdata;
        (void) waitid(P_PIDFD, (id_t) fd, &si, WEXITED | WNOHANG);
        sd_event_source_disable_unref(source); /* the loop's reference; closes fd, which the source owns */
        return 0;
}

/* The source belongs to the loop ("floating"), and the descriptor to the source: whichever ends first, nothing is
 * left. */
static int reap_later(int pidfd, sd_event *event) {
        sd_event_source *source = NULL;
        int r;

        r = sd_event_add_io(event, &source, pidfd, EPOLLIN, on_exit_reap, NULL);
        if (r < 0)
                return r;
        r = sd_event_source_set_io_fd_own(source, true);
        if (r >= 0)
                r = sd_event_source_set_floating(source, true);
        if (r < 0) {
                (void) sd_event_source_set_io_fd_own(source, false); /* the caller keeps it */
                sd_event_source_disable_unref(source);
                return r;
        }
        sd_event_source_unref(source);
        return 0;
}

void child_done(struct child *child, sd_event *event) {
        siginfo_t si = {0};

        if (child->pidfd >= 0) {
                (void) sys_pidfd_send_signal(child->pidfd, SIGKILL);
                if (waitid(P_PIDFD, (id_t) child->pidfd, &si, WEXITED | WNOHANG) == 0 && si.si_pid == 0 && event &&
                    reap_later(child->pidfd, event) == 0)
                        child->pidfd = -1;
        }
        child->pidfd = close_fd(child->pidfd);
        child->channel = close_fd(child->channel);
        child->pid = 0;
}

/* The kernel shows the bytes between these as /proc/PID/cmdline, whatever they are by now. */
static char *arguments;
static size_t arguments_size;

void child_keep_arguments(int argc, char **argv) {
        const char *last = argc > 0 ? argv[argc - 1] : NULL;

        if (!last)
                return;
        arguments = argv[0];
        arguments_size = (size_t) (last + strlen(last) + 1 - argv[0]);
}

void child_set_title(const char *title) {
        (void) prctl(PR_SET_NAME, title, 0, 0, 0);
        if (arguments_size > 0)
                copy_field_cut(arguments, arguments_size, title);
}

void child_tell(int channel, uint32_t step, int error, int fd) {
        struct child_message message = {.step = step, .error = error};

        /* If the helper is gone there is nobody to tell, and PDEATHSIG or the closed channel ends the child. */
        (void) sock_send(channel, &message, sizeof(message), &fd, fd >= 0);
}

void child_must(int channel, uint32_t step, int r) {
        if (r < 0) {
                child_tell(channel, step, r == -1 && errno ? -errno : r, -1);
                _exit(1);
        }
}

int child_open_proc(const struct child *child, const char *name) {
        _cleanup_close_ int fd = -1;
        char path[48];
        int r;

        (void) snprintf(path, sizeof(path), "/proc/%d/%s", (int) child->pid, name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        /* An anchor of an earlier helper is not ours to reap: its number was its own if it is there still. */
        r = sys_pidfd_send_signal(child->pidfd, 0);
        return r < 0 ? r : TAKE_FD(fd);
}

int child_cgroup(const struct child *child, char ret[CHILD_CGROUP_SIZE]) {
        _cleanup_close_ int fd = -1;
        const char *line;
        ssize_t n;

        fd = child_open_proc(child, "cgroup");
        n = fd < 0 ? -1 : read(fd, ret, CHILD_CGROUP_SIZE - 1);
        if (n <= 0)
                return -ESRCH;
        ret[n] = '\0';
        line = strncmp(ret, "0::/", 4) == 0 ? ret : strstr(ret, "\n0::/");
        if (!line)
                return -EPROTO;
        line = strchr(line, '/');
        n = (ssize_t) strcspn(line, "\n");
        memmove(ret, line, (size_t) n);
        ret[n] = '\0';
        return 0;
}

int child_hear(const struct child *child, struct child_message *ret, int *ret_fd) {
        struct sock_received received = SOCK_RECEIVED_INIT;
        struct child_message message;
        int r;

        r = sock_recv(child->channel, &message, sizeof(message), 1, &received);
        if (r < 0)
                return r;
        if (received.size != sizeof(message)) {
                sock_received_done(&received);
                return -EBADMSG;
        }
        *ret = message;
        *ret_fd = TAKE_FD(received.fds[0]);
        return 0;
}

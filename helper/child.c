/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Children. A pid is used for paths in /proc (uid_map, ns/), so it must not be recycled under us: a child is left
 * unreaped as long as its struct child lives (and an anchor taken over from an earlier helper is asked by its pidfd).
 * After that a one-shot event source of its own does the reaping.
 */

#include "config.h"

#include "child.h"

#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "log.h"
#include "sock.h"

/*
 * No child gets the heap: it needs nothing there, whoever its user is has no business with what it says of others, and
 * a copy of its page tables costs the more the more delegations there are.
 */
static char *heap; /* where it begins; NULL: not known, or the allocator has it elsewhere */

static char *find_heap(void) {
        unsigned long long begin = 0;
        char line[512];
        FILE *f;

        f = fopen("/proc/self/maps", "re");
        while (f && begin == 0 && fgets(line, sizeof(line), f))
                if (strstr(line, "[heap]"))
                        (void) sscanf(line, "%llx-", &begin);
        if (f)
                (void) fclose(f);
        return (char *) (uintptr_t) begin;
}

static void keep_heap_from_children(void) {
        char *end = sbrk(0);

        if (heap && end > heap)
                (void) madvise(heap, (size_t) (end - heap),
                               MADV_DONTFORK); /* what has grown since the last time is not marked yet */
}

/*
 * A fork copies all descriptors, for the child to close them again: with 5000 delegations that is more than all else
 * that a login costs. So the child shares the helper's table at first, and the first thing it does is to make one of
 * its own, of the low numbers only; what it is to keep is put there for it, in slots that nothing else has, as the
 * helper may close its own at any time. They are free again when the child has been heard of, or killed. Should all be
 * taken, the fork copies.
 */
#define SLOTS 64 /* bits of struct child's */
#define SLOT_FIRST 64
#define SLOT_END (SLOT_FIRST + SLOTS)

static int slot_filler = -1; /* what is in free ones, so that nothing else gets their numbers */
static uint64_t free_slots;

void child_init(void) {
        heap = find_heap();
        slot_filler = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        /* Fewer where whoever started us had some of the numbers open, or the limit of descriptors is as low as
         * that. */
        for (int fd; slot_filler >= 0 && (fd = fcntl(slot_filler, F_DUPFD_CLOEXEC, SLOT_FIRST)) >= 0;) {
                if (fd >= SLOT_END) {
                        (void) close(fd);
                        return;
                }
                free_slots |= UINT64_C(1) << (fd - SLOT_FIRST);
        }
}

static void slots_release(uint64_t *slots) {
        for (unsigned i = 0; i < SLOTS; i++)
                if (*slots >> i & 1)
                        (void) dup3(slot_filler, SLOT_FIRST + (int) i, O_CLOEXEC);
        free_slots |= *slots;
        *slots = 0;
}

/* Puts copies into slots. Returns false, and takes none, if there are not enough. */
static bool slots_take(const int *fds, size_t n, int *ret_fds, uint64_t *ret_slots) {
        uint64_t taken = 0;

        for (size_t i = 0; i < n; i++) {
                unsigned slot = 0;

                ret_fds[i] = fds[i];
                if (fds[i] < 0)
                        continue;
                while (slot < SLOTS && !(free_slots >> slot & 1))
                        slot++;
                if (slot == SLOTS || dup3(fds[i], SLOT_FIRST + (int) slot, O_CLOEXEC) < 0) {
                        slots_release(&taken);
                        return false;
                }
                ret_fds[i] = SLOT_FIRST + (int) slot;
                free_slots &= ~(UINT64_C(1) << slot);
                taken |= UINT64_C(1) << slot;
        }
        *ret_slots = taken;
        return true;
}

static _Noreturn void be_child(bool sharing, const int *fds, size_t n, child_main main, void *arg) {
        /* First of all: until its copies of the helper's descriptors are closed, it holds the locks by which the next
         * helper knows that it is the only one. Should the helper be dead already, the channel ends the child. */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && (!sharing || sys_unshare_files_below(SLOT_END) == 0) &&
            sys_close_all_but(fds, n) == 0)
                main(fds[0], fds + 1, arg);
        _exit(0);
}

int child_spawn(struct child *ret, int cgroup_fd, child_main main, void *arg, const int *keep, size_t n_keep) {
        _cleanup_close_ int ours = -1, theirs = -1;
        int pair[2], pidfd = -1, kept[1 + CHILD_KEEP], fds[1 + CHILD_KEEP];
        uint64_t slots = 0;
        bool sharing;
        pid_t pid;

        if (n_keep > CHILD_KEEP)
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

        keep_heap_from_children();
        sharing = slots_take(kept, n_keep + 1, fds, &slots);
        pid = sys_clone3(sharing ? CLONE_FILES : 0, cgroup_fd, &pidfd);
        if (pid == 0)
                be_child(sharing, sharing ? fds : kept, n_keep + 1, main, arg);
        if (pid < 0) {
                slots_release(&slots);
                return pid;
        }
        *ret = (struct child){.pid = pid, .pidfd = pidfd, .channel = TAKE_FD(ours), .slots = slots};
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

        r = sd_event_add_io(event, &source, pidfd, ONCE_EXITED, on_exit_reap, NULL);
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
        slots_release(&child->slots); /* killed, it does not come to look for them any more */
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

void child_send(int channel, uint32_t step, int error, int fd) {
        struct child_message message = {.step = step, .error = error};

        /* If the helper is gone there is nobody to tell, and PDEATHSIG or the closed channel ends the child. */
        (void) sock_send(channel, &message, sizeof(message), &fd, fd >= 0);
}

void child_must(int channel, uint32_t step, int r) {
        if (r < 0) {
                child_send(channel, step, r == -1 && errno ? -errno : r, -1);
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

#define CGROUP2_LINE "0::/" /* what the line of cgroup2 begins with */
int child_cgroup(const struct child *child, char ret[CHILD_CGROUP_SIZE]) {
        _cleanup_close_ int fd = -1;
        const char *line;
        ssize_t n;

        fd = child_open_proc(child, "cgroup");
        n = fd < 0 ? -1 : read(fd, ret, CHILD_CGROUP_SIZE - 1);
        if (n <= 0)
                return -ESRCH;
        ret[n] = '\0';
        line = strncmp(ret, CGROUP2_LINE, strlen(CGROUP2_LINE)) == 0 ? ret : strstr(ret, "\n" CGROUP2_LINE);
        if (!line)
                return -EPROTO;
        line += strlen(CGROUP2_LINE) - (line == ret);
        n = (ssize_t) strcspn(line, "\n");
        memmove(ret, line, (size_t) n);
        ret[n] = '\0';
        return 0;
}

int child_recv(struct child *child, struct child_message *ret, int *ret_fd) {
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
        slots_release(&child->slots);
        *ret = message;
        *ret_fd = TAKE_FD(received.fds[0]);
        return 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The sweep. A process is killed only when a pidfd opened before the last look at its namespace is what is signalled,
 * so never another one that got the number. Namespaces below an ended one count as well: NS_GET_PARENT is walked up,
 * only for the few processes that are in no namespace we know. A process may fork while the pass goes by it, so
 * passes are repeated until one finds nothing.
 */

#include "config.h"

#include "sweep.h"

#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "log.h"
#include "peer.h"

#define SWEEP_DELAY_USEC (20 * USEC_PER_MSEC) /* many ends, one pass */
#define SWEEP_MAX 256                         /* more ends than this at once: the pass is made at once */
#define SWEEP_PASSES 100                      /* then somebody out-forks us; it is reported */
#define NS_DEPTH_MAX 33                       /* the kernel's own bound on nesting, kernel/user_namespace.c */

struct ended {
        uint64_t id;
        uid_t uid;
        struct sys_namespace ns;
        int fd; /* -1: whether a namespace is this one has to be judged */
};

struct sweep {
        sd_event *event;
        sd_event_source *timer;
        struct ended ended[SWEEP_MAX];
        size_t n_ended;
        unsigned passes;
        struct stat initial; /* the helper's own user namespace: where nearly everybody is */
        struct sweep_callbacks callbacks;
        void *userdata;
};

/* Numbers are given out again: without a descriptor, only what that user owns and no delegation of today has can be
 * meant. */
static bool is_meant(const struct sweep *sweep, const struct ended *ended, const struct sys_namespace *ns, int fd) {
        uid_t owner;

        return ended->fd >= 0 ||
               (ioctl(fd, NS_GET_OWNER_UID, &owner) == 0 && owner == ended->uid && !sweep->callbacks.living(sweep->userdata, ns));
}

static bool is_ended(const struct sweep *sweep, int fd) {
        struct sys_namespace ns;

        if (sys_namespace_identify(fd, &ns) < 0)
                return false;
        for (size_t i = 0; i < sweep->n_ended; i++)
                if (sys_namespace_same(&sweep->ended[i].ns, &ns) && is_meant(sweep, &sweep->ended[i], &ns, fd))
                        return true;
        return false;
}

static bool is_initial(const struct sweep *sweep, const struct stat *st) {
        return st->st_ino == sweep->initial.st_ino && st->st_dev == sweep->initial.st_dev;
}

/* Whether the user namespace of /proc/PID, or one above it, is an ended one. */
static bool is_stray(const struct sweep *sweep, int pid_dirfd) {
        _cleanup_close_ int fd = -1;
        struct stat st;

        if (fstatat(pid_dirfd, "ns/user", &st, 0) < 0 || is_initial(sweep, &st))
                return false;
        fd = openat(pid_dirfd, "ns/user", O_RDONLY | O_CLOEXEC);
        for (unsigned depth = 0; fd >= 0 && depth < NS_DEPTH_MAX; depth++) {
                int parent;

                if (is_ended(sweep, fd))
                        return true;
                parent = ioctl(fd, NS_GET_PARENT);
                (void) close_fd(fd);
                fd = parent;
                if (fd < 0 || fstat(fd, &st) < 0 || is_initial(sweep, &st))
                        return false;
        }
        return false;
}

/* Returns whether the process was a stray. */
static bool look_at(struct sweep *sweep, int proc_fd, const char *name) {
        _cleanup_close_ int dirfd = -1, pidfd = -1;
        uint64_t pid;

        if (parse_uint(name, 10, INT32_MAX, &pid) < 0)
                return false;
        dirfd = openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (dirfd < 0 || !is_stray(sweep, dirfd))
                return false;
        pidfd = sys_pidfd_open((pid_t) pid);
        /* dirfd belongs to one process for ever: if it still answers now, pidfd is that process's. */
        if (pidfd < 0 || !is_stray(sweep, dirfd))
                return false;
        /* A zombie still has its namespace; it is its parent's to reap, and no stray any more. */
        if (pidfd_exited(pidfd) || sys_pidfd_send_signal(pidfd, SIGKILL) < 0)
                return false;
        /* Later passes meet the same ones again until they are dead. */
        if (sweep->passes == 0)
                log_line(LOG_NOTICE, "killed the stray process %s of an ended delegation", name);
        return true;
}

static size_t pass(struct sweep *sweep) {
        const struct dirent *e;
        size_t found = 0;
        DIR *d;

        d = opendir("/proc");
        if (!d) {
                log_line(LOG_ERR, "strays cannot be looked for: /proc: %m");
                return 0;
        }
        while ((e = readdir(d)))
                found += look_at(sweep, dirfd(d), e->d_name);
        (void) closedir(d);
        return found;
}

static void close_all(struct sweep *sweep) {
        for (size_t i = 0; i < sweep->n_ended; i++)
                (void) close_fd(sweep->ended[i].fd);
        sweep->n_ended = 0;
        sweep->passes = 0;
        sweep->timer = sd_event_source_disable_unref(sweep->timer);
}

static void forget(struct sweep *sweep) {
        for (size_t i = 0; i < sweep->n_ended; i++)
                sweep->callbacks.swept(sweep->userdata, sweep->ended[i].id);
        close_all(sweep);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct sweep *sweep = userdata;
        int r;

        (void) usec;
        if (pass(sweep) == 0) {
                forget(sweep);
                return 0;
        }
        if (++sweep->passes >= SWEEP_PASSES) {
                log_line(LOG_ERR, "strays of ended delegations keep coming after %u passes; giving up on them", sweep->passes);
                forget(sweep);
                return 0;
        }
        r = sd_event_source_set_time_relative(source, SWEEP_DELAY_USEC);
        return r < 0 ? r : sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

int sweep_new(struct sweep **ret, sd_event *event, const struct sweep_callbacks *callbacks, void *userdata) {
        struct sweep *sweep;

        sweep = malloc(sizeof(*sweep));
        if (!sweep)
                return -ENOMEM;
        *sweep = (struct sweep){.event = event, .callbacks = *callbacks, .userdata = userdata};
        if (stat("/proc/self/ns/user", &sweep->initial) < 0) {
                free(sweep);
                return -errno;
        }
        *ret = sweep;
        return 0;
}

void sweep_free(struct sweep *sweep) {
        if (!sweep)
                return;
        close_all(sweep); /* what is not swept yet is for the next start: it has its record still */
        free(sweep);
}

int sweep_add(struct sweep *sweep, uint64_t id, uid_t uid, const struct sys_namespace *ns, int take_fd) {
        if (sweep->n_ended == SWEEP_MAX) {
                (void) pass(sweep);
                forget(sweep);
        }
        sweep->ended[sweep->n_ended++] = (struct ended){.id = id, .uid = uid, .ns = *ns, .fd = take_fd};
        sweep->passes = 0;
        if (sweep->timer)
                return 0;
        return sd_event_add_time_relative(sweep->event, &sweep->timer, CLOCK_MONOTONIC, SWEEP_DELAY_USEC, 1, on_timer, sweep);
}

void sweep_flush(struct sweep *sweep) {
        while (sweep->n_ended > 0 && pass(sweep) > 0 && ++sweep->passes < SWEEP_PASSES)
                (void) usleep(SWEEP_DELAY_USEC / 10);
        forget(sweep);
}

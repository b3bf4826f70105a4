/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The sweep. A process is killed only when a pidfd opened before the last look at its namespace is what is signalled,
 * so never another one that got the number. Namespaces below an ended one count as well: NS_GET_PARENT is walked up,
 * only for the few processes that are in no namespace we know. A pass is made in slices, between which the loop serves
 * others.
 *
 * When a namespace is done with. Where the guard closes it (no new task in there, and nobody joins), a pass that was
 * begun after the end meets all who were forking by then: they die, and so do their forks that are not done; or they
 * have died before, and their forks are there by the end of that pass. These fork no more and keep their number, so
 * the second pass meets each: if it finds nothing, there is nothing. A process that does not die (it waits for a disk,
 * say) is looked for as long as it lives.
 *
 * Without a guard a chain of processes, each of which forks and exits, can be in between at every look. A pass counts
 * for nothing if a process that was the ended one's, or its user's, went away while it was being looked at, and
 * several in a row must find nothing. That may still be wrong, and is not tried for ever.
 */

#include "config.h"

#include "sweep.h"

#include <dirent.h>
#include <inttypes.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/stat.h>

#include "log.h"

#define SWEEP_DELAY_USEC (20 * USEC_PER_MSEC) /* many ends, one pass; the least between two */
#define SWEEP_MAX_USEC (500 * USEC_PER_MSEC)  /* the most… */
#define SWEEP_TIMES 10   /* …and in between, so many times what the last one took, for the loop has other work */
#define SWEEP_SLICE 256  /* processes in one turn of the loop: a millisecond */
#define SWEEP_PASSES 100 /* then somebody out-forks us, or does not die; it is reported */
#define SWEEP_SLOW_USEC (5 * USEC_PER_SEC) /* how often to look whether such a process has died after all */
#define SWEEP_STILL 2                      /* passes in a row that find nothing… */
#define SWEEP_STILL_OPEN 4                 /* …where no guard closes the namespace */
#define NS_DEPTH_MAX 33                    /* the kernel's own bound on nesting, kernel/user_namespace.c */
#define BUCKETS 1024

struct ended {
        LIST_ENTRY(ended) entry;
        uint64_t id;
        uid_t uid;
        struct sys_namespace ns;
        int fd;          /* -1: whether a namespace is this one has to be judged */
        bool is_closed;  /* by the guard */
        bool waits;      /* the pass that is being made began before */
        bool found;      /* this pass has found a process of it, or one that may be */
        unsigned passes; /* that have */
        unsigned still;  /* passes in a row that have not */
        bool reported;   /* that it does not die */
        unsigned killed; /* in the first of them; later ones meet the same again until they are dead */
};
LIST_HEAD(ended_list, ended);

struct sweep {
        /* On while there is something to do; there from the start, for at an end there may be no memory for it. */
        sd_event_source *timer;
        DIR *proc;                        /* the pass that is being made, else NULL */
        uint64_t pass_usec;               /* what it has taken so far */
        bool is_slow;                     /* all that is left does not die: there is time until the next */
        struct ended_list ended[BUCKETS]; /* by their namespaces' inodes */
        size_t n_ended;
        struct stat initial; /* the helper's own user namespace: where nearly everybody is */
        struct sweep_callbacks callbacks;
        void *userdata;
};

/* Numbers are given out again: without a descriptor, only what that user owns and no delegation of today has can be
 * meant. */
static bool is_meant(const struct sweep *sweep, const struct ended *ended, const struct sys_namespace *ns, int fd) {
        uid_t owner;

        return ended->fd >= 0 || (ioctl(fd, NS_GET_OWNER_UID, &owner) == 0 && owner == ended->uid &&
                                  !sweep->callbacks.living(sweep->userdata, ns));
}

/* Which ended one it is, or NULL. */
static struct ended *find_ended(const struct sweep *sweep, int fd) {
        struct sys_namespace ns;
        struct ended *ended;

        if (sys_namespace_identify(fd, &ns) < 0)
                return NULL;
        LIST_FOREACH(ended, &sweep->ended[ns.inode % BUCKETS], entry)
        if (sys_namespace_same(&ended->ns, &ns) && is_meant(sweep, ended, &ns, fd))
                return ended;
        return NULL;
}

static bool is_initial(const struct sweep *sweep, const struct stat *st) {
        return st->st_ino == sweep->initial.st_ino && st->st_dev == sweep->initial.st_dev;
}

/* A process went away before it could be told whose it was: it may have been one of that user's. */
static void note_gone(struct sweep *sweep, int pid_dirfd) {
        struct ended *ended;
        struct stat st;

        if (fstat(pid_dirfd, &st) < 0)
                return;
        for (unsigned i = 0; i < BUCKETS; i++)
                LIST_FOREACH(ended, &sweep->ended[i], entry)
        if (ended->uid == st.st_uid && !ended->is_closed)
                ended->found = true;
}

/* Whose the user namespace of /proc/PID is, or one above it: an ended one's, or NULL. */
static struct ended *stray_of(struct sweep *sweep, int pid_dirfd) {
        _cleanup_close_ int fd = -1;
        struct stat st;

        if (fstatat(pid_dirfd, "ns/user", &st, 0) < 0) {
                if (errno == ENOENT || errno == ESRCH)
                        note_gone(sweep, pid_dirfd);
                return NULL;
        }
        if (is_initial(sweep, &st))
                return NULL;
        fd = openat(pid_dirfd, "ns/user", O_RDONLY | O_CLOEXEC);
        for (unsigned depth = 0; fd >= 0 && depth < NS_DEPTH_MAX; depth++) {
                struct ended *ended = find_ended(sweep, fd);
                int parent;

                if (ended)
                        return ended;
                parent = ioctl(fd, NS_GET_PARENT);
                (void) close_fd(fd);
                fd = parent;
                if (fd < 0 || fstat(fd, &st) < 0 || is_initial(sweep, &st))
                        return NULL;
        }
        return NULL;
}

static void look_at(struct sweep *sweep, int proc_fd, const char *name) {
        _cleanup_close_ int dirfd = -1, pidfd = -1;
        struct ended *ended, *first;
        uint64_t pid;

        if (parse_uint(name, 10, INT32_MAX, &pid) < 0)
                return;
        dirfd = openat(proc_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        first = dirfd < 0 ? NULL : stray_of(sweep, dirfd);
        if (!first)
                return;
        pidfd = sys_pidfd_open((pid_t) pid);
        /* A zombie still has its namespace; it is its parent's to reap, and no stray any more. */
        if (pidfd >= 0 && sys_pidfd_exited(pidfd))
                return;
        first->found = true;
        /* dirfd belongs to one process for ever: if it still answers now, pidfd is that process's. */
        ended = pidfd < 0 ? NULL : stray_of(sweep, dirfd);
        if (!ended || sys_pidfd_send_signal(pidfd, SIGKILL) < 0)
                return;
        ended->found = true;
        ended->killed += ended->passes == 0;
}

/* ---- passes ---- */

static int pass_begin(struct sweep *sweep) {
        struct ended *ended;

        sweep->proc = opendir("/proc");
        if (!sweep->proc)
                return -errno;
        sweep->pass_usec = 0;
        for (unsigned i = 0; i < BUCKETS; i++)
                LIST_FOREACH(ended, &sweep->ended[i], entry)
        ended->waits = ended->found = false;
        return 0;
}

ANALYZER_OFF("-Wanalyzer-null-argument") /* without a stream pass_begin() has returned -errno, which is not 0 then */
/* Returns whether there is more of it. */
static bool pass_slice(struct sweep *sweep) {
        const struct dirent *e = NULL;
        uint64_t begin = now_usec();

        for (unsigned i = 0; i < SWEEP_SLICE && (e = readdir(sweep->proc)); i++)
                look_at(sweep, dirfd(sweep->proc), e->d_name);
        sweep->pass_usec += now_usec() - begin;
        return e;
}
ANALYZER_ON

static void ended_free(struct sweep *sweep, struct ended *ended) {
        LIST_REMOVE(ended, entry);
        sweep->n_ended--;
        (void) close_fd(ended->fd);
        free(ended);
}

static void ended_swept(struct sweep *sweep, struct ended *ended) {
        uint64_t id = ended->id;

        ended_free(sweep, ended);
        sweep->callbacks.swept(sweep->userdata, id);
}

/* Whether it is done with: the head of this file says when. */
static bool is_done(struct ended *ended) {
        if (ended->killed > 0 && ended->passes == 0)
                log_line(LOG_NOTICE, "killed %u stray processes of the ended delegation %016" PRIx64 " of uid %u",
                         ended->killed, ended->id, (unsigned) ended->uid);
        if (!ended->found)
                return ++ended->still >= (ended->is_closed ? SWEEP_STILL : SWEEP_STILL_OPEN);
        ended->still = 0;
        if (ended->passes < SWEEP_PASSES && ++ended->passes < SWEEP_PASSES)
                return false;
        if (!ended->is_closed)
                log_line(LOG_ERR,
                         "strays of %016" PRIx64 " (uid %u) keep coming after %u passes, and there is no guard "
                         "that would stop them; giving up on them",
                         ended->id, (unsigned) ended->uid, ended->passes);
        else if (!ended->reported)
                log_line(LOG_ERR,
                         "strays of %016" PRIx64 " (uid %u) do not die after %u passes; looking at them now and "
                         "then",
                         ended->id, (unsigned) ended->uid, ended->passes);
        ended->reported = true;
        return !ended->is_closed;
}

static void judge(struct sweep *sweep, struct ended *ended) {
        if (ended->waits)
                sweep->is_slow = false;
        else if (is_done(ended))
                ended_swept(sweep, ended);
        else if (!ended->reported || ended->still > 0)
                sweep->is_slow = false;
}

static void pass_end(struct sweep *sweep) {
        struct ended *ended, *next;

        (void) closedir(sweep->proc);
        sweep->proc = NULL;
        sweep->is_slow = true;
        for (unsigned i = 0; i < BUCKETS; i++)
                for (ended = LIST_FIRST(&sweep->ended[i]); ended; ended = next) {
                        next = LIST_NEXT(ended, entry);
                        judge(sweep, ended);
                }
}

/* Returns when to go on, from now, or UINT64_MAX: there is nothing left. */
static uint64_t go_on(struct sweep *sweep) {
        uint64_t pause;
        int r;

        if (!sweep->proc) {
                r = pass_begin(sweep);
                if (r < 0) {
                        log_line(LOG_ERR, "strays cannot be looked for: /proc: %s; going on trying", strerror(-r));
                        return USEC_PER_SEC;
                }
        }
        if (pass_slice(sweep))
                return 0;
        pass_end(sweep);
        pause = SWEEP_TIMES * sweep->pass_usec;
        if (sweep->n_ended == 0)
                return UINT64_MAX;
        if (sweep->is_slow)
                return SWEEP_SLOW_USEC;
        return pause < SWEEP_DELAY_USEC ? SWEEP_DELAY_USEC : pause > SWEEP_MAX_USEC ? SWEEP_MAX_USEC : pause;
}

static int start_timer(struct sweep *sweep, uint64_t in) {
        int r = sd_event_source_set_time_relative(sweep->timer, in);

        return r < 0 ? r : sd_event_source_set_enabled(sweep->timer, SD_EVENT_ONESHOT);
}

static int on_timer(sd_event_source *source, uint64_t usec, void *userdata) {
        struct sweep *sweep = userdata;
        uint64_t in = go_on(sweep);

        (void) source;
        (void) usec;
        return in == UINT64_MAX ? 0 : start_timer(sweep, in);
}

int sweep_new(struct sweep **ret, sd_event *event, const struct sweep_callbacks *callbacks, void *userdata) {
        struct sweep *sweep;
        int r;

        sweep = malloc(sizeof(*sweep));
        if (!sweep)
                return -ENOMEM;
        *sweep = (struct sweep){.callbacks = *callbacks, .userdata = userdata};
        for (unsigned i = 0; i < BUCKETS; i++)
                LIST_INIT(&sweep->ended[i]);
        r = stat("/proc/self/ns/user", &sweep->initial) < 0 ? -errno : 0;
        if (r >= 0)
                r = sd_event_add_time_relative(event, &sweep->timer, CLOCK_MONOTONIC, 0, 1, on_timer, sweep);
        if (r >= 0)
                r = sd_event_source_set_enabled(sweep->timer, SD_EVENT_OFF);
        if (r < 0) {
                sweep_free(sweep);
                return r;
        }
        *ret = sweep;
        return 0;
}

/* What is not swept yet is for the next start: it has its record still. */
void sweep_free(struct sweep *sweep) {
        if (!sweep)
                return;
        sd_event_source_disable_unref(sweep->timer);
        if (sweep->proc)
                (void) closedir(sweep->proc);
        for (unsigned i = 0; i < BUCKETS; i++)
                while (!LIST_EMPTY(&sweep->ended[i]))
                        ended_free(sweep, LIST_FIRST(&sweep->ended[i]));
        free(sweep);
}

int sweep_add(struct sweep *sweep, uint64_t id, uid_t uid, const struct sys_namespace *ns, int take_fd,
              bool is_closed) {
        struct ended *ended = malloc(sizeof(*ended));

        if (!ended) {
                (void) close_fd(take_fd);
                return -ENOMEM;
        }
        *ended = (struct ended){.id = id, .uid = uid, .ns = *ns, .fd = take_fd, .is_closed = is_closed, .waits = true};
        LIST_INSERT_HEAD(&sweep->ended[ns->inode % BUCKETS], ended, entry);
        sweep->n_ended++;
        if (sd_event_source_get_enabled(sweep->timer, NULL) > 0 && !sweep->is_slow)
                return 0;
        sweep->is_slow = false;
        return start_timer(sweep, SWEEP_DELAY_USEC);
}

bool sweep_has(const struct sweep *sweep, uint64_t id) {
        const struct ended *ended;

        for (unsigned i = 0; i < BUCKETS; i++)
                LIST_FOREACH(ended, &sweep->ended[i], entry)
        if (ended->id == id)
                return true;
        return false;
}

void sweep_flush(struct sweep *sweep, unsigned passes) {
        for (unsigned done = 0; sweep->n_ended > 0 && done < passes && go_on(sweep) < USEC_PER_SEC;
             done += !sweep->proc)
                if (!sweep->proc && sweep->n_ended > 0)
                        (void) usleep(SWEEP_DELAY_USEC / 10);
}

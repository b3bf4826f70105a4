/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Who goes on in the delegation's user namespace when it has ended: chains of processes, each of which forks and
 * exits, so that none is there when it is looked at; and some that stand still where a signal might not reach them.
 * All have the end of a pipe: when the last one is gone, and not before, the other end says so.
 */

#include "escape.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "ring.h"

#define LAST_SECONDS 60 /* within which the last one must have gone, on an emulated machine with 64 of them */

struct ends {
        int alive[2]; /* what runners have is [1] */
        int leash[2]; /* what the test has is [1]: when that ends, they do */
};

static int make_ends(struct ends *ends) {
        return pipe2(ends->alive, O_CLOEXEC) < 0 || pipe2(ends->leash, O_CLOEXEC) < 0 ? -errno : 0;
}

static bool is_let_go(const struct ends *ends) {
        struct pollfd leash = {.fd = ends->leash[0]};

        return poll(&leash, 1, 0) > 0;
}

/* Whom the kernel gives no child tries again, and again. */
_Noreturn static void run(const struct ends *ends) {
        (void) signal(SIGCHLD, SIG_IGN);
        for (;;) {
                if (fork() > 0 || is_let_go(ends))
                        _exit(0);
        }
}

static int start_chains(const struct ends *ends, unsigned width) {
        for (unsigned i = 0; i < width; i++) {
                pid_t pid = fork();

                if (pid < 0)
                        return -errno;
                if (pid == 0)
                        run(ends);
        }
        return 0;
}

/* ---- in the delegation's cgroup ---- */

static enum result chains_inside(struct play *play) {
        struct ends ends;
        int r = make_ends(&ends);

        if (r == 0)
                r = give(play, ends.alive[0]);
        if (r == 0)
                r = give(play, ends.leash[1]);
        (void) close(ends.alive[0]);
        (void) close(ends.leash[1]);
        if (r == 0)
                r = start_chains(&ends, 8);
        (void) close(ends.alive[1]);
        if (r == 0)
                r = give(play, -1);
        return r < 0 ? say(play, BROKEN, "chains: %s", strerror(-r)) : UNDECIDED;
}
static enum result keep_ends(struct play *play) {
        int r = take(play, &kept), go;

        play->bpffs = close_fd(play->bpffs);
        if (r == 0)
                r = take(play, &kept_too);
        if (r == 0)
                r = take(play, &go);
        return r < 0 ? untaken(play, r, "the ends") : say(play, ESCAPED, "chains run inside");
}

/* ---- outside of it: joined from the session ---- */

typedef int stray_function(const struct ends *ends);

static int chain_1(const struct ends *ends) {
        return start_chains(ends, 1);
}
static int chain_8(const struct ends *ends) {
        return start_chains(ends, 8);
}
static int chain_64(const struct ends *ends) {
        return start_chains(ends, 64);
}
static int chain_below(const struct ends *ends) {
        return unshare(CLONE_NEWUSER) < 0 ? -errno : start_chains(ends, 8);
}

/* Requests that wait in workers of the kernel's, more and more of them. */
#define ASYNC (1U << 4)
#define READ 22
static int ring_workers(const struct ends *ends) {
        struct ring ring;
        char byte;
        int r;

        if (fork() > 0)
                return 0;
        r = ring_open(&ring, 0);
        while (r == 0 && !is_let_go(ends)) {
                (void) ring_put(&ring, &(struct io_uring_sqe){.opcode = READ,
                                                              .flags = ASYNC,
                                                              .fd = ends->leash[0],
                                                              .addr = (uintptr_t) &byte,
                                                              .len = 1});
                ring_push(&ring);
                (void) usleep(20000);
        }
        _exit(0);
}

/* Only sleeps: who keeps it from running is outside, and sees to that. */
static int sleeper(const struct ends *ends) {
        if (fork() > 0)
                return 0;
        while (!is_let_go(ends))
                (void) usleep(20000);
        _exit(0);
}

static enum result keep_strays(struct play *play, stray_function *start, const char *what) {
        struct ends ends;
        int status = -1, r;
        pid_t pid;

        play->bpffs = close_fd(play->bpffs); /* which would keep the delegation's entry */
        r = make_ends(&ends);
        pid = r < 0 ? r : fork();
        if (pid < 0)
                return say(play, BROKEN, "a stray: %s", strerror(errno));
        if (pid == 0) {
                (void) close(ends.alive[0]);
                (void) close(ends.leash[1]);
                r = join(play);
                if (r == 0)
                        r = start(&ends);
                _exit(-r);
        }
        (void) close(ends.alive[1]);
        (void) close(ends.leash[0]);
        kept = ends.alive[0];
        kept_too = ends.leash[1];
        (void) waitpid(pid, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return say(play, BROKEN, "%s: %s", what, strerror(WEXITSTATUS(status)));
        return say(play, ESCAPED, "%s in the namespace", what);
}

static enum result keep_1(struct play *play) {
        return keep_strays(play, chain_1, "a chain");
}
static enum result keep_8(struct play *play) {
        return keep_strays(play, chain_8, "8 chains");
}
static enum result keep_64(struct play *play) {
        return keep_strays(play, chain_64, "64 chains");
}
static enum result keep_below(struct play *play) {
        return keep_strays(play, chain_below, "chains in a namespace below");
}
static enum result keep_ring_workers(struct play *play) {
        return keep_strays(play, ring_workers, "workers of a ring");
}

/* ---- one that is frozen: the test has put this process into a cgroup of its user's own ---- */

static int write_to(int dirfd, const char *name, const char *text) {
        _cleanup_close_ int fd = openat(dirfd, name, O_WRONLY | O_CLOEXEC);

        return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* This process into a cgroup below the one of the test's. */
static int move_below(int dir, const char *name) {
        char procs[64];

        if (mkdirat(dir, name, 0755) < 0 && errno != EEXIST)
                return -errno;
        (void) snprintf(procs, sizeof(procs), "%s/cgroup.procs", name);
        return write_to(dir, procs, "0");
}

static enum result keep_frozen(struct play *play) {
        const char *path = getenv("ESCAPE_FREEZER");
        _cleanup_close_ int dir = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        enum result result;
        int r;

        if (dir < 0)
                return say(play, BROKEN, "no cgroup to freeze in");
        /* There and back: what is begun meanwhile stays there. */
        r = move_below(dir, "cold");
        if (r < 0)
                return say(play, BROKEN, "moving there: %s", strerror(-r));
        result = keep_strays(play, sleeper, "a frozen process");
        if (result != ESCAPED)
                return result;
        r = move_below(dir, "warm");
        if (r == 0)
                r = write_to(dir, "cold/cgroup.freeze", "1");
        return r < 0 ? say(play, BROKEN, "freezing: %s", strerror(-r)) : result;
}

/* ---- after ---- */

static enum result last_after(struct play *play) {
        struct pollfd alive = {.fd = kept};
        int r = poll(&alive, 1, LAST_SECONDS * 1000);

        if (r < 0)
                return say(play, BROKEN, "poll: %s", strerror(errno));
        return r > 0 ? say(play, REFUSED, "the last of them has gone") : say(play, ESCAPED, "some go on");
}

/* ---- who joins when it has ended, and goes ---- */

static enum result keep_userns(struct play *play) {
        kept = open_of_inside(play, "ns/user", O_RDONLY);
        return kept < 0 ? refused(play, kept, "opening the user namespace") : say(play, ESCAPED, "has the namespace");
}
static enum result join_after(struct play *play) {
        pid_t pid;
        int r;

        if (setns(kept, CLONE_NEWUSER) < 0)
                return refused(play, -errno, "joining");
        pid = fork();
        r = pid < 0 ? -errno : 0;
        if (pid == 0)
                _exit(0);
        return r < 0 ? refused(play, r, "fork") : say(play, ESCAPED, "joined, and forks");
}

const struct vector runner_vectors[] = {
        {.name = "runners-inside",
         .group = "runners",
         .inside = chains_inside,
         .outside = keep_ends,
         .after = last_after},
        {.name = "runner-joined", .group = "runners", .outside = keep_1, .after = last_after},
        {.name = "runners-joined-8", .group = "runners", .outside = keep_8, .after = last_after},
        {.name = "runners-joined-64", .group = "runners", .outside = keep_64, .after = last_after},
        {.name = "runners-below", .group = "runners", .outside = keep_below, .after = last_after},
        {.name = "runner-ring-workers", .group = "runners", .outside = keep_ring_workers, .after = last_after},
        {.name = "runner-frozen", .group = "runners", .outside = keep_frozen, .after = last_after},
        {.name = "runner-late-join", .group = "runners", .outside = keep_userns, .after = join_after},
        {.name = NULL},
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Races: what a number means is changed while the kernel looks at it. Some threads, or a process that shares the
 * descriptor table, swap what sits at one number between what is allowed and what is not, the others call bpf(2) with
 * that number, until one call has hit the wrong one. Or a ring's kernel thread does it, which has our table, too. And
 * a flood: processes with tables of their own, all on one CPU, so that each is preempted in the midst of a call.
 */

#include "escape.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "ring.h"
#include "sysapi.h"

#define SWAPPED_FD 200
#define RACE_SECONDS 10
#define FLOOD_SECONDS 15
#define FLOOD_PROCESSES 16
#define GONE_RIGHT_SOCKET_FILTER 0x11
#define GONE_WRONG_XDP 0x2

struct race {
        int allowed, forbidden; /* what sits at SWAPPED_FD by turns */
        int prog;               /* what is attached there */
        bool (*hit)(struct race *);
        volatile bool stop;
        unsigned long tries, hits;
};

static bool hit_link(struct race *race) {
        int link = make_link_at(race->prog, SWAPPED_FD, AT_EGRESS);
        bool hit = link >= 0 && link_cgroup(link) == inode_of(race->forbidden);

        (void) close_fd(link);
        return hit;
}

static uint32_t link_prog(int link) {
        return object_number(link, 2);
}

static bool hit_update(struct race *race) {
        uint32_t before = link_prog(race->forbidden);

        (void) update_link(SWAPPED_FD, race->prog);
        return link_prog(race->forbidden) != before && link_prog(race->forbidden) == object_id(race->prog);
}

/* Detaching from the forbidden one succeeds only if it is there. */
static bool hit_attach(struct race *race) {
        if (attach(race->prog, SWAPPED_FD, AT_EGRESS, 2) < 0)
                return false;
        if (detach(race->prog, race->forbidden, AT_EGRESS) == 0)
                return true;
        (void) detach(race->prog, race->allowed, AT_EGRESS);
        return false;
}

static bool hit_run(struct race *race) {
        static const uint8_t packet[64] = {[12] = 8, [14] = 0x45};
        struct run_wish wish = {.prog = SWAPPED_FD, .data = packet, .size = sizeof(packet), .repeat = 1};

        (void) race;
        return test_run(&wish) == 0 && wish.ret == GONE_WRONG_XDP;
}

static void *swap(void *argument) {
        struct race *race = argument;

        while (!race->stop) {
                (void) dup3(race->forbidden, SWAPPED_FD, O_CLOEXEC);
                (void) dup3(race->allowed, SWAPPED_FD, O_CLOEXEC);
        }
        return NULL;
}

static void *try(void *argument) {
        struct race *race = argument;

        while (!race->stop) {
                (void) __atomic_add_fetch(&race->tries, 1, __ATOMIC_RELAXED);
                if (race->hit(race)) {
                        (void) __atomic_add_fetch(&race->hits, 1, __ATOMIC_RELAXED);
                        race->stop = true;
                }
        }
        return NULL;
}

/* By the clock: among so many who want the processor, each sleep takes much longer than it says. */
static void until_hit(struct race *race, unsigned seconds) {
        uint64_t end = now_usec() + seconds * USEC_PER_SEC;

        while (!race->stop && now_usec() < end)
                (void) usleep(10000);
        race->stop = true;
}

static enum result tell(struct play *play, const struct race *race) {
        return race->hits > 0 ? say(play, ESCAPED, "hit in one of %lu tries", race->tries) :
                                say(play, REFUSED, "0 of %lu tries", race->tries);
}

static enum result run_threads(struct play *play, struct race *race, unsigned n) {
        pthread_t threads[8];

        (void) dup3(race->allowed, SWAPPED_FD, O_CLOEXEC);
        for (unsigned i = 0; i < n; i++)
                if (pthread_create(&threads[i], NULL, i % 2 ? swap : try, race) != 0)
                        return say(play, BROKEN, "no thread %u", i);
        until_hit(race, RACE_SECONDS);
        for (unsigned i = 0; i < n; i++)
                (void) pthread_join(threads[i], NULL);
        return tell(play, race);
}

static int swapper(void *argument) {
        (void) swap(argument);
        return 0;
}

/* One that is no thread, but has our descriptor table. */
static enum result run_sibling(struct play *play, struct race *race) {
        static char stack[1 << 16] __attribute__((aligned(16)));
        pthread_t trier;
        pid_t pid;

        (void) dup3(race->allowed, SWAPPED_FD, O_CLOEXEC);
        pid = clone(swapper, stack + sizeof(stack), CLONE_FILES | CLONE_VM | SIGCHLD, race);
        if (pid < 0 || pthread_create(&trier, NULL, try, race) != 0)
                return say(play, BROKEN, "clone: %s", strerror(errno));
        until_hit(race, RACE_SECONDS);
        (void) pthread_join(trier, NULL);
        (void) waitpid(pid, NULL, 0);
        return tell(play, race);
}

/* A kernel thread that closes the number, and installs the one file and the other: the lowest free number is what
 * they get, so all below are taken, and what has gone astray above, because a link had the number just then, is
 * closed. */
static int swap_by_ring(struct ring *ring, const struct race *race) {
        const int files[] = {race->allowed, race->forbidden};
        int fd, r;

        r = ring_open(ring, IORING_SETUP_SQPOLL);
        if (r == 0)
                r = ring_keep(ring->fd, files, ELEMENTSOF(files));
        do
                fd = dup(race->allowed);
        while (fd >= 0 && fd < SWAPPED_FD);
        if (r >= 0 && fd != SWAPPED_FD)
                r = -EBADF;
        return r;
}

static void go_on_swapping(struct ring *ring, uint32_t *n) {
        struct io_uring_sqe close_it = {.opcode = RING_CLOSE, .fd = SWAPPED_FD};

        for (;; ++*n) {
                struct io_uring_sqe install = {.opcode = RING_INSTALL,
                                               .flags = IOSQE_FIXED_FILE,
                                               .fd = (int32_t) (*n / 2 % 2)};

                if (ring_put(ring, *n % 2 ? &install : &close_it) < 0)
                        break;
        }
        ring_push(ring);
        (void) syscall(SYS_close_range, SWAPPED_FD + 1, ~0u, 0);
}

static enum result run_sqpoll(struct play *play, struct race *race) {
        uint64_t end = now_usec() + RACE_SECONDS * USEC_PER_SEC;
        struct ring ring;
        uint32_t n = 0;
        int r;

        r = swap_by_ring(&ring, race);
        if (r < 0)
                return say(play, BROKEN, "a ring with a kernel thread: %s", strerror(-r));
        while (!race->stop && now_usec() < end) {
                go_on_swapping(&ring, &n);
                race->tries++;
                race->stop = race->hit(race);
        }
        race->hits = race->stop;
        return tell(play, race);
}

#define SIBLING 0
#define SQPOLL ~0u
static enum result run(struct play *play, struct race *race, unsigned n) {
        return n == SIBLING ? run_sibling(play, race) :
               n == SQPOLL  ? run_sqpoll(play, race) :
                              run_threads(play, race, n);
}

/* ---- what is raced for ---- */

/* The root cgroup comes from outside. */
static int get_ready(struct play *play, struct race *ret) {
        int r = take(play, &ret->forbidden);

        if (r < 0)
                return r;
        ret->allowed = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ret->prog = load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1);
        return ret->prog < 0 ? ret->prog : 0;
}

static enum result race_cgroup(struct play *play, bool (*hit)(struct race *), unsigned n) {
        struct race race = {.hit = hit};
        int r = get_ready(play, &race);

        return r < 0 ? untaken(play, r, "getting ready") : run(play, &race, n);
}
static enum result race_link_2(struct play *play) {
        return race_cgroup(play, hit_link, 2);
}
static enum result race_link_8(struct play *play) {
        return race_cgroup(play, hit_link, 8);
}
static enum result race_link_sibling(struct play *play) {
        return race_cgroup(play, hit_link, SIBLING);
}
static enum result race_link_sqpoll(struct play *play) {
        return race_cgroup(play, hit_link, SQPOLL);
}
static enum result race_attach_2(struct play *play) {
        return race_cgroup(play, hit_attach, 2);
}
static enum result race_attach_8(struct play *play) {
        return race_cgroup(play, hit_attach, 8);
}
static enum result race_attach_sibling(struct play *play) {
        return race_cgroup(play, hit_attach, SIBLING);
}
static enum result race_attach_sqpoll(struct play *play) {
        return race_cgroup(play, hit_attach, SQPOLL);
}

/* Between the own link and an admin's. */
static enum result race_update(struct play *play, unsigned n) {
        const char *path = getenv("ESCAPE_LINK");
        struct race race = {.hit = hit_update};
        int r = get_ready(play, &race);

        if (r < 0)
                return untaken(play, r, "getting ready");
        (void) close_fd(race.forbidden);
        race.forbidden = path ? get_pin(path) : -ENOENT;
        race.allowed = make_link_at(race.prog, race.allowed, AT_EGRESS);
        /* Not the program that another vector may have left there. */
        race.prog = load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1);
        if (race.forbidden < 0 || race.allowed < 0 || race.prog < 0)
                return say(play, BROKEN, "getting ready: %d, %d, %d", race.forbidden, race.allowed, race.prog);
        return run(play, &race, n);
}
static enum result race_update_2(struct play *play) {
        return race_update(play, 2);
}
static enum result race_update_8(struct play *play) {
        return race_update(play, 8);
}
static enum result race_update_sibling(struct play *play) {
        return race_update(play, SIBLING);
}
static enum result race_update_sqpoll(struct play *play) {
        return race_update(play, SQPOLL);
}

/* Between a program that may be run and one that may not, as the network namespace is the host's. */
static enum result race_run(struct play *play, unsigned n) {
        struct race race = {.hit = hit_run};

        race.allowed = load_return(play, PROG_SOCKET_FILTER, 0, GONE_RIGHT_SOCKET_FILTER);
        race.forbidden = load_return(play, PROG_XDP, AT_XDP, GONE_WRONG_XDP);
        if (race.allowed < 0 || race.forbidden < 0)
                return refused(play, race.allowed < 0 ? race.allowed : race.forbidden, "load");
        return run(play, &race, n);
}
static enum result race_run_2(struct play *play) {
        return race_run(play, 2);
}
static enum result race_run_8(struct play *play) {
        return race_run(play, 8);
}
static enum result race_run_sibling(struct play *play) {
        return race_run(play, SIBLING);
}
static enum result race_run_sqpoll(struct play *play) {
        return race_run(play, SQPOLL);
}

/* ---- flood ---- */

struct flood {
        unsigned long tries, hits;
};

static void drown(struct race *race, struct flood *flood) {
        cpu_set_t one;

        CPU_ZERO(&one);
        CPU_SET(0, &one);
        (void) sched_setaffinity(0, sizeof(one), &one);
        for (;;) {
                int link = make_link_at(race->prog, race->forbidden, AT_EGRESS);

                (void) __atomic_add_fetch(&flood->tries, 1, __ATOMIC_RELAXED);
                if (link >= 0)
                        (void) __atomic_add_fetch(&flood->hits, 1, __ATOMIC_RELAXED);
                (void) close_fd(link);
        }
}

static enum result flood(struct play *play) {
        pid_t pids[FLOOD_PROCESSES];
        struct race race = {.prog = -1};
        struct flood *shared;
        uint64_t end;
        int r = get_ready(play, &race);

        if (r < 0)
                return untaken(play, r, "getting ready");
        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED)
                return say(play, BROKEN, "mmap: %s", strerror(errno));
        for (size_t i = 0; i < FLOOD_PROCESSES; i++) {
                pids[i] = fork();
                if (pids[i] == 0)
                        drown(&race, shared);
        }
        end = now_usec() + FLOOD_SECONDS * USEC_PER_SEC;
        while (__atomic_load_n(&shared->hits, __ATOMIC_RELAXED) == 0 && now_usec() < end)
                (void) usleep(100000);
        for (size_t i = 0; i < FLOOD_PROCESSES; i++)
                if (pids[i] > 0 && kill(pids[i], SIGKILL) == 0)
                        (void) waitpid(pids[i], NULL, 0);
        return shared->hits > 0 ?
                       say(play, ESCAPED, "%lu links on the root cgroup in %lu tries", shared->hits, shared->tries) :
                       say(play, REFUSED, "0 of %lu tries", shared->tries);
}

const struct vector race_vectors[] = {
        {.name = "race-link-2", .group = "races", .inside = race_link_2, .outside = give_root},
        {.name = "race-link-8", .group = "races", .inside = race_link_8, .outside = give_root},
        {.name = "race-link-sibling", .group = "races", .inside = race_link_sibling, .outside = give_root},
        {.name = "race-update-2", .group = "races", .inside = race_update_2, .outside = give_root},
        {.name = "race-update-8", .group = "races", .inside = race_update_8, .outside = give_root},
        {.name = "race-update-sibling", .group = "races", .inside = race_update_sibling, .outside = give_root},
        {.name = "race-attach-2", .group = "races-attach", .inside = race_attach_2, .outside = give_root},
        {.name = "race-attach-8", .group = "races-attach", .inside = race_attach_8, .outside = give_root},
        {.name = "race-attach-sibling", .group = "races-attach", .inside = race_attach_sibling, .outside = give_root},
        {.name = "race-test-run-2", .group = "races-attach", .inside = race_run_2},
        {.name = "race-test-run-8", .group = "races-attach", .inside = race_run_8},
        {.name = "race-test-run-sibling", .group = "races-attach", .inside = race_run_sibling},
        {.name = "race-link-sqpoll", .group = "races-ring", .inside = race_link_sqpoll, .outside = give_root},
        {.name = "race-update-sqpoll", .group = "races-ring", .inside = race_update_sqpoll, .outside = give_root},
        {.name = "race-attach-sqpoll", .group = "races-ring", .inside = race_attach_sqpoll, .outside = give_root},
        {.name = "race-test-run-sqpoll", .group = "races-ring", .inside = race_run_sqpoll},
        /* Behind the attach proxy, as `run` has it, were those of threads above: here they call the kernel
         * themselves. */
        {.name = "race-link-2-around",
         .group = "races-around",
         .inside = race_link_2,
         .outside = give_root,
         .without_proxy = true},
        {.name = "race-link-8-around",
         .group = "races-around",
         .inside = race_link_8,
         .outside = give_root,
         .without_proxy = true},
        {.name = "race-update-2-around",
         .group = "races-around",
         .inside = race_update_2,
         .outside = give_root,
         .without_proxy = true},
        {.name = "race-attach-2-around",
         .group = "races-around",
         .inside = race_attach_2,
         .outside = give_root,
         .without_proxy = true},
        {.name = "flood", .group = "flood", .inside = flood, .outside = give_root},
        {.name = NULL},
};

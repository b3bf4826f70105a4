/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * attach-random SEED CALLS CGROUPDIR: random attaching calls, right ones and nonsense, from the threads of several
 * processes, which are killed at random while they are at it. For the attach proxy, which must outlive that, and keep
 * nothing. What is attached without a link stays on CGROUPDIR, so that is to be removed then. Prints how many calls
 * were made, how many of them attached something, and how many processes were killed. The same seed gives the same
 * calls, the kernel's scheduler being another matter.
 */

#include "attacher.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define PROCESSES 4
#define THREADS 3
#define NUMBERS 32
#define CALLS_MAX 100000000

struct shared {
        uint64_t left, made, attached;
};

static struct shared *shared;
static uint32_t numbers[NUMBERS];
static unsigned n_numbers;
/* What goes together. */
static struct right { uint32_t program, target, type, flags; } rights[8];
static unsigned n_rights;
static uint8_t *edge; /* a page that ends where nothing is mapped */

/* xorshift64*, by Marsaglia and Vigna. */
static uint64_t draw(uint64_t *state) {
        *state ^= *state >> 12;
        *state ^= *state << 25;
        *state ^= *state >> 27;
        return *state * UINT64_C(2685821657736338717);
}

static uint32_t below(uint64_t *state, uint32_t n) {
        return (uint32_t) (draw(state) >> 33) % n;
}

static bool one_in(uint64_t *state, uint32_t n) {
        return below(state, n) == 0;
}

/* ---- a call ------------------------------------------------------------------------------------------------------ */

static uint32_t random_number(uint64_t *state) {
        if (one_in(state, 10))
                return one_in(state, 2) ? (uint32_t) draw(state) : below(state, 80);
        return numbers[below(state, n_numbers)];
}

static uint32_t random_flags(uint64_t *state) {
        return one_in(state, 2) ? 0 : one_in(state, 20) ? (uint32_t) draw(state) : 1U << below(state, 15);
}

static uint32_t random_type(uint64_t *state) {
        static const uint8_t usual[] = {
                BPF_CGROUP_INET_INGRESS, BPF_CGROUP_INET_EGRESS, BPF_CGROUP_INET4_CONNECT, BPF_SK_LOOKUP, BPF_XDP,
                BPF_TCX_INGRESS,         BPF_SK_MSG_VERDICT};

        return one_in(state, 3) ? below(state, 70) : usual[below(state, ELEMENTSOF(usual))];
}

static uint32_t random_size(uint64_t *state) {
        return one_in(state, 4) ? below(state, 300) : one_in(state, 50) ? (uint32_t) draw(state) : 64;
}

static void fill(uint64_t *state, uint32_t command, uint32_t *words) {
        bool link = command == BPF_LINK_CREATE;

        words[0] = link || !one_in(state, 4) ? random_number(state) : 1;
        words[1] = link && one_in(state, 4) ? 1 : random_number(state); /* lo */
        words[2] = command == BPF_LINK_UPDATE ? random_flags(state) : random_type(state);
        words[3] = command == BPF_LINK_UPDATE ? random_number(state) : random_flags(state);
        for (unsigned i = 4; i < 6; i++)
                words[i] = one_in(state, 2) ? 0 : random_number(state);
        if (one_in(state, 20))
                words[6 + below(state, 58)] = (uint32_t) draw(state);
}

static bool is_of_cgroup(const struct right *right) {
        return right->target == rights[0].target;
}

/* Half of them right, but for the odd member. */
static void fill_right(uint64_t *state, uint32_t command, uint32_t *words) {
        const struct right *right = rights + below(state, n_rights);

        bool legacy = command == BPF_PROG_ATTACH || command == BPF_PROG_DETACH;

        words[0] = legacy ? right->target : right->program;
        words[1] = legacy ? right->program : right->target;
        words[2] = right->type;
        words[3] = command == BPF_PROG_ATTACH && is_of_cgroup(right) ? BPF_F_ALLOW_MULTI : right->flags;
        if (one_in(state, 4))
                words[below(state, 6)] = random_number(state);
}

static int random_call(uint64_t *state, uint32_t *words) {
        static const uint8_t commands[] = {BPF_LINK_CREATE, BPF_LINK_CREATE, BPF_LINK_CREATE,
                                           BPF_LINK_UPDATE, BPF_PROG_ATTACH, BPF_PROG_DETACH};
        uint32_t command = commands[below(state, ELEMENTSOF(commands))];
        const void *attr = words;
        int r;

        memset(words, 0, 64 * sizeof(*words));
        if (command != BPF_LINK_UPDATE && one_in(state, 2))
                fill_right(state, command, words);
        else
                fill(state, command, words);
        if (one_in(state, 30))
                attr = edge + 4096 - below(state, 64);
        else if (one_in(state, 100))
                attr = (const void *) (uintptr_t) draw(state);
        r = attacher_bpf(command, attr, random_size(state));
        return command == BPF_LINK_CREATE ? r : r < 0 ? r : -EEXIST;
}

/* Holds some of the links for a while, so that there is something to update and to go with the process. */
static void *call_for_ever(void *userdata) {
        uint64_t state = *(const uint64_t *) userdata;
        uint32_t words[64];
        int held[8];

        for (unsigned i = 0; i < ELEMENTSOF(held); i++)
                held[i] = -1;
        while (__atomic_fetch_sub(&shared->left, 1, __ATOMIC_RELAXED) - 1 < CALLS_MAX) {
                unsigned slot = below(&state, ELEMENTSOF(held));
                int r = random_call(&state, words);

                (void) __atomic_fetch_add(&shared->made, 1, __ATOMIC_RELAXED);
                if (r >= 0) {
                        (void) __atomic_fetch_add(&shared->attached, 1, __ATOMIC_RELAXED);
                        held[slot] = close_fd(held[slot]);
                        held[slot] = r;
                } else if (one_in(&state, 8))
                        held[slot] = close_fd(held[slot]);
        }
        return NULL;
}

/* ---- processes --------------------------------------------------------------------------------------------------- */

static void be_caller(uint64_t seed) {
        uint64_t states[THREADS];
        pthread_t threads[THREADS];

        (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* Some from another network namespace. */
        if (seed % 3 == 0)
                (void) unshare(CLONE_NEWUSER | CLONE_NEWNET);
        for (unsigned i = 0; i < THREADS; i++) {
                states[i] = seed * 0x9e3779b97f4a7c15 + i + 1;
                if (pthread_create(threads + i, NULL, call_for_ever, states + i) != 0)
                        _exit(1);
        }
        for (unsigned i = 0; i < THREADS; i++)
                (void) pthread_join(threads[i], NULL);
        _exit(0);
}

static pid_t start(uint64_t *seed) {
        pid_t pid;

        (*seed)++;
        pid = fork();
        if (pid < 0)
                attacher_die("fork", -errno);
        if (pid == 0)
                be_caller(*seed);
        return pid;
}

/* What stays attached without a link is in the way of links. */
static void detach_all(void) {
        for (unsigned i = 0; i < n_rights; i++) {
                const uint32_t attr[16] = {rights[i].target, rights[i].program, rights[i].type};

                if (is_of_cgroup(rights + i))
                        (void) attacher_bpf(BPF_PROG_DETACH, attr, sizeof(attr));
        }
}

static bool is_done(void) {
        return __atomic_load_n(&shared->left, __ATOMIC_RELAXED) - 1 >= CALLS_MAX;
}

static void run(uint64_t seed, unsigned *ret_killed) {
        uint64_t state = seed * 2 + 1;
        pid_t pids[PROCESSES];
        unsigned killed = 0;

        for (unsigned i = 0; i < PROCESSES; i++)
                pids[i] = start(&seed);
        while (!is_done()) {
                const struct timespec wait = {.tv_nsec = 1000 * (1 + (long) below(&state, 20000))};
                unsigned i = below(&state, PROCESSES);

                (void) nanosleep(&wait, NULL);
                (void) kill(pids[i], SIGKILL);
                (void) waitpid(pids[i], NULL, 0);
                killed++;
                detach_all();
                pids[i] = start(&seed);
        }
        for (unsigned i = 0; i < PROCESSES; i++)
                (void) waitpid(pids[i], NULL, 0);
        *ret_killed = killed;
}

static void know(int fd) {
        if (fd >= 0 && n_numbers < NUMBERS)
                numbers[n_numbers++] = (uint32_t) fd;
}

static uint32_t load(int token, enum bpf_prog_type type, enum bpf_attach_type expected, int result) {
        int r = attacher_load(token, type, expected, result);

        if (r < 0)
                attacher_die("cannot load", r);
        know(r);
        return (uint32_t) r;
}

static void prepare(const char *cgroup_dir) {
        int token = attacher_token(), cgroup, network, sockmap;

        know(cgroup = open(cgroup_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        know(network = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
        know(sockmap = attacher_map(token, BPF_MAP_TYPE_SOCKMAP));
        if (cgroup < 0 || network < 0 || sockmap < 0)
                attacher_die(cgroup_dir, -EPERM);
        const struct right all[] = {
                {load(token, BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS, 1), (uint32_t) cgroup,
                 BPF_CGROUP_INET_EGRESS, 0},
                {load(token, BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS, 1), (uint32_t) cgroup,
                 BPF_CGROUP_INET_INGRESS, 0},
                {load(token, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT, 1), (uint32_t) cgroup,
                 BPF_CGROUP_INET4_CONNECT, 0},
                {load(token, BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, 1), (uint32_t) network, BPF_SK_LOOKUP, 0},
                {load(token, BPF_PROG_TYPE_XDP, BPF_XDP, 2), 1, BPF_XDP, 1U << 1},
                {load(token, BPF_PROG_TYPE_SCHED_CLS, BPF_TCX_INGRESS, 0), 1, BPF_TCX_INGRESS, 0},
                {load(token, BPF_PROG_TYPE_SK_MSG, BPF_SK_MSG_VERDICT, 1), (uint32_t) sockmap, BPF_SK_MSG_VERDICT, 0},
        };
        memcpy(rights, all, sizeof(all));
        n_rights = ELEMENTSOF(all);
        know(attacher_map(token, BPF_MAP_TYPE_ARRAY));
        know(open("/dev/null", O_RDWR | O_CLOEXEC));
        know(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
        /* Numbers that links get. */
        for (int i = 0; i < 8; i++)
                know((int) numbers[n_numbers - 1] + 1);
        edge = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (edge == MAP_FAILED || shared == MAP_FAILED || mprotect(edge + 4096, 4096, PROT_NONE) < 0)
                attacher_die("mmap", -errno);
}

int main(int argc, char **argv) {
        uint64_t seed, calls;
        unsigned killed;

        if (argc != 4 || parse_uint(argv[1], 10, UINT32_MAX, &seed) < 0 ||
            parse_uint(argv[2], 10, CALLS_MAX, &calls) < 0) {
                (void) fprintf(stderr, "usage: attach-random SEED CALLS CGROUPDIR\n");
                return 2;
        }
        prepare(argv[3]);
        shared->left = calls;
        run(seed, &killed);
        (void) printf("%llu calls, %llu links, %u killed\n", (unsigned long long) shared->made,
                      (unsigned long long) shared->attached, killed);
        return 0;
}

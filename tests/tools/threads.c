/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * threads OBJECT CGROUPDIR THREADS ROUNDS: an ordinary threaded libbpf program: each thread opens OBJECT
 * (packets.bpf.o), loads it, attaches its program to the cgroup at CGROUPDIR and detaches it, ROUNDS times, and knows
 * nothing of the attach proxy.
 */

#include "config.h"

#include "util.h"

#include <pthread.h>

#include <bpf/libbpf.h>

#define THREADS_MAX 256
#define ROUNDS_MAX 100000

struct job {
        const char *object;
        int cgroup;
        uint64_t rounds;
        unsigned long attached, failed;
};

static int once(const struct job *job) {
        struct bpf_object *object = bpf_object__open_file(job->object, NULL);
        struct bpf_program *program;
        struct bpf_link *link = NULL;
        int r = object ? bpf_object__load(object) : -errno;

        program = r < 0 ? NULL : bpf_object__next_program(object, NULL);
        if (program)
                link = bpf_program__attach_cgroup(program, job->cgroup);
        if (r == 0 && !link)
                r = -errno;
        if (r < 0)
                (void) fprintf(stderr, "threads: %s\n", strerror(-r));
        (void) bpf_link__destroy(link);
        bpf_object__close(object);
        return r;
}

static void *work(void *userdata) {
        struct job *job = userdata;

        for (uint64_t i = 0; i < job->rounds; i++)
                (void) __atomic_fetch_add(once(job) < 0 ? &job->failed : &job->attached, 1, __ATOMIC_RELAXED);
        return NULL;
}

int main(int argc, char **argv) {
        struct job job = {.cgroup = -1};
        pthread_t threads[THREADS_MAX];
        uint64_t n;

        if (argc != 5 || parse_uint(argv[3], 10, THREADS_MAX, &n) < 0 ||
            parse_uint(argv[4], 10, ROUNDS_MAX, &job.rounds) < 0) {
                (void) fprintf(stderr, "usage: threads OBJECT CGROUPDIR THREADS ROUNDS\n");
                return 2;
        }
        job.object = argv[1];
        job.cgroup = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (job.cgroup < 0) {
                (void) fprintf(stderr, "threads: %s: %s\n", argv[2], strerror(errno));
                return 1;
        }
        for (uint64_t i = 0; i < n; i++)
                if (pthread_create(threads + i, NULL, work, &job) != 0)
                        return 1;
        for (uint64_t i = 0; i < n; i++)
                (void) pthread_join(threads[i], NULL);
        (void) printf("%lu attached, %lu failed\n", job.attached, job.failed);
        return job.failed > 0;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the attach proxy costs; tests/bench/proxy.sh calls it inside and outside of `bpfdeleg run` and compares.
 *   attach DIR ROUNDS          attaches a program to the cgroup DIR and detaches it; prints the attach's median, in us
 *   attach DIR ROUNDS thread   the same from a second thread
 *   call ROUNDS                prints what a system call takes, in ns: the least of many batches
 *   call ROUNDS filter         the same under a seccomp filter of one instruction: what the kernel takes for any
 *   run ROUNDS COMMAND...      starts the command, and waits for it; prints the median, in us
 *   times ROUNDS COMMAND...    the same; prints each, one a line (tests/bench/uids.sh)
 */

#include "../tools/attacher.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ROUNDS_MAX 1000000
#define BATCH 1000

struct job {
        const char *dir;
        uint64_t rounds;
        double *times;
};

static double now(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double) ts.tv_sec * 1e6 + (double) ts.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;

        return x < y ? -1 : x > y;
}

static void *attach_often(void *userdata) {
        struct job *job = userdata;
        int cgroup = open(job->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int program = attacher_load(attacher_token(), BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS, 1);
        union bpf_attr attr = {.link_create = {.prog_fd = (uint32_t) program,
                                               .target_fd = (uint32_t) cgroup,
                                               .attach_type = BPF_CGROUP_INET_EGRESS}};

        if (cgroup < 0 || program < 0)
                attacher_die("nothing to attach", cgroup < 0 ? -errno : program);
        for (uint64_t i = 0; i < job->rounds; i++) {
                double begin = now();
                int r = attacher_bpf(BPF_LINK_CREATE, &attr, sizeof(attr));

                job->times[i] = now() - begin;
                if (r < 0)
                        attacher_die("cannot attach", r);
                (void) close(r);
        }
        return NULL;
}

static int attach(struct job *job, bool thread) {
        pthread_t other;

        if (!thread)
                (void) attach_often(job);
        else if (pthread_create(&other, NULL, attach_often, job) != 0 || pthread_join(other, NULL) != 0)
                attacher_die("no thread", -EAGAIN);
        return 0;
}

static void filter_nothing(void) {
        struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
        const struct sock_fprog program = {.len = 1, .filter = allow};

        if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0)
                attacher_die("seccomp", -errno);
}

static int call(struct job *job, bool filtered) {
        if (filtered)
                filter_nothing();
        for (uint64_t i = 0; i < job->rounds; i++) {
                double begin = now();

                for (unsigned j = 0; j < BATCH; j++)
                        (void) syscall(SYS_getppid);
                job->times[i] = (now() - begin) / BATCH * 1e3;
        }
        return 0;
}

/* vfork: cheap, and the same for all. */
static double run_once(char **command) {
        double begin = now();
        int status = 1;
        pid_t pid = vfork();

        if (pid == 0) {
                (void) execvp(command[0], command);
                _exit(127);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
                attacher_die(command[0], -ECHILD);
        return now() - begin;
}

static int run(struct job *job, char **command) {
        for (uint64_t i = 0; i < job->rounds; i++)
                job->times[i] = run_once(command);
        return 0;
}

int main(int argc, char **argv) {
        bool is_attach = argc >= 4 && streq(argv[1], "attach"), is_call = argc >= 3 && streq(argv[1], "call");
        bool is_times = argc >= 4 && streq(argv[1], "times"), is_run = is_times || (argc >= 4 && streq(argv[1], "run"));
        struct job job = {.dir = argv[is_attach ? 2 : 0]};

        if (!(is_attach || is_call || is_run) || parse_uint(argv[is_attach ? 3 : 2], 10, ROUNDS_MAX, &job.rounds) < 0 ||
            job.rounds == 0) {
                (void) fprintf(stderr,
                               "usage: proxy attach DIR ROUNDS [thread] | call ROUNDS [filter] | run|times ROUNDS "
                               "COMMAND...\n");
                return 2;
        }
        job.times = calloc(job.rounds, sizeof(double));
        if (!job.times)
                return 1;
        if (is_attach)
                (void) attach(&job, argc > 4);
        else
                (void) (is_call ? call(&job, argc > 3) : run(&job, argv + 3));
        qsort(job.times, job.rounds, sizeof(double), compare);
        for (uint64_t i = 0; is_times && i < job.rounds; i++)
                (void) printf("%.1f\n", job.times[i]);
        if (!is_times)
                (void) printf("%.1f\n", job.times[is_call ? 0 : job.rounds / 2]);
        free(job.times);
        return 0;
}

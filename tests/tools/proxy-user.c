/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * proxy-user: what a program inside `bpfdeleg run` may be or do that the attach proxy has to do with.
 *   subreaper CMD...   becomes CMD, as a subreaper
 *   is-subreaper       says whether it is one
 *   children           says how many children it was given
 *   pending            says whether a SIGCHLD waits for it; SIGCHLD is blocked by:
 *   blocking CMD...    becomes CMD, with SIGCHLD blocked
 *   listener           asks for a seccomp listener of its own
 *   impostor DIR       puts a process of its own in the place of the proxy, which answers each attach with a
 *   descriptor of
 *                      /dev/null, and says what the attach of a thread to the cgroup DIR was answered with
 *   attach DIR N       has N threads, each of which attaches a program to the cgroup DIR and detaches it, 50 times
 *   signalled DIR      the same with one thread, which gets signals all the while, by a handler with SA_RESTART
 *   interrupted DIR    by one without, which makes again what was interrupted, and says how often
 *   hold DIR           attaches from a thread, says so, and sleeps
 */

#include "attacher.h"
#include "sysapi.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ROUNDS 50
#define THREADS_MAX 256

static int become(char **command) {
        (void) execvp(command[0], command);
        attacher_die(command[0], -errno);
}

static int subreaper(char **arguments) {
        if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
                attacher_die("subreaper", -errno);
        return become(arguments);
}

static int is_subreaper(char **arguments) {
        int is = 0;

        (void) arguments;
        if (prctl(PR_GET_CHILD_SUBREAPER, &is, 0, 0, 0) < 0)
                attacher_die("subreaper", -errno);
        (void) printf("%s\n", is ? "a subreaper" : "no subreaper");
        return 0;
}

static int children(char **arguments) {
        siginfo_t info;

        (void) arguments;
        (void) printf("%s\n", waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL) < 0 && errno == ECHILD ?
                                      "no child" :
                                      "a child");
        return 0;
}

static int pending(char **arguments) {
        sigset_t set;

        (void) arguments;
        if (sigpending(&set) < 0)
                attacher_die("sigpending", -errno);
        (void) printf("%s\n", sigismember(&set, SIGCHLD) ? "a SIGCHLD waits" : "no SIGCHLD waits");
        return 0;
}

static int blocking(char **arguments) {
        sigset_t set;

        (void) sigemptyset(&set);
        (void) sigaddset(&set, SIGCHLD);
        if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
                attacher_die("sigprocmask", -errno);
        return become(arguments);
}

/* ---- a listener of one's own ------------------------------------------------------------------------------------- */

static int own_listener(void) {
        static struct sock_filter filter[] = {
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_bpf, 0, 2),
                BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
                BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BPF_LINK_CREATE, 1, 0),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
                BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        };
        struct sock_fprog program = {.len = ELEMENTSOF(filter), .filter = filter};

        return sys_seccomp(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static int listener(char **arguments) {
        int r = own_listener();

        (void) arguments;
        (void) printf("%s\n", r < 0 ? strerror(-r) : "a listener");
        return 0;
}

static int load(void) {
        int r = attacher_load(attacher_token(), BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS, 1);

        if (r < 0)
                attacher_die("cannot load", r);
        return r;
}

static int open_cgroup(const char *dir) {
        int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                attacher_die(dir, -errno);
        return fd;
}

static int attach(int program, int cgroup) {
        union bpf_attr attr = {.link_create = {.prog_fd = (uint32_t) program,
                                               .target_fd = (uint32_t) cgroup,
                                               .attach_type = BPF_CGROUP_INET_EGRESS}};

        return attacher_bpf(BPF_LINK_CREATE, &attr, sizeof(attr));
}

static void pretend(int fd) {
        int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        struct seccomp_notif n = {0};
        struct seccomp_notif_addfd add = {.srcfd = (uint32_t) null_fd};
        struct seccomp_notif_resp response = {0};

        if (ioctl(fd, SECCOMP_IOCTL_NOTIF_RECV, &n) < 0)
                attacher_die("nothing is asked", -errno);
        add.id = response.id = n.id;
        response.val = ioctl(fd, SECCOMP_IOCTL_NOTIF_ADDFD, &add);
        if (ioctl(fd, SECCOMP_IOCTL_NOTIF_SEND, &response) < 0)
                attacher_die("no answer", -errno);
}

/* The listener's number is the same in the child, which has the filter; the parent, without it, takes a copy. */
static int impostor(char **arguments) {
        int program = load(), cgroup = open_cgroup(arguments[0]), ends[2], fd = -1, pidfd, status = 1;
        struct bpf_link_info info;
        union bpf_attr attr = {.info = {.info_len = sizeof(info), .info = (uintptr_t) &info}};
        pid_t pid;

        if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0)
                attacher_die("fork", -errno);
        if (pid == 0) {
                attacher_start_thread();
                fd = own_listener();
                if (write(ends[1], &fd, sizeof(fd)) != sizeof(fd) || fd < 0)
                        attacher_die("no listener", fd);
                fd = attach(program, cgroup);
                attr.info.bpf_fd = (uint32_t) fd;
                (void) printf("attach: %s; a link: %s\n", fd < 0 ? strerror(-fd) : "a descriptor",
                              strerror(-attacher_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr))));
                exit(0);
        }
        if (read(ends[0], &fd, sizeof(fd)) != sizeof(fd) || fd < 0)
                return 1;
        pidfd = sys_pidfd_open(pid);
        pretend(sys_pidfd_getfd(pidfd, fd));
        (void) waitpid(pid, &status, 0);
        return status == 0 ? 0 : 1;
}

/* ---- threads that attach ----------------------------------------------------------------------------------------- */

struct job {
        int program, cgroup, failures, interrupted;
        int done;
};

static void *attach_often(void *userdata) {
        struct job *job = userdata;

        for (unsigned i = 0; i < ROUNDS; i++) {
                int fd = attach(job->program, job->cgroup);

                if (fd == -EINTR) {
                        (void) __atomic_fetch_add(&job->interrupted, 1, __ATOMIC_RELAXED);
                        i--;
                } else if (fd < 0)
                        (void) __atomic_fetch_add(&job->failures, 1, __ATOMIC_RELAXED);
                else
                        (void) close(fd);
        }
        __atomic_store_n(&job->done, 1, __ATOMIC_RELAXED);
        return NULL;
}

static int attach_all(char **arguments) {
        struct job job = {.program = load(), .cgroup = open_cgroup(arguments[0])};
        pthread_t threads[THREADS_MAX];
        uint64_t n;

        if (!arguments[1] || parse_uint(arguments[1], 10, THREADS_MAX, &n) < 0)
                return 2;
        for (uint64_t i = 0; i < n; i++)
                if (pthread_create(threads + i, NULL, attach_often, &job) != 0)
                        attacher_die("no thread", -EAGAIN);
        for (uint64_t i = 0; i < n; i++)
                (void) pthread_join(threads[i], NULL);
        (void) printf("%llu attaches, %d failed\n", (unsigned long long) n * ROUNDS, job.failures);
        return job.failures > 0;
}

static void nothing(int signal) {
        (void) signal;
}

static int under_signals(const char *dir, int flags) {
        struct job job = {.program = load(), .cgroup = open_cgroup(dir)};
        struct sigaction action = {.sa_handler = nothing, .sa_flags = flags};
        unsigned long signals = 0;
        pthread_t thread;

        if (sigaction(SIGUSR1, &action, NULL) < 0 || pthread_create(&thread, NULL, attach_often, &job) != 0)
                attacher_die("no thread", -EAGAIN);
        while (!__atomic_load_n(&job.done, __ATOMIC_RELAXED)) {
                (void) pthread_kill(thread, SIGUSR1);
                (void) usleep(100);
                signals++;
        }
        (void) pthread_join(thread, NULL);
        (void) printf("%d attaches, %d interrupted, %d failed, %lu signals\n", ROUNDS, job.interrupted, job.failures,
                      signals);
        return job.failures > 0;
}
static int signalled(char **arguments) {
        return under_signals(arguments[0], SA_RESTART);
}
static int interrupted(char **arguments) {
        return under_signals(arguments[0], 0);
}

static int hold(char **arguments) {
        int program = load(), cgroup = open_cgroup(arguments[0]), r;

        attacher_start_thread();
        r = attach(program, cgroup);
        (void) printf("attach: %s\n", r < 0 ? strerror(-r) : "done");
        (void) fflush(stdout);
        while (r >= 0)
                (void) pause();
        return 1;
}

int main(int argc, char **argv) {
        static const struct {
                const char *name;
                int n; /* arguments at least */
                int (*main)(char **arguments);
        } commands[] = {
                {"subreaper", 1, subreaper}, {"is-subreaper", 0, is_subreaper}, {"children", 0, children},
                {"pending", 0, pending},     {"blocking", 1, blocking},         {"listener", 0, listener},
                {"impostor", 1, impostor},   {"attach", 2, attach_all},         {"hold", 1, hold},
                {"signalled", 1, signalled}, {"interrupted", 1, interrupted},
        };

        for (size_t i = 0; argc >= 2 && i < ELEMENTSOF(commands); i++)
                if (streq(argv[1], commands[i].name) && argc - 2 >= commands[i].n)
                        return commands[i].main(argv + 2);
        (void) fprintf(stderr, "usage: proxy-user COMMAND ARGUMENT...; see its source\n");
        return 2;
}

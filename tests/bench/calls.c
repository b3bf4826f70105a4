/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What calls cost that the guard has a hook on, of a process that no delegation concerns (`calls'), and what loading
 * costs one that has a token (`load DIR'). Prints a line for each measurement, "ROW NANOSECONDS", of one call:
 * guard.sh runs this with the guard and without it, in turn, and makes the table.
 *
 * Each call ends where the kernel has no more to do than look: an attach to a target that is none is refused behind
 * the hook. So what differs is the hook, and not what the kernel does later, or elsewhere.
 */

#include "config.h"

#include "util.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/netlink.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define BATCHES 40
#define BATCH 250 /* calls timed as one: the clock costs as much as a call */
#define FORKS 10

static int prog_fd = -1, map_fd = -1, pair[2] = {-1, -1}, null_fd = -1, netlink_fd = -1;

static double now(void) {
        struct timespec ts;

        (void) clock_gettime(CLOCK_MONOTONIC, &ts);
        return (double) ts.tv_sec * 1e9 + (double) ts.tv_nsec;
}

static void die(const char *what) {
        (void) fprintf(stderr, "calls: %s: %s\n", what, strerror(errno));
        exit(1);
}

static long sys_bpf(int cmd, union bpf_attr *attr, size_t size) {
        return syscall(SYS_bpf, cmd, attr, size);
}

/* ---- the calls: each must do what it should ---- */

static bool yardstick(void) {
        return syscall(SYS_getppid) > 0;
}

static bool look_up(void) {
        uint32_t key = 0;
        uint64_t value;
        union bpf_attr attr = {.map_fd = (uint32_t) map_fd, .key = (uintptr_t) &key, .value = (uintptr_t) &value};

        return sys_bpf(BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)) == 0;
}

static bool test_run(void) {
        uint8_t packet[14] = {0};
        union bpf_attr attr = {
                .test = {.prog_fd = (uint32_t) prog_fd, .data_in = (uintptr_t) packet, .data_size_in = sizeof(packet)}};

        return sys_bpf(BPF_PROG_TEST_RUN, &attr, sizeof(attr)) == 0;
}

/* Freed by a worker of the kernel's, which the guard sees, too. */
static bool map_create(void) {
        union bpf_attr attr = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1};
        int fd = sys_bpf(BPF_MAP_CREATE, &attr, sizeof(attr));

        return fd >= 0 && close(fd) == 0;
}

static bool link_create(void) {
        union bpf_attr attr = {.link_create = {.prog_fd = (uint32_t) prog_fd,
                                               .target_fd = 9999,
                                               .attach_type = BPF_CGROUP_INET_EGRESS}};

        return sys_bpf(BPF_LINK_CREATE, &attr, sizeof(attr)) < 0 && errno == EBADF;
}

static bool prog_attach(void) {
        union bpf_attr attr = {.attach_bpf_fd = (uint32_t) prog_fd,
                               .target_fd = 9999,
                               .attach_type = BPF_CGROUP_INET_EGRESS};

        return sys_bpf(BPF_PROG_ATTACH, &attr, sizeof(attr)) < 0 && errno == EBADF;
}

static bool pass_fd(int fd) {
        union {
                struct cmsghdr align;
                char buf[CMSG_SPACE(sizeof(int))];
        } control = {.buf = {0}};
        char byte = 0;
        struct iovec iov = {.iov_base = &byte, .iov_len = 1};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
        int received;

        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
        if (syscall(SYS_sendmsg, pair[0], &msg, 0) != 1)
                return false;
        msg.msg_controllen = sizeof(control);
        if (syscall(SYS_recvmsg, pair[1], &msg, MSG_CMSG_CLOEXEC) != 1 || !CMSG_FIRSTHDR(&msg))
                return false;
        memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(received));
        return close(received) == 0;
}
static bool receive_file(void) {
        return pass_fd(null_fd);
}
static bool receive_prog(void) {
        return pass_fd(prog_fd);
}

/* Refused for its argument behind the check: CAP_SETPCAP, and CAP_SYS_ADMIN, which the guard looks at more closely. */
static bool capability(void) {
        return prctl(PR_CAPBSET_DROP, 255, 0, 0, 0) < 0 && errno == EINVAL;
}
static bool sys_admin(void) {
        return syscall(SYS_sethostname, "", -1) < 0 && errno == EINVAL;
}

static bool fork_one(void) {
        pid_t pid = fork();

        if (pid == 0)
                _exit(0);
        return pid > 0 && waitpid(pid, NULL, 0) == pid;
}

/* A message that the kernel takes and does nothing for. */
static bool netlink_send(void) {
        static const struct nlmsghdr noop = {.nlmsg_len = sizeof(noop),
                                             .nlmsg_type = NLMSG_NOOP,
                                             .nlmsg_flags = NLM_F_REQUEST};

        return send(netlink_fd, &noop, sizeof(noop), 0) == sizeof(noop);
}

static bool open_file(void) {
        int fd = open("/proc/self/comm", O_RDONLY | O_CLOEXEC);

        return fd >= 0 && close(fd) == 0;
}
static bool open_null(void) {
        int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

        return fd >= 0 && close(fd) == 0;
}
static bool make_symlink(void) {
        char name[64];

        (void) snprintf(name, sizeof(name), "/dev/shm/bpfdeleg-bench-%ld", (long) getpid());
        return symlink("x", name) == 0 && unlink(name) == 0;
}

/* Of a socket that nobody delegated anything for. */
static bool peer_credentials(void) {
        struct ucred cred;
        socklen_t size = sizeof(cred);

        return getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0;
}
static bool set_option(void) {
        int one = 1;

        return setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) == 0;
}
static bool send_and_receive(void) {
        char byte = 0;

        return send(pair[0], &byte, 1, 0) == 1 && recv(pair[1], &byte, 1, 0) == 1;
}

/* ---- in which process ---- */

static void *sleep_on(void *userdata) {
        (void) userdata;
        (void) pause();
        return NULL;
}

/* A second thread shares the descriptors. */
static void threaded(void) {
        pthread_t thread;

        errno = pthread_create(&thread, NULL, sleep_on, NULL);
        if (errno != 0)
                die("pthread_create");
}

static void contained(void) {
        if (unshare(CLONE_NEWUSER | CLONE_NEWUTS) < 0)
                die("unshare");
}
static void contained_threaded(void) {
        contained();
        threaded();
}

static const struct {
        const char *name;
        bool (*call)(void);
        void (*place)(void);
} rows[] = {
        {"getppid", yardstick, NULL},
        {"bpf-lookup", look_up, NULL},
        {"bpf-test-run", test_run, NULL},
        {"bpf-test-run-threaded", test_run, threaded},
        {"bpf-map-create", map_create, NULL},
        {"bpf-link-create", link_create, NULL},
        {"bpf-link-create-threaded", link_create, threaded},
        {"bpf-prog-attach", prog_attach, NULL},
        {"receive-file", receive_file, NULL},
        {"receive-prog", receive_prog, NULL},
        {"capability", capability, NULL},
        {"cap-sys-admin", sys_admin, NULL},
        {"cap-sys-admin-container", sys_admin, contained},
        {"cap-sys-admin-container-threaded", sys_admin, contained_threaded},
        {"fork", fork_one, NULL},
        {"fork-container", fork_one, contained},
        {"netlink", netlink_send, NULL},
        {"netlink-container", netlink_send, contained},
        {"open-null", open_null, NULL},
        {"open-proc", open_file, NULL},
        {"symlink", make_symlink, NULL},
        {"socket-peercred", peer_credentials, NULL},
        {"socket-setsockopt", set_option, NULL},
        {"socket-send-receive", send_and_receive, NULL},
};

static void measure(size_t row) {
        int calls = rows[row].call == fork_one ? FORKS : BATCH;

        if (rows[row].place)
                rows[row].place();
        for (int batch = -2; batch < BATCHES; batch++) {
                double begin = now();

                for (int i = 0; i < calls; i++)
                        if (!rows[row].call())
                                die(rows[row].name);
                if (batch >= 0) /* the first warm up */
                        (void) printf("%s %.1f\n", rows[row].name, (now() - begin) / calls);
        }
}

/* Each row in a process of its own: a thread or a namespace of one is none of the next. */
static int measure_all(void) {
        struct bpf_insn insns[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1},
                                   {.code = BPF_JMP | BPF_EXIT}};
        LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_CGROUP_INET_EGRESS);

        prog_fd = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, "bench", "GPL", insns, ELEMENTSOF(insns), &opts);
        map_fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "bench", 4, 8, 1, NULL);
        null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
        netlink_fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        if (prog_fd < 0 || map_fd < 0 || null_fd < 0 || netlink_fd < 0 ||
            socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0)
                die("what is to be measured");
        for (size_t row = 0; row < ELEMENTSOF(rows); row++) {
                pid_t pid;
                int status;

                (void) fflush(stdout);
                pid = fork();
                if (pid < 0)
                        die("fork");
                if (pid == 0) {
                        measure(row);
                        (void) fflush(stdout);
                        _exit(0);
                }
                if (waitpid(pid, &status, 0) < 0 || status != 0)
                        return 1;
        }
        return 0;
}

/* ---- loading with a token ---- */

/* Straight on, with a helper called in every eighth instruction: the kernel walks each once, and so does the guard. */
static void load_one(int token, size_t n, struct bpf_insn *insns) {
        LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = BPF_CGROUP_INET_EGRESS,
                    .prog_flags = BPF_F_TOKEN_FD, .token_fd = token);
        double begin;
        int fd;

        for (size_t i = 0; i < n; i++)
                insns[i] = i % 8 == 7 ? (struct bpf_insn){.code = BPF_JMP | BPF_CALL, .imm = 7 /* get_prandom_u32 */} :
                                        (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1};
        insns[n - 2] = (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1};
        insns[n - 1] = (struct bpf_insn){.code = BPF_JMP | BPF_EXIT};
        begin = now();
        fd = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, "bench", "GPL", insns, n, &opts);
        begin = now() - begin;
        if (fd < 0)
                die("a program with the token");
        (void) close(fd);
        (void) printf("load-%zu %.0f\n", n, begin);
}

static int measure_loads(const char *dir) {
        static const struct { size_t size, times; } sizes[] = {{1000, 20}, {100000, 3}, {1000000, 1}};
        struct bpf_insn *insns = calloc(1000000, sizeof(*insns));
        int bpffs = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), token;

        if (!insns || bpffs < 0)
                die(dir);
        token = bpf_token_create(bpffs, NULL);
        if (token < 0)
                die("a token");
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++)
                for (size_t j = 0; j < sizes[i].times; j++)
                        load_one(token, sizes[i].size, insns);
        free(insns);
        return 0;
}

int main(int argc, char **argv) {
        if (argc == 2 && streq(argv[1], "calls"))
                return measure_all();
        if (argc == 3 && streq(argv[1], "load"))
                return measure_loads(argv[2]);
        (void) fprintf(stderr, "usage: calls calls | calls load DIR\n");
        return 2;
}

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What a user may try against processes: his own maker and anchor, and ENTER's idea of which process asked.
 *
 *   harass hunt look|stop|kill      as the user, until SIGTERM: waits for makers and anchors of his, and at a random
 *   moment of their lives tries to
 *                                   trace or open them, or stops or kills them. 1: one could be traced or opened
 *   harass reuse SOCKET UID VICTIM-UID N   as root: N times, a process of UID asks to ENTER and dies, and another,
 *   VICTIM-UID's, gets its number.
 *                                   1: a victim has been moved
 *   harass exec SOCKET N WITNESS    as the user: N times, a process asks to ENTER and at the same time runs a setuid
 *   program, WITNESS, a setuid copy
 *                                   of this one. 1: that has ever been root in the delegation's cgroup
 */

#include "config.h"

#include "client.h"
#include "sysapi.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

static _Noreturn void die(const char *what) {
        (void) fprintf(stderr, "harass: %s: %m\n", what);
        exit(3);
}

/* Up to that many microseconds, awake: sleeping would take fifty at least. */
static void dawdle(unsigned usec) {
        uint64_t end = now_usec() + (uint64_t) random() % (usec + 1);

        while (now_usec() < end)
                ;
}

/* ---- hunt ---- */

#define RECENT 64
#define DAWDLE_HUNT 3000 /* a login takes some 2000 us */

static volatile sig_atomic_t stopped;
static unsigned seen, opened, traced, signalled;

static void on_term(int number) {
        (void) number;
        stopped = 1;
}

/* Whether it has memory still: anybody may open that of a process that has none any more. */
static bool has_memory(pid_t pid) {
        char path[32], line[128];
        bool has = false;
        FILE *f;

        (void) snprintf(path, sizeof(path), "/proc/%d/status", (int) pid);
        f = fopen(path, "re");
        while (f && !has && fgets(line, sizeof(line), f))
                has = strncmp(line, "VmSize:", 7) == 0;
        if (f)
                (void) fclose(f);
        return has;
}

static void look_at_files(pid_t pid) {
        static const struct {
                const char *name;
                bool of_memory;
        } files[] = {
                {"mem", true},   {"environ", true},  {"auxv", true},    {"maps", true},
                {"root", false}, {"cwd", false},     {"exe", false},    {"fd/0", false},
                {"fd/3", false}, {"ns/user", false}, {"ns/mnt", false}, {"ns/cgroup", false},
        };
        char path[64];

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                int fd;

                (void) snprintf(path, sizeof(path), "/proc/%d/%s", (int) pid, files[i].name);
                fd = open(path, O_RDONLY | O_CLOEXEC);
                if (fd >= 0 && files[i].of_memory && !has_memory(pid))
                        (void) close(fd);
                else if (fd >= 0) {
                        (void) printf("opened: %s\n", path);
                        (void) close(fd);
                        opened++;
                }
        }
}

static void look_into(pid_t pid) {
        char byte;
        struct iovec here = {.iov_base = &byte, .iov_len = 1},
                     there = {.iov_base = (void *) (uintptr_t) die, .iov_len = 1};
        _cleanup_close_ int pidfd = (int) syscall(SYS_pidfd_open, pid, 0);

        if (process_vm_readv(pid, &here, 1, &there, 1, 0) == 1 || errno == EFAULT)
                opened++;
        for (int i = 0; pidfd >= 0 && i < 8; i++) {
                int fd = (int) syscall(SYS_pidfd_getfd, pidfd, i, 0);

                if (fd >= 0 || errno == EBADF) {
                        (void) printf("taken: descriptor %d of %d\n", i, (int) pid);
                        (void) close_fd(fd);
                        opened++;
                }
        }
}

static void trace(pid_t pid) {
        if (syscall(SYS_ptrace, PTRACE_SEIZE, pid, NULL, NULL) == 0 ||
            syscall(SYS_ptrace, PTRACE_ATTACH, pid, NULL, NULL) == 0) {
                (void) printf("traced: %d\n", (int) pid);
                traced++;
        }
}

/* A maker has the helper's name, an anchor too until it has its own. */
static bool is_prey(pid_t pid) {
        char path[32], name[32] = "";
        FILE *f;

        (void) snprintf(path, sizeof(path), "/proc/%d/comm", (int) pid);
        f = fopen(path, "re");
        if (!f)
                return false;
        if (!fgets(name, sizeof(name), f))
                name[0] = '\0';
        (void) fclose(f);
        return strncmp(name, "bpfdeleg", 8) == 0;
}

static void pounce(pid_t pid, const char *how) {
        dawdle(DAWDLE_HUNT);
        if (streq(how, "look")) {
                look_at_files(pid);
                look_into(pid);
                trace(pid);
        } else if (kill(pid, streq(how, "stop") ? SIGSTOP : SIGKILL) == 0)
                signalled++;
}

/* The last number given out is the last word there; /proc itself takes a hundred times as long to read. */
static pid_t last_pid(int loadavg_fd) {
        char text[128];
        ssize_t n = pread(loadavg_fd, text, sizeof(text) - 1, 0);
        const char *space;

        if (n <= 0)
                die("/proc/loadavg");
        text[n] = '\0';
        space = strrchr(text, ' ');
        return space ? (pid_t) atoi(space) : 0;
}

static int hunt(const char *how) {
        pid_t recent[RECENT] = {0}, last, now;
        int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
        unsigned n = 0;

        (void) signal(SIGTERM, on_term);
        last = last_pid(fd);
        (void) printf("hunting\n");
        (void) fflush(stdout);
        while (!stopped) {
                for (now = last_pid(fd); last < now; n++)
                        recent[n % RECENT] = ++last;
                last = now;
                /* Of a process that is still root's it is told EPERM. */
                for (unsigned i = 0; i < RECENT; i++)
                        if (recent[i] > 0 && kill(recent[i], 0) == 0) {
                                if (is_prey(recent[i])) {
                                        seen++;
                                        pounce(recent[i], how);
                                }
                                recent[i] = 0;
                        }
        }
        (void) close(fd);
        (void) printf("%u seen, %u signalled, %u opened, %u traced\n", seen, signalled, opened, traced);
        return opened + traced > 0;
}

/* ---- asking to enter ---- */

/* Connects fd and asks; says nothing of failures: there may be nobody left. */
static void ask(int fd, const char *socket_path) {
        struct proto_enter enter = PROTO_INIT(PROTO_ENTER);
        struct sockaddr_un sa;

        if (sock_address(socket_path, &sa) == 0 && connect(fd, (const struct sockaddr *) &sa, sizeof(sa)) == 0)
                (void) sock_send(fd, &enter, sizeof(enter), NULL, 0);
}

static int new_socket(void) {
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        if (fd < 0)
                die("socket");
        return fd;
}

/* The line of cgroup2. */
static void read_cgroup(pid_t pid, char *buf, size_t size) {
        char path[32], line[600];
        FILE *f;

        (void) snprintf(path, sizeof(path), "/proc/%d/cgroup", (int) pid);
        f = fopen(path, "re");
        buf[0] = '\0';
        while (f && fgets(line, sizeof(line), f))
                if (strncmp(line, "0::", 3) == 0)
                        (void) snprintf(buf, size, "%.*s", (int) strcspn(line, "\n"), line);
        if (f)
                (void) fclose(f);
}

/* ---- reuse ---- */

#define DAWDLE_REUSE 400

static void become(uid_t uid) {
        if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
                die("becoming the user");
}

static pid_t asker(int fd, const char *socket_path, uid_t uid) {
        pid_t pid = fork();

        if (pid == 0) {
                become(uid);
                (void) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                ask(fd, socket_path);
                dawdle(DAWDLE_REUSE);
                _exit(0);
        }
        if (pid < 0)
                die("fork");
        return pid;
}

/* The next process of that number, or -1 if somebody was faster. */
static pid_t victim(pid_t number, uid_t uid) {
        struct {
                uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid,
                        set_tid_size;
        } args = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t) &number, .set_tid_size = 1};
        pid_t pid = (pid_t) syscall(SYS_clone3, &args, sizeof(args));

        if (pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
                if (syscall(SYS_setresuid, uid, uid, uid) < 0)
                        _exit(1);
                for (;;)
                        (void) pause();
        }
        return pid;
}

/* Whatever is said, or nothing: it is over then. Returns the result. */
static int32_t verdict(int fd) {
        struct client client = {.fd = fd, .deadline = now_usec() + 30 * USEC_PER_SEC};
        struct sock_received received = SOCK_RECEIVED_INIT;
        union proto_message answer;
        int r = client_receive(&client, &answer, PROTO_ENTERED_FDS_MAX, &received);

        sock_received_done(&received);
        return r < 0 ? r : answer.entered.result;
}

static int reuse(const char *socket_path, uid_t uid, uid_t victim_uid, uint64_t n) {
        unsigned reused = 0, granted = 0, moved = 0;
        char home[600], there[600];

        read_cgroup(getpid(), home, sizeof(home));
        for (uint64_t i = 0; i < n; i++) {
                int fd = new_socket();
                pid_t pid = asker(fd, socket_path, uid);

                (void) waitpid(pid, NULL, 0);
                pid = victim(pid, victim_uid);
                reused += pid > 0;
                granted += verdict(fd) == 0;
                if (pid > 0) {
                        read_cgroup(pid, there, sizeof(there));
                        moved += !streq(there, home);
                        (void) kill(pid, SIGKILL);
                        (void) waitpid(pid, NULL, 0);
                }
                (void) close(fd);
        }
        (void) printf("%u numbers reused, %u askers granted, %u victims moved\n", reused, granted, moved);
        return moved > 0;
}

/* ---- exec ---- */

#define DAWDLE_EXEC 400

static const char *witness_path;

/* What the setuid program has to say. */
static int witness(void) {
        char there[600];

        read_cgroup(getpid(), there, sizeof(there));
        (void) printf("%u %s\n", (unsigned) geteuid(), there);
        return 0;
}

static void run_witness(void) {
        dawdle(DAWDLE_EXEC);
        (void) execl(witness_path, witness_path, "witness", (char *) NULL);
        _exit(1);
}

static void *thread_runs_witness(void *unused) {
        (void) unused;
        run_witness();
        return NULL;
}

static void *thread_renounces(void *unused) {
        (void) unused;
        (void) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        for (;;)
                (void) pause();
        return NULL;
}

/* no_new_privs is a thread's own. So: none at all; the asking thread's, while another runs the program; another's,
 * while the asking one does. */
static _Noreturn void racer(const char *socket_path, unsigned variant, int out) {
        pthread_t thread;

        srandom((unsigned) getpid());
        if (dup2(out, STDOUT_FILENO) < 0)
                _exit(1);
        ask(new_socket(), socket_path);
        dawdle(DAWDLE_EXEC);
        if (variant == 1) {
                (void) pthread_create(&thread, NULL, thread_runs_witness, NULL);
                (void) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
                for (;;)
                        (void) pause();
        }
        if (variant == 2)
                (void) pthread_create(&thread, NULL, thread_renounces, NULL);
        run_witness();
        _exit(1);
}

static int exec_races(const char *socket_path, uint64_t n) {
        char home[600], there[600], text[800];
        unsigned root = 0, root_inside = 0, euid;

        read_cgroup(getpid(), home, sizeof(home));
        for (uint64_t i = 0; i < n; i++) {
                int pair[2];
                pid_t pid;
                ssize_t got;

                if (pipe2(pair, O_CLOEXEC) < 0 || (pid = fork()) < 0)
                        die("fork");
                if (pid == 0)
                        racer(socket_path, (unsigned) (i % 3), pair[1]);
                (void) close(pair[1]);
                got = read(pair[0], text, sizeof(text) - 1);
                text[got > 0 ? got : 0] = '\0';
                (void) close(pair[0]);
                (void) waitpid(pid, NULL, 0);
                if (sscanf(text, "%u %599s", &euid, there) == 2 && euid == 0) {
                        root++;
                        root_inside += !streq(there, home);
                }
        }
        (void) printf("%u ran as root, %u of them inside\n", root, root_inside);
        return root_inside > 0;
}

int main(int argc, char **argv) {
        uint64_t n, uid, victim_uid;

        srandom((unsigned) getpid());
        if (argc == 2 && streq(argv[1], "witness"))
                return witness();
        if (argc == 3 && streq(argv[1], "hunt"))
                return hunt(argv[2]);
        if (argc == 6 && streq(argv[1], "reuse") && parse_uint(argv[3], 10, UINT32_MAX, &uid) == 0 &&
            parse_uint(argv[4], 10, UINT32_MAX, &victim_uid) == 0 && parse_uint(argv[5], 10, UINT32_MAX, &n) == 0)
                return reuse(argv[2], (uid_t) uid, (uid_t) victim_uid, n);
        if (argc == 5 && streq(argv[1], "exec") && parse_uint(argv[3], 10, UINT32_MAX, &n) == 0) {
                witness_path = argv[4];
                return exec_races(argv[2], n);
        }
        (void) fprintf(stderr, "usage: harass hunt HOW | reuse SOCKET UID VICTIM-UID N | exec SOCKET N WITNESS\n");
        return 2;
}

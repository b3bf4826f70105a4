/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The two processes of an attack, what they say to each other, and the table of all attacks: see escape.h. */

#include "escape.h"

#include <dirent.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "mounts.h"
#include "sysapi.h"

#define START_ENV "ESCAPE_AT_START"
#define OUTSIDE_ENV "ESCAPE_OUTSIDE"

static const struct vector *const groups[] = {
        target_vectors, memory_vectors, outside_vectors, race_vectors,   uring_vectors,   receiver_vectors,
        nested_vectors, end_vectors,    late_vectors,    runner_vectors, netlink_vectors, privilege_vectors,
        itself_vectors, blind_vectors,  own_vectors,     name_vectors,   time_vectors,    btf_vectors,
        map_vectors,    detach_vectors, limit_vectors,
};

struct message {
        enum { HELLO, GO_ON, GIVE, RESULT } kind;
        int32_t number; /* HELLO: pid; RESULT: enum result */
        char text[2048];
};

enum result say(struct play *play, enum result result, const char *format, ...) {
        char text[sizeof(play->said)];
        va_list ap;

        va_start(ap, format);
        (void) vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        memcpy(play->said, text, sizeof(text));
        return result;
}

enum result refused(struct play *play, int r, const char *what) {
        char log[512];

        copy_field_cut(log, sizeof(log), play->said);
        return say(play, REFUSED, "%s: %s%s%s", what, strerror(-r), log[0] ? ": " : "", log);
}

/* ---- between the two ---- */

static int post(struct play *play, int kind, int32_t number, int fd) {
        struct message message = {.kind = kind, .number = number};

        copy_field_cut(message.text, sizeof(message.text), play->said);
        return sock_send(play->peer, &message, sizeof(message), &fd, fd >= 0);
}

int give(struct play *play, int fd) {
        play->said[0] = '\0';
        return post(play, fd >= 0 ? GIVE : GO_ON, 0, fd);
}

int give_on(struct play *play) {
        return post(play, GO_ON, 0, -1);
}

#define RESULT_BASE 1000 /* a result that came where something else was awaited travels as an error beyond any errno */

static int hear(struct play *play, struct message *ret, int *ret_fd) {
        struct sock_received received = SOCK_RECEIVED_INIT;
        int r;

        r = sock_recv(play->peer, ret, sizeof(*ret), 1, &received);
        if (r < 0)
                return r;
        *ret_fd = take_fd(&received.fds[0]);
        if (ret->kind != RESULT)
                return 0;
        ret->text[sizeof(ret->text) - 1] = '\0';
        copy_field_cut(play->said, sizeof(play->said), ret->text);
        return -(RESULT_BASE + ret->number);
}

int take(struct play *play, int *ret) {
        struct message message = {.kind = HELLO};

        *ret = -1;
        return hear(play, &message, ret);
}

enum result untaken(struct play *play, int r, const char *what) {
        if (r <= -RESULT_BASE)
                return (enum result)(-r - RESULT_BASE);
        play->said[0] = '\0';
        if (r == -EACCES)
                return say(play, REFUSED, "%s: the descriptor was not delivered", what);
        return say(play, BROKEN, "%s: %s", what, strerror(-r));
}

/* ---- outside ---- */

int open_of_inside(const struct play *play, const char *name, int flags) {
        char path[300];
        int fd;

        (void) snprintf(path, sizeof(path), "/proc/%d/%s", (int) play->inside, name);
        fd = open(path, flags | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int join(struct play *play) {
        _cleanup_close_ int fd = -1;

        fd = open_of_inside(play, "ns/user", O_RDONLY);
        if (fd < 0)
                return take_fd(&fd);
        return setns(fd, CLONE_NEWUSER) < 0 ? -errno : 0;
}

/* The first directory beside ours that is another delegation. */
static int open_sibling(int parent, const char *own, int flags) {
        struct dirent *entry;
        int copy, fd = -1;
        DIR *dir;

        copy = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        dir = copy < 0 ? NULL : fdopendir(copy);
        if (!dir)
                return -errno;
        while (fd < 0 && (entry = readdir(dir)))
                if (entry->d_type == DT_DIR && entry->d_name[0] != '.' && !streq(entry->d_name, own))
                        fd = openat(parent, entry->d_name, O_DIRECTORY | O_CLOEXEC | flags);
        (void) closedir(dir);
        return fd < 0 ? -ENOENT : fd;
}

static int open_path(const char *path, int flags) {
        int fd = open(path, O_DIRECTORY | O_CLOEXEC | flags);

        return fd < 0 ? -errno : fd;
}

int open_cgroup(const struct play *play, const char *what, int flags) {
        _cleanup_close_ int parent = -1, file = -1;
        char text[512] = "", path[1100], *own;
        ssize_t n;

        if (streq(what, "root"))
                return open_path(play->cgroup2, flags);
        file = open_of_inside(play, "cgroup", O_RDONLY);
        n = file < 0 ? -1 : read(file, text, sizeof(text) - 1);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        own = strstr(text, "0::/");
        if (!own)
                return -ENOENT;
        own[strcspn(own, "\n")] = '\0';
        *strrchr(own, '/') = '\0'; /* …/run */
        (void) snprintf(path, sizeof(path), "%s%s", play->cgroup2, own + 3);
        if (streq(what, "own"))
                return open_path(path, flags);
        *strrchr(path, '/') = '\0';
        if (streq(what, "parent"))
                return open_path(path, flags);
        parent = open_path(path, O_RDONLY);
        return parent < 0 ? take_fd(&parent) : open_sibling(parent, strrchr(own, '/') + 1, flags);
}

int pidfd_getfd_of(pid_t pid, int fd) {
        _cleanup_close_ int pidfd = sys_pidfd_open(pid);
        int r;

        if (pidfd < 0)
                return take_fd(&pidfd);
        r = (int) syscall(SYS_pidfd_getfd, pidfd, fd, 0);
        return r < 0 ? -errno : r;
}

uint64_t inode_of(int fd) {
        struct stat st;

        return fstat(fd, &st) < 0 ? 0 : (uint64_t) st.st_ino;
}

/* ---- the two processes ---- */

static const struct vector *find(const char *name) {
        for (size_t g = 0; g < ELEMENTSOF(groups); g++)
                for (const struct vector *v = groups[g]; v->name; v++)
                        if (streq(v->name, name))
                                return v;
        return NULL;
}

static int list(void) {
        for (size_t g = 0; g < ELEMENTSOF(groups); g++)
                for (const struct vector *v = groups[g]; v->name; v++)
                        printf("%s %s\n", v->name, v->group);
        return 0;
}

/* Everything is kept until the other has gone. */
static void stay(struct play *play) {
        struct message message;
        int fd = -1;

        while (hear(play, &message, &fd) != -ECONNRESET)
                fd = close_fd(fd);
}

enum result tell_and_stay(struct play *play, enum result result) {
        if (result != UNDECIDED)
                (void) post(play, RESULT, (int32_t) result, -1);
        stay(play);
        return result;
}

static int number_of(const char *name) {
        const char *text = getenv(name);

        return text ? atoi(text) : -1;
}

static int be_inside(const struct vector *vector) {
        struct play play = {.peer = number_of(PEER_ENV), .is_inside = true, .inside = getpid(), .token = -1};
        enum result result = UNDECIDED;

        play.at_start = number_of(START_ENV);
        play.outside = number_of(OUTSIDE_ENV);
        (void) fcntl(play.peer, F_SETFD, FD_CLOEXEC);
        play.bpffs = open("/sys/fs/bpf", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (post(&play, HELLO, (int32_t) getpid(), play.bpffs) < 0)
                return BROKEN;
        if (vector->inside)
                result = vector->inside(&play);
        (void) tell_and_stay(&play, result);
        return 0;
}

static int start_inside(struct play *play, const char *self, const struct vector *vector) {
        const char *option = vector->without_proxy ? "--no-proxy" : "--";
        char *const command[] = {(char *) (uintptr_t) "bpfdeleg",
                                 (char *) (uintptr_t) "run",
                                 (char *) (uintptr_t) option,
                                 (char *) (uintptr_t) self,
                                 (char *) (uintptr_t) "--inside",
                                 (char *) (uintptr_t) vector->name,
                                 NULL};
        char text[32];
        int pair[2];
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                int peer = dup(pair[1]);

                (void) snprintf(text, sizeof(text), "%d", peer);
                (void) setenv(PEER_ENV, text, true);
                (void) snprintf(text, sizeof(text), "%d", play->at_start);
                (void) setenv(START_ENV, text, true);
                (void) snprintf(text, sizeof(text), "%d", (int) getppid());
                (void) setenv(OUTSIDE_ENV, text, true);
                (void) execvp(command[0], command);
                _exit(127);
        }
        (void) close(pair[1]);
        play->peer = pair[0];
        return 0;
}

/* The other one says who it is, and lends the delegated bpffs: that is no secret to a process of the same user. */
static int greet(struct play *play) {
        struct message message;
        int r;

        r = hear(play, &message, &play->bpffs);
        if (r < 0)
                return r;
        play->inside = (pid_t) message.number;
        return play->bpffs < 0 ? -ENOENT : 0;
}

static enum result decide(struct play *play, const struct vector *vector) {
        enum result result = UNDECIDED;
        int r, fd;

        if (vector->outside)
                result = vector->outside(play);
        while (result == UNDECIDED) {
                r = take(play, &fd);
                (void) close_fd(fd);
                if (r < 0)
                        result = untaken(play, r, "waiting for the result");
        }
        return result;
}

static const char *word(enum result result) {
        return result == ESCAPED ? "escaped" : result == REFUSED ? "refused" : result == ABSENT ? "absent" : "broken";
}

static int be_outside(const char *self, const struct vector *vector, bool hold) {
        struct play play = {.outside = getpid(), .at_start = -1, .token = -1, .bpffs = -1};
        enum result result;
        int r;

        r = mounts_find_cgroup2("/proc/self/mountinfo", play.cgroup2, sizeof(play.cgroup2));
        if (r == 0 && vector->at_start)
                play.at_start = r = vector->at_start(&play);
        if (r >= 0)
                r = start_inside(&play, self, vector);
        if (r >= 0)
                r = greet(&play);
        if (r < 0) {
                printf("broken: the process inside has not come up: %s\n", strerror(-r));
                return BROKEN;
        }
        result = decide(&play, vector);
        if (hold && vector->after && result == ESCAPED) {
                printf("ready: %s\n", play.said);
                (void) fflush(stdout);
                (void) getchar();
                play.said[0] = '\0';
                result = vector->after(&play);
        }
        printf("%s: %s\n", word(result), play.said);
        (void) fflush(stdout);
        while (hold && getchar() != EOF)
                ;
        /* What the others wait for is that all their sockets end. */
        (void) syscall(SYS_close_range, STDERR_FILENO + 1, ~0u, 0);
        while (wait(NULL) > 0)
                ;
        return (int) result;
}

/* By root, for the vectors that need an admin's link: without a token. */
static int make_admin_link(bool xdp, const char *target, const char *path) {
        struct play play = {.bpffs = -1, .token = -1};
        int at, prog, link, r;

        at = xdp ? (int) if_nametoindex(target) : open_path(target, O_RDONLY);
        prog = xdp ? load_return(&play, PROG_XDP, AT_XDP, 2) : load_return(&play, PROG_CGROUP_SKB, AT_EGRESS, 1);
        link = prog < 0 ? prog : make_link_at(prog, at, xdp ? AT_XDP : AT_EGRESS);
        r = link < 0 ? link : pin(link, path);
        if (r < 0)
                fprintf(stderr, "escape: a link on %s pinned as %s: %s %s\n", target, path, strerror(-r), play.said);
        return r < 0 ? BROKEN : 0;
}

/* The root of what this process sees of cgroup2 is for a receiver in a delegation his own. */
static int be_receiver(const char *name) {
        struct play play = {.outside = getpid(), .at_start = -1, .token = -1, .bpffs = -1, .peer = number_of(PEER_ENV)};

        (void) snprintf(play.cgroup2, sizeof(play.cgroup2), "/sys/fs/cgroup");
        if (name)
                return receive_at(&play, name);
        if (mounts_find_cgroup2("/proc/self/mountinfo", play.cgroup2, sizeof(play.cgroup2)) < 0)
                return BROKEN;
        return (int) receive_one(&play);
}

static int usage(void) {
        fprintf(stderr,
                "usage: escape [--hold] NAME | --list | --receive NAME | --receive-on | --admin-link CGROUP PIN | "
                "--admin-xdp INTERFACE PIN | --pry | --tracing | --outsider CGROUP | --foreign UID CGROUP | "
                "--writer NAME | --detach CGROUP | --detach-shared CGROUP | --admin-attach CGROUP | --hold-tokens N\n");
        return BROKEN;
}

int main(int argc, char **argv) {
        bool inside = argc == 3 && streq(argv[1], "--inside"), hold = argc == 3 && streq(argv[1], "--hold");
        const struct vector *vector;

        if (argc == 2 && streq(argv[1], "--list"))
                return list();
        if (argc == 3 && streq(argv[1], "--receive"))
                return be_receiver(argv[2]);
        if (argc == 2 && streq(argv[1], "--receive-on"))
                return be_receiver(NULL);
        if (argc == 2 && streq(argv[1], "--pry"))
                return pry_as_root();
        if (argc == 2 && streq(argv[1], "--tracing"))
                return load_tracing_as_root();
        if (argc == 3 && streq(argv[1], "--writer"))
                return write_to_clients(argv[2]);
        if (argc == 3 && streq(argv[1], "--outsider"))
                return outsider(argv[2]);
        if (argc == 4 && streq(argv[1], "--foreign"))
                return foreign(argv[2], argv[3]);
        if (argc == 3 && (streq(argv[1], "--detach") || streq(argv[1], "--detach-shared")))
                return detach_as_anybody(argv[2], streq(argv[1], "--detach-shared"));
        if (argc == 3 && streq(argv[1], "--admin-attach"))
                return attach_as_admin(argv[2]);
        if (argc == 3 && streq(argv[1], "--hold-tokens"))
                return hold_tokens((unsigned) atoi(argv[2]));
        if (argc == 4 && (streq(argv[1], "--admin-link") || streq(argv[1], "--admin-xdp")))
                return make_admin_link(streq(argv[1], "--admin-xdp"), argv[2], argv[3]);
        if (argc != 2 && !inside && !hold)
                return usage();
        vector = find(argv[argc - 1]);
        if (!vector)
                return usage();
        (void) signal(SIGPIPE, SIG_IGN);
        return inside ? be_inside(vector) : be_outside(argv[0], vector, hold);
}

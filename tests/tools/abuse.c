/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * abuse SOCKET KIND N [COOKIE]: N acts of one kind on the user socket, as a user with no good intentions, some at the
 * same time; 0: without end, for a bench. What may come of an act is part of its kind. Says how many came to what.
 * Status 0: to nothing else; 1: it did; 2: no such kind. malformed.c has what is wrong once; this has much of it.
 */

#include "config.h"

#include "client.h"

#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>

#define PATIENCE (60 * USEC_PER_SEC) /* longer than any deadline of the helper's, on a slow machine, too */
#define POOL 1000

enum outcome { CLOSED, GRANTED, REFUSED, LEFT, SILENT, OUTCOMES };
static const char *const outcome_words[OUTCOMES] = {
        [CLOSED] = "closed",   [GRANTED] = "granted",   [REFUSED] = "refused",
        [LEFT] = "left alone", [SILENT] = "unanswered",
};
#define MAY(outcome) (1U << (outcome))

static const char *socket_path;
static struct proto_cookie cookie;
static uint64_t *tally; /* OUTCOMES of them, of all processes */

static _Noreturn void die(const char *what) {
        (void) fprintf(stderr, "abuse: %s: %m\n", what);
        exit(3);
}

static struct client dial(void) {
        struct client client = CLIENT_INIT;
        int r = client_connect(socket_path, PATIENCE, &client);

        if (r < 0) {
                errno = -r;
                die("connect");
        }
        return client;
}

static int32_t result_of(const union proto_message *answer) {
        return answer->head.type == PROTO_ENTERED ? answer->entered.result :
               answer->head.type == PROTO_END     ? answer->end.result :
                                                    0;
}

/* What comes back, to its last datagram. */
static enum outcome hear(struct client *client) {
        union proto_message answer;
        int r;

        do {
                struct sock_received received = SOCK_RECEIVED_INIT;

                r = client_receive(client, &answer, PROTO_ENTERED_FDS_MAX, &received);
                sock_received_done(&received);
        } while (r == 0 && answer.head.type == PROTO_ROW);
        client_done(client);
        if (r == -ECONNRESET)
                return CLOSED;
        if (r < 0)
                return SILENT;
        return result_of(&answer) < 0 ? REFUSED : GRANTED;
}

static enum outcome send_and_hear(const void *data, size_t size) {
        struct client client = dial();

        (void) send(client.fd, data, size, MSG_NOSIGNAL);
        return hear(&client);
}

static enum outcome leave(struct client *client) {
        client_done(client);
        return LEFT;
}

/* ---- connections ---- */

/* Held, as many as can be, until the place is needed for another. */
static enum outcome act_connection(uint64_t i) {
        static struct client pool[POOL];

        if (i >= POOL)
                client_done(&pool[i % POOL]);
        pool[i % POOL] = dial();
        return LEFT;
}

static enum outcome act_half_open(uint64_t i) {
        struct client client = dial();

        (void) i;
        return hear(&client);
}

/* A byte is a whole message on such a socket: there is no second one. */
static enum outcome act_slow(uint64_t i) {
        struct client client = dial();

        (void) i;
        (void) poll(NULL, 0, 1000);
        (void) send(client.fd, "\1", 1, MSG_NOSIGNAL);
        return hear(&client);
}

/* ---- messages ---- */

static enum outcome act_garbage(uint64_t i) {
        unsigned char bytes[2000];

        (void) i;
        for (size_t j = 0; j < sizeof(bytes); j++)
                bytes[j] = (unsigned char) random();
        return send_and_hear(bytes, (size_t) random() % sizeof(bytes));
}

/* Every length of every request but the right one. */
static enum outcome act_truncated(uint64_t i) {
        static const uint32_t types[] = {PROTO_STATUS, PROTO_ENTER};
        union proto_message message[2] = {{.head = {PROTO_VERSION, types[i % 2]}}};
        size_t size = i / 2 % 64;

        if (size == proto_size(types[i % 2]))
                size += 64;
        return send_and_hear(message, size);
}

static enum outcome act_status(uint64_t i) {
        struct proto_status status = PROTO_INIT(PROTO_STATUS);

        (void) i;
        return send_and_hear(&status, sizeof(status));
}

static enum outcome act_status_left(uint64_t i) {
        struct proto_status status = PROTO_INIT(PROTO_STATUS);
        struct client client = dial();

        (void) i;
        (void) client_send(&client, &status);
        return leave(&client);
}

/* Whoever has been moved may ask once more: he is moved from there to there. */
static enum outcome act_enter(uint64_t i) {
        struct proto_enter enter = PROTO_INIT(PROTO_ENTER);

        (void) i;
        enter.cookie = cookie;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                die("no_new_privs");
        return send_and_hear(&enter, sizeof(enter));
}

static enum outcome act_enter_left(uint64_t i) {
        struct proto_enter enter = PROTO_INIT(PROTO_ENTER);
        struct client client = dial();

        (void) i;
        enter.cookie = cookie;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                die("no_new_privs");
        (void) client_send(&client, &enter);
        return leave(&client);
}

/* Asks and dies. */
static enum outcome act_enter_dead(uint64_t i) {
        pid_t pid = fork();

        if (pid == 0) {
                (void) act_enter_left(i);
                _exit(0);
        }
        if (pid < 0 || waitpid(pid, NULL, 0) < 0)
                die("fork");
        return LEFT;
}

/* Somebody else's cookie, and what is near it. */
static enum outcome act_replay(uint64_t i) {
        struct proto_enter enter = PROTO_INIT(PROTO_ENTER);

        enter.cookie = cookie;
        enter.cookie.delegation += i % 4 == 1;
        enter.cookie.delegation -= i % 4 == 2;
        enter.cookie.session += i % 7;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                die("no_new_privs");
        return send_and_hear(&enter, sizeof(enter));
}

/* ---- uids ---- */

#define UIDS_FIRST 700000U
#define UIDS 60000U

/* As somebody with subordinate uids: each time another of them, by turns with each of what a user can do to the
 * helper. Run as root, who may be anybody; what subordinate uids can do in the initial namespace (by setuid programs
 * of theirs) is no more and no less. */
static enum outcome act_uids(uint64_t i) {
        uid_t uid = UIDS_FIRST + (uid_t) (((uint64_t) random() + i) % UIDS);

        if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) < 0 || setresuid(uid, uid, uid) < 0)
                die("becoming another");
        switch (i % 4) {
        case 0:
                return act_connection(i / 4);
        case 1:
                return act_garbage(i);
        case 2:
                return act_enter(i);
        default:
                return act_status(i);
        }
}

/* ---- descriptors ---- */

static int in_flight(void) {
        int pair[2];

        return socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0 ? -1 : pair[0];
}

static int one_pipe(void) {
        int pair[2];

        return pipe(pair) < 0 ? -1 : pair[1];
}

static int signals(void) {
        sigset_t set;

        (void) sigemptyset(&set);
        return signalfd(-1, &set, 0);
}

/* What a user can have; -1 where this kernel or this machine has none. */
static int some_descriptor(uint64_t i) {
        static const char *const paths[] = {
                "/",         "/etc/passwd", "/proc/self/mem", "/proc/self/ns/user", "/proc/self/root",
                "/dev/null", "/dev/ptmx",   "/dev/tty"};

        switch (i % 18) {
        case 8:
                return open("/etc/passwd", O_PATH | O_CLOEXEC);
        case 9:
                return one_pipe();
        case 10:
                return in_flight();
        case 11:
                return epoll_create1(EPOLL_CLOEXEC);
        case 12:
                return eventfd(0, EFD_CLOEXEC);
        case 13:
                return timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
        case 14:
                return signals();
        case 15:
                return inotify_init1(IN_CLOEXEC);
        case 16:
                return memfd_create("abuse", MFD_CLOEXEC);
        case 17:
                return (int) syscall(SYS_pidfd_open, getpid(), 0);
        default:
                return open(paths[i % 18], O_RDONLY | O_CLOEXEC | O_NOCTTY);
        }
}

/* From Linux 6.16 on the sender is told that it cannot be; then the same without is a request like any other. */
static enum outcome act_descriptor(uint64_t i) {
        struct proto_status status = PROTO_INIT(PROTO_STATUS);
        struct client client = dial();
        int fd = some_descriptor(i), r;

        r = sock_send(client.fd, &status, sizeof(status), &fd, fd >= 0);
        if (r == -EPERM)
                (void) client_send(&client, &status);
        else if (r < 0)
                die("sending a descriptor");
        (void) close_fd(fd);
        return hear(&client);
}

/* Its last reference is what was sent: closing it is left to whoever drops the message. */
static enum outcome act_own_socket(uint64_t i) {
        struct proto_status status = PROTO_INIT(PROTO_STATUS);
        struct client client = dial();
        enum outcome outcome;
        int pair[2], r;

        (void) i;
        if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) < 0)
                die("socketpair");
        (void) sock_send(pair[0], "x", 1, pair, 2); /* each the other's content */
        r = sock_send(client.fd, &status, sizeof(status), pair, 2);
        outcome = r == -EPERM ? leave(&client) : hear(&client);
        (void) close(pair[0]);
        (void) close(pair[1]);
        return outcome;
}

/* ---- all of them ---- */

static const struct kind {
        const char *name;
        unsigned width; /* processes at the same time */
        unsigned may;   /* MAY(outcome) */
        enum outcome (*act)(uint64_t i);
} kinds[] = {
        {"connections", 1, MAY(LEFT), act_connection},
        {"half-open", 64, MAY(CLOSED), act_half_open},
        {"slow", 64, MAY(CLOSED), act_slow},
        {"garbage", 8, MAY(CLOSED), act_garbage},
        {"truncated", 1, MAY(CLOSED), act_truncated},
        {"descriptors", 1, MAY(CLOSED) | MAY(GRANTED), act_descriptor},
        {"own-socket", 1, MAY(CLOSED) | MAY(LEFT), act_own_socket},
        {"status", 16, MAY(GRANTED), act_status},
        {"status-left", 16, MAY(LEFT), act_status_left},
        {"enter", 16, MAY(GRANTED), act_enter},
        {"enter-nowhere", 16, MAY(REFUSED), act_enter},
        {"enter-left", 16, MAY(LEFT), act_enter_left},
        {"enter-dead", 4, MAY(LEFT), act_enter_dead},
        {"replay", 4, MAY(REFUSED), act_replay},
        {"uids", 8, MAY(LEFT) | MAY(CLOSED) | MAY(REFUSED) | MAY(GRANTED), act_uids}, /* closed: out of places */
};

static _Noreturn void be_one(const struct kind *kind, uint64_t n, unsigned seed) {
        srandom(seed);
        for (uint64_t i = 0; n == 0 || i < n; i++)
                (void) __atomic_fetch_add(&tally[kind->act(i)], 1, __ATOMIC_RELAXED);
        _exit(0);
}

/* Returns the status of the whole. */
static int report(const struct kind *kind, int failed) {
        int status = failed ? 3 : 0;

        (void) printf("%s:", kind->name);
        for (unsigned i = 0; i < OUTCOMES; i++) {
                if (tally[i] > 0)
                        (void) printf(" %llu %s", (unsigned long long) tally[i], outcome_words[i]);
                if (tally[i] > 0 && !(kind->may & MAY(i)) && status == 0)
                        status = 1;
        }
        (void) printf("%s\n", failed ? " (and a process failed)" : "");
        return status;
}

static int run(const struct kind *kind, uint64_t n) {
        uint64_t each = n == 0 ? 0 : (n + kind->width - 1) / kind->width;
        int status, failed = 0;

        for (unsigned i = 0; i < kind->width; i++) {
                pid_t pid = fork();

                if (pid < 0)
                        die("fork");
                if (pid == 0) {
                        (void) prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
                        be_one(kind, each, i + 1);
                }
        }
        while (wait(&status) > 0)
                failed += status != 0;
        return report(kind, failed);
}

int main(int argc, char **argv) {
        uint64_t n;

        if (argc < 4 || argc > 5 || parse_uint(argv[3], 10, UINT32_MAX, &n) < 0 ||
            (argc == 5 && proto_cookie_parse(argv[4], &cookie) < 0)) {
                (void) fprintf(stderr, "usage: abuse SOCKET KIND N [COOKIE]\n");
                return 2;
        }
        socket_path = argv[1];
        tally = mmap(NULL, OUTCOMES * sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (tally == MAP_FAILED)
                die("mmap");
        for (size_t i = 0; i < ELEMENTSOF(kinds); i++)
                if (streq(kinds[i].name, argv[2]))
                        return run(&kinds[i], n);
        (void) fprintf(stderr, "abuse: no kind %s\n", argv[2]);
        return 2;
}

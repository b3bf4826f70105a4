/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Misbehaves on one of the helper's sockets, one way a call, and judges what comes back: for what is not exactly as
 * specified the helper closes the connection and says nothing; for a well-formed request that cannot be, it refuses
 * in an answer.
 *
 *   malformed SOCKET CASE      0: it did just that; 1: it did not (one line says what instead); 2: no such case
 *   malformed --list SOCKET    the names of the cases for that socket
 *
 * Which requests are right depends on the socket: its base name is `session` or `user`.
 */

#include "config.h"

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "proto.h"
#include "sock.h"

#define PATIENCE_MSEC 20000 /* longer than any deadline of the helper's */
#define FDS_MANY 200
#define FLOOD 600

enum verdict { CLOSED = 0, ANSWERED, SILENT };

struct test {
        const char *path;
        bool session; /* the session socket */
        union proto_message good;
        size_t size;
};

static int say(const char *what) {
        printf("malformed: %s\n", what);
        return 1;
}

static int dial(const struct test *test) {
        struct sockaddr_un sa;
        int fd;

        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (fd < 0 || sock_address(test->path, &sa) < 0 || connect(fd, (struct sockaddr *) &sa, sizeof(sa)) < 0) {
                perror("malformed: connect");
                exit(3);
        }
        return fd;
}

/* What comes next on the connection. An answer must be well-formed; its result goes to *ret_result. */
static enum verdict hear(int fd, int32_t *ret_result) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        union proto_message answer;
        struct errtext err;
        ssize_t n;

        if (poll(&poll_fd, 1, PATIENCE_MSEC) <= 0)
                return SILENT;
        n = recv(fd, &answer, sizeof(answer), 0);
        if (n <= 0)
                return CLOSED;
        if (proto_check(&answer, (size_t) n, &err) < 0) {
                printf("malformed: a malformed answer: %s\n", err.s);
                exit(1);
        }
        *ret_result = 0;
        if (answer.head.type == PROTO_REPLY)
                *ret_result = answer.reply.result;
        else if (answer.head.type == PROTO_OPENED)
                *ret_result = answer.opened.result;
        else if (answer.head.type == PROTO_ENTERED)
                *ret_result = answer.entered.result;
        else if (answer.head.type == PROTO_END)
                *ret_result = answer.end.result;
        return ANSWERED;
}

/* The one right reaction to a malformed message. */
static int expect_closed(int fd) {
        int32_t result;

        switch (hear(fd, &result)) {
        case CLOSED:
                return 0;
        case ANSWERED:
                return say("it answered");
        case SILENT:
                break;
        }
        return say("the connection is still open");
}

/* A well-formed request that must not succeed: refused in words or closed. */
static int expect_refused(int fd) {
        int32_t result = 0;

        switch (hear(fd, &result)) {
        case CLOSED:
                return 0;
        case ANSWERED:
                return result < 0 ? 0 : say("it granted that");
        case SILENT:
                break;
        }
        return say("the connection is still open");
}

/* Answers to one request, not to a second, then the end. */
static int expect_one_answer(int fd) {
        int32_t result = 0;
        int n = 0;

        for (;;)
                switch (hear(fd, &result)) {
                case CLOSED:
                        return n <= 1 ? 0 : say("it answered twice");
                case ANSWERED:
                        n++;
                        break;
                case SILENT:
                        return say("the connection is still open");
                }
}

/* Sends, and does not mind if the helper has closed already: what it says is judged. */
static void put(int fd, const void *data, size_t size) {
        (void) send(fd, data, size, MSG_NOSIGNAL);
}

static int send_and_expect_closed(const struct test *test, const void *data, size_t size) {
        _cleanup_close_ int fd = dial(test);

        put(fd, data, size);
        return expect_closed(fd);
}

/* ---- sizes ---- */

static int case_empty(const struct test *test) {
        return send_and_expect_closed(test, "", 0);
}

static int case_one_byte(const struct test *test) {
        return send_and_expect_closed(test, "\1", 1);
}

static int case_head_only(const struct test *test) {
        return send_and_expect_closed(test, &test->good, sizeof(struct proto_head));
}

static int case_one_short(const struct test *test) {
        return send_and_expect_closed(test, &test->good, test->size - 1);
}

static int case_one_long(const struct test *test) {
        char buf[sizeof(test->good) + 1] = {0};

        memcpy(buf, &test->good, sizeof(test->good));
        return send_and_expect_closed(test, buf, test->size + 1);
}

static int case_huge(const struct test *test) {
        static char buf[65536];

        memcpy(buf, &test->good, test->size);
        return send_and_expect_closed(test, buf, sizeof(buf));
}

/* ---- heads ---- */

static int with_head(const struct test *test, uint32_t version, uint32_t type, size_t size) {
        union proto_message message = test->good;

        message.head.version = version;
        message.head.type = type;
        return send_and_expect_closed(test, &message, size);
}

static int case_version_zero(const struct test *test) {
        return with_head(test, 0, test->good.head.type, test->size);
}

static int case_version_next(const struct test *test) {
        return with_head(test, PROTO_VERSION + 1, test->good.head.type, test->size);
}

static int case_version_huge(const struct test *test) {
        return with_head(test, UINT32_MAX, test->good.head.type, test->size);
}

static int case_type_zero(const struct test *test) {
        return with_head(test, PROTO_VERSION, 0, test->size);
}

static int case_type_unknown(const struct test *test) {
        return with_head(test, PROTO_VERSION, 4711, test->size);
}

static int case_type_huge(const struct test *test) {
        return with_head(test, PROTO_VERSION, UINT32_MAX, test->size);
}

/* An answer sent as if it were a request. */
static int case_answer(const struct test *test) {
        union proto_message message = {.reply = PROTO_INIT(PROTO_REPLY)};

        return send_and_expect_closed(test, &message, sizeof(message.reply));
}

static int case_swapped_bytes(const struct test *test) {
        return with_head(test, __builtin_bswap32(PROTO_VERSION), __builtin_bswap32(test->good.head.type), test->size);
}

/* Requests of the other socket: authority comes with the socket, so each is unknown on the other. */
static int case_other_socket(const struct test *test) {
        static const uint32_t session[] = {PROTO_OPEN_SESSION, PROTO_CLOSE_SESSION, PROTO_FIND_SESSION};
        static const uint32_t user[] = {PROTO_ENTER, PROTO_STATUS, PROTO_KILL_SUBGROUP, PROTO_REMOVE_SUBGROUP};
        const uint32_t *types = test->session ? user : session;
        size_t n = test->session ? ELEMENTSOF(user) : ELEMENTSOF(session);
        int r = 0;

        for (size_t i = 0; i < n; i++) {
                union proto_message message = {.head = {PROTO_VERSION, types[i]}};

                r |= send_and_expect_closed(test, &message, proto_size(types[i]));
        }
        return r;
}

/* ---- strings of the session socket ---- */

static int with_user(const struct test *test, const char *bytes, size_t n) {
        union proto_message message = test->good;

        memset(message.open_session.user, 0, sizeof(message.open_session.user));
        memcpy(message.open_session.user, bytes, n);
        return send_and_expect_closed(test, &message, test->size);
}

static int case_unterminated(const struct test *test) {
        char bytes[PROTO_USER_SIZE];

        memset(bytes, 'a', sizeof(bytes));
        return with_user(test, bytes, sizeof(bytes));
}

static int case_newline(const struct test *test) {
        return with_user(test, "a\ngrant uid=0", 13);
}

static int case_escape(const struct test *test) {
        return with_user(test, "\033[2J", 4);
}

static int case_delete(const struct test *test) {
        return with_user(test, "a\177", 2);
}

static int case_tail(const struct test *test) {
        return with_user(test, "a\0b", 3);
}

static int with_policy(const struct test *test, const char *name) {
        union proto_message message = test->good;
        _cleanup_close_ int fd = dial(test);

        copy_field_cut(message.open_session.policy, sizeof(message.open_session.policy), name);
        put(fd, &message, test->size);
        return expect_refused(fd);
}

static int case_policy_missing(const struct test *test) {
        return with_policy(test, "there-is-none.ini");
}

static int case_policy_empty(const struct test *test) {
        return with_policy(test, "");
}

static int case_policy_up(const struct test *test) {
        return with_policy(test, "../policy.d/there-is-none.ini");
}

static int case_policy_absolute(const struct test *test) {
        return with_policy(test, "/etc/passwd");
}

static int case_policy_dots(const struct test *test) {
        return with_policy(test, "..");
}

/* Nobody has that cookie. Closing what is not there is no error in a log-out, granting it would be: both answers are
 * fine, silence is not. */
static int case_close_unknown(const struct test *test) {
        union proto_message message = {.close_session = PROTO_INIT(PROTO_CLOSE_SESSION)};
        _cleanup_close_ int fd = dial(test);

        message.close_session.cookie = (struct proto_cookie){UINT64_C(0x1234567890abcdef), 7};
        put(fd, &message, sizeof(message.close_session));
        return expect_one_answer(fd);
}

/* ---- user socket ---- */

static int enter_with(const struct test *test, uint64_t delegation, uint64_t session) {
        union proto_message message = {.enter = PROTO_INIT(PROTO_ENTER)};
        _cleanup_close_ int fd = dial(test);

        message.enter.cookie = (struct proto_cookie){delegation, session};
        put(fd, &message, sizeof(message.enter));
        return expect_refused(fd);
}

static int case_enter_unknown(const struct test *test) {
        return enter_with(test, UINT64_C(0x1234567890abcdef), 1);
}

static int case_enter_half(const struct test *test) {
        return enter_with(test, 0, 1);
}

static int case_enter_extreme(const struct test *test) {
        return enter_with(test, UINT64_MAX, UINT64_MAX);
}

/* Both requests that name a cgroup, with these bytes for it; the rest of the field is zero. */
static void make_subgroups(union proto_message messages[2], const char *bytes, size_t n) {
        messages[0].kill_subgroup = (struct proto_kill_subgroup) PROTO_INIT(PROTO_KILL_SUBGROUP);
        messages[0].kill_subgroup.signal = SIGKILL;
        memcpy(messages[0].kill_subgroup.path, bytes, n);
        messages[1].remove_subgroup = (struct proto_remove_subgroup) PROTO_INIT(PROTO_REMOVE_SUBGROUP);
        memcpy(messages[1].remove_subgroup.path, bytes, n);
}

static int subgroup_malformed(const struct test *test, const char *bytes, size_t n) {
        union proto_message messages[2];
        int r = 0;

        make_subgroups(messages, bytes, n);
        for (size_t i = 0; i < 2; i++)
                r |= send_and_expect_closed(test, messages + i, proto_size(messages[i].head.type));
        return r;
}

static int case_subgroup_unterminated(const struct test *test) {
        char bytes[PROTO_SUBGROUP_SIZE];

        memset(bytes, 'a', sizeof(bytes));
        return subgroup_malformed(test, bytes, sizeof(bytes));
}

static int case_subgroup_newline(const struct test *test) {
        return subgroup_malformed(test, "run/a\nb", 7);
}

static int case_subgroup_escape(const struct test *test) {
        return subgroup_malformed(test, "run/\033[2J", 8);
}

static int case_subgroup_tail(const struct test *test) {
        return subgroup_malformed(test, "run\0/a", 6);
}

static int case_subgroup_padding(const struct test *test) {
        union proto_message messages[2];

        make_subgroups(messages, "run/a", 5);
        messages[0].kill_subgroup.padding = 1;
        return send_and_expect_closed(test, messages, sizeof(messages[0].kill_subgroup));
}

static int case_subgroup_sizes(const struct test *test) {
        union proto_message messages[2];
        int r = 0;

        make_subgroups(messages, "run/a", 5);
        for (size_t i = 0; i < 2; i++) {
                size_t size = proto_size(messages[i].head.type);
                char longer[sizeof(messages[i]) + 1] = {0};

                memcpy(longer, messages + i, size);
                r |= send_and_expect_closed(test, longer, size - 1);
                r |= send_and_expect_closed(test, longer, size + 1);
                r |= send_and_expect_closed(test, longer, sizeof(struct proto_head));
        }
        return r;
}

/* Each is the other's size but for the signal: neither may be taken for the other. */
static int case_subgroup_swapped(const struct test *test) {
        union proto_message messages[2];
        int r;

        make_subgroups(messages, "run/a", 5);
        messages[0].head.type = PROTO_REMOVE_SUBGROUP;
        messages[1].head.type = PROTO_KILL_SUBGROUP;
        r = send_and_expect_closed(test, messages, sizeof(messages[0].kill_subgroup));
        return r | send_and_expect_closed(test, messages + 1, sizeof(messages[1].remove_subgroup));
}

/* Of somebody who has no delegation, whatever he names. */
static int case_subgroup_nobody(const struct test *test) {
        static const char *const paths[] = {"",      "run",        ".",           "..",      "/",
                                            "../..", "supervisor", "run/../../x", "\xff\xfe"};
        union proto_message messages[2];
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(paths); i++) {
                make_subgroups(messages, paths[i], strlen(paths[i]));
                for (size_t j = 0; j < 2; j++) {
                        _cleanup_close_ int fd = dial(test);

                        put(fd, messages + j, proto_size(messages[j].head.type));
                        r |= expect_refused(fd);
                }
        }
        return r;
}

static int case_subgroup_second(const struct test *test) {
        union proto_message messages[2];
        int r = 0;

        make_subgroups(messages, "run/a", 5);
        for (size_t i = 0; i < 2; i++) {
                _cleanup_close_ int fd = dial(test);

                for (size_t j = 0; j < 2; j++)
                        put(fd, messages + (i ^ j), proto_size(messages[i ^ j].head.type));
                r |= expect_one_answer(fd);
        }
        return r;
}

static int case_subgroup_gone(const struct test *test) {
        union proto_message messages[2];

        make_subgroups(messages, "run/a", 5);
        for (int i = 0; i < 100; i++) {
                int fd = dial(test);

                put(fd, messages + i % 2, proto_size(messages[i % 2].head.type));
                (void) close(fd);
        }
        return 0;
}

/* ---- more than one message ---- */

/* The second is there before the first can have been answered. */
static int case_early_second(const struct test *test) {
        _cleanup_close_ int fd = dial(test);

        put(fd, &test->good, test->size);
        put(fd, &test->good, test->size);
        return expect_one_answer(fd);
}

static int case_many_at_once(const struct test *test) {
        _cleanup_close_ int fd = dial(test);

        for (int i = 0; i < 100; i++)
                (void) send(fd, &test->good, test->size, MSG_NOSIGNAL | MSG_DONTWAIT);
        return expect_one_answer(fd);
}

static int case_garbage_second(const struct test *test) {
        _cleanup_close_ int fd = dial(test);

        put(fd, &test->good, test->size);
        put(fd, "garbage", 7);
        return expect_one_answer(fd);
}

static int case_second_after_answer(const struct test *test) {
        _cleanup_close_ int fd = dial(test);
        int32_t result;

        put(fd, &test->good, test->size);
        if (hear(fd, &result) != ANSWERED)
                return say("no answer to a right request");
        put(fd, &test->good, test->size);
        return expect_closed(fd);
}

/* ---- descriptors and credentials ---- */

/* No request carries a descriptor. */
static int with_fds(const struct test *test, size_t n) {
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(sizeof(int) * FDS_MANY)];
        } control = {.bytes = {0}};
        union proto_message message = test->good;
        struct iovec iov = {.iov_base = &message, .iov_len = test->size};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
        _cleanup_close_ int fd = dial(test);

        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n);
        for (size_t i = 0; i < n; i++)
                memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &fd, sizeof(int));
        /* Linux 6.16 and later refuse it on the sender's side: the helper takes no descriptors at all
         * (SO_PASSRIGHTS). */
        if (sendmsg(fd, &msg, MSG_NOSIGNAL) < 0)
                return errno == EPERM ? 0 : say("descriptors could not be sent");
        return expect_closed(fd);
}

static int case_fds_1(const struct test *test) {
        return with_fds(test, 1);
}

static int case_fds_4(const struct test *test) {
        return with_fds(test, SOCK_FDS_MAX);
}

static int case_fds_5(const struct test *test) {
        return with_fds(test, SOCK_FDS_MAX + 1);
}

static int case_fds_200(const struct test *test) {
        return with_fds(test, FDS_MANY);
}

/* Connected by one process, sent by another: who is it then? */
static int case_other_sender(const struct test *test) {
        _cleanup_close_ int fd = dial(test);
        pid_t pid = fork();

        if (pid < 0)
                return say("fork failed");
        if (pid == 0) {
                put(fd, &test->good, test->size);
                _exit(0);
        }
        (void) waitpid(pid, NULL, 0);
        return expect_refused(fd);
}

/* ---- connections ---- */

/* Connected and then nothing: the helper's patience must end before ours. */
static int case_half_open(const struct test *test) {
        _cleanup_close_ int fd = dial(test);

        return expect_closed(fd);
}

static int case_shut_down(const struct test *test) {
        _cleanup_close_ int fd = dial(test);

        (void) shutdown(fd, SHUT_WR);
        return expect_closed(fd);
}

static int case_gone_at_once(const struct test *test) {
        for (int i = 0; i < 100; i++)
                (void) close(dial(test));
        return 0;
}

/* Asks and does not stay for the answer. */
static int case_gone_before_answer(const struct test *test) {
        for (int i = 0; i < 100; i++) {
                int fd = dial(test);

                put(fd, &test->good, test->size);
                (void) close(fd);
        }
        return 0;
}

/* As many connections as can be had, held for a second, well below the helper's own patience with silent ones. There
 * must be a limit: some are closed at once, or no more are accepted. */
static int case_flood(const struct test *test) {
        static struct pollfd fds[FLOOD];
        struct rlimit limit = {4096, 4096};
        struct sockaddr_un sa;
        size_t n, closed = 0, refused = 0;

        (void) setrlimit(RLIMIT_NOFILE, &limit);
        if (sock_address(test->path, &sa) < 0)
                return say("path too long");
        for (n = 0; n < FLOOD; n++) {
                fds[n] = (struct pollfd){.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
                for (int i = 0; connect(fds[n].fd, (struct sockaddr *) &sa, sizeof(sa)) < 0; i++) {
                        if (errno != EAGAIN || i == 200) {
                                refused++;
                                fds[n].fd = close_fd(fds[n].fd);
                                break;
                        }
                        (void) poll(NULL, 0, 1);
                }
        }
        (void) poll(NULL, 0, 1000);
        (void) poll(fds, n, 0);
        for (size_t i = 0; i < n; i++)
                if (fds[i].fd >= 0 && (fds[i].revents & (POLLHUP | POLLERR)))
                        closed++;
        printf("flood: %zu connections, %zu closed, %zu not accepted\n", n, closed, refused);
        return closed + refused > 0 ? 0 : say("there is no limit");
}

enum where { USER = 1, SESSION = 2, BOTH = USER | SESSION };

static const struct {
        const char *name;
        enum where where;
        int (*run)(const struct test *test);
} cases[] = {
        {"empty", BOTH, case_empty},
        {"one-byte", BOTH, case_one_byte},
        {"head-only", SESSION, case_head_only}, /* on the user socket it is a whole STATUS */
        {"one-short", BOTH, case_one_short},
        {"one-long", BOTH, case_one_long},
        {"huge", BOTH, case_huge},
        {"version-zero", BOTH, case_version_zero},
        {"version-next", BOTH, case_version_next},
        {"version-huge", BOTH, case_version_huge},
        {"type-zero", BOTH, case_type_zero},
        {"type-unknown", BOTH, case_type_unknown},
        {"type-huge", BOTH, case_type_huge},
        {"answer", BOTH, case_answer},
        {"swapped-bytes", BOTH, case_swapped_bytes},
        {"other-socket", BOTH, case_other_socket},
        {"unterminated", SESSION, case_unterminated},
        {"newline", SESSION, case_newline},
        {"escape", SESSION, case_escape},
        {"delete", SESSION, case_delete},
        {"tail", SESSION, case_tail},
        {"policy-missing", SESSION, case_policy_missing},
        {"policy-empty", SESSION, case_policy_empty},
        {"policy-up", SESSION, case_policy_up},
        {"policy-absolute", SESSION, case_policy_absolute},
        {"policy-dots", SESSION, case_policy_dots},
        {"close-unknown", SESSION, case_close_unknown},
        {"enter-unknown", USER, case_enter_unknown},
        {"enter-half", USER, case_enter_half},
        {"enter-extreme", USER, case_enter_extreme},
        {"subgroup-unterminated", USER, case_subgroup_unterminated},
        {"subgroup-newline", USER, case_subgroup_newline},
        {"subgroup-escape", USER, case_subgroup_escape},
        {"subgroup-tail", USER, case_subgroup_tail},
        {"subgroup-padding", USER, case_subgroup_padding},
        {"subgroup-sizes", USER, case_subgroup_sizes},
        {"subgroup-swapped", USER, case_subgroup_swapped},
        {"subgroup-nobody", USER, case_subgroup_nobody},
        {"subgroup-second", USER, case_subgroup_second},
        {"subgroup-gone", USER, case_subgroup_gone},
        {"early-second", BOTH, case_early_second},
        {"many-at-once", BOTH, case_many_at_once},
        {"garbage-second", BOTH, case_garbage_second},
        {"second-after-answer", BOTH, case_second_after_answer},
        {"fds-1", BOTH, case_fds_1},
        {"fds-4", BOTH, case_fds_4},
        {"fds-5", BOTH, case_fds_5},
        {"fds-200", BOTH, case_fds_200},
        {"other-sender", BOTH, case_other_sender},
        {"half-open", BOTH, case_half_open},
        {"shut-down", BOTH, case_shut_down},
        {"gone-at-once", BOTH, case_gone_at_once},
        {"gone-before-answer", BOTH, case_gone_before_answer},
        {"flood", USER, case_flood},
};

static void test_init(struct test *ret, const char *path) {
        const char *slash = strrchr(path, '/');

        *ret = (struct test){.path = path, .session = streq(slash ? slash + 1 : path, "session")};
        if (ret->session) {
                /* Well-formed, and of nobody: it is refused, so nothing is made by the cases that send it as it is. */
                ret->good.open_session = (struct proto_open_session) PROTO_INIT(PROTO_OPEN_SESSION);
                ret->good.open_session.uid = ret->good.open_session.gid = 4000000000;
                copy_field_cut(ret->good.open_session.policy, PROTO_POLICY_SIZE, "there-is-none.ini");
                copy_field_cut(ret->good.open_session.user, PROTO_USER_SIZE, "nobody-at-all");
                copy_field_cut(ret->good.open_session.service, PROTO_SERVICE_SIZE, "hostile");
        } else {
                ret->good.status = (struct proto_status) PROTO_INIT(PROTO_STATUS);
        }
        ret->size = proto_size(ret->good.head.type);
}

int main(int argc, char **argv) {
        bool list = argc == 3 && streq(argv[1], "--list");
        struct test test;

        if (argc != 3) {
                fprintf(stderr, "usage: malformed SOCKET CASE\n       malformed --list SOCKET\n");
                return 2;
        }
        (void) signal(SIGPIPE, SIG_IGN);
        test_init(&test, list ? argv[2] : argv[1]);
        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                if (!(cases[i].where & (test.session ? SESSION : USER)))
                        continue;
                if (list)
                        printf("%s\n", cases[i].name);
                else if (streq(cases[i].name, argv[2]))
                        return cases[i].run(&test);
        }
        if (list)
                return 0;
        fprintf(stderr, "malformed: no case %s for this socket\n", argv[2]);
        return 2;
}

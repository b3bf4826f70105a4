/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The asking side against helpers of every kind: there, not there, full, silent, slow, dying, malformed, generous with
 * descriptors. Whatever they do, the client returns at its deadline, with a number, and leaves nothing behind.
 *
 * No clock is tested for being fast: a test that hangs is ended by the group's alarm.
 */

#include "config.h"

#include "client.h"

#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include "child.h"
#include "files.h"

#define LONG_USEC (60 * USEC_PER_SEC)
#define SHORT_USEC (100 * USEC_PER_MSEC)

static int fds_before;

static int setup(void **state) {
        if (child_setup(state) < 0 || files_setup(state) < 0)
                return -1;
        return chmod(files_root, 0755); /* mkdtemp's 0700 would refuse before the socket does */
}

static int setup_test(void **state) {
        (void) state;
        fds_before = count_fds();
        return fds_before < 0 ? -1 : 0;
}

static int teardown_test(void **state) {
        (void) state;
        (void) unlink(files_path("socket"));
        return count_fds() == fds_before ? 0 : -1;
}

#define CLIENT_TEST(f) cmocka_unit_test_setup_teardown(f, setup_test, teardown_test)

static int listen_at(const char *name, int type, int backlog) {
        struct sockaddr_un sa;
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(sock_address(files_path(name), &sa), 0);
        assert_int_equal(bind(fd, (const struct sockaddr *) &sa, sizeof(sa)), 0);
        if (backlog >= 0)
                assert_int_equal(listen(fd, backlog), 0);
        return fd;
}

static int accept_one(int listener) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

/* A client and the helper's end of it, in this process: what the helper says can wait in the socket. */
static int connected(uint64_t timeout_usec, struct client *ret) {
        int listener = listen_at("socket", SOCK_SEQPACKET, 8), peer;

        assert_int_equal(client_connect(files_path("socket"), timeout_usec, ret), 0);
        peer = accept_one(listener);
        (void) close_fd(listener);
        (void) unlink(files_path("socket"));
        return peer;
}

static void assert_no_connection(const char *path, uint64_t timeout_usec, int want) {
        struct client client = {.fd = -7, .deadline = 7};
        int before = count_fds();

        assert_int_equal(client_connect(path, timeout_usec, &client), want);
        assert_true(client.fd == -7 && client.deadline == 7);
        assert_int_equal(count_fds(), before);
}

/* ---- connecting -------------------------------------------------------------------------------------------------- */

static void test_connect(void **state) {
        struct client client = CLIENT_INIT;
        int type = 0, listener = listen_at("socket", SOCK_SEQPACKET, 8), before;
        uint64_t start = now_usec();
        socklen_t size = sizeof(type);

        (void) state;
        before = count_fds();
        assert_int_equal(client_connect(files_path("socket"), LONG_USEC, &client), 0);
        assert_true(client.fd > STDERR_FILENO);
        assert_true(is_cloexec(client.fd));
        assert_true(client.deadline >= start + LONG_USEC);
        assert_true(client.deadline <= now_usec() + LONG_USEC);
        assert_int_equal(getsockopt(client.fd, SOL_SOCKET, SO_TYPE, &type, &size), 0);
        assert_int_equal(type, SOCK_SEQPACKET);
        assert_int_equal(count_fds(), before + 1);
        client_done(&client);
        assert_int_equal(client.fd, -1);
        client_done(&client);
        assert_int_equal(count_fds(), before);
        (void) close_fd(listener);
}

static void test_nobody_there(void **state) {
        char path[256];
        int fd;

        (void) state;
        assert_no_connection(files_path("socket"), LONG_USEC, -ENOENT);
        assert_no_connection(files_path("no/socket"), LONG_USEC, -ENOENT);

        fd = listen_at("socket", SOCK_SEQPACKET, -1);
        assert_no_connection(files_path("socket"), LONG_USEC, -ECONNREFUSED); /* bound, not listening */
        assert_int_equal(listen(fd, 1), 0);
        {
                struct client client = CLIENT_INIT;

                assert_int_equal(client_connect(files_path("socket"), LONG_USEC, &client), 0);
                client_done(&client);
        }
        (void) close_fd(fd);
        assert_no_connection(files_path("socket"), LONG_USEC, -ECONNREFUSED); /* left behind by a dead helper */

        files_write("file", "no socket");
        assert_no_connection(files_path("file"), LONG_USEC, -ECONNREFUSED);
        assert_no_connection(files_path("file/socket"), LONG_USEC, -ENOTDIR);
        memset(path, 'x', sizeof(path) - 1);
        path[0] = '/';
        path[sizeof(path) - 1] = '\0';
        assert_no_connection(path, LONG_USEC, -ENAMETOOLONG);
}

static void test_other_kind_of_socket(void **state) {
        int fd = listen_at("socket", SOCK_STREAM, 8);

        (void) state;
        assert_no_connection(files_path("socket"), LONG_USEC, -EPROTOTYPE);
        (void) close_fd(fd);
}

static void connect_as_nobody(const void *argument) {
        const char *path = argument;
        struct client client = CLIENT_INIT;
        struct stat st;
        bool root = geteuid() == 0;

        if ((root && !child_become_nobody()) || stat(path, &st) < 0)
                _exit(CHILD_SKIPPED); /* no other user here, or $TMPDIR is not for others */
        if ((st.st_mode & 0222) == 0222) {
                CHECK(client_connect(path, LONG_USEC, &client) == 0);
                CHECK(client.fd > STDERR_FILENO);
        } else {
                CHECK(client_connect(path, LONG_USEC, &client) == -EACCES);
                CHECK(client.fd == -1);
        }
}

/* Root's socket of mode 0600, or one that its own user has shut for himself. */
static void test_not_for_this_user(void **state) {
        int fd = listen_at("socket", SOCK_SEQPACKET, 8);
        const char *path = files_path("socket");
        pid_t pid;

        (void) state;
        assert_int_equal(chmod(path, geteuid() == 0 ? 0600 : 0400), 0);
        pid = child_start(connect_as_nobody, path);
        (void) close_fd(fd);
        child_wait(pid);
        (void) unlink(path);

        fd = listen_at("socket", SOCK_SEQPACKET, 8);
        assert_int_equal(chmod(path, 0666), 0);
        pid = child_start(connect_as_nobody, path);
        child_wait(pid);
        (void) close_fd(fd);
}

static void test_backlog_full(void **state) {
        int listener = listen_at("socket", SOCK_SEQPACKET, 0), waiting[16], n = 0;
        struct client client = CLIENT_INIT;
        struct sockaddr_un sa;
        uint64_t start;

        (void) state;
        assert_int_equal(sock_address(files_path("socket"), &sa), 0);
        for (;; n++) {
                assert_true(n < (int) ELEMENTSOF(waiting));
                waiting[n] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
                assert_true(waiting[n] >= 0);
                if (connect(waiting[n], (const struct sockaddr *) &sa, sizeof(sa)) < 0)
                        break;
        }
        assert_int_equal(errno, EAGAIN);
        (void) close_fd(waiting[n]);

        start = now_usec();
        assert_no_connection(files_path("socket"), SHORT_USEC, -ETIMEDOUT);
        assert_true(now_usec() - start >= SHORT_USEC);
        (void) close_fd(accept_one(listener));
        assert_int_equal(client_connect(files_path("socket"), LONG_USEC, &client), 0);

        client_done(&client);
        while (n > 0)
                (void) close_fd(waiting[--n]);
        (void) close_fd(listener);
}

static void test_no_time_at_all(void **state) {
        int listener = listen_at("socket", SOCK_SEQPACKET, 8);

        (void) state;
        assert_no_connection(files_path("socket"), 0, -ETIMEDOUT);
        (void) close_fd(listener);
}

/* A process without standard descriptors must not have its next printf arrive at the helper. */
static void connect_without_stdio(const void *argument) {
        struct sock_received received = SOCK_RECEIVED_INIT;
        struct client client = CLIENT_INIT;
        union proto_message answer;
        const int *closed = argument;

        for (int fd = 0; fd < 3; fd++)
                CHECK(is_open(fd) || open("/dev/null", O_RDWR) == fd);
        for (int fd = 0; fd < 3; fd++)
                if (*closed & (1 << fd))
                        (void) close(fd);
        CHECK(client_connect(files_path("socket"), 20 * USEC_PER_MSEC, &client) == 0);
        CHECK(client.fd > STDERR_FILENO);
        CHECK(is_cloexec(client.fd));
        CHECK(client_receive(&client, &answer, 0, &received) == -ETIMEDOUT); /* it works where it is */
        client_done(&client);
        CHECK(client_connect(files_path("no"), LONG_USEC, &client) == -ENOENT);
        for (int fd = 0; fd < 3; fd++)
                CHECK(is_open(fd) == !(*closed & (1 << fd)));
}

static void test_without_stdio(void **state) {
        int listener = listen_at("socket", SOCK_SEQPACKET, 16);

        (void) state;
        for (int closed = 0; closed < 8; closed++)
                child_run(connect_without_stdio, &closed);
        (void) close_fd(listener);
}

/* ---- one request, one answer ------------------------------------------------------------------------------------- */

/* A helper in a process of its own: it takes one connection and one request, and answers with these bytes. */
struct script {
        int listener;
        const void *answer;
        size_t size; /* 0: closes without an answer */
};

static void serve(const void *argument) {
        const struct script *script = argument;
        struct sock_received received = SOCK_RECEIVED_INIT;
        union proto_message request;
        int fd = accept4(script->listener, NULL, NULL, SOCK_CLOEXEC);

        CHECK(fd >= 0);
        CHECK(sock_recv(fd, &request, sizeof(request), 0, &received) == 0);
        CHECK(proto_check(&request, received.size, NULL) == 0);
        CHECK(request.head.type == PROTO_ENTER);
        CHECK(request.enter.cookie.delegation == 0xabc && request.enter.cookie.session == 3);
        if (script->size > 0) {
                CHECK(sock_send(fd, script->answer, script->size, NULL, 0) == 0);
                CHECK(sock_recv(fd, &request, sizeof(request), 0, &received) == -ECONNRESET); /* one request, no more */
        }
}

static const struct proto_enter enter = {
        .head = {.version = PROTO_VERSION, .type = PROTO_ENTER},
        .cookie = {.delegation = 0xabc, .session = 3},
};

static int call(const void *answer, size_t size, uint32_t want, union proto_message *ret) {
        struct script script = {.listener = listen_at("socket", SOCK_SEQPACKET, 8), .answer = answer, .size = size};
        struct client client = CLIENT_INIT;
        pid_t pid = child_start(serve, &script);
        int r;

        (void) close_fd(script.listener);
        assert_int_equal(client_connect(files_path("socket"), LONG_USEC, &client), 0);
        r = client_call(&client, &enter, want, ret);
        client_done(&client);
        child_wait(pid);
        (void) unlink(files_path("socket"));
        return r;
}

static void test_call(void **state) {
        struct proto_entered entered = PROTO_INIT(PROTO_ENTERED);
        struct proto_reply reply = PROTO_INIT(PROTO_REPLY);
        union proto_message answer;

        (void) state;
        entered.caps = UINT64_C(0x8000001000);
        assert_int_equal(copy_field(entered.path, sizeof(entered.path), "/run/x"), 0);
        memset(&answer, 0x55, sizeof(answer));
        assert_int_equal(call(&entered, sizeof(entered), PROTO_ENTERED, &answer), 0);
        assert_memory_equal(&answer, &entered, sizeof(entered));

        reply.result = -EPERM; /* an answer all the same */
        assert_int_equal(call(&reply, sizeof(reply), PROTO_REPLY, &answer), 0);
        assert_int_equal(answer.reply.result, -EPERM);
}

static void test_call_wrong_type(void **state) {
        static const uint32_t types[] = {PROTO_OPEN_SESSION, PROTO_CLOSE_SESSION, PROTO_ENTER,
                                         PROTO_STATUS,       PROTO_REPLY,         PROTO_OPENED,
                                         PROTO_ENTERED,      PROTO_ROW,           PROTO_END};
        union proto_message message, answer;

        (void) state;
        for (size_t i = 0; i < ELEMENTSOF(types); i++) {
                memset(&message, 0, sizeof(message));
                message.head.version = PROTO_VERSION;
                message.head.type = types[i];
                assert_int_equal(call(&message, proto_size(types[i]), PROTO_ENTERED, &answer),
                                 types[i] == PROTO_ENTERED ? 0 : -EBADMSG);
        }
}

static void test_call_no_answer(void **state) {
        union proto_message answer;

        (void) state;
        assert_int_equal(call(NULL, 0, PROTO_ENTERED, &answer), -ECONNRESET);
}

/* The helper has gone before the request came: no signal for the process we live in. */
static void call_after_close(const void *argument) {
        const struct client *given = argument;
        struct sock_received received = SOCK_RECEIVED_INIT;
        struct client client = *given;
        union proto_message answer;

        (void) signal(SIGPIPE, SIG_DFL);
        CHECK(client_call(&client, &enter, PROTO_ENTERED, &answer) == -EPIPE);
        CHECK(client_receive(&client, &answer, 0, &received) == -ECONNRESET);
}

static void test_call_after_close(void **state) {
        struct client client = CLIENT_INIT;
        int peer = connected(LONG_USEC, &client);

        (void) state;
        (void) close_fd(peer);
        child_run(call_after_close, &client);
        client_done(&client);
}

/* ---- answers ----------------------------------------------------------------------------------------------------- */

/* One datagram arrives; the result of taking it. */
static int receive(const void *bytes, size_t size, size_t n_fds, size_t max_fds, union proto_message *ret,
                   struct sock_received *received) {
        struct client client = CLIENT_INIT;
        int peer = connected(LONG_USEC, &client), fds[SOCK_FDS_MAX] = {peer, peer, peer, peer}, r;

        assert_int_equal(sock_send(peer, bytes, size, fds, n_fds), 0);
        r = client_receive(&client, ret, max_fds, received);
        client_done(&client);
        (void) close_fd(peer);
        return r;
}

/* It is refused, says nothing, and leaves no descriptor. */
static void assert_refused(const void *bytes, size_t size, size_t n_fds, size_t max_fds, int want) {
        struct sock_received received = SOCK_RECEIVED_INIT;
        union proto_message answer, untouched;
        int before = count_fds();

        memset(&answer, 0x55, sizeof(answer));
        untouched = answer;
        assert_int_equal(receive(bytes, size, n_fds, max_fds, &answer, &received), want);
        assert_memory_equal(&answer, &untouched, sizeof(answer));
        assert_int_equal(received.n_fds, 0);
        assert_int_equal(count_fds(), before);
}

static void test_malformed(void **state) {
        struct proto_entered good = PROTO_INIT(PROTO_ENTERED), bad;
        struct sock_received received = SOCK_RECEIVED_INIT;
        union proto_message answer;
        char large[8192] = "";

        (void) state;
        assert_int_equal(receive(&good, sizeof(good), 0, 0, &answer, &received), 0);
        memcpy(large, &good, sizeof(good));
        for (size_t n_fds = 0; n_fds <= 3; n_fds += 3) {
                assert_refused(large, 0, n_fds, 4, -ECONNRESET);
                assert_refused(large, 1, n_fds, 4, -EBADMSG);
                assert_refused(large, sizeof(struct proto_head), n_fds, 4, -EBADMSG);
                assert_refused(large, sizeof(good) - 1, n_fds, 4, -EBADMSG);
                assert_refused(large, sizeof(good) + 1, n_fds, 4, -EBADMSG);
                assert_refused(large, sizeof(union proto_message), n_fds, 4, -EBADMSG);
                assert_refused(large, sizeof(union proto_message) + 1, n_fds, 4, -EBADMSG);
                assert_refused(large, sizeof(large), n_fds, 4, -EBADMSG);
                bad = good;
                bad.head.version++;
                assert_refused(&bad, sizeof(bad), n_fds, 4, -EBADMSG);
                bad = good;
                bad.head.type = 200;
                assert_refused(&bad, sizeof(bad), n_fds, 4, -EBADMSG);
                bad = good;
                memset(bad.path, 'x', sizeof(bad.path));
                assert_refused(&bad, sizeof(bad), n_fds, 4, -EBADMSG);
                bad = good;
                (void) copy_field(bad.text, sizeof(bad.text), "two\nlines");
                assert_refused(&bad, sizeof(bad), n_fds, 4, -EBADMSG);
        }
}

static void test_descriptors(void **state) {
        struct proto_entered entered = PROTO_INIT(PROTO_ENTERED);
        union proto_message answer;
        int before = count_fds();

        (void) state;
        for (size_t n = 0; n <= SOCK_FDS_MAX; n++)
                for (size_t max_fds = 0; max_fds <= SOCK_FDS_MAX; max_fds++) {
                        struct sock_received received = SOCK_RECEIVED_INIT;

                        if (n > max_fds) {
                                assert_refused(&entered, sizeof(entered), n, max_fds, -EBADMSG);
                                continue;
                        }
                        assert_int_equal(receive(&entered, sizeof(entered), n, max_fds, &answer, &received), 0);
                        assert_int_equal(received.n_fds, n);
                        assert_int_equal(received.size, sizeof(entered));
                        assert_int_equal(count_fds(), before + (int) n);
                        for (size_t i = 0; i < SOCK_FDS_MAX; i++)
                                assert_true(i < n ? is_cloexec(received.fds[i]) : received.fds[i] == -1);
                        sock_received_done(&received);
                }
        assert_int_equal(count_fds(), before);
}

/* client_call takes none. */
static void test_call_with_descriptors(void **state) {
        struct proto_entered entered = PROTO_INIT(PROTO_ENTERED);
        union proto_message answer;

        (void) state;
        for (size_t n = 0; n <= SOCK_FDS_MAX; n++) {
                struct client client = CLIENT_INIT;
                int peer = connected(LONG_USEC, &client), fds[SOCK_FDS_MAX] = {peer, peer, peer, peer};
                int before = count_fds();

                assert_int_equal(sock_send(peer, &entered, sizeof(entered), fds, n), 0);
                assert_int_equal(client_call(&client, &enter, PROTO_ENTERED, &answer), n == 0 ? 0 : -EBADMSG);
                assert_int_equal(count_fds(), before);
                client_done(&client);
                (void) close_fd(peer);
        }
}

/* Several answers to one request, as STATUS has. */
static void test_rows(void **state) {
        struct sock_received received = SOCK_RECEIVED_INIT;
        struct proto_row row = PROTO_INIT(PROTO_ROW);
        struct proto_end end = PROTO_INIT(PROTO_END);
        struct client client = CLIENT_INIT;
        int peer = connected(LONG_USEC, &client);
        union proto_message answer;

        (void) state;
        for (row.id = 1; row.id <= 5; row.id++)
                assert_int_equal(sock_send(peer, &row, sizeof(row), NULL, 0), 0);
        end.rows = 5;
        assert_int_equal(sock_send(peer, &end, sizeof(end), NULL, 0), 0);
        (void) close_fd(peer);
        for (unsigned i = 1; i <= 5; i++) {
                assert_int_equal(client_receive(&client, &answer, 0, &received), 0);
                assert_int_equal(answer.head.type, PROTO_ROW);
                assert_int_equal(answer.row.id, i);
        }
        assert_int_equal(client_receive(&client, &answer, 0, &received), 0);
        assert_int_equal(answer.head.type, PROTO_END);
        assert_int_equal(client_receive(&client, &answer, 0, &received), -ECONNRESET);
        client_done(&client);
}

/* ---- the deadline ------------------------------------------------------------------------------------------------ */

static void test_silent(void **state) {
        struct sock_received received = SOCK_RECEIVED_INIT;
        struct client client = CLIENT_INIT;
        int peer = connected(3 * SHORT_USEC, &client);
        struct proto_enter request;
        union proto_message answer;

        (void) state;
        assert_int_equal(client_call(&client, &enter, PROTO_ENTERED, &answer), -ETIMEDOUT);
        assert_true(now_usec() >= client.deadline);
        assert_int_equal(sock_recv(peer, &request, sizeof(request), 0, &received), 0); /* it was asked */
        assert_memory_equal(&request, &enter, sizeof(enter));

        /* After it nothing is sent and nothing is taken any more, were it there. */
        assert_int_equal(sock_send(peer, &enter, sizeof(enter), NULL, 0), 0);
        assert_int_equal(client_receive(&client, &answer, 0, &received), -ETIMEDOUT);
        assert_int_equal(client_send(&client, &enter), -ETIMEDOUT);
        client.deadline = now_usec() + LONG_USEC;
        assert_int_equal(client_receive(&client, &answer, 0, &received), 0);
        client_done(&client);
        (void) close_fd(peer);
}

/* A listener that never accepts: the request waits in the backlog. */
static void test_never_accepted(void **state) {
        int listener = listen_at("socket", SOCK_SEQPACKET, 8);
        struct client client = CLIENT_INIT;
        union proto_message answer;

        (void) state;
        assert_int_equal(client_connect(files_path("socket"), SHORT_USEC, &client), 0);
        assert_int_equal(client_call(&client, &enter, PROTO_ENTERED, &answer), -ETIMEDOUT);
        assert_true(now_usec() >= client.deadline);
        client_done(&client);
        (void) close_fd(listener);
}

static void test_never_read(void **state) {
        struct client client = CLIENT_INIT;
        int peer = connected(LONG_USEC, &client), r;
        unsigned n = 0;

        (void) state;
        for (;; n++) {
                client.deadline = now_usec() + SHORT_USEC; /* a new one each time: only the last send waits */
                r = client_send(&client, &enter);
                if (r < 0)
                        break;
        }
        assert_int_equal(r, -ETIMEDOUT);
        assert_true(now_usec() >= client.deadline);
        assert_true(n > 0);
        client_done(&client);
        (void) close_fd(peer);
}

static void trickle(const void *argument) {
        const int *peer = argument;
        struct proto_row row = PROTO_INIT(PROTO_ROW);

        while (sock_send(*peer, &row, sizeof(row), NULL, 0) == 0)
                (void) usleep(5000);
}

/* Each answer in time, but no end of them: the deadline is one for all. */
static void test_slow(void **state) {
        struct sock_received received = SOCK_RECEIVED_INIT;
        struct client client = CLIENT_INIT;
        int peer = connected(3 * SHORT_USEC, &client), r;
        union proto_message answer;
        unsigned n = 0;
        pid_t pid;

        (void) state;
        pid = child_start(trickle, &peer);
        (void) close_fd(peer);
        while ((r = client_receive(&client, &answer, 0, &received)) == 0)
                n++;
        assert_int_equal(r, -ETIMEDOUT);
        assert_true(now_usec() >= client.deadline);
        assert_true(n > 0);
        (void) kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        client_done(&client);
}

/* Signals all the time, as in a host process with a profiler. */
static volatile sig_atomic_t n_signals;

static void on_signal(int sig) {
        (void) sig;
        n_signals++;
}

static void start_storm(int flags) {
        struct itimerval every = {.it_interval.tv_usec = 1000, .it_value.tv_usec = 1000};
        struct sigaction sa = {.sa_handler = on_signal, .sa_flags = flags};

        CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
        CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
}

struct storm {
        int flags;                        /* of the handler */
        struct client silent, full, slow; /* by what their helper does: nothing, not even read, or answer late */
};

/*
 * Each of the three waits ends at its deadline, not earlier and not never. A signal that wakes a socket's wait in its
 * last tick makes the kernel say that the time is over a tick early: client.c once took its word for it.
 */
static void wait_in_storm(const void *argument) {
        const struct storm *storm = argument;
        struct client silent = storm->silent, full = storm->full, none = CLIENT_INIT;
        union proto_message answer;
        uint64_t start;
        int r;

        start_storm(storm->flags);
        silent.deadline = now_usec() + SHORT_USEC;
        CHECK(client_call(&silent, &enter, PROTO_ENTERED, &answer) == -ETIMEDOUT);
        CHECK(now_usec() >= silent.deadline);

        full.deadline = now_usec() + 2 * SHORT_USEC;
        while ((r = client_send(&full, &enter)) == 0)
                ;
        CHECK(r == -ETIMEDOUT);
        CHECK(now_usec() >= full.deadline);

        start = now_usec();
        CHECK(client_connect(files_path("full"), SHORT_USEC, &none) == -ETIMEDOUT);
        CHECK(now_usec() - start >= SHORT_USEC);
        CHECK(n_signals > 10);
}

/* And what comes in time is taken, whatever the signals. */
static void call_in_storm(const void *argument) {
        const struct storm *storm = argument;
        struct sock_received received = SOCK_RECEIVED_INIT;
        struct client client = storm->slow;
        union proto_message answer;

        start_storm(storm->flags);
        CHECK(client_send(&client, &enter) == 0);
        while (n_signals < 100)
                CHECK(client_receive(&client, &answer, 0, &received) == 0 && answer.head.type == PROTO_ROW);
}

static void test_signal_storm(void **state) {
        static const int flags[] = {0, SA_RESTART};
        int listener = listen_at("full", SOCK_SEQPACKET, 0), peers[3];
        struct client first = CLIENT_INIT;
        struct storm storm = {.flags = 0};
        pid_t pid;

        (void) state;
        assert_int_equal(client_connect(files_path("full"), LONG_USEC, &first), 0); /* with backlog 0, one waits */
        for (size_t i = 0; i < ELEMENTSOF(flags); i++) {
                storm.flags = flags[i];
                peers[0] = connected(LONG_USEC, &storm.silent);
                peers[1] = connected(LONG_USEC, &storm.full);
                peers[2] = connected(LONG_USEC, &storm.slow);
                pid = child_start(trickle, peers + 2);
                child_run(wait_in_storm, &storm);
                child_run(call_in_storm, &storm);
                (void) kill(pid, SIGKILL);
                assert_int_equal(waitpid(pid, NULL, 0), pid);
                client_done(&storm.silent);
                client_done(&storm.full);
                client_done(&storm.slow);
                for (size_t j = 0; j < ELEMENTSOF(peers); j++)
                        (void) close_fd(peers[j]);
        }
        client_done(&first);
        (void) close_fd(listener);
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                CLIENT_TEST(test_connect),
                CLIENT_TEST(test_nobody_there),
                CLIENT_TEST(test_other_kind_of_socket),
                CLIENT_TEST(test_not_for_this_user),
                CLIENT_TEST(test_backlog_full),
                CLIENT_TEST(test_no_time_at_all),
                CLIENT_TEST(test_without_stdio),
                CLIENT_TEST(test_call),
                CLIENT_TEST(test_call_wrong_type),
                CLIENT_TEST(test_call_no_answer),
                CLIENT_TEST(test_call_after_close),
                CLIENT_TEST(test_malformed),
                CLIENT_TEST(test_descriptors),
                CLIENT_TEST(test_call_with_descriptors),
                CLIENT_TEST(test_rows),
                CLIENT_TEST(test_silent),
                CLIENT_TEST(test_never_accepted),
                CLIENT_TEST(test_never_read),
                CLIENT_TEST(test_slow),
                CLIENT_TEST(test_signal_storm),
        };

        return cmocka_run_group_tests_name("client", tests, setup, files_teardown);
}

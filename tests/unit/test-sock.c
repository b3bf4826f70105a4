/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One datagram and its descriptors: what the other side sends arrives whole or is refused, and either way this process
 * has exactly the descriptors it was told of. The hostile side writes its own sendmsg.
 */

#include "config.h"

#include "sock.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include "child.h"

#define SCM_MAX 253 /* the kernel's SCM_MAX_FD */

struct pair {
        int a, b, file; /* a sends, b receives, file is what goes over */
        int before;     /* descriptors before the test */
};

static int setup_pair(void **state) {
        static struct pair pair;
        int fds[2];

        pair.before = count_fds();
        if (pair.before < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -1;
        pair.a = fds[0];
        pair.b = fds[1];
        pair.file = open("/dev/null", O_RDWR); /* without close-on-exec here: it must have it over there */
        *state = &pair;
        return pair.file < 0 ? -1 : 0;
}

/* Each test ends with what it began with. */
static int teardown_pair(void **state) {
        struct pair *p = *state;

        p->a = close_fd(p->a);
        p->b = close_fd(p->b);
        p->file = close_fd(p->file);
        return count_fds() == p->before ? 0 : -1;
}

#define PAIR_TEST(f) cmocka_unit_test_setup_teardown(f, setup_pair, teardown_pair)

static void set_nonblocking(int fd) {
        assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

static void set_option(int fd, int option, int value) {
        assert_int_equal(setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value)), 0);
}

static void set_timeout(int fd, int option, uint64_t usec) {
        struct timeval tv = {.tv_sec = (time_t) (usec / USEC_PER_SEC), .tv_usec = (suseconds_t) (usec % USEC_PER_SEC)};

        assert_int_equal(setsockopt(fd, SOL_SOCKET, option, &tv, sizeof(tv)), 0);
}

static bool same_file(int a, int b) {
        struct stat sa, sb;

        return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
}

/* Sends n copies of file in n_blocks SCM_RIGHTS blocks. */
static ssize_t send_raw(const struct pair *p, size_t size, size_t n, size_t n_blocks) {
        static union {
                struct cmsghdr align;
                char bytes[8192];
        } control;
        static char data[65536];
        struct iovec iov = {.iov_base = data, .iov_len = size};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

        memset(&control, 0, sizeof(control));
        for (size_t block = 0; block < n_blocks; block++) {
                struct cmsghdr *cmsg = (void *) (control.bytes + msg.msg_controllen);

                cmsg->cmsg_level = SOL_SOCKET;
                cmsg->cmsg_type = SCM_RIGHTS;
                cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n);
                for (size_t i = 0; i < n; i++)
                        memcpy(CMSG_DATA(cmsg) + i * sizeof(int), &p->file, sizeof(int));
                msg.msg_controllen += CMSG_SPACE(sizeof(int) * n);
        }
        msg.msg_control = n_blocks > 0 ? control.bytes : NULL;
        return sendmsg(p->a, &msg, MSG_NOSIGNAL);
}

/* The next datagram is refused with want, nothing is told of it, and no descriptor stays. */
static void refused(const struct pair *p, size_t size, size_t max_fds, int want) {
        struct sock_received received = {.size = 99, .fds = {-7, -7, -7, -7}, .n_fds = 99, .cred = {.pid = 99}};
        char *buf = malloc(size);
        int before = count_fds(), r;

        assert_non_null(buf);
        r = sock_recv(p->b, buf, size, max_fds, &received);
        free(buf);
        assert_int_equal(r, want);
        assert_int_equal(count_fds(), before);
        assert_true(received.size == 99 && received.n_fds == 99 && received.cred.pid == 99);
        for (size_t i = 0; i < SOCK_FDS_MAX; i++)
                assert_int_equal(received.fds[i], -7);
}

/* The next datagram has this size and exactly so many copies of the file. */
static void accepted(const struct pair *p, size_t size, size_t max_fds, size_t n) {
        struct sock_received received = SOCK_RECEIVED_INIT;
        char *buf = malloc(size);
        int before = count_fds();

        assert_non_null(buf);
        assert_int_equal(sock_recv(p->b, buf, size, max_fds, &received), 0);
        free(buf);
        assert_int_equal(received.size, size);
        assert_int_equal(received.n_fds, n);
        assert_int_equal(count_fds(), before + (int) n);
        for (size_t i = 0; i < SOCK_FDS_MAX; i++) {
                if (i >= n) {
                        assert_int_equal(received.fds[i], -1);
                        continue;
                }
                assert_true(same_file(received.fds[i], p->file));
                assert_true(is_cloexec(received.fds[i]));
        }
        sock_received_done(&received);
        assert_int_equal(received.n_fds, 0);
        for (size_t i = 0; i < SOCK_FDS_MAX; i++)
                assert_int_equal(received.fds[i], -1);
        sock_received_done(&received); /* twice is no matter */
        assert_int_equal(count_fds(), before);
}

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

static void test_bytes(void **state) {
        const struct pair *p = *state;
        struct sock_received received = SOCK_RECEIVED_INIT;
        char buf[16];

        memset(buf, 'x', sizeof(buf));
        assert_int_equal(sock_send(p->a, "hello", 5, NULL, 0), 0);
        assert_int_equal(sock_send(p->a, "again", 5, NULL, 0), 0); /* datagrams do not flow together */
        assert_int_equal(sock_recv(p->b, buf, sizeof(buf), 0, &received), 0);
        assert_int_equal(received.size, 5);
        assert_memory_equal(buf, "helloxxxxxxxxxxx", sizeof(buf));
        assert_int_equal(received.n_fds, 0);
        assert_int_equal(received.cred.pid, 0);
        for (size_t i = 0; i < SOCK_FDS_MAX; i++)
                assert_int_equal(received.fds[i], -1);
        assert_int_equal(sock_recv(p->b, buf, 5, 0, &received), 0);
        assert_memory_equal(buf, "again", 5);
}

static void test_oversized(void **state) {
        const struct pair *p = *state;
        static const size_t sizes[] = {1, 8, 100, 1000, 4096};

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++)
                for (size_t n = 0; n <= 5; n++) {
                        assert_true(send_raw(p, sizes[i] + 1, n, n > 0) > 0);
                        refused(p, sizes[i], SOCK_FDS_MAX, -EMSGSIZE);
                        assert_true(send_raw(p, 65536, n, n > 0) > 0);
                        refused(p, sizes[i], SOCK_FDS_MAX, -EMSGSIZE);
                        /* The rest of it is not taken for the next one. */
                        assert_true(send_raw(p, sizes[i], 1, 1) > 0);
                        accepted(p, sizes[i], SOCK_FDS_MAX, 1);
                }
}

static void test_no_byte_beyond(void **state) {
        const struct pair *p = *state;
        struct sock_received received = SOCK_RECEIVED_INIT;
        char buf[32];

        memset(buf, 'x', sizeof(buf));
        assert_true(send_raw(p, 32, 0, 0) == 32);
        assert_int_equal(sock_recv(p->b, buf, 8, 0, &received), -EMSGSIZE);
        assert_memory_equal(buf + 8, "xxxxxxxxxxxxxxxxxxxxxxxx", 24);
}

static void test_empty(void **state) {
        const struct pair *p = *state;

        for (size_t n = 0; n <= 4; n++) {
                assert_int_equal(send_raw(p, 0, n, n > 0), 0);
                refused(p, 16, SOCK_FDS_MAX, -ECONNRESET);
        }
        assert_true(send_raw(p, 1, 1, 1) == 1);
        accepted(p, 1, SOCK_FDS_MAX, 1);
}

static void test_closed(void **state) {
        struct pair *p = *state;

        assert_int_equal(sock_send(p->a, "last", 4, NULL, 0), 0);
        p->a = close_fd(p->a);
        accepted(p, 4, 0, 0);
        refused(p, 16, 0, -ECONNRESET);
        refused(p, 16, 0, -ECONNRESET);
}

/* The peer closed without reading what we had sent. */
static void test_closed_unread(void **state) {
        struct pair *p = *state;

        assert_int_equal(sock_send(p->b, "?", 1, &p->file, 1), 0);
        p->a = close_fd(p->a);
        refused(p, 16, 0, -ECONNRESET);
        assert_int_equal(sock_send(p->b, "?", 1, NULL, 0), -EPIPE);
}

static void test_shutdown(void **state) {
        const struct pair *p = *state;

        assert_int_equal(shutdown(p->a, SHUT_WR), 0);
        refused(p, 16, 0, -ECONNRESET);
        assert_int_equal(sock_send(p->a, "x", 1, NULL, 0), -EPIPE);
        assert_int_equal(sock_send(p->b, "x", 1, NULL, 0), 0); /* the other direction stands */
}

static void test_no_socket(void **state) {
        const struct pair *p = *state;
        struct sock_received received = SOCK_RECEIVED_INIT;
        char buf[1];

        assert_int_equal(sock_send(-1, "x", 1, NULL, 0), -EBADF);
        assert_int_equal(sock_recv(-1, buf, 1, 0, &received), -EBADF);
        assert_int_equal(sock_send(p->file, "x", 1, NULL, 0), -ENOTSOCK);
        assert_int_equal(sock_recv(p->file, buf, 1, 0, &received), -ENOTSOCK);
}

/* ---- descriptors ------------------------------------------------------------------------------------------------- */

static void test_descriptors(void **state) {
        const struct pair *p = *state;
        int fds[SOCK_FDS_MAX + 1], before = count_fds();

        assert_false(is_cloexec(p->file));
        for (size_t i = 0; i < ELEMENTSOF(fds); i++)
                fds[i] = p->file;
        for (size_t n = 0; n <= SOCK_FDS_MAX; n++)
                for (size_t max_fds = 0; max_fds <= SOCK_FDS_MAX; max_fds++) {
                        assert_int_equal(sock_send(p->a, "data", 4, fds, n), 0);
                        assert_true(is_open(p->file));
                        if (n <= max_fds)
                                accepted(p, 4, max_fds, n);
                        else
                                refused(p, 4, max_fds, -EBADMSG);
                }
        assert_int_equal(count_fds(), before);
}

/* They come in order, and each is the file that was sent. */
static void test_descriptor_order(void **state) {
        const struct pair *p = *state;
        struct sock_received received = SOCK_RECEIVED_INIT;
        int fds[SOCK_FDS_MAX] = {p->a, p->file, p->b, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)};
        char buf[1];

        assert_true(fds[3] >= 0);
        assert_int_equal(sock_send(p->a, "x", 1, fds, SOCK_FDS_MAX), 0);
        assert_int_equal(sock_recv(p->b, buf, 1, SOCK_FDS_MAX, &received), 0);
        assert_int_equal(received.n_fds, SOCK_FDS_MAX);
        for (size_t i = 0; i < SOCK_FDS_MAX; i++) {
                assert_true(same_file(received.fds[i], fds[i]));
                assert_true(is_cloexec(received.fds[i]));
                for (size_t j = 0; j < SOCK_FDS_MAX; j++)
                        assert_true(i == j || !same_file(received.fds[i], fds[j]));
        }
        sock_received_done(&received);
        (void) close_fd(fds[3]);
}

static void test_send_refusals(void **state) {
        const struct pair *p = *state;
        int fds[SOCK_FDS_MAX + 1] = {p->file, p->file, p->file, p->file, p->file}, bad[2] = {p->file, -1};

        set_nonblocking(p->b);
        assert_int_equal(sock_send(p->a, "x", 1, fds, SOCK_FDS_MAX + 1), -EINVAL);
        assert_int_equal(sock_send(p->a, "x", 1, fds, SIZE_MAX), -EINVAL);
        assert_int_equal(sock_send(p->a, "x", 1, bad, 2), -EBADF);
        refused(p, 1, SOCK_FDS_MAX, -EAGAIN);
        assert_int_equal(sock_send(p->a, "x", 1, bad, 1), 0);
        accepted(p, 1, SOCK_FDS_MAX, 1);
}

/* As many as the kernel lets through in one message: what has no room is cut off there, what has is closed here. */
static void test_many(void **state) {
        const struct pair *p = *state;
        struct rlimit old, many;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        many = old;
        if (many.rlim_cur < 1024 && many.rlim_max >= 1024)
                many.rlim_cur = 1024;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &many), 0);
        for (size_t n = 1; n <= SCM_MAX; n++) {
                assert_true(send_raw(p, 4, n, 1) == 4);
                if (n <= SOCK_FDS_MAX)
                        accepted(p, 4, SOCK_FDS_MAX, n);
                else
                        refused(p, 4, SOCK_FDS_MAX, -EBADMSG);
                assert_true(send_raw(p, 4, n, 1) == 4);
                refused(p, 4, 0, -EBADMSG);
        }
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
}

static void test_many_with_credentials(void **state) {
        const struct pair *p = *state;

        set_option(p->b, SO_PASSCRED, 1);
        for (size_t n = 0; n <= SCM_MAX; n++) {
                assert_true(send_raw(p, 4, n, n > 0) == 4);
                if (n <= SOCK_FDS_MAX)
                        accepted(p, 4, SOCK_FDS_MAX, n);
                else
                        refused(p, 4, SOCK_FDS_MAX, -EBADMSG);
        }
}

static void test_several_blocks(void **state) {
        const struct pair *p = *state;

        assert_true(send_raw(p, 4, 2, 2) == 4);
        accepted(p, 4, SOCK_FDS_MAX, 4);
        assert_true(send_raw(p, 4, 2, 2) == 4);
        refused(p, 4, 3, -EBADMSG);
        assert_true(send_raw(p, 4, 1, 5) == 4);
        refused(p, 4, SOCK_FDS_MAX, -EBADMSG);
        assert_true(send_raw(p, 4, 20, 10) == 4);
        refused(p, 4, SOCK_FDS_MAX, -EBADMSG);
}

/* The limit that leaves exactly `room` free numbers: make and the shell may have left us some high ones open. */
static rlim_t limit_for(unsigned room) {
        int n = 0;

        for (unsigned free_numbers = 0; free_numbers < room || fcntl(n, F_GETFD) >= 0; n++)
                free_numbers += fcntl(n, F_GETFD) < 0;
        return (rlim_t) n;
}

/* No room in our table of descriptors: the kernel sets MSG_CTRUNC, and those that came in before are closed. That is
 * no message of another kind. */
static void test_table_full(void **state) {
        const struct pair *p = *state;
        struct rlimit old, few;
        struct sock_received received = SOCK_RECEIVED_INIT;
        int before = count_fds(), r;
        char buf[4];

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
        for (unsigned room = 0; room <= SOCK_FDS_MAX; room++) {
                few = old;
                few.rlim_cur = limit_for(room);
                assert_true(send_raw(p, 4, SOCK_FDS_MAX, 1) == 4);
                assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
                r = sock_recv(p->b, buf, sizeof(buf), SOCK_FDS_MAX, &received);
                assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
                sock_received_done(&received);
                assert_int_equal(r, room == SOCK_FDS_MAX ? 0 : -EMFILE);
                assert_int_equal(count_fds(), before);
        }
}

/* ---- credentials ------------------------------------------------------------------------------------------------- */

static void recv_from(const struct pair *p, pid_t pid) {
        struct sock_received received = SOCK_RECEIVED_INIT;
        char buf[4];

        assert_int_equal(sock_recv(p->b, buf, sizeof(buf), SOCK_FDS_MAX, &received), 0);
        assert_int_equal(received.cred.pid, pid);
        if (pid != 0) {
                assert_int_equal(received.cred.uid, geteuid());
                assert_int_equal(received.cred.gid, getegid());
        }
        sock_received_done(&received);
}

static void send_in_child(const void *argument) {
        const struct pair *p = argument;

        CHECK(sock_send(p->a, "x", 1, &p->file, 1) == 0);
}

static void test_credentials(void **state) {
        const struct pair *p = *state;
        pid_t pid;

        assert_int_equal(sock_send(p->a, "x", 1, NULL, 0), 0);
        recv_from(p, 0); /* not asked for */
        set_option(p->b, SO_PASSCRED, 1);
        assert_int_equal(sock_send(p->a, "x", 1, NULL, 0), 0);
        recv_from(p, getpid());
        pid = child_start(send_in_child, p);
        child_wait(pid);
        recv_from(p, pid);
        assert_int_not_equal(pid, getpid());
        set_option(p->b, SO_PASSCRED, 0);
        assert_int_equal(sock_send(p->a, "x", 1, NULL, 0), 0);
        recv_from(p, 0);
}

/* As somebody without privilege: the kernel takes only the sender's own credentials. */
static int send_as(const struct pair *p, pid_t pid) {
        union {
                struct cmsghdr align;
                char bytes[CMSG_SPACE(sizeof(struct ucred))];
        } control = {.bytes = {0}};
        struct ucred cred = {.pid = pid, .uid = geteuid(), .gid = getegid()};
        struct iovec iov = {.iov_base = control.bytes, .iov_len = 1};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control)};
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_CREDENTIALS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(cred));
        memcpy(CMSG_DATA(cmsg), &cred, sizeof(cred));
        return sendmsg(p->a, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void forge(const void *argument) {
        const struct pair *p = argument;
        struct sock_received received = SOCK_RECEIVED_INIT;
        pid_t parent = getppid(), self = getpid();
        char buf[1];

        if (geteuid() == 0 && !child_become_nobody())
                _exit(CHILD_SKIPPED);
        CHECK(send_as(p, parent) == -EPERM);
        CHECK(send_as(p, self) == 0);
        CHECK(sock_recv(p->b, buf, 1, 0, &received) == 0);
        CHECK(received.cred.pid == self && received.cred.uid == geteuid());
}

static void test_forged_credentials(void **state) {
        const struct pair *p = *state;

        set_option(p->b, SO_PASSCRED, 1);
        child_run(forge, p);
}

/* ---- waiting and signals ----------------------------------------------------------------------------------------- */

static void test_again(void **state) {
        const struct pair *p = *state;

        set_nonblocking(p->b);
        refused(p, 4, SOCK_FDS_MAX, -EAGAIN);
        assert_int_equal(sock_send(p->a, "data", 4, NULL, 0), 0);
        accepted(p, 4, SOCK_FDS_MAX, 0);
        refused(p, 4, SOCK_FDS_MAX, -EAGAIN);
}

static void test_receive_timeout(void **state) {
        const struct pair *p = *state;
        uint64_t start = now_usec();

        set_timeout(p->b, SO_RCVTIMEO, 50 * USEC_PER_MSEC);
        refused(p, 4, SOCK_FDS_MAX, -EAGAIN);
        assert_true(now_usec() - start >= 50 * USEC_PER_MSEC);
        assert_int_equal(sock_send(p->a, "data", 4, NULL, 0), 0);
        accepted(p, 4, SOCK_FDS_MAX, 0);
}

/* Sends until the socket is full; returns how often that went. */
static unsigned fill(const struct pair *p) {
        char data[1024] = "";
        unsigned n = 0;
        int r;

        while ((r = sock_send(p->a, data, sizeof(data), NULL, 0)) == 0 && n < 1000000)
                n++;
        assert_int_equal(r, -EAGAIN);
        return n;
}

static void test_full(void **state) {
        const struct pair *p = *state;
        unsigned n;

        set_nonblocking(p->a);
        set_nonblocking(p->b);
        n = fill(p);
        assert_true(n > 0);
        for (; n > 0; n--)
                accepted(p, 1024, 0, 0);
        refused(p, 1024, 0, -EAGAIN);
        assert_int_equal(sock_send(p->a, "data", 4, NULL, 0), 0);
        accepted(p, 4, 0, 0);
}

static void test_send_timeout(void **state) {
        const struct pair *p = *state;
        uint64_t start;

        set_nonblocking(p->a);
        (void) fill(p);
        assert_int_equal(fcntl(p->a, F_SETFL, 0), 0);
        set_timeout(p->a, SO_SNDTIMEO, 50 * USEC_PER_MSEC);
        start = now_usec();
        (void) fill(p); /* what little still fitted */
        assert_true(now_usec() - start >= 50 * USEC_PER_MSEC);
        accepted(p, 1024, 0, 0);
}

static void on_signal(int sig) {
        (void) sig;
}

static void start_storm(int flags) {
        struct itimerval every = {.it_interval.tv_usec = 1000, .it_value.tv_usec = 1000};
        struct sigaction sa = {.sa_handler = on_signal, .sa_flags = flags};

        CHECK(sigaction(SIGALRM, &sa, NULL) == 0);
        CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
}

/* Whose end is not in sight, a signal ends. The timer goes on, so that it cannot come just before the call. */
static void interrupt(const void *argument) {
        const struct pair *p = argument;
        struct sock_received received = SOCK_RECEIVED_INIT;
        char data[1024] = "";
        int r;

        start_storm(0);
        CHECK(sock_recv(p->b, data, sizeof(data), 0, &received) == -EINTR);
        do
                r = sock_send(p->a, data, sizeof(data), NULL, 0);
        while (r == 0);
        CHECK(r == -EINTR);
        CHECK(sock_recv(p->b, data, sizeof(data), 0, &received) == 0);
}

static void test_interrupted(void **state) {
        child_run(interrupt, *state);
}

static void send_to_nobody(const void *argument) {
        const int *fd = argument;

        (void) signal(SIGPIPE, SIG_DFL);
        CHECK(sock_send(*fd, "x", 1, NULL, 0) == -EPIPE);
        CHECK(sock_send(*fd, "x", 1, fd, 1) == -EPIPE);
}

static void raise_pipe(const void *argument) {
        const int *fd = argument;

        (void) signal(SIGPIPE, SIG_DFL);
        (void) !write(*fd, "x", 1);
}

static void test_no_sigpipe(void **state) {
        struct pair *p = *state;
        int fds[2], status = 0;
        pid_t pid;

        p->b = close_fd(p->b);
        child_run(send_to_nobody, &p->a);

        /* Linux never raises it for SEQPACKET; that we ask for it shows on a stream. */
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        (void) close_fd(fds[1]);
        child_run(send_to_nobody, fds);
        pid = child_start(raise_pipe, fds);
        (void) close_fd(fds[0]);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

/* ---- addresses --------------------------------------------------------------------------------------------------- */

static void test_address(void **state) {
        struct sockaddr_un sa, untouched;
        char path[2 * sizeof(sa.sun_path)];

        (void) state;
        assert_int_equal(sock_address("", &sa), -EINVAL);
        for (size_t n = 1; n < sizeof(path); n++) {
                memset(path, 'p', n);
                path[0] = '/';
                path[n] = '\0';
                memset(&sa, 0x55, sizeof(sa));
                untouched = sa;
                if (n >= sizeof(sa.sun_path)) {
                        assert_int_equal(sock_address(path, &sa), -ENAMETOOLONG);
                        assert_memory_equal(&sa, &untouched, sizeof(sa));
                        continue;
                }
                assert_int_equal(sock_address(path, &sa), 0);
                assert_int_equal(sa.sun_family, AF_UNIX);
                assert_string_equal(sa.sun_path, path);
                for (size_t i = n; i < sizeof(sa.sun_path); i++)
                        assert_int_equal(sa.sun_path[i], 0);
        }
}

int main(void) {
        static const struct CMUnitTest tests[] = {
                PAIR_TEST(test_bytes),
                PAIR_TEST(test_oversized),
                PAIR_TEST(test_no_byte_beyond),
                PAIR_TEST(test_empty),
                PAIR_TEST(test_closed),
                PAIR_TEST(test_closed_unread),
                PAIR_TEST(test_shutdown),
                PAIR_TEST(test_no_socket),
                PAIR_TEST(test_descriptors),
                PAIR_TEST(test_descriptor_order),
                PAIR_TEST(test_send_refusals),
                PAIR_TEST(test_many),
                PAIR_TEST(test_many_with_credentials),
                PAIR_TEST(test_several_blocks),
                PAIR_TEST(test_table_full),
                PAIR_TEST(test_credentials),
                PAIR_TEST(test_forged_credentials),
                PAIR_TEST(test_again),
                PAIR_TEST(test_receive_timeout),
                PAIR_TEST(test_full),
                PAIR_TEST(test_send_timeout),
                PAIR_TEST(test_interrupted),
                PAIR_TEST(test_no_sigpipe),
                cmocka_unit_test(test_address),
        };

        return cmocka_run_group_tests_name("sock", tests, child_setup, NULL);
}

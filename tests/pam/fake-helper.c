/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The child serves one connection after the other, each with one request. Everything it sees is in the record before it
 * answers, so that a test that has its answer, or has waited for the child's end, needs no other synchronisation.
 */

#include "config.h"

#include "fake-helper.h"

#include "sock.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define DELAY_USEC (300 * USEC_PER_MSEC)

/* The answer that is right for the request. */
static void make_answer(struct fake_shared *shared, uint32_t type, int result, union proto_message *ret) {
        const struct fake_script *script = &shared->script;

        memset(ret, 0, sizeof(*ret));
        ret->head.version = PROTO_VERSION;
        if (type == PROTO_OPEN_SESSION || type == PROTO_FIND_SESSION) {
                ret->head.type = PROTO_OPENED;
                ret->opened.result = result;
                if (result == 0)
                        ret->opened.cookie = (struct proto_cookie){FAKE_DELEGATION, shared->record.opens};
                else
                        memcpy(ret->opened.text, script->text, sizeof(script->text));
        } else {
                ret->head.type = PROTO_REPLY;
                ret->reply.result = result;
                if (result != 0)
                        memcpy(ret->reply.text, script->text, sizeof(script->text));
        }
}

/* Sends the message with its size changed by extra bytes. */
static void send_resized(int fd, const union proto_message *message, int extra) {
        char bytes[sizeof(*message) + 4096] = {0};

        memcpy(bytes, message, sizeof(*message));
        (void) sock_send(fd, bytes, proto_size(message->head.type) + (size_t) extra, NULL, 0);
}

static void send_garbage(int fd) {
        char bytes[64];

        memset(bytes, 0xa5, sizeof(bytes));
        (void) sock_send(fd, bytes, sizeof(bytes), NULL, 0);
}

static void send_stray_fd(int fd, const union proto_message *message) {
        (void) sock_send(fd, message, proto_size(message->head.type), &fd, 1);
}

static void wait_for_hangup(int fd) {
        struct pollfd pollfd = {.fd = fd, .events = POLLRDHUP};

        (void) poll(&pollfd, 1, -1);
}

static void answer(int fd, struct fake_shared *shared, uint32_t type) {
        enum fake_answer how = type == PROTO_OPEN_SESSION ? shared->script.open : shared->script.close;
        bool first = (type == PROTO_OPEN_SESSION ? shared->record.opens : shared->record.closes) == 1;
        union proto_message message;
        int result = 0, extra = 0;

        if (how == FAKE_RESULT || how == FAKE_EARLY_REPLY)
                result = shared->script.result;
        else if (how == FAKE_STALE_ONCE && first)
                result = PROTO_RESULT_STALE;
        make_answer(shared, how == FAKE_EARLY_REPLY ? PROTO_CLOSE_SESSION : type, result, &message);

        switch (how) {
        case FAKE_SILENT:
                wait_for_hangup(fd);
                shared->record.given_up++;
                return;
        case FAKE_HANGUP:
                return;
        case FAKE_HANGUP_ONCE:
                if (first)
                        return;
                break;
        case FAKE_GARBAGE:
                send_garbage(fd);
                return;
        case FAKE_STRAY_FD:
                send_stray_fd(fd, &message);
                return;
        case FAKE_WRONG_TYPE:
                message.head.type = PROTO_STATUS;
                break;
        case FAKE_SHORT:
                extra = -1;
                break;
        case FAKE_LONG:
                extra = 4096;
                break;
        case FAKE_DELAYED:
                (void) usleep(DELAY_USEC);
                break;
        case FAKE_OK:
        case FAKE_RESULT:
        case FAKE_STALE_ONCE:
        case FAKE_EARLY_REPLY:
                break;
        }
        send_resized(fd, &message, extra);
}

/* Looks into the asking process: a module that hands out descriptors below 3 gets the host's next printf. */
static unsigned count_low_sockets(pid_t pid) {
        unsigned n = 0;

        for (int fd = 0; fd <= STDERR_FILENO; fd++) {
                char path[64];
                struct stat st;

                (void) snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int) pid, fd);
                if (stat(path, &st) == 0 && S_ISSOCK(st.st_mode))
                        n++;
        }
        return n;
}

static void record_request(int fd, struct fake_record *record, const union proto_message *message, size_t size) {
        struct fake_request *request = &record->request[record->requests++ % FAKE_REQUESTS_MAX];
        struct ucred peer = {0};

        (void) getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &(socklen_t){sizeof(peer)});
        request->message = *message;
        request->size = size;
        request->check = proto_check(message, size, NULL);
        request->pid = peer.pid;
        request->low_fds = count_low_sockets(peer.pid);
        if (message->head.type == PROTO_OPEN_SESSION)
                record->opens++;
        else if (message->head.type == PROTO_CLOSE_SESSION)
                record->closes++;
        else if (message->head.type == PROTO_FIND_SESSION)
                record->finds++;
}

static void serve(int fd, struct fake_shared *shared) {
        _cleanup_(sock_received_done) struct sock_received received = SOCK_RECEIVED_INIT;
        union proto_message message = {.head = {0}};

        shared->record.connections++;
        if (sock_recv(fd, &message, sizeof(message), 0, &received) < 0)
                return;
        record_request(fd, &shared->record, &message, received.size);
        if (shared->script.rename_from[0] != '\0')
                (void) rename(shared->script.rename_from, shared->script.rename_to);
        answer(fd, shared, message.head.type);
}

/* Until the control pipe is closed and nobody is left in the backlog (the socket does not block). */
static void run(int listener, int control, struct fake_shared *shared) {
        struct pollfd pollfds[] = {{.fd = listener, .events = POLLIN}, {.fd = control, .events = POLLIN}};
        bool ending = false;

        for (;;) {
                int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

                if (fd >= 0) {
                        serve(fd, shared);
                        (void) close(fd);
                } else if (ending) {
                        return;
                } else {
                        (void) poll(pollfds, ELEMENTSOF(pollfds), -1);
                        ending = pollfds[1].revents != 0;
                }
        }
}

static int listen_on(const char *path) {
        _cleanup_close_ int fd = -1;
        struct sockaddr_un sa;
        int r;

        r = sock_address(path, &sa);
        if (r < 0)
                return r;
        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        (void) unlink(path);
        if (bind(fd, (const struct sockaddr *) &sa, sizeof(sa)) < 0 || listen(fd, 16) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int fake_helper_start(const char *path, struct fake_helper *ret) {
        _cleanup_close_ int listener = listen_on(path);
        struct fake_shared *shared;
        int control[2];

        if (listener < 0)
                return listener;
        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED)
                return -errno;
        if (pipe2(control, O_CLOEXEC) < 0)
                return -errno;
        ret->pid = fork();
        if (ret->pid == 0) {
                (void) prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void) close(control[1]);
                run(listener, control[0], shared);
                _exit(0);
        }
        (void) close(control[0]);
        ret->control = control[1];
        ret->shared = shared;
        return ret->pid < 0 ? -errno : 0;
}

void fake_helper_stop(struct fake_helper *fake) {
        fake->control = close_fd(fake->control);
        if (fake->pid > 0)
                (void) waitpid(fake->pid, NULL, 0);
        fake->pid = -1;
}

void fake_helper_done(struct fake_helper *fake) {
        fake_helper_stop(fake);
        if (fake->shared)
                (void) munmap(fake->shared, sizeof(*fake->shared));
        fake->shared = NULL;
}

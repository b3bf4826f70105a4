/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The asking side. The socket stays blocking and the kernel keeps the time: SO_SNDTIMEO bounds connect() and send,
 * SO_RCVTIMEO the answer, each set to what is left until the one deadline. So there is no poll loop, and nothing that
 * a signal in the host process could stretch.
 */

#include "config.h"

#include "client.h"

#include <sys/un.h>

/* Sets one of the two timeouts to what is left. Returns -ETIMEDOUT when nothing is. */
static int set_timeout(const struct client *client, int option) {
        uint64_t now = now_usec(), left;
        struct timeval tv;

        if (now >= client->deadline)
                return -ETIMEDOUT;
        left = client->deadline - now;
        tv.tv_sec = (time_t) (left / USEC_PER_SEC);
        tv.tv_usec = (suseconds_t) (left % USEC_PER_SEC); /* at least 1 us in all: 0 would mean for ever */
        if (setsockopt(client->fd, SOL_SOCKET, option, &tv, sizeof(tv)) < 0)
                return -errno;
        return 0;
}

/* A socket above the standard descriptors: a caller that runs with those closed must not have its next printf arrive
 * here. */
static int socket_above_stdio(void) {
        _cleanup_close_ int fd = -1;
        int moved;

        fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return -errno;
        if (fd > STDERR_FILENO)
                return TAKE_FD(fd);
        moved = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (moved < 0)
                return -errno;
        return moved;
}

/* An interrupted connect() on a unix socket has done nothing yet and may be called again. EAGAIN (the backlog is
 * full) may come up to a tick before the time set when signals wake the wait: what is left is asked of the clock,
 * here and below. */
static int connect_until(struct client *client, const struct sockaddr_un *sa) {
        int r;

        do {
                r = set_timeout(client, SO_SNDTIMEO);
                if (r < 0)
                        return r;
                if (connect(client->fd, (const struct sockaddr *) sa, sizeof(*sa)) == 0)
                        return 0;
        } while (errno == EINTR || errno == EAGAIN);
        return -errno;
}

int client_connect(const char *path, uint64_t timeout_usec, struct client *ret) {
        struct client client = {.fd = -1, .deadline = now_usec() + timeout_usec};
        struct sockaddr_un sa;
        int r;

        r = sock_address(path, &sa);
        if (r < 0)
                return r;
        client.fd = socket_above_stdio();
        if (client.fd < 0)
                return client.fd;
        r = connect_until(&client, &sa);
        if (r < 0) {
                client_done(&client);
                return r;
        }
        *ret = client;
        return 0;
}

int client_send(struct client *client, const void *request) {
        const struct proto_head *head = request;
        int r;

        do {
                r = set_timeout(client, SO_SNDTIMEO);
                if (r < 0)
                        return r;
                r = sock_send(client->fd, request, proto_size(head->type), NULL, 0);
        } while (r == -EINTR || r == -EAGAIN);
        return r;
}

int client_receive(struct client *client, union proto_message *ret, size_t max_fds, struct sock_received *received) {
        union proto_message message;
        int r;

        do {
                r = set_timeout(client, SO_RCVTIMEO);
                if (r < 0)
                        return r;
                r = sock_recv(client->fd, &message, sizeof(message), max_fds, received);
        } while (r == -EINTR || r == -EAGAIN);
        if (r == -EMSGSIZE)
                return -EBADMSG;
        if (r < 0)
                return r;
        r = proto_check(&message, received->size, NULL);
        if (r < 0) {
                sock_received_done(received);
                return r;
        }
        memcpy(ret, &message, received->size);
        return 0;
}

int client_call(struct client *client, const void *request, uint32_t want, union proto_message *ret) {
        struct sock_received received = SOCK_RECEIVED_INIT;
        int r;

        r = client_send(client, request);
        if (r < 0)
                return r;
        r = client_receive(client, ret, 0, &received);
        if (r < 0)
                return r;
        return ret->head.type == want ? 0 : -EBADMSG;
}

void client_done(struct client *client) {
        client->fd = close_fd(client->fd);
}

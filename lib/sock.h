/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The only sendmsg and recvmsg of the tree: one datagram and its descriptors, over AF_UNIX SOCK_SEQPACKET.
 * Descriptors that are not wanted are closed on every path.
 */

#include <sys/socket.h>

#include "util.h"

#define SOCK_FDS_MAX 4

/*
 * Sends size bytes as one datagram, with n_fds descriptors (at most SOCK_FDS_MAX, still the caller's own afterwards).
 * Never raises SIGPIPE. Returns 0, or -errno: -EAGAIN when a non-blocking socket is full or its SO_SNDTIMEO has passed,
 * -EPIPE or -ECONNRESET when the peer has gone, -EINTR (not called again here: the caller knows what time is left).
 */
int sock_send(int fd, const void *data, size_t size, const int *fds, size_t n_fds);

struct sock_received {
        size_t size;           /* bytes in the buffer */
        int fds[SOCK_FDS_MAX]; /* owned by the caller, close-on-exec; unused ones are -1 */
        size_t n_fds;
        struct ucred cred; /* of the sender as the kernel saw it, if the socket has SO_PASSCRED; else pid 0 */
};

#define SOCK_RECEIVED_INIT                \
        {                                 \
                .fds = { -1, -1, -1, -1 } \
        }

/* Closes what descriptors are left in it. */
void sock_received_done(struct sock_received *received);

/*
 * Receives one datagram of at most size bytes into buf, with at most max_fds (no more than SOCK_FDS_MAX) descriptors.
 * ret is filled only on success; to be given to sock_received_done. Returns 0, or -errno with nothing received and no
 * descriptor kept:
 *   -EAGAIN       nothing there (non-blocking, or SO_RCVTIMEO has passed)
 *   -EINTR        a signal came first
 *   -ECONNRESET   the peer has closed (an empty datagram counts as that)
 *   -EMSGSIZE     the datagram was larger than size
 *   -EBADMSG      control data is not what is expected here, or more than max_fds descriptors came
 *   -EMFILE       this process may not open as many descriptors as came
 *   -EACCES       a security module refuses this process a descriptor that came
 */
int sock_recv(int fd, void *buf, size_t size, size_t max_fds, struct sock_received *ret);

/* Fills a sockaddr_un for a path name. Returns 0, -ENAMETOOLONG, or -EINVAL for an empty one. */
struct sockaddr_un;
int sock_address(const char *path, struct sockaddr_un *ret);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The asking side of the protocol: connect, one request, its answer, all within one deadline. Used by the PAM module
 * (inside other people's processes: no signal, no output, no descriptor left) and by the tool.
 */

#include "proto.h"
#include "sock.h"

struct client {
        int fd;
        uint64_t deadline; /* CLOCK_MONOTONIC, microseconds; nothing waits beyond it */
};

#define CLIENT_INIT \
        { .fd = -1 }

/*
 * Connects to the helper's socket at path. timeout_usec, from now, is for everything done with this client. The
 * descriptor is close-on-exec and never below 3, whatever the process has closed. Returns 0, or -errno: -ENOENT no
 * socket,
 * -ECONNREFUSED nobody listens, -EACCES the socket is not for this user, -ETIMEDOUT.
 */
int client_connect(const char *path, uint64_t timeout_usec, struct client *ret);

/* Sends one whole request, of its type's size. Returns 0 or -errno as sock_send; -ETIMEDOUT at the deadline. */
int client_send(struct client *client, const void *request);

/*
 * Receives one answer of any type into ret, checked by proto_check, with at most max_fds descriptors in received
 * (to be given to sock_received_done). Returns 0, or -errno: -ETIMEDOUT; -ECONNRESET if the helper closed without
 * answering; -EBADMSG for what is no message; -EMFILE when its descriptors have no room in this process; -EACCES when a
 * security module refuses them.
 */
int client_receive(struct client *client, union proto_message *ret, size_t max_fds, struct sock_received *received);

/* client_send, then one client_receive without descriptors whose type must be want (else -EBADMSG). */
int client_call(struct client *client, const void *request, uint32_t want, union proto_message *ret);

/* Closes the connection. Takes a half-built one. */
void client_done(struct client *client);

/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The two sockets and their connections: accepting, limits, deadlines, and which request may come on which socket. A
 * connection carries one request and its answer.
 */

#include <sys/queue.h>
#include <systemd/sd-event.h>

#include "peer.h"

enum server_socket { SERVER_SESSION, SERVER_USER, SERVER_SOCKETS };

struct manager;
struct server;
union proto_message;

struct connection {
        TAILQ_ENTRY(connection) entry;
        struct server *server;
        enum server_socket socket;
        int fd;
        struct peer peer;
        struct usage *usage;
        sd_event_source *source, *timer;
        sd_event_source *resume; /* set while its uid has used up its share of the loop */
        bool busy;               /* a request is being worked on */

        /* Set by whoever works on it: called, once, when the connection goes before the answer (the client hung up,
         * or said more than it should). It must not touch the connection. */
        void (*gone)(void *userdata);
        void *userdata;
};

/* Which request may come on which socket, and who answers it: now, or it keeps the connection and sets gone. */
struct request_row {
        uint32_t type;
        enum server_socket socket;
        void (*handle)(struct connection *connection, const union proto_message *message);
};

/* Makes the sockets in dir (made 0755 if it is not there), or takes those that the service manager handed over.
 * Nothing is permitted until a row of requests says so; the last one has no handle. Returns 0 or -errno with err. */
int server_new(struct server **ret, struct manager *manager, const struct request_row *requests, const char *dir,
               struct errtext *err);

/* Takes no more connections, and closes those that have not asked yet. */
void server_stop(struct server *server);

/* Closes everything; removes what server_new() made. */
void server_free(struct server *server);

/* One datagram of an answer of several. */
int connection_send(struct connection *connection, const void *message);

/* The whole answer, or the last datagram of it, with descriptors (which stay the caller's). Frees the connection.
 * Returns 0, or -errno when it could not be delivered: then the client does not know, and what it was given is to be
 * taken back. */
int connection_reply(struct connection *connection, const void *message, const int *fds, size_t n_fds);

/* Whether a line that this connection causes may be logged now: what a person causes has a limit, and what all users
 * do a budget. What is left out is counted, and the count is told. */
bool connection_log_allowed(struct connection *connection);

struct manager *connection_manager(const struct connection *connection);

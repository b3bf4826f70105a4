/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who is at the other end of a connection, by the kernel's word alone: SO_PEERCRED, SO_PEERPIDFD, and /proc through
 * that pidfd. A fact from here is about the very process that connected, or there is an error instead.
 */

#include <sys/socket.h>
#include <sys/types.h>

#include "util.h"

struct peer {
        struct ucred cred; /* when it connected */
        int pidfd;
};
#define PEER_INIT {.pidfd = -1}

/* Asks the kernel about a connected socket. Returns 0 and *ret (to be given to peer_done()), -ESRCH if the process
 * has gone, or -errno. */
int peer_get(int fd, struct peer *ret);
void peer_done(struct peer *peer);

/* What /proc says of the process now. */
struct peer_facts {
        bool same_uids;    /* real, effective, saved and file system uid are one */
        uid_t uid;         /* the real one */
        bool no_new_privs; /* of its main thread */
        uint64_t threads;
        uint64_t tracer;   /* pid or 0 */
        struct {
                dev_t dev;
                ino_t ino;
        } user_ns, pid_ns;
};

/* Returns 0 and *ret, or -ESRCH if the process has gone, or -errno. */
int peer_inspect(const struct peer *peer, struct peer_facts *ret);

/* Whether a pidfd's process has exited. */
bool pidfd_exited(int pidfd);

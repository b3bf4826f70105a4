/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Who is at the other end of a connection, by the kernel's word alone: SO_PEERPIDFD, and what that pidfd says of its
 * process. A fact from here is about the very process that connected, or there is an error instead.
 *
 * SO_PEERCRED is not asked. An accepted socket belongs to the cgroup of whoever connected, so a cgroup_sockopt program
 * there runs on our getsockopt(2) and may answer what it likes. The kernel keeps such programs from SO_PEERPIDFD, and
 * from SCM_CREDENTIALS, which are no option of a socket.
 */

#include <sys/socket.h>
#include <sys/types.h>

#include "util.h"

struct peer {
        struct {
                pid_t pid;
                uid_t uid; /* its real one when it was accepted */
        } cred;
        int pidfd;
};
#define PEER_INIT \
        { .pidfd = -1 }

/*
 * Asks the kernel about a connected socket. Returns 0 and *ret (to be given to peer_done()), -ESRCH if the process
 * has gone, or -errno.
 *
 * The pidfd is of the process that has called connect(2); its uid is what it has now, some time later. It is the real
 * uid, because that is no one's to raise: who executes a setuid program keeps it, and to change it takes privilege,
 * which can only be given up by that. So nobody's connection is charged to, or speaks for, a uid that they could not
 * have had when they connected. SCM_CREDENTIALS have the real uid too, and each request is compared with them.
 */
int peer_get(int fd, struct peer *ret);
void peer_done(struct peer *peer);

/* What /proc says of the process now. */
struct peer_facts {
        bool same_uids;    /* real, effective, saved and file system uid are one */
        uid_t uid;         /* the real one */
        bool no_new_privs; /* of its main thread */
        uint64_t threads;
        uint64_t tracer; /* pid or 0 */
        struct {
                dev_t dev;
                ino_t ino;
        } user_ns, pid_ns;
};

/* Returns 0 and *ret, or -ESRCH if the process has gone, or -errno. */
int peer_inspect(const struct peer *peer, struct peer_facts *ret);

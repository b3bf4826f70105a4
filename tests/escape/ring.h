/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* io_uring by its system calls: one request at a time, or as many as fit in. Everything returns 0 or more, or
 * -errno. */

#include <linux/io_uring.h>
#include <stdint.h>

/* Numbers that an old header lacks. */
enum { RING_RECVMSG = 10, RING_CLOSE = 19, RING_MSG_RING = 40, RING_INSTALL = 54 };
enum { RING_ENTRIES = 64 };

struct ring {
        int fd;
        struct io_uring_params params;
        char *rings;
        struct io_uring_sqe *requests;
        uint32_t pending; /* put in, not yet handed over */
};

int ring_open(struct ring *ring, uint32_t flags);
/* One that another process has made by ring_open(); fd is kept. */
int ring_adopt(struct ring *ring, int fd, uint32_t flags);
/* Who calls this: his credentials, for whoever has the ring. */
int ring_lend(int fd);
/* Files that requests name by their place; -1 for an empty one. Once a ring. */
int ring_keep(int fd, const int *fds, uint32_t n);
/* One request, and its result. */
int ring_do(struct ring *ring, const struct io_uring_sqe *request);
/* Into the queue, without waiting; -EBUSY if there is no room. Handed over by ring_push(), results are thrown away. */
int ring_put(struct ring *ring, const struct io_uring_sqe *request);
void ring_push(struct ring *ring);
/* A descriptor, here, of the file at that place. */
int ring_install(struct ring *ring, uint32_t place);

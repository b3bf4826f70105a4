/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* io_uring, see ring.h. */

#include "config.h"

#include "ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util.h"

static uint32_t *number_at(const struct ring *ring, uint32_t offset) {
        return (uint32_t *) (void *) (ring->rings + offset);
}

/* Both queues in one mapping (IORING_FEAT_SINGLE_MMAP), since 5.4. */
static int ring_map(struct ring *ring) {
        const struct io_uring_params *params = &ring->params;
        size_t sq_size = params->sq_off.array + params->sq_entries * sizeof(uint32_t);
        size_t cq_size = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);
        void *rings, *requests;

        rings = mmap(NULL, sq_size > cq_size ? sq_size : cq_size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
                     (off_t) IORING_OFF_SQ_RING);
        requests = mmap(NULL, params->sq_entries * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE, MAP_SHARED,
                        ring->fd, (off_t) IORING_OFF_SQES);
        if (rings == MAP_FAILED || requests == MAP_FAILED)
                return -errno;
        ring->rings = rings;
        ring->requests = requests;
        return 0;
}

static int ring_set_up(struct ring *ring, uint32_t flags) {
        *ring = (struct ring){.fd = -1, .params = {.flags = flags, .sq_thread_idle = 60000}};
        ring->fd = (int) syscall(SYS_io_uring_setup, RING_ENTRIES, &ring->params);
        return ring->fd < 0 ? -errno : 0;
}

int ring_open(struct ring *ring, uint32_t flags) {
        int r = ring_set_up(ring, flags);

        return r < 0 ? r : ring_map(ring);
}

/* Where things are in it the kernel tells its maker only, but it is the same in all of that size. */
int ring_adopt(struct ring *ring, int fd, uint32_t flags) {
        int r = ring_set_up(ring, flags);

        if (r < 0)
                return r;
        (void) close_fd(ring->fd);
        ring->fd = fd;
        return ring_map(ring);
}

static int ring_register(int fd, unsigned what, const void *argument, uint32_t n) {
        int r = (int) syscall(SYS_io_uring_register, fd, what, argument, n);

        return r < 0 ? -errno : r;
}

int ring_lend(int fd) {
        return ring_register(fd, IORING_REGISTER_PERSONALITY, NULL, 0);
}

int ring_keep(int fd, const int *fds, uint32_t n) {
        return ring_register(fd, IORING_REGISTER_FILES, fds, n);
}

static int ring_enter(struct ring *ring, uint32_t submit, uint32_t wait, uint32_t flags) {
        int r = (int) syscall(SYS_io_uring_enter, ring->fd, submit, wait, flags, NULL, 0);

        return r < 0 ? -errno : r;
}

int ring_put(struct ring *ring, const struct io_uring_sqe *request) {
        uint32_t *head = number_at(ring, ring->params.sq_off.head), *tail = number_at(ring, ring->params.sq_off.tail);
        uint32_t at = *tail & *number_at(ring, ring->params.sq_off.ring_mask);

        if (*tail - __atomic_load_n(head, __ATOMIC_ACQUIRE) >= ring->params.sq_entries)
                return -EBUSY;
        ring->requests[at] = *request;
        number_at(ring, ring->params.sq_off.array)[at] = at;
        __atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
        ring->pending++;
        return 0;
}

static int ring_hand_over(struct ring *ring, uint32_t wait) {
        uint32_t flags = wait > 0 ? IORING_ENTER_GETEVENTS : 0, n = ring->pending;

        ring->pending = 0;
        if (!(ring->params.flags & IORING_SETUP_SQPOLL))
                return ring_enter(ring, n, wait, flags);
        /* Its thread sees them, if it is awake. */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (__atomic_load_n(number_at(ring, ring->params.sq_off.flags), __ATOMIC_RELAXED) & IORING_SQ_NEED_WAKEUP)
                flags |= IORING_ENTER_SQ_WAKEUP;
        return flags ? ring_enter(ring, 0, wait, flags) : 0;
}

void ring_push(struct ring *ring) {
        uint32_t *tail = number_at(ring, ring->params.cq_off.tail);

        (void) ring_hand_over(ring, 0);
        __atomic_store_n(number_at(ring, ring->params.cq_off.head), __atomic_load_n(tail, __ATOMIC_ACQUIRE),
                         __ATOMIC_RELEASE);
}

int ring_do(struct ring *ring, const struct io_uring_sqe *request) {
        uint32_t *head = number_at(ring, ring->params.cq_off.head), *tail = number_at(ring, ring->params.cq_off.tail);
        const struct io_uring_cqe *results = (const void *) (ring->rings + ring->params.cq_off.cqes);
        int r = ring_put(ring, request);

        if (r == 0)
                r = ring_hand_over(ring, 1);
        if (r < 0)
                return r;
        if (__atomic_load_n(tail, __ATOMIC_ACQUIRE) == *head)
                return -EINTR;
        r = results[*head & *number_at(ring, ring->params.cq_off.ring_mask)].res;
        __atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
        return r;
}

int ring_install(struct ring *ring, uint32_t place) {
        struct io_uring_sqe request = {.opcode = RING_INSTALL, .flags = IOSQE_FIXED_FILE, .fd = (int32_t) place};

        return ring_do(ring, &request);
}

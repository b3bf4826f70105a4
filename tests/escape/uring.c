/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Out of the namespace by io_uring. A ring lends the credentials of whoever registered them to whoever has the ring, so
 * that a receiver outside looks like one inside; it keeps files that have no descriptor anywhere, hands them to another
 * ring without asking anybody, and whoever has that ring makes descriptors of them.
 */

#include "escape.h"

#include <sys/socket.h>

#include "ring.h"

/* Inside shows its ring there. */
#define KNOWN_FD 100

static enum result no_ring(struct play *play, int r, const char *what) {
        return say(play, BROKEN, "%s: %s", what, strerror(-r));
}

static int take_ring(struct play *play, struct ring *ret) {
        int fd, r;

        r = take(play, &fd);
        if (r == 0)
                r = pidfd_getfd_of(play->inside, KNOWN_FD);
        return r < 0 ? r : ring_adopt(ret, r, 0);
}

static int show_ring(struct play *play, const struct ring *ring) {
        if (dup3(ring->fd, KNOWN_FD, O_CLOEXEC) < 0)
                return -errno;
        return give(play, -1);
}

/* ---- received outside, with the credentials of inside ---- */

static int receive_by_ring(struct play *play, struct ring *ring, uint16_t personality, uint8_t flags) {
        union {
                struct cmsghdr header;
                char space[CMSG_SPACE(sizeof(int))];
        } control = {.space = {0}};
        static char bytes[4096];
        struct iovec data = {.iov_base = bytes, .iov_len = sizeof(bytes)};
        struct msghdr message = {.msg_iov = &data,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof(control)};
        struct io_uring_sqe request = {.opcode = RING_RECVMSG,
                                       .fd = play->peer,
                                       .addr = (uint64_t) (uintptr_t) &message,
                                       .len = 1,
                                       .personality = personality,
                                       .msg_flags = MSG_CMSG_CLOEXEC,
                                       .flags = flags};
        int r, fd;

        r = ring_do(ring, &request);
        if (r < 0)
                return r;
        if (!CMSG_FIRSTHDR(&message) || CMSG_FIRSTHDR(&message)->cmsg_type != SCM_RIGHTS)
                return -EBADMSG;
        memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
        return fd;
}

static enum result use_received(struct play *play, struct ring *ring, uint8_t flags, use_function *use) {
        int fd = receive_by_ring(play, ring, 1, flags);

        return fd < 0 ? untaken(play, fd, "RECVMSG with the personality of inside") : use(play, fd);
}

/* The first personality of a ring is number 1. */
static enum result lend_and_give(struct play *play, int fd, const char *what) {
        struct ring ring;
        int r;

        r = ring_open(&ring, 0);
        if (r < 0)
                return no_ring(play, r, "io_uring_setup inside");
        r = ring_lend(ring.fd);
        if (r != 1)
                return say(play, BROKEN, "IORING_REGISTER_PERSONALITY: %d", r);
        r = show_ring(play, &ring);
        return r < 0 ? say(play, BROKEN, "showing the ring: %s", strerror(-r)) : give_made(play, fd, what);
}
static enum result lend_and_give_prog(struct play *play) {
        return lend_and_give(play, own_prog(play), "a program");
}
static enum result lend_and_give_token(struct play *play) {
        return lend_and_give(play, make_token(play), "a token");
}
static enum result lend_and_give_link(struct play *play) {
        return lend_and_give(play, own_link(play), "a link on the own subtree");
}

static enum result borrow_and_use(struct play *play, uint8_t flags, use_function *use) {
        struct ring ring;
        int r = take_ring(play, &ring);

        return r < 0 ? untaken(play, r, "taking the ring") : use_received(play, &ring, flags, use);
}
static enum result borrow_prog(struct play *play) {
        return borrow_and_use(play, 0, use_prog);
}
static enum result borrow_token(struct play *play) {
        return borrow_and_use(play, 0, use_token);
}
static enum result borrow_link(struct play *play) {
        return borrow_and_use(play, 0, use_link);
}
/* By a worker of the ring's. */
static enum result borrow_prog_worker(struct play *play) {
        return borrow_and_use(play, IOSQE_ASYNC, use_prog);
}

/* ---- the same with a ring of outside's, which inside inherits ---- */

static struct ring inherited;

static int open_inherited(struct play *play, uint32_t flags) {
        const int none = -1;
        int r;

        (void) play;
        r = ring_open(&inherited, flags);
        if (r == 0)
                r = ring_keep(inherited.fd, &none, 1);
        if (r >= 0 && fcntl(inherited.fd, F_SETFD, 0) < 0)
                r = -errno;
        return r < 0 ? r : inherited.fd;
}
static int start_ring(struct play *play) {
        return open_inherited(play, 0);
}
static int start_polled_ring(struct play *play) {
        return open_inherited(play, IORING_SETUP_SQPOLL);
}

static enum result lend_to_inherited(struct play *play) {
        int r = ring_lend(play->at_start);

        if (r != 1)
                return say(play, BROKEN, "IORING_REGISTER_PERSONALITY: %d", r);
        r = give(play, -1);
        return r < 0 ? BROKEN : give_made(play, own_prog(play), "a program");
}
static enum result poll_prog(struct play *play) {
        int fd, r = take(play, &fd);

        return r < 0 ? untaken(play, r, "waiting") : use_received(play, &inherited, 0, use_prog);
}

/* ---- files without descriptors ---- */

static int keep_one(struct ring *ring, int fd) {
        int r = ring_open(ring, 0);

        return r < 0 ? r : ring_keep(ring->fd, &fd, 1);
}

/* IORING_MSG_SEND_FD from place 0 here to place 0 there. Without a word there (IORING_MSG_RING_CQE_SKIP). */
static int pass_on(struct ring *ring, int to) {
        struct io_uring_sqe request = {
                .opcode = RING_MSG_RING, .fd = to, .addr = 1, .addr3 = 0, .file_index = 1, .msg_ring_flags = 1};

        return ring_do(ring, &request);
}

static enum result pass_to_inherited(struct play *play, int fd, const char *what) {
        struct ring ring;
        int r;

        if (fd < 0)
                return say(play, BROKEN, "%s cannot be made: %s", what, strerror(-fd));
        r = keep_one(&ring, fd);
        if (r == 0)
                r = pass_on(&ring, play->at_start);
        if (r < 0)
                return say(play, BROKEN, "MSG_RING of %s: %s", what, strerror(-r));
        return give(play, -1) < 0 ? BROKEN : UNDECIDED;
}
static enum result pass_prog(struct play *play) {
        return pass_to_inherited(play, own_prog(play), "a program");
}
static enum result pass_token(struct play *play) {
        return pass_to_inherited(play, make_token(play), "a token");
}
static enum result pass_link(struct play *play) {
        return pass_to_inherited(play, own_link(play), "a link on the own subtree");
}

static enum result install_and_use(struct play *play, struct ring *ring, use_function *use) {
        int fd = ring_install(ring, 0);

        return fd < 0 ? refused(play, fd, "FIXED_FD_INSTALL outside") : use(play, fd);
}
static enum result install_passed(struct play *play, use_function *use) {
        int fd, r = take(play, &fd);

        return r < 0 ? untaken(play, r, "waiting") : install_and_use(play, &inherited, use);
}
static enum result install_passed_prog(struct play *play) {
        return install_passed(play, use_prog);
}
static enum result install_passed_token(struct play *play) {
        return install_passed(play, use_token);
}
static enum result install_passed_link(struct play *play) {
        return install_passed(play, use_link);
}

/* Or without a second ring: outside takes the one that has the file. */
static enum result show_keeping_ring(struct play *play) {
        int prog = own_prog(play), r;
        struct ring ring;

        if (prog < 0)
                return say(play, BROKEN, "a program cannot be made: %s", strerror(-prog));
        r = keep_one(&ring, prog);
        if (r < 0)
                return no_ring(play, r, "a ring with a file");
        r = show_ring(play, &ring);
        return r < 0 ? say(play, BROKEN, "showing the ring: %s", strerror(-r)) : UNDECIDED;
}
static enum result install_from_taken(struct play *play) {
        struct ring ring;
        int r = take_ring(play, &ring);

        return r < 0 ? untaken(play, r, "taking the ring") : install_and_use(play, &ring, use_prog);
}

/* ---- and inside it works ---- */

static enum result own_ring(struct play *play) {
        int prog = own_prog(play), r;
        struct ring ring;

        if (prog < 0)
                return refused(play, prog, "load");
        r = keep_one(&ring, prog);
        if (r < 0)
                return no_ring(play, r, "a ring with a file");
        r = ring_install(&ring, 0);
        if (r < 0)
                return refused(play, r, "FIXED_FD_INSTALL");
        r = make_link_at(r, open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC), AT_EGRESS);
        return r < 0 ? refused(play, r, "link_create") :
                       say(play, ESCAPED, "link %u of a program that a ring had kept", object_id(r));
}

const struct vector uring_vectors[] = {
        {.name = "prog-uring-personality", .group = "uring", .inside = lend_and_give_prog, .outside = borrow_prog},
        {.name = "token-uring-personality", .group = "uring", .inside = lend_and_give_token, .outside = borrow_token},
        {.name = "link-uring-personality", .group = "uring", .inside = lend_and_give_link, .outside = borrow_link},
        {.name = "prog-uring-personality-worker",
         .group = "uring",
         .inside = lend_and_give_prog,
         .outside = borrow_prog_worker},
        {.name = "prog-uring-personality-sqpoll",
         .group = "uring",
         .inside = lend_to_inherited,
         .outside = poll_prog,
         .at_start = start_polled_ring},
        {.name = "prog-msg-ring",
         .group = "uring",
         .inside = pass_prog,
         .outside = install_passed_prog,
         .at_start = start_ring},
        {.name = "token-msg-ring",
         .group = "uring",
         .inside = pass_token,
         .outside = install_passed_token,
         .at_start = start_ring},
        {.name = "link-msg-ring",
         .group = "uring",
         .inside = pass_link,
         .outside = install_passed_link,
         .at_start = start_ring},
        {.name = "prog-uring-taken", .group = "uring", .inside = show_keeping_ring, .outside = install_from_taken},
        {.name = "own-uring", .group = "own-uring", .inside = own_ring},
        {.name = NULL},
};

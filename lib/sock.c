/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * One datagram and its descriptors. The guarantee: whatever the other side sends, after sock_recv() this process
 * holds exactly the descriptors it is told of, all close-on-exec, and no byte beyond the buffer was written.
 */

#include "config.h"

#include "sock.h"

#include <fcntl.h>
#include <sys/un.h>

/* Room for the control data we expect. More than that makes the kernel set MSG_CTRUNC, and the message is refused. */
union control {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int) * SOCK_FDS_MAX) + CMSG_SPACE(sizeof(struct ucred))];
};

int sock_send(int fd, const void *data, size_t size, const int *fds, size_t n_fds) {
        union control control = {.bytes = {0}};
        struct iovec iov = {.iov_base = (void *) (uintptr_t) data, .iov_len = size};
        struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
        struct cmsghdr *cmsg;
        ssize_t n;

        if (n_fds > SOCK_FDS_MAX)
                return -EINVAL;
        if (n_fds > 0) {
                msg.msg_control = control.bytes;
                msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                cmsg = CMSG_FIRSTHDR(&msg);
                cmsg->cmsg_level = SOL_SOCKET;
                cmsg->cmsg_type = SCM_RIGHTS;
                cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * n_fds);
        }
        n = sendmsg(fd, &msg, MSG_NOSIGNAL);
        if (n < 0)
                return -errno;
        return 0;
}

void sock_received_done(struct sock_received *received) {
        for (size_t i = 0; i < SOCK_FDS_MAX; i++)
                received->fds[i] = close_fd(received->fds[i]);
        received->n_fds = 0;
}

/* Takes every descriptor of one SCM_RIGHTS block, those that are too many being closed at once. Returns how many
 * there were. */
static size_t collect_fds(struct cmsghdr *cmsg, struct sock_received *received) {
        size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        for (size_t i = 0; i < n; i++) {
                int fd;

                memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(int));
                if (received->n_fds < SOCK_FDS_MAX)
                        received->fds[received->n_fds++] = fd;
                else
                        (void) close_fd(fd);
        }
        return n;
}

/* Returns false for control data of a kind nobody asked for. All descriptors are collected first in any case, so that
 * none leaks. */
static bool collect_control(struct msghdr *msg, struct sock_received *received, size_t *ret_n_fds) {
        bool known = true;

        for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
                if (cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS)
                        *ret_n_fds += collect_fds(cmsg, received);
                else if (cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_CREDENTIALS &&
                         cmsg->cmsg_len == CMSG_LEN(sizeof(struct ucred)))
                        memcpy(&received->cred, CMSG_DATA(cmsg), sizeof(struct ucred));
                else
                        known = false;
        }
        return known;
}

/*
 * Why the kernel has left out a descriptor that our buffer had room for: either this process's table is full, or a
 * security module refuses it to us (security_file_receive). To be asked while those that came are open.
 */
static int why_left_out(int fd) {
        int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

        if (copy < 0)
                return -EMFILE;
        (void) close(copy);
        return -EACCES;
}

int sock_recv(int fd, void *buf, size_t size, size_t max_fds, struct sock_received *ret) {
        struct sock_received received = SOCK_RECEIVED_INIT;
        union control control = {.bytes = {0}};
        struct iovec iov = {.iov_base = buf, .iov_len = size};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control)};
        size_t n_fds = 0;
        bool known;
        ssize_t n;
        int r = 0;

        /* Where none is wanted there is no room for one: then the kernel never puts a stranger's descriptor into this
         * process, whose close could wait for that process (a lingering TCP socket, a file of its own FUSE). */
        if (max_fds == 0)
                msg.msg_controllen = CMSG_SPACE(sizeof(struct ucred));
        n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
        if (n < 0)
                return -errno;

        known = collect_control(&msg, &received, &n_fds);
        if (msg.msg_flags & MSG_TRUNC)
                r = -EMSGSIZE;
        else if (known && n_fds < max_fds && (msg.msg_flags & MSG_CTRUNC))
                r = why_left_out(fd);
        else if (!known || n_fds > max_fds || (msg.msg_flags & MSG_CTRUNC))
                r = -EBADMSG;
        else if (n == 0)
                r = -ECONNRESET;
        if (r < 0) {
                sock_received_done(&received);
                return r;
        }
        received.size = (size_t) n;
        *ret = received;
        return 0;
}

int sock_address(const char *path, struct sockaddr_un *ret) {
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        int r;

        /* Nothing before the terminator would be an abstract address, which anybody may bind. */
        if (path[0] == '\0')
                return -EINVAL;
        r = copy_field(sa.sun_path, sizeof(sa.sun_path), path);
        if (r < 0)
                return r;
        *ret = sa;
        return 0;
}

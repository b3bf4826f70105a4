/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the attacks on the end of a session have in common: something is kept over it, often a socket that a program
 * drops. */

#include "escape.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

int kept = -1, kept_too = -1;

enum result keep(struct play *play, const char *what) {
        int r = take(play, &kept);

        return r < 0 ? untaken(play, r, what) : say(play, ESCAPED, "has %s", what);
}

/* ---- a socket whose packets are dropped ---- */

int send_one(int fd) {
        struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                 .sin_port = htons(9)};

        return sendto(fd, "x", 1, 0, (struct sockaddr *) &to, sizeof(to)) < 0 ? -errno : 0;
}

int dropping_prog(struct play *play) {
        return load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 0);
}

enum result keep_socket(struct play *play) {
        return keep(play, "a socket");
}

enum result socket_after(struct play *play) {
        int r = send_one(kept);

        if (r == -EPERM)
                return say(play, ESCAPED, "the program still drops what the socket sends");
        return r == 0 ? say(play, REFUSED, "the program no longer runs") :
                        say(play, BROKEN, "sendto: %s", strerror(-r));
}

/* ---- sockets of a sockmap ---- */

int tcp_pair(int *ret_from, int *ret_to) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        _cleanup_close_ int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        socklen_t size = sizeof(address);

        *ret_from = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(server, (struct sockaddr *) &address, size) < 0 || listen(server, 1) < 0 ||
            getsockname(server, (struct sockaddr *) &address, &size) < 0 ||
            connect(*ret_from, (struct sockaddr *) &address, size) < 0)
                return -errno;
        *ret_to = accept4(server, NULL, NULL, SOCK_CLOEXEC);
        return *ret_to < 0 ? -errno : 0;
}

enum result keep_sockmap(struct play *play) {
        int map, r = take(play, &kept);

        if (r == 0)
                r = take(play, &kept_too);
        if (r == 0)
                r = take(play, &map);
        return r < 0 ? untaken(play, r, "taking sockets and map") : say(play, ESCAPED, "has the sockets and the map");
}

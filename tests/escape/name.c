/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * In whose name a program runs (docs/contexts.md). A server of the host's, here `outside`, asks the kernel who its
 * client is, and gets the answer of a program of that client's; or it receives as root's what a thread of the kernel
 * has sent; or a program reads memory that was somebody else's before.
 */

#include "escape.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

enum {
        PROG_CGROUP_SOCKOPT = 25,
        AT_UDP6_SENDMSG = 15,
        AT_GETSOCKOPT = 21,
        AT_UNIX_RECVMSG = 51,
        AT_UNIX_GETPEERNAME = 52
};
enum { DO_SK_REDIRECT_MAP = 52, DO_XDP_ADJUST_HEAD = 44, DO_XDP_LOAD_BYTES = 189, DO_MSG_PUSH_DATA = 90 };

/* ---- server and client ---- */

/* The server's address is of its own process, so that two tests do not meet. */
static socklen_t server_address(const struct play *play, struct sockaddr_un *ret) {
        *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
        (void) snprintf(ret->sun_path + 1, sizeof(ret->sun_path) - 1, "escape-%d",
                        (int) (play->is_inside ? play->outside : getpid()));
        return (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + strlen(ret->sun_path + 1));
}

static int server(const struct play *play, int type) {
        struct sockaddr_un address;
        socklen_t size = server_address(play, &address);
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

        if (fd < 0 || bind(fd, (struct sockaddr *) &address, size) < 0 || (type != SOCK_DGRAM && listen(fd, 1) < 0)) {
                int r = -errno;

                (void) close_fd(fd);
                return r;
        }
        return fd;
}

static int client(const struct play *play, int type) {
        struct sockaddr_un address;
        socklen_t size = server_address(play, &address);
        const sa_family_t family = AF_UNIX;
        int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

        /* With a name of the kernel's choice: of a client without one nobody is asked. */
        if (fd < 0 || bind(fd, (const struct sockaddr *) &family, sizeof(family)) < 0 ||
            connect(fd, (struct sockaddr *) &address, size) < 0) {
                int r = -errno;

                (void) close_fd(fd);
                return r;
        }
        return fd;
}

/* Outside: tells inside that the server is there, and accepts its client. Descriptor, or -errno and what untaken()
 * says. */
static int serve(struct play *play, enum result *ret) {
        _cleanup_close_ int fd = server(play, SOCK_STREAM);
        int none, r, accepted;

        if (fd < 0) {
                *ret = say(play, BROKEN, "the server: %s", strerror(-fd));
                return fd;
        }
        r = give(play, -1);
        if (r >= 0)
                r = take(play, &none);
        if (r < 0) {
                *ret = untaken(play, r, "the client");
                return r;
        }
        accepted = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (accepted < 0)
                *ret = say(play, BROKEN, "accept: %s", strerror(errno));
        return accepted;
}

/* Inside: connects when the server is there and the program is attached; keeps all until the other has said how it
 * went. */
static enum result connect_to_server(struct play *play) {
        int none, fd, r;

        r = take(play, &none);
        if (r < 0)
                return untaken(play, r, "the server");
        fd = client(play, SOCK_STREAM);
        if (fd < 0)
                return say(play, BROKEN, "connect: %s", strerror(-fd));
        (void) send(fd, "x", 1, 0);
        r = give(play, -1);
        return r < 0 ? untaken(play, r, "the server") : UNDECIDED;
}

static int attach_to_own(struct play *play, int prog, uint32_t attach_type) {
        int cgroup = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int link = cgroup < 0 ? -errno : make_link_at(prog, cgroup, attach_type);

        (void) play;
        (void) close_fd(cgroup);
        return link;
}

/* ---- who a client is ---- */

/* Writes uid and gid 0 over what getsockopt(SOL_SOCKET, SO_PEERCRED) has found: struct bpf_sockopt has optval at 8,
 * optval_end at 16, level at 24, optname at 28. */
static enum result peercred_inside(struct play *play) {
        const struct bpf_insn insns[] = {
                LOAD4(2, 1, 24),
                I(0x55, 2, 0, 9, SOL_SOCKET),
                LOAD4(2, 1, 28),
                I(0x55, 2, 0, 7, SO_PEERCRED),
                LOAD8(2, 1, 8),
                LOAD8(3, 1, 16),
                COPY(4, 2),
                ADD(4, sizeof(struct ucred)),
                I(0x2d, 4, 3, 2, 0),
                SET4(2, 4, 0),
                SET4(2, 8, 0),
                MOV(0, 1),
                EXIT,
        };
        int prog = LOAD(play, PROG_CGROUP_SOCKOPT, AT_GETSOCKOPT, insns), link;

        if (prog < 0)
                return refused(play, prog, "load");
        link = attach_to_own(play, prog, AT_GETSOCKOPT);
        return link < 0 ? refused(play, link, "link_create") : connect_to_server(play);
}

static enum result peercred_outside(struct play *play) {
        enum result result;
        _cleanup_close_ int fd = serve(play, &result);
        struct ucred cred = {.uid = 4711};
        socklen_t size = sizeof(cred);

        if (fd < 0)
                return result;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) < 0)
                return say(play, REFUSED, "getsockopt: %s", strerror(errno));
        return cred.uid == 0 ?
                       say(play, ESCAPED, "a server believes that this user's client is root's") :
                       say(play, BROKEN, "the program is attached, and the server sees uid %u", (unsigned) cred.uid);
}

#define FORGED "/run/forged"

/* The path of struct bpf_sock_addr_kern is set by a kfunc, from a text on the stack. */
static enum result forge_name(struct play *play, uint32_t attach_type) {
        int set = kernel_btf("bpf_sock_addr_set_sun_path", BTF_KIND_FUNC),
            cast = kernel_btf("bpf_cast_to_kern_ctx", BTF_KIND_FUNC);
        uint64_t text[2] = {0};
        int prog, link;

        if (set < 0 || cast < 0)
                return say(play, ABSENT, "this kernel has no bpf_sock_addr_set_sun_path");
        memcpy(text, FORGED, sizeof(FORGED) - 1);
        {
                const struct bpf_insn insns[] = {
                        KFUNC(cast),
                        COPY(6, 0),
                        WIDE(2, text[0]),
                        STORE8(10, 2, -16),
                        WIDE(2, text[1]),
                        STORE8(10, 2, -8),
                        COPY(1, 6),
                        COPY(2, 10),
                        ADD(2, -16),
                        MOV(3, sizeof(FORGED) - 1),
                        KFUNC(set),
                        MOV(0, 1),
                        EXIT,
                };

                prog = LOAD(play, PROG_CGROUP_SOCK_ADDR, attach_type, insns);
        }
        if (prog < 0)
                return refused(play, prog, "load");
        link = attach_to_own(play, prog, attach_type);
        return link < 0 ? refused(play, link, "link_create") : connect_to_server(play);
}
static enum result peername_inside(struct play *play) {
        return forge_name(play, AT_UNIX_GETPEERNAME);
}
static enum result sender_inside(struct play *play) {
        return forge_name(play, AT_UNIX_RECVMSG);
}

static enum result judge_name(struct play *play, const struct sockaddr_un *address, const char *what) {
        if (strncmp(address->sun_path, FORGED, sizeof(FORGED) - 1) == 0)
                return say(play, ESCAPED, "a server's %s names " FORGED, what);
        return say(play, BROKEN, "the program is attached, and %s names \"%.40s\"", what, address->sun_path);
}

static enum result peername_outside(struct play *play) {
        enum result result;
        _cleanup_close_ int fd = serve(play, &result);
        struct sockaddr_un address = {.sun_path = ""};
        socklen_t size = sizeof(address);

        if (fd < 0)
                return result;
        if (getpeername(fd, (struct sockaddr *) &address, &size) < 0)
                return say(play, REFUSED, "getpeername: %s", strerror(errno));
        return judge_name(play, &address, "getpeername");
}

static enum result sender_outside(struct play *play) {
        enum result result;
        _cleanup_close_ int fd = serve(play, &result);
        struct sockaddr_un address = {.sun_path = ""};
        socklen_t size = sizeof(address);
        char byte;

        if (fd < 0)
                return result;
        if (recvfrom(fd, &byte, 1, 0, (struct sockaddr *) &address, &size) < 0)
                return say(play, REFUSED, "recvfrom: %s", strerror(errno));
        return judge_name(play, &address, "recvfrom");
}

/* ---- where a datagram comes from ---- */

/* 2001:db8::1, which is nobody's. */
static const struct in6_addr nobodys = {.s6_addr = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}};

/* msg_src_ip6 of struct bpf_sock_addr is at 44; the kernel looks up the address of IPv4, and takes that of IPv6 as it
 * is. */
static int load_source(struct play *play) {
        uint32_t words[4];

        memcpy(words, &nobodys, sizeof(words));
        {
                const struct bpf_insn insns[] = {SET4(1, 44, words[0]),
                                                 SET4(1, 48, words[1]),
                                                 SET4(1, 52, words[2]),
                                                 SET4(1, 56, words[3]),
                                                 MOV(0, 1),
                                                 EXIT};

                return LOAD(play, PROG_CGROUP_SOCK_ADDR, AT_UDP6_SENDMSG, insns);
        }
}

/* The port comes as a socket, which is not used otherwise. */
static enum result source6_inside(struct play *play) {
        _cleanup_close_ int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0), server_fd = -1;
        struct sockaddr_in6 address = {.sin6_family = AF_INET6};
        socklen_t size = sizeof(address);
        int prog, link, r;

        r = take(play, &server_fd);
        if (r < 0)
                return untaken(play, r, "the server");
        prog = load_source(play);
        if (prog < 0)
                return refused(play, prog, "load");
        link = attach_to_own(play, prog, AT_UDP6_SENDMSG);
        if (link < 0)
                return refused(play, link, "link_create");
        if (fd < 0 || getsockname(server_fd, (struct sockaddr *) &address, &size) < 0 ||
            sendto(fd, "x", 1, 0, (struct sockaddr *) &address, size) < 0)
                return say(play, BROKEN, "sendto: %s", strerror(errno));
        r = give(play, -1);
        return r < 0 ? untaken(play, r, "the server") : UNDECIDED;
}

static enum result source6_outside(struct play *play) {
        _cleanup_close_ int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        socklen_t size = sizeof(address);
        int none, r;
        char byte;

        if (fd < 0 || bind(fd, (struct sockaddr *) &address, size) < 0)
                return say(play, BROKEN, "the server: %s", strerror(errno));
        r = give(play, fd);
        if (r >= 0)
                r = take(play, &none);
        if (r < 0)
                return untaken(play, r, "the client");
        if (poll(&poll_fd, 1, 10000) <= 0 || recvfrom(fd, &byte, 1, 0, (struct sockaddr *) &address, &size) < 0)
                return say(play, BROKEN, "nothing has come");
        return memcmp(&address.sin6_addr, &nobodys, sizeof(nobodys)) == 0 ?
                       say(play, ESCAPED, "a datagram comes from 2001:db8::1, which is no address of this host") :
                       say(play, BROKEN, "the program is attached, and it comes from its own address");
}

/* ---- sent by a thread of the kernel ---- */

/* What comes to one of two own sockets goes out of a third, which is connected to the server. */
static enum result kworker_inside(struct play *play) {
        int map, prog, to, none, r, pair[2];
        const uint32_t in = 0, out = 1;

        r = take(play, &none);
        if (r < 0)
                return untaken(play, r, "the server");
        map = make_map(play, &(struct map_wish){.type = MAP_SOCKMAP, .key_size = 4, .value_size = 4, .entries = 2});
        if (map < 0)
                return refused(play, map, "map_create");
        {
                const struct bpf_insn insns[] = {MAP(2, map), MOV(3, out), MOV(4, 0), CALL(DO_SK_REDIRECT_MAP), EXIT};

                prog = LOAD(play, PROG_SK_SKB, AT_SK_SKB_VERDICT, insns);
        }
        if (prog < 0)
                return refused(play, prog, "load");
        to = client(play, SOCK_DGRAM);
        if (to < 0 || socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0)
                return say(play, BROKEN, "sockets: %s", strerror(errno));
        r = attach(prog, map, AT_SK_SKB_VERDICT, 0);
        if (r >= 0)
                r = map_put(map, in, &pair[1]);
        if (r >= 0)
                r = map_put(map, out, &to);
        if (r < 0)
                return refused(play, r, "the sockmap");
        if (send(pair[0], "x", 1, 0) < 0)
                return say(play, BROKEN, "send: %s", strerror(errno));
        r = give(play, -1);
        return r < 0 ? untaken(play, r, "the server") : UNDECIDED;
}

static int credentials_of(struct msghdr *message, struct ucred *ret) {
        const struct cmsghdr *c = CMSG_FIRSTHDR(message);

        if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
                return -ENODATA;
        memcpy(ret, CMSG_DATA(c), sizeof(*ret));
        return 0;
}

static enum result kworker_outside(struct play *play) {
        _cleanup_close_ int fd = server(play, SOCK_DGRAM);
        union {
                struct cmsghdr head;
                char bytes[CMSG_SPACE(sizeof(struct ucred))];
        } control = {.bytes = ""};
        char byte;
        struct iovec part = {.iov_base = &byte, .iov_len = 1};
        struct msghdr message = {.msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof(control)};
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        struct ucred cred = {.uid = 4711};
        int one = 1, none, r;

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) < 0)
                return say(play, BROKEN, "the server: %s", strerror(errno));
        r = give(play, -1);
        if (r >= 0)
                r = take(play, &none);
        if (r < 0)
                return untaken(play, r, "the client");
        if (poll(&poll_fd, 1, 10000) <= 0 || recvmsg(fd, &message, 0) < 0 || credentials_of(&message, &cred) < 0)
                return say(play, BROKEN, "nothing with credentials has come");
        return cred.uid == 0 ?
                       say(play, ESCAPED, "a server receives as root's, of process %d, what this user has written",
                           (int) cred.pid) :
                       say(play, BROKEN, "it has come as uid %u's", (unsigned) cred.uid);
}

/* ---- memory that was somebody else's ---- */

#define STALE_BYTES 16384
static uint8_t stale[STALE_BYTES];

/* A process that has had things in its memory, and has ended. */
static void leave_something(void) {
        const size_t size = 64 << 20;
        pid_t pid = fork();

        if (pid == 0) {
                char *memory = malloc(size);

                if (memory)
                        memset(memory, 0xa5, size);
                _exit(memory && memory[size / 2] ? 0 : 1);
        }
        (void) waitpid(pid, NULL, 0);
}

static enum result judge_stale(struct play *play, const uint8_t *bytes, size_t size) {
        size_t n = 0;

        for (size_t i = 0; i < size; i++)
                n += bytes[i] != 0;
        if (n == 0)
                return say(play, ABSENT, "all %zu bytes were cleared", size);
        return say(play, ESCAPED, "%zu of %zu bytes were somebody else's", n, size);
}

/* Pages that a message of one byte has in front of it then. */
static enum result push_stale(struct play *play) {
        int map, prog, from, to, r;
        uint32_t key = 0;
        ssize_t n;

        map = make_map(play, &(struct map_wish){.type = MAP_SOCKMAP, .key_size = 4, .value_size = 4, .entries = 1});
        if (map < 0)
                return refused(play, map, "map_create");
        {
                const struct bpf_insn insns[] = {MOV(2, 0), MOV(3, STALE_BYTES),
                                                 MOV(4, 0), CALL(DO_MSG_PUSH_DATA),
                                                 MOV(0, 1), EXIT};

                prog = LOAD(play, PROG_SK_MSG, AT_SK_MSG_VERDICT, insns);
        }
        if (prog < 0)
                return refused(play, prog, "load");
        r = tcp_pair(&from, &to);
        if (r >= 0)
                r = attach(prog, map, AT_SK_MSG_VERDICT, 0);
        if (r >= 0)
                r = map_put(map, key, &from);
        if (r < 0)
                return refused(play, r, "the sockmap");
        leave_something();
        if (send(from, "x", 1, 0) < 0)
                return say(play, BROKEN, "send: %s", strerror(errno));
        n = recv(to, stale, sizeof(stale), MSG_WAITALL);
        return n < (ssize_t) sizeof(stale) ? say(play, BROKEN, "%zd bytes came", n) :
                                             judge_stale(play, stale, (size_t) n);
}

#define HEADROOM 192

/* In a network namespace of one's own: what is in front of a packet that comes to lo. */
static int load_headroom(struct play *play, int map) {
        const struct bpf_insn insns[] = {
                COPY(6, 1),
                MOV(2, -HEADROOM),
                CALL(DO_XDP_ADJUST_HEAD),
                I(0x55, 0, 0, 12, 0),
                SET4(10, -4, 0),
                MAP(1, map),
                COPY(2, 10),
                ADD(2, -4),
                CALL(DO_LOOKUP),
                IF_ZERO(0, 5),
                COPY(3, 0),
                COPY(1, 6),
                MOV(2, 0),
                MOV(4, HEADROOM),
                CALL(DO_XDP_LOAD_BYTES),
                MOV(0, 1),
                EXIT,
        };

        return LOAD(play, PROG_XDP, AT_XDP, insns);
}

static int set_up(const char *device) {
        struct ifreq request = {.ifr_flags = 0};
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        (void) snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", device);
        request.ifr_flags = IFF_UP;
        return ioctl(fd, SIOCSIFFLAGS, &request) < 0 && errno != EPERM ? -errno : 0;
}

static enum result headroom_stale(struct play *play) {
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        struct link_wish wish = {.attach_type = AT_XDP, .flags = 1U << 1};
        uint8_t bytes[HEADROOM];
        int map, prog, link, r;

        map = make_map(play,
                       &(struct map_wish){.type = MAP_ARRAY, .key_size = 4, .value_size = HEADROOM, .entries = 1});
        if (map < 0)
                return refused(play, map, "map_create");
        prog = load_headroom(play, map);
        if (prog < 0)
                return refused(play, prog, "load");
        wish.prog = (uint32_t) prog;
        wish.target = if_nametoindex("lo");
        link = make_link(&wish);
        if (link < 0)
                return refused(play, link, "link_create");
        (void) set_up("lo");
        for (unsigned i = 0; i < 10; i++) {
                enum result result;

                leave_something();
                r = send_one(fd);
                if (r >= 0)
                        r = map_get(map, 0, bytes);
                if (r < 0)
                        return say(play, BROKEN, "a packet to lo: %s", strerror(-r));
                result = judge_stale(play, bytes, sizeof(bytes));
                if (result == ESCAPED)
                        return result;
        }
        return judge_stale(play, bytes, sizeof(bytes));
}

const struct vector name_vectors[] = {
        {.name = "answer-peercred", .group = "name-wide", .inside = peercred_inside, .outside = peercred_outside},
        {.name = "answer-peername", .group = "name-wide", .inside = peername_inside, .outside = peername_outside},
        {.name = "answer-sender", .group = "name-wide", .inside = sender_inside, .outside = sender_outside},
        {.name = "spoof-source6", .group = "name-wide", .inside = source6_inside, .outside = source6_outside},
        {.name = "send-by-kworker", .group = "name", .inside = kworker_inside, .outside = kworker_outside},
        {.name = "push-stale", .group = "name", .inside = push_stale},
        {.name = "headroom-stale", .group = "name-private", .inside = headroom_stale},
        {.name = NULL},
};

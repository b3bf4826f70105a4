/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Privilege: a connect4 program leads whoever is in its cgroup elsewhere. That is the owner's own business, as long as
 * nobody but he can be there: privilege.sh tries to bring in a setuid program.
 */

#include "escape.h"

/* Of struct bpf_sock_addr. */
#define USER_PORT 24
#define STORE4(dst, src, off) I(0x63, dst, src, off, 0)

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
        return link < 0 ? refused(play, link, "link_create") : say(play, ESCAPED, "connect() in the own subtree goes to port %s", port);
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
        return move_in(path) == 0 ? say(play, ESCAPED, "moved in by the namespace's owner") : refused(play, r, "cgroup.procs");
}

const struct vector privilege_vectors[] = {
        {.name = "redirect", .group = "own-connect", .inside = redirect},
        {.name = "setuid-moved", .group = "privilege", .inside = move_from_inside, .outside = move_from_outside},
        {.name = NULL},
};

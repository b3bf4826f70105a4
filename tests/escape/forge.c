/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * What the vectors answer-peercred and send-by-kworker (name.c) do to a server of the test's, done to the host's own:
 *
 *   forge peercred CMD…       CMD, and every server that asks its cgroup's sockets who the client is, is answered:
 *   root
 *   forge journal TEXT CMD…   hands TEXT to the journal by a thread of the kernel, which is root's; then CMD
 *
 * For a session, by `bpfdeleg run`. CMD holds what was made until it ends. Where something is refused, CMD is not run:
 * 1.
 */

#include "escape.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { PROG_CGROUP_SOCKOPT = 25, AT_GETSOCKOPT = 21, DO_SK_REDIRECT_MAP = 52 };

#define JOURNAL "/run/systemd/journal/socket"

static int refusal(const struct play *play, const char *what, int r) {
        (void) fprintf(stderr, "forge: %s: %s%s%s\n", what, strerror(-r), play->said[0] ? ": " : "", play->said);
        return 1;
}

/* Those of bpf(2) are closed by an exec otherwise. */
static int keep_over_exec(int fd) {
        return fcntl(fd, F_SETFD, 0) < 0 ? -errno : 0;
}

static int run(char **command) {
        (void) execvp(command[0], command);
        (void) fprintf(stderr, "forge: %s: %s\n", command[0], strerror(errno));
        return 127;
}

static int forge_peercred(struct play *play, char **command) {
        /* struct bpf_sockopt has optval at 8, optval_end at 16, level at 24, optname at 28; struct ucred uid at 4,
         * gid at 8. */
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
        _cleanup_close_ int cgroup = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int prog, link, r;

        if (cgroup < 0)
                return refusal(play, "its cgroup", -errno);
        prog = LOAD(play, PROG_CGROUP_SOCKOPT, AT_GETSOCKOPT, insns);
        if (prog < 0)
                return refusal(play, "the load of a cgroup_sockopt program", prog);
        link = make_link_at(prog, cgroup, AT_GETSOCKOPT);
        if (link < 0)
                return refusal(play, "its link", link);
        r = keep_over_exec(link);
        return r < 0 ? refusal(play, "the link", r) : run(command);
}

/* What comes to the second of two own sockets goes out of a third, which is connected to the journal. */
static int forge_journal(struct play *play, const char *text, char **command) {
        const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = JOURNAL};
        char record[512];
        int map, prog, out, r, pair[2], n;

        n = snprintf(record, sizeof(record), "MESSAGE=%s\nPRIORITY=1\n", text);
        if (n < 0 || (size_t) n >= sizeof(record))
                return refusal(play, "the text", -E2BIG);
        map = make_map(play, &(struct map_wish){.type = MAP_SOCKMAP, .key_size = 4, .value_size = 4, .entries = 2});
        if (map < 0)
                return refusal(play, "a sockmap", map);
        {
                const struct bpf_insn insns[] = {MAP(2, map), MOV(3, 1), MOV(4, 0), CALL(DO_SK_REDIRECT_MAP), EXIT};

                prog = LOAD(play, PROG_SK_SKB, AT_SK_SKB_VERDICT, insns);
        }
        if (prog < 0)
                return refusal(play, "the load of an sk_skb program", prog);
        /* None is closed by the exec: a thread of the kernel sends when it comes to it. */
        out = socket(AF_UNIX, SOCK_DGRAM, 0);
        if (out < 0 || connect(out, (const struct sockaddr *) &address, sizeof(address)) < 0 ||
            socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) < 0)
                return refusal(play, JOURNAL, -errno);
        r = attach(prog, map, AT_SK_SKB_VERDICT, 0);
        if (r >= 0)
                r = map_put(map, 0, &pair[1]);
        if (r >= 0)
                r = map_put(map, 1, &out);
        if (r >= 0)
                r = keep_over_exec(map);
        if (r < 0)
                return refusal(play, "the sockmap", r);
        if (send(pair[0], record, (size_t) n, 0) < 0)
                return refusal(play, "send", -errno);
        return run(command);
}

int main(int argc, char **argv) {
        struct play play = {.token = -1};

        play.bpffs = open("/sys/fs/bpf", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (play.bpffs < 0)
                return refusal(&play, "/sys/fs/bpf", -errno);
        if (argc > 2 && strcmp(argv[1], "peercred") == 0)
                return forge_peercred(&play, argv + 2);
        if (argc > 3 && strcmp(argv[1], "journal") == 0)
                return forge_journal(&play, argv[2], argv + 3);
        (void) fprintf(stderr, "usage: forge peercred CMD… | journal TEXT CMD…\n");
        return 2;
}

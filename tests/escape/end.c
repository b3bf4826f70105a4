/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The end: what is kept over the last logout must be dead then, whoever has it. `outside` gets hold of something while
 * the session lives (that may be refused already), `after` uses it when the session is closed and all inside is gone.
 */

#include "escape.h"

#include <sched.h>
#include <sys/socket.h>

/* ---- token, program ---- */

static enum result give_token(struct play *play) {
        int token = make_token(play);

        return token < 0 ? refused(play, token, "token_create") : give(play, token) < 0 ? BROKEN : UNDECIDED;
}
static enum result keep_token(struct play *play) {
        return keep(play, "a token");
}
static enum result token_after(struct play *play) {
        int map =
                make_map_by(kept, &(struct map_wish){.type = MAP_ARRAY, .key_size = 4, .value_size = 8, .entries = 1});

        return map < 0 ? refused(play, map, "map_create") : say(play, ESCAPED, "the token still makes maps");
}

static enum result give_filter(struct play *play) {
        int prog = load_return(play, PROG_SOCKET_FILTER, 0, 0);

        return prog < 0 ? refused(play, prog, "load") : give(play, prog) < 0 ? BROKEN : UNDECIDED;
}
static enum result keep_filter(struct play *play) {
        return keep(play, "a program");
}
static enum result filter_after(struct play *play) {
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (setsockopt(fd, SOL_SOCKET, 50 /* SO_ATTACH_BPF */, &kept, sizeof(kept)) < 0)
                return refused(play, -errno, "SO_ATTACH_BPF");
        return say(play, ESCAPED, "the program was attached to a socket");
}

/* ---- the namespace and the mount: whoever keeps both makes a token of the dead delegation ---- */

static enum result keep_namespace(struct play *play) {
        kept = open_of_inside(play, "ns/user", O_RDONLY);
        return kept < 0 ? refused(play, kept, "opening the user namespace") :
                          say(play, ESCAPED, "has the namespace and the bpffs");
}
static enum result rejoin_after(struct play *play) {
        int map;

        if (setns(kept, CLONE_NEWUSER) < 0)
                return refused(play, -errno, "joining");
        map = make_map(play, &(struct map_wish){.type = MAP_ARRAY, .key_size = 4, .value_size = 8, .entries = 1});
        return map < 0 ? refused(play, map, "token_create or map_create") :
                         say(play, ESCAPED, "a new token of the old bpffs makes maps");
}

/* ---- a program that is under way in a socket, and a process that joins the dead delegation to receive it ---- */

static enum result give_under_way(struct play *play) {
        int prog = load_return(play, PROG_SOCKET_FILTER, 0, 0), pair[2], r;
        struct play its = *play;

        if (prog < 0)
                return refused(play, prog, "load");
        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return say(play, BROKEN, "socketpair: %s", strerror(errno));
        its.peer = pair[0];
        r = give(&its, prog);
        return r < 0 || give(play, pair[1]) < 0 ? BROKEN : UNDECIDED;
}
static enum result keep_under_way(struct play *play) {
        int r = take(play, &kept_too);

        return r < 0 ? untaken(play, r, "taking the socket") : keep_namespace(play);
}
static enum result receive_after(struct play *play) {
        struct play its = *play;
        int r;

        if (setns(kept, CLONE_NEWUSER) < 0)
                return refused(play, -errno, "joining");
        its.peer = kept_too;
        r = take(&its, &kept);
        return r < 0 ? untaken(play, r, "receiving the program") : filter_after(play);
}

/* ---- programs that go on for a socket that was made inside and handed out: they drop what it sends ---- */

static enum result give_dropped_socket(struct play *play) {
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || send_one(fd) != -EPERM)
                return say(play, BROKEN, "the program does not drop packets");
        return give(play, fd) < 0 ? BROKEN : UNDECIDED;
}

static int own_cgroup(void) {
        return open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static enum result attach_and_give(struct play *play) {
        int prog = dropping_prog(play), r = prog < 0 ? prog : attach(prog, own_cgroup(), AT_EGRESS, 2);

        return r < 0 ? refused(play, r, "prog_attach") : give_dropped_socket(play);
}
static enum result pin_and_give(struct play *play) {
        int prog = dropping_prog(play), link = prog < 0 ? prog : make_link_at(prog, own_cgroup(), AT_EGRESS), r;

        if (link < 0)
                return refused(play, link, "link_create");
        r = pin(link, "/sys/fs/bpf/kept");
        return r < 0 ? refused(play, r, "pin") : give_dropped_socket(play);
}

/* The descriptor of a link does no harm when the link is detached: its cgroup says 0 then. */
static enum result pinned_after(struct play *play) {
        enum result result = socket_after(play);
        char path[64];
        int link;

        (void) snprintf(path, sizeof(path), "/proc/self/fd/%d/kept", play->bpffs);
        link = get_pin(path);
        if (link >= 0 && link_cgroup(link) != 0)
                return say(play, ESCAPED, "the link, opened through the kept mount, is still attached");
        return result;
}

/* ---- sk_skb on a sockmap: verdict "drop" for what comes to a socket ---- */

static enum result give_sockmap(struct play *play) {
        int from, to, map, prog, r;

        map = make_map(play, &(struct map_wish){.type = MAP_SOCKMAP, .key_size = 4, .value_size = 4, .entries = 1});
        prog = map < 0 ? map : load_return(play, PROG_SK_SKB, AT_SK_SKB_VERDICT, 0);
        if (prog < 0)
                return refused(play, prog, "map_create or load");
        r = attach(prog, map, AT_SK_SKB_VERDICT, 0);
        if (r < 0)
                return refused(play, r, "prog_attach");
        r = tcp_pair(&from, &to);
        if (r == 0)
                r = map_put(map, 0, &to);
        if (r < 0)
                return say(play, BROKEN, "a socket in the map: %s", strerror(-r));
        r = give(play, from);
        if (r == 0)
                r = give(play, to);
        if (r == 0)
                r = give(play, map);
        return r < 0 ? BROKEN : UNDECIDED;
}
static enum result sockmap_after(struct play *play) {
        struct timeval patience = {.tv_sec = 10};
        char byte;

        (void) setsockopt(kept_too, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        if (send(kept, "x", 1, MSG_NOSIGNAL) != 1)
                return say(play, BROKEN, "send: %s", strerror(errno));
        if (recv(kept_too, &byte, 1, 0) == 1)
                return say(play, REFUSED, "the program no longer runs");
        return say(play, ESCAPED, "the program still drops what comes to the socket");
}

const struct vector end_vectors[] = {
        {.name = "end-token", .group = "end", .inside = give_token, .outside = keep_token, .after = token_after},
        {.name = "end-prog", .group = "end", .inside = give_filter, .outside = keep_filter, .after = filter_after},
        {.name = "end-mount-and-namespace", .group = "end", .outside = keep_namespace, .after = rejoin_after},
        {.name = "end-prog-under-way",
         .group = "end",
         .inside = give_under_way,
         .outside = keep_under_way,
         .after = receive_after},
        {.name = "end-legacy-socket",
         .group = "end",
         .inside = attach_and_give,
         .outside = keep_socket,
         .after = socket_after},
        {.name = "end-pinned-link",
         .group = "end",
         .inside = pin_and_give,
         .outside = keep_socket,
         .after = pinned_after},
        {.name = "end-sockmap",
         .group = "end",
         .inside = give_sockmap,
         .outside = keep_sockmap,
         .after = sockmap_after},
        {.name = NULL},
};

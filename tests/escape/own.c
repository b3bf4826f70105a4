/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The other half: what a delegation is for, and what the guard must leave alone. ESCAPED means here that it works. */

#include "escape.h"

#include <sys/socket.h>
#include <sys/stat.h>

static enum result link_dir(struct play *play, const char *path) {
        int cgroup = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), prog, link;

        if (cgroup < 0)
                return say(play, BROKEN, "%s: %s", path, strerror(errno));
        prog = load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1);
        if (prog < 0)
                return refused(play, prog, "load");
        link = make_link_at(prog, cgroup, AT_EGRESS);
        if (link < 0)
                return refused(play, link, "link_create");
        prog = load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1);
        if (prog < 0 || update_link(link, prog) < 0)
                return refused(play, prog < 0 ? prog : -EPERM, "link_update");
        return say(play, ESCAPED, "link %u on %s", object_id(link), path);
}

static enum result own_root(struct play *play) {
        return link_dir(play, "/sys/fs/cgroup");
}
static enum result own_nested(struct play *play) {
        (void) mkdir("/sys/fs/cgroup/escape", 0755);
        (void) mkdir("/sys/fs/cgroup/escape/deeper", 0755);
        return link_dir(play, "/sys/fs/cgroup/escape/deeper");
}
static enum result own_legacy(struct play *play) {
        int cgroup = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC), prog, r;

        prog = load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1);
        r = prog < 0 ? prog : attach(prog, cgroup, AT_EGRESS, 2);
        if (r == 0)
                r = detach(prog, cgroup, AT_EGRESS);
        return r < 0 ? refused(play, r, "prog_attach and prog_detach") : say(play, ESCAPED, "attached and detached");
}
static enum result own_filter(struct play *play) {
        int prog = load_return(play, PROG_SOCKET_FILTER, 0, 0), fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (prog < 0)
                return refused(play, prog, "load");
        if (setsockopt(fd, SOL_SOCKET, 50 /* SO_ATTACH_BPF */, &prog, sizeof(prog)) < 0)
                return refused(play, -errno, "SO_ATTACH_BPF");
        return say(play, ESCAPED, "a filter on an own socket");
}
static enum result own_xdp(struct play *play) {
        struct link_wish wish = {.attach_type = AT_XDP, .target = 1 /* lo */, .flags = 2};
        int prog = load_return(play, PROG_XDP, AT_XDP, 2), link;

        if (prog < 0)
                return refused(play, prog, "load");
        wish.prog = (uint32_t) prog;
        link = make_link(&wish);
        return link < 0 ? refused(play, link, "link_create") : say(play, ESCAPED, "link %u on the own lo", object_id(link));
}
static enum result own_sk_lookup(struct play *play) {
        int prog = load_return(play, PROG_SK_LOOKUP, AT_SK_LOOKUP, 1), link;

        if (prog < 0)
                return refused(play, prog, "load");
        link = make_link_at(prog, open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), AT_SK_LOOKUP);
        return link < 0 ? refused(play, link, "link_create") : say(play, ESCAPED, "link %u in the own network", object_id(link));
}

const struct vector own_vectors[] = {
        {.name = "own-root", .group = "own", .inside = own_root},
        {.name = "own-nested", .group = "own", .inside = own_nested},
        {.name = "own-legacy", .group = "own", .inside = own_legacy},
        {.name = "own-filter", .group = "own", .inside = own_filter},
        {.name = "own-xdp", .group = "own-private", .inside = own_xdp},
        {.name = "own-sk-lookup", .group = "own-private", .inside = own_sk_lookup},
        {.name = NULL},
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The other half: what a delegation is for, and what the guard must leave alone. ESCAPED means here that it works. */

#include "escape.h"

#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

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
/* As bpftool does it: without BPF_F_ALLOW_MULTI, so one more takes the place of the first. */
static enum result own_plain(struct play *play) {
        int cgroup = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC), prog[2], r = 0;

        for (int i = 0; r == 0 && i < 2; i++) {
                prog[i] = load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1);
                r = prog[i] < 0 ? prog[i] : attach(prog[i], cgroup, AT_EGRESS, 0);
        }
        if (r == 0)
                r = detach(prog[1], cgroup, AT_EGRESS);
        return r < 0 ? refused(play, r, "prog_attach and prog_detach") :
                       say(play, ESCAPED, "attached, replaced and detached");
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
        return link < 0 ? refused(play, link, "link_create") :
                          say(play, ESCAPED, "link %u on the own lo", object_id(link));
}
static enum result own_sk_lookup(struct play *play) {
        int prog = load_return(play, PROG_SK_LOOKUP, AT_SK_LOOKUP, 1), link;

        if (prog < 0)
                return refused(play, prog, "load");
        link = make_link_at(prog, open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), AT_SK_LOOKUP);
        return link < 0 ? refused(play, link, "link_create") :
                          say(play, ESCAPED, "link %u in the own network", object_id(link));
}

/* Outside, with threads: what is mounted in the namespace that one owns is no secret, and looking is not joining. */
static void *sleep_on(void *unused) {
        (void) unused;
        for (;;)
                (void) pause();
        return NULL;
}
static enum result own_mounts(struct play *play) {
        struct {
                uint32_t size, spare;
                uint64_t mount, last, namespace;
        } request = {.size = sizeof(request), .mount = ~0ULL /* LSMT_ROOT */};
        int fd = open_of_inside(play, "ns/mnt", O_RDONLY);
        uint64_t mounts[64];
        pthread_t thread;
        long n;

        if (fd < 0 || ioctl(fd, _IOR(0xb7, 5, uint64_t) /* NS_GET_MNTNS_ID */, &request.namespace) < 0 ||
            pthread_create(&thread, NULL, sleep_on, NULL) != 0)
                return say(play, BROKEN, "the mount namespace, or a thread: %s", strerror(errno));
        n = syscall(458 /* listmount */, &request, mounts, ELEMENTSOF(mounts), 0);
        return n < 0 ? refused(play, -errno, "listmount") : say(play, ESCAPED, "%ld mounts", n);
}

/* Inside, for as long as this is let live: as many tokens as there may be, n at most. */
int hold_tokens(unsigned n) {
        struct play play = {.bpffs = open("/sys/fs/bpf", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
        struct rlimit limit;
        unsigned made;
        int r = 0;

        if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = limit.rlim_max;
                (void) setrlimit(RLIMIT_NOFILE, &limit);
        }
        for (made = 0; made < n; made++) {
                play.token = -1;
                r = make_token(&play);
                if (r < 0)
                        break;
        }
        printf("holds %u tokens: %s\n", made, r < 0 ? strerror(-r) : "as many as were asked for");
        (void) fflush(stdout);
        for (;;)
                (void) pause();
}

const struct vector own_vectors[] = {
        {.name = "own-root", .group = "own", .inside = own_root},
        {.name = "own-nested", .group = "own", .inside = own_nested},
        {.name = "own-legacy", .group = "own", .inside = own_legacy},
        {.name = "own-plain", .group = "own", .inside = own_plain},
        {.name = "own-mounts", .group = "own", .outside = own_mounts},
        {.name = "own-filter", .group = "own", .inside = own_filter},
        {.name = "own-xdp", .group = "own-private", .inside = own_xdp},
        {.name = "own-sk-lookup", .group = "own-private", .inside = own_sk_lookup},
        {.name = NULL},
};

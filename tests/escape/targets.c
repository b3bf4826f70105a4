/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Where a program may be put: the token says which types, and the kernel asks for nothing else. Every one of these puts
 * something where others live: a cgroup above or beside the own one, the host's network namespace.
 */

#include "escape.h"

#include <arpa/inet.h>
#include <linux/magic.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "sysapi.h"

/* ---- cgroups ---- */

static enum result link_to(struct play *play, int target) {
        int prog, link;

        prog = load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1);
        if (prog < 0)
                return refused(play, prog, "load");
        link = make_link_at(prog, target, AT_EGRESS);
        if (link < 0)
                return refused(play, link, "link_create");
        if (link_cgroup(link) != inode_of(target))
                return say(play, BROKEN, "the link is on another cgroup than was named");
        return say(play, ESCAPED, "link %u on cgroup %llu", object_id(link), (unsigned long long) link_cgroup(link));
}

/* Inside: links to whatever cgroup the other gives. */
enum result link_given(struct play *play) {
        int fd, r;

        r = take(play, &fd);
        return r < 0 ? untaken(play, r, "taking the cgroup") : link_to(play, fd);
}

static enum result give_cgroup(struct play *play, const char *what, int flags) {
        int fd = open_cgroup(play, what, flags);

        if (fd < 0)
                return say(play, BROKEN, "opening the %s cgroup: %s", what, strerror(-fd));
        return give(play, fd) < 0 ? BROKEN : UNDECIDED;
}

enum result give_root(struct play *play) {
        return give_cgroup(play, "root", O_RDONLY);
}
static enum result give_root_path(struct play *play) {
        return give_cgroup(play, "root", O_PATH);
}
static enum result give_parent(struct play *play) {
        return give_cgroup(play, "parent", O_RDONLY);
}
static enum result give_sibling(struct play *play) {
        return give_cgroup(play, "sibling", O_RDONLY);
}

static int open_root_to_inherit(struct play *play) {
        int fd = open(play->cgroup2, O_RDONLY | O_DIRECTORY); /* stays open over exec */

        return fd < 0 ? -errno : fd;
}
static enum result link_inherited(struct play *play) {
        return link_to(play, play->at_start);
}

/* By a path that the test made: another mount of the host's cgroup2, which shows inside as well. */
static enum result link_path(struct play *play, const char *variable) {
        const char *path = getenv(variable);
        int fd = path ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

        if (fd < 0)
                return say(play, BROKEN, "$%s: %s", variable, path ? strerror(errno) : "not set");
        return link_to(play, fd);
}
static enum result link_mount(struct play *play) {
        return link_path(play, "ESCAPE_MOUNT");
}
static enum result link_other_user(struct play *play) {
        return link_path(play, "ESCAPE_OTHER");
}

/* Joined to the namespace with the root cgroup open, it lets a process inside fetch it: that one may not look at
 * processes outside. */
static enum result lend_root(struct play *play) {
        int fd = open_cgroup(play, "root", O_RDONLY), r;

        r = fd < 0 ? fd : join(play);
        if (r == 0)
                r = sys_capset(0, 0, 0);
        if (r == 0 && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
                r = -errno;
        if (r < 0)
                return say(play, BROKEN, "lending the root cgroup: %s", strerror(-r));
        (void) prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0);
        return give(play, -1) < 0 ? BROKEN : UNDECIDED;
}
static enum result link_fetched(struct play *play) {
        int go, r, fd = -1;

        r = take(play, &go);
        if (r < 0)
                return untaken(play, r, "waiting");
        /* The root cgroup is one of the few descriptors there. */
        for (int n = 3; n < 64 && fd < 0; n++) {
                fd = pidfd_getfd_of(play->outside, n);
                if (fd >= 0 && (sys_fs_magic(fd) != CGROUP2_SUPER_MAGIC || inode_of(fd) != 1))
                        fd = close_fd(fd);
        }
        if (fd < 0)
                return say(play, REFUSED, "pidfd_getfd: nothing could be fetched");
        return link_to(play, fd);
}

/* What is mounted over the host's cgroup2 is no wall for one who has CAP_SYS_ADMIN in the namespace. */
static enum result uncover(struct play *play) {
        int ns = open_of_inside(play, "ns/mnt", O_RDONLY), fd, r;
        char path[600];

        r = ns < 0 ? ns : join(play);
        if (r == 0 && setns(ns, CLONE_NEWNS) < 0)
                r = -errno;
        if (r == 0 && umount2("/sys/fs/cgroup", MNT_DETACH) < 0)
                r = -errno;
        if (r < 0)
                return refused(play, r, "umount of the cover");
        (void) snprintf(path, sizeof(path), "%s", play->cgroup2);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return refused(play, -errno, "opening what was below the cover");
        return link_to(play, fd);
}

/* A link that an admin has on the root cgroup, and left where the user can open it. */
static enum result update_found(struct play *play) {
        const char *path = getenv("ESCAPE_LINK");
        int prog, link, r;

        link = path ? get_pin(path) : -ENOENT;
        if (link < 0)
                return say(play, BROKEN, "$ESCAPE_LINK: %s", strerror(-link));
        prog = load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1);
        if (prog < 0)
                return refused(play, prog, "load");
        r = update_link(link, prog);
        if (r < 0)
                return refused(play, r, "link_update");
        return say(play, ESCAPED, "link %u on cgroup %llu has our program %u", object_id(link),
                   (unsigned long long) link_cgroup(link), object_id(prog));
}

static enum result attach_given(struct play *play) {
        int fd, prog, r;

        r = take(play, &fd);
        if (r < 0)
                return untaken(play, r, "taking the cgroup");
        prog = load_return(play, PROG_CGROUP_SKB, AT_EGRESS, 1);
        if (prog < 0)
                return refused(play, prog, "load");
        r = attach(prog, fd, AT_EGRESS, 2 /* BPF_F_ALLOW_MULTI */);
        if (r < 0)
                return refused(play, r, "prog_attach");
        return say(play, ESCAPED, "program %u attached to cgroup %llu", object_id(prog),
                   (unsigned long long) inode_of(fd));
}

/* ---- the host's network namespace ---- */

static enum result link_index(struct play *play, uint32_t type, uint32_t attach_type, const char *device, int value) {
        struct link_wish wish = {.attach_type = attach_type, .target = if_nametoindex(device)};
        int prog, link;

        if (wish.target == 0)
                return say(play, ABSENT, "no %s here", device);
        prog = load_return(play, type, attach_type, value);
        if (prog < 0)
                return refused(play, prog, "load");
        wish.prog = (uint32_t) prog;
        if (type == PROG_XDP)
                wish.flags = 2; /* XDP_FLAGS_SKB_MODE */
        link = make_link(&wish);
        if (link < 0)
                return refused(play, link, "link_create");
        return say(play, ESCAPED, "link %u on the host's %s", object_id(link), device);
}

static enum result xdp_index(struct play *play) {
        return link_index(play, PROG_XDP, AT_XDP, "lo", 2);
}
static enum result tcx_index(struct play *play) {
        return link_index(play, PROG_SCHED_CLS, AT_TCX_INGRESS, "lo", -1);
}
static enum result netkit_index(struct play *play) {
        return link_index(play, PROG_SCHED_CLS, AT_NETKIT_PRIMARY, "escnk0", 0);
}

static enum result netfilter_link(struct play *play) {
        struct link_wish wish = {.attach_type = AT_NETFILTER,
                                 .extra = {2 /* ipv4 */, 1 /* local in */, (uint32_t) -77, 0}};
        int prog, link;

        prog = load_return(play, PROG_NETFILTER, AT_NETFILTER, 1);
        if (prog < 0)
                return refused(play, prog, "load");
        wish.prog = (uint32_t) prog;
        link = make_link(&wish);
        if (link < 0)
                return refused(play, link, "link_create");
        return say(play, ESCAPED, "link %u in the host's netfilter", object_id(link));
}

static enum result link_netns(struct play *play, uint32_t type, uint32_t attach_type, int value, int ns) {
        int prog, link;

        prog = load_return(play, type, attach_type, value);
        if (prog < 0)
                return refused(play, prog, "load");
        link = make_link_at(prog, ns, attach_type);
        if (link < 0)
                return refused(play, link, "link_create");
        return say(play, ESCAPED, "link %u in network namespace %llu", object_id(link),
                   (unsigned long long) inode_of(ns));
}

static int own_netns(void) {
        return open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}
static enum result give_netns(struct play *play) {
        return give(play, own_netns()) < 0 ? BROKEN : UNDECIDED;
}
static enum result sk_lookup(struct play *play) {
        return link_netns(play, PROG_SK_LOOKUP, AT_SK_LOOKUP, 1, own_netns());
}
static enum result sk_lookup_given(struct play *play) {
        int fd, r;

        r = take(play, &fd);
        return r < 0 ? untaken(play, r, "taking the namespace") : link_netns(play, PROG_SK_LOOKUP, AT_SK_LOOKUP, 1, fd);
}
static enum result flow_dissector(struct play *play) {
        return link_netns(play, PROG_FLOW_DISSECTOR, AT_FLOW_DISSECTOR, 0, own_netns());
}
static enum result flow_dissector_given(struct play *play) {
        int fd, r;

        r = take(play, &fd);
        return r < 0 ? untaken(play, r, "taking the namespace") :
                       link_netns(play, PROG_FLOW_DISSECTOR, AT_FLOW_DISSECTOR, 0, fd);
}
static enum result flow_dissector_attach(struct play *play) {
        int prog, r;

        prog = load_return(play, PROG_FLOW_DISSECTOR, AT_FLOW_DISSECTOR, 0);
        if (prog < 0)
                return refused(play, prog, "load");
        r = attach(prog, 0, AT_FLOW_DISSECTOR, 0);
        if (r < 0)
                return refused(play, r, "prog_attach");
        return say(play, ESCAPED, "program %u dissects the host's flows", object_id(prog));
}

/* ---- TEST_RUN: packets of one's making, without any attach ---- */

/* From a machine that does not exist, to an address that the test gave the host: neither is loopback, which the kernel
 * believes only of packets that it made itself. */
#define FORGED_FROM 0x0ae94d09 /* 10.233.77.9 */
#define FORGED_TO 0x0ae94d01   /* 10.233.77.1, of escv0 */
#define FORGED_FROM_PORT 53
#define FORGED_TO_PORT 4777

struct __attribute__((packed)) frame {
        uint8_t mac[12];
        uint16_t ethertype;
        uint8_t version, tos;
        uint16_t length, id, fragment;
        uint8_t ttl, protocol;
        uint16_t sum;
        uint32_t from, to;
        uint16_t from_port, to_port, udp_length, udp_sum;
        char text[32];
};

static void forge(struct frame *ret) {
        uint32_t sum = 0;
        uint16_t words[10];

        *ret = (struct frame){.ethertype = htons(0x0800),
                              .version = 0x45,
                              .ttl = 64,
                              .protocol = IPPROTO_UDP,
                              .from = htonl(FORGED_FROM),
                              .to = htonl(FORGED_TO),
                              .from_port = htons(FORGED_FROM_PORT),
                              .to_port = htons(FORGED_TO_PORT),
                              .text = "forged"};
        ret->length = htons(sizeof(*ret) - 14);
        ret->udp_length = htons(8 + sizeof(ret->text));
        memcpy(words, &ret->version, sizeof(words));
        for (size_t i = 0; i < 10; i++)
                sum += words[i];
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        ret->sum = (uint16_t) ~sum;
}

static int listen_udp(void) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(FORGED_TO),
                                      .sin_port = htons(FORGED_TO_PORT)};
        struct timeval patience = {.tv_sec = 20};
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

        if (fd < 0 || bind(fd, (struct sockaddr *) &address, sizeof(address)) < 0 ||
            setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
                return -errno;
        return fd;
}

static enum result arrived(struct play *play, int fd) {
        struct sockaddr_in from = {.sin_family = AF_INET};
        socklen_t size = sizeof(from);
        char text[64] = "";

        if (recvfrom(fd, text, sizeof(text) - 1, 0, (struct sockaddr *) &from, &size) < 0)
                return say(play, BROKEN, "test_run went through, but no packet came");
        return say(play, ESCAPED, "the host received '%s' from 10.233.77.9 port %d, which does not exist", text,
                   ntohs(from.sin_port));
}

static enum result forged(struct play *play, struct run_wish *wish) {
        struct frame frame;
        int fd = listen_udp(), r;

        if (fd < 0)
                return say(play, BROKEN, "listening: %s", strerror(-fd));
        forge(&frame);
        wish->data = &frame;
        wish->size = sizeof(frame);
        r = test_run(wish);
        return r < 0 ? refused(play, r, "test_run") : arrived(play, fd);
}

static enum result run_live(struct play *play) {
        struct {
                uint32_t data, end, meta, in, queue, out;
        } ctx = {.end = sizeof(struct frame), .in = 1};
        struct run_wish wish = {.repeat = 1,
                                .flags = 2 /* BPF_F_TEST_XDP_LIVE_FRAMES */,
                                .ctx = &ctx,
                                .ctx_size = sizeof(ctx)};

        wish.prog = load_return(play, PROG_XDP, AT_XDP, 2 /* XDP_PASS */);
        return wish.prog < 0 ? refused(play, wish.prog, "load") : forged(play, &wish);
}

static enum result run_clone(struct play *play) {
        struct bpf_insn insns[] = {MOV(2, 1 /* lo */), MOV(3, 1 /* ingress */), CALL(DO_CLONE_REDIRECT), MOV(0, 0),
                                   EXIT};
        struct run_wish wish = {.repeat = 1};

        wish.prog = LOAD(play, PROG_SCHED_CLS, 0, insns);
        return wish.prog < 0 ? refused(play, wish.prog, "load") : forged(play, &wish);
}

/* ---- ports below 1024 ---- */

static enum result bind_low(struct play *play, int family, uint32_t attach_type) {
        struct sockaddr_in six4 = {.sin_family = AF_INET, .sin_port = htons(777)};
        struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_port = htons(777)};
        const void *address = family == AF_INET ? (const void *) &six4 : &six;
        socklen_t size = family == AF_INET ? sizeof(six4) : sizeof(six);
        int prog, cgroup, link, fd;

        fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd < 0)
                return say(play, ABSENT, "no sockets of that family: %s", strerror(errno));
        if (bind(fd, address, size) == 0 || errno != EACCES)
                return say(play, BROKEN, "port 777 is no test: %s", strerror(errno));
        prog = load_return(play, PROG_CGROUP_SOCK_ADDR, attach_type, 3);
        if (prog < 0)
                return refused(play, prog, "load");
        cgroup = open("/sys/fs/cgroup", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        link = make_link_at(prog, cgroup, attach_type);
        if (link < 0)
                return refused(play, link, "link_create");
        if (bind(fd, address, size) < 0)
                return refused(play, -errno, "bind to port 777");
        return say(play, ESCAPED, "bound to port 777 of the host");
}
static enum result bind4(struct play *play) {
        return bind_low(play, AF_INET, AT_INET4_BIND);
}
static enum result bind6(struct play *play) {
        return bind_low(play, AF_INET6, AT_INET6_BIND);
}

/* ---- maps that act ---- */

/* A sched_ext_ops with nothing but a name: the default of every callback. */
static enum result scheduler(struct play *play) {
        int id = kernel_btf("bpf_struct_ops_sched_ext_ops", BTF_KIND_STRUCT), map, r;
        struct map_wish wish = {.type = MAP_STRUCT_OPS, .key_size = 4, .entries = 1};
        uint32_t offset, name, size;
        char value[8192] = "";

        if (id < 0)
                return say(play, ABSENT, "this kernel has no sched_ext");
        r = struct_ops_layout("sched_ext_ops", "name", &offset, &name, &size);
        if (r < 0 || size > sizeof(value))
                return say(play, BROKEN, "the layout of sched_ext_ops: %s", strerror(-r));
        wish.struct_ops = (uint32_t) id;
        wish.value_size = size;
        map = make_map(play, &wish);
        if (map < 0)
                return refused(play, map, "map_create");
        memcpy(value + offset + name, "escape", 7);
        r = map_put(map, 0, value);
        if (r < 0)
                return refused(play, r, "map_update_elem");
        return say(play, ESCAPED, "the host's scheduler is ours");
}

/* Filled outside, a devmap of the private network namespace names interfaces of the host. */
static enum result fill_devmap(struct play *play) {
        uint32_t index = if_nametoindex("escv0");
        int map, r, fd = listen_udp(), done;

        r = take(play, &map);
        if (r < 0)
                return untaken(play, r, "taking the map");
        if (index == 0 || fd < 0)
                return say(play, BROKEN, "no escv0 with an address here");
        r = map_put(map, 0, &index);
        if (r < 0)
                return refused(play, r, "map_update_elem");
        r = give(play, -1);
        if (r == 0)
                r = take(play, &done);
        return r < 0 ? untaken(play, r, "waiting") : arrived(play, fd);
}
static enum result use_devmap(struct play *play) {
        struct {
                uint32_t data, end, meta, in, queue, out;
        } ctx = {.end = sizeof(struct frame), .in = 1};
        struct run_wish wish = {.repeat = 1, .flags = 2, .ctx = &ctx, .ctx_size = sizeof(ctx)};
        int map, go, r;
        struct frame frame;

        map = make_map(play, &(struct map_wish){.type = MAP_DEVMAP, .key_size = 4, .value_size = 4, .entries = 1});
        if (map < 0)
                return refused(play, map, "map_create");
        r = give(play, map);
        if (r == 0)
                r = take(play, &go);
        if (r < 0)
                return untaken(play, r, "waiting for the map to be filled");
        {
                struct bpf_insn insns[] = {MAP(1, map), MOV(2, 0), MOV(3, 0), CALL(DO_REDIRECT_MAP), EXIT};

                wish.prog = LOAD(play, PROG_XDP, AT_XDP, insns);
        }
        if (wish.prog < 0)
                return refused(play, wish.prog, "load");
        forge(&frame);
        memcpy(frame.mac, "\2\0\0\0\0\x77", 6); /* escv1, the other end */
        wish.data = &frame;
        wish.size = sizeof(frame);
        r = test_run(&wish);
        if (r < 0)
                return refused(play, r, "test_run");
        return give(play, -1) < 0 ? BROKEN : UNDECIDED;
}

const struct vector target_vectors[] = {
        {.name = "cgroup-root", .group = "targets", .inside = link_given, .outside = give_root},
        {.name = "cgroup-root-path", .group = "targets", .inside = link_given, .outside = give_root_path},
        {.name = "cgroup-parent", .group = "targets", .inside = link_given, .outside = give_parent},
        {.name = "cgroup-sibling", .group = "targets", .inside = link_given, .outside = give_sibling},
        {.name = "cgroup-inherited", .group = "targets", .inside = link_inherited, .at_start = open_root_to_inherit},
        {.name = "cgroup-pidfd-getfd", .group = "targets", .inside = link_fetched, .outside = lend_root},
        {.name = "cgroup-other-mount", .group = "targets", .inside = link_mount},
        {.name = "cgroup-other-user", .group = "targets", .inside = link_other_user},
        {.name = "cgroup-uncovered", .group = "targets", .outside = uncover},
        {.name = "cgroup-link-update", .group = "targets", .inside = update_found},
        {.name = "cgroup-legacy", .group = "targets", .inside = attach_given, .outside = give_root},
        {.name = "xdp", .group = "targets", .inside = xdp_index},
        {.name = "tcx", .group = "targets", .inside = tcx_index},
        {.name = "netkit", .group = "targets", .inside = netkit_index},
        {.name = "netfilter", .group = "targets", .inside = netfilter_link},
        {.name = "sk-lookup", .group = "targets", .inside = sk_lookup},
        {.name = "flow-dissector", .group = "targets", .inside = flow_dissector},
        {.name = "flow-dissector-legacy", .group = "targets", .inside = flow_dissector_attach},
        {.name = "test-run-live", .group = "targets", .inside = run_live},
        {.name = "test-run-clone", .group = "targets", .inside = run_clone},
        {.name = "bind4", .group = "targets", .inside = bind4},
        {.name = "bind6", .group = "targets", .inside = bind6},
        {.name = "sched-ext", .group = "targets-wide", .inside = scheduler},
        {.name = "sk-lookup-given", .group = "targets-private", .inside = sk_lookup_given, .outside = give_netns},
        {.name = "flow-dissector-given",
         .group = "targets-private",
         .inside = flow_dissector_given,
         .outside = give_netns},
        {.name = "devmap-filled-outside",
         .group = "targets-private-wide",
         .inside = use_devmap,
         .outside = fill_devmap},
        {.name = NULL},
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Attaching without bpf(2): XDP by netlink, where no hook of the guard looks. It is the kernel that asks for CAP_NET_ADMIN
 * over the network namespace there: nobody inside has it over the host's, everybody over a private one.
 */

#include "escape.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define XDP_DROP 1
#define XDP_PASS 2
#define SKB_MODE (1U << 1)

struct set_xdp {
        struct nlmsghdr head;
        struct ifinfomsg link;
        struct nlattr xdp;
        struct nlattr fd;
        int32_t fd_value;
        struct nlattr flags;
        uint32_t flags_value;
};

static int set_xdp(int prog, const char *device) {
        struct set_xdp request = {
                .head = {.nlmsg_len = sizeof(request), .nlmsg_type = RTM_SETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
                .link = {.ifi_index = (int) if_nametoindex(device)},
                .xdp = {.nla_len = sizeof(request) - offsetof(struct set_xdp, xdp), .nla_type = NLA_F_NESTED | IFLA_XDP},
                .fd = {.nla_len = sizeof(request.fd) + sizeof(request.fd_value), .nla_type = IFLA_XDP_FD},
                .fd_value = prog,
                .flags = {.nla_len = sizeof(request.flags) + sizeof(request.flags_value), .nla_type = IFLA_XDP_FLAGS},
                .flags_value = SKB_MODE,
        };
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        struct {
                struct nlmsghdr head;
                struct nlmsgerr error;
                char rest[1024];
        } answer;

        if (fd < 0 || send(fd, &request, sizeof(request), 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0)
                return -errno;
        return answer.head.nlmsg_type == NLMSG_ERROR ? answer.error.error : -EBADMSG;
}

static int load_xdp(struct play *play, int verdict) {
        return load_return(play, PROG_XDP, AT_XDP, verdict);
}

static enum result xdp_netlink(struct play *play) {
        int prog = load_xdp(play, XDP_PASS), r;

        if (prog < 0)
                return refused(play, prog, "load");
        r = set_xdp(prog, "lo");
        return r < 0 ? refused(play, r, "netlink") : say(play, ESCAPED, "program %u on the host's lo", object_id(prog));
}

/* With every capability in the delegation's user namespace: still none over the host's network. */
static enum result xdp_netlink_joined(struct play *play) {
        int r = join(play);

        return r < 0 ? refused(play, r, "joining") : xdp_netlink(play);
}

static enum result own_xdp_netlink(struct play *play) {
        int prog = load_xdp(play, XDP_PASS), r = prog;

        if (r >= 0)
                r = set_xdp(prog, "lo");
        if (r >= 0)
                r = set_xdp(-1, "lo");
        return r < 0 ? refused(play, r, "load or netlink") : say(play, ESCAPED, "on the own lo, and off again");
}

const struct vector netlink_vectors[] = {
        {.name = "xdp-by-netlink", .group = "targets", .inside = xdp_netlink},
        {.name = "xdp-by-netlink-joined", .group = "targets", .outside = xdp_netlink_joined},
        {.name = "own-xdp-by-netlink", .group = "own-private", .inside = own_xdp_netlink},
        {.name = NULL},
};

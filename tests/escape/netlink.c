/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Attaching by netlink, where bpf(2) is not asked. It is the kernel that wants CAP_NET_ADMIN over the network
 * namespace there: nobody inside has it over the host's, everybody over a private one. What is attached so is no link
 * that the end could find.
 */

#include "escape.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/lwtunnel.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/tc_act/tc_bpf.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#define XDP_DROP 1
#define XDP_PASS 2
#define SKB_MODE (1U << 1)
#define LO 1 /* the number of every network namespace's */

/* ---- messages ---- */

struct request {
        struct nlmsghdr head;
        char rest[1500];
};

static void *add(struct request *request, const void *data, size_t size) {
        void *at = (char *) request + NLMSG_ALIGN(request->head.nlmsg_len);

        memcpy(at, data, size);
        request->head.nlmsg_len = (uint32_t) ((char *) at - (char *) request + size);
        return at;
}

static void begin(struct request *request, uint16_t type, const void *fixed, size_t size) {
        *request = (struct request){.head = {.nlmsg_len = sizeof(request->head),
                                             .nlmsg_type = type,
                                             .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE}};
        (void) add(request, fixed, size);
}

static struct nlattr *attribute(struct request *request, uint16_t type, const void *data, size_t size) {
        const struct nlattr own = {.nla_len = (uint16_t) (NLA_HDRLEN + size), .nla_type = type};
        struct nlattr *head = add(request, &own, sizeof(own));

        (void) add(request, data, size);
        return head;
}
static void number(struct request *request, uint16_t type, uint32_t value) {
        (void) attribute(request, type, &value, sizeof(value));
}
static void text(struct request *request, uint16_t type, const char *value) {
        (void) attribute(request, type, value, strlen(value) + 1);
}
static struct nlattr *nest(struct request *request, uint16_t type) {
        return attribute(request, type | NLA_F_NESTED, "", 0);
}
static void end(const struct request *request, struct nlattr *nest) {
        nest->nla_len = (uint16_t) ((const char *) request + request->head.nlmsg_len - (char *) nest);
}

/* Returns what the kernel says. */
static int ask_by(int fd, const struct request *request) {
        struct {
                struct nlmsghdr head;
                struct nlmsgerr error;
                char rest[2048];
        } answer;

        if (send(fd, request, request->head.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0)
                return -errno;
        return answer.head.nlmsg_type == NLMSG_ERROR ? answer.error.error : -EBADMSG;
}
static int ask(const struct request *request) {
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

        return fd < 0 ? -errno : ask_by(fd, request);
}

static int set_xdp(int prog, const char *device) {
        const struct ifinfomsg link = {.ifi_index = (int) if_nametoindex(device)};
        struct request request;
        struct nlattr *xdp;

        begin(&request, RTM_SETLINK, &link, sizeof(link));
        xdp = nest(&request, IFLA_XDP);
        number(&request, IFLA_XDP_FD, (uint32_t) prog);
        number(&request, IFLA_XDP_FLAGS, SKB_MODE);
        end(&request, xdp);
        return ask(&request);
}

/* Where filters are hung up: what comes in by lo. */
static int add_clsact(int fd) {
        const struct tcmsg qdisc = {.tcm_ifindex = LO,
                                    .tcm_parent = TC_H_CLSACT,
                                    .tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0)};
        struct request request;
        int r;

        begin(&request, RTM_NEWQDISC, &qdisc, sizeof(qdisc));
        text(&request, TCA_KIND, "clsact");
        r = ask_by(fd, &request);
        return r == -EEXIST ? 0 : r;
}

static void begin_filter(struct request *request, const char *kind) {
        const struct tcmsg filter = {.tcm_ifindex = LO,
                                     .tcm_parent = TC_H_MAKE(TC_H_CLSACT, TC_H_MIN_INGRESS),
                                     .tcm_info = TC_H_MAKE(1U << 16, htons(ETH_P_ALL))};

        begin(request, RTM_NEWTFILTER, &filter, sizeof(filter));
        if (kind)
                text(request, TCA_KIND, kind);
}

static int add_bpf_filter(int fd, const char *kind, int prog) {
        struct request request;
        struct nlattr *options;

        begin_filter(&request, kind);
        options = nest(&request, TCA_OPTIONS);
        number(&request, TCA_BPF_FD, (uint32_t) prog);
        text(&request, TCA_BPF_NAME, "kept");
        number(&request, TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT);
        end(&request, options);
        return ask_by(fd, &request);
}

/* One of before eBPF, which anybody may write: it takes nothing. */
static int add_classic_filter(int fd) {
        const struct sock_filter none = {.code = 0x06 /* BPF_RET | BPF_K */};
        struct request request;
        struct nlattr *options;
        uint16_t n = 1;

        begin_filter(&request, "bpf");
        options = nest(&request, TCA_OPTIONS);
        (void) attribute(&request, TCA_BPF_OPS_LEN, &n, sizeof(n));
        (void) attribute(&request, TCA_BPF_OPS, &none, sizeof(none));
        end(&request, options);
        return ask_by(fd, &request);
}

/* A filter that takes all, with an action. prog -1: without. */
static int add_matchall(int fd, int prog) {
        const struct tc_act_bpf act = {.action = TC_ACT_UNSPEC};
        struct nlattr *options, *acts, *first, *its;
        struct request request;

        begin_filter(&request, "matchall");
        options = nest(&request, TCA_OPTIONS);
        if (prog >= 0) {
                acts = nest(&request, TCA_MATCHALL_ACT);
                first = nest(&request, 1);
                text(&request, TCA_ACT_KIND, "bpf");
                its = nest(&request, TCA_ACT_OPTIONS);
                (void) attribute(&request, TCA_ACT_BPF_PARMS, &act, sizeof(act));
                number(&request, TCA_ACT_BPF_FD, (uint32_t) prog);
                text(&request, TCA_ACT_BPF_NAME, "kept");
                end(&request, its);
                end(&request, first);
                end(&request, acts);
        }
        end(&request, options);
        return ask_by(fd, &request);
}

/* A route over lo to `net', a /16; with a program for what goes out there, if that is not -1. */
static int add_route(const char *net, int prog) {
        const struct rtmsg route = {.rtm_family = AF_INET,
                                    .rtm_dst_len = 16,
                                    .rtm_table = RT_TABLE_MAIN,
                                    .rtm_protocol = RTPROT_STATIC,
                                    .rtm_scope = RT_SCOPE_LINK,
                                    .rtm_type = RTN_UNICAST};
        struct in_addr to = {.s_addr = inet_addr(net)};
        struct nlattr *encap, *out;
        uint16_t bpf = LWTUNNEL_ENCAP_BPF;
        struct request request;

        begin(&request, RTM_NEWROUTE, &route, sizeof(route));
        (void) attribute(&request, RTA_DST, &to, sizeof(to));
        number(&request, RTA_OIF, LO);
        if (prog >= 0) {
                (void) attribute(&request, RTA_ENCAP_TYPE, &bpf, sizeof(bpf));
                encap = nest(&request, RTA_ENCAP);
                out = nest(&request, LWT_BPF_OUT);
                number(&request, LWT_BPF_PROG_FD, (uint32_t) prog);
                text(&request, LWT_BPF_PROG_NAME, "kept");
                end(&request, out);
                end(&request, encap);
        }
        return ask(&request);
}

/* ---- nftables: a rule with a match of iptables', xt_bpf ---- */

/* As linux/netfilter/xt_bpf.h has it, with a pointer of the kernel's at the end. */
struct match_bpf {
        uint16_t mode, length;
        int32_t fd;
        char program[512];
        uint64_t filter __attribute__((aligned(8)));
};
/* 1 is the path of a pin; an empty one is the working directory, which is no program: EACCES. */
#define MATCH_BY_FD 2
#define NF_TYPE(operation) (NFNL_SUBSYS_NFTABLES << 8 | (operation))

static void begin_nf(struct request *request, uint16_t type) {
        const struct nfgenmsg fixed = {.nfgen_family = type < NLMSG_MIN_TYPE + 2 ? AF_UNSPEC : AF_INET,
                                       .res_id = type < NLMSG_MIN_TYPE + 2 ? htons(NFNL_SUBSYS_NFTABLES) : 0};

        begin(request, type, &fixed, sizeof(fixed));
        if (fixed.res_id != 0)
                request->head.nlmsg_flags = NLM_F_REQUEST;
}
static void number_nf(struct request *request, uint16_t type, uint32_t value) {
        number(request, type, htonl(value));
}

static void make_table(struct request *request) {
        begin_nf(request, NF_TYPE(NFT_MSG_NEWTABLE));
        text(request, NFTA_TABLE_NAME, "kept");
}
static void make_chain(struct request *request) {
        struct nlattr *hook;

        begin_nf(request, NF_TYPE(NFT_MSG_NEWCHAIN));
        text(request, NFTA_CHAIN_TABLE, "kept");
        text(request, NFTA_CHAIN_NAME, "out");
        hook = nest(request, NFTA_CHAIN_HOOK);
        number_nf(request, NFTA_HOOK_HOOKNUM, NF_INET_LOCAL_OUT);
        number_nf(request, NFTA_HOOK_PRIORITY, 0);
        end(request, hook);
        text(request, NFTA_CHAIN_TYPE, "filter");
}
/* What the program takes is dropped. */
static void make_rule(struct request *request, int prog) {
        const struct match_bpf info = {.mode = MATCH_BY_FD, .fd = prog};
        struct nlattr *all, *one, *data, *value, *verdict;

        begin_nf(request, NF_TYPE(NFT_MSG_NEWRULE));
        text(request, NFTA_RULE_TABLE, "kept");
        text(request, NFTA_RULE_CHAIN, "out");
        all = nest(request, NFTA_RULE_EXPRESSIONS);
        one = nest(request, NFTA_LIST_ELEM);
        text(request, NFTA_EXPR_NAME, "match");
        data = nest(request, NFTA_EXPR_DATA);
        text(request, NFTA_MATCH_NAME, "bpf");
        number_nf(request, NFTA_MATCH_REV, 1);
        (void) attribute(request, NFTA_MATCH_INFO, &info, sizeof(info));
        end(request, data);
        end(request, one);
        one = nest(request, NFTA_LIST_ELEM);
        text(request, NFTA_EXPR_NAME, "immediate");
        data = nest(request, NFTA_EXPR_DATA);
        number_nf(request, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
        value = nest(request, NFTA_IMMEDIATE_DATA);
        verdict = nest(request, NFTA_DATA_VERDICT);
        number_nf(request, NFTA_VERDICT_CODE, 0 /* NF_DROP */);
        end(request, verdict);
        end(request, value);
        end(request, data);
        end(request, one);
        end(request, all);
}

/* All in one transaction: returns the first error. */
static int add_rule(int prog) {
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
        struct timeval patience = {.tv_sec = 10};
        struct {
                struct nlmsghdr head;
                struct nlmsgerr error;
                char rest[4096];
        } answer;
        struct request one[5];
        char batch[sizeof(one)];
        size_t n = 0;

        begin_nf(&one[0], NFNL_MSG_BATCH_BEGIN);
        make_table(&one[1]);
        make_chain(&one[2]);
        make_rule(&one[3], prog);
        begin_nf(&one[4], NFNL_MSG_BATCH_END);
        for (size_t i = 0; i < ELEMENTSOF(one); i++) {
                memcpy(batch + n, &one[i], NLMSG_ALIGN(one[i].head.nlmsg_len));
                n += NLMSG_ALIGN(one[i].head.nlmsg_len);
        }
        (void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        if (fd < 0 || send(fd, batch, n, 0) < 0)
                return -errno;
        for (int i = 0; i < 3; i++) {
                if (recv(fd, &answer, sizeof(answer), 0) < 0)
                        return -errno;
                if (answer.head.nlmsg_type != NLMSG_ERROR || answer.error.error != 0)
                        return answer.head.nlmsg_type == NLMSG_ERROR ? answer.error.error : -EBADMSG;
        }
        return 0;
}

/* ---- where it is put ---- */

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

/* What has no program in it: a device, a route, a filter. */
static enum result own_netlink(struct play *play) {
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        const struct ifinfomsg none = {0};
        struct request request;
        struct nlattr *info;
        int r;

        begin(&request, RTM_NEWLINK, &none, sizeof(none));
        text(&request, IFLA_IFNAME, "bpf0");
        info = nest(&request, IFLA_LINKINFO);
        text(&request, IFLA_INFO_KIND, "veth");
        end(&request, info);
        r = ask_by(fd, &request);
        if (r == 0)
                r = add_route("10.78.0.0", -1);
        if (r == 0)
                r = add_clsact(fd);
        if (r == 0)
                r = add_matchall(fd, -1);
        return r < 0 ? refused(play, r, "a device, a route or a filter") :
                       say(play, ESCAPED, "device, route and filter are there");
}

/* ---- kept with the network namespace, which a socket outside keeps ---- */

#define TC_SHOT 2
#define LWT_DROP 2

/* A socket that sends to itself. */
static enum result give_looped(struct play *play, int r) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        socklen_t size = sizeof(address);

        if (r < 0)
                return refused(play, r, "attaching");
        if (bind(fd, (struct sockaddr *) &address, size) < 0 ||
            getsockname(fd, (struct sockaddr *) &address, &size) < 0 ||
            connect(fd, (struct sockaddr *) &address, size) < 0)
                return say(play, BROKEN, "a socket: %s", strerror(errno));
        return give(play, fd) < 0 ? BROKEN : UNDECIDED;
}
static enum result looped_after(struct play *play) {
        struct timeval patience = {.tv_sec = 5};
        char byte;

        (void) setsockopt(kept, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        if (send(kept, "x", 1, 0) != 1)
                return errno == EPERM ? say(play, ESCAPED, "the program still drops what the socket sends") :
                                        say(play, BROKEN, "send: %s", strerror(errno));
        return recv(kept, &byte, 1, 0) == 1 ? say(play, REFUSED, "the program no longer runs") :
                                              say(play, ESCAPED, "the program still drops what the socket sends");
}

static enum result net_xdp(struct play *play) {
        int prog = load_xdp(play, XDP_DROP);

        return prog < 0 ? refused(play, prog, "load") : give_looped(play, set_xdp(prog, "lo"));
}
static enum result net_filter(struct play *play) {
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        int prog = load_return(play, PROG_SCHED_CLS, 0, TC_SHOT), r;

        if (prog < 0)
                return refused(play, prog, "load");
        r = add_clsact(fd);
        return r < 0 ? say(play, BROKEN, "clsact: %s", strerror(-r)) :
                       give_looped(play, add_bpf_filter(fd, "bpf", prog));
}
static enum result net_action(struct play *play) {
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        int prog = load_return(play, PROG_SCHED_ACT, 0, TC_SHOT), r;

        if (prog < 0)
                return refused(play, prog, "load");
        r = add_clsact(fd);
        return r < 0 ? say(play, BROKEN, "clsact: %s", strerror(-r)) : give_looped(play, add_matchall(fd, prog));
}
static enum result net_rule(struct play *play) {
        int prog = load_return(play, PROG_SOCKET_FILTER, 0, 1);

        return prog < 0 ? refused(play, prog, "load") : give_looped(play, add_rule(prog));
}
/* Without a link, and without netlink. */
static enum result net_tcx(struct play *play) {
        int prog = load_return(play, PROG_SCHED_CLS, AT_TCX_INGRESS, TC_SHOT);

        return prog < 0 ? refused(play, prog, "load") : give_looped(play, attach(prog, LO, AT_TCX_INGRESS, 0));
}

/* The owner of the user namespace, outside, makes a filter of the kind, and inside gives it a program without that it
 * says the kind. */
static enum result net_unnamed(struct play *play) {
        _cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        int prog = load_return(play, PROG_SCHED_CLS, 0, TC_SHOT), r, go;

        if (prog < 0)
                return refused(play, prog, "load");
        r = give(play, fd);
        if (r == 0)
                r = take(play, &go);
        return r < 0 ? untaken(play, r, "a filter") : give_looped(play, add_bpf_filter(fd, NULL, prog));
}
static enum result keep_unnamed(struct play *play) {
        int fd, r = take(play, &fd);

        if (r < 0)
                return untaken(play, r, "taking the socket");
        r = add_clsact(fd);
        if (r == 0)
                r = add_classic_filter(fd);
        if (r < 0)
                return say(play, BROKEN, "a filter from outside: %s", strerror(-r));
        return give(play, -1) < 0 ? BROKEN : keep_socket(play);
}

static int send_there(int fd) {
        struct sockaddr_in to = {.sin_family = AF_INET,
                                 .sin_addr.s_addr = inet_addr("10.77.0.1"),
                                 .sin_port = htons(9)};

        return sendto(fd, "x", 1, 0, (struct sockaddr *) &to, sizeof(to)) < 0 ? -errno : 0;
}
static enum result net_route(struct play *play) {
        int prog = load_return(play, PROG_LWT_OUT, 0, LWT_DROP), fd, r;

        if (prog < 0)
                return refused(play, prog, "load");
        r = add_route("10.77.0.0", prog);
        if (r < 0)
                return refused(play, r, "attaching");
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        r = send_there(fd);
        if (r != -EPERM)
                return say(play, BROKEN, "the program does not drop packets: %s", strerror(-r));
        return give(play, fd) < 0 ? BROKEN : UNDECIDED;
}
static enum result route_after(struct play *play) {
        return send_there(kept) == -EPERM ? say(play, ESCAPED, "the program still drops what the socket sends") :
                                            say(play, REFUSED, "the program no longer runs");
}

const struct vector netlink_vectors[] = {
        {.name = "xdp-by-netlink", .group = "targets", .inside = xdp_netlink},
        {.name = "xdp-by-netlink-joined", .group = "targets", .outside = xdp_netlink_joined},
        {.name = "own-netlink", .group = "own-private", .inside = own_netlink},
        {.name = "net-xdp-by-netlink",
         .group = "kept-net",
         .inside = net_xdp,
         .outside = keep_socket,
         .after = looped_after},
        {.name = "net-cls-by-netlink",
         .group = "kept-net",
         .inside = net_filter,
         .outside = keep_socket,
         .after = looped_after},
        {.name = "net-cls-unnamed",
         .group = "kept-net",
         .inside = net_unnamed,
         .outside = keep_unnamed,
         .after = looped_after},
        {.name = "net-act-by-netlink",
         .group = "kept-net",
         .inside = net_action,
         .outside = keep_socket,
         .after = looped_after},
        {.name = "net-lwt-by-netlink",
         .group = "kept-net",
         .inside = net_route,
         .outside = keep_socket,
         .after = route_after},
        {.name = "net-nft-by-netlink",
         .group = "kept-net",
         .inside = net_rule,
         .outside = keep_socket,
         .after = looped_after},
        {.name = "net-tcx-attach",
         .group = "kept-net",
         .inside = net_tcx,
         .outside = keep_socket,
         .after = looped_after},
        {.name = NULL},
};

/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * attach-cases [OPTION...] CGROUPDIR: makes each attaching call of the table, and prints a line for each: what the
 * kernel said, and of a link what and where it is. Run directly and behind the attach proxy, with one thread and with
 * two, the lines must be the same. The process must be in CGROUPDIR.
 *   --thread   from a second thread
 *   --nested   from a user namespace and a network namespace below
 *   --drop     without capabilities
 *   --i386     by the system call of 32-bit programs; status 3 where there is none
 */

#include "attacher.h"
#include "sysapi.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* What a number in an attr can be. */
enum thing {
        NONE,
        CLOSED,   /* a number that is not open */
        NEGATIVE, /* and one that cannot be */
        DEV_NULL,
        CGROUP,
        CGROUP_BELOW,
        CGROUP_FILE,
        NETWORK,
        LO,
        NO_INDEX,
        ARRAY,
        SOCKMAP,
        PERF,
        /* programs, see programs[] */
        DENY,
        EGRESS,
        OTHER_EGRESS,
        INGRESS,
        SOCK_CREATE,
        POST_BIND4,
        BIND4,
        CONNECT4,
        CONNECT6,
        SENDMSG4,
        RECVMSG6,
        GETPEER4,
        UNIX_CONNECT,
        SOCK_OPS,
        DEVICE,
        SYSCTL,
        GETSOCKOPT,
        SETSOCKOPT,
        SK_MSG,
        STREAM_PARSER,
        SKB_VERDICT,
        FLOW,
        SK_LOOKUP,
        XDP,
        OTHER_XDP,
        TCX,
        OTHER_TCX,
        NETKIT,
        NETFILTER,
        RAW_TP,
        FENTRY,
        PERF_PROG,
        /* links, made anew for each case */
        LINK_EGRESS,
        LINK_XDP,
        LINK_TCX,
        LINK_LOOKUP,
        ID_OF_TCX,
        ID_OF_LINK_TCX,
        THINGS,
};

static const struct program {
        enum thing thing;
        enum bpf_prog_type type;
        enum bpf_attach_type expected;
        int result;
} programs[] = {
        {DENY, BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS, 0},
        {EGRESS, BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS, 1},
        {OTHER_EGRESS, BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS, 1},
        {INGRESS, BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS, 1},
        {SOCK_CREATE, BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_CREATE, 1},
        {POST_BIND4, BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET4_POST_BIND, 1},
        {BIND4, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_BIND, 1},
        {CONNECT4, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_CONNECT, 1},
        {CONNECT6, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET6_CONNECT, 1},
        {SENDMSG4, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_UDP4_SENDMSG, 1},
        {RECVMSG6, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_UDP6_RECVMSG, 1},
        {GETPEER4, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_INET4_GETPEERNAME, 1},
        {UNIX_CONNECT, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, BPF_CGROUP_UNIX_CONNECT, 1},
        {SOCK_OPS, BPF_PROG_TYPE_SOCK_OPS, BPF_CGROUP_SOCK_OPS, 1},
        {DEVICE, BPF_PROG_TYPE_CGROUP_DEVICE, BPF_CGROUP_DEVICE, 1},
        {SYSCTL, BPF_PROG_TYPE_CGROUP_SYSCTL, BPF_CGROUP_SYSCTL, 1},
        {GETSOCKOPT, BPF_PROG_TYPE_CGROUP_SOCKOPT, BPF_CGROUP_GETSOCKOPT, 1},
        {SETSOCKOPT, BPF_PROG_TYPE_CGROUP_SOCKOPT, BPF_CGROUP_SETSOCKOPT, 1},
        {SK_MSG, BPF_PROG_TYPE_SK_MSG, BPF_SK_MSG_VERDICT, 1},
        {STREAM_PARSER, BPF_PROG_TYPE_SK_SKB, BPF_SK_SKB_STREAM_PARSER, 1},
        {SKB_VERDICT, BPF_PROG_TYPE_SK_SKB, BPF_SK_SKB_VERDICT, 1},
        {FLOW, BPF_PROG_TYPE_FLOW_DISSECTOR, BPF_FLOW_DISSECTOR, 0},
        {SK_LOOKUP, BPF_PROG_TYPE_SK_LOOKUP, BPF_SK_LOOKUP, 1},
        {XDP, BPF_PROG_TYPE_XDP, BPF_XDP, 2},
        {OTHER_XDP, BPF_PROG_TYPE_XDP, BPF_XDP, 2},
        {TCX, BPF_PROG_TYPE_SCHED_CLS, BPF_TCX_INGRESS, 0},
        {OTHER_TCX, BPF_PROG_TYPE_SCHED_CLS, BPF_TCX_INGRESS, 0},
        {NETKIT, BPF_PROG_TYPE_SCHED_CLS, BPF_NETKIT_PRIMARY, 0},
        {NETFILTER, BPF_PROG_TYPE_NETFILTER, BPF_NETFILTER, 1},
        /* Not delegated: closed numbers, unless whoever runs this may load them. */
        {RAW_TP, BPF_PROG_TYPE_RAW_TRACEPOINT, 0, 0},
        {FENTRY, BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, 0},
        {PERF_PROG, BPF_PROG_TYPE_PERF_EVENT, 0, 0},
};

/* How the attr is given. */
enum trick {
        PLAIN,
        NULL_ATTR,
        UNMAPPED,  /* nothing is there */
        CUT,       /* mapped up to the middle of what the size says */
        READ_ONLY, /* mapped, to be read only */
        TAIL,      /* a byte behind all that the kernel knows */
        ZERO,      /* the program is descriptor 0 */
        ZERO_TARGET,
        ZERO_CLOSED, /* the program is to be descriptor 0, which is closed */
        TABLE_FULL,  /* no number is left for the link */
};

#define CREATE BPF_LINK_CREATE
#define UPDATE BPF_LINK_UPDATE
#define ATTACH BPF_PROG_ATTACH
#define DETACH BPF_PROG_DETACH
#define SIZE 64

/* LINK_CREATE: program, target, relative. LINK_UPDATE: link, new program, old one. PROG_ATTACH and PROG_DETACH:
 * program, target, and the one replaced, or relative. What PROG_ATTACH has done is undone by PROG_DETACH, which is
 * told, too. */
static const struct row {
        const char *name;
        unsigned command;
        enum thing first, second, third;
        uint32_t type, flags;
        unsigned size;
        enum trick trick;
} rows[] = {
        {"link cgroup_skb egress", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, PLAIN},
        {"link cgroup_skb ingress", CREATE, INGRESS, CGROUP, NONE, BPF_CGROUP_INET_INGRESS, 0, SIZE, PLAIN},
        {"link cgroup_skb that denies", CREATE, DENY, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, PLAIN},
        {"link cgroup_skb to a cgroup below", CREATE, EGRESS, CGROUP_BELOW, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE,
         PLAIN},
        {"link cgroup_sock", CREATE, SOCK_CREATE, CGROUP, NONE, BPF_CGROUP_INET_SOCK_CREATE, 0, SIZE, PLAIN},
        {"link cgroup_sock post_bind4", CREATE, POST_BIND4, CGROUP, NONE, BPF_CGROUP_INET4_POST_BIND, 0, SIZE, PLAIN},
        {"link bind4", CREATE, BIND4, CGROUP, NONE, BPF_CGROUP_INET4_BIND, 0, SIZE, PLAIN},
        {"link connect4", CREATE, CONNECT4, CGROUP, NONE, BPF_CGROUP_INET4_CONNECT, 0, SIZE, PLAIN},
        {"link connect6", CREATE, CONNECT6, CGROUP, NONE, BPF_CGROUP_INET6_CONNECT, 0, SIZE, PLAIN},
        {"link sendmsg4", CREATE, SENDMSG4, CGROUP, NONE, BPF_CGROUP_UDP4_SENDMSG, 0, SIZE, PLAIN},
        {"link recvmsg6", CREATE, RECVMSG6, CGROUP, NONE, BPF_CGROUP_UDP6_RECVMSG, 0, SIZE, PLAIN},
        {"link getpeername4", CREATE, GETPEER4, CGROUP, NONE, BPF_CGROUP_INET4_GETPEERNAME, 0, SIZE, PLAIN},
        {"link unix_connect", CREATE, UNIX_CONNECT, CGROUP, NONE, BPF_CGROUP_UNIX_CONNECT, 0, SIZE, PLAIN},
        {"link sock_ops", CREATE, SOCK_OPS, CGROUP, NONE, BPF_CGROUP_SOCK_OPS, 0, SIZE, PLAIN},
        {"link cgroup_device", CREATE, DEVICE, CGROUP, NONE, BPF_CGROUP_DEVICE, 0, SIZE, PLAIN},
        {"link cgroup_sysctl", CREATE, SYSCTL, CGROUP, NONE, BPF_CGROUP_SYSCTL, 0, SIZE, PLAIN},
        {"link getsockopt", CREATE, GETSOCKOPT, CGROUP, NONE, BPF_CGROUP_GETSOCKOPT, 0, SIZE, PLAIN},
        {"link setsockopt", CREATE, SETSOCKOPT, CGROUP, NONE, BPF_CGROUP_SETSOCKOPT, 0, SIZE, PLAIN},
        {"link sk_msg", CREATE, SK_MSG, SOCKMAP, NONE, BPF_SK_MSG_VERDICT, 0, SIZE, PLAIN},
        {"link sk_skb verdict", CREATE, SKB_VERDICT, SOCKMAP, NONE, BPF_SK_SKB_VERDICT, 0, SIZE, PLAIN},
        {"link flow_dissector", CREATE, FLOW, NETWORK, NONE, BPF_FLOW_DISSECTOR, 0, SIZE, PLAIN},
        {"link sk_lookup", CREATE, SK_LOOKUP, NETWORK, NONE, BPF_SK_LOOKUP, 0, SIZE, PLAIN},
        {"link xdp, generic", CREATE, XDP, LO, NONE, BPF_XDP, 1U << 1, SIZE, PLAIN},
        {"link xdp, by the driver", CREATE, XDP, LO, NONE, BPF_XDP, 1U << 2, SIZE, PLAIN},
        {"link tcx", CREATE, TCX, LO, NONE, BPF_TCX_INGRESS, 0, SIZE, PLAIN},
        {"link tcx egress, first", CREATE, TCX, LO, NONE, BPF_TCX_EGRESS, BPF_F_BEFORE, SIZE, PLAIN},
        {"link netkit, of what is none", CREATE, NETKIT, LO, NONE, BPF_NETKIT_PRIMARY, 0, SIZE, PLAIN},
        {"link netfilter", CREATE, NETFILTER, NONE, NONE, BPF_NETFILTER, 0, SIZE, PLAIN},
        {"link raw_tp", CREATE, RAW_TP, NONE, NONE, BPF_TRACE_RAW_TP, 0, SIZE, PLAIN},
        {"link fentry", CREATE, FENTRY, NONE, NONE, BPF_TRACE_FENTRY, 0, SIZE, PLAIN},
        {"link perf_event", CREATE, PERF_PROG, PERF, NONE, BPF_PERF_EVENT, 0, SIZE, PLAIN},
        {"link struct_ops, of another map", CREATE, ARRAY, NONE, NONE, BPF_STRUCT_OPS, 0, SIZE, PLAIN},
        {"link iterator", CREATE, FENTRY, NONE, NONE, BPF_TRACE_ITER, 0, SIZE, PLAIN},
        {"link kprobe_multi", CREATE, EGRESS, NONE, NONE, BPF_TRACE_KPROBE_MULTI, 0, SIZE, PLAIN},

        {"link of the wrong attach type", CREATE, CONNECT4, CGROUP, NONE, BPF_CGROUP_INET6_CONNECT, 0, SIZE, PLAIN},
        {"link of the wrong program type", CREATE, XDP, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, PLAIN},
        {"link of an attach type that is none", CREATE, EGRESS, CGROUP, NONE, 200, 0, SIZE, PLAIN},
        {"link of no program", CREATE, CLOSED, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, PLAIN},
        {"link of a negative number", CREATE, NEGATIVE, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, PLAIN},
        {"link of a file", CREATE, DEV_NULL, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, PLAIN},
        {"link of a map", CREATE, ARRAY, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, PLAIN},
        {"link to nothing", CREATE, EGRESS, CLOSED, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, PLAIN},
        {"link to a negative number", CREATE, EGRESS, NEGATIVE, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, PLAIN},
        {"link to a file", CREATE, EGRESS, DEV_NULL, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, PLAIN},
        {"link to a cgroup's file", CREATE, EGRESS, CGROUP_FILE, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, PLAIN},
        {"link sk_lookup to a cgroup", CREATE, SK_LOOKUP, CGROUP, NONE, BPF_SK_LOOKUP, 0, SIZE, PLAIN},
        {"link sk_msg to an array", CREATE, SK_MSG, ARRAY, NONE, BPF_SK_MSG_VERDICT, 0, SIZE, PLAIN},
        {"link xdp to no interface", CREATE, XDP, NO_INDEX, NONE, BPF_XDP, 1U << 1, SIZE, PLAIN},
        {"link with a flag it does not take", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 1, SIZE, PLAIN},
        {"link with a flag that is none", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 1U << 30, SIZE, PLAIN},

        {"relative: a program, none there", CREATE, TCX, LO, OTHER_TCX, BPF_TCX_INGRESS, BPF_F_BEFORE, SIZE, PLAIN},
        {"relative: a number that is not open", CREATE, TCX, LO, CLOSED, BPF_TCX_INGRESS, BPF_F_AFTER, SIZE, PLAIN},
        {"relative: an attached link", CREATE, TCX, LO, LINK_TCX, BPF_TCX_INGRESS, BPF_F_BEFORE | BPF_F_LINK, SIZE,
         PLAIN},
        {"relative: its id", CREATE, TCX, LO, ID_OF_LINK_TCX, BPF_TCX_INGRESS, BPF_F_AFTER | BPF_F_LINK | BPF_F_ID,
         SIZE, PLAIN},
        {"relative: its program's id", CREATE, TCX, LO, ID_OF_TCX, BPF_TCX_INGRESS, BPF_F_AFTER | BPF_F_ID, SIZE,
         PLAIN},
        {"relative: an id that is none", CREATE, TCX, LO, NEGATIVE, BPF_TCX_INGRESS, BPF_F_AFTER | BPF_F_ID, SIZE,
         PLAIN},
        {"relative: no order asked for", CREATE, TCX, LO, OTHER_TCX, BPF_TCX_INGRESS, 0, SIZE, PLAIN},
        {"relative: a link of a cgroup", CREATE, OTHER_EGRESS, CGROUP, LINK_EGRESS, BPF_CGROUP_INET_EGRESS,
         BPF_F_BEFORE | BPF_F_LINK, SIZE, PLAIN},
        {"relative: a program of a cgroup", CREATE, OTHER_EGRESS, CGROUP, EGRESS, BPF_CGROUP_INET_EGRESS, BPF_F_AFTER,
         SIZE, PLAIN},
        {"relative: a cgroup, no order asked for", CREATE, OTHER_EGRESS, CGROUP, DEV_NULL, BPF_CGROUP_INET_EGRESS, 0,
         SIZE, PLAIN},

        {"update", UPDATE, LINK_EGRESS, OTHER_EGRESS, NONE, 0, 0, SIZE, PLAIN},
        {"update, the old one named", UPDATE, LINK_EGRESS, OTHER_EGRESS, EGRESS, 0, BPF_F_REPLACE, SIZE, PLAIN},
        {"update, another one named", UPDATE, LINK_EGRESS, OTHER_EGRESS, DENY, 0, BPF_F_REPLACE, SIZE, PLAIN},
        {"update, the old one not open", UPDATE, LINK_EGRESS, OTHER_EGRESS, CLOSED, 0, BPF_F_REPLACE, SIZE, PLAIN},
        {"update, an old one without the flag", UPDATE, LINK_EGRESS, OTHER_EGRESS, EGRESS, 0, 0, SIZE, PLAIN},
        {"update, to another type", UPDATE, LINK_EGRESS, XDP, NONE, 0, 0, SIZE, PLAIN},
        {"update, to a file", UPDATE, LINK_EGRESS, DEV_NULL, NONE, 0, 0, SIZE, PLAIN},
        {"update, of a program", UPDATE, EGRESS, OTHER_EGRESS, NONE, 0, 0, SIZE, PLAIN},
        {"update, of nothing", UPDATE, CLOSED, OTHER_EGRESS, NONE, 0, 0, SIZE, PLAIN},
        {"update xdp", UPDATE, LINK_XDP, OTHER_XDP, NONE, 0, 0, SIZE, PLAIN},
        {"update tcx", UPDATE, LINK_TCX, OTHER_TCX, NONE, 0, 0, SIZE, PLAIN},
        {"update sk_lookup", UPDATE, LINK_LOOKUP, SK_LOOKUP, NONE, 0, 0, SIZE, PLAIN},
        {"update with a flag that is none", UPDATE, LINK_EGRESS, OTHER_EGRESS, NONE, 0, 1U << 20, SIZE, PLAIN},

        {"attach cgroup_skb", ATTACH, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, PLAIN},
        {"attach cgroup_skb, multi", ATTACH, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, BPF_F_ALLOW_MULTI, SIZE,
         PLAIN},
        {"attach, replacing none", ATTACH, EGRESS, CGROUP, OTHER_EGRESS, BPF_CGROUP_INET_EGRESS,
         BPF_F_ALLOW_MULTI | BPF_F_REPLACE, SIZE, PLAIN},
        {"attach, replacing what is not open", ATTACH, EGRESS, CGROUP, CLOSED, BPF_CGROUP_INET_EGRESS,
         BPF_F_ALLOW_MULTI | BPF_F_REPLACE, SIZE, PLAIN},
        {"attach connect4", ATTACH, CONNECT4, CGROUP, NONE, BPF_CGROUP_INET4_CONNECT, 0, SIZE, PLAIN},
        {"attach sk_msg", ATTACH, SK_MSG, SOCKMAP, NONE, BPF_SK_MSG_VERDICT, 0, SIZE, PLAIN},
        {"attach a stream parser", ATTACH, STREAM_PARSER, SOCKMAP, NONE, BPF_SK_SKB_STREAM_PARSER, 0, SIZE, PLAIN},
        {"attach flow_dissector", ATTACH, FLOW, NONE, NONE, BPF_FLOW_DISSECTOR, 0, SIZE, PLAIN},
        {"attach flow_dissector to a descriptor", ATTACH, FLOW, NETWORK, NONE, BPF_FLOW_DISSECTOR, 0, SIZE, PLAIN},
        {"attach tcx", ATTACH, TCX, LO, NONE, BPF_TCX_INGRESS, 0, SIZE, PLAIN},
        {"attach tcx, relative to an id", ATTACH, TCX, LO, ID_OF_TCX, BPF_TCX_INGRESS, BPF_F_BEFORE | BPF_F_ID, SIZE,
         PLAIN},
        {"attach tcx, relative to a link", ATTACH, TCX, LO, LINK_TCX, BPF_TCX_INGRESS, BPF_F_BEFORE | BPF_F_LINK, SIZE,
         PLAIN},
        {"attach, of nothing", ATTACH, CLOSED, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, PLAIN},
        {"attach, to nothing", ATTACH, EGRESS, CLOSED, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, PLAIN},
        {"attach of the wrong type", ATTACH, XDP, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, PLAIN},
        {"attach of a type that is none", ATTACH, EGRESS, CGROUP, NONE, 99, 0, SIZE, PLAIN},
        {"attach with a flag that is none", ATTACH, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 1U << 25, SIZE,
         PLAIN},

        {"detach, none there", DETACH, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, PLAIN},
        {"detach, of no program", DETACH, CLOSED, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, PLAIN},
        {"detach, beside a link", DETACH, EGRESS, CGROUP, LINK_EGRESS, BPF_CGROUP_INET_EGRESS, 0, SIZE, PLAIN},
        {"detach from nothing", DETACH, EGRESS, CLOSED, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, PLAIN},
        {"detach from a file", DETACH, EGRESS, DEV_NULL, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, PLAIN},
        {"detach sk_msg, none there", DETACH, SK_MSG, SOCKMAP, NONE, BPF_SK_MSG_VERDICT, 0, SIZE, PLAIN},
        {"detach tcx, none there", DETACH, TCX, LO, NONE, BPF_TCX_INGRESS, 0, SIZE, PLAIN},
        {"detach tcx, a link's", DETACH, NONE, LO, LINK_TCX, BPF_TCX_INGRESS, BPF_F_AFTER | BPF_F_LINK, SIZE, PLAIN},
        {"detach with a flag it does not take", DETACH, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, BPF_F_ALLOW_MULTI,
         SIZE, PLAIN},
        {"detach of a type that is none", DETACH, EGRESS, CGROUP, NONE, 99, 0, SIZE, PLAIN},

        {"size 0", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, 0, PLAIN},
        {"size 1", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, 1, PLAIN},
        {"size 2, through the program", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_INGRESS, 0, 2, PLAIN},
        {"size 4", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, 4, PLAIN},
        {"size 5, through the target", CREATE, INGRESS, CGROUP, NONE, BPF_CGROUP_INET_INGRESS, 0, 5, PLAIN},
        {"size 8, type 0 by its end", CREATE, INGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, 8, PLAIN},
        {"size 9", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, 9, PLAIN},
        {"size 12", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, 12, PLAIN},
        {"size 16", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, 16, PLAIN},
        {"size 17, through the relative", CREATE, TCX, LO, CLOSED, BPF_TCX_INGRESS, BPF_F_AFTER, 17, PLAIN},
        {"size 20", CREATE, TCX, LO, CLOSED, BPF_TCX_INGRESS, BPF_F_AFTER, 20, PLAIN},
        {"size 128", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, 128, PLAIN},
        {"size 256", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, 256, PLAIN},
        {"size 257", CREATE, CLOSED, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, 257, PLAIN},
        {"size 4096", CREATE, CLOSED, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, 4096, PLAIN},
        {"size 4097", CREATE, CLOSED, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, 4097, PLAIN},
        {"size UINT_MAX", CREATE, CLOSED, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, ~0U, PLAIN},
        {"size 6, update", UPDATE, LINK_EGRESS, OTHER_EGRESS, NONE, 0, 0, 6, PLAIN},
        {"size 12, attach", ATTACH, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, BPF_F_ALLOW_MULTI, 12, PLAIN},
        {"a byte in the tail, known", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, 100, TAIL},
        {"a byte in the tail, unknown", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, 250, TAIL},
        {"a byte in the tail, far", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, 1000, TAIL},

        {"attr NULL", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, NULL_ATTR},
        {"attr unmapped", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, UNMAPPED},
        {"attr cut off", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, CUT},
        {"attr read-only", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, READ_ONLY},
        {"program at descriptor 0", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, ZERO},
        {"target at descriptor 0", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, ZERO_TARGET},
        {"attach to descriptor 0", ATTACH, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, ZERO_TARGET},
        {"descriptor 0 closed", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, ZERO_CLOSED},
        {"no number left for the link", CREATE, EGRESS, CGROUP, NONE, BPF_CGROUP_INET_EGRESS, 0, SIZE, TABLE_FULL},
};

#define CLOSED_NUMBER 9999U

#ifdef __x86_64__
#define LOW MAP_32BIT
#else
#define LOW 0
#endif

struct place {
        bool i386;
        uint32_t numbers[THINGS];
        uint64_t cgroup_ids[2];
        ino_t network;
        uint8_t *page; /* three: read-write, the attr; read-only; none */
        int ping[2];
        struct sockaddr_in address;
};

/* ---- what there is to attach
 * -------------------------------------------------------------------------------------- */

static int must(int r, const char *what) {
        if (r < 0)
                attacher_die(what, -errno);
        return r;
}

static uint64_t inode(int fd) {
        struct stat st;

        (void) must(fstat(fd, &st), "stat");
        return st.st_ino;
}

static uint32_t info(uint32_t fd, void *ret, uint32_t size) {
        union bpf_attr attr = {.info = {.bpf_fd = fd, .info_len = size, .info = (uintptr_t) ret}};

        memset(ret, 0, size);
        return attacher_bpf(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof(attr)) < 0 ? 0 : 1;
}

static int perf(void) {
        struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE,
                                       .size = sizeof(attr),
                                       .config = PERF_COUNT_SW_DUMMY,
                                       .exclude_kernel = 1};

        return (int) syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static void load_programs(struct place *p) {
        int token = attacher_token();

        for (size_t i = 0; i < ELEMENTSOF(programs); i++) {
                int fd = attacher_load(token, programs[i].type, programs[i].expected, programs[i].result);

                p->numbers[programs[i].thing] = fd < 0 ? CLOSED_NUMBER : (uint32_t) fd;
        }
        p->numbers[ARRAY] = (uint32_t) attacher_map(token, BPF_MAP_TYPE_ARRAY);
        p->numbers[SOCKMAP] = (uint32_t) attacher_map(token, BPF_MAP_TYPE_SOCKMAP);
}

static void open_cgroups(struct place *p, const char *dir, const char *below) {
        int fd = must(open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC), dir);

        if (mkdir(below, 0755) < 0 && errno != EEXIST)
                attacher_die(below, -errno);
        p->numbers[CGROUP] = (uint32_t) fd;
        p->numbers[CGROUP_BELOW] = (uint32_t) must(open(below, O_RDONLY | O_DIRECTORY | O_CLOEXEC), below);
        p->numbers[CGROUP_FILE] = (uint32_t) must(openat(fd, "cgroup.procs", O_RDONLY | O_CLOEXEC), "cgroup.procs");
        p->cgroup_ids[0] = inode(fd);
        p->cgroup_ids[1] = inode((int) p->numbers[CGROUP_BELOW]);
}

static void open_rest(struct place *p) {
        socklen_t size = sizeof(p->address);
        int r;

        p->numbers[CLOSED] = CLOSED_NUMBER;
        p->numbers[NEGATIVE] = (uint32_t) -7;
        p->numbers[LO] = 1;
        p->numbers[NO_INDEX] = 77777;
        p->numbers[DEV_NULL] = (uint32_t) must(open("/dev/null", O_RDWR | O_CLOEXEC), "/dev/null");
        p->numbers[NETWORK] = (uint32_t) must(open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), "/proc/self/ns/net");
        p->network = inode((int) p->numbers[NETWORK]);
        r = perf();
        p->numbers[PERF] = r < 0 ? CLOSED_NUMBER : (uint32_t) r;
        p->page = mmap(NULL, 3 * 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | LOW, -1, 0);
        if (p->page == MAP_FAILED || mprotect(p->page + 16384, 8192, PROT_NONE) < 0)
                attacher_die("mmap", -errno);
        for (int i = 0; i < 2; i++)
                p->ping[i] = must(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
        p->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        if (bind(p->ping[0], (const struct sockaddr *) &p->address, size) < 0 ||
            getsockname(p->ping[0], (struct sockaddr *) &p->address, &size) < 0)
                attacher_die("bind", -errno);
}

/* ---- one case
 * ----------------------------------------------------------------------------------------------------- */

static int create(uint32_t program, uint32_t target, uint32_t type, uint32_t flags) {
        const uint32_t attr[16] = {program, target, type, flags};

        return attacher_bpf(BPF_LINK_CREATE, attr, sizeof(attr));
}

/* The links that a case begins with: attached the same way. Returns its descriptor, or -1. */
static int prepare(struct place *p, enum thing thing) {
        struct bpf_link_info link;
        struct bpf_prog_info program;
        int fd = -1;

        if (thing < LINK_EGRESS)
                return -1;
        if (thing == LINK_EGRESS)
                fd = create(p->numbers[EGRESS], p->numbers[CGROUP], BPF_CGROUP_INET_EGRESS, 0);
        else if (thing == LINK_XDP)
                fd = create(p->numbers[XDP], p->numbers[LO], BPF_XDP, 1U << 1);
        else if (thing == LINK_LOOKUP)
                fd = create(p->numbers[SK_LOOKUP], p->numbers[NETWORK], BPF_SK_LOOKUP, 0);
        else
                fd = create(p->numbers[OTHER_TCX], p->numbers[LO], BPF_TCX_INGRESS, 0);
        p->numbers[thing] = fd < 0 ? CLOSED_NUMBER : (uint32_t) fd;
        if (thing == ID_OF_TCX)
                p->numbers[thing] = info(p->numbers[OTHER_TCX], &program, sizeof(program)) ? program.id : 0;
        if (thing == ID_OF_LINK_TCX)
                p->numbers[thing] = fd >= 0 && info((uint32_t) fd, &link, sizeof(link)) ? link.id : 0;
        return fd < 0 ? -1 : fd;
}

static void fill(const struct place *p, const struct row *row, uint32_t *words) {
        uint32_t first = p->numbers[row->first], second = p->numbers[row->second], third = p->numbers[row->third];

        if (row->trick == ZERO || row->trick == ZERO_CLOSED)
                first = 0;
        if (row->trick == ZERO_TARGET)
                second = 0;
        if (row->command == CREATE) {
                const uint32_t attr[] = {first, second, row->type, row->flags, third};

                memcpy(words, attr, sizeof(attr));
                if (row->type == BPF_NETFILTER) {
                        words[4] = 2; /* NFPROTO_IPV4 */
                        words[5] = 1; /* NF_INET_LOCAL_IN */
                        words[6] = (uint32_t) -128;
                }
        } else if (row->command == UPDATE) {
                const uint32_t attr[] = {first, second, row->flags, third};

                memcpy(words, attr, sizeof(attr));
        } else {
                const uint32_t attr[] = {second,
                                         first,
                                         row->type,
                                         row->flags,
                                         row->flags & BPF_F_REPLACE ? third : 0,
                                         row->flags & BPF_F_REPLACE ? 0 : third};

                memcpy(words, attr, sizeof(attr));
        }
}

/* Where the attr is given. */
static const uint8_t *place_attr(const struct place *p, const struct row *row) {
        uint8_t *attr = p->page;

        memset(p->page, 0, 8192);
        if (row->trick == NULL_ATTR)
                return NULL;
        if (row->trick == UNMAPPED)
                return p->page + 16384 + 1024;
        if (row->trick == READ_ONLY)
                attr = p->page + 8192;
        else if (row->trick == CUT)
                attr = p->page + 16384 - 24;
        (void) mprotect(p->page + 8192, 8192, PROT_READ | PROT_WRITE);
        memset(p->page + 8192, 0, 8192);
        if (row->trick == CUT) {
                uint32_t words[16] = {0};

                fill(p, row, words);
                memcpy(attr, words, 24);
        } else {
                uint32_t words[8] = {0};

                fill(p, row, words);
                memcpy(attr, words, sizeof(words));
        }
        if (row->trick == TAIL)
                attr[row->size - 1] = 1;
        if (row->trick == READ_ONLY)
                (void) mprotect(attr, 8192, PROT_READ);
        return attr;
}

static const char *sent(const struct place *p) {
        if (sendto(p->ping[1], "x", 1, 0, (const struct sockaddr *) &p->address, sizeof(p->address)) < 0)
                return strerror(errno);
        return "sent";
}

static void print_link(const struct place *p, int fd) {
        struct bpf_link_info link;

        (void) printf(" descriptor %d%s,", fd, fcntl(fd, F_GETFD) & FD_CLOEXEC ? " closed on exec" : "");
        if (!info((uint32_t) fd, &link, sizeof(link))) {
                (void) printf(" of no link");
                return;
        }
        (void) printf(" link type %u", link.type);
        if (link.type == BPF_LINK_TYPE_CGROUP)
                (void) printf(" attach type %u to %s", link.cgroup.attach_type,
                              link.cgroup.cgroup_id == p->cgroup_ids[0] ? "the cgroup" :
                              link.cgroup.cgroup_id == p->cgroup_ids[1] ? "the cgroup below" :
                                                                          "another cgroup");
        else if (link.type == BPF_LINK_TYPE_NETNS)
                (void) printf(" attach type %u to %s", link.netns.attach_type,
                              link.netns.netns_ino == p->network ? "the network namespace" :
                                                                   "another network namespace");
        else if (link.type == BPF_LINK_TYPE_XDP)
                (void) printf(" to interface %u", link.xdp.ifindex);
        else if (link.type == BPF_LINK_TYPE_TCX)
                (void) printf(" attach type %u to interface %u", link.tcx.attach_type, link.tcx.ifindex);
}

static void detach(const struct place *p, const struct row *row) {
        union bpf_attr attr = {.target_fd = p->numbers[row->second],
                               .attach_bpf_fd = p->numbers[row->first],
                               .attach_type = row->type};
        int r = attacher_bpf(BPF_PROG_DETACH, &attr, sizeof(attr));

        (void) printf("; detached: %s", strerror(-r));
}

static int close_rest(rlim_t *ret_limit) {
        struct rlimit limit, none;

        (void) must(getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
        *ret_limit = limit.rlim_cur;
        none = (struct rlimit){.rlim_cur = 0, .rlim_max = limit.rlim_max};
        return setrlimit(RLIMIT_NOFILE, &none);
}

/* Such a call has addresses of 32 bits only. */
static int bpf_of_i386(unsigned command, const void *attr, unsigned size) {
#ifdef __x86_64__
        int r;

        __asm__ volatile("int $0x80"
                         : "=a"(r)
                         : "a"(357), "b"(command), "c"((uint32_t) (uintptr_t) attr), "d"(size)
                         : "memory", "r8", "r9", "r10", "r11");
        return r;
#else
        (void) command;
        (void) attr;
        (void) size;
        return -ENOSYS;
#endif
}

/* In a child: where the kernel has none the call may be a fault. */
static bool has_i386(void) {
        const struct rlimit no_core = {0, 0};
        pid_t pid = fork();
        int status;

        if (pid == 0) {
                (void) setrlimit(RLIMIT_CORE, &no_core);
                _exit(bpf_of_i386(~0U, NULL, 0) == -ENOSYS);
        }
        return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void call(struct place *p, const struct row *row) {
        int links[3] = {prepare(p, row->first), prepare(p, row->second), prepare(p, row->third)};
        const uint8_t *attr = place_attr(p, row);
        struct rlimit limit;
        rlim_t soft = 0;
        int r, zero = -1;

        if (row->trick == ZERO || row->trick == ZERO_TARGET || row->trick == ZERO_CLOSED)
                zero = must(dup(0), "dup");
        if (row->trick == ZERO)
                (void) dup2((int) p->numbers[row->first], 0);
        else if (row->trick == ZERO_TARGET)
                (void) dup2((int) p->numbers[row->second], 0);
        else if (row->trick == ZERO_CLOSED)
                (void) close(0);
        else if (row->trick == TABLE_FULL)
                (void) close_rest(&soft);
        r = p->i386 ? bpf_of_i386(row->command, attr, row->size) : attacher_bpf(row->command, attr, row->size);
        if (row->trick == TABLE_FULL && getrlimit(RLIMIT_NOFILE, &limit) == 0) {
                limit.rlim_cur = soft;
                (void) setrlimit(RLIMIT_NOFILE, &limit);
        }
        if (zero >= 0) {
                (void) dup2(zero, 0);
                (void) close(zero);
        }
        (void) printf("%s: %s", row->name, r < 0 ? strerror(-r) : row->command == CREATE ? "attached," : "done");
        if (r >= 0 && row->command == CREATE)
                print_link(p, r);
        if (row->first == DENY)
                (void) printf("; a packet: %s", sent(p));
        if (r >= 0 && row->command == CREATE)
                (void) close(r);
        if (row->first == DENY)
                (void) printf("; closed: %s", sent(p));
        if (r >= 0 && row->command == ATTACH)
                detach(p, row);
        (void) printf("\n");
        for (size_t i = 0; i < ELEMENTSOF(links); i++)
                (void) close_fd(links[i]);
}

static void *call_all(void *userdata) {
        struct place *p = userdata;

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                call(p, rows + i);
        return NULL;
}

struct options {
        bool thread, nested, drop, i386;
        const char *dir;
};

static int parse(int argc, char **argv, struct options *ret) {
        static const struct option longs[] = {{"thread", no_argument, NULL, 't'},
                                              {"nested", no_argument, NULL, 'n'},
                                              {"drop", no_argument, NULL, 'd'},
                                              {"i386", no_argument, NULL, 'i'},
                                              {NULL, 0, NULL, 0}};
        int c;

        while ((c = getopt_long(argc, argv, "", longs, NULL)) >= 0) {
                ret->thread = ret->thread || c == 't';
                ret->nested = ret->nested || c == 'n';
                ret->drop = ret->drop || c == 'd';
                ret->i386 = ret->i386 || c == 'i';
                if (c == '?')
                        return -EINVAL;
        }
        ret->dir = argv[optind];
        return argc - optind == 1 ? 0 : -EINVAL;
}

static void go_where(const struct options *options) {
        if (options->nested && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
                attacher_die("unshare", -errno);
        if (options->drop) {
                int r = sys_capset(0, 0, 0);

                if (r < 0)
                        attacher_die("capset", r);
        }
}

int main(int argc, char **argv) {
        struct options options = {0};
        struct place p = {0};
        char below[4096];
        pthread_t other;

        if (parse(argc, argv, &options) < 0) {
                (void) fprintf(stderr, "usage: attach-cases [--thread] [--nested] [--drop] [--i386] CGROUPDIR\n");
                return 2;
        }
        p.i386 = options.i386;
        if (p.i386 && !has_i386())
                return 3;
        (void) snprintf(below, sizeof(below), "%s/below", options.dir);
        load_programs(&p);
        open_cgroups(&p, options.dir, below);
        go_where(&options);
        open_rest(&p);
        if (!options.thread)
                (void) call_all(&p);
        else if (pthread_create(&other, NULL, call_all, &p) != 0 || pthread_join(other, NULL) != 0)
                attacher_die("no thread", -EAGAIN);
        (void) rmdir(below);
        return 0;
}

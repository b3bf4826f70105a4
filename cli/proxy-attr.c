/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * The descriptors in union bpf_attr: see proxy-attr.h. What is not in this table the proxy leaves to the kernel, so a
 * row that is missing costs its users a refusal, and a wrong one a wrong answer. Nothing is decided by it.
 */

#include "config.h"

#include "proxy-attr.h"

/* Later than the oldest linux/bpf.h that this is built with (6.9). */
enum { TRACE_KPROBE_SESSION = 56, TRACE_UPROBE_SESSION = 57, TRACE_FSESSION = 58 };

/* What the number of the target is. */
enum target {
        UNKNOWN = 0, /* not attached so, or by pointers or paths, or later than this table */
        DESCRIPTOR,
        IN_NETWORK, /* an interface index, or nothing: of the current network namespace */
        NOTHING,
};

/* Whether a program or link may be named that this one goes before or after. */
enum relative {
        NEVER = 0,
        /* Only if the flags ask for an order: LINK_CREATE of a type ext, which has no attach type of its own and comes
         * as type 0, has a BTF id in the same place. */
        IF_ORDERED,
        ALWAYS,
};

struct row {
        enum target link, attach; /* of LINK_CREATE, of PROG_ATTACH and PROG_DETACH */
        enum relative relative;
};

#define CGROUP \
        { DESCRIPTOR, DESCRIPTOR, IF_ORDERED }
#define SOCKMAP \
        { DESCRIPTOR, DESCRIPTOR, NEVER }
#define NETNS \
        { DESCRIPTOR, IN_NETWORK, NEVER } /* a link has its descriptor, PROG_ATTACH takes the current one */
#define TRACED \
        { DESCRIPTOR, UNKNOWN, NEVER } /* a program, or 0 */
#define DEVICE \
        { IN_NETWORK, IN_NETWORK, ALWAYS }

/* In the order of the kernel's header. */
static const struct row rows[] = {
        [BPF_CGROUP_INET_INGRESS] = CGROUP,
        [BPF_CGROUP_INET_EGRESS] = CGROUP,
        [BPF_CGROUP_INET_SOCK_CREATE] = CGROUP,
        [BPF_CGROUP_SOCK_OPS] = CGROUP,
        [BPF_SK_SKB_STREAM_PARSER] = SOCKMAP,
        [BPF_SK_SKB_STREAM_VERDICT] = SOCKMAP,
        [BPF_CGROUP_DEVICE] = CGROUP,
        [BPF_SK_MSG_VERDICT] = SOCKMAP,
        [BPF_CGROUP_INET4_BIND] = CGROUP,
        [BPF_CGROUP_INET6_BIND] = CGROUP,
        [BPF_CGROUP_INET4_CONNECT] = CGROUP,
        [BPF_CGROUP_INET6_CONNECT] = CGROUP,
        [BPF_CGROUP_INET4_POST_BIND] = CGROUP,
        [BPF_CGROUP_INET6_POST_BIND] = CGROUP,
        [BPF_CGROUP_UDP4_SENDMSG] = CGROUP,
        [BPF_CGROUP_UDP6_SENDMSG] = CGROUP,
        [BPF_LIRC_MODE2] = {UNKNOWN, UNKNOWN, NEVER},
        [BPF_FLOW_DISSECTOR] = NETNS,
        [BPF_CGROUP_SYSCTL] = CGROUP,
        [BPF_CGROUP_UDP4_RECVMSG] = CGROUP,
        [BPF_CGROUP_UDP6_RECVMSG] = CGROUP,
        [BPF_CGROUP_GETSOCKOPT] = CGROUP,
        [BPF_CGROUP_SETSOCKOPT] = CGROUP,
        [BPF_TRACE_RAW_TP] = TRACED,
        [BPF_TRACE_FENTRY] = TRACED,
        [BPF_TRACE_FEXIT] = TRACED,
        [BPF_MODIFY_RETURN] = TRACED,
        [BPF_LSM_MAC] = TRACED,
        [BPF_TRACE_ITER] = {UNKNOWN, UNKNOWN, NEVER}, /* a pointer */
        [BPF_CGROUP_INET4_GETPEERNAME] = CGROUP,
        [BPF_CGROUP_INET6_GETPEERNAME] = CGROUP,
        [BPF_CGROUP_INET4_GETSOCKNAME] = CGROUP,
        [BPF_CGROUP_INET6_GETSOCKNAME] = CGROUP,
        [BPF_XDP_DEVMAP] = {UNKNOWN, UNKNOWN, NEVER}, /* by map elements */
        [BPF_CGROUP_INET_SOCK_RELEASE] = CGROUP,
        [BPF_XDP_CPUMAP] = {UNKNOWN, UNKNOWN, NEVER}, /* by map elements */
        [BPF_SK_LOOKUP] = NETNS,
        [BPF_XDP] = {IN_NETWORK, UNKNOWN, NEVER},
        [BPF_SK_SKB_VERDICT] = SOCKMAP,
        [BPF_SK_REUSEPORT_SELECT] = {UNKNOWN, UNKNOWN, NEVER},            /* by setsockopt() */
        [BPF_SK_REUSEPORT_SELECT_OR_MIGRATE] = {UNKNOWN, UNKNOWN, NEVER}, /* by setsockopt() */
        [BPF_PERF_EVENT] = {DESCRIPTOR, UNKNOWN, NEVER},
        [BPF_TRACE_KPROBE_MULTI] = {UNKNOWN, UNKNOWN, NEVER}, /* pointers */
        [BPF_LSM_CGROUP] = CGROUP,
        [BPF_STRUCT_OPS] = {NOTHING, UNKNOWN, NEVER}, /* a map in the place of the program */
        [BPF_NETFILTER] = {IN_NETWORK, UNKNOWN, NEVER},
        [BPF_TCX_INGRESS] = DEVICE,
        [BPF_TCX_EGRESS] = DEVICE,
        [BPF_TRACE_UPROBE_MULTI] = {UNKNOWN, UNKNOWN, NEVER}, /* pointers and a path */
        [BPF_CGROUP_UNIX_CONNECT] = CGROUP,
        [BPF_CGROUP_UNIX_SENDMSG] = CGROUP,
        [BPF_CGROUP_UNIX_RECVMSG] = CGROUP,
        [BPF_CGROUP_UNIX_GETPEERNAME] = CGROUP,
        [BPF_CGROUP_UNIX_GETSOCKNAME] = CGROUP,
        [BPF_NETKIT_PRIMARY] = DEVICE,
        [BPF_NETKIT_PEER] = DEVICE,
        [TRACE_KPROBE_SESSION] = {UNKNOWN, UNKNOWN, NEVER}, /* pointers */
        [TRACE_UPROBE_SESSION] = {UNKNOWN, UNKNOWN, NEVER}, /* pointers and a path */
        [TRACE_FSESSION] = TRACED,
};

/* Words of the attr, linux/bpf.h. */
enum { CREATE_PROG, CREATE_TARGET, CREATE_TYPE, CREATE_FLAGS, CREATE_RELATIVE };
enum { UPDATE_LINK, UPDATE_NEW, UPDATE_FLAGS, UPDATE_OLD };
enum { ATTACH_TARGET, ATTACH_PROG, ATTACH_TYPE, ATTACH_FLAGS, ATTACH_REPLACED, ATTACH_RELATIVE };

/* Flags whose effect on descriptors is known: the seven lowest (BPF_F_PREORDER is the last) and BPF_F_LINK. Those of
 * XDP are among them. */
#define FLAGS_KNOWN (0x7fU | BPF_F_LINK)

static const struct row *find_row(uint32_t type) {
        static const struct row later = {UNKNOWN, UNKNOWN, NEVER};

        return type < ELEMENTSOF(rows) ? rows + type : &later;
}

static void add(struct proxy_members *members, uint8_t word) {
        members->words[members->n++] = word;
}

static void add_relative(struct proxy_members *members, const struct row *row, uint32_t flags, uint8_t word) {
        if (flags & BPF_F_ID)
                return;
        if (row->relative == ALWAYS || (row->relative == IF_ORDERED && flags & (BPF_F_BEFORE | BPF_F_AFTER)))
                add(members, word);
}

static bool link_create(const uint32_t *words, struct proxy_members *members) {
        const struct row *row = find_row(words[CREATE_TYPE]);

        if (row->link == UNKNOWN || words[CREATE_FLAGS] & ~FLAGS_KNOWN)
                return false;
        add(members, CREATE_PROG);
        if (row->link == DESCRIPTOR)
                add(members, CREATE_TARGET);
        add_relative(members, row, words[CREATE_FLAGS], CREATE_RELATIVE);
        members->in_network = row->link == IN_NETWORK;
        return true;
}

static bool link_update(const uint32_t *words, struct proxy_members *members) {
        if (words[UPDATE_FLAGS] & ~FLAGS_KNOWN)
                return false;
        add(members, UPDATE_LINK);
        add(members, UPDATE_NEW);
        if (words[UPDATE_FLAGS] & BPF_F_REPLACE)
                add(members, UPDATE_OLD);
        return true;
}

/* PROG_DETACH has the same members. Its program may be none: a number that is not open stays one. */
static bool prog_attach(const uint32_t *words, struct proxy_members *members) {
        const struct row *row = find_row(words[ATTACH_TYPE]);

        if (row->attach == UNKNOWN || words[ATTACH_FLAGS] & ~FLAGS_KNOWN)
                return false;
        add(members, ATTACH_PROG);
        if (row->attach == DESCRIPTOR)
                add(members, ATTACH_TARGET);
        if (words[ATTACH_FLAGS] & BPF_F_REPLACE)
                add(members, ATTACH_REPLACED);
        add_relative(members, row, words[ATTACH_FLAGS], ATTACH_RELATIVE);
        members->in_network = row->attach == IN_NETWORK;
        return true;
}

bool proxy_attr_members(uint32_t command, const union proxy_attr *attr, struct proxy_members *ret) {
        struct proxy_members members = {0};
        bool known = command == BPF_LINK_CREATE                               ? link_create(attr->words, &members) :
                     command == BPF_LINK_UPDATE                               ? link_update(attr->words, &members) :
                     command == BPF_PROG_ATTACH || command == BPF_PROG_DETACH ? prog_attach(attr->words, &members) :
                                                                                false;

        if (known)
                *ret = members;
        return known;
}

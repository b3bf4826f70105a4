/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the guard's programs and the helper both know: layouts of the maps. */

#include <linux/bpf.h>
#include <linux/types.h>

#define GUARD_DELEGATIONS 16384 /* as many as the helper keeps, and ended ones */
/*
 * Tokens alive. Some are kept for each delegation, whatever others do; beyond these a delegation draws on what all
 * have in common, of which a user gets a small share. So no user, and no few of them, can leave another without.
 */
#define GUARD_TOKENS_KEPT 2       /* for each delegation */
#define GUARD_TOKENS_COMMON 32768 /* in all */
#define GUARD_TOKENS_USER 512     /* of these for one user */
#define GUARD_TOKENS_EACH 256     /* of one delegation, both together */
#define GUARD_TOKENS (GUARD_TOKENS_COMMON + GUARD_TOKENS_KEPT * GUARD_DELEGATIONS)
#define GUARD_USERS 16384 /* counters; users whose uids have the same remainder share one, and so the share */
#define GUARD_HELPERS 512 /* ids of BPF helpers that can be judged */
#define GUARD_KFUNCS 256
#define GUARD_DEPTH 33  /* of user namespaces, kernel/user_namespace.c */
#define GUARD_LEVELS 64 /* of cgroups: <root> may be as deep as this */

/* Of maps and of what is in them. A helper that finds another one pinned leaves it alone (guard.c): whoever changes a
 * struct that is in a map raises it. */
#define GUARD_LAYOUT 4

/* Risk classes of program types, as in lib/mask.h; a bit each in an allow-list's row. */
enum guard_class { GUARD_SOCKET, GUARD_CGROUP, GUARD_NETNS, GUARD_HOST, GUARD_CLASSES };

enum guard_flags {
        GUARD_CONFINE = 1,   /* targets are judged */
        GUARD_HOST_WIDE = 2, /* allow_host_wide: contents are not */
        GUARD_REVOKED = 4,
        GUARD_LINKED = 8,      /* has been near to making a link: the end looks for them */
        GUARD_LEGACY = 16,     /* or to attaching to a cgroup without one: the end has more to undo */
        GUARD_SOCKMAP = 32,    /* or to attaching to a sockmap, either way */
        GUARD_LONG_LOOPS = 64, /* long_loops: how long a program can run is not judged */
        /* Of the end. */
        GUARD_HELD = 1 << 16,   /* its anchor is in `holders': the entry stays until it is swept */
        GUARD_SWEPT = 1 << 17,  /* revoked, and nobody is left in its user namespace */
        GUARD_FORKED = 1 << 18, /* a new task of it was refused, and reported */
};

/* Of a helper, for a class of programs. */
enum guard_allowed {
        GUARD_NEVER,
        GUARD_ALWAYS,
        GUARD_COSTLY,
        GUARD_IF_LONG, /* with GUARD_LONG_LOOPS */
        GUARD_WALKING,
        GUARD_SENDING,
        GUARD_BYTE_BY_BYTE,
};
/* Of these the classes of a kfunc have the first three. */
#define GUARD_LOOPS (1u << 8)
#define GUARD_COSTS (1u << 9)
#define GUARD_WALKS (1u << 10)
#define GUARD_SENDS (1u << 11)
#define GUARD_BYTES (1u << 12)

/*
 * How long one run of a program may be, unless its delegation has GUARD_LONG_LOOPS: the instructions that the verifier
 * has followed, times what one of them may take. That is the most that a look into one of its maps takes, and
 * GUARD_RUN_STEP for the rest; or more where it calls a helper that may take microseconds (COSTLY), that goes through
 * a packet of thousands of parts (WALK), or that does so for one instruction, or sends a packet (SEND). docs/memory.md
 * has what each was measured to take: 2^29 are 20 ms, so 27 are a nanosecond. A program that makes tail calls may be
 * followed by 33 others.
 */
#define GUARD_RUN_MAX (1ull << 29)
#define GUARD_RUN_STEP 8192
#define GUARD_RUN_INSNS (GUARD_RUN_MAX / GUARD_RUN_STEP) /* 65536 at most */
#define GUARD_RUN_COSTLY (1 << 15)
#define GUARD_RUN_WALK (1 << 17)
#define GUARD_RUN_SEND (1 << 19)
/* A byte of a key or a value: keys are hashed and compared. Of a filter (bloom) it is hashed 15 times. */
#define GUARD_RUN_BYTE 4
#define GUARD_RUN_BLOOM 64
#define GUARD_RUN_BIT 3072 /* of a trie's key: one node, which is in no cache */
/* Every byte of the largest thing at hand may be looked at one by one: a bit of what is remembered of a program. */
#define GUARD_RUN_BYTES 1
#define GUARD_RUN_UNKNOWN (1 << 24) /* a ring buffer in a map of maps may have any size */
#define GUARD_LOADING 4096          /* programs between the two looks at them */
#define GUARD_RUN_TAILS 34
#define GUARD_FRAMES 8     /* the kernel's MAX_CALL_FRAMES */
#define GUARD_MAPS_EACH 64 /* of a program, the kernel's MAX_USED_MAPS */

/*
 * BTF is charged to no memory cgroup. So one may be so large, and all that a delegation has loaded together; each
 * counts as a page at least. Nobody tells when one is freed: the helper counts what is there (guard.c, recount_btf()).
 */
#define GUARD_BTF_MAX (1ull << 20)
#define GUARD_BTF_ALL (1ull << 24)
#define GUARD_BTF_LEAST 4096

/*
 * Maps of local storage and of sockets that a delegation has at once. What the former keep on one socket, cgroup or
 * inode is a list, which the kernel walks: it would be as long as there are maps. For each entry of the latter the
 * kernel keeps 32 bytes that it charges to nobody (sk_psock_init_link()).
 */
#define GUARD_COUNTED 32
#define GUARD_COUNTED_ALL 65536
#define GUARD_SOCKETS (1u << 16) /* entries of one map of sockets */
/*
 * Key and value of a map together. bpf(2) copies them into memory that it charges to nobody, and keeps that as long as
 * a page of the caller's does not come (kvmemdup_bpfptr()).
 */
#define GUARD_ELEMENT (1u << 18)

/* One delegation, by its id. */
struct guard_delegation {
        __u64 userns; /* address */
        __u64 cgroup; /* id of <root> */
        __u64 caps;
        __u64 refusals;
        __u32 uid;
        __u32 level; /* of <root> */
        __u32 flags;
        __u32 tokens, supers; /* alive */
        __u32 tokens_kept;    /* of the tokens, those of GUARD_TOKENS_KEPT */
        __u64 btf;            /* bytes of BTF loaded since the helper has last counted */
        __u32 counted;        /* maps alive, of GUARD_COUNTED */
        __u32 padding;
};

/* A token that is alive. */
struct guard_token {
        __u64 delegation; /* first, as in the other maps by address */
        __u32 common;     /* it counts in the counters of GUARD_USERS */
        __u32 padding;
};

/* What an attach type is attached to. */
enum guard_target {
        GUARD_AT_UNKNOWN, /* refused */
        GUARD_AT_CGROUP,
        GUARD_AT_NETWORK,
        GUARD_AT_MAP, /* a sockmap, which holds the user's own sockets */
};

static inline enum guard_target guard_target_of(__u32 attach) {
        switch (attach) {
        case BPF_CGROUP_INET_INGRESS ... BPF_CGROUP_SOCK_OPS:
        case BPF_CGROUP_DEVICE:
        case BPF_CGROUP_INET4_BIND ... BPF_CGROUP_INET6_POST_BIND:
        case BPF_CGROUP_UDP4_SENDMSG:
        case BPF_CGROUP_UDP6_SENDMSG:
        case BPF_CGROUP_SYSCTL ... BPF_CGROUP_SETSOCKOPT:
        case BPF_CGROUP_INET4_GETPEERNAME ... BPF_CGROUP_INET6_GETSOCKNAME:
        case BPF_CGROUP_INET_SOCK_RELEASE:
        case BPF_CGROUP_UNIX_CONNECT ... BPF_CGROUP_UNIX_GETSOCKNAME:
                return GUARD_AT_CGROUP;
        case BPF_FLOW_DISSECTOR:
        case BPF_XDP:
        case BPF_SK_LOOKUP:
        case BPF_NETFILTER:
        case BPF_TCX_INGRESS:
        case BPF_TCX_EGRESS:
        case BPF_NETKIT_PRIMARY:
        case BPF_NETKIT_PEER:
                return GUARD_AT_NETWORK;
        case BPF_SK_SKB_STREAM_PARSER:
        case BPF_SK_SKB_STREAM_VERDICT:
        case BPF_SK_SKB_VERDICT:
        case BPF_SK_MSG_VERDICT:
                return GUARD_AT_MAP;
        default:
                return GUARD_AT_UNKNOWN;
        }
}
#define GUARD_ATTACH_TYPES 64 /* no kernel has as many */

/* Addresses that tell what a file is, learned from descriptors of the helper's own. */
struct guard_kinds {
        __u64 prog_fops, link_fops;
        __u64 layout;
        __u64 prover; /* thread whose BPF_PROG_TEST_RUN shows that hooks are called at all */
        __u64 proven;
};

enum guard_what {
        GUARD_LOAD_HELPER,
        GUARD_LOAD_KFUNC,
        GUARD_LOAD_SOURCE,
        GUARD_LOAD_TYPE,
        GUARD_TOO_LONG,
        GUARD_LONG_HELPER,
        GUARD_LONG_KFUNC,
        GUARD_LONG_JUMP,
        GUARD_LONG_CALLS,
        GUARD_LONG_RUN,
        GUARD_LONG_INSNS,
        GUARD_BTF_SIZE,
        GUARD_BTF_FULL,
        GUARD_TARGET_CGROUP,
        GUARD_TARGET_NETWORK,
        GUARD_TARGET_UNKNOWN,
        GUARD_TARGET_LINK,
        GUARD_NO_LINK,
        GUARD_SHARED_TABLE,
        GUARD_REVOKED_USE,
        GUARD_CAPABILITY,
        GUARD_LEFT_NAMESPACE,
        GUARD_TOKEN_OPENED,
        GUARD_JOINED_SHARED,
        GUARD_TOO_MANY,
        GUARD_NEW_TASK,
        GUARD_BY_NETLINK,
        GUARD_JOINED_ENDED,
        GUARD_TARGET_OTHERS,
        GUARD_DETACHED_OUTSIDE,
        GUARD_COUNTED_FULL,
        GUARD_SOCKETS_SIZE,
        GUARD_ELEMENT_SIZE,
        GUARD_SYMLINK,
        GUARD_WHATS,
};

#define GUARD_PATH 256
#define GUARD_NAME 128 /* what a part of a path is cut to */

/* One refusal. */
struct guard_report {
        __u64 delegation;
        __u32 what; /* enum guard_what */
        __u32 cmd;  /* of bpf(2), or ~0 */
        __u32 pid, uid;
        __u32 prog_type;
        __u32 detail;    /* helper, kfunc, capability, attach type, … */
        __u32 interface; /* its number, where one was named; 0: none */
        __u32 has_prog;
        char comm[16];
        char prog_name[16];
        char path[GUARD_PATH + GUARD_NAME]; /* of the cgroup that was named, from cgroup2's root on; "": none */
};

/* What the helper has the syscall program do. */
enum guard_op {
        GUARD_LEARN,
        GUARD_ADD,
        GUARD_REVOKE,
        GUARD_WHOSE,
        GUARD_PROVE,
        GUARD_SET_BTF,
        GUARD_HOLD,
        GUARD_FORGET
};
struct guard_request {
        __u64 delegation;
        __u32 op; /* enum guard_op */
        __u32 mount_fd, cgroup_fd;
        __u32 fd;               /* GUARD_WHOSE: a link or a program; GUARD_HOLD: pidfd of the anchor */
        __u32 prog_fd, link_fd; /* GUARD_LEARN */
        __u64 btf;              /* GUARD_SET_BTF */
};

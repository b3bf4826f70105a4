/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once

/* What the guard's programs and the helper both know: layouts of the maps. */

#include <linux/types.h>

#define GUARD_DELEGATIONS 8192
#define GUARD_TOKENS 65536
#define GUARD_TOKENS_EACH 256 /* of one delegation */
#define GUARD_HELPERS 512     /* ids of BPF helpers that can be judged */
#define GUARD_KFUNCS 256
#define GUARD_DEPTH 33 /* of user namespaces, kernel/user_namespace.c */

/* Risk classes of program types, as in lib/mask.h; a bit each in an allow-list's row. */
enum guard_class { GUARD_SOCKET, GUARD_CGROUP, GUARD_NETNS, GUARD_HOST, GUARD_CLASSES };

enum guard_flags {
        GUARD_CONFINE = 1,   /* targets are judged */
        GUARD_HOST_WIDE = 2, /* allow_host_wide: contents are not */
        GUARD_REVOKED = 4,
        GUARD_LEGACY = 8, /* something was attached without a link: the end has more to undo */
};

/* One delegation, by its id. */
struct guard_delegation {
        __u64 userns; /* address */
        __u64 cgroup; /* id of <root> */
        __u64 caps;
        __u32 uid;
        __u32 level; /* of <root> */
        __u32 flags;
        __u32 tokens, supers; /* alive */
        __u32 padding;
};

/* Addresses that tell what a file is, learned from descriptors of the helper's own. */
struct guard_kinds {
        __u64 prog_fops, link_fops;
};

enum guard_what {
        GUARD_LOAD_HELPER,
        GUARD_LOAD_KFUNC,
        GUARD_LOAD_SOURCE,
        GUARD_LOAD_TYPE,
        GUARD_TARGET_CGROUP,
        GUARD_TARGET_NETWORK,
        GUARD_TARGET_UNKNOWN,
        GUARD_SHARED_TABLE,
        GUARD_REVOKED_USE,
        GUARD_CAPABILITY,
        GUARD_LEFT_NAMESPACE,
        GUARD_TOKEN_OPENED,
        GUARD_JOINED_SHARED,
        GUARD_TOO_MANY,
};

/* One refusal. */
struct guard_report {
        __u64 delegation;
        __u32 what; /* enum guard_what */
        __u32 cmd;  /* of bpf(2), or ~0 */
        __u32 pid, uid;
        __u32 prog_type;
        __u32 detail; /* helper, capability, … */
        __u64 target; /* cgroup id, or interface index */
        __u32 has_prog, padding;
        char comm[16];
};

/* What the helper has the syscall program do. */
enum guard_op { GUARD_LEARN, GUARD_ADD, GUARD_REVOKE, GUARD_WHOSE };
struct guard_request {
        __u64 delegation;
        __u32 op; /* enum guard_op */
        __u32 mount_fd, cgroup_fd, prog_fd, link_fd;
        __u32 padding;
};

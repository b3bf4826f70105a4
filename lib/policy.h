/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Policy files: what an admin wrote down, and whom it is for. bpfdeleg-policy(5) is the document. The PAM module
 * finds the file that matches a login; the helper reads the same file again and acts on it. No NSS here: who is in a
 * group is asked through a callback. The names of commands and types stay text here; lib/mask.h turns them into bits.
 */

#include <sys/types.h>

#include "ini.h"

#define POLICY_NAME_MAX 127 /* base name of a file, bytes */
#define POLICY_SUFFIX ".ini"
#define POLICY_FILES_MAX 512 /* files in all directories together; more is an error, never a silent cut */

enum policy_confine { POLICY_CONFINE_REQUIRED = 0, POLICY_CONFINE_PREFERRED = 1, POLICY_CONFINE_OFF = 2 };
enum policy_network { POLICY_NETWORK_HOST = 0, POLICY_NETWORK_PRIVATE = 1 };
enum policy_scope { POLICY_SCOPE_USER = 0, POLICY_SCOPE_SESSION = 1 };

/* The four masks of a delegated bpffs, in the kernel's order. */
enum policy_axis { POLICY_CMDS, POLICY_MAPS, POLICY_PROGS, POLICY_ATTACHS, POLICY_AXES };

/* [cgroup]: rows of one table in policy.c; a value is the number that goes into the cgroup file. */
enum policy_limit {
        POLICY_PIDS_MAX,        /* processes */
        POLICY_MEMORY_MAX,      /* bytes; K, M, G, T (of 1024) in the file */
        POLICY_MEMORY_HIGH,     /* bytes */
        POLICY_CPU_WEIGHT,      /* 1 … 10000 */
        POLICY_CPU_QUOTA,       /* per cent of one CPU, "150%" in the file */
        POLICY_IO_WEIGHT,       /* 1 … 10000 */
        POLICY_DESCENDANTS_MAX, /* cgroups in the subtree; default 128 */
        POLICY_DEPTH_MAX,       /* levels of them; default 8 */
        POLICY_LIMITS
};
#define POLICY_UNSET UINT64_MAX

struct policy {
        char *name; /* base name */
        char *path; /* for words and records */
        uint8_t digest[SHA256_SIZE];
        char *text; /* the file's bytes, size of them and a NUL; NULL if they could not be read */
        size_t size;

        /* Not empty: the file is broken and grants nothing; the text says file, line, what is wrong and what would be
         * right. */
        struct errtext error;
        /* False: the file could not even say whom it is for; it then matches everyone. */
        bool match_known;

        char *users, *groups, *services; /* as written; NULL when not given */

        char *axis[POLICY_AXES];     /* as written; NULL when not given */
        char *mount_path;            /* default /sys/fs/bpf; absolute, no "..", below PROTO_PATH_SIZE */
        mode_t mode;                 /* default 0700; at most 0777 */
        uint64_t caps;               /* bit N: capability N; default CAP_BPF alone */
        bool allow_host_wide;        /* default no */
        bool long_loops;             /* default no: no program can hold a processor for long */
        enum policy_confine confine; /* default required */
        enum policy_network network; /* default host */

        uint64_t limit[POLICY_LIMITS]; /* POLICY_UNSET when not given, and there is no default */

        enum policy_scope scope; /* default user */
        bool linger;             /* default no */
        bool deny;               /* on_failure = deny; default allow */
};

/* The directories that are searched when nothing else is said: /etc, /run, /usr/lib. NULL-terminated. */
extern const char *const policy_default_dirs[];

/* A login to find the policy for. */
struct policy_login {
        uid_t uid;
        const char *user;
        const char *service;
        /* Whether the user is in this group: 1, 0 (also for a group there is not), or -errno. NULL: taken as true,
         * for the helper, which must not ask NSS and acts on a file that the module, as root, has matched. */
        int (*in_group)(void *userdata, const char *group);
        void *userdata;
};

/* uids that get nothing unless `users` names them: 0, those up to SYSTEM_UID_MAX (configure), systemd's dynamic ones
 * (61184 to 65519), 65534 and 65535, and (uid_t) -1. */
bool policy_uid_is_system(uid_t uid);

/*
 * Reads one file by its base name: from the first of dirs that has it, so that a name in an earlier directory hides a
 * later one. Returns 0 and *ret (to be freed with policy_free), which may be broken: look at ->error first. Returns
 * INI_MASKED if it is masked; -ENOENT if no directory has it; -EINVAL for a name that is no plain base name ending in
 * .ini; another -errno with err when a directory could not be trusted or read.
 */
int policy_read(const char *const *dirs, const char *name, struct policy **ret, struct errtext *err);

/* Whether the policy is for this login: 1, 0, or -errno from in_group. A policy without match_known is for everyone. */
int policy_matches(const struct policy *policy, const struct policy_login *login);

/*
 * Finds the policy of a login: files of all dirs in the order of their base names, the first that matches. Returns 1
 * and *ret; 0 if there is none; -errno with err when the search could not be done (then nothing is granted).
 */
int policy_find(const char *const *dirs, const struct policy_login *login, struct policy **ret, struct errtext *err);

/*
 * Every file that is in force, in the order of base names: not those hidden by an earlier directory, not masked ones.
 * each gets a file's policy, its own from then on and perhaps broken; or NULL with why it could not be read at all,
 * and the -errno. Returns 0, or -errno with err when the search could not be done.
 */
typedef void (*policy_each_fn)(void *userdata, const char *path, struct policy *take_policy, int error,
                               const char *why);
int policy_each(const char *const *dirs, policy_each_fn each, void *userdata, struct errtext *err);

void policy_free(struct policy *policy);
static inline void policy_freep(struct policy **p) {
        policy_free(*p);
}

/* Words for the enums, as in the file. */
const char *policy_confine_name(enum policy_confine confine);
const char *policy_network_name(enum policy_network network);
/* Key of a limit in the file ("pids_max"). */
const char *policy_limit_name(enum policy_limit limit);
/* The cgroup2 controller that keeps it ("pids"); NULL: every cgroup2 does. */
const char *policy_limit_controller(enum policy_limit limit);
/* "CAP_BPF, CAP_NET_ADMIN" into buf, always terminated. */
void policy_format_caps(uint64_t caps, char *buf, size_t size);
